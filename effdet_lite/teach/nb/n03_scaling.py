"""One number for the whole network, for notebook 03: the formula, and the published B0 to B7."""

import functools
import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_stage
from effdet_lite.scaling import EFFICIENTNETS, PUBLISHED, EfficientNetConfig, efficientnet
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, line_look, new_figure, new_panels, styled
from effdet_lite.teach.kit.shared import efficientnet_activations, outline
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n03_bet import STAGE, draw_stages

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
PRODUCT = ALPHA * BETA**2 * GAMMA**2
NAMES = tuple(EFFICIENTNETS)
DIGITS = {"depth": 1, "width": 1, "resolution": 0}  # of the published sizes
TUTORIALS = (0, 0.5, 1, 2, 3, 4, 5, 6)  # ϕ of B0 ... B7 as many tutorials print it
SMALLEST, LARGEST = 1 / 20, 110  # times B0's MACs; B7 has 98 times as many
MACS_SHOWN, PARAMS_SHOWN = (6.8, 10.9), (5.4, 9.1)  # ends of the axes, as powers of ten


@functools.cache
def published_costs() -> dict[str, Cost]:
    """B0 ... B7 as published, counted at their own resolutions."""
    return {name.upper(): sum(outline(config).costs) for name, config in EFFICIENTNETS.items()}


# --- the formula beside the published networks ---


def growths() -> list[float]:
    """How many times B0's MACs B0 ... B7 take, counted."""
    costs = list(published_costs().values())
    return [cost.macs / costs[0].macs for cost in costs]


def own_phis(config: EfficientNetConfig) -> dict[str, float]:
    """The ϕ that the formula would need for this network's depth, width and resolution."""
    b0 = EFFICIENTNETS["b0"]
    factors = {
        "depth": (config.depth, ALPHA),
        "width": (config.width, BETA),
        "resolution": (config.resolution / b0.resolution, GAMMA),
    }
    return {name: math.log(value) / math.log(base) for name, (value, base) in factors.items()}


def follow_the_formula() -> list[str]:
    """Those of B1 ... B7 whose depth, width and resolution are all three the formula's, rounded as
    the published sizes are.
    """
    return [
        name
        for number, name in enumerate(NAMES[1:], start=1)
        if all(
            round(getattr(efficientnet(number), size), digits)
            == round(getattr(EFFICIENTNETS[name], size), digits)
            for size, digits in DIGITS.items()
        )
    ]


@styled
def formula_view(guess: float | None) -> View:
    """B1 ... B7 beside the formula: their MACs on the left, their sizes on the right.

    guess: how many times B0's MACs B7 takes.
    """
    figure, (left, right) = new_panels(
        8.6, 3.6, (0.075, 0.145, 0.40, 0.73), (0.57, 0.145, 0.41, 0.73)
    )
    numbers = range(len(NAMES))
    left.plot(numbers, [PRODUCT**number for number in numbers], **line_look(0), label="1.92^i")
    left.plot(numbers, growths(), **line_look(1) | {"linestyle": "none"}, label="counted")
    left.set(yscale="log", ylim=(0.8, 300), ylabel="MACs in those of B0")
    left.set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    left.minorticks_off()
    left.set_title("B2, B3 and B4 cost less than they should", fontsize=10)
    draw_guess(left, guess, x=len(NAMES) - 1)

    right.plot(numbers, numbers, color="black", linestyle="--", marker="", label="formula: ϕ = i")
    for place, size in enumerate(DIGITS):
        look = line_look(place + 2) | {"linestyle": "none", "markersize": 6}
        found = [own_phis(EFFICIENTNETS[name])[size] for name in NAMES[1:]]
        right.plot(numbers[1:], found, **look, label=f"by its {size}")
    right.set(ylabel="ϕ that gives this size", ylim=(-0.4, 7.8), yticks=range(8))
    right.set_title("No network has one ϕ for all three", fontsize=10)
    for axis in (left, right):
        axis.set(xlim=(-0.3, 7.4))
        axis.set_xticks(numbers, [name.upper() for name in NAMES])
        axis.legend(loc="upper left", fontsize=9)
    largest = own_phis(EFFICIENTNETS["b7"])
    told = ", ".join(f"{value:.1f} by its {size}" for size, value in largest.items())
    words = (
        f"B7 takes {growths()[-1]:.1f} times B0's MACs, near 1.92^7; B2 takes {growths()[2]:.1f} "
        f"times where the formula has {PRODUCT**2:.1f}. B7's ϕ is {told}."
    )
    return View(figure, words, {})


def formula_table() -> None:
    """A line for each of B1 ... B7: its MACs beside 1.92^i and 2^i, and the ϕ of each of its
    sizes.
    """
    rows = []
    for number, name in enumerate(NAMES[1:], start=1):
        phis = own_phis(EFFICIENTNETS[name]).values()
        row = [name.upper(), f"{growths()[number]:.2f}", f"{PRODUCT**number:.2f}", f"{2**number}"]
        rows.append([*row, *(f"{phi:.1f}" for phi in phis)])
    heads = [f"ϕ from its {size}" for size in DIGITS]
    table(["", "counted growth", "1.92^i", "2^i", *heads], rows)
    print(f"have all three sizes of the formula: {len(follow_the_formula())} of {len(NAMES) - 1}")


def tutorials_table() -> None:
    """The parameters of B0 ... B7 for the ϕ that many tutorials print, and as they are."""
    rows = []
    for phi, name in zip(TUTORIALS, NAMES, strict=True):
        by_formula = efficientnet(phi)
        then = sum(cost_by_stage(by_formula.width, by_formula.depth, by_formula.resolution)).params
        true = published_costs()[name.upper()].params
        row = [name.upper(), f"{phi:g}", f"{then / 1e6:.2f}", f"{true / 1e6:.2f}"]
        rows.append([*row, f"{PUBLISHED[name].params / 1e6:g}", f"{then / true - 1:+.1%}"])
    heads = ["ϕ of the tutorials", "million parameters then", "as published, counted"]
    table(["", *heads, "in the paper", "off by"], rows)


# --- an explorer of the formula ---


@styled
def scaling_view(phi: float, alpha: float, beta: float, gamma: float) -> View:
    """B0 with alpha^phi times the depth, beta^phi the width, gamma^phi the resolution: one of its
    stages, and its cost beside B0 ... B7.

    Memory is that of 4-byte numbers: the weights, and what all convolutions put out for one image.
    Raises ValueError for a network that by the formula has less than SMALLEST or more than LARGEST
    times B0's MACs.
    """
    by_formula = (alpha * beta**2 * gamma**2) ** phi
    if by_formula > LARGEST:
        raise ValueError(
            f"by the formula that network takes {by_formula:,.0f} times B0's MACs, and B7 takes "
            f"{growths()[-1]:.0f} times. Turn something back."
        )
    if by_formula < SMALLEST:
        raise ValueError(
            f"by the formula that network takes {by_formula:.4f} of B0's MACs, which is too small "
            "for the drawing. Turn something back."
        )
    config = efficientnet(phi, alpha, beta, gamma)
    stages, costs, maps = outline(config)
    total, published = sum(costs), published_costs()
    times = total.macs / published["B0"].macs
    figure, (left, right) = new_panels(9.0, 3.4, (0, 0.04, 0.6, 0.9), (0.69, 0.16, 0.3, 0.76))
    draw_stages(left, stages[STAGE], maps[STAGE].side)
    left.set_title(f"Stage {STAGE} of B0, and of this network", fontsize=10, y=0.95)
    _cost_plot(right, total)

    near = min(published, key=lambda name: abs(math.log(published[name].macs / total.macs)))
    other = published[near]
    memory = efficientnet_activations(config)
    numbers = {
        "depth, width, resolution": f"{config.depth:.3f} ×, {config.width:.3f} ×, "
        f"{config.resolution} px",
        "blocks": f"{sum(entry.blocks for entry in maps[1:8])}",
        "α · β² · γ²": f"{alpha * beta**2 * gamma**2:.4f}",
        "parameters": f"{total.params:,}",
        "MACs": f"{total.macs / 1e6:,.1f} million, {times:,.2f} × B0's",
        "weights": f"{4e-6 * total.params:,.1f} MB",
        "activations, all convolutions, one image": f"{4e-6 * memory:,.1f} MB",
        "nearest published": f"{near}: {other.macs / 1e6:,.0f} million MACs, "
        f"{other.params / 1e6:.1f} M parameters, {EFFICIENTNETS[near.lower()].resolution} px",
    }
    words = f"The network of ϕ = {phi:g}; among B0 to B7 its cost is nearest to {near}'s."
    return View(figure, words, numbers)


def _cost_plot(axis: Axes, total: Cost) -> None:
    """Parameters against MACs of B0 ... B7, and a star for this network."""
    places = np.log10([(one.macs, one.params) for one in published_costs().values()])
    axis.plot(*places.T, markersize=3)
    for name, (x, y) in zip(published_costs(), places, strict=True):
        if name in ("B0", "B3", "B5", "B7"):
            axis.annotate(name, (x, y), (4, -11), textcoords="offset points", fontsize=9)
    star = np.log10([total.macs, total.params])
    look = {"marker": "*", "markersize": 13, "color": PALETTE["vermillion"], "linestyle": ""}
    axis.plot(*star, zorder=5, **look)
    ticks = {7: "0.01", 8: "0.1", 9: "1", 10: "10"}
    axis.set(xlim=MACS_SHOWN, xticks=list(ticks), xticklabels=list(ticks.values()))
    ticks = {6: "1", 7: "10", 8: "100", 9: "1000"}
    axis.set(ylim=PARAMS_SHOWN, yticks=list(ticks), yticklabels=list(ticks.values()))
    axis.set(xlabel="billion MACs", ylabel="million parameters")


@styled
def show_memory(settings: Mapping[str, tuple[float, float, float, float]]) -> None:
    """Weights and activations in MB of each setting (ϕ, α, β, γ), as bars and in a table."""
    figure, axes = new_figure(width=7.4, height=3.2)
    axis = axes[0, 0]
    rows, told = [], []
    for place, (name, values) in enumerate(settings.items()):
        config = efficientnet(*values)
        total = sum(outline(config).costs)
        weights, activations = 4e-6 * total.params, 4e-6 * efficientnet_activations(config)
        first = place == 0
        for offset, height, color, hatch, label in (
            (-0.2, weights, PALETTE["sky"], "", "weights"),
            (0.2, activations, PALETTE["orange"], "//", "activations of one image"),
        ):
            look = {"color": color, "hatch": hatch, "edgecolor": "white"}
            axis.bar(place + offset, height, 0.38, **look, label=label if first else "_other")
            axis.text(place + offset, height + 0.8, f"{height:.1f}", ha="center", fontsize=9)
        times = f"{total.macs / published_costs()['B0'].macs:.2f}"
        rows.append([name, times, f"{weights:.1f}", f"{activations:.1f}"])
        told.append(f"{name} {weights:.1f} and {activations:.1f}")
    axis.set(xticks=range(len(settings)), xticklabels=list(settings), ylabel="MB", ylim=(0, 68))
    axis.set_title("The same MACs need different memory", fontsize=11)
    axis.legend(loc="upper left", ncols=2, fontsize=9)
    show(figure, f"MB of weights and of activations: {'; '.join(told)}.")
    table(["", "MACs in those of B0", "weights, MB", "activations, MB"], rows)
