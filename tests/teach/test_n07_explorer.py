"""The explorer of notebook 07: what it says of a phi, and that no setting breaks it.

Oracles: torch's counts of parameters and operations, effdet's D0, `detect` with torchvision's NMS
and IoU, the paper's table 2.
"""

import numpy as np
import pytest
import torch
from effdet import EfficientDet as ReferenceDetector
from effdet import get_efficientdet_config
from oracles import macs, parameters
from torchvision.ops import box_iou, nms

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.scaling import PUBLISHED, efficientdet
from effdet_lite.teach.kit.shared import unseen_pictures
from effdet_lite.teach.nb import n07_explorer as explorer
from effdet_lite.teach.nb.n07_ladder import SCORE, on_papers_curve, rungs

QUARTERS = [number / 4 for number in range(-12, 29)]


@pytest.mark.parametrize("phi", [-3, -1.75, 0, 2.5, 7])
def test_a_phi_shows_what_torch_counts(phi):
    config = efficientdet(phi)
    with torch.device("meta"):
        model = EfficientDet(config).eval()
        image = torch.empty(1, 3, config.resolution, config.resolution)
    numbers = explorer.detector_view(phi).numbers
    assert numbers["parameters"] == f"{parameters(model):,}"
    assert numbers["MACs"] == f"{macs(model, image) / 1e6:,.1f} million"
    blocks = sum(len(stage) for stage in model.backbone.stages)
    assert numbers["backbone"].startswith(f"{blocks} blocks, ")


def test_at_phi_0_it_is_effdets_d0():
    with torch.device("meta"):
        reference = ReferenceDetector(
            get_efficientdet_config("tf_efficientdet_d0"), pretrained_backbone=False
        )
    numbers = explorer.detector_view(0).numbers
    assert numbers["parameters"] == f"{parameters(reference):,}"
    assert numbers["image, levels"] == "512 × 512 px, P3 to P7"
    assert numbers["BiFPN"] == "3 × the cell, 64 channels"


@pytest.mark.slow
def test_every_phi_of_the_slider_has_a_view_whose_words_stay_inside():
    for phi in QUARTERS:
        view = explorer.detector_view(phi, picture=7)
        view.figure.draw_without_rendering()
        bars = view.figure.axes[1]
        frame = bars.get_window_extent()
        for text in bars.texts:
            place = text.get_window_extent()
            assert frame.x0 <= place.x0 and place.x1 <= view.figure.bbox.x1, (phi, text)
        words = [text.get_window_extent() for text in view.figure.axes[0].texts]
        for number, place in enumerate(words):
            assert place.x0 >= 0 and place.x1 <= view.figure.bbox.x1, phi
            assert not any(place.overlaps(other) for other in words[:number]), phi
        if phi > 0:
            assert "AP in the paper" in view.numbers and "AP over MACs" in view.below
        else:
            assert "at 128 px" in view.numbers["trained on shapes"]
            assert "objects of picture 7" in view.below
            nearest = explorer.nearest_trained(phi)
            assert abs(nearest - phi) == min(abs(one - phi) for one in (-3, -2, -1, 0))


def test_above_zero_the_paper_says_what_its_own_detectors_reach():
    for name in ("d0", "d3", "d7x"):
        told = PUBLISHED[name]
        assert on_papers_curve(told.macs) == pytest.approx(told.accuracy)
    between = on_papers_curve((PUBLISHED["d2"].macs * PUBLISHED["d3"].macs) ** 0.5)
    assert between == pytest.approx((43.9 + 47.2) / 2)
    assert on_papers_curve(1e9) is None and on_papers_curve(490e9) is None


@pytest.mark.parametrize("phi", [-3, 0])
def test_the_found_boxes_are_the_trained_models_and_right_by_iou(phi):
    one = rungs()[phi]
    image, target = unseen_pictures()[4]
    (found,) = one.model.detect(image[None], score_threshold=0.1, iou_threshold=0.5)
    kept = nms(found["boxes"], found["scores"], 0.5)
    kept = kept[found["scores"][kept] >= SCORE]
    same = target["labels"][:, None] == found["labels"][kept]
    overlaps = box_iou(torch.as_tensor(target["boxes"]), found["boxes"][kept])
    right = ((overlaps >= 0.5) & same).any(1).sum()
    figure, told, objects = explorer.found_figure(phi, 4)
    assert (told, objects) == (right, len(target["labels"]))
    # Of the two frames of a box, the white ground and the line, the second is what is seen.
    drawn = np.array([patch.get_bbox().extents for patch in figure.axes[0].patches])
    for box in found["boxes"][kept].numpy():
        assert abs(drawn - box).max(1).min() < 1e-3


def test_a_move_runs_no_network_again(monkeypatch):
    explorer.detector_view(-1, 4)
    monkeypatch.setattr(EfficientDet, "detect", None)
    explorer.detector_view(-1.25, 4)


def test_where_the_bifpn_overtakes_the_class_head():
    """Counted by torch on both sides of the crossing."""
    crossing = explorer.first_phi_with_larger_bifpn()
    for phi, is_larger in ((crossing, True), (crossing - 0.25, False)):
        config = efficientdet(phi)
        side = config.resolution
        with torch.device("meta"):
            model = EfficientDet(config).eval()
            maps = [
                torch.empty(1, channels, side // 2**level, side // 2**level)
                for level, channels in enumerate(model.backbone.level_channels[2:], start=3)
            ]
            out = [
                torch.empty(1, config.fusion_channels, side // 2**level, side // 2**level)
                for level in config.levels
            ]
        assert (macs(model.fusion, maps) > macs(model.class_head, out)) == is_larger
