"""AP and precision-recall against pycocotools, the reference implementation of COCO's definition,
on the same boxes.
"""

import contextlib
import io
import math

import numpy as np
import pytest
import torch
from oracles import pycocotools
from torch import nn
from torchvision import tv_tensors

from effdet_lite.evaluation import (
    KINDS,
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
    ],
)
def test_bad_input_is_named(change, message):
    found, true = change(
        [NOTHING, NOTHING], [tensors(BOX, [0], image_id=7), tensors(BOX, [0], image_id=8)]
    )
    with pytest.raises(ValueError, match=message):
        coco_ap_from_detections(found, true, CLASSES)


@pytest.mark.parametrize("area_cuts", [(96, 32), (0, 32)])
def test_bad_area_cuts(area_cuts):
    with pytest.raises(ValueError, match="the smaller first"):
        coco_ap_from_detections([], [], CLASSES, area_cuts=area_cuts)


def test_bad_iou():
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        precision_recall([], [], CLASSES, iou=50)


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


@pytest.mark.parametrize("thresholds", [(0.5, 0.5), (0.5, 0), (1.5, 0.1)])
def test_bad_thresholds_of_kinds(thresholds):
    with pytest.raises(ValueError, match="0 < background_iou < iou <= 1"):
        error_kinds([], [], iou=thresholds[0], background_iou=thresholds[1])


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
