"""What the explorers of notebook 05 show: a neck as a graph with its cost, and three weightings on
two numbers.
"""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from effdet_lite.costs import fusion_cost
from effdet_lite.fusion import FusionGraph, bifpn
from effdet_lite.teach.kit.graphs import graph_drawing
from effdet_lite.teach.kit.plots import PALETTE, line_look, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.kit.words import write_plainly


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
NAMES = {  # by (skip, prune)
    (False, False): "PANet",
    (True, False): "PANet with skips",
    (False, True): "PANet, pruned",
    (True, True): "BiFPN",
}
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
            before = [nodes[source] for source in node.inputs if source in nodes]
            if before:
                nodes[node.name] = 1 + min(before)
        found[level] = nodes.get(output, "no way")
    return found


def _reach_drawing(axis: Axes, graph: FusionGraph, repeats: int) -> None:
    """A row an output, a column a map, filled where the one needs the other."""
    depends, levels = reach(graph, repeats), graph.levels
    style = {"marker": "s", "markersize": 17, "linestyle": "", "markeredgecolor": "black"}
    for filled, face in ((True, PALETTE["green"]), (False, "white")):
        pairs = [
            (source, level)
            for level in levels
            for source in levels
            if (source in depends[level]) == filled
        ]
        x, y = zip(*pairs, strict=True) if pairs else ((), ())
        axis.plot(x, y, markerfacecolor=face, **style)
    names, limits = [f"P{level}" for level in levels], (levels[0] - 0.6, levels[-1] + 0.6)
    axis.set(xticks=levels, xticklabels=names, xlim=limits, xlabel="map that comes in")
    axis.set(yticks=levels, yticklabels=names, ylim=limits, ylabel="output")
    axis.set_title("filled: the output depends on it", fontsize=10, y=1.0)
    axis.grid(False)


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
            f"graph {graph.name!r} has the levels {own}; "
            f"this detector needs one node or more at each of {needed}."
        )
    figure, (left, right) = new_panels(8.4, 4.1, (0, 0, 0.56, 0.92), (0.65, 0.15, 0.33, 0.72))
    graph_drawing(graph, axis=left)
    cells = f", one of {repeats} equal cells" if repeats > 1 else ""
    write_plainly(left.set_title(f"{graph.name}{cells}", y=1.0))
    _reach_drawing(right, graph, repeats)

    sizes = [(pyramid.side // 2**level,) * 2 for level in pyramid.levels]
    total = fusion_cost(graph, pyramid.in_channels, pyramid.channels, repeats, weighting, sizes)
    pairs = sum(len(levels) for levels in reach(graph, repeats).values())
    told = f"{pairs} of {len(graph.levels) ** 2}"
    ways = ", ".join(f"P{level} {nodes}" for level, nodes in shortest_ways(graph).items())
    alone = ", ".join(node.name for node in graph.nodes if len(node.inputs) == 1)
    read = {*graph.outputs, *(source for source, _ in graph.edges)}
    unread = ", ".join(node.name for node in graph.nodes if node.name not in read)
    numbers = {
        "nodes": f"{repeats * len(graph.nodes)}",
        "edges": f"{repeats * len(graph.edges)}",
        "nodes with one input, in a cell": alone or "none",
        "nodes that nothing reads, in a cell": unread or "none",
        "inputs that reach outputs": f"{told} pairs",
        "nodes on the shortest way from a level's input to its output, in a cell": ways,
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
    figure, (left, right) = new_panels(8.4, 3.5, (0.07, 0.15, 0.41, 0.73), (0.57, 0.15, 0.41, 0.73))
    # The fast way's slope jumps at 0: nothing is drawn between the two sides.
    line = np.concatenate([np.linspace(-2, 0, 41), [np.nan], np.linspace(1e-9, 3, 61)])
    numbers = {}
    for number, (name, words) in enumerate(WEIGHTINGS.items()):
        here, gradient = factors(np.array([first, second], float), name, epsilon)
        all_along, slopes = factors(np.stack([line, np.full_like(line, second)], -1), name, epsilon)
        curves = (all_along[:, 0], here[0]), (slopes[:, 0, 0], gradient[0, 0])
        for axis, (curve, value) in zip((left, right), curves, strict=True):
            look = line_look(number)
            axis.plot(line, curve, label=words, **look | {"marker": ""})
            axis.plot(first, value, markersize=7, **look | {"linestyle": ""})
        pull = np.array(inputs) @ gradient
        numbers[words] = (
            f"factors {here[0]:.5f} and {here[1]:.5f}, sum {here.sum():.5f}; "
            f"fused {here @ inputs:+.3f}; gradient {pull[0]:+.3f} and {pull[1]:+.3f}"
        )
    names = {left: "factor of the first number", right: "slope of that factor"}
    for axis, name in names.items():
        axis.set(xlim=(-2.1, 3.1), xticks=range(-2, 4), xlabel="weight of the first number")
        axis.set(ylim=(-2.1, 3.1), yticks=range(-2, 4), ylabel=name)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=3, fontsize=9)
    words = (
        f"{inputs[0]:g} and {inputs[1]:g}, fused with the weights {first:g} and {second:g} in "
        "three ways."
    )
    return View(figure, words, numbers)
