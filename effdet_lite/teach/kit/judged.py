"""Boxes that were judged: right, wrong, double and missed can be told apart by their lines and by a
sign, and not by their colors alone.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from effdet_lite.evaluation import error_kinds
from effdet_lite.teach.kit.labels import label_where_free
from effdet_lite.teach.kit.plots import PALETTE, as_array, styled
from effdet_lite.teach.kit.words import writable


class Look(NamedTuple):
    """How boxes of one kind are drawn, and what the key says of them."""

    color: str
    dashes: object
    sign: str
    meaning: str


APART = 0.018  # of the picture's width, from a missed object to its line
# The later ones lie on top. A wrong box mostly lies where an object is missed.
LAYERS = ("missed", "right", "double", "wrong")
LOOKS = {
    "right": Look(PALETTE["blue"], "-", "✓", "right"),
    "wrong": Look(PALETTE["vermillion"], (0, (5, 2)), "✗", "wrong"),
    "double": Look(PALETTE["green"], (0, (1.5, 1)), "2×", "double"),
    "missed": Look(PALETTE["black"], (0, (6, 2, 1, 2)), "?", "missed"),
}


class Judged(NamedTuple):
    """What the boxes of one picture are worth.

    kinds: of each box, "right", "wrong" or "double". missed: the numbers of the objects that have
    no right box.
    """

    kinds: list[str]
    missed: list[int]

    def count(self, kind: str) -> int:
        """How many there are of one kind of LOOKS."""
        return len(self.missed) if kind == "missed" else self.kinds.count(kind)


def judged(found: Mapping, target: Mapping, iou: float = 0.5) -> Judged:
    """Judge each box of one picture, by `evaluation.error_kinds`.

    found, target: as `EfficientDet.detect` and the data sets have them. A box is right if it has
    the class of an object and their IoU is `iou` or more. It is double if that object has a right
    box already. Each other box is wrong.
    """
    (one,) = error_kinds([found], [target], iou=iou)
    kinds = [kind if kind in ("right", "double") else "wrong" for kind in one["kinds"]]
    answers = zip(kinds, as_array(one["objects"]).tolist(), strict=True)
    right = {number for kind, number in answers if kind == "right"}
    missed = [number for number in range(len(target["labels"])) if number not in right]
    return Judged(kinds, missed)


@styled
def draw_judged(
    axis: Axes,
    found: Mapping,
    target: Mapping,
    classes: Sequence[str],
    result: Judged,
    names_missed: bool = True,
    labels: Literal["where there is room", "on clear ground", "none"] = "where there is room",
    named: Sequence[str] = tuple(LOOKS),
) -> None:
    """Draw the boxes of one picture as they were judged, and the objects that were missed.

    Each gets sign, class and score, or the sign alone, or nothing where the picture is too full. So
    no label lies over another. A right box has the class that one sees, and does not repeat it.
    Labels cover as little of the objects as they can. Wrong boxes come first, since their class
    mostly says what is wrong. The line of a missed object stands a little outside, so that a box on
    the object hides nothing.

    names_missed: whether a missed object has its class beside its sign. labels: "on clear ground"
    leaves out labels that would lie on a line or hide much of an object; there and with "none" a
    box that lies on a right one stands a little outside, too. named: the kinds that get labels.
    """
    boxes = [
        (kind, box, _told(kind, writable(classes[label], label), score))
        for kind, box, label, score in zip(
            result.kinds,
            as_array(found["boxes"]),
            as_array(found["labels"]).tolist(),
            as_array(found["scores"]),
            strict=True,
        )
    ]
    for number in result.missed:
        label = int(target["labels"][number])
        name = writable(classes[label], label) if names_missed else ""
        boxes.append(("missed", _widened(axis, as_array(target["boxes"])[number]), name))
    how = {"objects": as_array(target["boxes"])}
    if labels != "where there is room":
        right = [box for kind, box, _ in boxes if kind == "right"]
        boxes = [(kind, _off(axis, kind, box, right), words) for kind, box, words in boxes]
        how["lines"] = [box for _, box, _ in boxes]
    for kind in ("wrong", "right", "missed", "double"):
        signed = labels != "none" and kind in named
        for own, box, words in boxes:
            if own == kind:
                draw_one(axis, box, kind, words, signed=signed, **how)


def _off(axis: Axes, kind: str, box, right: Sequence):
    """The box, or where two of its sides or more lie on those of a right box, a wider one."""
    start, end = axis.get_xlim()
    near = APART * (end - start)
    on = any((abs(np.subtract(box, one)) < near).sum() > 1 for one in right)
    return _widened(axis, box) if on and kind in ("wrong", "double") else box


def _told(kind: str, name: str, score: float) -> str:
    return f"{score:.2f}" if kind == "right" else f"{name} {score:.2f}"


def draw_one(
    axis: Axes,
    box,
    kind: str,
    words: str = "",
    objects: Sequence = (),
    lines: Sequence = (),
    signed: bool = True,
) -> None:
    """One box (xyxy, pixels) of a kind of LOOKS, with its sign and, where there is room, words.

    objects: boxes that the words cover as little as they can. lines: boxes whose lines they stay
    off, or are left out. signed: whether there are sign and words at all.
    """
    look = LOOKS[kind]
    left, top, right, bottom = box
    ground = {"edgecolor": "white", "linewidth": 3.6}  # between the dashes too
    line = {"edgecolor": look.color, "linestyle": look.dashes, "linewidth": 2.0}
    layer = 1 + LAYERS.index(kind) / 10  # below the labels, which are at 3
    for style in (ground, line):
        frame = Rectangle((left, top), right - left, bottom - top, fill=False, **style)
        frame.set_zorder(layer)
        axis.add_artist(frame)
    # A double box begins near the right one, whose label is above.
    first = "below, left" if kind == "double" else "above"
    wordings = f"{look.sign} {words}".strip(), look.sign
    if signed:
        how = {"first": first, "outside": True, "objects": objects, "lines": lines}
        label_where_free(axis, box, wordings, look.color, **how)


def _widened(axis: Axes, box) -> tuple[float, float, float, float]:
    """The box with APART more on each side, as far as the picture reaches."""
    (start, end), (foot, head) = axis.get_xlim(), axis.get_ylim()  # y counts downward
    apart = APART * (end - start)
    left, top, right, bottom = box
    widened_left, widened_top = max(left - apart, start), max(top - apart, head)
    return widened_left, widened_top, min(right + apart, end), min(bottom + apart, foot)


@styled
def draw_key(
    figure: Figure,
    kinds: Sequence[str] = tuple(LOOKS),
    columns: int | None = None,
    meanings: Mapping[str, str] | None = None,
    others: Mapping[str, Mapping] | None = None,
    signed: bool = True,
) -> None:
    """The key to the lines and signs, at the foot of the figure.

    columns: all in one row by default. meanings: of the kinds, where they are other than in LOOKS.
    others: the looks of lines that belong to no kind, by what they mean. signed: with the signs.
    """
    meanings = {kind: LOOKS[kind].meaning for kind in kinds} | dict(meanings or {})
    keys = [
        Line2D([], [], color=LOOKS[kind].color, linestyle=LOOKS[kind].dashes, marker="")
        for kind in kinds
    ]
    signs = {kind: f"{LOOKS[kind].sign} " if signed else "" for kind in kinds}
    names = [signs[kind] + meanings[kind] for kind in kinds]
    for name, line in (others or {}).items():
        keys.append(Line2D([], [], marker="", **line))
        names.append(name)
    look = {"handlelength": 3, "fontsize": 9}
    figure.legend(
        keys, names, loc="lower center", ncols=columns or len(names), **look, frameon=False
    )
