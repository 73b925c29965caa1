"""Towers of convolutions for notebook 02: accuracy by depth, and gradients before any training."""

import functools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence

import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn import functional as F

from effdet_lite.experiments.classifiers import LAST, crops
from effdet_lite.experiments.comparing import spread
from effdet_lite.experiments.towers import (
    DEPTHS,
    KINDS,
    LONGER,
    PARTS,
    STEPS,
    Tower,
    by_depth,
    growths,
)
from effdet_lite.randomness import own_numbers
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import line_look, new_figure, new_panels, styled
from effdet_lite.teach.kit.widgets import View

PICTURES, BATCH, SEEDS = 100, 32, (0, 1, 2)
STEPS_OF_DEPTH = ("2 → 16 layers", "4 → 16 layers", "16 → 64 layers")  # what `growths` compares


def means(found: Mapping[int, Mapping[int, float]]) -> dict[int, float]:
    """{depth: the mean over the seeds}, of `towers.by_depth`."""
    return {depth: statistics.fmean(own.values()) for depth, own in found.items()}


def best_depth(found: Mapping[int, Mapping[int, float]]) -> int:
    """The depth with the highest mean."""
    return max(means(found), key=means(found).get)


def most_accurate_depth(rows: Sequence[Mapping]) -> int:
    """Of the towers with both remedies, after the shorter training, by the mean of the seeds."""
    return best_depth(by_depth(rows))


def _depth_axis(axis: Axes) -> None:
    axis.set(xscale="log", xlim=(1.7, 76))
    axis.set_xticks(DEPTHS, DEPTHS)
    axis.minorticks_off()
    axis.set_xlabel("layers of the tower")


def _draw_seeds(axis: Axes, found: Mapping[int, Mapping[int, float]], number: int, label: str):
    look = line_look(number)
    for depth, own in found.items():
        axis.plot([depth] * len(own), list(own.values()), **look | {"linestyle": "none"}, alpha=0.4)
    axis.plot(list(found), list(means(found).values()), **look, label=label)


@styled
def depth_view(rows: Sequence[Mapping], guess: int | None) -> View:
    """Accuracy of the towers with both remedies by their depth, each seed and the mean, for both
    lengths of training. rows: of `experiments.towers`. guess: a depth.
    """
    figure, (axis,) = new_panels(7.2, 3.6, (0.1, 0.14, 0.87, 0.76))
    numbers = {}
    for number, steps in enumerate((STEPS, LONGER)):
        found = by_depth(rows, steps=steps)
        if not found:
            continue
        seeds = max(len(own) for own in found.values())
        label = f"{steps:,} steps"
        _draw_seeds(axis, found, number, label)
        best = best_depth(found)
        of_seeds = f", the mean of {seeds} seeds" if seeds > 1 else ", one seed"
        words = f"{best} layers: {means(found)[best]:.3f}{of_seeds}"
        numbers[f"most accurate after {label}"] = words
    _depth_axis(axis)
    axis.set(ylabel="validation accuracy (0–1)", ylim=(0.2, 1))
    axis.axhline(0.25, color="#777777", linestyle=":", marker="")
    axis.text(1.8, 0.26, "chance", fontsize=9)
    axis.set_title(title_of_depths(rows), fontsize=11)
    axis.legend(loc="upper left", fontsize=9)
    draw_guess(axis, guess, label="your guess")
    return View(figure, "; ".join(f"{name}: {told}" for name, told in numbers.items()), numbers)


def title_of_depths(rows: Sequence[Mapping]) -> str:
    """What the shorter trainings show, as a sentence."""
    best = most_accurate_depth(rows)
    if best == max(by_depth(rows)):
        return f"With skips and norms the mean still climbs at {best} layers"
    return f"With skips and norms the mean climbs up to {best} layers, and then falls"


def towers_table(rows: Sequence[Mapping]) -> None:
    """A line for each depth of the towers with both remedies: accuracy after each length of
    training.
    """
    found = [by_depth(rows, steps=steps) for steps in (STEPS, LONGER)]
    lines = []
    for depth in found[0]:
        own = [one.get(depth) for one in found]
        words = [str(spread(list(seeds.values()))) if seeds else "–" for seeds in own]
        lines.append([f"{depth} layers", *words])
    heads = [
        f"accuracy after {steps:,} steps: mean (lowest – highest)" for steps in (STEPS, LONGER)
    ]
    table(["tower", *heads], lines)


def gradients_table(rows: Sequence[Mapping]) -> None:
    """A line for each depth of the towers with both remedies, of the shorter training: the norm of
    the first layer's gradient before it and in its last tenth (the median of its steps), each the
    median of the seeds, and the mean training loss at its end.
    """
    losses = means(by_depth(rows, value="loss"))
    before, tenths = by_depth(rows, value="before"), by_depth(rows, value="gradients")
    lines = []
    for depth in before:
        first = statistics.median(before[depth].values())
        last = statistics.median(one[-1] for one in tenths[depth].values())
        lines.append([f"{depth} layers", f"{first:.2f}", f"{last:.2f}", f"{losses[depth]:.2f}"])
    gradients = ["gradient before training", f"gradient, last {STEPS // PARTS} of {STEPS} steps"]
    table(["tower", *gradients, f"training loss, last {LAST} steps"], lines)


def kinds_table(rows: Sequence[Mapping]) -> None:
    """A line for each depth: accuracy after the shorter training with both remedies, with one, and
    with neither.
    """
    found = {kind: by_depth(rows, kind) for kind in KINDS}
    lines = []
    for depth in sorted(set().union(*found.values())):
        own = [found[kind].get(depth) for kind in KINDS]
        words = [str(spread(list(seeds.values()))) if seeds else "–" for seeds in own]
        lines.append([f"{depth} layers", *words])
    table([f"accuracy after {STEPS} steps: mean (lowest – highest)", *KINDS], lines)


def mean_growth(
    rows: Sequence[Mapping], lengths: Sequence[int] = (STEPS, LONGER)
) -> dict[str, float]:
    """{"2 → 16 layers": the mean of the seeds, …} of `towers.growths`."""
    gains = zip(*growths(rows, lengths).values(), strict=True)
    return dict(zip(STEPS_OF_DEPTH, map(statistics.fmean, gains), strict=True))


def growth_table(
    rows_of: Mapping[str, Sequence[Mapping]], shown: Sequence[str] = STEPS_OF_DEPTH
) -> None:
    """A line for each seed: what more layers add to its accuracy, the mean of both trainings. After
    each group of seeds stands its mean, and the means of both trainings apart. rows_of: {what a
    group is called: its rows}. shown: the columns, of STEPS_OF_DEPTH.
    """
    lines = []
    for name, rows in rows_of.items():
        for seed, own in growths(rows).items():
            gains = dict(zip(STEPS_OF_DEPTH, own, strict=True))
            lines.append([str(seed), *(f"{gains[step]:+.3f}" for step in shown)])
        groups = {f"mean of the {name}": (STEPS, LONGER)}
        for steps in (STEPS, LONGER):
            groups[f"mean of the {name}, {steps:,} steps alone"] = (steps,)
        for label, lengths in groups.items():
            whole = mean_growth(rows, lengths)
            lines.append([label, *(f"{whole[step]:+.3f}" for step in shown)])
    gained = f"seed: accuracy gained (after {STEPS} and {LONGER:,} steps, averaged)"
    table([gained, *shown], lines)


# --- gradients before any training ---


def matching_gain(activation: Callable[[Tensor], Tensor]) -> float:
    """By what a layer's weights must be multiplied so that its answers are as large as what it was
    given: one over the root of the mean square of activation(z), z normal.
    """
    z = torch.linspace(-8, 8, 160_001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2)
    mean_square = (activation(z).square() * density).sum() / density.sum()
    return 1 / mean_square.sqrt().item()


def fresh_tower(depth: int, skip: bool, norm: bool, gain: float, seed: int) -> Tower:
    """A tower whose convolutions have normal weights with this gain."""
    with own_numbers(seed):
        tower = Tower(depth, skip, norm)
        for conv in tower.convs:
            nn.init.normal_(conv.weight, std=gain / (9 * conv.in_channels) ** 0.5)
    return tower


@functools.cache
def first_gradient(depth: int, kind: str, gain: float, activation: str = "silu") -> float:
    """The norm of the gradient of the first layer's weights for one batch; the median of three
    seeds.
    """
    images, labels = crops("train", PICTURES)
    found = []
    for seed in SEEDS:
        tower = fresh_tower(depth, *KINDS[kind], gain, seed)
        x = tower.stem(images[:BATCH])
        for conv, norm in zip(tower.convs, tower.norms, strict=True):
            y = getattr(F, activation)(norm(conv(x)))
            x = x + y if tower.skip else y
        F.cross_entropy(tower.classifier(x.mean((2, 3))), labels[:BATCH]).backward()
        found.append(tower.convs[0].weight.grad.norm().item())
    return statistics.median(found)


RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def in_two_digits(value: float) -> str:
    """A number above 0 with two digits, 0.043; far from 1 with a power of ten, 1.6 · 10⁻¹²."""
    digits, _, power = f"{value:.1e}".partition("e")
    if -3 <= int(power) < 3:
        places = max(0, 1 - int(power))
        return f"{float(f'{value:.1e}'):.{places}f}"
    return f"{digits} · 10{str(int(power)).translate(RAISED)}"


def powers_lost(gradients: Sequence[float]) -> float:
    """How many powers of ten the last one is smaller than the first."""
    return math.log10(gradients[0] / gradients[-1])


def show_mismatch(gains: Mapping[str, tuple[str, float]]) -> None:
    """The first layer's gradient by depth, in towers with neither remedy, for activations with
    gains: {label: (name in torch.nn.functional, gain)}. First comes one activation with a gain that
    does not match it, then the same with its own gain.
    """
    found = {
        label: [first_gradient(depth, "neither", gain, activation) for depth in DEPTHS]
        for label, (activation, gain) in gains.items()
    }
    wrong, matching, *_ = map(powers_lost, found.values())
    lost = f"about {wrong - matching:.0f} of the {wrong:.0f} powers of ten lost"
    title = f"The wrong gain costs {lost}"
    _show_gradients(found, title, height=3.4)


def show_remedies(gain: float) -> None:
    """The first layer's gradient by depth with skips, batch norm, both or neither."""
    found = {kind: [first_gradient(depth, kind, gain) for depth in DEPTHS] for kind in KINDS}
    _show_gradients(found, "With both remedies the gradient changes least", height=3.6)


@styled
def _show_gradients(found: Mapping[str, Sequence[float]], title: str, height: float) -> None:
    """A figure and a table of the first layer's gradients: by label, one for each of DEPTHS."""
    figure, axes = new_figure(width=7.2, height=height)
    axis = axes[0, 0]
    rows = []
    for number, (label, gradients) in enumerate(found.items()):
        axis.plot(DEPTHS, gradients, **line_look(number), label=label)
        rows.append([label, *map(in_two_digits, gradients)])
    _depth_axis(axis)
    axis.set(yscale="log", ylabel="gradient of the first layer")
    axis.set_title(title, fontsize=11)
    axis.legend(fontsize=9)
    told = ", ".join(f"{row[0]} {row[-1]}" for row in rows)
    show(figure, f"The first layer's gradient in towers of {DEPTHS[-1]} layers: {told}.")
    table(["first layer's gradient", *(f"{depth} layers" for depth in DEPTHS)], rows)
