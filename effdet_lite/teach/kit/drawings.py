"""Pictures of the things themselves, to scale: a convolution, a network's maps, a feature graph.

Each takes the numbers or the graph that the package computes with, so a picture cannot disagree
with its network.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from effdet_lite.fusion import FusionGraph
from effdet_lite.teach.kit.plots import PALETTE, new_figure, styled
from effdet_lite.teach.kit.words import write_plainly

SHARES = LinearSegmentedColormap.from_list(
    "share of MACs", ["#EAF3FA", PALETTE["sky"], PALETTE["blue"], "#00304D"]
)
SLANT = np.array([0.45, 0.3])  # how far one unit of depth goes right and up on the page
TALLEST = 30.0  # height of the largest map in the drawing of a network
SHADES = (1.0, 0.82, 0.66)  # of a box's front, top and side


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


def add_blocks(axis: Axes, boxes: Sequence[tuple], colors: Sequence, edge: str = "#333333") -> None:
    """Draw boxes (x, y, width, height, depth) in these colors, the first ones behind, as one
    collection.
    """
    faces = [face for box in boxes for face in block(*box)]
    shaded = [(*(shade * np.array(color[:3])), 1.0) for color in colors for shade in SHADES]
    axis.add_collection(PolyCollection(faces, facecolors=shaded, edgecolors=edge, linewidths=0.5))


@styled
def network_drawing(
    axis: Axes,
    maps: Sequence[Map],
    *,
    marked: int | None = None,
    limits: tuple[float, float] | None = None,
) -> None:
    """A network's maps in reading order, as slabs to scale: height = side in pixels, thickness =
    channels, one slab a layer, darker where more of the MACs are.

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
    add_blocks(axis, boxes, colors)
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
        words = f"{entry.name}\n{entry.side:g}² × {entry.channels}\n{entry.share:.0%}"
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
    """(channels of all layers one behind the other, largest side in px), which just fill a
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
) -> None:
    """A network with levels, as slabs to scale: height = side in pixels, thickness = channels, one
    slab a layer.

    stacks: in reading order, each with the part that it belongs to; levels stand one above the
    other, the finest at the bottom. words: below each part. ends: names of the finest and the
    coarsest level. limits: an `extent`. Two bars tell the scale.
    """
    (wide, high), x, boxes, colors, starts = limits, 0.0, [], [], {}
    hues = dict(zip(words, ("sky", "orange", "green", "purple"), strict=True))
    for part, stack in stacks:
        starts.setdefault(part, x)
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
    for number, (part, start) in enumerate(starts.items()):
        # In two rows, for thin parts stand closer than their words; the last ones end at the edge.
        place = (
            {"x": start, "ha": "left"} if start < right - 16 else {"x": right - 1, "ha": "right"}
        )
        axis.text(y=-17 - 7 * (number % 2), s=words[part], va="top", fontsize=9, **place)
    for name, y in zip(ends, (-15, top), strict=True):
        axis.text(x, y, name, fontsize=9)
    _scale_bars(axis, high, wide)
    axis.set(xlim=(-9, right), ylim=(-31, 25))
    axis.set_axis_off()


def _scale_bars(axis: Axes, high: float, wide: float) -> None:
    """How long so many pixels and channels are, left of and above the first stack."""
    pixels, channels = (10 ** int(np.log10(most)) for most in (high / 2, wide / 8))
    top = -15 + 30 * pixels / high
    line = {"color": "black", "linestyle": "-", "linewidth": 1}
    axis.plot([-3, -3], [-15, top], marker="_", **line)
    axis.plot([0, 90 * channels / wide], [20, 20], marker="|", **line)
    words = {"rotation": 90, "ha": "right", "va": "center", "fontsize": 9}
    axis.text(-4, (top - 15) / 2, f"{pixels} px", **words)
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
    pixels, channels = 10 / max(height, width), 6 / max(c_in, c_out)
    reach = (kernel - 1) * dilation + 1

    def volume(x: float, high: int, wide: int, deep: float) -> tuple:
        return (x, -high * pixels / 2, wide * pixels, high * pixels, deep * channels)

    first, second = volume(0, height, width, c_in), volume(17, out_height, out_width, c_out)
    # The window in the middle of the input; its depth is the channels that one output channel looks
    # at.
    row, column = (height - reach) / 2 * pixels - height * pixels / 2, (width - reach) / 2 * pixels
    taps = [
        (
            column + j * dilation * pixels,
            row + i * dilation * pixels,
            pixels,
            pixels,
            c_in / groups * channels,
        )
        for i in range(kernel)
        for j in range(kernel)
    ]
    one = (17 + out_width * pixels / 2 - pixels / 2, -pixels / 2, pixels, pixels, channels)
    colors = {name: matplotlib_rgb(PALETTE[name]) for name in ("sky", "orange", "green")}
    add_blocks(axis, [first], [colors["sky"]])
    add_blocks(axis, taps, [colors["orange"]] * len(taps))
    add_blocks(axis, [second, one], [colors["green"], colors["orange"]])
    axis.annotate("", (16.5, 0), (13.8, 0), arrowprops={"arrowstyle": "->", "color": "black"})
    for x, words in (
        (0, f"input\n{height} × {width} × {c_in}"),
        (17.5, f"output\n{out_height} × {out_width} × {c_out}"),
    ):
        axis.text(x, -5.6, words, fontsize=9, va="top")
    per_number = kernel * kernel * c_in // groups
    axis.text(
        7.0,
        -5.6,
        f"one output number:\n{kernel}² × {c_in // groups} = {per_number:,} weights",
        fontsize=9,
        va="top",
        color="#8A5A00",
    )
    axis.set(xlim=(-2, 31), ylim=(-8, 7.4), aspect="equal")
    axis.set_axis_off()


def matplotlib_rgb(color: str) -> tuple[float, float, float]:
    """ "#RRGGBB" as three numbers in 0-1."""
    return tuple(int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))


@styled
def graph_drawing(
    graph: FusionGraph,
    weights: Mapping[tuple[str, str], float] | None = None,
    axis: Axes | None = None,
) -> Figure:
    """A feature network: levels from coarse (top) to fine, maps from left to right, an arrow for
    each edge.

    Maps that come in are squares, nodes between are circles, outputs are diamonds.
    weights: of the edges (source, node), 0-1; their arrows are as wide. By default all are alike.
    axis: where to draw; by default a figure of its own.
    """
    outputs = set(graph.outputs)
    between = [node for node in graph.nodes if node.name not in outputs]
    columns = max(
        (sum(node.level == level for node in between) for level in graph.levels), default=0
    )
    places = {f"P{level}_in": (0.0, float(level)) for level in graph.levels}
    for level in graph.levels:
        for column, node in enumerate(node for node in between if node.level == level):
            places[node.name] = (1.0 + column, float(level))
    places |= {
        node.name: (1.0 + columns, float(node.level))
        for node in graph.nodes
        if node.name in outputs
    }
    axis = (
        axis
        or new_figure(width=2.0 + 1.6 * (columns + 1), height=0.6 + 0.75 * len(graph.levels))[1][
            0, 0
        ]
    )
    for source, node in graph.edges:
        (x, y), (to_x, to_y) = places[source], places[node]
        across = any(x < other < to_x and y == to_y == row for other, row in places.values())
        along = any(
            other == x == to_x and min(y, to_y) < row < max(y, to_y)
            for other, row in places.values()
        )
        color, dashes = (PALETTE["vermillion"], "--") if across or along else (PALETTE["blue"], "-")
        width = 1.3 if weights is None else 0.4 + 4 * weights[source, node]
        # Around the nodes on its way: above a row, to the right of a column.
        bend = (0.3 if along and to_y > y else -0.3) if across or along else 0.0
        axis.add_artist(  # add_patch would first work out limits that are fixed below
            FancyArrowPatch(
                (x, y),
                (to_x, to_y),
                connectionstyle=f"arc3,rad={bend}",
                arrowstyle="-|>",
                mutation_scale=9,
                shrinkA=11,
                shrinkB=11,
                color=color,
                linestyle=dashes,
                linewidth=width,
            )
        )
    incoming = [f"P{level}_in" for level in graph.levels]
    kinds = (
        (incoming, "s", "#DDDDDD"),
        ([node.name for node in between], "o", "white"),
        (graph.outputs, "D", PALETTE["green"]),
    )
    for names, marker, face in kinds:
        if names:
            axis.plot(
                *zip(*(places[name] for name in names), strict=True),
                marker=marker,
                markersize=13,
                markerfacecolor=face,
                markeredgecolor="black",
                linestyle="",
            )
    for name, (x, y) in places.items():
        write_plainly(axis.text(x - 0.09, y - 0.12, name, ha="right", va="top", fontsize=9))
    axis.set(xlim=(-0.5, 1.5 + columns), ylim=(min(graph.levels) - 0.5, max(graph.levels) + 0.6))
    # A place that is given need not be looked for at each drawing.
    write_plainly(axis.set_title(graph.name, y=1.0))
    axis.set_axis_off()
    return axis.figure
