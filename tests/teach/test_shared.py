"""What several explorers share. Oracles: `detect` itself, Python's imports and its garbage."""

import copy
import gc
import subprocess
import sys
import weakref

import pytest
import torch

from effdet_lite.data import ShapesDetection
from effdet_lite.teach.kit.shared import detect_once, shipped, weights_digest

PICTURES = ShapesDetection("test", length=4)
WAYS = {"iou_threshold": 1.0, "across_classes": False, "max_detections": 1000}


@pytest.fixture
def model():
    return copy.deepcopy(shipped("shapes")[0])


def change_in_place(model):
    with torch.no_grad():
        model.class_head.predict.pointwise.bias.add_(2.0)


def load_others(model):
    other = {name: value.clone() for name, value in model.state_dict().items()}
    other["class_head.predict.pointwise.bias"] += 2.0
    model.load_state_dict(other)


def replace_a_buffer(model):
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean = module.running_mean + 0.5


def swap_two_channels(model):
    """The same numbers in another order."""
    with torch.no_grad():
        weight = model.backbone.stem.conv.weight
        weight.copy_(weight.flip(0))


@pytest.mark.parametrize(
    "change", [change_in_place, load_others, replace_a_buffer, swap_two_channels]
)
def test_after_its_weights_change_a_model_is_asked_again(model, change):
    _, _, before = detect_once(model, PICTURES, 1, **WAYS)
    change(model)
    image, _, after = detect_once(model, PICTURES, 1, **WAYS)
    (expected,) = model.detect(
        image[None], score_threshold=0.1, iou_threshold=1.0, max_detections=1000
    )
    assert len(before["scores"]) != len(after["scores"]) or not before["scores"].equal(
        after["scores"]
    )
    for name in expected:
        torch.testing.assert_close(after[name], expected[name])


def test_the_same_question_is_asked_once(model, monkeypatch):
    answer = detect_once(model, PICTURES, 1)
    monkeypatch.setattr(type(model), "detect", None)
    assert detect_once(model, PICTURES, 1) is answer
    with pytest.raises(TypeError):  # another question, and `detect` is gone
        detect_once(model, PICTURES, 1, iou_threshold=0.4)


def test_a_model_and_a_data_set_that_nobody_holds_are_forgotten():
    model, pictures = copy.deepcopy(shipped("shapes")[0]), ShapesDetection("test", length=2)
    detect_once(model, pictures, 0)
    held = [weakref.ref(model), weakref.ref(pictures)]
    del model, pictures
    gc.collect()
    assert [reference() for reference in held] == [None, None]


def test_the_digest_sees_every_tensor(model):
    digests = {weights_digest(model)}
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.numel() and tensor.is_floating_point():
            with torch.no_grad():
                tensor.view(-1)[-1] += 1
            digests.add(weights_digest(model))
    tensors = [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]
    assert len(digests) == 1 + len(tensors)
    assert weights_digest(model.to(torch.bfloat16)) not in digests


@pytest.mark.slow
def test_importing_the_explorers_makes_no_pictures_and_counts_nothing():
    code = """
import effdet_lite.data.shapes as shapes, effdet_lite.costs as costs
import effdet_lite.checkpoint as checkpoint, pkgutil, importlib
def never(*arguments, **options): raise AssertionError("work on import")
shapes.ShapesDetection.__init__ = never
costs.cost_by_part = costs.cost_by_stage = checkpoint.load_detector = never
import effdet_lite.teach.nb as nb
for module in pkgutil.iter_modules(nb.__path__):
    importlib.import_module(f"{nb.__name__}.{module.name}")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_single_picture_is_looked_at_by_one_thread_and_the_others_come_back():
    """Oracle: torch's own count."""
    seen = []

    before = torch.get_num_threads()
    model = copy.deepcopy(shipped("shapes")[0])
    model.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    detect_once(model, ShapesDetection("test", length=1), 0)
    assert seen == [1] and torch.get_num_threads() == before

    broken = copy.deepcopy(model)
    broken.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        detect_once(broken, PICTURES, 0)
    assert torch.get_num_threads() == before
