"""The experiment of notebook 03: its costs, its pictures and its result file.

Oracles: torch.utils.flop_counter; corners and teeth counted on the pictures by their waves; a run
that was made twice, in two processes.
"""

import functools
import math
from collections import Counter

import pytest
import torch
from oracles import macs, parameters

from effdet_lite.efficientnet import EfficientNet
from effdet_lite.experiments.run import Plan, run_all, stored_results
from effdet_lite.scaling import EfficientNetConfig


@pytest.fixture(scope="module")
def experiment(experiment_script):
    return experiment_script("compound")


@pytest.mark.slow
def test_the_costs_are_what_torch_counts_and_near_what_was_wished_for(experiment):
    runs = experiment.planned(seeds=(0,))
    base = next(run for run in runs if run.direction == "base").cost.macs
    for run in runs:
        with torch.device("meta"):
            network = EfficientNet(
                EfficientNetConfig(run.width, run.depth, run.resolution), 16
            ).eval()
            image = torch.empty(1, 3, run.resolution, run.resolution)
        assert macs(network, image) == run.cost.macs
        assert parameters(network) == run.cost.params
        assert run.cost.macs / base == pytest.approx(run.factor, rel=0.13)


def test_a_single_direction_changes_one_dimension_only(experiment):
    for run in experiment.planned(seeds=(0,)):
        changed = [
            now != before
            for now, before in zip(
                (run.width, run.depth, run.resolution), experiment.BASE, strict=True
            )
        ]
        expected = {
            "base": [0, 0, 0],
            "width": [1, 0, 0],
            "depth": [0, 1, 0],
            "resolution": [0, 0, 1],
        }
        if run.direction in expected:
            assert changed == [bool(one) for one in expected[run.direction]]
    assert (
        all(math.isclose(a * b**2 * c**2, 2) for a, b, c in experiment.GRID.values())
        and len(experiment.GRID) == 10
    )


def test_the_pictures_are_the_same_for_the_same_seed_and_as_many_of_each_class(experiment):
    pictures, labels = experiment.draw(320, seed=3)
    again, again_labels = experiment.draw(320, seed=3)
    other, _ = experiment.draw(320, seed=4)
    assert pictures.equal(again) and labels.equal(again_labels) and not pictures.equal(other)
    assert set(Counter(labels.tolist()).values()) == {20}
    small = experiment.at_resolution(pictures, 40)
    assert small.shape == (320, 3, 40, 40) and small.min() >= 0 and small.max() <= 1
    assert small.mean().item() == pytest.approx(pictures.float().mean().item() / 255, abs=0.01)


def test_a_pictures_class_is_the_number_of_its_corners_or_teeth(experiment, monkeypatch):
    """Counted as the strongest wave along the rim, seen from the middle of what is drawn, without
    noise.
    """
    monkeypatch.setattr(torch, "randn", lambda shape, generator: torch.zeros(shape))
    pictures, labels = experiment.draw(96, seed=5)
    rows, columns = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    for picture, label in zip(pictures.float(), labels.tolist(), strict=True):
        shape = (picture - picture[0, 0]).abs()
        shape = shape / shape.max()
        y, x = (rows * shape).sum() / shape.sum(), (columns * shape).sum() / shape.sum()
        turn = torch.atan2(rows - y, columns - x)
        distance = torch.hypot(rows - y, columns - x)
        power = [
            abs((shape * (distance > 0) * torch.exp(1j * wave * turn)).sum()).item()
            for wave in range(3, 13)
        ]
        counted = 3 + power.index(max(power))
        assert counted == int(experiment.CLASSES[label].split()[0]), experiment.CLASSES[label]


def test_the_result_file_holds_every_run_that_it_promises(experiment):
    document = stored_results("compound")
    assert document["settings"]["steps"] == experiment.STEPS and document["settings"][
        "base"
    ] == list(experiment.BASE)
    stored = {
        tuple(row[key] for key in experiment.Run.__dataclass_fields__): row
        for row in document["runs"]
    }
    planned = {tuple(vars(run).values()): run for run in experiment.planned()}
    assert len(stored) == len(document["runs"]) and set(stored) == set(planned)
    for key, row in stored.items():
        assert (row["params"], row["macs"]) == (planned[key].cost.params, planned[key].cost.macs)
        assert 1 / 16 < row["accuracy"] < 1 and row["seconds"] > 0 and math.isfinite(row["loss"])


@pytest.mark.slow
def test_a_run_in_another_process_gives_the_same_row(experiment, tmp_path):
    runs = [experiment.Run("base", 1, 0.25, 0.25, 32, 0)]
    few = {"steps": 2, "test_pictures": 250}
    here = experiment.trained(runs[0], **few)
    train_one = functools.partial(experiment.trained, **few)
    plan = Plan(runs, train_one, experiment.settings(**few))
    (there,) = run_all(tmp_path / "one.json", plan, processes=1)["runs"]
    assert {**there, "seconds": 0} == {**here, "seconds": 0}


@pytest.mark.slow
def test_a_network_learns_one_batch_by_heart(experiment, monkeypatch):
    """That it learns more than these is what the result file shows: it is tested above."""
    pictures, labels = experiment.draw(64, seed=1)
    data = (pictures.repeat(80, 1, 1), labels.repeat(80), pictures, labels)
    monkeypatch.setattr(experiment, "pictures_for_all", lambda steps, test_pictures: data)
    result = experiment.trained(
        experiment.Run("base", 1, 0.25, 0.25, 32, 0), steps=80, test_pictures=64
    )
    assert result["accuracy"] > 0.5 and result["loss"] < 0.5 * math.log(16)
