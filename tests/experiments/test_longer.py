"""The largest arms of the scaling experiment, trained four times as long.

Oracles: the plan of `directions`, and rows made by hand.
"""

from dataclasses import asdict, replace

import pytest

from effdet_lite.experiments import directions, learning, longer, rates
from effdet_lite.experiments.arms import arms
from effdet_lite.experiments.balance import EXAMPLE


def rate_rows():
    """Rows of `rates` in which each direction has a best rate of its own."""
    best = {"base": 0.01, "depth": 0.003, "width": 0.03}
    return [
        asdict(run) | {"accuracy": float(run.rate == best.get(run.direction, 0.01)), "loss": [1.0]}
        for run in rates.planned(arms(EXAMPLE))
    ]


def test_the_longer_runs_are_runs_of_the_experiment_but_for_their_length():
    runs = longer.planned(arms(EXAMPLE), rate_rows())
    assert len(runs) == len(set(runs)) == 3 * 5
    assert set(runs) <= set(directions.planned(arms(EXAMPLE), rate_rows()))
    assert {run.factor for run in runs if run.direction != "base"} == {8}
    assert longer.STEPS == 4 * learning.STEPS


def row(direction, factor, accuracy, **more):
    run = learning.Run("span", direction, factor, 7, 4, 32, 0.01, "test", 0)
    return asdict(replace(run, **more)) | {"accuracy": accuracy}


def test_what_the_longer_training_adds_is_told_arm_by_arm():
    short = [
        row("base", 1, 0.5),
        row("depth", 8, 0.75),
        row("depth", 8, 0.1, seed=1),
        row("depth", 8, 0.2, seed=0, draw="validation"),
    ]
    long = [row("base", 1, 0.75), row("depth", 8, 0.875)]
    assert longer.gains(long, short) == {("span", "base", 1): 0.25, ("span", "depth", 8): 0.125}
    with pytest.raises(ValueError, match="no rows of"):
        longer.gains(long, short[:1])


def test_the_order_is_that_of_the_directions_at_the_largest_factor():
    rows = [
        row("width", 8, 0.6),
        row("depth", 8, 0.9),
        row("width", 4, 1.0),
        row("grown", 8, 1.0),
        row("compound", 8, 0.7, task="kinds"),
    ]
    assert longer.order(rows, "span") == ["depth", "width"]
