"""The exercises of notebook 04: right answers, the wrong ones that people give, and the hint for each."""

from effdet_lite.cost import receptive_field
from effdet_lite.fusion import FusionGraph, Node, fpn
from effdet_lite.teach.kit.checks import Exercise

import itertools

import numpy as np

LEVELS = (2, 3, 4, 5, 6)
P3 = [(3, 2)] * 3
SIDES = (2, 1, 0.5, 0.25)  # of the images of 04.1, beside the picture's
AREAS = [side**2 for side in SIDES]


def enlarged(coarse):
    return coarse.repeat(2, 0).repeat(2, 1)


def top_down(laterals, enlarge=enlarged, add=np.add):
    """FPN's sums, fine to coarse, with one part replaced."""
    merged = [laterals[-1]]
    for lateral in laterals[-2::-1]:
        merged.insert(0, add(lateral, enlarge(merged[0])))
    return merged


def neighbors_only(laterals):
    """What comes in at the level above, and not what was merged there."""
    return [fine + enlarged(coarse) for fine, coarse in itertools.pairwise(laterals)] + [laterals[-1]]


def bottom_up(laterals):
    """From fine to coarse, by the largest of each block."""
    merged = [laterals[0]]
    for lateral in laterals[1:]:
        high, wide = lateral.shape
        merged.append(lateral + merged[-1].reshape(high, 2, wide, 2).max((1, 3)))
    return merged


def mean(lateral, coarse):
    return (lateral + coarse) / 2


def one_edge(*inputs_of_p2):
    """Every level by itself, but for what P2 takes."""
    alone = (Node(f"P{level}_out", level, (f"P{level}_in",)) for level in LEVELS[1:])
    return FusionGraph("mine", (Node("P2_out", 2, inputs_of_p2), *alone))


def accept_graph(graph):
    """None if this graph is what 04.4 asks for; otherwise what is missing."""
    if not isinstance(graph, FusionGraph):
        return 'answer with a graph: FusionGraph("mine", (Node("P2_out", 2, ("P2_in", …)), …)).'
    if graph.levels != LEVELS:
        return f"the detector answers at P2 to P6, so give each of these a node; yours has {list(graph.levels)}."
    known = {f"P{level}_in": {f"P{level}_in"} for level in graph.levels}
    for node in graph.nodes:
        known[node.name] = set().union(*(known[source] for source in node.inputs))
    fine = known[graph.outputs[0]]
    if "P2_in" not in fine:
        return "P2's output does not see P2_in any more, and nothing else knows exactly where a dot is."
    if "P6_in" not in fine:
        return "follow the arrows back from P2's output: none comes from P6_in, which sees every ring whole."
    crossing = sum(graph.level_of(source) != graph.level_of(node) for source, node in graph.edges)
    if crossing > 1:
        return f"{crossing} of its edges go from one level to another; one is enough, and it may skip levels."
    return None


MERGE_CASES = [
    ([np.arange(16.0).reshape(4, 4), np.array([[1.0, 5.0], [-2.0, 7.0]]), np.array([[100.0]])],),
    ([np.ones((2, 4)), np.array([[3.0, -1.0]])],),
]

EXERCISES = {
    "04.1": Exercise(
        sum(AREAS),
        [
            (sum(AREAS) / 4, "that is beside the largest image; the question is beside the picture as it is."),
            (1.33, "that is beside the largest image; the question is beside the picture as it is."),
            (sum(SIDES), "that adds up sides; MACs go with the area."),
            (sum(SIDES) / 2, "that adds up sides, and beside the largest image; MACs go with the area."),
            (2 * sum(AREAS) / 4, "twice as wide and twice as high is four times the area."),
            (4, "that is the largest image alone; three more follow."),
            (4 * AREAS[0], "the smaller images cost less: a quarter each time."),
            (4 * 4 / 3, "that is the sum of infinitely many images; here are four."),
            (sum(AREAS[:3]), "four images: sides of 2, 1, ½ and ¼ times the picture's."),
            (sum(AREAS[1:]), "count the largest image too."),
            (5.3, "that is the right way; give at least two decimals, or a fraction."),
            (5, "give at least two decimals, or a fraction."),
        ],
        "the enlarged image has four times the picture's area, and each next one a quarter of the last; add four.",
        tolerance=1e-3,
    ),
    "04.2": Exercise(
        receptive_field([*P3, *[(3, 1)] * 3]).size,
        [
            (receptive_field([(3, 2)] * 2 + [(3, 1)] * 3).size, "that is P2's; P3 is one convolution further."),
            (receptive_field(P3).size, "that is P3 before neck and head; three convolutions follow."),
            (receptive_field(P3).size + 6, "a 3 × 3 on P3 takes steps of 8 px: 16 px more each time, not 2."),
            (receptive_field(P3).size + 3 * 2 * 4, "on P3 a step is 8 px; 4 px is P2's."),
            (receptive_field([*P3, *[(3, 1)] * 3]), "that is all it knows of the window; its .size is the answer."),
            (receptive_field([*P3, *[(3, 1)] * 2]).size, "count again: one in the neck's node, two in the head."),
        ],
        "receptive_field of three convolutions with stride 2 and three with stride 1.",
    ),
    "04.3": Exercise(
        top_down,
        [
            (
                neighbors_only,
                "what comes down is the merged map of the level above, so that the finest hears of the coarsest.",
            ),
            (
                lambda laterals: top_down(laterals, lambda coarse: np.tile(coarse, (2, 2))),
                "np.tile lays copies of the map side by side; each number has to become a block of 2 × 2.",
            ),
            (lambda laterals: top_down(laterals, add=mean), "FPN adds; it takes no mean."),
            (bottom_up, "that goes from fine to coarse; FPN begins at the coarsest."),
            (lambda laterals: top_down(laterals)[::-1], "the answer is asked for from fine to coarse, as it came in."),
        ],
        "begin with laterals[-1]; enlarge it with .repeat(2, 0).repeat(2, 1), add the next finer one, go on.",
        cases=MERGE_CASES,
    ),
    "04.4": Exercise(
        one_edge("P2_in", "P6_in"),
        [
            (("P2_in", "P6_in"), "not a graph"),
            (fpn(LEVELS), "too many edges between levels"),
            (one_edge("P2_in"), "no fusion"),
            (one_edge("P2_in", "P5_in"), "not from P6"),
            (one_edge("P6_in"), "P2 is gone"),
            (fpn(LEVELS[1:]), "no P2"),
        ],
        "let the node of P2 take P2_in and P6_in, and each other node its own level.",
        accept=accept_graph,
    ),
}
