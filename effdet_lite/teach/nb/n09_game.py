"""AP as a game, for notebook 09: four objects, six boxes to drag, and what becomes of the grade."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes

from effdet_lite.anchors import iou
from effdet_lite.evaluation import error_kinds
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.judged import LOOKS, draw_key, draw_one
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.touch import BoxPad
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n09_results import RECALLS, average_precision

SIDE = 128  # px
OBJECTS = torch.tensor(
    [[8, 10, 40, 42], [60, 14, 100, 54], [20, 70, 60, 110], [88, 78, 118, 108]], dtype=torch.float32
)
BOXES = torch.tensor(
    [
        [9, 12, 41, 43],
        [58, 12, 98, 55],
        [64, 18, 106, 58],
        [64, 98, 82, 116],
        [26, 66, 62, 104],
        [96, 62, 124, 94],
    ],
    dtype=torch.float32,
)
SCORES = torch.tensor([0.95, 0.90, 0.80, 0.70, 0.55, 0.40])
GROUND, OBJECT = 1.0, (0.78, 0.80, 0.84)
CHANGES = {  # single changes, by what one says of them
    "delete the double box": "double",
    "delete the box on nothing": "nothing",
    "raise the score 0.55 to 0.99": "raise",
}


class Ranked(NamedTuple):
    """Boxes, best score first: their scores, their largest IoU with an object, what each is of
    "right", "double" and "wrong", and precision and recall down to each.
    """

    scores: np.ndarray
    overlaps: np.ndarray
    kinds: list[str]
    precision: np.ndarray
    recall: np.ndarray
    ap: float


def ranked(boxes, scores, objects=OBJECTS, least: float = 0.5) -> Ranked:
    """Judge boxes [n, 4] of one class in one picture."""
    order = scores.argsort(descending=True, stable=True)
    boxes, scores = boxes[order], scores[order]
    labels = torch.zeros(len(boxes), dtype=torch.int64)
    found = {"boxes": boxes, "scores": scores, "labels": labels}
    target = {"boxes": objects, "labels": torch.zeros(len(objects), dtype=torch.int64)}
    (one,) = error_kinds([found], [target], iou=least)
    kinds = [kind if kind in ("right", "double") else "wrong" for kind in one["kinds"]]
    right = np.array([kind == "right" for kind in kinds], dtype=bool)
    hits, places = right.cumsum(), np.arange(1, len(right) + 1)
    overlaps = iou(boxes, objects).amax(1) if len(boxes) else torch.zeros(0)
    precision, recall = hits / places, hits / len(objects)
    ap = average_precision(right, len(objects))
    return Ranked(scores.numpy(), overlaps.numpy(), kinds, precision, recall, ap)


def field() -> torch.Tensor:
    """The picture of the game: the four objects, gray on white, [3, 128, 128]."""
    picture = torch.full((3, SIDE, SIDE), GROUND)
    for left, top, right, bottom in OBJECTS.int().tolist():
        picture[:, top:bottom, left:right] = torch.tensor(OBJECT)[:, None, None]
    return picture


@styled
def show_six() -> None:
    """Four objects and six boxes with their scores, before they are judged."""
    figure, (axis,) = new_panels(4.4, 4.4, (0.01, 0.01, 0.98, 0.98))
    draw_picture(axis, field())
    plain = LOOKS["right"]._replace(sign="", dashes="-")
    for box, score in zip(BOXES.tolist(), SCORES.tolist(), strict=True):
        _draw_box(axis, box, f"{score:.2f}", plain.color)
    show(
        figure,
        "Four gray objects and six boxes with scores: 0.95 on the first object, 0.90 and 0.80 on "
        "the second, 0.70 on nothing, 0.55 on the third, 0.40 near the fourth.",
    )


def _draw_box(axis: Axes, box: Sequence[float], words: str, color: str) -> None:
    left, top, right, bottom = box
    axis.plot(
        [left, right, right, left, left],
        [top, top, bottom, bottom, top],
        color=color,
        linestyle="-",
        marker="",
        linewidth=2,
    )
    outside = left > 60 and top < 30 and right > 100  # the second box on one object
    axis.annotate(
        words,
        (right if outside else left, top),
        xytext=(4, -3),
        textcoords="offset points",
        ha="left",
        va="top",
        fontsize=11,
    )


# --- which are right ---


@styled
def right_view(guesses: Mapping) -> View:
    """The six boxes as they are judged; beside them how many are right. guesses: "09.a"."""
    result = ranked(BOXES, SCORES)
    figure, (picture, bars) = new_panels(8.4, 4.3, (0.01, 0.12, 0.47, 0.86), (0.6, 0.2, 0.38, 0.68))
    draw_picture(picture, field())
    for box, score, kind in zip(BOXES.tolist(), SCORES.tolist(), result.kinds, strict=True):
        words = f"{score:.2f}"
        draw_one(picture, box, kind, words, OBJECTS.numpy(), lines=BOXES.tolist())
    kinds = ("right", "wrong", "double")
    draw_key(figure, kinds)
    counts = [result.kinds.count(kind) for kind in kinds]
    bars.bar(range(3), counts, 0.5, color=[LOOKS[kind].color for kind in kinds], edgecolor="black")
    bars.set_xticks(range(3), [f"{LOOKS[kind].sign} {kind}" for kind in kinds], fontsize=11)
    bars.set(ylim=(0, 6.6), xlim=(-0.6, 2.6), yticks=range(7), ylabel="boxes")
    bars.set_title("Three of the six are right", fontsize=11)
    draw_guess(bars, guesses["09.a"], x=0)
    words = "Right: 0.95, 0.90 and 0.55. Double: 0.80. Wrong: 0.70 and 0.40."
    return View(figure, words, {})


def show_ranking() -> None:
    """A table: the six boxes, best score first, with precision and recall down to each."""
    result = ranked(BOXES, SCORES)
    hits, rows = 0, []
    for place, kind in enumerate(result.kinds, 1):
        hits += kind == "right"
        precision = f"{hits} / {place} = {hits / place:.2f}"
        recall = f"{hits} / {len(OBJECTS)} = {hits / len(OBJECTS):.2f}"
        score, overlap = f"{result.scores[place - 1]:.2f}", f"{result.overlaps[place - 1]:.2f}"
        rows.append([score, overlap, kind, precision, recall])
    table(
        ["score", "largest IoU", "the box is", "precision down to here", "recall down to here"],
        rows,
    )


# --- the curve and its area ---


def steps_of(result: Ranked) -> tuple[list[float], list[float]]:
    """The corners of the steps below which the area lies: recalls, and the best precision there or
    further right.
    """
    xs, ys, before = [], [], 0.0
    best = np.maximum.accumulate(result.precision[::-1])[::-1]
    for number, recall in enumerate(result.recall):
        if recall > before:
            xs += [before, recall]
            ys += [best[number], best[number]]
            before = recall
    return [*xs, before, 1.0], [*ys, 0.0, 0.0]


@styled
def draw_curve(axis: Axes, result: Ranked, heights: bool = False) -> None:
    """Precision over recall, each box a sign, the area below the steps shaded. heights: with the
    101 heights of which AP is the mean.
    """
    xs, ys = steps_of(result)
    axis.fill_between(xs, ys, color=PALETTE["sky"], alpha=0.35, linewidth=0)
    axis.plot(xs, ys, color=PALETTE["blue"], linestyle="-", marker="", linewidth=1.6)
    if heights:
        tops = [max((y for x, y in zip(xs, ys, strict=True) if x >= r), default=0) for r in RECALLS]
        axis.vlines(RECALLS, 0, tops, color=PALETTE["blue"], linewidth=0.5)
    for kind, marker in (("right", "o"), ("double", "s"), ("wrong", "X")):
        at = [number for number, own in enumerate(result.kinds) if own == kind]
        look = {"color": LOOKS[kind].color, "marker": marker, "linestyle": "", "markersize": 9}
        axis.plot(result.recall[at], result.precision[at], label=kind, zorder=4, **look)
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axis.set(xlim=(-0.03, 1.05), ylim=(-0.03, 1.08), xticks=ticks, yticks=ticks)
    axis.set(xlabel="recall", ylabel="precision")


@styled
def show_area() -> None:
    """The curve of the six boxes, and the 101 heights whose mean is AP."""
    result = ranked(BOXES, SCORES)
    figure, (axis,) = new_panels(6.2, 3.9, (0.13, 0.14, 0.84, 0.75))
    draw_curve(axis, result, heights=True)
    axis.legend(loc="upper right", fontsize=9)
    axis.set_title(f"AP, the mean of 101 heights: {result.ap:.3f}", fontsize=11)
    show(
        figure,
        f"Precision over recall. The shaded steps are 1 high up to recall 0.5, 0.6 up to 0.75, and "
        f"0 beyond. AP, the mean of the 101 heights, is {result.ap:.3f}.",
    )


# --- the game ---


def ap_pad(description: str) -> BoxPad:
    """The six boxes to drag, with their scores, over the four objects."""
    return BoxPad(
        field(),
        BOXES,
        None,
        ("box",),
        description,
        scores=SCORES,
        truth=OBJECTS,
        most=8,
        shown=380,
    )


@styled
def ap_view(boxes: Sequence[Mapping]) -> View:
    """Table, curve and area of boxes as a `BoxPad` has them."""
    rows = [row["box"] for row in boxes]
    given = torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)
    result = ranked(given, torch.tensor([row["score"] for row in boxes], dtype=torch.float32))
    figure, (axis,) = new_panels(5.0, 3.5, (0.15, 0.15, 0.83, 0.73))
    draw_curve(axis, result)
    axis.set_title(f"AP, the mean of 101 heights: {result.ap:.3f}", fontsize=12)
    numbers = {}
    lines = zip(result.kinds, result.scores, result.precision, result.recall, strict=True)
    for place, (kind, score, precision, recall) in enumerate(lines, 1):
        pair = f"precision {precision:.2f}, recall {recall:.2f}"
        numbers[f"{place}. score {score:.2f}"] = f"{LOOKS[kind].sign} {kind}: {pair}"
    numbers["AP"] = f"{result.ap:.3f}"
    right = result.kinds.count("right")
    words = f"{right} of {len(boxes)} boxes are right, and AP is {result.ap:.3f}."
    return View(figure, words, numbers)


# --- which change gains most ---


def changed(change: str) -> Ranked:
    """The six boxes after one of CHANGES."""
    keep, scores = torch.ones(len(BOXES), dtype=torch.bool), SCORES.clone()
    if CHANGES[change] == "raise":
        scores[4] = 0.99
    else:
        keep[2 if CHANGES[change] == "double" else 3] = False
    return ranked(BOXES[keep], scores[keep])


@styled
def changes_view(guesses: Mapping) -> View:
    """The three curves after one change each. guesses: "09.b", one of CHANGES."""
    now = ranked(BOXES, SCORES).ap
    finding = "One raised score gains more than one deleted box"
    places = [(0.075 + 0.315 * column, 0.13, 0.28, 0.61) for column in range(3)]
    figure, axes = new_panels(9.4, 3.8, *places)
    figure.suptitle(finding, fontsize=11, y=0.99)
    told = {}
    for axis, change in zip(axes, CHANGES, strict=True):
        result = changed(change)
        draw_curve(axis, result)
        mine = "\n(your guess)" if guesses["09.b"] == change else ""
        axis.set_title(f"{change}:\nAP {result.ap:.3f}{mine}", fontsize=10)
        told[change] = f"AP {result.ap:.3f}, {result.ap - now:+.3f}"
    for axis in axes[1:]:
        axis.set_ylabel("")
        axis.tick_params(labelleft=False)
    words = "; ".join(f"{change}: {ap}" for change, ap in told.items())
    return View(figure, f"{finding}. {words}.", told)


def best_change() -> str:
    """The one of CHANGES after which AP is highest."""
    return max(CHANGES, key=lambda change: changed(change).ap)
