"""The experiment of notebook 10 on starts: what each run begins with, and its result file.

Oracles: the tensors of the detector of shapes, the planned settings.
"""

import math

import numpy as np
import pytest
import torch

from effdet_lite.checkpoint import load_detector, load_tensors
from effdet_lite.data import ShapesDetection
from effdet_lite.experiments.run import stored_results
from effdet_lite.milestones import evaluate
from effdet_lite.places import shipped_detector
from effdet_lite.scaling import EFFICIENTNETS

CLASSES = ("RBC", "WBC", "Platelets")
FITTED = "class_head.predict."  # what no start takes


@pytest.fixture(scope="module")
def transfer(experiment_script):
    return experiment_script("transfer")


def test_runs_differ_in_their_start_alone(transfer):
    for steps in transfer.STEPS:
        recipes = {transfer.recipe(transfer.Run(start, steps)) for start in transfer.STARTS}
        assert len(recipes) == 1
    one, other = (transfer.recipe(transfer.Run(start, 40)) for start in transfer.PUBLISHED)
    assert one == other
    # torchvision's weights are those of the published B0.
    backbone = one.model_config.backbone
    assert (backbone.width, backbone.depth) == (1.0, 1.0)
    assert backbone.fused_stages == EFFICIENTNETS["b0"].fused_stages


def test_every_setting_is_planned_once_for_every_seed(transfer):
    runs = transfer.planned()
    assert len(runs) == len(set(runs)) == 36
    assert {run.seed for run in runs} == {0, 1, 2}
    for run in runs:
        assert all(
            transfer.Run(start, run.steps, run.photographs, run.seed) in runs
            for start in transfer.STARTS
        )


def test_each_start_has_the_weights_that_its_name_says(transfer):
    tensors = load_tensors(shipped_detector("shapes"))[0]
    scratch, backbone, detector = (
        transfer.begun(transfer.Run(start, 40), CLASSES).state_dict() for start in transfer.STARTS
    )
    for name, tensor in tensors.items():
        same = {
            key: bool(
                (some[name].shape == tensor.shape)
                and torch.equal(some[name], tensor.to(some[name].dtype))
            )
            for key, some in {"backbone": backbone, "detector": detector}.items()
        }
        if name.startswith("backbone."):
            assert same == {"backbone": True, "detector": True}, name
        else:
            assert same["detector"] == (not name.startswith(FITTED)) or name.endswith(
                "num_batches_tracked"
            ), name
            assert torch.equal(backbone[name], scratch[name]), name
    kernel = "backbone.stem.conv.weight"
    assert not torch.equal(scratch[kernel], tensors[kernel].float())


def test_the_seed_changes_what_is_fresh(transfer):
    one, other = (
        transfer.begun(transfer.Run("detector from shapes", 40, seed=seed), CLASSES)
        for seed in (0, 1)
    )
    name = f"{FITTED}pointwise.weight"
    assert not torch.equal(one.state_dict()[name], other.state_dict()[name])


def test_the_result_file_holds_what_was_planned(transfer):
    document = stored_results("transfer")
    settings = {
        "batch": transfer.BATCH,
        "learning_rate": transfer.RATE,
        "size": list(transfer.SIZE),
    }
    assert document["settings"] | settings == document["settings"]
    fields = transfer.Run.__dataclass_fields__
    stored = [tuple(row[field] for field in fields) for row in document["runs"]]
    assert len(stored) == len(set(stored))
    assert set(stored) == {tuple(vars(run).values()) for run in transfer.planned()}
    for row in document["runs"]:
        assert 0 < row["ap"] < row["ap50"] < 1 and row["ap75"] < row["ap50"] and row["seconds"] > 0
        assert len(row["losses"]) == 10 and all(math.isfinite(loss) for loss in row["losses"])
        assert row["losses"][-1] < row["losses"][0]


def test_ap50_by_class_has_the_mean_that_a_training_tells(transfer):
    """Oracle: `milestones.evaluate`, by which a training is tested."""
    pictures = ShapesDetection("test", length=6)
    model, _ = load_detector(shipped_detector("shapes"))
    found = transfer.by_class(model, pictures)
    assert list(found) == list(pictures.classes)
    expected = evaluate(model, pictures, progress=False)["ap50"]
    assert np.nanmean(list(found.values())) == pytest.approx(expected, abs=1e-4)
