"""How far a network sees, for notebook 01: which part of an image one output position covers.

Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from effdet_lite import cost
from effdet_lite.efficientnet import B0_STAGES
from effdet_lite.teach.kit.plots import PALETTE, new_figure, new_panels, styled
from effdet_lite.teach.kit.widgets import View

Layers = Sequence[tuple[int, int]]  # (kernel, stride) of each convolution that looks around
B0_SIDE, B7_SIDE = 224, 600  # px: the images that these two networks were trained on
LEVELS = {3: "P3", 5: "P4", 7: "P5"}  # by the stage that makes the map
UNSEEN = "#D9D9D9"  # what a position does not see of the image


class Span(NamedTuple):
    """The pixels `first` to `last` of a side, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many pixels."""
        return self.last - self.first + 1

    @property
    def middle(self) -> float:
        """The place between the first and the last pixel."""
        return (self.first + self.last) / 2


def b0_layers(stages: int = len(B0_STAGES)) -> list[tuple[int, int]]:
    """B0's stem and the depthwise convolution of each block, up to this stage, as (kernel, stride).

    Its pointwise convolutions look at one position each, so they see nothing new.
    """
    layers = [(3, 2)]
    for stage in B0_STAGES[:stages]:
        strides = [stage.stride, *[1] * (stage.blocks - 1)]
        layers += [(stage.kernel, stride) for stride in strides]
    return layers


def field_after_each_stage() -> list[list]:
    """Rows for a table: what it is after, which layers that look around it adds, its receptive
    field in px, how many px a step of the next layer is, and its level.
    """
    rows = []
    for number in range(len(B0_STAGES) + 1):
        field = cost.receptive_field(b0_layers(number))
        name = f"stage {number}" if number else "stem"
        rows.append([name, _layers_of(number), field.size, field.stride, LEVELS.get(number, "")])
    return rows


def _layers_of(number: int) -> str:
    """The layers of this stage that look around, in words; stage 0 is the stem."""
    layers = b0_layers(number)
    if number:
        layers = layers[len(b0_layers(number - 1)) :]
    count = ("one", "two", "three", "four")[len(layers) - 1]
    kernel = layers[0][0]  # a stage has one size of kernel
    strides = ", ".join(str(stride) for _, stride in layers)
    return f"{count} {kernel} × {kernel}, stride {strides}"


def positions_a_side(layers: Layers, side: int) -> int:
    """How many output positions a side has, each layer with padding "same"."""
    for _, stride in layers:
        side = math.ceil(side / stride)
    return side


def window_span(layers: Layers, side: int, position: int) -> Span:
    """The window of one output position along one axis, where it leaves the image, too.

    side: of the image, in px. Padding is TensorFlow's "same", as in B0: where it is odd, the extra
    zero stands at the end. Raises ValueError for a position that is not there.
    """
    sides = [side]
    for _, stride in layers:
        sides.append(math.ceil(sides[-1] / stride))
    if not 0 <= position < sides[-1]:
        raise ValueError(f"positions count from 0 to {sides[-1] - 1}, got {position}.")
    first = last = position
    for number in reversed(range(len(layers))):
        kernel, stride = layers[number]
        padding = max((sides[number + 1] - 1) * stride + kernel - sides[number], 0) // 2
        first = first * stride - padding
        last = last * stride - padding + kernel - 1
    return Span(first, last)


def seen_span(layers: Layers, side: int, position: int) -> Span:
    """Which pixels of a side of `side` pixels one output position depends on, along one axis."""
    window = window_span(layers, side, position)
    return Span(max(window.first, 0), min(window.last, side - 1))


def see_the_whole_side(layers: Layers, side: int) -> int:
    """How many of a side's positions see every pixel of it."""
    return sum(
        seen_span(layers, side, position).size == side
        for position in range(positions_a_side(layers, side))
    )


def share_that_sees_all(side: int) -> float:
    """The share of the positions of B0's last map, P5, that see every pixel of a square image."""
    layers = b0_layers()
    return (see_the_whole_side(layers, side) / positions_a_side(layers, side)) ** 2


# --- pictures of coverage ---


@styled
def coverage_view(side: int, row: float, column: float) -> View:
    """What one position of B0's P5 sees of a square image, and which positions see all of it.

    side: of the image, in px. row, column: 0-1, from the first position to the last.
    """
    layers = b0_layers()
    count = positions_a_side(layers, side)
    at_row, at_column = (round(share * (count - 1)) for share in (row, column))
    rows, columns = (seen_span(layers, side, at) for at in (at_row, at_column))
    figure, (axis,) = new_panels(5.4, 6.1, (0.01, 0.12, 0.98, 0.87))
    _draw_coverage(axis, side, at_row, at_column)
    middle, room = side / 2, 750  # px: a window in a corner is still whole
    axis.set(xlim=(middle - room, middle + room), ylim=(middle + room, middle - room))
    _explain(figure, "lower center")
    seen = rows.size * columns.size / side**2
    everywhere = see_the_whole_side(layers, side)
    words = (
        f"Position {at_row + 1}, {at_column + 1} of {count} × {count} on an image of {side} px: "
        f"its window covers {seen:.0%} of the image."
    )
    numbers = {
        "this position": f"row {at_row + 1}, column {at_column + 1} of {count} × {count}",
        "this position's window": f"{cost.receptive_field(layers).size} px a side",
        "what it sees of the image": f"{rows.size} × {columns.size} px = {seen:.0%}",
        "positions that see the whole image": (
            f"{everywhere} × {everywhere} of {count} × {count} = {share_that_sees_all(side):.0%}"
        ),
    }
    return View(figure, words, numbers)


def _draw_coverage(axis: Axes, side: int, row: int, column: int) -> None:
    """An image, all positions of P5, and the window of one of them."""
    layers = b0_layers()
    windows = [window_span(layers, side, at) for at in range(positions_a_side(layers, side))]
    image = {"facecolor": UNSEEN, "edgecolor": "black"}
    axis.add_patch(Rectangle((0, 0), side, side, **image))
    rows, columns = (seen_span(layers, side, at) for at in (row, column))
    corner = columns.first, rows.first
    axis.add_patch(Rectangle(corner, columns.size, rows.size, facecolor="#CDE6F7"))
    corner = windows[column].first, windows[row].first
    frame = {"edgecolor": PALETTE["vermillion"], "linestyle": "--", "linewidth": 1.8}
    axis.add_patch(Rectangle(corner, windows[column].size, windows[row].size, fill=False, **frame))
    whole = [window.first <= 0 and window.last >= side - 1 for window in windows]
    for sees_all, look in (
        (False, {"marker": ".", "color": "#666666", "markersize": 4}),
        (True, {"marker": "s", "color": PALETTE["green"], "markersize": 4}),
    ):
        spots = [
            (windows[j].middle, windows[i].middle)
            for i in range(len(windows))
            for j in range(len(windows))
            if (whole[i] and whole[j]) is sees_all
        ]
        if spots:
            axis.plot(*zip(*spots, strict=True), linestyle="", clip_on=False, **look)
    here = {"marker": "o", "color": PALETTE["vermillion"], "markersize": 8}
    axis.plot(windows[column].middle, windows[row].middle, **here)
    axis.set(aspect="equal")
    axis.set_axis_off()


def _explain(figure: Figure, place: str) -> None:
    """What the marks of a picture of coverage are. place: as a legend's `loc`."""
    window = {"fill": False, "edgecolor": PALETTE["vermillion"], "linestyle": "--"}
    dots = {"linestyle": "", "marker": "o", "color": PALETTE["vermillion"]}
    squares = {"linestyle": "", "marker": "s", "color": PALETTE["green"]}
    others = {"linestyle": "", "marker": ".", "color": "#666666"}
    meanings = {
        "one position": Line2D([], [], **dots),
        "its window": Rectangle((0, 0), 1, 1, **window),
        "what it sees of the image": Rectangle((0, 0), 1, 1, facecolor="#CDE6F7"),
        "the rest of the image": Rectangle((0, 0), 1, 1, facecolor=UNSEEN, edgecolor="black"),
        "positions that see the whole image": Line2D([], [], **squares),
        "positions that do not": Line2D([], [], **others),
    }
    figure.legend(meanings.values(), meanings.keys(), loc=place, ncols=2, fontsize=9, frameon=False)


@styled
def coverage_figure(percent_guessed: float | None = None) -> Figure:
    """B0's and B7's images with all positions of P5: which of them see the whole image.

    percent_guessed: the share of B7's positions, told in the title.
    """
    figure, axes = new_figure(columns=2, width=8.6, height=4.8)
    layers = b0_layers()
    for axis, side in zip(axes.flat, (B0_SIDE, B7_SIDE), strict=True):
        count = positions_a_side(layers, side)
        _draw_coverage(axis, side, 0, 0)
        axis.set(xlim=(-420, 620), ylim=(620, -420))
        share = share_that_sees_all(side)
        axis.set_title(f"{side} px: {share:.0%} of {count} × {count} see the whole image")
        axis.title.set_fontsize(11)
    guess = "" if percent_guessed is None else f" (your guess: {percent_guessed:g} %)"
    _explain(figure, "outside lower center")
    figure.suptitle(f"A window of 851 px covers 600 px only from the middle{guess}", fontsize=13)
    return figure


@styled
def field_growth_figure() -> Figure:
    """How the receptive field grows from B0's stem to its last block."""
    layers = b0_layers()
    sizes = [cost.receptive_field(layers[: number + 1]).size for number in range(len(layers))]
    figure, axes = new_figure(width=7.2, height=3.6)
    axis = axes[0, 0]
    axis.plot(range(len(layers)), sizes)
    for side, name in ((B0_SIDE, "B0's images: 224 px"), (B7_SIDE, "B7's images: 600 px")):
        axis.axhline(side, color="black", linestyle="--", linewidth=1, marker="")
        axis.text(0, side + 12, name)
    for stage, level in LEVELS.items():
        block = len(b0_layers(stage)) - 1
        place = {"xytext": (5, -13), "textcoords": "offset points"}
        axis.annotate(level, (block, sizes[block]), weight="bold", **place)
    axis.set(xlabel="block of B0 (0 is the stem)", ylabel="receptive field (px)")
    axis.set(xticks=range(len(layers)), yticks=[3, 67, 224, 339, 600, 851], ylim=(0, 900))
    axis.set_title("Most of the field is won after the map has become small")
    return figure
