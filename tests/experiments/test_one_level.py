"""Detectors that answer from one level alone: their anchors, what they see, and image pyramids.

Oracles: the anchors of the five levels, changed pixels, a geometric series.
"""

import pytest
import torch

from effdet_lite.anchors import iou
from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_stage
from effdet_lite.data import ShapesDetection
from effdet_lite.experiments.plain import LEVELS


@pytest.fixture(scope="module")
def one_level(experiment_script):
    return experiment_script("one_level")


@pytest.mark.parametrize("level", [2, 4, 6])
def test_one_level_has_the_anchors_of_every_size_at_each_position(one_level, level):
    model = one_level.begun(one_level.Run(level=level))
    anchors = model.anchors(128, 128)
    positions = (128 // 2**level) ** 2
    assert anchors.shape == (len(LEVELS) * positions * 9, 4)
    every = one_level.begun(one_level.Run()).anchors(128, 128)
    sizes = {tuple(side) for side in (every[:, 2:] - every[:, :2]).round(decimals=2).tolist()}
    own = {tuple(side) for side in (anchors[:, 2:] - anchors[:, :2]).round(decimals=2).tolist()}
    assert own == sizes and len(sizes) == 45
    logits, deltas = model(torch.rand(2, 3, 128, 128))
    assert logits.shape == (2, len(anchors), 4) and deltas.shape == (2, len(anchors), 4)


@pytest.mark.parametrize("level", [2, 4])
def test_an_answer_belongs_to_the_anchor_at_its_place(one_level, level):
    """What changes in one corner of the picture changes the answers of the anchors there."""
    torch.manual_seed(0)
    model = one_level.begun(one_level.Run(level=level)).eval()
    image = torch.rand(1, 3, 128, 128)
    other = image.clone()
    other[..., :4, 124:] = 0  # the right upper corner
    with torch.no_grad():
        changed = (model(image)[1] - model(other)[1]).abs().amax((0, 2)) > 0
    anchors = model.anchors(128, 128)
    x, y = ((anchors[:, :2] + anchors[:, 2:]) / 2).T
    # Half of what a position sees, 7 px at P2 and 31 at P4 by the backbone and two strides more for
    # each of three 3x3 convolutions; and half a stride, since boxes are centered between pixels.
    reach = {2: (7 + 3 * 8) / 2 + 2, 4: (31 + 3 * 32) / 2 + 8}[level]
    near = (x > 124 - reach) & (y < 4 + reach)
    assert not near.all()
    assert changed.any() and not changed[~near].any()
    corner = (x > 124) & (y < 4) if level == 2 else (x > 112) & (y < 16)
    assert corner.sum() == 45 and changed[corner].all()


def test_a_lone_fine_level_lacks_no_anchor(one_level):
    """Objects of all sizes have one that fits; at P6 the small ones have none."""
    shapes = ShapesDetection("test", length=60)
    boxes = torch.cat([torch.tensor(shapes.load(index)[1]) for index in range(len(shapes))])
    best = {}
    for level in (2, 6):
        anchors = one_level.begun(one_level.Run(level=level)).anchors(128, 128)
        best[level] = iou(boxes, anchors).amax(1)
    sides = (boxes[:, 2:] - boxes[:, :2]).amax(1)
    small = sides < 16
    assert (best[2] >= 0.5).float().mean() > 0.97
    assert (best[6][small] >= 0.5).float().mean() < 0.1


def test_an_image_pyramid_costs_a_third_more(one_level):
    assert one_level.image_pyramid_share(lambda side: Cost(0, side * side), 512, 3) == 1 + 5 / 16

    def b0(side):
        return sum(cost_by_stage(1.0, 1.0, side, None))

    assert one_level.image_pyramid_share(b0, 512) == pytest.approx(4 / 3, abs=0.005)


def test_every_run_is_planned_once(one_level):
    runs = one_level.planned()
    assert len(runs) == len(set(runs)) == 25
    assert {(run.neck, run.level) for run in runs} == set(one_level.ARMS)


def test_a_few_steps_train_what_answers(one_level, one_thread, monkeypatch):
    monkeypatch.setattr(one_level.necks, "TEST_PICTURES", 8)
    row = one_level.trained(one_level.Run("no fusion", 4), steps=2)
    one_level.pictures.cache_clear()
    assert len(row["losses"]) == 2 and row["level"] == 4 and 0 <= row["ap"] <= 1
