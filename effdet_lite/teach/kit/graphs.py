"""A feature network drawn: levels from coarse (top) to fine, an arrow for each edge.

It takes the graph that the package runs, so a picture cannot disagree with its network.
"""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke

from effdet_lite.fusion import FusionGraph
from effdet_lite.teach.kit.plots import PALETTE, new_figure, styled
from effdet_lite.teach.kit.words import write_plainly

Places = Mapping[str, tuple[float, float]]
# Maps that come in are squares, nodes between are circles, outputs are diamonds.
LOOKS = {"in": ("s", "#DDDDDD"), "between": ("o", "white"), "out": ("D", PALETTE["green"])}


@styled
def graph_drawing(
    graph: FusionGraph,
    weights: Mapping[tuple[str, str], float] | None = None,
    axis: Axes | None = None,
) -> Figure:
    """A feature network: levels from coarse (top) to fine, maps from left to right, an arrow for
    each edge.

    weights: of the edges (source, node), 0-1; their arrows are as wide. By default all are alike.
    axis: where to draw; by default a figure of its own.
    """
    places = node_places(graph)
    right = max(x for x, _ in places.values())
    if axis is None:
        size = {"width": 2.3 + 1.6 * right, "height": 0.6 + 0.75 * len(graph.levels)}
        axis = new_figure(**size)[1][0, 0]
    widths = {edge: 1.3 if weights is None else 0.4 + 4 * weights[edge] for edge in graph.edges}
    draw_nodes(axis, places, node_kinds(graph), widths)
    limits = (min(graph.levels) - 0.5, max(graph.levels) + 0.8)
    axis.set(xlim=(-0.5, 0.75 + right), ylim=limits)
    # A place that is given need not be looked for at each drawing.
    write_plainly(axis.set_title(graph.name, y=1.0))
    axis.set_axis_off()
    return axis.figure


@styled
def draw_nodes(
    axis: Axes,
    places: Places,
    kinds: Mapping[str, str],
    edges: Mapping[tuple[str, str], float],
) -> None:
    """Nodes at places (column, level) by their kind, "in", "between" or "out", with their names,
    and an arrow for each edge (source, node) of that width in points.
    """
    for edge, width in edges.items():
        axis.add_artist(arrow(edge, places, width))  # add_patch would work out the limits first
    for kind, (marker, face) in LOOKS.items():
        names = [name for name in places if kinds[name] == kind]
        x, y = [places[name][0] for name in names], [places[name][1] for name in names]
        look = {"markersize": 13, "markerfacecolor": face, "markeredgecolor": "black"}
        axis.plot(x, y, marker=marker, linestyle="", **look)
    for name in places:
        name_node(axis, name, places)


def name_node(axis: Axes, name: str, places: Places, color: str = "black") -> None:
    """Write a node's name: beside it in the last column, where no arrow runs to the right, and
    else below it.
    """
    x, y = places[name]
    if x == max(column for column, _ in places.values()):
        offset, look = (12, 0), {"ha": "left", "va": "center"}
    else:
        offset, look = (-8, -7), {"ha": "right", "va": "top"}
    look |= {"xytext": offset, "textcoords": "offset points", "fontsize": 9, "color": color}
    words = axis.annotate(name, (x, y), **look)
    words.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    write_plainly(words)


def node_kinds(graph: FusionGraph) -> dict[str, str]:
    """What each map is: "in" (it comes in), "out" (an output) or "between"."""
    kinds = {f"P{level}_in": "in" for level in graph.levels}
    return kinds | {
        node.name: "out" if node.name in graph.outputs else "between" for node in graph.nodes
    }


def node_places(graph: FusionGraph) -> dict[str, tuple[float, float]]:
    """(column, level) of each map: what comes in, the nodes between in their order, outputs."""
    outputs = set(graph.outputs)
    places = {f"P{level}_in": (0.0, float(level)) for level in graph.levels}
    used = dict.fromkeys(graph.levels, 0)  # columns that hold a node already, by level
    for node in graph.nodes:
        if node.name not in outputs:
            used[node.level] += 1
            places[node.name] = (float(used[node.level]), float(node.level))
    last = 1.0 + max(used.values())
    for node in graph.nodes:
        if node.name in outputs:
            places[node.name] = (last, float(node.level))
    return places


def arrow(edge: tuple[str, str], places: Places, width: float) -> FancyArrowPatch:
    """An arrow of this width in points; dashed, and around the nodes on its way, where it would run
    through others: above a row, to the right of a column.
    """
    (x, y), (to_x, to_y) = places[edge[0]], places[edge[1]]
    across = any(x < other < to_x and y == to_y == row for other, row in places.values())
    low, high = sorted((y, to_y))
    along = any(other == x == to_x and low < row < high for other, row in places.values())
    look = {"color": PALETTE["blue"], "linestyle": "-"}
    bend = 0.0
    if across or along:
        look = {"color": PALETTE["vermillion"], "linestyle": "--"}
        bend = 0.24 if along and to_y > y else -0.24
    look |= {"linewidth": width, "arrowstyle": "-|>", "mutation_scale": 9}
    look |= {"shrinkA": 11, "shrinkB": 11, "connectionstyle": f"arc3,rad={bend}"}
    return FancyArrowPatch((x, y), (to_x, to_y), **look)
