"""How notebook 04 begins: a dot whose class is the color of the ring around it, and what each level
of the small backbone sees of the two.
"""

import functools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle
from torch import Tensor
from torch.nn import functional as F

from effdet_lite.cost import receptive_field
from effdet_lite.data import ShapesInContext
from effdet_lite.efficientnet import scaled_stages
from effdet_lite.experiments import necks
from effdet_lite.teach.kit.boxes import RIM, draw_picture
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, as_array, new_figure, styled

SIDE, LEVELS = 128, (2, 3, 4, 5, 6)
COLOR_NAMES = ("red", "green", "blue")
DOT, RING = 8, 112  # px: the usual diameters
WINDOW = 31  # px: what the finest level of the small detector sees, without fusion
LINEUP = {"A": 2, "B": 5, "C": 1}  # by letter: a test picture, one of each color
CENTERED = (
    295  # a test picture with a dot in its middle, where the windows of P2 ... P5 have theirs
)


@functools.cache
def test_pictures() -> ShapesInContext:
    """The test pictures of the task, which no training sees."""
    return necks.pictures("top-down", False)


def ring_of(index: int) -> str:
    """The color of the ring of a test picture."""
    return COLOR_NAMES[int(test_pictures()[index][1]["labels"][0])]


def dots_of(index: int) -> np.ndarray:
    """The centers of a test picture's dots (x, y) in px, [n, 2]."""
    boxes = as_array(test_pictures()[index][1]["boxes"].as_subclass(Tensor))[1:]
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def letter_of(color: str) -> str:
    """Which picture of the opening has a ring of this color."""
    (letter,) = (letter for letter, index in LINEUP.items() if ring_of(index) == color)
    return letter


def close_up(index: int, size: int = WINDOW) -> np.ndarray:
    """`size` x `size` pixels around the first dot of a test picture, [3, size, size]."""
    left, top = (int(place) - size // 2 for place in dots_of(index)[0])
    return as_array(test_pictures()[index][0])[:, top : top + size, left : left + size]


@styled
def show_close_ups() -> None:
    """What the finest level sees around one dot of each picture."""
    figure, axes = new_figure(1, 3, width=7.0, height=2.6)
    for axis, (letter, index) in zip(axes[0], LINEUP.items(), strict=True):
        draw_picture(axis, close_up(index))
        axis.set_title(f"dot {letter}", fontsize=12)
    show(
        figure, f"Three dots and the {WINDOW} px around them: gray on gray, with no ring in sight."
    )


@styled
def show_pictures() -> None:
    """The whole pictures, with the windows of `show_close_ups` outlined."""
    figure, axes = new_figure(1, 3, width=7.5, height=2.8)
    for axis, (letter, index) in zip(axes[0], LINEUP.items(), strict=True):
        draw_picture(axis, test_pictures()[index][0])
        left, top = (int(place) - WINDOW // 2 for place in dots_of(index)[0])
        _outline(axis, left, top, WINDOW)
        axis.set_title(f"dot {letter}: {ring_of(index)} ring", fontsize=12)
    alt = ", ".join(f"dot {letter} in a {ring_of(index)} ring" for letter, index in LINEUP.items())
    show(figure, f"The same three dots in their pictures: {alt}. The rings are out of the windows.")


def _outline(axis: Axes, left: float, top: float, size: float) -> None:
    frame = Rectangle((left, top), size, size, fill=False, ec=PALETTE["orange"], lw=1.8)
    frame.set_path_effects(RIM)
    axis.add_artist(frame)


# --- the levels ---


def field_of(level: int) -> int:
    """The receptive field (px) of one position of the small backbone's map at this level; P6 is a
    max pool of 3 x 3 on P5.
    """
    return receptive_field([(3, 2)] * level).size


def middle_of(level: int, place: float) -> tuple[int, float]:
    """(the position, the middle of its window in px) whose window lies best around `place` (px),
    along one axis.
    """
    stride = 2**level
    # A 3x3 with stride 2 and padding 1 looks around every second pixel, the first one included; a
    # max pool pads at the far side only, so it looks around the positions between.
    first = 0.5 + (stride // 2 if level == LEVELS[-1] else 0)
    position = round((place - first) / stride)
    position = min(max(position, 0), SIDE // stride - 1)
    return position, first + stride * position


def levels_rows() -> list[list]:
    """Rows for a table: level, stride, its positions, how many of them a dot and a ring are wide,
    and what one sees in px.
    """
    rows = []
    for level in LEVELS:
        stride = 2**level
        side = SIDE // stride
        sizes = [f"{diameter / stride:g}" for diameter in (DOT, RING)]
        rows.append([f"{level}", stride, f"{side} × {side}", *sizes, field_of(level)])
    return rows


def levels_table() -> None:
    """Show `levels_rows`."""
    head = ["level", "stride, px", "positions", "a dot's width, positions"]
    table([*head, "a ring's width, positions", "one position sees, px"], levels_rows())


@styled
def show_levels() -> None:
    """Above, what one position of each level sees around a dot; below, the picture on the level's
    grid, with a circle around that dot.
    """
    image = as_array(test_pictures()[CENTERED][0])
    x, y = min(dots_of(CENTERED), key=lambda dot: abs(dot - SIDE / 2).max())
    figure, axes = new_figure(2, len(LEVELS), width=9, height=4.5)
    figure.suptitle("The coarser a map, the more of the picture one position sees", fontsize=12)
    for (above, below), level in zip(axes.T, LEVELS, strict=True):
        stride, field = 2**level, field_of(level)
        (_, middle_x), (_, middle_y) = middle_of(level, x), middle_of(level, y)
        draw_picture(above, image)
        _outline(above, middle_x - field / 2, middle_y - field / 2, field)
        grid = F.avg_pool2d(test_pictures()[CENTERED][0].as_subclass(Tensor)[None], stride)[0]
        draw_picture(below, as_array(grid))
        dot = Circle(
            (x / stride, y / stride), DOT / stride, fill=False, ec=PALETTE["orange"], lw=1.8
        )
        dot.set_path_effects(RIM)
        below.add_artist(dot)
        above.set_title(f"level {level}\nsees {field} px", fontsize=10)
        below.set_title(f"{SIDE // stride} × {SIDE // stride} positions", fontsize=10)
    alt = (
        f"The window of one position grows from {field_of(2)} px at level 2, where it holds a part "
        f"of a dot, to {field_of(6)} px at level 6, where it holds about half of the ring. "
        "Meanwhile the grid becomes so coarse that the dot vanishes."
    )
    show(figure, alt)


def b0_fields() -> dict[str, int]:
    """The receptive fields (px) of EfficientNet-B0's maps P2 ... P5, by its convolutions."""
    fields, layers = {}, [(3, 2)]
    for stage in scaled_stages(1, 1):
        layers += [(stage.kernel, stage.stride)] + [(stage.kernel, 1)] * (stage.blocks - 1)
        field = receptive_field(layers)
        level = int(field.stride).bit_length() - 1
        if level >= LEVELS[0]:
            fields[f"P{level}"] = field.size  # the last stage with this stride makes the level
    return fields
