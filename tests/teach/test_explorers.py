"""What explorers show, against torch, and that no setting breaks them; the terms of the notation
exist.

Oracles: torch.nn.Conv2d, torch.utils.flop_counter, torchvision's box_iou on `detect`, Python's
import system.
"""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Rectangle
from torch.utils.flop_counter import FlopCounterMode
from torchvision.ops import box_iou

from effdet_lite.checkpoint import load_detector
from effdet_lite.data import ShapesDetection
from effdet_lite.efficientnet import EfficientNet
from effdet_lite.layers import SqueezeExcite
from effdet_lite.scaling import EFFICIENTNETS
from effdet_lite.teach.nb.explorers import (
    convolution_view,
    detections_view,
    scaling_view,
    stage_view,
)

ROOT = Path(__file__).parents[2]
NOTATION = (ROOT / "notebooks" / "NOTATION.md").read_text("utf-8")


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 24),
    st.sampled_from([1, 3, 5]),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 3),
    st.booleans(),
)
def test_a_convolution_shows_what_torch_counts(
    c_in, c_out, side, kernel, stride, groups, dilation, bias
):
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
    assert (
        numbers["arithmetic intensity"] == f"{counter.get_total_flops() / traffic:,.2f} FLOP/byte"
    )


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 32),
    st.integers(1, 32),
    st.integers(3, 28),
    st.sampled_from([1, 3, 5, 7]),
    st.integers(1, 3),
    st.integers(0, 8),
    st.integers(1, 3),
    st.booleans(),
)
def test_a_convolution_is_refused_just_where_torch_refuses_it(
    c_in, c_out, side, kernel, stride, power, dilation, bias
):
    """On the ranges that the sliders of notebook 01 have."""
    c_in, c_out, side, groups = 8 * c_in, 8 * c_out, 8 * side, 2**power
    try:
        torch.nn.Conv2d(c_in, c_out, kernel, stride, groups=groups, device="meta")
    except ValueError:
        with pytest.raises(ValueError, match="must divide"):
            convolution_view(c_in, c_out, side, kernel, stride, groups, dilation, bias)
    else:
        assert convolution_view(
            c_in, c_out, side, kernel, stride, groups, dilation, bias
        ).figure.axes


def test_groups_that_do_not_divide_are_refused_in_words():
    with pytest.raises(ValueError, match="groups=3 must divide both c_in=8 and c_out=16"):
        convolution_view(8, 16, 32, 3, groups=3)


@pytest.mark.parametrize("picture", [0, 1, 201])
def test_what_a_detector_finds_is_what_it_answers(picture, monkeypatch):
    """One box a place: no two of those shown overlap by half, and each is the best of the
    detector's that do.
    """
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
        shown = [
            patch.get_bbox().extents - [136, 0, 136, 0] for patch in patches[len(target["boxes"]) :]
        ]
        boxes = torch.tensor(np.array(shown), dtype=torch.float32).reshape(-1, 4)
        overlap = box_iou(boxes, found["boxes"])
        best = [int((row >= 0.5).nonzero()[0]) for row in overlap]  # detections come best first
        assert all(found["scores"][index] >= score for index in best)
        assert (box_iou(boxes, boxes) - torch.eye(len(boxes)) <= 0.5).all()
        assert counts[-1] or "nothing" in words
    assert counts == sorted(counts, reverse=True) and counts[-1] == 0
    monkeypatch.setattr(
        type(model), "detect", None
    )  # a moved slider does not run the network again
    detections_view(model, dataset, 0.2, picture)


@pytest.mark.parametrize("variant", ["b0", "b3", "b7"])
def test_a_stage_shows_what_torchvision_has_there(variant):
    side = EFFICIENTNETS[variant].resolution
    with torch.device("meta"):
        network = torchvision.models.get_model(f"efficientnet_{variant}").eval()
        x = torch.empty(1, 3, side, side)
    everything = sum(parameter.numel() for parameter in network.parameters())
    for stage, part in enumerate(network.features):
        before = x
        with FlopCounterMode(display=False) as counter:
            x = part(x)
            if stage == 8:
                network.classifier(x.mean((2, 3)))
        params = sum(parameter.numel() for parameter in part.parameters())
        params += (
            sum(parameter.numel() for parameter in network.classifier.parameters())
            if stage == 8
            else 0
        )
        numbers = stage_view(stage, variant).numbers
        assert numbers["in"] == f"{before.shape[2]} × {before.shape[3]} × {before.shape[1]}"
        assert numbers["out"] == f"{x.shape[2]} × {x.shape[3]} × {x.shape[1]}"
        assert numbers["parameters"] == f"{params:,} ({params / everything:.1%})"
        assert numbers["MACs"].startswith(f"{counter.get_total_flops() / 2e6:,.1f} million (")
        if 1 <= stage <= 7:
            kernel = part[0].block[-3][0].kernel_size[0]
            assert numbers["blocks"].startswith(f"{len(part)} × MBConv")
            assert (
                f"kernel {kernel} × {kernel}, stride {part[0].block[-3][0].stride[0]}"
                in numbers["blocks"]
            )


@pytest.mark.parametrize(("stage", "height"), [(0, 64), (3, 256), (5, 1024), (8, 2048)])
def test_the_receptive_field_of_a_stage_is_what_gradients_reach(stage, height):
    """Through the convolutions alone: squeeze-and-excitation looks at all of the image."""
    network = EfficientNet.from_name("b0").eval().double()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(
                module.weight, 1 / module.weight[0].numel()
            )  # so that no path cancels another
        elif isinstance(module, SqueezeExcite):
            module.forward = lambda x: x
    image = torch.ones(1, 3, height, 32, dtype=torch.float64, requires_grad=True)
    x = image
    for part in [network.stem, *network.stages, network.head][: stage + 1]:
        for block in part if isinstance(part, torch.nn.ModuleList) else [part]:
            x = block(x)
    (gradient,) = torch.autograd.grad(x[0, :, x.shape[2] // 2].sum(), image)
    reached = int((gradient.sum((0, 1, 3)) != 0).sum())
    assert (
        stage_view(stage, "b0").numbers["receptive field of its convolutions"]
        == f"{reached:,} px; the image has 224"
    )


@pytest.mark.parametrize("variant", EFFICIENTNETS)
def test_every_stage_of_every_variant_has_a_view(variant):
    shares = []
    for stage in range(9):
        view = stage_view(stage, variant)
        assert view.words and view.figure.axes
        shares.append(float(re.search(r"\((.*)%\)", view.numbers["MACs"])[1]))
    assert sum(shares) == pytest.approx(100, abs=0.5)


@pytest.mark.parametrize("variant", ["b0", "b3", "b7"])
def test_scaled_to_a_published_size_the_numbers_are_torchvisions(variant):
    """At phi = 1 the three bases are the multiples of B0 themselves."""
    config = EFFICIENTNETS[variant]
    with torch.device("meta"):
        network = torchvision.models.get_model(f"efficientnet_{variant}").eval()
        image = torch.empty(1, 3, config.resolution, config.resolution)
    made = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda layer, inputs, output: made.append(output.numel()))
    with FlopCounterMode(display=False) as counter:
        network(image)
    params = sum(parameter.numel() for parameter in network.parameters())
    numbers = scaling_view(1, config.depth, config.width, config.resolution / 224).numbers
    assert numbers["parameters"] == f"{params:,}"
    assert numbers["MACs"].startswith(f"{counter.get_total_flops() / 2e6:,.1f} million, ")
    assert numbers["weights"] == f"{4 * params / 1e6:,.1f} MB"
    assert numbers["activations, all convolutions, one image"] == f"{4 * sum(made) / 1e6:,.1f} MB"
    assert numbers["blocks"] == str(sum(len(stage) for stage in network.features[1:-1]))
    assert numbers["nearest published"].startswith(
        f"{variant.upper()}: {counter.get_total_flops() / 2e6:,.0f} million"
    )


@pytest.mark.parametrize(("phi", "params"), [(1, 9_109_994), (3, 16_350_296), (7, 68_741_810)])
def test_the_formula_has_the_parameters_that_timm_has(phi, params):
    """Measured with timm's EfficientNet at 1.2^phi depth and 1.1^phi width."""
    assert scaling_view(phi, 1.2, 1.1, 1.15).numbers["parameters"] == f"{params:,}"


@settings(max_examples=15, deadline=None)
@given(st.integers(-12, 28), st.integers(20, 40), st.integers(20, 29), st.integers(20, 29))
def test_every_setting_of_the_scaling_sliders_has_a_view(phi, alpha, beta, gamma):
    """On the ranges that the sliders of notebook 03 have: quarters of phi, twentieths of the
    others.
    """
    phi, alpha, beta, gamma = phi / 4, alpha / 20, beta / 20, gamma / 20
    figure, words, numbers = scaling_view(phi, alpha, beta, gamma)
    assert words and numbers["α · β² · γ²"] == f"{alpha * beta**2 * gamma**2:.4f}"
    figure.draw_without_rendering()
    shares = [float(share) for share in re.findall(r"(\d+)%", numbers["MACs by part"])]
    assert sum(shares) == pytest.approx(100, abs=2)
    frame, family, star = (line.get_xydata() for line in figure.axes[0].lines)
    assert len(family) == 8 and (frame.min(0) <= star).all() and (star <= frame.max(0)).all()


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`(\w+\.[\w.]+)` \|$", NOTATION, flags=re.MULTILINE)))
)
def test_what_the_notation_names_is_in_the_package(name):
    parts = name.split(".")
    module = importlib.import_module(
        "effdet_lite." + ".".join(parts[: 2 if parts[0] == "teach" else 1])
    )
    thing = module
    for part in parts[2 if parts[0] == "teach" else 1 :]:
        thing = (
            thing.__dataclass_fields__[part]
            if part in getattr(thing, "__dataclass_fields__", {})
            else getattr(thing, part)
        )
