"""What `directions` says of claims 2, 5, 11 and 12. Oracle: rows with an order that is known."""

import pytest

from effdet_lite.experiments import scaling_findings
from effdet_lite.experiments.arms import arms
from effdet_lite.experiments.balance import EXAMPLE
from effdet_lite.experiments.directions import SEEDS
from effdet_lite.experiments.sizes import DIRECTIONS
from effdet_lite.experiments.verdicts import verdict

STEP = {1: 0, 2: 1, 4: 2, 8: 3}  # doublings


def rows_of(accuracy):
    """Rows of every arm and seed of `directions`. accuracy: of (task, direction, doublings)."""
    return [
        {
            "task": arm.task,
            "direction": arm.direction,
            "factor": arm.factor,
            "seed": seed,
            "draw": draw,
            "accuracy": accuracy(arm.task, arm.direction, STEP[arm.factor]) + 0.001 * seed,
        }
        for seed, draw in SEEDS
        for arm in arms(EXAMPLE)
        if draw == "test" or arm.direction in DIRECTIONS
    ]


def split(rows):
    """(validation rows, test rows)."""
    return tuple([row for row in rows if row["draw"] == draw] for draw in ("validation", "test"))


def test_what_gains_less_and_less_saturates_and_what_gains_more_does_not():
    bent, rising = (0, 0.2, 0.3, 0.31), (0, 0.1, 0.2, 0.31)

    def accuracy(task, direction, doublings):
        return (bent if direction == "depth" else rising)[doublings]

    _, rows = split(rows_of(accuracy))
    found = scaling_findings.saturation(rows)
    assert list(found) == ["depth", "width", "resolution"]
    assert verdict(found["depth"]) == "confirmed"
    assert verdict(found["width"]) == "not so"
    gains = scaling_findings.fading(rows, "depth")
    assert gains == {task: pytest.approx([0.2 - 0.01] * 5) for task in gains}


def test_together_is_ahead_over_the_tasks_though_not_on_each():
    favorite = {"span": "depth", "kinds": "width", "detail": "resolution"}

    def accuracy(task, direction, doublings):
        own = {favorite[task]: 0.1, "compound": 0.08}
        return 0.5 + doublings * own.get(direction, 0)

    _, rows = split(rows_of(accuracy))
    found = scaling_findings.together(rows)
    assert verdict(*found.values()) == "confirmed, with care"
    assert found["depth"].exception == "over depth, no gain: span"


def test_a_direction_that_is_best_on_every_task_makes_the_claim_not_so():
    _, rows = split(rows_of(lambda task, name, doublings: 0.5 + 0.1 * (name == "width")))
    assert verdict(*scaling_findings.together(rows).values()) == "not so"


def test_the_choice_is_made_on_validation_and_scored_on_test():
    def accuracy(task, direction, doublings):
        return 0.5 + 0.1 * (direction == "width") * doublings

    validation, rows = split(rows_of(accuracy))
    assert scaling_findings.choice(validation, rows).is_seen
    swapped = [row | {"direction": "compound"} for row in validation if row["direction"] == "width"]
    others = [row for row in validation if row["direction"] not in ("width", "compound")]
    assert not scaling_findings.choice(swapped + others + swapped_back(validation), rows).is_seen


def swapped_back(validation):
    """Rows of width with the accuracies of compound."""
    return [row | {"direction": "width"} for row in validation if row["direction"] == "compound"]


@pytest.mark.parametrize(("extra", "seen"), [(0.1, True), (0.0, False)])
def test_width_is_worth_more_where_the_rest_has_grown(extra, seen):
    def accuracy(task, direction, doublings):
        return 0.4 + doublings * {"width": 0.1, "grown": 0.1 + extra}.get(direction, 0)

    _, rows = split(rows_of(accuracy))
    assert scaling_findings.wider_needs_more(rows).is_seen is seen
