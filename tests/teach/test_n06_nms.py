"""NMS step by step in notebook 06. Oracles: torchvision's nms, class by class."""

import itertools

import pytest
import torch
from matplotlib.colors import to_rgb
from torchvision.ops import nms

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.teach.kit.judged import LOOKS, judged
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
    assert result[0.9][1] == 5
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


def corners_of(collection):
    """left, top, right, bottom of each outline of a collection, [n, 4]."""
    paths = [torch.tensor(path.vertices) for path in collection.get_paths()]
    return torch.stack([torch.cat([path.amin(0), path.amax(0)]) for path in paths])


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_every_box_that_goes_can_be_seen_around_the_one_that_is_taken(step):
    axis = n06_nms.step_view(step, 0.5).figure.axes[0]
    *_, gone, ground, best = axis.collections
    found = n06_nms.sure_boxes()
    count = len(n06_nms.steps(found["boxes"], found["labels"], 0.5)[step].gone)
    assert (len(gone.get_paths()), len(best.get_paths())) == (count, 1)
    taken, outlines = corners_of(best)[0], corners_of(gone)
    outward = (outlines - taken) * torch.tensor([-1, -1, 1, 1])
    to_points = 72 / axis.figure.dpi * abs(axis.transData.get_matrix()[0, 0])
    half = max(ground.get_linewidths()) / 2
    # Of each one at least one whole side shows, and no two have all sides in common.
    assert (outward.amax(1) * to_points > half).all()
    apart = (outlines[:, None] - outlines).abs().amax(-1) * to_points
    assert apart.fill_diagonal_(9).min() > 0.8
    left, right, bottom, top = n06_nms.ZOOM
    assert outlines[:, 0].min() >= left and outlines[:, 2].max() <= right
    assert outlines[:, 1].min() >= top and outlines[:, 3].max() <= bottom


def test_words_stand_outside_of_what_goes():
    figure = n06_nms.step_view(1, 0.5).figure
    figure.draw_without_rendering()
    (axis,) = figure.axes
    (words,) = axis.texts
    outlines = corners_of(axis.collections[-3])
    top = axis.transData.transform((0, outlines[:, 1].min().item()))[1]
    assert words.get_window_extent().y0 >= top


def test_boxes_of_two_objects_are_set_apart_each_for_itself():
    boxes = torch.tensor([[10.0, 10, 30, 30], [50, 50, 90, 90], [10, 10, 30, 31]])
    moved = n06_nms.set_apart(boxes)
    step = n06_nms.APART
    assert (moved - boxes)[:, 2].tolist() == pytest.approx([1, 1, 1 + step])
    assert (moved - boxes)[:, 0].tolist() == pytest.approx([-1, -1, -1 - step])
    assert n06_nms.set_apart(boxes[:0]).shape == (0, 4)


def test_a_kind_has_one_color_in_all_pictures(monkeypatch):
    counts = {"right": 30, "double": 60, "wrong": 10, "missed": 5}
    monkeypatch.setattr(n06_nms, "counted", lambda threshold: counts)
    shown = []
    monkeypatch.setattr(n06_nms, "show", lambda figure, alt: shown.append(figure))
    n06_nms.show_thresholds()
    lines = [line for axis in shown[0].axes for line in axis.lines]
    of_lines = {line.get_label(): to_rgb(line.get_color()) for line in lines}
    bars = n06_nms.doubles_view(None).figure.axes[0].containers
    assert len(bars) == 3 and len(of_lines) == 4
    for bar in bars:
        assert to_rgb(bar.patches[0].get_facecolor()) == of_lines[bar.get_label()]
    for kind, look in LOOKS.items():
        assert to_rgb(look.color) == of_lines[kind]


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
