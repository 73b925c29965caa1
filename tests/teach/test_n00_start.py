"""What the explorer of notebook 00 shows. Oracle: torchvision's box_iou on `detect`."""

import numpy as np
import pytest
import torch
from matplotlib.patches import Rectangle
from torchvision.ops import box_iou

from effdet_lite.data import ShapesDetection
from effdet_lite.teach.kit.shared import shipped
from effdet_lite.teach.nb.n00_start import detections_view


@pytest.mark.parametrize("picture", [0, 1, 201])
def test_what_a_detector_finds_is_what_it_answers(picture, monkeypatch):
    """One box a place: no two of those shown overlap by half, and each is the best of the
    detector's that do.
    """
    model, _ = shipped("shapes")
    dataset = ShapesDetection("test")
    image, target = dataset[picture % 200]
    (found,) = model.detect(image[None], score_threshold=0.1, iou_threshold=0.5)
    counts = []
    for score in (0.1, 0.3, 0.5, 1.0):
        figure, words, numbers, _ = detections_view(model, dataset, score, picture)
        true, seen = (
            [patch.get_bbox().extents for patch in axis.patches if isinstance(patch, Rectangle)]
            for axis in figure.axes
        )
        counts.append(int(numbers["boxes found"]))
        assert np.allclose(true, target["boxes"]) and len(seen) == counts[-1]
        assert int(numbers["objects in the picture"]) == len(target["boxes"])
        boxes = torch.tensor(np.array(seen), dtype=torch.float32).reshape(-1, 4)
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
