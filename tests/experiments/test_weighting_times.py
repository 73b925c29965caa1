"""Taking turns, and what is made of the times; no test looks at a clock.

Oracles: orders and ratios written by hand.
"""

from collections import Counter

import pytest

from effdet_lite.experiments.run import stored_results
from effdet_lite.graphs import WEIGHTINGS


@pytest.fixture(scope="module")
def weighting_times(experiment_script):
    return experiment_script("weighting_times")


def test_every_way_has_every_place_equally_often(weighting_times):
    orders = [weighting_times.order_of(run.turn) for run in weighting_times.planned()]
    for place in range(len(WEIGHTINGS)):
        assert set(Counter(order[place] for order in orders).values()) == {3}


def test_ratios_are_of_the_same_turn(weighting_times):
    rows = [
        {"turn": 0, "training": {"fast": 2.0, "softmax": 3.0, "sum": 1.0}},
        {"turn": 1, "training": {"fast": 4.0, "softmax": 4.0, "sum": 3.0}},
    ]
    assert weighting_times.ratios(rows, "training") == {"softmax": [1.5, 1.0], "sum": [0.5, 0.75]}
    assert weighting_times.ratios(rows, "training", "sum")["fast"] == [2.0, 4 / 3]


def test_whole_trainings_are_chosen_by_task_and_neck(weighting_times):
    usual = {"task": "top-down", "graph": "BiFPN", "repeats": 1, "channels": 32}
    rows = [
        usual | {"weighting": "fast", "seconds": 30.0},
        usual | {"weighting": "softmax", "seconds": 29.0},
        usual | {"weighting": "fast", "seconds": 32.0},
        usual | {"weighting": "fast", "seconds": 99.0, "repeats": 2},
        usual | {"weighting": "fast", "seconds": 99.0, "task": "shapes"},
        usual | {"weighting": "sum", "seconds": 99.0, "graph": "FPN"},
    ]
    assert weighting_times.seconds_of_trainings(rows) == {
        "fast": [30.0, 32.0],
        "softmax": [29.0],
        "unbounded": [],
        "sum": [],
    }
    stored = weighting_times.seconds_of_trainings(stored_results("necks")["runs"])
    assert {len(seconds) for seconds in stored.values()} == {3}


@pytest.mark.slow
def test_one_turn_times_every_way_at_both_kinds_of_work(weighting_times):
    row = weighting_times.timed(weighting_times.Run(turn=1, size=256))
    weighting_times.contestant.cache_clear()
    assert row["turn"] == 1
    for work in weighting_times.WORK:
        assert list(row[work]) == list(WEIGHTINGS) and min(row[work].values()) > 0
