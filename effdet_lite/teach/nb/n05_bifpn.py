"""What the explorers of notebook 05 show: a neck as a graph with its cost, and three weightings on
two numbers.
"""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from effdet_lite.costs import fusion_cost
from effdet_lite.fusion import FusionGraph, bifpn
from effdet_lite.teach.kit.drawings import graph_drawing
from effdet_lite.teach.kit.plots import COLORS, DASHES, MARKERS, PALETTE, new_figure, styled
from effdet_lite.teach.kit.widgets import View


class Pyramid(NamedTuple):
    """What a neck stands on: its levels, the backbone's channels (fine to coarse), its own, and the
    image's side.
    """

    levels: tuple[int, ...]
    in_channels: tuple[int, ...]
    channels: int
    side: int


SMALL = Pyramid((2, 3, 4, 5, 6), (24, 48, 64, 96), 32, 128)
D0 = Pyramid((3, 4, 5, 6, 7), (40, 112, 320), 64, 512)
PYRAMIDS = {"small detector, P2-P6, 128 px": SMALL, "D0, P3-P7, 512 px": D0}
NAMES = {
    (0, 0): "PANet",
    (1, 0): "PANet with skips",
    (0, 1): "PANet, pruned",
    (1, 1): "BiFPN",
}  # by (skip, prune)
WEIGHTINGS = {"fast": "ReLU, divided by the sum", "softmax": "softmax", "unbounded": "unbounded"}


def reach(graph: FusionGraph, repeats: int = 1) -> dict[int, set[int]]:
    """The levels of the incoming maps that each level's output depends on after `repeats` cells, by
    graph search.
    """
    known = {f"P{level}_in": {level} for level in graph.levels}
    for node in graph.nodes:
        known[node.name] = set().union(*(known[source] for source in node.inputs))
    once = {level: known[name] for level, name in zip(graph.levels, graph.outputs, strict=True)}
    after = once
    for _ in range(repeats - 1):
        after = {
            level: set().union(*(after[source] for source in once[level])) for level in graph.levels
        }
    return after


def shortest_ways(graph: FusionGraph) -> dict[int, int | str]:
    """For each level, the fewest nodes on a way from its incoming map to its output in one cell, or
    "no way".
    """
    found = {}
    for level, output in zip(graph.levels, graph.outputs, strict=True):
        nodes = {f"P{level}_in": 0}
        for node in graph.nodes:
            if before := [nodes[source] for source in node.inputs if source in nodes]:
                nodes[node.name] = 1 + min(before)
        found[level] = nodes.get(output, "no way")
    return found


def _reach_drawing(axis: Axes, graph: FusionGraph, repeats: int) -> None:
    """Right of a graph's drawing, in its axes: a row an output, a column a map, filled where one
    needs the other.
    """
    depends, levels, (_, right) = reach(graph, repeats), graph.levels, axis.get_xlim()
    step = (right + 0.5) / (len(levels) + 2)
    x = {level: right + (2 + place) * step for place, level in enumerate(levels)}
    style = {"marker": "s", "markersize": 17, "linestyle": "", "markeredgecolor": "black"}
    for filled, face in ((True, PALETTE["green"]), (False, "white")):
        pairs = [
            (x[source], level)
            for level in levels
            for source in levels
            if (source in depends[level]) == filled
        ]
        axis.plot(*zip(*pairs, strict=True) if pairs else ([], []), markerfacecolor=face, **style)
    low, high, middle = levels[0], levels[-1], sum(x.values()) / len(x)
    words = {(x[level], low - 0.65): f"P{level}" for level in levels}
    words |= {(right + step, level): f"P{level}" for level in levels}
    words |= {
        (middle, low - 1): "map that comes in",
        (middle, high + 0.75): "filled: the output depends on it",
    }
    for place, text in words.items():
        axis.text(*place, text, ha="center", va="center", fontsize=9)
    axis.text(
        right + 0.3 * step,
        (low + high) / 2,
        "output",
        ha="center",
        va="center",
        rotation=90,
        fontsize=9,
    )
    axis.set(xlim=(-0.5, x[high] + step), ylim=(low - 1.3, high + 1))


@styled
def neck_view(
    graph: FusionGraph, repeats: int = 1, weighting: str = "fast", pyramid: Pyramid = SMALL
) -> View:
    """Any neck: its drawing, which inputs reach which outputs, and what `repeats` cells of it cost
    on this pyramid.

    Raises ValueError where the graph's levels are not the pyramid's.
    """
    own, needed = (f"P{levels[0]} to P{levels[-1]}" for levels in (graph.levels, pyramid.levels))
    if own != needed:
        raise ValueError(
            f"graph {graph.name!r} has the levels {own}; this detector needs one node or more at each of "
            f"{needed}."
        )
    sizes = [(pyramid.side // 2**level,) * 2 for level in pyramid.levels]
    total = fusion_cost(graph, pyramid.in_channels, pyramid.channels, repeats, weighting, sizes)
    ways, told = (
        shortest_ways(graph),
        f"{sum(map(len, reach(graph, repeats).values()))} of {len(graph.levels) ** 2}",
    )
    alone = [node.name for node in graph.nodes if len(node.inputs) == 1]
    read = {*graph.outputs, *(source for source, _ in graph.edges)}
    unread = ", ".join(node.name for node in graph.nodes if node.name not in read)
    figure, axes = new_figure(1, 1, 8.4, 4.1, {"left": 0, "right": 1, "bottom": 0, "top": 0.93})
    graph_drawing(graph, axis=axes[0, 0])
    _reach_drawing(axes[0, 0], graph, repeats)
    axes[0, 0].set_title(
        f"{graph.name}" + (f", one of {repeats} equal cells" if repeats > 1 else ""), y=1.0, x=0.22
    )
    numbers = {
        "nodes": f"{repeats * len(graph.nodes)}",
        "edges": f"{repeats * len(graph.edges)}",
        "nodes with one input, in a cell": ", ".join(alone) or "none",
        "nodes that nothing reads, in a cell": unread or "none",
        "inputs that reach outputs": f"{told} pairs",
        "nodes on the shortest way from a level's input to its output, in a cell": ", ".join(
            f"P{level} {nodes}" for level, nodes in ways.items()
        ),
        "parameters": f"{total.params:,}",
        "of these, fusion weights": f"{repeats * len(graph.edges) if weighting != 'sum' else 0}",
        "MACs": f"{total.macs / 1e6:,.3f} million",
    }
    return View(figure, f"{graph.name}: {len(graph.edges)} edges; {told} pairs reached.", numbers)


def switched(
    bottom_up: bool, skip: bool, prune: bool, levels: tuple[int, ...] = SMALL.levels
) -> FusionGraph:
    """`fusion.bifpn` with its three switches, under the name that the result goes by."""
    graph = bifpn(levels, bottom_up, skip, prune)
    return FusionGraph(NAMES[skip, prune] if bottom_up else "FPN", graph.nodes)


def switches_view(
    bottom_up: bool, skip: bool, prune: bool, repeats: int, weighting: str, pyramid: str
) -> View:
    """The five switches between FPN and BiFPN: see `neck_view`. pyramid: a key of PYRAMIDS."""
    chosen = PYRAMIDS[pyramid]
    return neck_view(switched(bottom_up, skip, prune, chosen.levels), repeats, weighting, chosen)


def factors(
    weights: np.ndarray, weighting: str, epsilon: float = 1e-4
) -> tuple[np.ndarray, np.ndarray]:
    """(factors [..., n] as of `fusion.fusion_weights`, their derivatives [..., n, n], of factor i
    by weight j).
    """
    same = np.eye(weights.shape[-1])
    if weighting == "unbounded":
        return weights, np.broadcast_to(same, (*weights.shape, weights.shape[-1]))
    if weighting == "softmax":
        powers = np.exp(weights - weights.max(-1, keepdims=True))
        shares = powers / powers.sum(-1, keepdims=True)
        return shares, shares[..., None] * (same - shares[..., None, :])
    positive = np.maximum(weights, 0)
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 is nan
        total = positive.sum(-1, keepdims=True) + epsilon
        shares = positive / total
        return shares, (weights > 0)[..., None, :] * (same - shares[..., None]) / total[..., None]


@styled
def weighting_view(
    first: float, second: float, epsilon: float = 1e-4, inputs: tuple[float, float] = (1, 3)
) -> View:
    """Two numbers fused three ways: factors, results, gradients; the first one's factor and slope
    for any weight.
    """
    figure, axes = new_figure(
        width=8.4, height=3.3, margins={"left": 0, "right": 1, "bottom": 0, "top": 1}
    )
    axis, numbers = axes[0, 0], {}
    line = np.insert(
        np.linspace(-2, 3, 101), 41, 1e-9
    )  # just above 0, where the fast way's slope jumps
    # Both plots by hand in one pair of axes: two with their ticks take twice as long.
    plots, grid = {0: "its factor", 6: "how fast the factor moves: its slope"}, []
    for shift, title in plots.items():
        grid += [[(shift + x, -0.6), (shift + x, 2.1)] for x in range(-2, 4)]
        grid += [[(shift - 2, y / 2), (shift + 3, y / 2)] for y in range(-1, 5)]
        labels = {(shift + x, -0.72): f"{x}" for x in range(-2, 4)} | {
            (shift - 2.15, y): f"{y}" for y in (0, 1, 2)
        }
        labels |= {(shift + 0.5, -0.93): "weight of the first number", (shift + 0.5, 2.25): title}
        for place, words in labels.items():
            axis.text(*place, words, ha="center", va="center", fontsize=9)
    axis.add_collection(LineCollection(grid, colors="#DDDDDD", linewidths=0.8), autolim=False)
    for number, (name, words) in enumerate(WEIGHTINGS.items()):
        style = {"color": COLORS[number], "linestyle": DASHES[number]}
        here, gradient = factors(np.array([first, second], float), name, epsilon)
        all_along, slopes = factors(np.stack([line, np.full_like(line, second)], -1), name, epsilon)
        for shift, curve, value in (
            (0, all_along[:, 0], here[0]),
            (6, slopes[:, 0, 0], gradient[0, 0]),
        ):
            shown = np.where((curve >= -0.6) & (curve <= 2.1), curve, np.nan)
            axis.plot(shift + line, shown, label=None if shift else words, marker="", **style)
            if -0.6 <= value <= 2.1:
                axis.plot(
                    shift + first, value, marker=MARKERS[number], color=COLORS[number], markersize=7
                )
        pull = np.array(inputs) @ gradient
        numbers[words] = (
            f"factors {here[0]:.5f} and {here[1]:.5f}, sum {here.sum():.5f}; fused {here @ inputs:+.3f}; "
            f"gradient {pull[0]:+.3f} and {pull[1]:+.3f}"
        )
    axis.set(xlim=(-2.5, 9.2), ylim=(-1.05, 2.4))
    axis.set_axis_off()
    axis.legend(loc=(0.06, 0.66), fontsize=8)
    words = f"{inputs[0]:g} and {inputs[1]:g}, fused with the weights {first:g} and {second:g} in three ways."
    return View(figure, words, numbers)
