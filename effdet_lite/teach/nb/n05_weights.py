"""Three ways to weigh the inputs of a node, for notebook 05: on two numbers, and in training."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import numpy as np
import torch
from matplotlib.figure import Figure

from effdet_lite.experiments.comparing import spread
from effdet_lite.experiments.weighting_times import seconds_of_trainings
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, line_look, new_panels, styled
from effdet_lite.teach.kit.shared import one_thread
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n05_bifpn import factors
from effdet_lite.teach.nb.n05_round import weightings_of_detectors

Rows = Sequence[Mapping]
TURNS, WARM = 40, 5  # rounds of timing, and those that are not counted
INPUTS = (1.0, 3.0)  # A and B
RIGHT = 0.8  # the factor of A that the trainings look for
WAYS = ("fast", "softmax", "unbounded")
TITLES = {"sum": "plain sum", "fast": "fast", "softmax": "softmax", "unbounded": "unbounded"}
HUES = (PALETTE["blue"], PALETTE["orange"])
REACH = 3.4  # of the axis of factors, to either side


@styled
def weighting_view(weight_a: float, weight_b: float) -> View:
    """The factors that A and B get in three ways, and how hard training pulls at A's weight.

    The pull is the slope of A's factor: how much it changes if A's weight grows a little.
    """
    figure, (left, right) = new_panels(8.6, 3.3, (0.12, 0.17, 0.5, 0.66), (0.74, 0.17, 0.24, 0.66))
    numbers = {}
    for place, way in enumerate(WAYS):
        own, slopes = factors(np.array([weight_a, weight_b], float), way)
        for number, (factor, color) in enumerate(zip(own, HUES, strict=True)):
            at = place + (0.19 if number else -0.19)
            left.barh(at, np.clip(factor, -REACH, REACH), 0.34, color=color)
            side = "right" if factor < 0 else "left"
            words = f" {factor:.2f} " if abs(factor) > 5e-3 else " 0.00 "
            left.text(np.clip(factor, -REACH, REACH), at, words, va="center", ha=side, fontsize=10)
        slope = slopes[0, 0]
        dead = slope == 0
        right.plot(
            slope,
            place,
            marker="X" if dead else "o",
            markersize=10,
            linestyle="",
            color=PALETTE["vermillion"] if dead else "black",
        )
        words = "0: no pull at all" if dead else f"{slope:.2f}"
        right.text(slope + 0.1, place - 0.24, words, fontsize=10, va="center")
        told = f"factors {own[0]:.4f} and {own[1]:.4f}, their sum {own.sum():.4f}"
        numbers[way] = f"{told}; result {own @ INPUTS:.4f}"
    _dress(figure, left, right)
    words = "; ".join(f"{name}: {value}" for name, value in numbers.items())
    return View(figure, f"A has the weight {weight_a:g}, B {weight_b:g}. {words}.", numbers)


def _dress(figure: Figure, left, right) -> None:
    """Axes, titles and the key of the two panels."""
    left.axvline(0, color="black", linestyle="-", marker="", lw=0.8)
    left.set(yticks=range(len(WAYS)), yticklabels=[TITLES[way] for way in WAYS])
    left.set(ylim=(2.6, -0.6), xlim=(-REACH - 0.3, REACH + 0.3), xlabel="factor")
    left.set_title("what A and B are multiplied by", fontsize=11, y=1.0)
    right.set(yticks=range(len(WAYS)), yticklabels=[""] * len(WAYS), ylim=(2.6, -0.6))
    right.set(xlim=(-0.15, 1.9), xticks=(0, 0.5, 1, 1.5), xlabel="slope of A's factor")
    right.set_title("pull at A's weight", fontsize=11, y=1.0)
    bars = [left.barh(0, 0, color=color) for color in HUES]
    names = [f"{name} (the number {value:g})" for name, value in zip("AB", INPUTS, strict=True)]
    figure.legend(
        bars, names, loc="upper left", ncols=2, fontsize=9, bbox_to_anchor=(0.1, 1.0), frameon=False
    )


@styled
def show_factor_curves(weight_b: float = 0.5) -> None:
    """A's factor for every weight of A, in the three ways; B's weight stays where it is."""
    figure, (axis,) = new_panels(7.4, 3.3, (0.11, 0.16, 0.86, 0.72))
    every = np.linspace(-2, 3, 201)
    pairs = np.stack([every, np.full_like(every, weight_b)], -1)
    ends = []
    for number, way in enumerate(WAYS):
        own, _ = factors(pairs, way)
        axis.plot(every, own[:, 0], **line_look(number), markevery=20, label=way)
        ends.append(f"{way} {own[0, 0]:.2f} to {own[-1, 0]:.2f}")
    axis.set(xlabel=f"weight of A (B has {weight_b:g})", ylabel="factor of A", xlim=(-2, 3))
    axis.set_title("Below zero, the fast factor of A is 0 and stays 0", fontsize=11)
    axis.legend(loc="upper left", fontsize=10)
    words = f"A's factor, for weights from -2 to 3: {', '.join(ends)}. Below 0 the fast one is 0."
    show(figure, words)


@styled
def death_view(traces: Mapping[str, Mapping[str, Sequence[float]]], guess: str | None) -> View:
    """The weight of A and its factor while the three rules learn; the rule of the guess is drawn
    thicker.

    traces: by the rule, A's "weight" and "factor" before the first step and after each one.
    """
    panels = ((0.09, 0.17, 0.38, 0.7), (0.59, 0.17, 0.38, 0.7))
    figure, axes = new_panels(8.8, 3.4, *panels)
    told = {}
    for axis, kind in zip(axes, ("weight", "factor"), strict=True):
        sign = "+" if kind == "weight" else ""
        for number, (rule, trace) in enumerate(traces.items()):
            values = trace[kind]
            look = line_look(number) | ({"linewidth": 4} if guess == rule else {})
            axis.plot(values, **look, markevery=10, label=rule)
            told[f"A's {kind} after {len(values) - 1} steps, {rule}"] = f"{values[-1]:{sign}.2f}"
        axis.set(xlabel="training steps", ylabel=f"A's {kind}", ylim=(-0.8, 1.35))
        axis.axhline(0, color="black", lw=0.8, linestyle="-", marker="")
    if guess is not None:
        told["your guess"] = guess
    axes[1].axhline(RIGHT, color="#555555", linestyle=":", marker="")
    axes[1].text(60, RIGHT - 0.06, "the right factor", fontsize=9, ha="right", va="top")
    figure.suptitle("Below zero, the fast rule cannot move the weight", fontsize=11)
    axes[0].legend(loc="center right", fontsize=10)
    words = "; ".join(f"{name}: {value}" for name, value in told.items())
    return View(figure, f"A's weight begins at {traces['fast']['weight'][0]:+.2f}. {words}.", told)


def ways_table(rows: Rows) -> None:
    """A line for each way of adding: what one cell of BiFPN reaches on the dots, and the processor
    seconds of a training. rows: of `experiments.necks`.
    """
    seconds = seconds_of_trainings(rows)
    lines = []
    for way, taken in seconds.items():
        asked = spread([row["asked"] for row in of_dots(rows, way)])
        lines.append([TITLES[way], str(asked), f"{spread(taken).mean:.1f}"])
    table(["how a node adds", "AP50 of the dots", "seconds of a training"], lines)


def of_dots(rows: Rows, way: str) -> list[Mapping]:
    """The runs on the dots with one cell of BiFPN and this weighting."""
    wanted = {"task": "top-down", "graph": "BiFPN", "repeats": 1, "channels": 32}
    wanted["weighting"] = way
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def times_table(adding: Mapping[str, Callable]) -> None:
    """Processor milliseconds of one fusion of three maps, softmax and fast, in turns on one thread.

    adding: functions of (way, maps, weights) by their names.
    """
    random = torch.Generator().manual_seed(0)
    maps = [torch.randn(1, 64, 64, 64, generator=random) for _ in range(3)]
    weights = torch.ones(3)
    taken = {(way, name): [] for way in ("fast", "softmax") for name in adding}
    with one_thread():
        for _ in range(TURNS):  # in turns, so that what disturbs the machine disturbs all
            for way, name in taken:
                started = time.process_time()
                adding[name](way, maps, weights)
                taken[way, name].append(1e3 * (time.process_time() - started))
    middle = {key: median(times[WARM:]) for key, times in taken.items()}
    rows = [[way, *(f"{middle[way, name]:.2f}" for name in adding)] for way in ("fast", "softmax")]
    table([f"milliseconds, median of {TURNS - WARM}", *adding], rows)


def weightings_table() -> None:
    """Which published detectors add with learned weights, and which without."""
    names = {}
    for name, way in weightings_of_detectors().items():
        names.setdefault(way, []).append(name)
    rows = [[TITLES[way], ", ".join(own), len(own)] for way, own in names.items()]
    table(["how a node adds", "detectors", "of them"], rows)
