"""What explorers show, against torch, and that no setting breaks them; the terms of the notation exist.

Oracles: torch.nn.Conv2d, torch.utils.flop_counter, torchvision's box_iou on `detect`, Python's import system.
"""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Rectangle
from torch.utils.flop_counter import FlopCounterMode
from torchvision.ops import box_iou

from effdet_lite.checkpoint import load_detector
from effdet_lite.data import ShapesDetection
from effdet_lite.teach.explorers import convolution_view, detections_view

ROOT = Path(__file__).parents[1]
NOTATION = (ROOT / "notebooks" / "NOTATION.md").read_text("utf-8")


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(1, 24), st.sampled_from([1, 3, 5]), st.integers(1, 3),
    st.integers(1, 4), st.integers(1, 3), st.booleans(),
)  # fmt: skip
def test_a_convolution_shows_what_torch_counts(c_in, c_out, side, kernel, stride, groups, dilation, bias):
    c_in, c_out = c_in * groups, c_out * groups
    padding = dilation * (kernel // 2)
    layer = torch.nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, groups, bias)
    image = torch.zeros(1, c_in, side, side)
    with FlopCounterMode(display=False) as counter:
        output = layer(image)
    params = sum(parameter.numel() for parameter in layer.parameters())
    numbers = convolution_view(c_in, c_out, side, kernel, stride, groups, dilation, bias).numbers
    assert numbers["parameters"] == f"{params:,}"
    assert numbers["FLOPs"] == f"{counter.get_total_flops() / 1e6:,.3f} million"
    traffic = 4 * (image.numel() + params + output.numel())
    assert numbers["memory traffic, at least"] == f"{traffic / 1e6:,.3f} MB"
    assert numbers["arithmetic intensity"] == f"{counter.get_total_flops() / traffic:,.2f} FLOP/byte"


def test_groups_that_do_not_divide_are_refused_in_words():
    with pytest.raises(ValueError, match="groups=3 must divide both c_in=8 and c_out=16"):
        convolution_view(8, 16, 32, 3, groups=3)


@pytest.mark.parametrize("picture", [0, 1, 201])
def test_what_a_detector_finds_is_what_it_answers(picture, monkeypatch):
    """One box a place: no two of those shown overlap by half, and each is the best of the detector's that do."""
    model, _ = load_detector(ROOT / "assets" / "checkpoints" / "shapes.safetensors")
    dataset = ShapesDetection("test")
    image, target = dataset[picture % 200]
    (found,) = model.detect(image[None], score_threshold=0.1, iou_threshold=0.5)
    counts = []
    for score in (0.1, 0.3, 0.5, 1.0):
        figure, words, numbers = detections_view(model, dataset, score, picture)
        patches = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
        counts.append(int(numbers["boxes found"]))
        assert len(patches) == len(target["boxes"]) + counts[-1]
        assert int(numbers["objects in the picture"]) == len(target["boxes"])
        shown = [patch.get_bbox().extents - [136, 0, 136, 0] for patch in patches[len(target["boxes"]) :]]
        boxes = torch.tensor(np.array(shown), dtype=torch.float32).reshape(-1, 4)
        overlap = box_iou(boxes, found["boxes"])
        best = [int((row >= 0.5).nonzero()[0]) for row in overlap]  # detections come best first
        assert all(found["scores"][index] >= score for index in best)
        assert (box_iou(boxes, boxes) - torch.eye(len(boxes)) <= 0.5).all()
        assert counts[-1] or "nothing" in words
    assert counts == sorted(counts, reverse=True) and counts[-1] == 0
    monkeypatch.setattr(type(model), "detect", None)  # a moved slider does not run the network again
    detections_view(model, dataset, 0.2, picture)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(\w+\.[\w.]+)` \|$", NOTATION, flags=re.MULTILINE))))
def test_what_the_notation_names_is_in_the_package(name):
    parts = name.split(".")
    module = importlib.import_module("effdet_lite." + ".".join(parts[: 2 if parts[0] == "teach" else 1]))
    thing = module
    for part in parts[2 if parts[0] == "teach" else 1 :]:
        thing = (
            thing.__dataclass_fields__[part]
            if part in getattr(thing, "__dataclass_fields__", {})
            else getattr(thing, part)
        )
