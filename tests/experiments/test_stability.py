"""Fusion weights at a raised rate: who learns at which rate, what stays of the norms, and what
counts as diverged.

Oracles: one step of Adam, which is the rate itself; runs written by hand; a loss that is no number.
"""

import math

import pytest
import torch

from effdet_lite.data import ShapesInContext


@pytest.fixture(scope="module")
def stability(experiment_script):
    return experiment_script("stability")


@pytest.fixture(scope="module")
def dots(one_thread):
    return ShapesInContext("train", 128, 24, seed=1, cache=True)


def after_one_step(stability, dots, times):
    """How far the first step moves each parameter at most, by name."""
    run = stability.Run("unbounded", times)
    model = stability.begun(run)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    config = stability.necks.recipe_for(1, 0)
    losses, _ = stability.train_watched(model, dots, config, times)
    assert len(losses) == 1
    after = dict(model.named_parameters())
    return {
        name: (after[name].detach() - value).abs().max().item() for name, value in before.items()
    }


def test_the_fusion_weights_alone_learn_faster(stability, dots):
    """Adam's first step is as long as the rate, whatever the gradient is."""
    usual, raised = (after_one_step(stability, dots, times) for times in (1, 100))
    for name in usual:
        fusion = name.endswith(".weights")
        assert raised[name] == pytest.approx(usual[name] * (100 if fusion else 1), rel=1e-3)
    assert sum(name.endswith(".weights") for name in usual) == 3 * 8  # cells and nodes


@pytest.mark.parametrize("norms", [True, False])
def test_norms_are_taken_out_of_the_neck_alone(stability, norms):
    model = stability.begun(stability.Run("fast", norms=norms))
    found = {
        name.split(".")[0]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.BatchNorm2d)
    }
    assert found == {"backbone", "class_head", "box_head"} | ({"fusion"} if norms else set())


def test_a_run_whose_loss_is_no_number_ends_there(stability, dots, monkeypatch):
    """A rate beyond all measure, without norms that would take the scale away."""
    monkeypatch.setattr(stability.necks, "pictures", lambda task, train: dots)
    broken = stability.trained(stability.Run("unbounded", 10**30, norms=False), steps=10)
    assert 1 < broken["broke_off_at"] <= 10 and stability.diverged(broken)
    assert all(math.isfinite(loss) for loss in broken["losses"])
    sound = stability.trained(stability.Run("fast", 1), steps=3)
    assert sound["broke_off_at"] is None and len(sound["losses"]) == 3
    assert 0.2 < sound["largest_factor"] <= 1  # fast factors are shares


def row(weighting, times, norms, seed, losses, factor, broke_off=None):
    return {
        "weighting": weighting,
        "times": times,
        "norms": norms,
        "seed": seed,
        "losses": losses,
        "largest_factor": factor,
        "broke_off_at": broke_off,
    }


def test_diverged_runs_and_factors_are_counted_by_setting(stability):
    rows = [
        row("unbounded", 100, False, 0, [2.0, 3.0], 50.0),
        row("unbounded", 100, False, 1, [2.0, 1.0], 70.0),
        row("unbounded", 100, False, 2, [2.0], 5.0, broke_off=12),
        row("unbounded", 100, False, 3, [], 0.0, broke_off=1),
        row("fast", 1, True, 0, [2.0, 0.5], 0.75),
        row("fast", 1, True, 1, [2.0, 1.5], 0.5),
    ]
    found = stability.by_setting(rows)
    assert found["unbounded", 100, False] == {
        "runs": 4,
        "diverged": 3,
        "largest_factor": 70.0,
        "final_loss": 1.0,
    }
    assert found["fast", 1, True] == {
        "runs": 2,
        "diverged": 0,
        "largest_factor": 0.75,
        "final_loss": 1.0,
    }
    assert math.isnan(stability.by_setting(rows[2:4])["unbounded", 100, False]["final_loss"])


def test_every_setting_is_planned_once_for_every_seed(stability):
    runs = stability.planned()
    assert len(runs) == len(set(runs)) == 3 * 3 * 2 * 3
    assert {run.times for run in runs} == {1, 10, 100}
