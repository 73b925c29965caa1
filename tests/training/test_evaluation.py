"""AP and precision-recall against pycocotools, the reference implementation of COCO's definition,
on the same boxes.
"""

import contextlib
import io
import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import pycocotools
from torch import nn
from torchvision import tv_tensors

from effdet_lite.evaluation import (
    IGNORED,
    KINDS,
    TIDE_NAMES,
    coco_ap,
    coco_ap_from_detections,
    detect_dataset,
    error_kinds,
    precision_recall,
)

CLASSES = ("circle", "square", "triangle", "cross")


def random_results(seed, images=12, absent=()):
    """Up to 8 objects of 4-120 px an image, at times none; detections near, doubled, misnamed,
    missing and stray.
    """
    generator = np.random.default_rng(seed)
    present = [label for label in range(len(CLASSES)) if label not in absent]
    detections, targets = [], []
    for image_id in generator.permutation(1000)[:images]:
        count, strays = generator.integers(0, 9), generator.integers(0, 5)
        corners, sides = (
            generator.uniform(0, 128, (count, 2)),
            np.exp(generator.uniform(1.4, 4.8, (count, 2))),
        )
        boxes, labels = np.hstack([corners, corners + sides]), generator.choice(present, count)
        copies = np.repeat(np.arange(count), generator.integers(0, 3, count))
        near = boxes[copies] + generator.normal(0, 0.08, (len(copies), 4)) * np.tile(
            sides[copies], 2
        )
        named = np.where(
            generator.random(len(copies)) < 0.8,
            labels[copies],
            generator.choice(present, len(copies)),
        )
        stray = generator.uniform(0, 100, (strays, 2))
        found = np.vstack([near, np.hstack([stray, stray + 20])])
        found_labels = np.append(named, generator.integers(0, len(CLASSES), strays))
        scores = torch.tensor(
            generator.integers(1, 20, len(found)) / 20
        )  # few distinct values, so that ties occur
        detections.append(tensors(found, found_labels, scores=scores.float()))
        targets.append(tensors(boxes, labels, image_id=int(image_id)))
    return detections, targets


def tensors(boxes, labels, **more):
    boxes = torch.tensor(np.asarray(boxes), dtype=torch.float32).reshape(-1, 4)
    return {"boxes": boxes, "labels": torch.tensor(np.asarray(labels), dtype=torch.int64), **more}


def mean(values):
    return values[values > -1].mean() if (values > -1).any() else math.nan


@pytest.mark.parametrize("area_cuts", [(32, 96), (16, 40)])
@pytest.mark.parametrize("seed", range(8))
def test_every_figure_is_pycocotools(seed, area_cuts):
    detections, targets = random_results(seed, absent=(2,) if seed % 2 else ())
    measured = coco_ap_from_detections(detections, targets, CLASSES, area_cuts=area_cuts)
    oracle = pycocotools(detections, targets, len(CLASSES), area_cuts=area_cuts).eval
    precision = oracle["precision"][..., -1]
    expected = {"ap": precision[..., 0], "ap50": precision[0, ..., 0], "ap75": precision[5, ..., 0]}
    expected |= {
        f"ap_{size}": precision[..., number]
        for number, size in enumerate(("small", "medium", "large"), 1)
    }
    expected["ar"] = oracle["recall"][:, :, 0, -1]
    for name, values in expected.items():
        assert measured[name] == pytest.approx(mean(values), abs=1e-12, nan_ok=True), name
    for number, name in enumerate(CLASSES):
        assert measured["ap_per_class"][name] == pytest.approx(
            mean(precision[:, :, number, 0]), abs=1e-12, nan_ok=True
        )
        ap50 = mean(precision[0, :, number, 0])
        assert measured["ap50_per_class"][name] == pytest.approx(ap50, abs=1e-12, nan_ok=True)
    assert 0.05 < measured["ap"] < 0.95, "the random boxes must be neither hopeless nor perfect"


def test_the_default_figures_are_those_that_pycocotools_prints():
    detections, targets = random_results(100, images=30)
    oracle = pycocotools(detections, targets, len(CLASSES))
    with contextlib.redirect_stdout(io.StringIO()):
        oracle.summarize()
    measured = coco_ap_from_detections(detections, targets, CLASSES)
    names = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
    assert [measured[name] for name in names] == pytest.approx(oracle.stats[:6], abs=1e-12)
    assert measured["ar"] == pytest.approx(oracle.stats[8], abs=1e-12)


def test_only_the_best_detections_of_an_image_count():
    detections, targets = random_results(5)
    measured = coco_ap_from_detections(detections, targets, CLASSES, max_detections=2)
    oracle = pycocotools(detections, targets, len(CLASSES), max_detections=2)
    assert sorted(oracle.params.maxDets) == [1, 2, 10]
    assert measured["ap"] == pytest.approx(mean(oracle.eval["precision"][:, :, :, 0, 1]), abs=1e-12)
    assert measured["ap"] != coco_ap_from_detections(detections, targets, CLASSES)["ap"]


@pytest.mark.parametrize("iou", [0.5, 0.62, 0.9])
def test_precision_recall_is_pycocotools_curve(iou):
    detections, targets = random_results(3, absent=(1,))
    curves = precision_recall(detections, targets, CLASSES, iou=iou)
    oracle = pycocotools(detections, targets, len(CLASSES), ious=[iou])
    for number, name in enumerate(CLASSES):
        for key, ours in (("precision", "precision"), ("scores", "score")):
            expected = oracle.eval[key][0, :, number, 0, -1]
            expected = np.where(expected < 0, np.nan, expected)
            np.testing.assert_allclose(curves[name][ours], expected, rtol=0, atol=1e-12)
        np.testing.assert_allclose(
            curves[name]["recall"], oracle.params.recThrs, rtol=0, atol=1e-12
        )
    assert np.isnan(curves["square"]["precision"]).all()


def coco_figures(oracle):
    """Of pycocotools: what `coco_ap_from_detections` gives under the same names."""
    precision, recall = oracle.eval["precision"][..., -1], oracle.eval["recall"][..., -1]
    sizes = {"ap": 0, "ap_small": 1, "ap_medium": 2, "ap_large": 3}
    figures = {name: mean(precision[..., size]) for name, size in sizes.items()}
    figures |= {"ap50": mean(precision[0, ..., 0]), "ap75": mean(precision[5, ..., 0])}
    return figures | {"ar": mean(recall[:, :, 0])}


def assert_same_figures(detections, targets, classes=CLASSES):
    measured = coco_ap_from_detections(detections, targets, classes)
    if not sum(len(found["boxes"]) for found in detections):  # pycocotools takes no empty list
        # Of an area that COCO counts, 0 to 10^10.
        boxes = torch.cat([torch.zeros(0, 4), *(target["boxes"] for target in targets)]).double()
        any_object = ((boxes[:, 2:] - boxes[:, :2]).prod(1) <= 1e10).any()
        assert measured["ap"] == pytest.approx(0 if any_object else math.nan, nan_ok=True)
        return
    expected = coco_figures(pycocotools(detections, targets, len(classes)))
    got = {name: measured[name] for name in expected}
    assert got == pytest.approx(expected, abs=1e-9, nan_ok=True)


def with_crowds(detections, targets, seed):
    """The same with a crowd region on half of the images, of any class, and boxes inside it."""
    generator = np.random.default_rng(seed)
    crowded = []
    for found, target in zip(detections, targets, strict=True):
        regions = np.tile(generator.uniform(0, 60, (generator.integers(0, 2), 1)), 4)
        regions[:, 2:] += generator.uniform(30, 90, (len(regions), 2))
        labels = torch.tensor(generator.integers(0, len(CLASSES), len(regions)))
        inside = torch.tensor(regions).float().repeat(2, 1) + torch.tensor([3.0, 4, -5, -6])
        crowded.append(
            (
                {
                    "boxes": torch.cat([found["boxes"], inside]),
                    "labels": torch.cat([found["labels"], labels.repeat(2)]),
                    "scores": torch.cat([found["scores"], torch.full((len(inside),), 0.97)]),
                },
                target | {"crowd_boxes": torch.tensor(regions).float(), "crowd_labels": labels},
            )
        )
    return [list(part) for part in zip(*crowded, strict=True)]


@pytest.mark.parametrize("seed", range(4))
def test_boxes_in_crowd_regions_count_neither_way_as_in_pycocotools(seed):
    plain = random_results(seed)
    crowded = with_crowds(*plain, seed)
    assert_same_figures(*crowded)
    without = [
        {key: value for key, value in target.items() if "crowd" not in key} for target in crowded[1]
    ]
    higher = coco_ap_from_detections(*crowded, CLASSES)["ap"]
    assert higher > coco_ap_from_detections(crowded[0], without, CLASSES)["ap"]
    kinds = [kind for one in error_kinds(*crowded) for kind in one["kinds"]]
    assert IGNORED in kinds
    oracle = pycocotools(*crowded, len(CLASSES), ious=[0.5])
    ignored = sum(
        entry["dtIgnore"][0].sum()
        for entry in oracle.evalImgs
        if entry is not None and entry["aRng"] == [0, 1e10]
    )
    assert kinds.count(IGNORED) == ignored


@pytest.mark.parametrize(
    "rename",
    [
        pytest.param(lambda number: number + 2**53, id="beyond what a float holds"),
        pytest.param(lambda number: number + 10**30, id="beyond 64 bits"),
        pytest.param(lambda number: -number, id="negative"),
        pytest.param(lambda number: f"photo {number:03}.jpg", id="names"),
        pytest.param(np.int64, id="numpy"),
        pytest.param(torch.tensor, id="tensors"),
        pytest.param(lambda number: str(number) if number % 2 else number, id="both"),
    ],
)
def test_any_id_names_an_image(rename):
    """Each box on the wrong image is AP 0, and the ids change no figure."""
    boxes = [[[20.0 * k, 10, 20.0 * k + 15, 25]] for k in range(4)]
    found = [tensors(boxes[k ^ 1], [0], scores=torch.ones(1)) for k in range(4)]
    targets = [tensors(boxes[k], [0], image_id=rename(k)) for k in range(4)]
    assert coco_ap_from_detections(found, targets, CLASSES)["ap"] == 0
    right = [found[k ^ 1] for k in range(4)]
    assert coco_ap_from_detections(right, targets, CLASSES)["ap"] == 1


def test_equal_scores_are_ordered_by_id_as_in_pycocotools():
    """The order of equal scores decides, and the oracle goes by image ids."""
    detections, targets = random_results(1)
    for order in (slice(None), slice(None, None, -1)):
        assert_same_figures(detections[order], targets[order])


def test_of_classes_with_one_name_none_is_lost():
    """A COCO file may have two categories "cell"; the second has no object here."""
    names = ["cell", "cell", "cell (2)"]
    found = [tensors(BOX * 2, [0, 2], scores=torch.ones(2))]
    target = [tensors(BOX * 2, [0, 2], image_id=0)]
    figures = coco_ap_from_detections(found, target, names)
    expected = {"cell": 1.0, "cell (3)": math.nan, "cell (2)": 1.0}
    for key in ("ap_per_class", "ap50_per_class"):
        assert figures[key] == pytest.approx(expected, nan_ok=True)
        assert list(figures[key]) == list(expected)
    curves = precision_recall(found, target, names)
    assert np.isnan(curves["cell (3)"]["precision"]).all() and curves["cell"]["precision"].all()


class Elsewhere(torch.Tensor):
    """A tensor on another device that has no float64, as Apple's GPUs: only `.cpu()` brings it."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        if function is torch.Tensor.cpu:
            return arguments[0].as_subclass(torch.Tensor)
        if function in (torch.Tensor.as_subclass, torch.as_tensor, torch.Tensor.shape.__get__):
            return super().__torch_function__(function, types, arguments, options or {})
        raise RuntimeError(f"{function} of tensors on different devices")


def test_detections_may_still_be_on_the_gpu():
    detections, targets = random_results(2)
    away = [
        {name: value.as_subclass(Elsewhere) for name, value in found.items()}
        for found in detections
    ]
    here, there = (error_kinds(found, targets) for found in (detections, away))
    assert [one["kinds"] for one in here] == [one["kinds"] for one in there]
    figures = [coco_ap_from_detections(one, targets, CLASSES)["ap"] for one in (detections, away)]
    assert figures[0] == figures[1]


number = st.floats(allow_nan=True, allow_infinity=True, width=32) | st.integers(-5, 130).map(float)
side = st.integers(0, 6).map(lambda steps: 12.0 * steps)
proper_box = st.tuples(side, side, side, side).map(
    lambda box: [box[0], box[1], box[0] + box[2], box[1] + box[3]]
)


known_label, few_scores = st.integers(0, 2), st.integers(1, 4)


@st.composite
def results(draw, boxes=proper_box, labels=known_label, scores=few_scores):
    """(detections, targets) of up to three images."""
    detections, targets = [], []
    for image_id in range(draw(st.integers(0, 3))):
        found, true, crowds = (draw(st.lists(boxes, max_size=4)) for _ in range(3))
        label = [
            draw(st.lists(labels, min_size=len(n), max_size=len(n))) for n in (found, true, crowds)
        ]
        score = draw(st.lists(scores, min_size=len(found), max_size=len(found)))
        detections.append(tensors(found, label[0], scores=torch.tensor(score, dtype=torch.float32)))
        crowd = tensors(crowds, label[2])
        targets.append(
            tensors(true, label[1], image_id=image_id)
            | {"crowd_boxes": crowd["boxes"], "crowd_labels": crowd["labels"]}
        )
    return detections, targets


@settings(max_examples=150, deadline=None)
@given(results())
def test_any_boxes_give_the_figures_of_pycocotools(results):
    assert_same_figures(*results, CLASSES[:3])


@settings(max_examples=150, deadline=None)
@given(
    results(
        boxes=st.lists(number, min_size=4, max_size=4), labels=st.integers(-2, 4), scores=number
    )
)
def test_any_numbers_give_figures_or_one_sentence(results):
    try:
        assert_same_figures(*results, CLASSES[:3])
    except ValueError as error:
        assert re.fullmatch(r"image_id \d+ has [^\n]+: pass [^\n]+\.", str(error)), str(error)


BOX = [[10.0, 10.0, 50.0, 50.0]]
NOTHING = tensors([], [], scores=torch.zeros(0))


@pytest.mark.parametrize(
    ("detection", "target", "ap"),
    [
        pytest.param(NOTHING, tensors([], []), math.nan, id="nothing there, nothing found"),
        pytest.param(
            tensors(BOX, [0], scores=torch.ones(1)),
            tensors([], []),
            math.nan,
            id="no object of any class",
        ),
        pytest.param(NOTHING, tensors(BOX, [0]), 0.0, id="nothing found"),
        pytest.param(
            tensors(BOX, [1], scores=torch.ones(1)),
            tensors(BOX, [0]),
            0.0,
            id="found as another class",
        ),
        pytest.param(tensors(BOX, [0], scores=torch.ones(1)), tensors(BOX, [0]), 1.0, id="found"),
    ],
)
def test_the_definition_at_its_ends(detection, target, ap, capfd, recwarn):
    """By hand: a class without objects is nan, one whose objects are all missed is 0; and the
    library stays silent.
    """
    measured = coco_ap_from_detections([detection], [target | {"image_id": 0}], CLASSES)
    assert [measured["ap"], measured["ap50_per_class"]["circle"]] == pytest.approx(
        [ap, ap], nan_ok=True
    )
    assert math.isnan(measured["ap_per_class"]["square"]) and math.isnan(measured["ap_small"])
    curve = precision_recall([detection], [target | {"image_id": 0}], CLASSES)["circle"]
    assert curve["precision"].mean() == pytest.approx(ap, nan_ok=True)
    assert capfd.readouterr() == ("", "") and not recwarn.list


def test_no_images_at_all():
    assert math.isnan(coco_ap_from_detections([], [], CLASSES)["ap"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found, true: (found[:1], true), "1 detections for 2 targets"),
        (lambda found, true: (found, [true[0], true[0]]), "image_id 7 comes more than once"),
        (
            lambda found, true: ([tensors(BOX, [4], scores=torch.ones(1)), found[1]], true),
            "labels 4 to 4, but there are 4",
        ),
        (lambda found, true: (found, [true[0], true[1] | {"image_id": [8]}]), "names no image"),
        (
            lambda found, true: ([tensors(BOX, [0]), found[1]], true),
            "image_id 7 has no scores: pass them",
        ),
        (
            lambda found, true: ([tensors(BOX, [0], scores=torch.ones(2)), found[1]], true),
            "1 detections and the scores",
        ),
        (
            lambda found, true: (found, [true[0] | {"labels": torch.zeros(2).long()}, true[1]]),
            r"boxes \[1, 4\] and labels \[2\]: pass \[n, 4\] and \[n\]",
        ),
        (
            lambda found, true: (found, [true[0] | {"labels": torch.zeros(1)}, true[1]]),
            "pass whole numbers",
        ),
    ],
)
def test_bad_input_is_named(change, message):
    found, true = change(
        [NOTHING, NOTHING], [tensors(BOX, [0], image_id=7), tensors(BOX, [0], image_id=8)]
    )
    with pytest.raises(ValueError, match=message):
        coco_ap_from_detections(found, true, CLASSES)


UNSIGNED = [getattr(torch, f"uint{bits}") for bits in (8, 16, 32, 64)]


@pytest.mark.parametrize("kind", [*UNSIGNED, torch.int8, torch.int32])
def test_labels_are_whole_numbers_of_any_type(kind):
    label = torch.ones(1).to(kind)
    found = {"boxes": BOX, "labels": label, "scores": torch.ones(1)}
    figures = coco_ap_from_detections([found], [{"boxes": BOX, "labels": label}], "ab")
    assert figures["ap_per_class"]["b"] == 1
    assert error_kinds([found], [{"boxes": BOX, "labels": label}])[0]["kinds"] == ["right"]


def test_boxes_may_still_hold_their_gradients():
    boxes, scores = torch.tensor(BOX).requires_grad_(), torch.ones(1, requires_grad=True)
    found = {"boxes": boxes, "labels": [0], "scores": scores}
    target = {"boxes": boxes, "labels": [0]}
    assert error_kinds([found], [target])[0]["kinds"] == ["right"]
    assert coco_ap_from_detections([found], [target], "a")["ap"] == 1


@pytest.mark.parametrize("key", ["boxes", "labels", "scores"])
@pytest.mark.parametrize("value", [None, ["a"], [[1], [1, 2]], 1j * torch.ones(1)])
def test_what_is_no_number_is_named(key, value):
    found = {"boxes": BOX, "labels": [0], "scores": [1.0], key: value}
    with pytest.raises(ValueError, match=f"image_id 7 has .*{key}"):
        error_kinds([found], [{"boxes": BOX, "labels": [0], "image_id": 7}])


@pytest.mark.parametrize("most", [0, -1, 1.5, 2**31, 10**12, math.nan, "100", None])
def test_a_limit_of_detections_that_is_none_is_named(most):
    with pytest.raises(ValueError, match="max_detections must be a whole number"):
        coco_ap_from_detections([], [], "a", max_detections=most)


@pytest.mark.parametrize(
    "area_cuts", [(96, 32), (0, 32), (32,), (1, 2, 3), 32, None, ("a", "b"), (math.nan, 96)]
)
def test_bad_area_cuts(area_cuts):
    with pytest.raises(ValueError, match="the smaller first"):
        coco_ap_from_detections([], [], CLASSES, area_cuts=area_cuts)


@pytest.mark.parametrize("iou", [50, 0, -0.5, math.nan, "0.5", None, True])
def test_bad_iou(iou):
    with pytest.raises(ValueError, match="iou must be a number above 0 and at most 1"):
        precision_recall([], [], CLASSES, iou=iou)


@pytest.mark.parametrize("iou", [0.3, 0.5, 0.75])
@pytest.mark.parametrize("seed", range(6))
def test_the_right_boxes_are_those_that_pycocotools_matches(seed, iou):
    detections, targets = random_results(seed, images=20)
    oracle = pycocotools(detections, targets, len(CLASSES), ious=[iou])
    judged = error_kinds(detections, targets, iou=iou)
    expected = {target["image_id"]: [] for target in targets}
    for entry in oracle.evalImgs:
        if entry is not None and entry["aRng"] == [0, 1e10]:
            expected[entry["image_id"]] += zip(
                entry["dtScores"], entry["dtMatches"][0] > 0, strict=True
            )
    right = 0
    for found, target, one in zip(detections, targets, judged, strict=True):
        ours = zip(
            found["scores"].tolist(), [kind == "right" for kind in one["kinds"]], strict=True
        )
        assert sorted(ours) == sorted(expected[target["image_id"]])
        right += one["kinds"].count("right")
    assert right > 10 and {kind for one in judged for kind in one["kinds"]} >= {
        "double",
        "wrong class",
        "background",
    }


LEFT, RIGHT = [0.0, 0.0, 10.0, 10.0], [50.0, 0.0, 60.0, 10.0]  # a circle and a square
SHIFTED = [0.0, 6.0, 10.0, 16.0]  # IoU 4 / 16 with the left one


@pytest.mark.parametrize(
    ("boxes", "labels", "kinds", "missed"),
    [
        pytest.param([LEFT, RIGHT], [0, 1], ["right", "right"], [], id="all found"),
        pytest.param([LEFT, LEFT], [0, 0], ["right", "double"], [1], id="found twice"),
        pytest.param(
            [SHIFTED, LEFT], [0, 0], ["badly placed", "right"], [1], id="a better box comes later"
        ),
        pytest.param(
            [RIGHT], [0], ["wrong class"], [0], id="a square called circle is no missed square"
        ),
        pytest.param(
            [SHIFTED], [0], ["badly placed"], [1], id="a circle badly placed is no missed circle"
        ),
        pytest.param([SHIFTED], [1], ["both"], [0, 1], id="neither class nor place"),
        pytest.param([[90.0, 90.0, 99.0, 99.0]], [0], ["background"], [0, 1], id="nothing there"),
        pytest.param([[0.0, 9.5, 10.0, 19.5]], [0], ["background"], [0, 1], id="hardly there"),
        pytest.param([], [], [], [0, 1], id="nothing found"),
    ],
)
def test_the_kinds_of_errors_by_hand(boxes, labels, kinds, missed):
    found = tensors(boxes, labels, scores=torch.linspace(0.9, 0.5, len(boxes)))
    (one,) = error_kinds([found], [tensors([LEFT, RIGHT], [0, 1])])
    assert one["kinds"] == kinds and set(kinds) < set(KINDS)
    assert one["missed"].nonzero().flatten().tolist() == missed
    nearest = {"background": -1}
    for box, label, kind, number in zip(boxes, labels, kinds, one["objects"].tolist(), strict=True):
        assert number == nearest.get(kind, int(box[0] > 40)), (box, label)


def test_the_order_of_boxes_changes_nothing_and_no_objects_make_background():
    found = tensors([LEFT, LEFT, RIGHT], [0, 0, 0], scores=torch.tensor([0.2, 0.7, 0.9]))
    (one,) = error_kinds([found], [tensors([LEFT, RIGHT], [0, 1])])
    assert one["kinds"] == ["double", "right", "wrong class"]
    (one,) = error_kinds([found], [tensors([], [])])
    assert one["kinds"] == ["background"] * 3 and one["missed"].tolist() == []


def test_every_kind_of_error_has_the_name_that_tide_gives_it():
    """Bolya and others, arXiv 2008.08115, figure 2."""
    assert {TIDE_NAMES[kind] for kind in KINDS[1:]} == {"Cls", "Loc", "Both", "Dupe", "Bkg", "Miss"}
    assert KINDS[0] == "right" and IGNORED not in KINDS


@pytest.mark.parametrize(
    ("iou", "background_iou", "says"),
    [
        (0.5, 0.5, "background_iou must be below iou, 0.5, got 0.5"),
        (0.5, 0, "background_iou must be a number above 0 and at most 1"),
        (0.5, math.nan, "background_iou must be a number above 0 and at most 1"),
        (1.5, 0.1, "iou must be a number above 0 and at most 1, got 1.5"),
        ("0.5", 0.1, "iou must be a number above 0 and at most 1, got '0.5'"),
    ],
)
def test_bad_thresholds_of_kinds(iou, background_iou, says):
    with pytest.raises(ValueError, match=says):
        error_kinds([], [], iou=iou, background_iou=background_iou)


class Dataset:
    """Images that carry their own number in every pixel, and one object in each."""

    classes = CLASSES

    def __init__(self, length, size=lambda index: (8, 8)):
        self.length, self.size = length, size

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        boxes = tv_tensors.BoundingBoxes(
            [[0, 0, 4 + index, 4]], format="XYXY", canvas_size=(8, 8), dtype=torch.float32
        )
        image = tv_tensors.Image(torch.full((3, *self.size(index)), index / 10))
        return image, {"boxes": boxes, "labels": torch.tensor([index % 4]), "image_id": 100 - index}


class Detector(nn.Module):
    """Reads the image's number and answers with that image's object; remembers how it was
    called.
    """

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
        self.calls = []

    def detect(self, images, **options):
        assert (
            not any(module.training for module in self.modules())
            and torch.is_inference_mode_enabled()
        )
        assert type(images) is torch.Tensor
        self.calls.append((len(images), options))
        numbers = (images[:, 0, 0, 0] * 10).round().int().tolist()
        return [tensors([[0, 0, 4 + n, 4]], [n % 4], scores=torch.tensor([0.9])) for n in numbers]


def test_the_whole_way_from_model_to_ap():
    """A detector that knows the answers has AP 1; the options arrive; training flags and random
    numbers stay.
    """
    model, dataset = Detector().train(), Dataset(7)
    model.layers[1].eval()
    flags, randomness = [module.training for module in model.modules()], torch.get_rng_state()
    result = coco_ap(
        model,
        dataset,
        batch_size=3,
        score_threshold=0.2,
        iou_threshold=0.6,
        max_detections=9,
        progress=False,
    )
    assert result["ap"] == 1.0 and set(result["ap_per_class"]) == set(CLASSES)
    options = {"score_threshold": 0.2, "iou_threshold": 0.6, "max_detections": 9}
    assert model.calls == [(3, options), (3, options), (1, options)]
    assert [module.training for module in model.modules()] == flags
    assert torch.equal(torch.get_rng_state(), randomness)


def test_detections_stand_beside_their_targets():
    detections, targets = detect_dataset(Detector(), Dataset(5), batch_size=2, progress=False)
    assert [target["image_id"] for target in targets] == [100, 99, 98, 97, 96]
    for found, target in zip(detections, targets, strict=True):
        assert torch.equal(found["boxes"], target["boxes"].as_subclass(torch.Tensor))


def test_the_model_is_left_as_found_when_detection_fails():
    model = Detector().train()
    with pytest.raises(ValueError, match=r"differ in shape: \[\(3, 8, 8\), \(3, 9, 8\)\]"):
        detect_dataset(model, Dataset(2, size=lambda index: (8 + index, 8)), progress=False)
    assert all(module.training for module in model.modules())


class Unread:
    """A data set that nobody may look into yet."""

    classes = CLASSES

    def __len__(self):
        raise AssertionError("read")


@pytest.mark.parametrize(
    ("options", "says"),
    [({"batch_size": value}, "batch_size must be a whole number") for value in (0, -1, 1.5, "8")]
    + [
        ({name: value}, f"{name} must be a number from 0 to 1")
        for name in ("score_threshold", "iou_threshold")
        for value in (-0.1, 1.1, math.nan, "0.5", None)
    ]
    + [({"max_detections": value}, "max_detections must be a whole") for value in (0, -1, 1.5)],
)
@pytest.mark.parametrize("call", [detect_dataset, coco_ap])
def test_limits_that_cannot_be_meant_are_refused_before_the_data_set_is_read(call, options, says):
    with pytest.raises(ValueError, match=says):
        call(Detector(), Unread(), **options)


def test_what_the_figures_need_is_asked_before_the_data_set_is_read():
    with pytest.raises(ValueError, match="the smaller first"):
        coco_ap(Detector(), Unread(), area_cuts=(96, 32))
    with pytest.raises(ValueError, match="a Subset has no classes"):
        coco_ap(Detector(), torch.utils.data.Subset(Unread(), [0]))
