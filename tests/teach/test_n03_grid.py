"""The grid search in miniature. Oracles: exact fractions, rows made by hand."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from effdet_lite.experiments.compound import GRID
from effdet_lite.experiments.run import stored_results
from effdet_lite.teach.nb import n03_grid


def test_the_candidates_are_those_whose_product_is_near_two():
    twentieths = range(20, 41)
    wanted = {
        (a, b, c)
        for a, b, c in itertools.product(twentieths, repeat=3)
        if abs(Fraction(a * b * b * c * c, 20**5) / 2 - 1) <= Fraction(5, 100)
    }
    found = {tuple(round(20 * one) for one in some) for some in n03_grid.candidates()}
    assert found == wanted
    assert (24, 22, 23) in found  # the paper's


def test_the_mixture_is_compared_with_the_mean_of_all_ten_seed_by_seed():
    rows = []
    for name in GRID:
        direction = n03_grid.CORNERS.get(name, name)
        rows += [
            {"direction": direction, "factor": 2, "seed": seed, "accuracy": 0.4 + 0.1 * seed}
            for seed in (0, 1)
        ]
    rows += [{"direction": "depth", "factor": 8, "seed": 0, "accuracy": 1.0}]
    rows += [
        {"direction": "compound", "factor": 2, "seed": seed, "accuracy": 0.6} for seed in (0, 1)
    ]
    assert n03_grid.gains_of_the_mixture(rows) == pytest.approx([0.2, 0.1])
    assert len(n03_grid.accuracies(rows)) == 10


def test_larger_networks_have_the_means_of_the_stored_runs(monkeypatch):
    shown = []
    monkeypatch.setattr(n03_grid, "table", lambda head, lines: shown.append((head, lines)))
    rows = stored_results("compound")["runs"]
    n03_grid.larger_table(rows)
    ((head, lines),) = shown
    own = [r["accuracy"] for r in rows if (r["direction"], r["factor"]) == ("resolution", 8)]
    assert lines[1][head.index("resolution")].startswith(f"{np.mean(own):.3f} (")
