"""What the explorer of notebook 07 shows, against torch and effdet, and that no setting breaks it.

Oracles: hooks on torch's convolutions, torch.utils.flop_counter, effdet's parameters, `detect`
itself.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from effdet import EfficientDet as ReferenceDetector
from effdet import get_efficientdet_config
from oracles import macs, parameters
from torchvision.ops import nms

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.scaling import EFFICIENTDETS, efficientdet
from effdet_lite.teach.kit.plots import new_figure
from effdet_lite.teach.kit.shared import unseen_pictures
from effdet_lite.teach.nb.n07_efficientdet import (
    SCORE,
    activations_by_part,
    detector_drawing,
    detector_view,
    found_figure,
    stacks,
    trained_ladder,
)

QUARTERS = [number / 4 for number in range(-12, 29)]


def counted(config):
    """(what torch's convolutions put out, parameters, MACs), the first by part, of the network
    without any numbers.
    """
    with torch.device("meta"):
        model = EfficientDet(config).eval()
        image = torch.empty(1, 3, config.resolution, config.resolution)
    made = dict.fromkeys(("backbone", "fusion", "class_head", "box_head"), 0)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d):

            def note(layer, inputs, output, name=name):
                made[name.partition(".")[0]] += output.numel()

            module.register_forward_hook(note)
    counted = macs(model, image)
    return made, parameters(model), counted


@pytest.mark.parametrize("phi", [-3, -1.75, -1.25, 0, 2.5, 7])
def test_a_phi_shows_what_torch_counts(phi):
    """At phi = -1.25 the fusion is as wide as a map of the backbone, which then needs no
    projection.
    """
    config = efficientdet(phi)
    made, params, macs = counted(config)
    assert activations_by_part(config) == made
    numbers = detector_view(phi).numbers
    assert numbers["parameters"].startswith(f"{params:,}: backbone")
    assert numbers["MACs"].startswith(f"{macs / 1e6:,.1f} million: ")
    assert numbers["weights"] == f"{4e-6 * params:,.1f} MB"
    assert numbers["activations, all convolutions, one image"].startswith(
        f"{4e-6 * sum(made.values()):,.1f} MB: "
    )


@pytest.mark.parametrize("name", ["d0", "d7", "d7x"])
def test_activations_of_a_published_detector(name):
    made, _, _ = counted(EFFICIENTDETS[name])
    assert activations_by_part(EFFICIENTDETS[name]) == made


@pytest.mark.parametrize("neck", ["fpn", "panet"])
def test_activations_of_a_detector_with_another_neck(neck):
    config = replace(EFFICIENTDETS["d0"], neck=neck)
    made, _, _ = counted(config)
    assert activations_by_part(config) == made


def test_at_phi_0_it_is_effdets_d0():
    with torch.device("meta"):
        reference = ReferenceDetector(
            get_efficientdet_config("tf_efficientdet_d0"), pretrained_backbone=False
        )
    params = sum(parameter.numel() for parameter in reference.parameters())
    numbers = detector_view(0).numbers
    assert numbers["parameters"].startswith(f"{params:,}: ")
    assert numbers["nearest published"].endswith(": D0")
    assert (
        numbers["image, levels"] == "512 × 512 px, P3 to P7"
        and numbers["BiFPN"] == "3 × the cell, 64 channels"
    )


@pytest.mark.slow
def test_every_phi_of_the_slider_has_a_view_that_says_which_model_was_trained():
    for phi in QUARTERS:
        figure, _, numbers, below = detector_view(phi, picture=7)
        figure.draw_without_rendering()
        for name in ("parameters", "MACs", "activations, all convolutions, one image"):
            assert sum(map(int, re.findall(r"(\d+)%", numbers[name]))) == pytest.approx(100, abs=2)
        if phi > 0:
            assert (
                "no model was trained" in numbers["what it buys"]
                and "No detector was trained" in below
            )
            assert not found_figure(None, 7)[0].axes[0].images
        elif phi in (-3, -2, -1, 0):
            assert numbers["what it buys"].startswith("this ϕ: AP ")
        else:
            told = int(
                re.match(r"ϕ = (-?\d), the nearest that was trained: AP ", numbers["what it buys"])[
                    1
                ]
            )
            assert abs(told - phi) == min(abs(trained - phi) for trained in (-3, -2, -1, 0))


@pytest.mark.parametrize("phi", [-3, -2.25, 0])
def test_what_is_shown_as_found_is_what_the_trained_model_answers(phi, monkeypatch):
    one = trained_ladder()[round(phi)]
    image, _ = unseen_pictures()[4]
    (found,) = one.model.detect(image[None], score_threshold=0.1, iou_threshold=0.5)
    kept = nms(found["boxes"], found["scores"], 0.5)
    kept = kept[found["scores"][kept] >= SCORE]
    names = [unseen_pictures().classes[found["labels"][index]] for index in kept]
    view, (figure, words) = detector_view(phi, 4), found_figure(round(phi), 4)
    assert names and words.endswith(f"what the model finds: {', '.join(names)}.")
    assert words in view.below
    seen = [patch.get_bbox().extents for patch in figure.axes[0].patches][-len(kept) :]
    expected = found["boxes"][kept] + torch.tensor([136, 0, 136, 0])
    assert np.allclose(seen, expected, atol=1e-3)
    result = one.header["result"]
    assert (
        f"AP {result['ap']:.3f}, AP50 {result['ap50']:.3f} on shapes"
        in view.numbers["what it buys"]
    )
    monkeypatch.setattr(
        EfficientDet, "detect", None
    )  # a moved slider does not run the network again
    detector_view(phi + 0.25 if phi < 0 else phi, 4)


def test_a_drawing_has_a_slab_for_each_layer_to_scale():
    """Fronts are every third polygon; D0 has 17 slabs of backbone, 3 cells of 8 nodes, 2 heads on 5
    levels.
    """
    axis = new_figure()[1][0, 0]
    detector_drawing(axis, EFFICIENTDETS["d0"])
    fronts = [path.vertices for path in axis.collections[0].get_paths()[::3]]
    heights = [front[:, 1].max() - front[:, 1].min() for front in fronts]
    widths = [front[:, 0].max() - front[:, 0].min() for front in fronts]
    assert len(fronts) == 17 + 3 * 8 + 2 * 5 * 4
    layers = [
        (side, layer)
        for _, stack in stacks(EFFICIENTDETS["d0"])
        for side, made in stack
        for layer in made
    ]
    assert np.allclose(np.array(heights) / heights[0], [side / 256 for side, _ in layers])
    assert np.allclose(np.array(widths) / widths[0], [layer / 32 for _, layer in layers])
    assert [layer for _, layer in layers].count(810) == 5 and [layer for _, layer in layers].count(
        36
    ) == 5
