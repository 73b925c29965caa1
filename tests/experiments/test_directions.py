"""The scaling experiment: its plan, its rows and its result files.

Oracles: closed-form costs, which test_sizes holds to torch's counter; a run made again and compared
with its stored row; a task that a network can learn by heart.
"""

import math
from collections import Counter
from dataclasses import asdict

import pytest

from effdet_lite.experiments import balance, directions, learning, rates
from effdet_lite.experiments.arms import arms
from effdet_lite.experiments.balance import EXAMPLE
from effdet_lite.experiments.bottlenecks import TASKS
from effdet_lite.experiments.learning import Run, improvement, trained
from effdet_lite.experiments.run import stored_results
from effdet_lite.experiments.sizes import DIRECTIONS, Size
from effdet_lite.places import results_file

FIELDS = tuple(Run.__dataclass_fields__)
SMALL = Run("kinds", "base", 1, 8, 1, 24, rate=0.01, draw="test", seed=0)


def rate_rows(best=0.01):
    """Rows of `rates` in which one rate is best for every arm."""
    return [
        asdict(run) | {"accuracy": 0.9 if run.rate == best else 0.5, "loss": [1.0]}
        for run in rates.planned(arms(EXAMPLE))
    ]


def test_every_arm_has_its_own_rate_and_five_seeds_on_the_test_pictures():
    rows = rate_rows()
    for row in rows:
        if (row["direction"], row["factor"]) == ("depth", 8):
            row["accuracy"] = 0.9 if row["rate"] == 0.003 else 0.5
    runs = directions.planned(arms(EXAMPLE), rows)
    seeds = Counter((run.task, run.direction, run.factor) for run in runs if run.draw == "test")
    assert seeds == {arm.key: 5 for arm in arms(EXAMPLE)}
    for run in runs:
        deepest = (run.direction, run.factor) == ("depth", 8)
        assert run.rate == (0.003 if deepest else 0.01)


def test_what_chooses_and_what_scores_share_neither_seeds_nor_pictures():
    runs = (
        directions.planned(arms(EXAMPLE), rate_rows())
        + rates.planned(arms(EXAMPLE))
        + balance.planned()
    )
    seeds = {name: {run.seed for run in runs if run.draw == name} for name in learning.DRAWS}
    assert seeds == {"training": set(), "validation": {10, 11}, "test": {0, 1, 2, 3, 4}}
    assert len(set(learning.DRAWS.values())) == 3


def test_an_arm_whose_rates_were_not_all_tried_is_refused():
    rows = [row for row in rate_rows() if row["rate"] != 0.03]
    with pytest.raises(ValueError, match=r"run python -m effdet_lite\.experiments\.rates first"):
        directions.planned(arms(EXAMPLE), rows)


def test_of_equally_accurate_rates_the_lower_loss_decides():
    arm = arms(EXAMPLE)[0]
    rows = [
        asdict(arm.run(rate, "validation", 10)) | {"accuracy": 1.0, "loss": [2.0, loss]}
        for rate, loss in ((0.003, 0.3), (0.01, 0.1), (0.03, 0.2), (0.1, 0.4))
    ]
    assert rates.chosen_rate(rows, arm) == 0.01


def test_validation_rows_are_those_with_the_chosen_rate():
    rows = [
        asdict(run) | {"accuracy": 0.5}
        for run in directions.planned(arms(EXAMPLE), rate_rows(best=0.03))
    ]
    found = directions.validation_rows(rate_rows(best=0.03), rows)
    assert {row["rate"] for row in found} == {0.03} and {row["seed"] for row in found} == {10, 11}
    seeds = Counter(directions.arm_of(row) for row in found)
    assert all(seeds[arm.key] == (2 if arm.direction in DIRECTIONS else 1) for arm in arms(EXAMPLE))


def test_candidates_for_the_base_cost_the_same():
    sizes = balance.candidates()
    assert len(set(sizes)) >= 12
    for size in sizes:
        assert size.cost().macs == pytest.approx(balance.WANTED_MACS, rel=0.07)


def test_a_candidate_is_judged_by_all_three_tasks():
    row = {"channels": 4, "blocks": 2, "resolution": 24}
    other = row | {"channels": 5, "task": "span", "accuracy": 1.0}
    scores = {"detail": 0.2, "span": 0.3, "kinds": 0.7}
    rows = [row | {"task": task, "accuracy": score} for task, score in scores.items()]
    found = balance.mean_accuracies([*rows, other])
    assert found == {Size(4, 2, 24): pytest.approx(0.4)}


def test_improvement_is_that_of_the_last_fifth():
    assert improvement([9, 9, 9, 9, 9, 9, 0.5, 0.4, 0.3, 0.2]) == pytest.approx(0.2)


@pytest.mark.slow
def test_a_small_network_learns_an_easy_task(one_thread):
    """Wide stripes, live, by the function of the notebook; who guesses has 1/8."""
    row = directions.live("detail", 5, "base", steps=200, base=Size(8, 1, 24))
    assert row["accuracy"] > 0.5 and row["loss"][-1] < 0.5 * math.log(8)
    assert (row["channels"], row["blocks"], row["resolution"]) == (8, 1, 24)


@pytest.mark.slow
def test_a_run_depends_on_nothing_but_itself(one_thread):
    first = trained(SMALL, steps=4, scored=250)
    other = trained(Run(**asdict(SMALL) | {"seed": 1}), steps=4, scored=250)
    assert {**trained(SMALL, steps=4, scored=250), "seconds": 0} == {**first, "seconds": 0}
    assert other["loss"] != first["loss"]


def stored(name):
    """The rows that come with the course, if there are any yet."""
    if not results_file(name).exists():
        pytest.skip(f"no run of {name} has been made yet")
    document = stored_results(name)
    assert document["settings"].items() >= learning.settings().items()
    return document["runs"]


def test_the_base_is_the_candidate_with_the_best_mean():
    sizes = balance.candidates()
    rows = [
        asdict(run) | {"accuracy": 0.9 if run.size == sizes[3] else 0.5}
        for run in balance.planned()
    ]
    assert balance.balanced_base(rows) == sizes[3]
    with pytest.raises(ValueError, match=r"run python -m effdet_lite\.experiments\.balance first"):
        balance.balanced_base(rows[:-1])


def test_the_stored_search_ends_inside_its_grid():
    """A best at an edge would say that the search should have gone further."""
    base = balance.balanced_base(stored("balance"))
    assert base == EXAMPLE, "what is trained live is a size of the experiment"
    sizes = balance.candidates()
    for dimension in ("channels", "blocks", "resolution"):
        tried = {getattr(size, dimension) for size in sizes}
        assert min(tried) < getattr(base, dimension) < max(tried)


def test_every_candidate_can_be_scaled_to_the_wished_macs():
    """Counted anew here from the sizes of the arms."""
    for size in balance.candidates():
        for arm in arms(size, ("kinds",)):
            if arm.direction in DIRECTIONS:
                share = arm.size.cost().macs / (arm.factor * size.cost().macs)
                assert share == pytest.approx(1, abs=balance.LARGEST_ARM_MISS)


@pytest.mark.parametrize("name", ["balance", "rates", "directions"])
def test_the_result_file_holds_runs_of_the_plan(name):
    planned = {
        "balance": balance.planned,
        "rates": lambda: rates.planned(arms(EXAMPLE)),
        "directions": lambda: directions.planned(arms(EXAMPLE), stored("rates")),
    }[name]()
    runs = {tuple(asdict(run).values()): run for run in planned}
    rows = {tuple(row[field] for field in FIELDS): row for row in stored(name)}
    assert rows.keys() <= runs.keys()
    for key, row in rows.items():
        cost = runs[key].size.cost(TASKS[row["task"]].classes)
        assert (row["params"], row["macs"]) == (cost.params, cost.macs)
        assert 0 < row["accuracy"] <= 1 and row["seconds"] > 0
        assert row["improved"] == improvement(row["loss"])


@pytest.mark.slow
def test_a_cheap_run_comes_out_as_it_is_stored(one_thread):
    """One candidate on "span". Equal on one processor; some hundredths apart on another."""
    row = stored("balance")[0]
    again = trained(Run(**{field: row[field] for field in FIELDS}))
    assert again["accuracy"] == pytest.approx(row["accuracy"], abs=0.05)
    assert again["loss"] == pytest.approx(row["loss"], abs=0.1)
