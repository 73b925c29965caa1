"""One position of one map in notebook 06: its channels, its 9 × (K + 4) numbers, an anchor, a box;
and around it: four numbers that could be many boxes, and the nine anchors drawn large.
"""

import functools
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor
from torchvision.ops import box_convert

from effdet_lite.anchors import ANCHORS_PER_POSITION, OCTAVES, decode, level_anchors
from effdet_lite.teach.kit.boxes import RIM, draw_outlines, draw_picture
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.labels import label_where_free
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import (
    COLORS,
    DASHED,
    PALETTE,
    as_array,
    line_look,
    new_figure,
    new_panels,
    styled,
)
from effdet_lite.teach.kit.shared import shipped, unseen_pictures
from effdet_lite.teach.kit.touch import PickPad
from effdet_lite.teach.kit.typed import in_percent
from effdet_lite.teach.kit.widgets import View

PICTURE, LEVEL, SIDE = 4, 4, 128
STRIDE = 2**LEVEL
ACROSS = SIDE // STRIDE  # positions of the level in a row
FIRST = 3 * ACROSS + 2  # where the explorer begins: beside two objects
SHAPES = ("square", "wide", "tall")
STEPS = ("× 1", "× 2^⅓", "× 2^⅔")
NAMES = tuple(f"{shape} {step}" for step in STEPS for shape in SHAPES)  # the nine, in their order
SUREST = "the surest"  # in place of an anchor's name
ANCHOR_CHOICES = (SUREST, *NAMES)


# --- one format ---

READINGS = {  # how four numbers can be read: as an index into them, or as torchvision calls it
    "xyxy: left, top, right, bottom": "xyxy",
    "yxyx: top, left, bottom, right": "yxyx",
    "xywh: left, top, width, height": "xywh",
    "cxcywh: center, width, height": "cxcywh",
}


def read_as(numbers: Tensor, form: str) -> Tensor:
    """Four numbers [4] in this format as xyxy [4]."""
    return numbers[[1, 0, 3, 2]] if form == "yxyx" else box_convert(numbers, form, "xyxy")


@styled
def show_readings(numbers: tuple[float, float, float, float]) -> None:
    """The same four numbers, read in four formats: four boxes in a picture of SIDE px."""
    figure, axes = new_figure(1, 4, width=8.8, height=3.1)
    told = []
    for axis, (name, form) in zip(axes[0], READINGS.items(), strict=True):
        left, top, right, bottom = box = read_as(torch.tensor(numbers), form).tolist()
        axis.set(xlim=(-8, SIDE), ylim=(SIDE, -8), aspect="equal")
        axis.set(xticks=[0, 32, 64, 96, 128], yticks=[0, 32, 64, 96, 128], xlabel="x (px)")
        axis.add_artist(Rectangle((0, 0), SIDE, SIDE, fill=False, edgecolor="#888888"))
        draw_outlines(axis, [box], PALETTE["blue"], linewidths=2.5)
        kind, _, words = name.partition(": ")
        size = f"{right - left:.0f} × {bottom - top:.0f} px"
        axis.set_title(f"{kind}: {size}\n{words}", fontsize=9)
        told.append(f"{words} gives {size} at ({left:.0f}, {top:.0f})")
    axes[0, 0].set_ylabel("y (px)")
    figure.suptitle("One line of numbers, four boxes", fontsize=11)
    show(figure, f"The same four numbers, read in four ways, are four boxes: {'; '.join(told)}.")


# --- one position ---


class Answer(NamedTuple):
    """What the shipped detector says at all positions of LEVEL for the picture.

    channels: [C, rows, columns], what the heads read. scores [rows, columns, 9, K], deltas and
    anchors [rows, columns, 9, 4].
    """

    channels: Tensor
    scores: Tensor
    deltas: Tensor
    anchors: Tensor


@functools.cache
def answers() -> Answer:
    """Run the detector once."""
    model, _ = shipped("shapes")
    image = unseen_pictures()[PICTURE][0].as_subclass(Tensor)
    with torch.no_grad():
        maps = model.pyramid(image[None])
        place = model.config.levels.index(LEVEL)
        before = sum(m.shape[2] * m.shape[3] * ANCHORS_PER_POSITION for m in maps[:place])
        count = ACROSS * ACROSS * ANCHORS_PER_POSITION
        here = slice(before, before + count)
        scores = model.class_head(maps)[0, here].sigmoid()
        deltas = model.box_head(maps)[0, here]
    shape = (ACROSS, ACROSS, ANCHORS_PER_POSITION, -1)
    anchors = torch.tensor(level_anchors(SIDE, SIDE, LEVEL, model.config.anchor_scale))
    return Answer(maps[place][0], scores.view(shape), deltas.view(shape), anchors.view(shape))


def position_pad() -> PickPad:
    """The picture with a cell for each position of the level; one can be taken."""
    corners = [
        (STRIDE * column, STRIDE * row, STRIDE * (column + 1), STRIDE * (row + 1))
        for row in range(ACROSS)
        for column in range(ACROSS)
    ]
    names = [f"row {row}, column {column}" for row in range(ACROSS) for column in range(ACROSS)]
    image = unseen_pictures()[PICTURE][0].as_subclass(Tensor)
    return OnePick(image, corners, "a position of P4", names=names, taken=[FIRST], shown=280)


class OnePick(PickPad):
    """A PickPad on which the last box that was taken is the only one."""

    def checked(self, value: object) -> list[int]:
        """The number of one box at most, as a list; BadValueError for what no box has."""
        taken = super().checked(value)
        fresh = [number for number in taken if number not in (self.value or [])]
        return (fresh or taken)[-1:]


@styled
def position_view(position: list[int], anchor: str) -> View:
    """What the detector says at one position: its channels, its 9 × (K + 4) numbers, and one anchor
    with the box that is made of it.

    position: the number of the position, in a list. anchor: one of NAMES, or SUREST for the one
    with the highest score. Raises ValueError where no position is taken.
    """
    if not position:
        raise ValueError("click a position on the picture first.")
    row, column = divmod(position[-1], ACROSS)
    scores, deltas = (part[row, column] for part in (answers().scores, answers().deltas))
    chosen = int(scores.amax(1).argmax()) if anchor == SUREST else NAMES.index(anchor)
    figure, (strip, grid, picture) = new_panels(
        8.6, 3.3, (0.01, 0.08, 0.035, 0.72), (0.19, 0.08, 0.49, 0.72), (0.7, 0.03, 0.295, 0.77)
    )
    _draw_channels(strip, answers().channels[:, row, column])
    _draw_numbers(grid, scores, deltas, chosen)
    return _with_box(figure, picture, row, column, chosen)


def _with_box(figure, axis: Axes, row: int, column: int, anchor: int) -> View:
    """Draw an anchor and its box on the picture, and say what they are."""
    classes = unseen_pictures().classes
    scores = answers().scores[row, column, anchor]
    delta, start = answers().deltas[row, column, anchor], answers().anchors[row, column, anchor]
    box = decode(delta, start)
    label, score = int(scores.argmax()), float(scores.max())
    draw_picture(axis, unseen_pictures()[PICTURE][0])
    axis.plot(*_middle(start), "o", color="black", markersize=5, path_effects=RIM)
    ground = {"linewidths": 2, "linestyles": [DASHED], "path_effects": RIM}
    draw_outlines(axis, start[None], "black", **ground)
    draw_outlines(axis, box[None], COLORS[label], linewidths=2.2, path_effects=RIM)
    wordings = (f"{classes[label]} {score:.2f}", f"{score:.2f}")
    label_where_free(axis, as_array(box), wordings, COLORS[label])
    axis.set_title("anchor (dashed) → box", fontsize=10)
    numbers = {
        "anchor, xyxy": _rounded(start),
        "dx, dy, dw, dh": ", ".join(f"{number:.2f}" for number in delta.tolist()),
        "box, xyxy": _rounded(box),
        "surest class": f"{classes[label]}, score {score:.2f}",
    }
    words = (
        f"Row {row}, column {column} of P{LEVEL}: the anchor {NAMES[anchor]} at "
        f"{_rounded(start)} becomes the box {_rounded(box)}, {classes[label]} with {score:.2f}."
    )
    return View(figure, words, numbers)


def _middle(box: Tensor) -> tuple[float, float]:
    left, top, right, bottom = box.tolist()
    return (left + right) / 2, (top + bottom) / 2


def _rounded(box: Tensor) -> str:
    return ", ".join(f"{number:.0f}" for number in box.tolist())


def _draw_channels(axis: Axes, channels: Tensor) -> None:
    """The numbers at the position as a column of colors."""
    values = as_array(channels)[:, None]
    largest = float(abs(values).max())
    axis.imshow(values, cmap="PuOr", vmin=-largest, vmax=largest, aspect="auto")
    axis.set_axis_off()
    axis.set_title(f"{len(values)}\nchannels", fontsize=10, loc="left")
    # A bracket around all nine rows, since all nine are made of these numbers.
    stem, bracket = ((1.1, 1.45), (0.5, 0.5)), ((1.75, 1.45, 1.45, 1.75), (1.0, 1.0, 0.0, 0.0))
    for line in (stem, bracket):
        look = {"color": "black", "marker": "", "linestyle": "-", "linewidth": 1.6}
        axis.plot(*line, transform=axis.transAxes, clip_on=False, **look)


def _draw_numbers(axis: Axes, scores: Tensor, deltas: Tensor, chosen: int) -> None:
    """Nine rows of scores and deltas; the chosen anchor's row is framed."""
    classes = unseen_pictures().classes
    columns = [*classes, "dx", "dy", "dw", "dh"]
    count = len(classes)
    rows = torch.cat([scores, deltas], 1)
    axis.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    for row, numbers in enumerate(rows.tolist()):
        for column, number in enumerate(numbers):
            if column < count:
                face = {"facecolor": COLORS[column], "alpha": 0.55 * number, "linewidth": 0}
                axis.add_artist(Rectangle((column, row), 1, 1, **face))
            axis.text(column + 0.5, row + 0.52, f"{number:.2f}", ha="center", va="center", size=9)
    axis.axvline(count, color="black", marker="", linestyle="-", linewidth=1)
    frame = {"fill": False, "edgecolor": "black", "linewidth": 2, "clip_on": False}
    axis.add_artist(Rectangle((0, chosen), len(columns), 1, **frame))
    axis.set_xticks([place + 0.5 for place in range(len(columns))], columns, fontsize=9)
    axis.set_yticks([place + 0.5 for place in range(len(rows))], NAMES, fontsize=9)
    axis.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False)
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.set_title(f"9 anchors × ({count} scores + 4 numbers)", fontsize=10, pad=8)


# --- the nine, large ---


@styled
def show_nine() -> None:
    """The nine anchors of one position of LEVEL, alone and large: three shapes at three sizes."""
    scale = shipped("shapes")[0].config.anchor_scale
    anchors = torch.tensor(level_anchors(STRIDE, STRIDE, LEVEL, scale))
    middle = STRIDE / 2
    figure, axes = new_figure(1, 3, width=8.4, height=4.2)
    told, key = [], {"fontsize": 9, "handlelength": 3, "frameon": False}
    for number, (axis, octave) in enumerate(zip(axes[0], OCTAVES, strict=True)):
        side = scale * STRIDE * 2**octave
        axis.set(xlim=(-38, 38), ylim=(38, -38), aspect="equal")
        for shape in range(3):
            left, top, right, bottom = as_array(anchors[3 * number + shape]) - middle
            look = line_look(shape) | {"marker": ""}
            size = f"{right - left:.0f} × {bottom - top:.0f}"
            corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
            axis.plot(*zip(*corners, strict=True), label=f"{SHAPES[shape]} {size}", **look)
            told.append(size)
        axis.plot(0, 0, "o", color="black", markersize=5)
        axis.set_title(f"side {scale:g} · {STRIDE} {STEPS[number]} = {side:.1f} px", fontsize=10)
        axis.set(xticks=[-30, -15, 0, 15, 30], yticks=[-30, -15, 0, 15, 30])
        axis.set_xlabel("px from the position")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), **key)
    axes[0, 0].set_ylabel("px from the position")
    words = f"Three shapes, three sizes: the nine anchors of one position of P{LEVEL}"
    figure.suptitle(words, fontsize=11)
    show(figure, f"Nine anchors around one position of P{LEVEL}, in px: {', '.join(told)}.")


@styled
def counts_view(counts: dict[str, int], guess: float | None) -> View:
    """Anchors of each level and in all, with the guess of the sum beside it."""
    total = sum(counts.values())
    bars = counts | {"in all": total}
    figure, (axis,) = new_panels(7.4, 3.1, (0.1, 0.18, 0.84, 0.68))
    axis.barh(list(bars), list(bars.values()), color=[COLORS[0]] * len(counts) + [COLORS[1]])
    for place, count in enumerate(bars.values()):
        axis.text(count + total / 100, place, f"{count:,}", va="center", fontsize=9)
    axis.set(xlim=(0, 1.15 * total), ylim=(len(bars) - 0.4, -0.9), xlabel="anchors")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    first = next(iter(counts))
    axis.set_title(
        f"{in_percent(counts[first] / total)} of all anchors stand on {first}", fontsize=11
    )
    draw_guess(axis, guess, y=len(counts))
    told = ", ".join(f"{name} {count:,}" for name, count in bars.items())
    shares = {
        name: f"{count:,}, {in_percent(count / total, digits=1)}" for name, count in counts.items()
    }
    return View(figure, f"Anchors: {told}.", shares | {"in all": f"{total:,}"})
