"""A whole detector in numbers and as a drawing, for notebook 07.

Oracle: hooks on torch's convolutions.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.scaling import EFFICIENTDETS, efficientdet
from effdet_lite.teach.kit.plots import new_figure
from effdet_lite.teach.nb.n07_efficientdet import activations_by_part, detector_drawing, stacks


def made_by(config):
    """What torch's convolutions put out, by part, of the network without any numbers."""
    with torch.device("meta"):
        model = EfficientDet(config).eval()
        image = torch.empty(1, 3, config.resolution, config.resolution)
    made = dict.fromkeys(("backbone", "fusion", "class_head", "box_head"), 0)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d):

            def note(layer, inputs, output, name=name):
                made[name.partition(".")[0]] += output.numel()

            module.register_forward_hook(note)
    model(image)
    return made


@pytest.mark.parametrize("phi", [-3, -1.75, -1.25, 0, 2.5, 7])
def test_activations_are_what_torchs_convolutions_put_out(phi):
    """At phi = -1.25 the fusion is as wide as a map of the backbone, which then needs no
    projection.
    """
    config = efficientdet(phi)
    assert activations_by_part(config) == made_by(config)


@pytest.mark.parametrize("name", ["d0", "d7", "d7x"])
def test_activations_of_a_published_detector(name):
    assert activations_by_part(EFFICIENTDETS[name]) == made_by(EFFICIENTDETS[name])


@pytest.mark.parametrize("neck", ["fpn", "panet"])
def test_activations_of_a_detector_with_another_neck(neck):
    config = replace(EFFICIENTDETS["d0"], neck=neck)
    assert activations_by_part(config) == made_by(config)


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
