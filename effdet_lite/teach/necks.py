"""What the explorers of notebook 05 show: a neck as a graph with its cost, and three weightings on two numbers."""

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from effdet_lite.fusion import FusionGraph, bifpn, fusion_cost
from effdet_lite.teach.drawings import graph_drawing
from effdet_lite.teach.plots import PALETTE, new_figure, styled
from effdet_lite.teach.widgets import View


class Pyramid(NamedTuple):
    """What a neck stands on: its levels, the backbone's channels (fine to coarse), its own, and the image's side."""

    levels: tuple[int, ...]
    in_channels: tuple[int, ...]
    channels: int
    side: int


SMALL = Pyramid((2, 3, 4, 5, 6), (24, 48, 64, 96), 32, 128)
D0 = Pyramid((3, 4, 5, 6, 7), (40, 112, 320), 64, 512)
PYRAMIDS = {"small detector, P2-P6, 128 px": SMALL, "D0, P3-P7, 512 px": D0}
# By (skip, prune).
NAMES = {(0, 0): "PANet", (1, 0): "PANet with skips", (0, 1): "PANet, pruned", (1, 1): "BiFPN"}
WEIGHTINGS = {"fast": "ReLU, divided by the sum", "softmax": "softmax", "unbounded": "unbounded"}


def reach(graph: FusionGraph, repeats: int = 1) -> dict[int, set[int]]:
    """The levels of the incoming maps that each level's output depends on after `repeats` cells, by graph search."""
    known = {f"P{level}_in": {level} for level in graph.levels}
    for node in graph.nodes:
        known[node.name] = set().union(*(known[source] for source in node.inputs))
    once = {level: known[name] for level, name in zip(graph.levels, graph.outputs, strict=True)}
    after = once
    for _ in range(repeats - 1):
        after = {level: set().union(*(after[source] for source in once[level])) for level in graph.levels}
    return after


def shortest_ways(graph: FusionGraph) -> dict[int, int]:
    """For each level, the fewest nodes on a way from its incoming map to its output in one cell; -1: there is none."""
    found = {}
    for level, output in zip(graph.levels, graph.outputs, strict=True):
        nodes = {f"P{level}_in": 0}
        for node in graph.nodes:
            if before := [nodes[source] for source in node.inputs if source in nodes]:
                nodes[node.name] = 1 + min(before)
        found[level] = nodes.get(output, -1)
    return found


def _reach_drawing(axis: Axes, graph: FusionGraph, repeats: int) -> None:
    """One row an output, one column an incoming map; a filled square where the output depends on it."""
    depends, levels = reach(graph, repeats), graph.levels
    style = {"marker": "s", "markersize": 17, "linestyle": "", "markeredgecolor": "black"}
    for filled, face in ((True, PALETTE["green"]), (False, "white")):
        pairs = [(source, level) for level in levels for source in levels if (source in depends[level]) == filled]
        axis.plot(*zip(*pairs, strict=True) if pairs else ([], []), markerfacecolor=face, **style)
    for level in levels:
        axis.text(level, levels[0] - 0.75, f"P{level}", ha="center", va="center", fontsize=8)
        axis.text(levels[0] - 0.75, level, f"P{level}", ha="center", va="center", fontsize=8)
    middle = sum(levels) / len(levels)
    axis.text(middle, levels[0] - 1.2, "map that comes in", ha="center", va="center", fontsize=9)
    axis.text(levels[0] - 1.25, middle, "output", ha="center", va="center", rotation=90, fontsize=9)
    axis.set(xlim=(levels[0] - 1.5, levels[-1] + 0.6), ylim=(levels[0] - 1.5, levels[-1] + 0.6))
    axis.set_title("filled: the output depends on it", fontsize=9, y=1.0)
    axis.set_axis_off()


@styled
def neck_view(graph: FusionGraph, repeats: int = 1, weighting: str = "fast", pyramid: Pyramid = SMALL) -> View:
    """Any neck: its drawing, which inputs reach which outputs, and what `repeats` cells of it cost on this pyramid.

    Raises ValueError where the graph's levels are not the pyramid's.
    """
    if graph.levels != pyramid.levels:
        own, needed = (f"P{levels[0]} to P{levels[-1]}" for levels in (graph.levels, pyramid.levels))
        raise ValueError(f"graph {graph.name!r} has the levels {own}; this detector needs one node or more at each of "
                         f"{needed}.")  # fmt: skip
    sizes = [(pyramid.side // 2**level,) * 2 for level in pyramid.levels]
    total = fusion_cost(graph, pyramid.in_channels, pyramid.channels, repeats, weighting, sizes)
    depends, ways = reach(graph, repeats), shortest_ways(graph)
    reached, pairs = sum(map(len, depends.values())), len(graph.levels) ** 2
    alone = [node.name for node in graph.nodes if len(node.inputs) == 1]
    unread = sorted({*(node.name for node in graph.nodes)} - {*graph.outputs} - {source for source, _ in graph.edges})
    figure, axes = new_figure(1, 2, 8.4, 3.9, {"left": 0.01, "right": 0.99, "bottom": 0.01, "top": 0.92, "wspace": 0})
    graph_drawing(graph, axis=axes[0, 0])
    title = f"{graph.name}, 1 cell" if repeats == 1 else f"{graph.name}, one of {repeats} equal cells"
    axes[0, 0].set_title(title, y=1.0)
    _reach_drawing(axes[0, 1], graph, repeats)
    numbers = {
        "nodes": f"{repeats * len(graph.nodes)}",
        "edges": f"{repeats * len(graph.edges)}",
        "nodes with one input, in a cell": ", ".join(alone) or "none",
        "inputs that reach outputs": f"{reached} of {pairs} pairs",
        "nodes on the shortest way from a level's input to its output, in a cell": ", ".join(
            f"P{level} {nodes}" if nodes > 0 else f"P{level} no way" for level, nodes in ways.items()
        ),
        "parameters": f"{total.params:,}",
        "of these, fusion weights": f"{repeats * len(graph.edges) if weighting != 'sum' else 0}",
        "MACs": f"{total.macs / 1e6:,.3f} million",
    }
    if unread:
        numbers["computed for nothing, no node reads it"] = ", ".join(unread)
    return View(figure, f"{graph.name}: {len(graph.edges)} edges; {reached} of {pairs} pairs reached.", numbers)


def switched(bottom_up: bool, skip: bool, prune: bool, levels: tuple[int, ...] = SMALL.levels) -> FusionGraph:
    """`fusion.bifpn` with its three switches, under the name that the result goes by."""
    graph = bifpn(levels, bottom_up, skip, prune)
    return FusionGraph(NAMES[skip, prune] if bottom_up else "FPN", graph.nodes)


def switches_view(bottom_up: bool, skip: bool, prune: bool, repeats: int, weighting: str, pyramid: str) -> View:
    """The five switches between FPN and BiFPN: see `neck_view`. pyramid: a key of PYRAMIDS."""
    chosen = PYRAMIDS[pyramid]
    return neck_view(switched(bottom_up, skip, prune, chosen.levels), repeats, weighting, chosen)


def factors(weights: np.ndarray, weighting: str, epsilon: float = 1e-4) -> tuple[np.ndarray, np.ndarray]:
    """(factors [..., n], their derivatives [..., n, n] of factor i by weight j) of weights [..., n], in closed form.

    The factors are those of `fusion.fusion_weights`, with any epsilon; 0 / 0 is nan.
    """
    same = np.eye(weights.shape[-1])
    if weighting == "unbounded":
        return weights, np.broadcast_to(same, (*weights.shape, weights.shape[-1]))
    if weighting == "softmax":
        powers = np.exp(weights - weights.max(-1, keepdims=True))
        shares = powers / powers.sum(-1, keepdims=True)
        return shares, shares[..., None] * (same - shares[..., None, :])
    positive = np.maximum(weights, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = positive.sum(-1, keepdims=True) + epsilon
        shares = positive / total
        return shares, (weights > 0)[..., None, :] * (same - shares[..., None]) / total[..., None]


@styled
def weighting_view(first: float, second: float, epsilon: float = 1e-4, inputs: tuple[float, float] = (1, 3)) -> View:
    """Two numbers fused with the weights `first` and `second`, three ways: factors, results, gradients.

    Left the factor of the first number for every weight of it, right its derivative; dots: at `first`.
    """
    figure, axes = new_figure(1, 2, 8.4, 3.3, {"left": 0.08, "right": 0.99, "bottom": 0.16, "top": 0.9, "wspace": 0.24})
    line, numbers = np.linspace(-2, 3, 101), {}
    for name, words in WEIGHTINGS.items():
        here, gradient = factors(np.array([first, second], float), name, epsilon)
        all_along, slopes = factors(np.stack([line, np.full_like(line, second)], -1), name, epsilon)
        for axis, curve, value in (
            (axes[0, 0], all_along[:, 0], here[0]),
            (axes[0, 1], slopes[:, 0, 0], gradient[0, 0]),
        ):
            (drawn,) = axis.plot(line, curve, label=words, marker="")
            axis.plot(first, value, marker="o", color=drawn.get_color(), markersize=7, linestyle="")
        pull = np.array(inputs) @ gradient
        numbers[words] = (f"factors {here[0]:.5f} and {here[1]:.5f}, sum {here.sum():.5f}; fused {here @ inputs:+.3f}; "
                          f"gradient {pull[0]:+.3f} and {pull[1]:+.3f}")  # fmt: skip
    for axis, low, title in (
        (axes[0, 0], -0.6, "its factor"),
        (axes[0, 1], -0.3, "how fast the factor moves: its slope"),
    ):
        axis.set(ylim=(low, 2.1), xlim=(-2.1, 3.1), xlabel="weight of the first number")
        axis.set_title(title, y=1.0)
    axes[0, 0].legend(loc="upper left", fontsize=8)
    words = f"{inputs[0]:g} and {inputs[1]:g}, fused with the weights {first:g} and {second:g} in three ways."
    return View(figure, words, numbers)
