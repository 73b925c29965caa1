"""Non-maximum suppression in notebook 06: step by step on one picture, and what is left without
it.
"""

import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from torch import Tensor
from torchvision.ops import batched_nms

from effdet_lite.anchors import iou
from effdet_lite.teach.kit.boxes import draw_outlines, draw_picture
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.judged import LOOKS, judged
from effdet_lite.teach.kit.labels import label_where_free
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import (
    PALETTE,
    line_look,
    new_figure,
    new_panels,
    styled,
)
from effdet_lite.teach.kit.shared import unseen_pictures
from effdet_lite.teach.kit.typed import in_percent
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n06_anchors import candidates

PICTURE, SCORE = 0, 0.6  # two of its circles overlap; the lowest score of a box in the steps
ZOOM = (0, 96, 104, 36)  # px: left, right, bottom, top of what is shown of it
MANY, LEAST = 100, 0.3  # pictures that are counted, and the lowest score there
APART = 0.45  # px, from one box that goes to the next
OUTLINED = withStroke(linewidth=2.6, foreground="#777777")
KINDS = ("right", "double", "wrong", "missed")


class Step(NamedTuple):
    """The boxes after a step, by number. best: the one that was taken, None before the first.
    gone: what it threw away. kept: all that were taken before. left: what is still undecided.
    """

    best: int | None
    gone: list[int]
    kept: list[int]
    left: list[int]


@functools.cache
def sure_boxes() -> dict[str, Tensor]:
    """The boxes of PICTURE with a score of SCORE and more, best first."""
    found = candidates(PICTURE)
    sure = found["scores"] >= SCORE
    return {name: value[sure] for name, value in found.items()}


def steps(boxes: Tensor, labels: Tensor, threshold: float) -> list[Step]:
    """Each step of NMS over boxes [n, 4] of classes labels [n], which come best first."""
    overlaps, same = iou(boxes, boxes), labels[:, None] == labels
    left, kept = list(range(len(boxes))), []
    found = [Step(None, [], [], list(left))]
    while left:
        best, *others = left
        gone = [n for n in others if same[best, n] and overlaps[best, n] > threshold]
        left = [n for n in others if n not in gone]
        found.append(Step(best, gone, list(kept), list(left)))
        kept.append(best)
    return found


@styled
def step_view(step: int, threshold: float) -> View:
    """The boxes of PICTURE at this step of NMS (0: before the first; beyond the last: at the end).

    threshold: 0–1.
    """
    found = sure_boxes()
    every = steps(found["boxes"], found["labels"], threshold)
    now = every[min(step, len(every) - 1)]
    figure, (axis,) = new_panels(5.0, 4.2, (0.02, 0.09, 0.96, 0.83))
    _draw_step(axis, found, now)
    _draw_key(figure)
    is_over = step >= len(every) - 1
    kept = len(now.kept) + (now.best is not None)
    axis.set_title(_words_of(now, found), fontsize=10)
    numbers = {
        "step": f"{min(step, len(every) - 1)} of {len(every) - 1}{', the end' if is_over else ''}",
        "kept so far": f"{kept}",
        "thrown away in this step": f"{len(now.gone)}",
        "still to decide": f"{len(now.left)}",
    }
    return View(figure, f"{_words_of(now, found)}. {len(now.left)} are still to decide.", numbers)


def _draw_key(figure: Figure) -> None:
    """What the lines of a step mean."""
    looks = {
        "taken (thick)": {"color": PALETTE["blue"], "linewidth": 2.8},
        "kept": {"color": PALETTE["blue"], "linewidth": 1.4},
        "goes (drawn larger)": {"color": "black", "linewidth": 1.0, "linestyle": "--"},
        "undecided": {"color": "white", "linewidth": 1.4, "path_effects": [OUTLINED]},
    }
    keys = [Line2D([], [], marker="", **{"linestyle": "-", **look}) for look in looks.values()]
    style = {"ncols": len(looks), "fontsize": 9, "handlelength": 2.2, "columnspacing": 1.2}
    figure.legend(keys, list(looks), loc="lower center", **style, frameon=False)


def _words_of(now: Step, found: Mapping[str, Tensor]) -> str:
    if now.best is None:
        return f"{len(now.left)} boxes, and nothing is decided"
    name = unseen_pictures().classes[found["labels"][now.best]]
    score = float(found["scores"][now.best])
    boxes = "box goes" if len(now.gone) == 1 else "boxes go"
    return f"{name} {score:.2f} stays, {len(now.gone)} {boxes}"


def _draw_step(axis: Axes, found: Mapping[str, Tensor], now: Step, words: bool = True) -> None:
    """Undecided boxes thin and white, kept ones blue, and the best one thick, on top. Those that go
    are dashed and black, each further outside than it is, since they nearly equal the best.
    """
    draw_picture(axis, unseen_pictures()[PICTURE][0])
    axis.set(xlim=ZOOM[:2], ylim=ZOOM[2:])
    boxes, labels = found["boxes"], found["labels"].tolist()
    if now.left:
        draw_outlines(axis, boxes[now.left], "white", linewidths=1.0)
    if now.kept:
        draw_outlines(axis, boxes[now.kept], "white", linewidths=2.8)
        draw_outlines(axis, boxes[now.kept], PALETTE["blue"], linewidths=1.4)
    gone = set_apart(boxes[now.gone])
    if now.gone:
        draw_outlines(axis, gone, "black", linewidths=1.0, linestyles="dashed")
    if now.best is not None:
        draw_outlines(axis, boxes[[now.best]], "white", linewidths=3.6)
        draw_outlines(axis, boxes[[now.best]], PALETTE["blue"], linewidths=2.8)
    named = [*([] if now.best is None else [now.best]), *now.kept] if words else []
    for number in named:
        score = f"{found['scores'][number]:.2f}"
        name = unseen_pictures().classes[labels[number]]
        wordings = (f"{name} {score}", score)
        around = boxes[[number]]
        if number == now.best:  # the words stand outside of what goes
            near = iou(around, boxes[now.gone])[0] > 0.5
            around = torch.cat([around, gone[near]])
        corners = [*around[:, :2].amin(0).tolist(), *around[:, 2:].amax(0).tolist()]
        label_where_free(axis, corners, wordings, PALETTE["blue"])


def set_apart(boxes: Tensor) -> Tensor:
    """Boxes [n, 4] that nearly equal each other, as they can all be seen: each lies 1 px outside
    its place, and APART more for each earlier box that it overlaps with an IoU above 0.5.
    """
    earlier = torch.tril(iou(boxes, boxes) > 0.5, diagonal=-1).sum(1, keepdim=True)
    return boxes + torch.tensor([-1.0, -1.0, 1.0, 1.0]) * (1 + APART * earlier)


@styled
def show_ends(thresholds: tuple[float, ...] = (0.0, 0.5, 0.9)) -> None:
    """What NMS leaves of PICTURE at several thresholds, side by side."""
    found = sure_boxes()
    figure, axes = new_figure(1, len(thresholds), width=3.1 * len(thresholds), height=2.6)
    told = []
    for axis, threshold in zip(axes[0], thresholds, strict=True):
        last = steps(found["boxes"], found["labels"], threshold)[-1]
        _draw_step(axis, found, Step(None, [], [*last.kept, last.best], []), words=False)
        count = len(last.kept) + 1
        axis.set_title(f"NMS threshold {threshold:g}: {count} left", fontsize=10)
        told.append(f"{count} at {threshold:g}")
    objects = len(unseen_pictures()[PICTURE][1]["labels"])
    show(
        figure,
        f"Of {len(found['boxes'])} boxes for {objects} objects NMS leaves: {', '.join(told)}.",
        photo=True,
    )


# --- many pictures ---


@functools.cache
def counted(threshold: float) -> dict[str, int]:
    """Boxes of each kind of KINDS in MANY pictures that NMS at this threshold leaves; 1: no NMS."""
    totals = dict.fromkeys(KINDS, 0)
    for index in range(MANY):
        found, target = candidates(index), unseen_pictures()[index][1]
        sure = found["scores"] >= LEAST
        found = {name: value[sure] for name, value in found.items()}
        if threshold < 1:
            left = batched_nms(found["boxes"], found["scores"], found["labels"], threshold)
            found = {name: value[left] for name, value in found.items()}
        one = judged(found, target)
        for kind in KINDS:
            totals[kind] += one.count(kind)
    return totals


@styled
def doubles_view(guess: float | None, threshold: float = 0.5) -> View:
    """Boxes in MANY pictures without NMS and with it, by kind; the guess is of the doubles without
    it, in percent of all boxes.
    """
    counts = {"without NMS": counted(1.0), f"with NMS at {threshold:g}": counted(threshold)}
    figure, axis = _stacked(counts)
    boxes = {name: sum(one[kind] for kind in KINDS[:3]) for name, one in counts.items()}
    double = counts["without NMS"]["double"] / boxes["without NMS"]
    axis.set_title(f"Without NMS {in_percent(double)} of the boxes are doubles", fontsize=11)
    for place, one in enumerate(counts.values()):
        words = ", ".join(f"{one[kind]:,} {kind}" for kind in KINDS)
        start = axis.get_xlim()[1] / 150  # off the axis
        axis.text(start, place + 0.29, words, va="top", fontsize=9)
    if guess is not None:
        draw_guess(axis, guess / 100 * boxes["without NMS"], y=-0.8)
    numbers = {
        name: ", ".join(f"{one[kind]:,} {kind}" for kind in KINDS)
        + f"; {in_percent(one['double'] / boxes[name])} of the boxes are double"
        for name, one in counts.items()
    }
    told = "; ".join(f"{name}: {words}" for name, words in numbers.items())
    return View(
        figure, f"Boxes in {MANY} pictures with a score of at least {LEAST}. {told}.", numbers
    )


def _stacked(counts: Mapping[str, Mapping[str, int]]) -> tuple[Figure, Axes]:
    figure, (axis,) = new_panels(7.4, 2.8, (0.18, 0.2, 0.78, 0.6))
    start = np.zeros(len(counts))
    for kind, hatch in {"right": "", "double": "..", "wrong": "//"}.items():
        values = np.array([one[kind] for one in counts.values()])
        look = {"color": LOOKS[kind].color, "hatch": hatch, "edgecolor": "black", "linewidth": 0.6}
        axis.barh(list(counts), values, 0.42, left=start, label=kind, **look)
        start += values
    axis.set(ylim=(len(counts) - 0.4, -1.15), xlabel=f"boxes in {MANY} pictures, score ≥ {LEAST}")
    axis.set_xlim(0, start.max() * 1.04)
    axis.legend(loc="lower right", fontsize=9)
    return figure, axis


def doubles_without_nms() -> float:
    """Doubles among the boxes without NMS, in percent."""
    one = counted(1.0)
    return 100 * one["double"] / sum(one[kind] for kind in KINDS[:3])


@styled
def show_thresholds(thresholds: tuple[float, ...] = (0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9)) -> None:
    """Boxes of each kind in MANY pictures, against the threshold of NMS; the few missed objects in
    a panel of their own.
    """
    figure, axes = new_figure(1, 2, width=7.2, height=3.0)
    for number, kind in enumerate(KINDS):
        values = [counted(threshold)[kind] for threshold in thresholds]
        axis = axes[0, int(kind == "missed")]
        look = line_look(number) | {"color": LOOKS[kind].color}  # as in the other pictures
        axis.plot(thresholds, np.array(values), label=kind, **look)
    for axis in axes[0]:
        top = max(line.get_ydata().max() for line in axis.lines)
        axis.set(xlabel="NMS threshold", ylim=(0, 1.06 * top), xlim=(0, 1))
    axes[0, 0].set_ylabel(f"boxes in {MANY} pictures, score ≥ {LEAST}")
    axes[0, 0].set_title("A high threshold keeps doubles", fontsize=11)
    axes[0, 0].legend()
    axes[0, 1].set_ylabel("missed objects")
    axes[0, 1].set_title("A low one misses neighbors", fontsize=11)
    low, high = thresholds[0], thresholds[-1]
    show(
        figure,
        f"From a threshold of {low} to {high}, missed objects go from {counted(low)['missed']} to "
        f"{counted(high)['missed']}, doubles from {counted(low)['double']} to "
        f"{counted(high)['double']}.",
    )
