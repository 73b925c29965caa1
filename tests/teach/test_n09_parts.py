"""Threshold, errors, rotation, calibration, rules and speed of notebook 09.

Oracles: scenes whose AP is known by pencil, plain loops, geometry, torchvision at 90°.
"""

import math
import re

import numpy as np
import pytest
import torch
from torchvision import tv_tensors
from torchvision.ops import box_iou

from effdet_lite.anchors import iou
from effdet_lite.evaluation import TIDE_NAMES, coco_ap_from_detections, error_kinds
from effdet_lite.teach.nb import n09_calibration as calibration
from effdet_lite.teach.nb import n09_errors as errors
from effdet_lite.teach.nb import n09_game as game
from effdet_lite.teach.nb import n09_opening as opening
from effdet_lite.teach.nb import n09_rotation as rotation
from effdet_lite.teach.nb import n09_rules as rules
from effdet_lite.teach.nb import n09_speed as speed
from effdet_lite.teach.nb import n09_threshold as threshold
from effdet_lite.teach.nb.n09_evaluation import judge_all

# --- a scene with one error of each kind ---

TRUTH = torch.tensor(
    [[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10], [60, 0, 70, 10], [80, 0, 90, 10]]
)
FOUND = {  # of each kind one box; all objects are circles, label 0
    "right": ([0.0, 0, 10, 10], 0, 0.9),
    "double": ([0.0, 0, 10, 9], 0, 0.8),
    "wrong class": ([20.0, 0, 30, 10], 1, 0.7),
    "badly placed": ([40.0, 0, 44, 10], 0, 0.6),
    "both": ([60.0, 0, 64, 10], 1, 0.5),
    "background": ([100.0, 100, 110, 110], 0, 0.4),
}


def scene():
    boxes, labels, scores = zip(*FOUND.values(), strict=True)
    found = {
        "boxes": torch.tensor(boxes),
        "labels": torch.tensor(labels),
        "scores": torch.tensor(scores),
    }
    target = {"boxes": TRUTH, "labels": torch.zeros(5, dtype=torch.int64), "image_id": 0}
    return [found], [target]


def circles_ap50(detections, targets):
    return coco_ap_from_detections(detections, targets, ["circle", "square"])["ap50_per_class"][
        "circle"
    ]


# By pencil, of 101 heights: n right boxes reach recall n / 5, which are 20 n + 1 heights.
AFTER = {
    "double": 21 / 101,
    "wrong class": (21 * 1 + 20 * 2 / 3) / 101,  # right, double, right, …
    "badly placed": (21 * 1 + 20 * 2 / 3) / 101,
    "both": 21 / 101,
    "background": 21 / 101,
}


def test_the_scene_has_one_of_each():
    ((one,),) = (error_kinds(*scene()),)
    assert one["kinds"] == [kind for kind in FOUND]
    assert one["missed"].tolist() == [False, False, False, True, True]
    counts = errors.tally(*scene())
    assert counts == dict.fromkeys(FOUND, 1) | {"missed": 2}


@pytest.mark.parametrize("kind", AFTER)
def test_fixing_a_kind_gains_what_the_pencil_says(kind):
    assert circles_ap50(*errors.fix_all(kind, *scene())) == pytest.approx(AFTER[kind], abs=1e-6)


def test_missed_objects_leave_the_list():
    detections, targets = errors.fix_all("missed", *scene())
    assert len(targets[0]["boxes"]) == 3
    # Of three objects one is found: recall 1 / 3, which 34 heights reach.
    assert circles_ap50(detections, targets) == pytest.approx(34 / 101, abs=1e-6)


@pytest.mark.slow
def test_beside_the_prices_stands_how_many_are_fixed(monkeypatch):
    """What `fix_all` takes away is counted: boxes of three kinds, and missed objects."""
    told = []
    monkeypatch.setattr(errors, "show", lambda figure, alt: told.append(alt))
    errors.show_prices(dict.fromkeys(errors.ERRORS, 0.0))
    before = errors.found_in("test")
    for kind, place, name in (
        ("double", 0, "scores"),
        ("both", 0, "scores"),
        ("background", 0, "scores"),
        ("missed", 1, "labels"),
    ):
        after = errors.fix_all(kind, *before)
        there, left = (sum(len(one[name]) for one in of[place]) for of in (before, after))
        assert f"{kind}: {there - left:,} and +0.000" in told[0]


@pytest.mark.parametrize("kind", errors.ERRORS)
def test_after_fixing_none_of_the_kind_is_left_and_nothing_else_changed(kind):
    detections, targets = scene()
    before = {name: value.clone() for name, value in detections[0].items()}
    counts = errors.tally(*errors.fix_all(kind, detections, targets))
    assert counts[kind] == 0
    assert all(torch.equal(detections[0][name], value) for name, value in before.items())


def test_the_table_of_kinds_has_tides_names():
    """Bolya et al., arXiv 2008.08115, section 2.2."""
    names = {"Cls", "Loc", "Both", "Dupe", "Bkg", "Miss"}
    assert {TIDE_NAMES[kind] for kind in errors.ERRORS} == names


@pytest.mark.parametrize(
    ("before", "after", "told"), [(0.8, 0.81, "rises"), (0.8, 0.79, "falls"), (0.8, 0.802, "stays")]
)
def test_what_ap50_does_is_said(before, after, told):
    assert errors.moved(before, after) == told


# --- the threshold ---


def test_a_bill_counts_each_error_once():
    judged = judge_all(*scene())
    for score in (0.05, 0.45, 0.65, 0.85, 0.95):
        kept = [name for name, row in FOUND.items() if row[2] >= score]
        missed = 5 - ("right" in kept)
        wrong = len(kept) - ("right" in kept)
        assert threshold.bill(judged, score, 3, 2) == 3 * missed + 2 * wrong
    assert threshold.cheapest(judged, 1, 1) == pytest.approx(0.81)  # behind the double one
    precision, recall = threshold.rates(judged, 0.65)
    assert (precision, recall) == (pytest.approx(1 / 3), pytest.approx(1 / 5))
    assert threshold.f1(judged, 0.65) == pytest.approx(2 / (3 + 5))


def test_no_threshold_is_cheaper_than_the_cheapest():
    judged = judge_all(*scene())
    for missed, wrong in ((1, 1), (9, 1), (1, 9)):
        least = threshold.bill(judged, threshold.cheapest(judged, missed, wrong), missed, wrong)
        assert least == min(threshold.bill(judged, s, missed, wrong) for s in threshold.SCORES)


# --- rotation ---


@pytest.mark.parametrize(("angle", "overlap"), [(0, 1), (30, None), (45, 0.5), (90, 1)])
def test_a_circles_label_grows_when_it_is_turned(angle, overlap):
    """A square of side 1 fits into one of side cos + sin."""
    if overlap is None:
        overlap = 1 / (math.cos(math.radians(angle)) + math.sin(math.radians(angle))) ** 2
    box = tv_tensors.BoundingBoxes([[40.0, 50, 60, 70]], format="XYXY", canvas_size=(128, 128))
    target = {"boxes": box, "labels": torch.zeros(1, dtype=torch.int64)}
    _, around = rotation.turned(torch.rand(3, 128, 128), target, angle)
    around = around["boxes"].as_subclass(torch.Tensor)
    tight = rotation.with_old_sides(around, box.as_subclass(torch.Tensor))
    assert iou(around, tight).item() == pytest.approx(overlap, abs=0.01)
    # The middle goes around the middle of the picture, 96 px with the margin.
    x, y = 50 + rotation.MARGIN - 96, 60 + rotation.MARGIN - 96
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    middle = (tight[0, :2] + tight[0, 2:]) / 2
    assert middle.tolist() == pytest.approx([96 + c * x + s * y, 96 - s * x + c * y], abs=0.1)


# --- calibration, rules, speed ---


def test_the_calibration_error_by_pencil():
    scores = np.array([0.11, 0.19, 0.85, 0.85, 0.85, 0.85])
    right = np.array([False, False, True, True, True, False])
    rows, error = calibration.reliability(scores, right)
    assert np.allclose(rows, [[0.15, 0, 2], [0.85, 0.75, 4]])
    assert error == pytest.approx((2 * 0.15 + 4 * 0.1) / 6)


def test_logit_and_sigmoid_undo_each_other():
    scores = np.linspace(0.01, 0.99, 9)
    assert np.allclose(calibration.sigmoid(calibration.logit(scores)), scores)


def test_eleven_heights_by_pencil():
    zeros = torch.zeros(6, dtype=torch.int64)
    found = {"boxes": game.BOXES, "scores": game.SCORES, "labels": zeros}
    target = {"boxes": game.OBJECTS, "labels": zeros[:4], "image_id": 0}
    # Of the other classes there is no object: their curves are nan, and are left out here.
    four = [target | {"labels": zeros[:4] + label, "image_id": label} for label in range(4)]
    boxes = [found | {"labels": zeros + label} for label in range(4)]
    assert rules.eleven_points(boxes, four) == pytest.approx((6 * 1 + 2 * 0.6) / 11, abs=1e-6)


def test_the_front_is_what_nothing_beats_in_both():
    took = {-3: 10.0, -2: 20.0, -1: 15.0, 0: 30.0}
    aps = {-3: 0.5, -2: 0.6, -1: 0.6, 0: 0.55}
    assert speed.pareto_front(took, aps) == [-3, -1]


# --- the model card ---

NAMES_ON_THE_CARD = ["data", "settings", "AP", "worst class", "threshold", "not for"]


@pytest.mark.slow
def test_the_card_has_six_lines_and_the_worst_class(monkeypatch):
    shown = []
    monkeypatch.setattr(opening, "table", lambda head, rows: shown.append(rows))
    opening.show_model_card(0.38, (5, 1), (0.57, 0.62))
    (rows,) = shown
    assert [name for name, _ in rows] == NAMES_ON_THE_CARD
    figures = opening.test_figures()["ap_per_class"]
    worst = rows[3][1].split(":")[0]
    assert all(figures[worst] <= value for value in figures.values())
    assert "0.570 to 0.620" in rows[2][1]


@pytest.mark.slow
def test_suppression_across_classes_takes_right_boxes_too():
    """Taken one after the other, the wrong and the right boxes that go are all that go."""
    whole, across = errors.with_nms(0.5)[0], errors.with_nms(0.5, across=True)[0]
    gone = sum(len(a["scores"]) - len(b["scores"]) for a, b in zip(whole, across, strict=True))
    wrong, right, both = errors.taken_away().values()
    assert wrong[0] + right[0] == both[0] == gone
    figures = coco_ap_from_detections(across, errors.with_nms(0.5)[1], errors.CLASSES)
    assert both[1] == pytest.approx(figures["ap50"])
    assert right[1] < both[1] < wrong[1]


def test_who_suppresses_a_right_box_is_told(monkeypatch):
    """By hand: a stronger square on a found circle, then one that lies beside it."""
    detections, targets = scene()
    for left, expected in ((0.0, ["wrong class"]), (6.0, [])):
        square = torch.tensor([[left, 0, 10 + left, 10]])
        (found,) = detections
        more = {
            "boxes": torch.cat([square, found["boxes"]]),
            "labels": torch.cat([torch.tensor([1]), found["labels"]]),
            "scores": torch.cat([torch.tensor([0.95]), found["scores"]]),
        }
        monkeypatch.setattr(errors, "with_nms", lambda overlap, one=more: ([one], targets))
        assert errors.suppressors() == expected


@pytest.mark.slow
def test_the_strongest_boxes_overlap_objects_as_their_titles_say(monkeypatch):
    """The background box lies on a corner of an object: it must not say that nothing is there."""
    told = []
    monkeypatch.setattr(errors, "show", lambda figure, alt: told.append(alt))
    errors.show_strongest()
    assert re.search(r"background: \w+ 0\.\d\d, IoU below 0\.1\.$", told[0])
    name, overlap = re.search(r"badly placed: (\w+) .*, IoU with one (0\.\d\d);", told[0]).groups()
    assert 0.1 <= float(overlap) < 0.5  # TIDE's bounds
    detections, targets = errors.found_in("test")
    picture, number = errors.strongest("badly placed")
    (found,) = errors.kept_from(detections[picture : picture + 1], errors.SURE)
    own = targets[picture]["labels"] == errors.CLASSES.index(name)
    overlaps = box_iou(found["boxes"][number][None], targets[picture]["boxes"][own])
    assert f"{overlaps.max():.2f}" == overlap
    picture, number = errors.strongest("background")
    (found,) = errors.kept_from(detections[picture : picture + 1], errors.SURE)
    overlaps = box_iou(found["boxes"][number][None], targets[picture]["boxes"])
    assert 0 < overlaps.max() < 0.1
