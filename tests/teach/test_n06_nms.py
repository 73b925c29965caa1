"""NMS step by step in notebook 06. Oracles: torchvision's nms, class by class."""

import itertools

import pytest
import torch
from torchvision.ops import nms

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.teach.kit.judged import judged
from effdet_lite.teach.kit.shared import unseen_pictures
from effdet_lite.teach.nb import n06_nms
from effdet_lite.teach.nb.n06_anchors import candidates


def kept_by_torchvision(found, threshold):
    """Numbers of the boxes that are kept, class by class."""
    kept = []
    for label in found["labels"].unique():
        mine = (found["labels"] == label).nonzero().flatten()
        kept += mine[nms(found["boxes"][mine], found["scores"][mine], threshold)].tolist()
    return sorted(kept)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("picture", [0, 4, 8])
def test_after_the_last_step_stays_what_torchvision_keeps(threshold, picture):
    found = candidates(picture)
    found = {name: value[:120] for name, value in found.items()}
    steps = n06_nms.steps(found["boxes"], found["labels"], threshold)
    last = steps[-1]
    assert sorted([*last.kept, last.best]) == kept_by_torchvision(found, threshold)
    assert not last.left
    for before, after in itertools.pairwise(steps):
        assert sorted([after.best, *after.gone, *after.left]) == sorted(before.left)


def test_the_picture_is_worth_stepping_through():
    """At 0.5 each object keeps one box, at 0 one object is lost, at 0.9 doubles stay."""
    found, target = n06_nms.sure_boxes(), unseen_pictures()[n06_nms.PICTURE][1]
    result = {}
    for threshold in (0.0, 0.5, 0.9):
        kept = kept_by_torchvision(found, threshold)
        one = judged({name: value[kept] for name, value in found.items()}, target)
        result[threshold] = [one.count(kind) for kind in n06_nms.KINDS]
    assert result[0.5] == [4, 0, 0, 0]
    assert result[0.0][3] == 1
    assert result[0.9][1] == 6
    boxes = found["boxes"]
    left, right, bottom, top = n06_nms.ZOOM
    assert boxes[:, 0].min() >= left and boxes[:, 2].max() <= right
    assert boxes[:, 1].min() >= top and boxes[:, 3].max() <= bottom


def test_a_view_tells_its_step_and_stays_at_the_last():
    first = n06_nms.step_view(0, 0.5)
    assert first.numbers["still to decide"] == str(len(n06_nms.sure_boxes()["boxes"]))
    end = n06_nms.step_view(12, 0.5)
    assert end.numbers["step"].endswith(", the end")
    assert end.numbers["kept so far"] == "4"


def test_the_box_that_is_taken_lies_over_those_that_go():
    drawn = n06_nms.step_view(1, 0.5).figure.axes[0].collections
    best = n06_nms.sure_boxes()["boxes"][0]
    assert len(drawn[-1].get_paths()) == 1
    corners = torch.tensor(drawn[-1].get_paths()[0].vertices)
    torch.testing.assert_close(corners[0], best[:2].to(corners))
    assert max(drawn, key=lambda one: max(one.get_linewidths(), default=0)) is drawn[-2]


def test_a_moved_slider_does_not_run_the_network_again(monkeypatch):
    n06_nms.step_view(1, 0.5)
    monkeypatch.setattr(EfficientDet, "forward", None)
    assert n06_nms.step_view(2, 0.4).words


@pytest.mark.slow
def test_counts_are_those_of_torchvisions_nms(monkeypatch):
    monkeypatch.setattr(n06_nms, "MANY", 6)
    n06_nms.counted.cache_clear()
    for threshold in (0.5, 1.0):
        totals = dict.fromkeys(n06_nms.KINDS, 0)
        for index in range(6):
            found = candidates(index)
            sure = found["scores"] >= n06_nms.LEAST
            found = {name: value[sure] for name, value in found.items()}
            if threshold < 1:
                kept = sorted(kept_by_torchvision(found, threshold))
                found = {name: value[kept] for name, value in found.items()}
            one = judged(found, unseen_pictures()[index][1])
            for kind in totals:
                totals[kind] += one.count(kind)
        assert n06_nms.counted(threshold) == totals
    n06_nms.counted.cache_clear()


def test_doubles_are_a_share_of_all_boxes(monkeypatch):
    counts = {"right": 30, "double": 60, "wrong": 10, "missed": 5}
    monkeypatch.setattr(n06_nms, "counted", lambda threshold: counts)
    assert n06_nms.doubles_without_nms() == pytest.approx(60)
    figure, _, numbers, _ = n06_nms.doubles_view(50)
    assert numbers["without NMS"].endswith("60 % of the boxes are double")
    flag = figure.axes[0].lines[-1]
    assert torch.tensor(flag.get_xdata()).item() == pytest.approx(50)
