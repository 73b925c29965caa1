"""What the notebook on BiFPN asks of a neck and of its weights: which maps reach which outputs, its
switches, and three ways from weights to factors.
"""

from typing import NamedTuple

import numpy as np

from effdet_lite.fusion import FusionGraph, bifpn, panet
from effdet_lite.teach.kit.graphs import Places, node_places


class Pyramid(NamedTuple):
    """What a neck stands on: its levels, the backbone's channels (fine to coarse), its own, and the
    image's side.
    """

    levels: tuple[int, ...]
    in_channels: tuple[int, ...]
    channels: int
    side: int


SMALL = Pyramid((2, 3, 4, 5, 6), (24, 48, 64, 96), 32, 128)
NAMES = {  # by (skip, prune)
    (False, False): "PANet",
    (True, False): "PANet with skips",
    (False, True): "PANet, pruned",
    (True, True): "BiFPN",
}


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


def switched(
    bottom_up: bool, skip: bool, prune: bool, levels: tuple[int, ...] = SMALL.levels
) -> FusionGraph:
    """`fusion.bifpn` with its three switches, under the name that the result goes by."""
    graph = bifpn(levels, bottom_up, skip, prune)
    return FusionGraph(NAMES[skip, prune] if bottom_up else "FPN", graph.nodes)


def neck_places(graph: FusionGraph) -> Places:
    """Where a neck's maps are drawn, (column, level): a node stands where PANet has it, so that no
    node moves from one drawing to the next.
    """
    names = {*graph.incoming, *(node.name for node in graph.nodes)}
    places = node_places(panet(graph.levels))
    return {name: place for name, place in places.items() if name in names}


def is_skip(edge: tuple[str, str], graph: FusionGraph) -> bool:
    """Whether an edge passes by a node between: from the map that comes in to the output."""
    level = edge[0].partition("_")[0]
    names = {one.name for one in graph.nodes}
    return edge == (f"{level}_in", f"{level}_out") and f"{level}_td" in names


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
