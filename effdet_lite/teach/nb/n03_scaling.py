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
SIZES = ("depth", "width", "resolution")
NEAR_SIDE = 0.02  # a published side is the formula's if it is off by no more than this share
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


@functools.cache
def formula_growths() -> list[float]:
    """How many times B0's MACs the formula's own networks of ϕ = 0 ... 7 take, counted: their
    blocks and channels are rounded as all are.
    """
    made = [efficientnet(phi) for phi in range(len(NAMES))]
    costs = [sum(cost_by_stage(one.width, one.depth, one.resolution)) for one in made]
    return [cost.macs / costs[0].macs for cost in costs]


def shared_phi(config: EfficientNetConfig) -> float | None:
    """A ϕ in hundredths that gives all three sizes of this network, or None: its depth and width to
    one decimal, and its side within NEAR_SIDE. Of several, the one nearest to a whole or a half.
    """
    b0 = EFFICIENTNETS["b0"]
    found = [
        step / 100
        for step in range(100 * len(NAMES))
        if round(ALPHA ** (step / 100), 1) == round(config.depth, 1)
        and round(BETA ** (step / 100), 1) == round(config.width, 1)
        and abs(b0.resolution * GAMMA ** (step / 100) / config.resolution - 1) <= NEAR_SIDE
    ]
    return min(found, key=lambda phi: abs(2 * phi - round(2 * phi))) if found else None


def follow_the_formula() -> list[str]:
    """Those of B1 ... B7 whose depth, width and resolution come from one ϕ."""
    return [name for name in NAMES[1:] if shared_phi(EFFICIENTNETS[name]) is not None]


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
    dots = {"linestyle": "none", "markersize": 6}
    made = line_look(5) | dots
    # Side by side, since both lie near the line.
    before, behind = ([number + away for number in numbers] for away in (-0.15, 0.15))
    left.plot(before, formula_growths(), **made, label="the formula's network, ϕ = i")
    left.plot(behind, growths(), **line_look(1) | dots, label="published, B0 to B7")
    left.set(yscale="log", ylim=(0.8, 300), ylabel="MACs in those of B0")
    left.set_yticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    left.minorticks_off()
    left.set_title("Rounded up, the formula's networks cost more", fontsize=10)
    left.set(xlim=(-0.4, 7.5 if guess is None else 10.6))  # room for the flag beside B7
    draw_guess(left, guess, x=len(NAMES) - 1)

    right.plot(numbers, numbers, color="black", linestyle="--", marker="", label="ϕ = i")
    for place, size in enumerate(SIZES):
        look = line_look(place + 2) | {"linestyle": "none", "markersize": 6}
        found = [own_phis(EFFICIENTNETS[name])[size] for name in NAMES[1:]]
        right.plot(numbers[1:], found, **look, label=f"by its {size}")
    right.set(ylabel="ϕ that gives this size", ylim=(-0.4, 7.8), yticks=range(8))
    right.set_title("From B4 on, the depth lags behind", fontsize=10)
    right.set(xlim=(-0.3, 7.4))
    for axis in (left, right):
        axis.set_xticks(numbers, [name.upper() for name in NAMES])
        under_flag = axis is left and guess is not None
        axis.legend(loc="lower right" if under_flag else "upper left", fontsize=9)
    largest = own_phis(EFFICIENTNETS["b7"])
    told = ", ".join(f"{value:.1f} by its {size}" for size, value in largest.items())
    words = (
        f"B7 takes {growths()[-1]:.1f} times B0's MACs, near 1.92^7. The formula's own network of "
        f"ϕ = 1 takes {formula_growths()[1]:.2f} times, above 1.92. B7's ϕ is {told}."
    )
    return View(figure, words, {})


def formula_table() -> None:
    """A line for each of B1 ... B7: its MACs, those of the formula's network of ϕ = i, and 1.92^i;
    the ϕ of each of its sizes, and of all three, if there is one.
    """
    rows = []
    for number, name in enumerate(NAMES[1:], start=1):
        phis = own_phis(EFFICIENTNETS[name])
        row = [name.upper(), f"{growths()[number]:.2f}", f"{formula_growths()[number]:.2f}"]
        shared = shared_phi(EFFICIENTNETS[name])
        last = "none" if shared is None else f"{shared:g}"
        found = [_told(phi, size, shared) for size, phi in phis.items()]
        rows.append([*row, f"{PRODUCT**number:.2f}", *found, last])
    heads = [f"ϕ from its {size}" for size in SIZES]
    table(["", "counted growth", "formula's network", "1.92^i", *heads, "ϕ of all three"], rows)
    print(f"have all three sizes from one ϕ: {len(follow_the_formula())} of {len(NAMES) - 1}")


def _told(phi: float, size: str, shared: float | None) -> str:
    """The ϕ of one size, and where the size was rounded far from a shared ϕ, what it had been."""
    if size == "width" and shared is not None and abs(phi - shared) > 0.25:
        return f"{phi:.1f} ({shared:g} gives {BETA**shared:.3f}, rounded)"
    return f"{phi:.1f}"


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
    draw_stages(left, stages[STAGE], maps[STAGE].side, "this network")
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
    axis.plot(*places.T, markersize=3, label="B0 to B7")
    for name, (x, y) in zip(published_costs(), places, strict=True):
        if name in ("B0", "B3", "B5", "B7"):
            axis.annotate(name, (x, y), (0, -12), textcoords="offset points", fontsize=9)
    star = np.log10([total.macs, total.params])
    look = {"marker": "*", "markersize": 13, "color": PALETTE["vermillion"], "linestyle": ""}
    axis.plot(*star, zorder=5, **look, label="this network")
    axis.legend(loc="upper left", fontsize=9)
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
    axis.set_title("Twice B0's MACs, spent in three ways: the memory differs", fontsize=11)
    axis.legend(loc="upper left", ncols=2, fontsize=9)
    show(figure, f"MB of weights and of activations: {'; '.join(told)}.")
    table(["", "MACs in those of B0", "weights, MB", "activations, MB"], rows)
