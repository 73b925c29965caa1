"""The exercises of notebook 05: right answers, the wrong ones that people give, and the hint for each."""

from effdet_lite.fusion import FusionGraph, Node, bifpn, fpn, panet
from effdet_lite.teach.kit.checks import Exercise
from effdet_lite.teach.nb.n05_bifpn import SMALL, reach

import math

SIX, EPSILON, NODES, EDGES = range(3, 9), 1e-4, 8, 16


def counted(graph):
    """(nodes, edges) of one cell."""
    return len(graph.nodes), len(graph.edges)


def fused_by(rectify=True, epsilon=EPSILON, divide=True, where="below"):
    """Weighted fusion of numbers, with one part replaced."""

    def fused(numbers, weights):
        weights = [max(weight, 0.0) for weight in weights] if rectify else list(weights)
        total = sum(weights) + (epsilon if where == "below" else 0)
        result = sum(number * weight for number, weight in zip(numbers, weights, strict=True))
        return (result + (epsilon if where == "above" else 0)) / total if divide else result

    return fused


def by_softmax(numbers, weights):
    """The other normalized way."""
    powers = [math.exp(weight) for weight in weights]
    return sum(number * power for number, power in zip(numbers, powers, strict=True)) / sum(powers)


def products(numbers, weights):
    """Each number times its factor, not added up."""
    weights = [max(weight, 0.0) for weight in weights]
    return [number * weight / (sum(weights) + EPSILON) for number, weight in zip(numbers, weights, strict=True)]


def factors_alone(numbers, weights):
    """The factors, without the numbers."""
    weights = [max(weight, 0.0) for weight in weights]
    return [weight / (sum(weights) + EPSILON) for weight in weights]


def searched(graph, name):
    """Every incoming map that a node depends on."""
    known = {}
    for node in graph.nodes:
        known[node.name] = set().union(*(known.get(source, {source}) for source in node.inputs))
    return sorted(known[name])


def first_step(graph, name):
    """Its direct inputs only, as far as these come in."""
    return sorted(source for node in graph.nodes if node.name == name for source in node.inputs if source[-3:] == "_in")


def every_ancestor(graph, name):
    """The nodes on the way as well."""
    known = {}
    for node in graph.nodes:
        known[node.name] = {*node.inputs}.union(*(known.get(source, set()) for source in node.inputs))
    return sorted(known[name])


def levels_alone(graph, name):
    """Numbers in place of names."""
    return [int(source[1:].partition("_")[0]) for source in searched(graph, name)]


def every_map(graph, name):
    """All that come in, whether they reach it or not."""
    return [f"P{level}_in" for level in graph.levels]


def accept_neck(graph):
    """None if this graph is what 05.4 asks for; otherwise what is missing."""
    if not isinstance(graph, FusionGraph):
        return 'answer with a graph: FusionGraph("frugal", (Node(…), …)), or graph_of(pad.value).'
    if graph.levels != SMALL.levels:
        return f"it needs a node at each level from P2 to P6; yours has {', '.join(f'P{one}' for one in graph.levels)}."
    for level, sources in reach(graph).items():
        if missing := sorted(set(SMALL.levels) - sources):
            return f"P{missing[0]}_in does not reach the output of P{level}: follow the arrows back from there."
    if alone := [node.name for node in graph.nodes if len(node.inputs) == 1]:
        return f"{alone[0]} has one input, so it fuses nothing: leave it out, and let its readers read its input."
    if len(graph.nodes) > NODES:
        return f"that has {len(graph.nodes)} nodes; {NODES} are enough."
    if len(graph.edges) > EDGES:
        return f"that has {len(graph.edges)} edges; are there any without which everything is still reached?"
    return None


UPWARDS = [Node(f"P{level}_out", level, (f"P{level}_in", f"P{level - 1}_out")) for level in range(3, 7)]
ONE_WAY_UP = FusionGraph("up", (Node("P2_out", 2, ("P2_in", "P3_in")), *UPWARDS))

EXERCISES = {
    "05.1": Exercise(
        counted(bifpn(SIX)),
        [
            (counted(bifpn(range(3, 8))), "that is the cell of five levels; D7x has six, P3 … P8."),
            (counted(panet(SIX)), "that is PANet's: leave out the nodes with one input, and add the skips."),
            (counted(bifpn(SIX, prune=False)), "leave out the nodes at both ends that would have one input."),
            (counted(bifpn(SIX, skip=False)), "the skips are missing: one edge more at each level between the ends."),
            (counted(fpn(SIX)), "that is FPN's: there is a path up, too."),
            (counted(bifpn(SIX))[::-1], "nodes first, then edges."),
        ],
        "down: a node at each level but the coarsest, 2 inputs each; up: at each but the finest, 3 inputs, the last 2.",
    ),
    "05.2": Exercise(
        fused_by(),
        [
            (fused_by(rectify=False), "a weight below zero counts as 0: max(weight, 0)."),
            (fused_by(epsilon=0, rectify=True), "ε is missing; without it a node may divide by 0."),
            (fused_by(divide=False), "divide by the sum of the weights (and ε), so that the factors are shares."),
            (fused_by(epsilon=1e-2), "ε is 0.0001."),
            (fused_by(where="above"), "ε belongs to the sum of weights, below the line."),
            (by_softmax, "that is softmax; the fast way has no exponent."),
            (products, "these are the products; add them up and return one number."),
            (factors_alone, "these are the factors; multiply each number by its own, and add up."),
        ],
        "ReLU each weight; then Σ weight · number / (Σ weight + 0.0001).",
        cases=[([1.0, 3.0], [1.0, 0.5]), ([2.0, -1.0, 4.0], [0.3, -2.0, 0.001]), ([5.0, 7.0], [1e-4, 1e-4])],
        tolerance=1e-6,
    ),
    "05.3": Exercise(
        searched,
        [
            (first_step, "these are its own inputs; follow those that are nodes further back."),
            (every_ancestor, "only maps that come in are asked for, not the nodes on the way."),
            (every_map, "not all of them reach every node: look at FPN."),
            (lambda graph, name: searched(graph, name)[::-1], "sorted, please: P2_in before P3_in."),
            (lambda graph, name: set(searched(graph, name)), "the right names, as a set: return sorted(...) of it."),
            (levels_alone, "these are levels; the names of the maps are asked for, such as P2_in."),
            (lambda graph, name: searched(graph, name)[1:], "one is missing: its own level's map counts too."),
        ],
        "for each node in order: what is known of its inputs, put together; a map that comes in knows itself.",
        cases=[
            (fpn(range(2, 7)), "P4_td"),
            (bifpn(range(2, 7)), "P5_td"),
            (bifpn(range(3, 8)), "P7_out"),
            (ONE_WAY_UP, "P4_out"),
        ],
    ),
    "05.4": Exercise(
        bifpn(SMALL.levels, skip=False),
        [
            (bifpn(SMALL.levels).nodes, "not a graph"),
            (bifpn(range(3, 8), skip=False), "other levels"),
            (fpn(SMALL.levels), "blind upwards"),
            (ONE_WAY_UP, "blind downwards"),
            (panet(SMALL.levels), "one-input nodes"),
            (bifpn(SMALL.levels), "too many edges"),
        ],
        "take BiFPN and look for edges that open no new way.",
        accept=accept_neck,
    ),
}
