"""What a larger phi buys, for notebook 07: four detectors of the course's own, and the paper's."""

import functools
import itertools
import math
import timeit
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_part
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments import ladder
from effdet_lite.experiments.comparing import spread
from effdet_lite.experiments.run import stored_results
from effdet_lite.folding import folded
from effdet_lite.scaling import PUBLISHED
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.judged import draw_judged, draw_key, judged
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.shared import detect_once, shipped, unseen_pictures
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.kit.words import with_minus

PHIS = ladder.PHIS
# Where the names of the last two stand, beside their dots; all others stand left of theirs.
LABELS = {"d7": ((6, -13), "left"), "d7x": ((2, 7), "center")}
SCORE = 0.3  # from which on a box is drawn
PICTURES = 30
NAMES = {name: name.upper().replace("X", "x") for name in PUBLISHED if name.startswith("d")}


class Rung(NamedTuple):
    """A detector that comes with the course, its file's header, and its cost at its pictures'
    size.
    """

    model: EfficientDet
    header: dict
    cost: Cost


@functools.cache
def rungs() -> dict[int, Rung]:
    """The four detectors that were trained on shapes, by phi, folded."""
    found = {}
    for phi in PHIS:
        model, header = shipped(f"shapes-phi{phi}")
        total = sum(cost_by_part(at_size(model, header), model.num_classes).values())
        found[phi] = Rung(folded(model), header, total)
    return found


def at_size(model: EfficientDet, header: Mapping):
    """The model's configuration for the pictures that it was trained on."""
    return model.config.__class__(**vars(model.config) | {"resolution": header["size"][0]})


@functools.cache
def aps_by_seed(steps: int = ladder.STEPS) -> dict[int, dict[int, float]]:
    """{phi: {seed: AP}}: of `experiments.ladder`, and where it has not run, of the files that come
    with the course, which have one seed and 1,500 steps.
    """
    try:
        found = ladder.aps(stored_results("ladder")["runs"], steps)
    except FileNotFoundError:
        found = {}
    if found or steps != ladder.STEPS:
        return found
    return {
        phi: {one.header["training"]["seed"]: one.header["result"]["ap"]}
        for phi, one in rungs().items()
    }


def means() -> dict[int, float]:
    """{phi: the mean AP of its seeds}."""
    return {phi: mean_of(own) for phi, own in aps_by_seed().items()}


def mean_of(own: Mapping[int, float]) -> float:
    """Of the APs of one phi's seeds."""
    return spread(list(own.values())).mean


@styled
def ladder_view(guesses: Mapping) -> View:
    """AP of the course's four over phi, each seed a dot; beside it the paper's eight.

    guesses: "07.e", the AP of the smallest phi.
    """
    figure, (ours, theirs) = new_panels(
        9.4, 3.9, (0.075, 0.15, 0.39, 0.68), (0.575, 0.15, 0.41, 0.68)
    )
    draw_ladder(ours, aps_by_seed())
    draw_paper(theirs)
    figure.suptitle("AP grows with the detector: our mean, and the paper's", fontsize=12)
    draw_guess(ours, guesses["07.e"], x=min(PHIS))
    found = {f"ϕ = {with_minus(phi)}": told(own) for phi, own in aps_by_seed().items()}
    steps = [after - before for before, after in itertools.pairwise(means().values())]
    numbers = found | {
        "mean AP from step to step": ", ".join(f"{step:+.3f}" for step in steps),
        "from ϕ = −3 to 0": f"{sum(steps):+.3f}",
    }
    apart = [max(own.values()) - min(own.values()) for own in aps_by_seed().values()]
    if max(apart):
        numbers["seeds of one ϕ lie apart by"] = f"{min(apart):.3f} to {max(apart):.3f}"
    words = "; ".join(f"{name}: AP {ap}" for name, ap in found.items())
    every = "with every step of ϕ" if min(steps) > 0 else "from the smallest ϕ to the largest"
    rises = f"Our mean AP rises {every}, and the paper's from D0 to D7x."
    return View(figure, f"{rises} {words}.", numbers)


def told(own: Mapping[int, float]) -> str:
    """The AP of one phi: of one seed, or the mean of several with their range."""
    if len(own) == 1:
        return f"{next(iter(own.values())):.3f}, one seed"
    return f"{spread(list(own.values()))}, {len(own)} seeds"


def draw_ladder(axis: Axes, found: Mapping[int, Mapping[int, float]]) -> None:
    """Each seed as a dot, and a line through the means."""
    for phi, own in found.items():
        axis.plot([phi] * len(own), list(own.values()), "o", color=PALETTE["blue"], markersize=7)
    line = {"color": PALETTE["blue"], "linestyle": "-", "marker": "", "linewidth": 1.4}
    axis.plot(list(found), [mean_of(own) for own in found.values()], **line)
    every = [ap for own in found.values() for ap in own.values()]
    low = min(0.6, math.floor(20 * min(every)) / 20)  # a tick each 0.05
    high = max(0.8, math.ceil(20 * max(every)) / 20)
    axis.set(xlim=(-3.4, 0.5), ylim=(low, high), xlabel="ϕ", ylabel="AP on shapes (0–1)")
    axis.set_xticks(list(found))
    axis.set_yticks(np.arange(low, high + 0.01, 0.05))
    fewest, most = min(map(len, found.values())), max(map(len, found.values()))
    seeds = "one seed" if most == 1 else f"{most} seeds"
    whose = f"{seeds} each" if fewest == most else f"up to {seeds} each"
    axis.set_title(f"ours, on shapes at 128 px: {whose}", fontsize=11)


def draw_paper(axis: Axes, macs: float | None = None) -> None:
    """The paper's D0 to D7x: AP on COCO over billions of MACs. macs: where a line stands."""
    # Logarithms on a plain axis: matplotlib's logarithmic one takes twice as long to draw.
    work = [math.log10(PUBLISHED[name].macs / 1e9) for name in NAMES]
    ap = [PUBLISHED[name].accuracy for name in NAMES]
    axis.plot(work, ap, color=PALETTE["blue"], marker="o", markersize=7, linestyle="-")
    for (name, label), x, y in zip(NAMES.items(), work, ap, strict=True):
        place, side = LABELS.get(name, ((-6, 5), "right"))
        offset = {"xytext": place, "textcoords": "offset points", "ha": side, "fontsize": 9}
        axis.annotate(label, (x, y), **offset)
    ticks = (2, 5, 10, 20, 50, 100, 200, 500)
    axis.set(xlim=(math.log10(1.6), math.log10(640)), ylim=(30, 60))
    axis.set_xticks([math.log10(tick) for tick in ticks], [f"{tick}" for tick in ticks])
    axis.set_yticks(range(30, 61, 5))
    axis.set(xlabel="billion MACs for one image", ylabel="AP on COCO (%)")
    axis.set_title("the paper's, on COCO (table 2)", fontsize=11)
    if macs is not None:
        place = math.log10(macs)
        axis.axvline(place, color=PALETTE["vermillion"], linestyle="--", marker="", linewidth=1.6)
        here = on_papers_curve(1e9 * macs)
        if here is not None:
            axis.plot(place, here, marker="*", markersize=18, color=PALETTE["vermillion"])


def on_papers_curve(macs: float) -> float | None:
    """The AP in % at this many MACs on the line through the paper's detectors, MACs logarithmic;
    None beyond its ends.
    """
    work = [PUBLISHED[name].macs for name in NAMES]
    if not work[0] <= macs <= work[-1]:
        return None
    ap = [PUBLISHED[name].accuracy for name in NAMES]
    return float(np.interp(np.log(macs), np.log(work), ap))


def show_ladder_table() -> None:
    """A table: what each of the course's four files is made of, and what it reaches."""
    rows = []
    for phi, one in rungs().items():
        config, result = one.model.config, one.header["result"]
        rows.append(
            [
                with_minus(phi),
                f"{config.backbone.width:.2f}",
                f"{config.backbone.depth:.2f}",
                f"{config.fusion_repeats} × {config.fusion_channels}",
                config.head_repeats,
                f"{one.cost.params / 1e6:.2f}",
                f"{one.cost.macs / 1e6:.0f}",
                f"{result['ap']:.3f}",
            ]
        )
    heads = ["ϕ", "backbone's width", "its depth", "BiFPN: cells × channels", "head layers"]
    heads += ["million parameters", "million MACs", "AP of its file"]
    table(heads, rows)


def show_lengths() -> None:
    """A table: AP after 600 and after 1,500 steps, and by how much the largest is ahead."""
    short, long = (aps_by_seed(steps) for steps in (ladder.SHORTER, ladder.STEPS))
    seconds = ladder.seconds(stored_results("ladder")["runs"])
    rows = [
        [
            with_minus(phi),
            spread(list(short[phi].values())),
            spread(list(long[phi].values())),
            f"{mean_of(long[phi]) - mean_of(short[phi]):+.3f}",
            f"{seconds[phi]:.0f}",
        ]
        for phi in PHIS
    ]
    heads = ["ϕ", f"AP after {ladder.SHORTER} steps", f"AP after {ladder.STEPS:,} steps"]
    table([*heads, "gain", "processor seconds of the longer one"], rows)
    largest = max(PHIS)
    for other in (min(PHIS), largest - 1):
        ahead = [mean_of(found[largest]) - mean_of(found[other]) for found in (short, long)]
        names = f"ϕ = {with_minus(largest)} is ahead of ϕ = {with_minus(other)}"
        print(f"{names} by {ahead[0]:.3f} after the shorter, by {ahead[1]:.3f} after the longer")


# --- one picture, four detectors ---


def judged_pictures(phi: int) -> list[tuple]:
    """(picture, target, boxes, judgment) of the first test pictures by one of the four."""
    return [judged_picture(phi, number) for number in range(PICTURES)]


def judged_picture(phi: int, number: int) -> tuple:
    """(picture, target, boxes with a score of SCORE and more, their judgment)."""
    image, target, found = detect_once(rungs()[phi].model, unseen_pictures(), number)
    sure = found["scores"] >= SCORE
    found = {name: value[sure] for name, value in found.items()}
    return image, target, found, judged(found, target)


@styled
def show_same_picture(number: int) -> None:
    """One test picture as each of the four sees it, and how many objects each finds in thirty."""
    places = [(0.005 + 0.5 * column, row, 0.485, 0.43) for row in (0.53, 0.06) for column in (0, 1)]
    figure, axes = new_panels(8.6, 9.3, *places)
    told_each = []
    for axis, phi in zip(axes, PHIS, strict=True):
        image, target, found, result = judged_picture(phi, number)
        draw_picture(axis, image)
        draw_judged(axis, found, target, unseen_pictures().classes, result)
        objects = len(target["labels"])
        right = objects - len(result.missed)
        axis.set_title(f"ϕ = {with_minus(phi)}: {right} of {objects} found", fontsize=11)
        told_each.append(f"ϕ = {with_minus(phi)} {right} of {objects}")
    draw_key(figure)
    show(figure, f"Picture {number} by the four detectors; objects found: {', '.join(told_each)}.")
    rows = []
    for phi in PHIS:
        every = judged_pictures(phi)
        objects = sum(len(target["labels"]) for _, target, _, _ in every)
        missed = sum(result.count("missed") for *_, result in every)
        wrong = sum(result.count("wrong") + result.count("double") for *_, result in every)
        rows.append([with_minus(phi), f"{objects - missed} of {objects}", wrong])
    found = f"objects found in {PICTURES} pictures, score ≥ {SCORE}"
    table(["ϕ", found, "boxes wrong or double"], rows)


# --- time ---


def milliseconds_in_turns() -> dict[int, float]:
    """What one picture takes on this machine, from pixels to boxes, by phi: a median of twelve."""
    image = unseen_pictures()[0][0][None]
    models = [one.model for one in rungs().values()]
    # In turns, whatever else the machine does meets all of them alike.
    turns = [
        [timeit.timeit(functools.partial(model.detect, image), number=1) for model in models]
        for _ in range(15)
    ]
    took = 1e3 * np.median(turns[3:], axis=0)
    return dict(zip(PHIS, took.tolist(), strict=True))


def show_times() -> None:
    """A table: what a picture takes on this machine, the four taking turns, beside the MACs."""
    took = milliseconds_in_turns()
    macs = {phi: one.cost.macs for phi, one in rungs().items()}
    first = PHIS[0]
    rows = [
        [with_minus(phi), f"{ms:.1f}", f"{ms / took[first]:.2f}", f"{macs[phi] / macs[first]:.2f}"]
        for phi, ms in took.items()
    ]
    table(["ϕ", "ms a picture", "time, times ϕ = −3's", "MACs, times ϕ = −3's"], rows)
