"""Edges knocked out of a trained detector, beside their learned factors.

A factor says what a map is multiplied by, and not what the detector would be without it. So each
edge of the smallest of notebook 07's four detectors is taken out in turn, without training it anew,
and AP on 80 test pictures is asked for. The factors' agreement over seeds is read from the results
of `necks`.

    python -m effdet_lite.experiments.knocked            19 edges, under half a minute
    python -m effdet_lite.experiments.knocked --quick    two edges, 8 pictures
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from effdet_lite.checkpoint import load_detector
from effdet_lite.data import DetectionDataset, ShapesDetection
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import coco_ap
from effdet_lite.experiments.necks import edge_weights
from effdet_lite.folding import folded
from effdet_lite.places import shipped_detector

DETECTOR = "shapes-phi-3"  # with one cell of BiFPN
PICTURES = 80
DRAWS = 10_000  # of the permutation test

Edge = tuple[str, str]  # (source, node)


@contextmanager
def knocked_out(model: EfficientDet, edge: Edge, cell: int = 0) -> Iterator[None]:
    """Inside the `with` block one edge carries nothing; afterwards the model is as it was.

    Its weight is set below zero, so that the fast way gives it the factor 0 and shares the whole
    among the node's other inputs. Raises ValueError for a model with another weighting, and for an
    edge that it does not have.
    """
    if model.config.weighting != "fast":
        raise ValueError(
            "edges are knocked out of a detector with fast weights; this one has "
            f"{model.config.weighting!r}."
        )
    graph = model.fusion.graph
    if edge not in graph.edges:
        raise ValueError(f"the neck has no edge {edge}; it has {', '.join(map(str, graph.edges))}.")
    source, name = edge
    (node,) = (node for node in graph.nodes if node.name == name)
    weights = model.fusion.cells[cell][name].weights
    before = weights.detach().clone()
    with torch.no_grad():
        weights[node.inputs.index(source)] = -1.0
    try:
        yield
    finally:
        with torch.no_grad():
            weights.copy_(before)


def losses_without(
    model: EfficientDet, test_set: DetectionDataset, edges: Sequence[Edge] | None = None
) -> list[dict]:
    """For each edge of the first cell, or for these: source, node, factor, inputs of its node, and
    "lost", the AP that is gone without it; the greatest loss first. The model stays as it is.
    """
    model = folded(model)
    edges = model.fusion.graph.edges if edges is None else edges
    factors = edge_weights(model)
    inputs = Counter(node for _, node in model.fusion.graph.edges)
    whole = coco_ap(model, test_set, progress=False)["ap"]
    rows = []
    for edge in edges:
        with knocked_out(model, edge):
            left = coco_ap(model, test_set, progress=False)["ap"]
        source, node = edge
        rows.append(
            {
                "source": source,
                "node": node,
                "factor": factors[edge],
                "inputs": inputs[node],
                "lost": whole - left,
            }
        )
    return sorted(rows, key=lambda row: -row["lost"])


def rank_correlation(values: Sequence[float], others: Sequence[float]) -> float:
    """Spearman's: the correlation of the ranks, equal values sharing their mean rank. nan where all
    of one side are equal.
    """
    return _correlation(_ranks(values), _ranks(others))


def rank_correlation_of_living(rows: Sequence[Mapping], by_share: bool = False) -> float:
    """Of factor and AP lost, over the edges that are not dead: the cut of a dead edge changes
    nothing, so it would count as an agreement of both.

    rows: of `losses_without`. by_share: take each factor as a multiple of an equal share.
    """
    alive = living(rows)
    factors = [row["factor"] * (row["inputs"] if by_share else 1) for row in alive]
    return rank_correlation(factors, [row["lost"] for row in alive])


def living(rows: Sequence[Mapping]) -> list[Mapping]:
    """The rows of the edges that have a factor above 0."""
    return [row for row in rows if row["factor"] > 0]


def _ranks(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    below = (array[:, None] > array).sum(1)
    equal = (array[:, None] == array).sum(1)
    return below + (equal - 1) / 2


def _correlation(values: np.ndarray, others: np.ndarray) -> float:
    values, others = values - values.mean(), others - others.mean()
    norm = np.sqrt((values**2).sum() * (others**2).sum())
    return float((values * others).sum() / norm) if norm else float("nan")


# --- The factors' agreement over seeds ---


def relative_factors(rows: Sequence[Mapping], task: str) -> tuple[list[Edge], np.ndarray]:
    """The edges of BiFPN, and their factors, [edges, seeds]: of one cell with fast weights.

    A factor is given as a multiple of an equal share: of three inputs that count the same, each has
    1. Else edges into nodes of two and of three inputs would differ by themselves.
    """
    wanted = {"task": task, "graph": "BiFPN", "weighting": "fast", "repeats": 1, "channels": 32}
    chosen = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    chosen.sort(key=lambda row: row["seed"])
    tables = [{(source, node): value for source, node, value in row["weights"]} for row in chosen]
    edges = list(tables[0])
    inputs = Counter(node for _, node in edges)
    factors = [[table[edge] * inputs[edge[1]] for table in tables] for edge in edges]
    return edges, np.array(factors)


def agreement(factors: np.ndarray) -> float:
    """The intraclass correlation of [edges, seeds]: the share of the variance that lies between
    edges. 1: every seed learns the same factors; 0 or less: each its own.

    ICC(1,1) of Shrout and Fleiss (1979), from the mean squares between and within edges.
    """
    seeds = factors.shape[1]
    between = seeds * factors.mean(1).var(ddof=1)
    within = factors.var(1, ddof=1).mean()
    return float((between - within) / (between + (seeds - 1) * within))


def agreement_p(edges: Sequence[Edge], factors: np.ndarray, draws: int = DRAWS) -> float:
    """The p-value of the agreement by permutation: if it were arbitrary which input of a node gets
    which of its factors, how often would the seeds agree as much as they do?

    Each draw shuffles, in each seed by itself, the factors of each node among its inputs.
    """
    random = np.random.default_rng(0)
    nodes = np.array([node for _, node in edges])
    seen = agreement(factors)
    as_much = 1  # the arrangement that was found is one of them
    for _ in range(draws):
        shuffled = factors.copy()
        for node in dict.fromkeys(nodes):
            own = nodes == node
            shuffled[own] = random.permuted(factors[own], axis=0)
        as_much += agreement(shuffled) >= seen - 1e-12
    return as_much / (draws + 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command: print the table and the rank correlation."""
    parser = argparse.ArgumentParser(
        prog="python -m effdet_lite.experiments.knocked",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a few edges, to see it work")
    quick = parser.parse_args(arguments).quick
    model, _ = load_detector(shipped_detector(DETECTOR))
    test_set = ShapesDetection("test", length=8 if quick else PICTURES, cache=True)
    edges = model.fusion.graph.edges[:2] if quick else None
    rows = losses_without(model, test_set, edges)
    print("AP lost  factor  of an equal share  edge")
    for row in rows:
        share = row["factor"] * row["inputs"]
        edge = f"{row['source']} -> {row['node']}"
        print(f"{row['lost']:7.3f}  {row['factor']:6.2f}  {share:17.2f}  {edge}")
    ranked = rank_correlation_of_living(rows)
    print(f"rank correlation of factor and AP lost, {len(living(rows))} living edges: {ranked:.2f}")


if __name__ == "__main__":
    main()
