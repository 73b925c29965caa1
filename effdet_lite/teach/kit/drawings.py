"""Pictures of the things themselves, to scale: a convolution, a network's maps and stacks of them.

Each takes the numbers that the package computes with, so a picture cannot disagree with its
network.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap

from effdet_lite.teach.kit.plots import PALETTE, styled
from effdet_lite.teach.kit.typed import in_percent

SHARES = LinearSegmentedColormap.from_list(
    "share of MACs", ["#EAF3FA", PALETTE["sky"], PALETTE["blue"], "#00304D"]
)
SLANT = np.array([0.45, 0.3])  # how far one unit of depth goes right and up on the page
TALLEST = 30.0  # height of the largest map in the drawing of a network
SHADES = (1.0, 0.82, 0.66)  # of a box's front, top and side
LIGHT_SHADES = (1.0, 0.93, 0.86)  # where colors mean something: a darker one would be another value


class Map(NamedTuple):
    """A feature map [channels, side, side] after `blocks` layers, and its share (0-1) of the
    network's MACs.
    """

    name: str
    side: float
    channels: int
    blocks: int
    share: float


def thickness(maps: Sequence[Map]) -> float:
    """Channels of all slabs together."""
    return sum(entry.channels * entry.blocks for entry in maps)


def block(x: float, y: float, width: float, height: float, depth: float) -> list[np.ndarray]:
    """The three visible faces (front, top, side) of a box whose front's lower left corner is (x,
    y).
    """
    corner, right, up, back = (
        np.array([x, y]),
        np.array([width, 0]),
        np.array([0, height]),
        depth * SLANT,
    )
    front = np.array([corner, corner + right, corner + right + up, corner + up])
    top = np.array(
        [corner + up, corner + right + up, corner + right + up + back, corner + up + back]
    )
    side = np.array(
        [corner + right, corner + right + back, corner + right + up + back, corner + right + up]
    )
    return [front, top, side]


def add_blocks(
    axis: Axes,
    boxes: Sequence[tuple],
    colors: Sequence,
    shades: Sequence[float] = SHADES,
) -> None:
    """Draw boxes (x, y, width, height, depth) in these colors, the first ones behind, as one
    collection. shades: of a box's front, top and side, 1 for the color itself.
    """
    faces = [face for box in boxes for face in block(*box)]
    shaded = [(*(shade * np.array(color[:3])), 1.0) for color in colors for shade in shades]
    axis.add_collection(
        PolyCollection(faces, facecolors=shaded, edgecolors="#333333", linewidths=0.5)
    )


@styled
def network_drawing(
    axis: Axes,
    maps: Sequence[Map],
    *,
    marked: int | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """A network's maps in reading order, as slabs to scale: height = side in pixels, thickness =
    channels, one slab a layer, darker where all slabs of a map together take more of the MACs.

    marked: number of the map to point at. limits: thickness of all slabs together, and largest
    side, that just fill the drawing, so that networks of different size can be compared; by default
    this network fills it.
    """
    wide, high = limits or (thickness(maps), max(entry.side for entry in maps))
    gap, x, boxes, colors, middles = 4.0, 0.0, [], [], []
    for entry in maps:
        height, each = TALLEST * entry.side / high, 100 * entry.channels / wide
        middles.append(x + each * entry.blocks / 2)
        slabs = min(entry.blocks, 20)  # more could not be told apart, and would take long
        thick = each * entry.blocks / slabs
        for number in range(slabs):
            boxes.append((x + number * thick, -height / 2, thick, height, 0.5 * height))
            colors.append(SHARES(min(1.0, entry.share * 2)))
        x += each * entry.blocks + gap + 0.5 * height * SLANT[0] / 2
    add_blocks(axis, boxes, colors, LIGHT_SHADES)
    bottoms = [-TALLEST / 2 * entry.side / high for entry in maps]
    axis.set(xlim=(-10, 100 + 9 * gap + 26))
    _name_maps(axis, maps, middles, bottoms, marked)
    if marked is not None:
        mark = {"marker": "v", "color": PALETTE["vermillion"], "markersize": 8}
        axis.plot(middles[marked], 10 - bottoms[marked], **mark)
    axis.set_axis_off()


def _name_maps(
    axis: Axes, maps: Sequence[Map], middles: list, bottoms: list, marked: int | None
) -> None:
    """Name, size and share of each map below the slabs, in two rows, and a line from each to its
    slab. Words have a size in points, so the room that they need depends on the axes.
    """
    points, top, low = 9, TALLEST / 2 + 13, -TALLEST / 2 - 2
    width, height = np.array(axis.bbox.size) * 72 / axis.figure.dpi
    across = np.ptp(axis.get_xlim()) / width  # units of the drawing for a point
    row = 3.9 * points  # three lines
    down = (top - low) / max(height - 2 * row, row)
    free, leaders = [axis.get_xlim()[0]] * 2, []  # where the next words can begin, in each row
    for number, (entry, middle, bottom) in enumerate(zip(maps, middles, bottoms, strict=True)):
        words = f"{entry.name}\n{entry.side:g}² × {entry.channels}\n{in_percent(entry.share)}"
        half = 0.3 * points * across * max(map(len, words.split("\n"))) + 3 * across
        place, y = max(middle, free[number % 2] + half), low - row * down * (number % 2)
        free[number % 2] = place + half
        # White behind the words, so that no line runs through them.
        look = {"fontsize": points, "weight": "bold" if number == marked else "normal"}
        look["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        axis.text(place, y, words, ha="center", va="top", **look)
        leaders.append([(place, y), (middle, bottom)])
    axis.add_collection(LineCollection(leaders, colors="#AAAAAA", linewidths=0.6, zorder=0.5))
    axis.set(ylim=(low - 2 * row * down, top))


Stack = list[
    tuple[int, list[int]]
]  # (side, channels of each layer) of each level, the finest first


def extent(stacks: Sequence[tuple[str, Stack]]) -> tuple[float, float]:
    """(channels of all layers one behind the other, largest side in positions), which just fill a
    `stack_drawing`.
    """
    thickest = [max(sum(layers) for _, layers in stack) for _, stack in stacks]
    return sum(thickest), max(side for _, stack in stacks for side, _ in stack)


@styled
def stack_drawing(
    axis: Axes,
    stacks: Sequence[tuple[str, Stack]],
    words: Mapping[str, str],
    ends: tuple[str, str],
    limits: tuple[float, float],
    names: Mapping[int, str] | None = None,
) -> None:
    """A network with levels, as slabs to scale: height = side in positions, thickness = channels,
    one slab a layer.

    stacks: in reading order, each with the part that it belongs to; levels stand one above the
    other, the finest at the bottom. words: below each part. ends: names of the finest and the
    coarsest level. limits: an `extent`. names: above stacks, by their number. Two bars tell the
    scale.
    """
    (wide, high), x, boxes, colors, starts = limits, 0.0, [], [], {}
    hues = dict(zip(words, ("sky", "orange", "green", "purple"), strict=True))
    for place, (part, stack) in enumerate(stacks):
        starts.setdefault(part, x)
        if names and place in names:
            high_up = -15 + 30 * stack[0][0] / high
            axis.text(x, high_up + 0.1 * (high_up + 15) + 2, names[place], fontsize=10)
        y = -15.0
        for side, layers in stack:
            height, bunch = 30 * side / high, -(-len(layers) // 12)  # more could not be told apart
            for number in range(0, len(layers), bunch):
                left, right = (90 * sum(layers[:end]) / wide for end in (number, number + bunch))
                boxes.append((x + left, y, right - left, height, 0.25 * height))
                colors.append(matplotlib_rgb(PALETTE[hues[part]]))
            top, y = y, y + 1.075 * height + 0.9
        x += 90 * max(sum(layers) for _, layers in stack) / wide + 1.2 + 2.5 * stack[0][0] / high
    add_blocks(axis, boxes, colors)
    right = 132
    row = min(7, 3.5 * max(text.count("\n") + 1 for text in words.values()))
    for number, (part, start) in enumerate(starts.items()):
        # In two rows, for thin parts stand closer than their words; the last ones end at the edge.
        place = (
            {"x": start, "ha": "left"} if start < right - 19 else {"x": right - 1, "ha": "right"}
        )
        axis.text(y=-17 - row * (number % 2), s=words[part], va="top", fontsize=10, **place)
    for name, y in zip(ends, (-15, top), strict=True):
        axis.text(x, y, name, fontsize=9)
    _scale_bars(axis, high, wide)
    axis.set(xlim=(-9, right), ylim=(-31, 25))
    axis.set_axis_off()


def _scale_bars(axis: Axes, high: float, wide: float) -> None:
    """How long so many positions and channels are, left of and above the first stack."""
    positions, channels = (10 ** int(np.log10(most)) for most in (high / 2, wide / 8))
    top = -15 + 30 * positions / high
    line = {"color": "black", "linestyle": "-", "linewidth": 1}
    axis.plot([-3, -3], [-15, top], marker="_", **line)
    axis.plot([0, 90 * channels / wide], [20, 20], marker="|", **line)
    words = {"rotation": 90, "ha": "right", "va": "bottom", "fontsize": 9}
    axis.text(-4, -15, f"{positions} positions", **words)
    axis.text(0, 21, f"{channels:,} channels", fontsize=9)


@styled
def conv_drawing(
    axis: Axes,
    c_in: int,
    c_out: int,
    height: int,
    width: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
) -> None:
    """A convolution: input volume, the weights that make one output number, output volume.

    Sides have one scale and channels another, each the same for all three, and both fill the
    drawing.
    """
    out_height, out_width = -(-height // stride), -(-width // stride)
    pixel, channel = 10 / max(height, width), 6 / max(c_in, c_out)
    second = 17  # where the output begins

    def volume(x: float, high: float, wide: float, deep: float) -> tuple:
        return (x, -high * pixel / 2, wide * pixel, high * pixel, deep * channel)

    # The window stands in the middle of the input; its depth is the channels that one output
    # channel looks at.
    reach = (kernel - 1) * dilation + 1
    steps = [dilation * step * pixel for step in range(kernel)]
    left, low = (width - reach) / 2 * pixel, -reach / 2 * pixel
    depth = c_in / groups * channel
    taps = [(left + x, low + y, pixel, pixel, depth) for y in steps for x in steps]
    one = volume(second + (out_width - 1) * pixel / 2, 1, 1, 1)
    sky, orange, green = (matplotlib_rgb(PALETTE[name]) for name in ("sky", "orange", "green"))
    add_blocks(axis, [volume(0, height, width, c_in)], [sky])
    add_blocks(axis, taps, [orange] * len(taps))
    add_blocks(axis, [volume(second, out_height, out_width, c_out), one], [green, orange])
    axis.annotate("", (16.5, 0), (13.8, 0), arrowprops={"arrowstyle": "->", "color": "black"})

    weights = f"{kernel}² × {c_in // groups} = {kernel**2 * c_in // groups:,} weights"
    words = {"fontsize": 9, "va": "top"}
    axis.text(0, -5.6, f"input\n{height} × {width} × {c_in}", **words)
    axis.text(6.7, -5.6, f"one output number:\n{weights}", color="#8A5A00", **words)
    axis.text(second + 0.8, -5.6, f"output\n{out_height} × {out_width} × {c_out}", **words)
    axis.set(xlim=(-2, 31), ylim=(-8, 7.4), aspect="equal")
    axis.set_axis_off()


def matplotlib_rgb(color: str) -> tuple[float, float, float]:
    """ "#RRGGBB" as three numbers in 0-1."""
    return tuple(int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
