"""The ladder of notebook 07: its runs are those of the detectors that come with the course.

Oracles: the settings in the headers of the shipped files, torch's count of parameters and of
operations, and rows made by hand.
"""

from dataclasses import asdict

import pytest
import torch
from oracles import macs, parameters

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments.run import load
from effdet_lite.teach.kit.shared import shipped


@pytest.fixture(scope="module")
def ladder(experiment_script):
    return experiment_script("ladder")


def test_every_run_is_planned_once_and_the_long_ones_come_first(ladder):
    runs = ladder.planned()
    assert len(runs) == len(set(runs)) == 2 * 3 * 4
    assert [run.steps for run in runs] == [1500] * 12 + [600] * 12
    assert {(run.phi, run.seed) for run in runs[:4]} == {(phi, 0) for phi in (-3, -2, -1, 0)}


@pytest.mark.parametrize("phi", [-3, -2, -1, 0])
def test_the_recipe_is_that_of_the_shipped_detector(ladder, phi):
    model, header = shipped(f"shapes-phi{phi}")
    told = header["training"]
    mine = asdict(ladder.recipe(ladder.Run(phi)))
    # Settings that have been added since have no effect at their default.
    differing = {name for name in told.keys() & mine.keys() if not same(told[name], mine[name])}
    assert differing <= {"cache", "workers", "save_every", "data", "test_data"}
    assert ladder.recipe(ladder.Run(phi)).model_config.to_dict() == model.config.to_dict()


def same(told, mine):
    return told == (list(mine) if isinstance(mine, tuple) else mine)


@pytest.mark.parametrize("phi", [-3, 0])
def test_costs_are_what_torch_counts(ladder, phi):
    run = ladder.Run(phi)
    with torch.device("meta"):
        model = EfficientDet(ladder.recipe(run).model_config, 4).eval()
        image = torch.empty(1, 3, 128, 128)
    assert ladder.cost_of(run).params == parameters(model)
    assert ladder.cost_of(run).macs == macs(model, image)


def test_aps_by_phi_and_seed_of_one_length(ladder):
    rows = [
        {"phi": 0, "seed": 1, "steps": 1500, "ap": 0.75},
        {"phi": -3, "seed": 0, "steps": 600, "ap": 0.4},
        {"phi": 0, "seed": 0, "steps": 1500, "ap": 0.74},
        {"phi": -3, "seed": 0, "steps": 1500, "ap": 0.64},
    ]
    assert ladder.aps(rows) == {-3: {0: 0.64}, 0: {0: 0.74, 1: 0.75}}
    assert ladder.aps(rows, 600) == {-3: {0: 0.4}}


def test_seconds_of_one_length_are_means_over_seeds(ladder):
    rows = [
        {"phi": phi, "seed": seed, "steps": steps, "seconds": steps + 10 * phi + seed}
        for phi in (-3, -2, -1, 0)
        for seed in range(3)
        for steps in (600, 1500)
    ]
    assert ladder.seconds(rows) == {-3: 1471, -2: 1481, -1: 1491, 0: 1501}


@pytest.mark.slow
def test_a_run_gives_its_row_and_a_stop_loses_nothing(ladder, tmp_path):
    from effdet_lite.experiments.run import Plan, run_all

    short = Plan([ladder.Run(-3, 0, 2)], ladder.trained, ladder.settings())
    path = tmp_path / "ladder.json"
    (row,) = run_all(path, short, 1)["runs"]
    assert row["steps"] == 2 and 0 <= row["ap"] <= 1 and len(row["losses"]) == 2
    longer = Plan([*short.runs, ladder.Run(-2, 0, 1)], ladder.trained, ladder.settings())
    rows = run_all(path, longer, 1)["runs"]
    assert (
        rows[0] == row and [one["phi"] for one in rows] == [-3, -2] and load(path)["runs"] == rows
    )
