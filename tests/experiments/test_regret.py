"""What the rows of the scaling experiment say.

Oracles: rows made by hand, whose answers are arithmetic; numpy.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effdet_lite.experiments import regret

DIRECTIONS = ("depth", "width")
TASKS = ("near", "far")


def rows(table, seeds=(0, 1)):
    """Rows of {(task, direction, factor): one accuracy for each seed, or for all of them}."""
    return [
        {
            "task": task,
            "direction": direction,
            "factor": factor,
            "seed": seed,
            "accuracy": values[place] if isinstance(values, tuple) else values,
            "seconds": 10.0 * factor,
        }
        for (task, direction, factor), values in table.items()
        for place, seed in enumerate(seeds)
    ]


# Depth wins on "far" by a lot, width wins on "near" by a little.
TABLE = {
    ("near", "base", 1): 0.5,
    ("near", "depth", 2): 0.6,
    ("near", "width", 2): (0.7, 0.8),
    ("far", "base", 1): 0.4,
    ("far", "depth", 2): (0.8, 0.9),
    ("far", "width", 2): 0.4,
}
TEST = rows(TABLE)


def test_an_arm_without_rows_is_refused():
    with pytest.raises(ValueError, match="no rows of"):
        regret.arm_spread(TEST, ("near", "depth", 8))


def test_regret_is_what_is_lost_against_the_best():
    near = regret.regrets(TEST, TEST, "near", 2, DIRECTIONS)
    assert near == {"depth": pytest.approx([0.1, 0.2]), "width": [0, 0]}
    worst = regret.worst_regret(TEST, TEST, TASKS, 2, DIRECTIONS)
    assert worst["depth"][0] == "near" and worst["depth"][1].mean == pytest.approx(0.15)
    assert worst["width"][0] == "far" and worst["width"][1].mean == pytest.approx(0.45)


def test_the_best_is_chosen_on_validation_and_scored_on_test():
    """Validation prefers depth on "near": then width has a negative regret there."""
    validation = rows(TABLE | {("near", "depth", 2): 0.9}, seeds=(10, 11))
    assert regret.chosen(validation, "near", 2, DIRECTIONS) == "depth"
    near = regret.regrets(validation, TEST, "near", 2, DIRECTIONS)
    assert near == {"depth": [0, 0], "width": pytest.approx([-0.1, -0.2])}
    best, gain = regret.choice_gain(validation, TEST, "near", 2, DIRECTIONS, usual="width")
    assert (best, gain) == ("depth", pytest.approx([-0.1, -0.2]))


def test_noise_alone_is_no_regret():
    """Four arms that are equally good, with much noise: picked and scored on the same rows, each
    would seem to lose; with separate seeds the mean regret is 0.
    """
    draw = np.random.default_rng(0)
    names = ("a", "b", "c", "d")
    honest, biased = [], []
    for _ in range(400):
        table = {("near", name, 2): tuple(draw.normal(0.5, 0.1, 5)) for name in names}
        other = {("near", name, 2): tuple(draw.normal(0.5, 0.1, 2)) for name in names}
        test, validation = rows(table, range(5)), rows(other, (10, 11))
        honest.append(np.mean(regret.regrets(validation, test, "near", 2, names)["a"]))
        biased.append(np.mean(regret.regrets(test, test, "near", 2, names)["a"]))
    error = np.std(honest) / 400**0.5
    assert abs(np.mean(honest)) < 4 * error < 0.02
    assert np.mean(biased) > 0.03


def test_the_gain_of_each_doubling_is_paired_by_seed():
    table = {
        ("far", "base", 1): (0.1, 0.5),
        ("far", "depth", 2): (0.3, 0.7),
        ("far", "depth", 4): (0.4, 0.7),
    }
    gains = regret.gains(rows(table), "far", "depth", (1, 2, 4))
    assert set(gains) == {2, 4}
    assert gains[2].mean == pytest.approx(0.2) and gains[2].standard_error == pytest.approx(0)
    assert gains[4].mean == pytest.approx(0.05) and gains[4].standard_error == pytest.approx(0.05)


def test_seeds_that_only_one_arm_has_are_left_out():
    some = [row for row in TEST if not (row["direction"] == "width" and row["seed"] == 1)]
    assert regret.difference(some, ("near", "width", 2), ("near", "depth", 2)) == [
        pytest.approx(0.1)
    ]
    only_second = [row for row in some if row["direction"] == "width" or row["seed"] == 1]
    with pytest.raises(ValueError, match="no seed in common"):
        regret.difference(only_second, ("near", "width", 2), ("near", "depth", 2))


@settings(max_examples=25)
@given(st.floats(10, 40))
def test_accuracy_at_a_time_is_numpys_interpolation(seconds):
    table = {
        ("far", "base", 1): (0.1, 0.2),
        ("far", "depth", 2): (0.3, 0.3),
        ("far", "depth", 4): (0.4, 0.9),
    }
    found = regret.accuracy_at(rows(table), "far", "depth", seconds, (1, 2, 4))
    times = np.log([10, 20, 40])
    for seed, values in ((0, [0.1, 0.3, 0.4]), (1, [0.2, 0.3, 0.9])):
        assert found[seed] == pytest.approx(np.interp(np.log(seconds), times, values))


def test_at_equal_time_a_slow_direction_loses_what_it_wins_at_equal_macs():
    """Depth is better at each factor and takes twice the seconds: 20 s pay for depth 2, or for
    width 4.
    """
    table = {
        ("far", "base", 1): 0.1,
        ("far", "depth", 2): 0.6,
        ("far", "depth", 4): 0.8,
        ("far", "width", 2): 0.5,
        ("far", "width", 4): (0.7, 0.9),
    }
    some = rows(table)
    for row in some:
        if row["direction"] == "width":
            row["seconds"] /= 2
        if row["direction"] == "base":
            row["seconds"] = 5.0
    assert regret.regrets(some, some, "far", 2, DIRECTIONS)["width"] == pytest.approx([0.1, 0.1])
    found = regret.regrets_at(some, some, "far", 20, DIRECTIONS, (1, 2, 4))
    assert found["depth"] == pytest.approx([0.1, 0.3]) and found["width"] == [0, 0]


def test_times_are_told_in_those_of_the_base_on_the_same_task():
    some = rows(TABLE)
    for row in some:
        row["seconds"] *= {"near": 1, "far": 3}[row["task"]]
    found = regret.in_base_times(some)
    assert [row["seconds"] for row in found] == [row["factor"] for row in some]
    assert regret.shared_time(found, DIRECTIONS, 2) == 2
    with pytest.raises(ValueError, match=r"no rows of \('far', 'base', 1\)"):
        regret.in_base_times([row for row in some if row["direction"] != "base"][-1:])


def test_a_time_that_was_not_measured_is_refused():
    with pytest.raises(ValueError, match=r"trained for 10\.0 to 20\.0 s, got 30\.0"):
        regret.accuracy_at(TEST, "near", "depth", 30, (1, 2))


def test_the_interaction_is_the_difference_of_two_gains():
    table = {
        ("far", "base", 1): 0.1,
        ("far", "width", 4): 0.2,
        ("far", "grown", 1): (0.3, 0.4),
        ("far", "grown", 4): (0.6, 0.6),
    }
    assert regret.interaction(rows(table), "far", 4) == pytest.approx([0.2, 0.1])
    with pytest.raises(ValueError, match="no rows of"):
        regret.interaction(rows(table), "far", 2)


def test_rows_that_still_learned_are_told():
    some = [{"improved": 0.01}, {"improved": 0.02}, {"improved": -0.3}, {"improved": 0.4}]
    assert regret.still_learning(some, 0.02) == [{"improved": 0.02}, {"improved": 0.4}]
