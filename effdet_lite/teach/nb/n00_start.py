"""What notebook 00 shows of a detector at work: on a photograph, on a drawing, on thirty pictures,
on a picture of the learner's own.
"""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from torch import Tensor

from effdet_lite.course import PASSING, Finding, preflight
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.found import (
    CELL_NAMES,
    counted_names,
    detected,
    detector_at_work,
    draw_counted,
    draw_named,
)
from effdet_lite.teach.kit.judged import LOOKS, draw_judged, draw_key, judged
from effdet_lite.teach.kit.page import folded_table, show, table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.shared import detect_once, shipped, unseen_pictures
from effdet_lite.teach.kit.touch.drawing import PAPER, SIDE, with_marks
from effdet_lite.teach.kit.widgets import View

PICTURES = 30  # by which the detector of shapes is judged
# Shown first: one in which a wrong box has a higher score than right ones, and a lower threshold
# finds a missed shape, but takes another wrong box with it; then one with a double box.
FIRST = (1, 25)
ORDER = (*FIRST, *(number for number in range(PICTURES) if number not in FIRST))
KINDS = ("right", "wrong", "double")  # of boxes
ASKED = 0.5  # the threshold of the guess
THRESHOLDS = tuple(number / 100 for number in range(20, 91))  # of the slider
CORNERS = THRESHOLDS[::5]  # where the lines have theirs
# In this notebook blue is EfficientDet and what it finds, vermillion what is wrong, green what is
# double. So kinds of things that the picture does not name have other colors.
FOUND = (PALETTE["blue"],)
CLASS_COLORS = (PALETTE["sky"], PALETTE["orange"], PALETTE["purple"], "#666666")
# Thresholds at which the letter gets more boxes than with ASKED, and none.
LOWER, HIGHER = 0.4, 0.6
# What is on the sheet of 128 × 128 px before somebody draws: three of the detector's classes, and a
# letter.
LETTER = {"kind": "pen", "width": 5, "color": PALETTE["black"]}
FIRST_MARKS = (
    {"kind": "circle", "center": [36, 36], "side": 38, "color": PALETTE["sky"]},
    {"kind": "cross", "center": [92, 36], "side": 40, "color": PALETTE["purple"]},
    {"kind": "triangle", "center": [94, 92], "side": 44, "color": PALETTE["orange"]},
    LETTER | {"points": [[18, 112], [34, 72]]},
    LETTER | {"points": [[34, 72], [50, 112]]},
    LETTER | {"points": [[24, 98], [44, 98]]},
)


# --- a photograph ---

NO_PHOTOGRAPHS = (
    "The photographs of blood cells are not on this computer yet, so you see drawn shapes and "
    "another detector.\nWhat this page says of cells you can read all the same. "
    "effdet-lite prefetch fetches the photographs; you need them from notebook 08 on."
)


def show_detector_at_work() -> None:
    """A picture as it is, and what a shipped detector finds in it: a photograph of blood cells
    where they are on this machine, and elsewhere drawn shapes, with a sentence that says so.
    """
    model, image, classes = detector_at_work()
    found = detected(model, image, score=0.5)
    names = counted_names(found["labels"], classes)
    words = f"A picture, and beside it the same one with a box around each of {', '.join(names)}."
    show(photograph_and_boxes(image, found, classes), words)
    if not set(classes) <= set(CELL_NAMES.values()):
        print(NO_PHOTOGRAPHS)


@styled
def photograph_and_boxes(image: Tensor, found: Mapping, classes: Sequence[str]) -> Figure:
    """A picture [3, H, W], and beside it the same one with what was found in it."""
    height, width = image.shape[-2:]
    inches, foot = 4.2, 0.4
    high = inches * height / width + foot + 0.3
    places = [(left, foot / high, 0.49, (high - foot - 0.3) / high) for left in (0.005, 0.505)]
    figure, (before, after) = new_panels(2 * inches / 0.98, high, *places)
    titles = "what goes in: a picture", "what comes out: what is there, and where"
    for axis, title in zip((before, after), titles, strict=True):
        draw_picture(axis, image)
        axis.set_title(title, loc="left", fontsize=11)
    draw_counted(after, found, classes, CLASS_COLORS)
    return figure


# --- a drawing ---


@styled
def boxes_on_drawing(drawing: Sequence[Mapping], threshold: float) -> View:
    """What the detector of shapes finds with a score of `threshold` or more on a sheet with these
    marks (`touch.DrawPad`).
    """
    figure, (axis,) = new_panels(3.8, 3.8, (0, 0, 1, 1))
    names = ", ".join(_draw_found(axis, drawing, threshold))
    return View(figure, f"The detector finds {names}.", {"the detector finds": names})


def _draw_found(axis: Axes, drawing: Sequence[Mapping], threshold: float) -> list[str]:
    """Draw a sheet with its marks and what the detector finds; and say how many of each class."""
    model, about = shipped("shapes")
    image = drawing_as_picture(drawing)
    found = detected(model, image, threshold)
    draw_picture(axis, image)
    things = [_around(mark) for mark in drawing if "points" in mark]
    draw_named(axis, found, about["classes"], FOUND, things)
    return counted_names(found["labels"], about["classes"])


def _around(mark: Mapping) -> tuple[float, float, float, float]:
    """The box around the points of a line that was drawn."""
    x, y = zip(*mark["points"], strict=True)
    half = mark["width"] / 2
    return min(x) - half, min(y) - half, max(x) + half, max(y) + half


def show_letter() -> None:
    """What the detector finds on the sheet as it was at first, with two thresholds: with the lower
    one the letter has several boxes, with the higher one none.
    """
    figure, found = letter_figure()
    told = [f"With a threshold of {one}: {', '.join(names)}." for one, names in found.items()]
    show(figure, " ".join(told))


@styled
def letter_figure() -> tuple[Figure, dict[float, list[str]]]:
    """The figure of `show_letter`, and how many of each class are found, by the threshold."""
    places = [(left, 0.0, 0.49, 0.92) for left in (0.005, 0.505)]
    figure, axes = new_panels(8.8, 4.312 / 0.92, *places)
    found = {}
    for axis, threshold in zip(axes, (LOWER, HIGHER), strict=True):
        found[threshold] = _draw_found(axis, FIRST_MARKS, threshold)
        axis.set_title(f"threshold {threshold}", loc="left", fontsize=11)
    return figure, found


def drawing_as_picture(drawing: Sequence[Mapping]) -> Tensor:
    """The marks of a `touch.DrawPad` on its sheet, [3, 128, 128] in 0-1."""
    return torch.from_numpy(with_marks(np.full((3, SIDE, SIDE), PAPER, np.float32), drawing))


# --- thirty pictures ---


@functools.cache
def thirty_pictures() -> list[tuple[Tensor, dict, dict]]:
    """(picture, target, what the detector of shapes finds) of the first thirty test pictures, in
    ORDER.
    """
    model, _ = shipped("shapes")
    return [detect_once(model, unseen_pictures(), number) for number in ORDER]


@functools.cache
def counted(threshold: float) -> Counter:
    """What the boxes with a score of `threshold` or more are worth, in the thirty pictures: how
    many are right, wrong and double, and how many objects are missed.
    """
    total = Counter(dict.fromkeys(LOOKS, 0))
    for _, target, found in thirty_pictures():
        result = judged(above(found, threshold), target)
        total.update({kind: result.count(kind) for kind in LOOKS})
    return total


def above(found: Mapping, threshold: float) -> dict:
    """The detections with a score of `threshold` or more."""
    chosen = found["scores"] >= threshold
    return {name: value[chosen] for name, value in found.items()}


@styled
def believed_boxes(guesses: Mapping, threshold: float, picture: int) -> View:
    """One of thirty test pictures with the boxes that have a score of `threshold` or more, judged;
    beside it what is found and what is wrong in all thirty, for every threshold.

    guesses: "00.c", how many objects are found with a threshold of 0.5. picture: after the last one
    comes the first again.
    """
    number = picture % PICTURES
    image, target, everything = thirty_pictures()[number]
    found = above(everything, threshold)
    result = judged(found, target)
    figure, (left, right) = new_panels(9.2, 4.5, (0.005, 0.09, 0.42, 0.86), (0.5, 0.22, 0.46, 0.7))
    draw_picture(left, image)
    title = f"picture {number + 1} of {PICTURES}: boxes with a score ≥ {threshold:.2f}"
    left.set_title(title, loc="left", fontsize=10)
    draw_judged(left, found, target, unseen_pictures().classes, result)
    draw_key(figure)
    _draw_lines(right, threshold, guesses["00.c"])
    here = {kind: result.count(kind) for kind in LOOKS}
    told = ", ".join(f"{count} {kind}" for kind, count in here.items() if count)
    every = counted(threshold)
    objects = every["right"] + every["missed"]
    numbers = {
        "boxes in the thirty pictures": str(_sum(threshold, KINDS)),
        "shapes in the thirty pictures": str(objects),
        "shapes found": str(every["right"]),
        "shapes missed": str(every["missed"]),
        "boxes that are wrong or double": str(_sum(threshold, KINDS[1:])),
    }
    words = f"With a threshold of {threshold:.2f} picture {number + 1} has {told or 'nothing'}; "
    words += f"in all thirty, {every['right']} of {objects} shapes are found."
    return View(figure, words, numbers)


def _draw_lines(axis: Axes, threshold: float, guess: float | None) -> None:
    """Shapes found and boxes wrong or double, over the threshold; and where it stands."""
    axis.set(xlim=(0.15, 0.95), ylim=(0, 175), xlabel="threshold: lowest score that you accept")
    axis.set_ylabel("in all thirty pictures")
    axis.set_title(
        "A higher threshold: fewer wrong boxes, fewer shapes found", loc="left", fontsize=10
    )
    axis.axvline(threshold, color="#777777", linestyle="-", linewidth=1.2, marker="")
    objects = counted(threshold)["right"] + counted(threshold)["missed"]
    axis.axhline(objects, color=PALETTE["black"], linestyle=":", linewidth=1.2, marker="")
    axis.text(0.93, objects + 3, f"all {objects} shapes", ha="right", fontsize=9)
    lines = {  # each with where its name stands
        "shapes found": ("right", ("right",), (0.71, 88)),
        "wrong or\ndouble boxes": ("wrong", ("wrong", "double"), (0.17, 14)),
    }
    for name, (kind, kinds, place) in lines.items():
        look = LOOKS[kind]
        values = [_sum(one, kinds) for one in CORNERS]
        axis.plot(CORNERS, values, color=look.color, linestyle=look.dashes, marker="")
        axis.plot([threshold], [_sum(threshold, kinds)], color=look.color, marker="o", markersize=8)
        words = axis.text(*place, name, color=look.color, fontsize=9)
        words.set_path_effects([withStroke(linewidth=3, foreground="white")])
    draw_guess(axis, guess, x=ASKED)


def _sum(threshold: float, kinds: Sequence[str]) -> int:
    return sum(counted(threshold)[kind] for kind in kinds)


def shapes_found(threshold: float) -> int:
    """How many shapes of the thirty pictures have a right box, with this threshold."""
    return counted(threshold)["right"]


def counts_meet() -> float:
    """The threshold of the slider at which the number of boxes comes closest to that of shapes."""
    every = counted(ASKED)
    objects = every["right"] + every["missed"]
    return min(THRESHOLDS, key=lambda one: abs(_sum(one, KINDS) - objects))


def show_where_counts_meet(*thresholds: float) -> None:
    """A table to unfold: what becomes of the boxes of thirty pictures with these thresholds, and
    with the one at which there are about as many boxes as shapes.
    """
    rows = []
    for threshold in sorted({*thresholds, counts_meet()}):
        every = counted(threshold)
        boxes, wrong = _sum(threshold, KINDS), _sum(threshold, KINDS[1:])
        rows.append([f"{threshold:.2f}", boxes, every["right"], wrong, every["missed"]])
    header = ["threshold", "boxes", "right", "wrong or double", "shapes missed"]
    folded_table("The answer: unfold it after your own try", header, rows)


# --- this computer ---


def show_preflight() -> None:
    """A table of what the course needs of this computer, and whether it is there. What may be
    otherwise a minute later is left to `effdet-lite doctor`.
    """
    lasting = [one for one in preflight() if one.name not in PASSING]
    table(["", "what", "found"], [(_mark(one), one.name, one.sentence) for one in lasting])


def _mark(finding: Finding) -> str:
    if finding.ok:
        return "✓"
    return "✗ fix this" if finding.essential else "– can wait"
