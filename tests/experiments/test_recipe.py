"""The experiment of notebook 08 on its recipe: what differs between its runs, and its result file.

Oracles: the planned settings, a run that was made twice, a loss that is no number.
"""

import math

import pytest

from effdet_lite.experiments.run import stored_results


@pytest.fixture(scope="module")
def recipe(experiment_script):
    return experiment_script("recipe")


def differences(one, other):
    return {name for name, value in vars(one).items() if value != getattr(other, name)}


def test_each_question_changes_its_own_setting_and_at_most_its_condition(recipe):
    for run in recipe.WARMUP:
        assert differences(run, recipe.USUAL) <= {"warmup", "learning_rate"}
    for run in recipe.AVERAGE:
        assert differences(run, recipe.USUAL) <= {"decay"}
    for run in recipe.AUGMENTATION:
        assert differences(run, recipe.USUAL) <= {"augmentation", "pictures", "steps"}
    for question in (recipe.WARMUP, recipe.AVERAGE, recipe.AUGMENTATION):
        assert recipe.USUAL in question


def test_every_setting_is_planned_once_for_every_seed(recipe):
    runs = recipe.planned()
    assert len(runs) == len(set(runs)) == 36
    for run in [*recipe.WARMUP, *recipe.AVERAGE, *recipe.AUGMENTATION]:
        assert {one.seed for one in runs if differences(one, run) <= {"seed"}} == {0, 1, 2}


@pytest.mark.slow
def test_the_same_run_gives_the_same_row_and_each_setting_another(recipe, monkeypatch):
    monkeypatch.setattr(recipe.necks, "TEST_PICTURES", 10)
    recipe.necks.pictures.cache_clear()
    usual, again = (recipe.trained(recipe.Run(pictures=40), steps=10) for _ in range(2))
    assert {**usual, "seconds": 0} == {**again, "seconds": 0}
    for changes in (
        {"warmup": 0},
        {"learning_rate": 0.064},
        {"augmentation": "none"},
        {"pictures": 30},
        {"seed": 1},
    ):
        other = recipe.trained(recipe.Run(**{"pictures": 40} | changes), steps=10)
        assert other["losses"] != usual["losses"], changes
    assert (
        recipe.trained(recipe.Run(pictures=40, decay=0.0), steps=10)["losses"] == usual["losses"]
    )  # only watched
    broken = recipe.trained(recipe.Run(pictures=40, warmup=0, learning_rate=1e30), steps=10)
    assert 1 < broken["broke_off_at"] <= 10 and "ap50" not in broken
    recipe.necks.pictures.cache_clear()


def test_the_result_file_holds_what_was_planned(recipe):
    document = stored_results("recipe")
    assert document["settings"] | {"batch": 8, "test_pictures": 300} == document["settings"]
    fields = recipe.Run.__dataclass_fields__
    stored = [tuple(row[field] for field in fields) for row in document["runs"]]
    assert len(stored) == len(set(stored)) and set(stored) == {
        tuple(vars(run).values()) for run in recipe.planned()
    }
    losses = {}
    for key, row in zip(stored, document["runs"], strict=True):
        assert 0 < row["ap"] <= row["ap50"] < 1 and row["seconds"] > 0 and len(row["losses"]) == 10
        assert all(math.isfinite(loss) for loss in row["losses"])
        losses[key] = row["losses"]
    without = {(*key[:2], 0.998, *key[3:]): value for key, value in losses.items() if key[2] == 0.0}
    assert all(
        losses[key] == value for key, value in without.items()
    )  # the average does not touch the training
