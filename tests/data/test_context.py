"""Shapes in context against their own pixels: what was painted where, and what a crop can and
cannot tell.

Oracles: the pixels that change with each object, and a ridge regression on crops, fitted here.
"""

import numpy as np
import pytest
import torch

from effdet_lite.data import ShapesInContext, context

DIRECTIONS = ("top-down", "bottom-up")
each_direction = pytest.mark.parametrize("direction", DIRECTIONS)


@each_direction
def test_the_same_picture_whatever_was_read_before_and_another_for_each_seed_split_and_index(
    direction,
):
    data = ShapesInContext("train", length=5, direction=direction)
    images = [data[index][0] for index in range(5)]
    np.random.seed(1)
    torch.manual_seed(1)
    again = ShapesInContext("train", length=9, direction=direction, cache=True)
    assert all(torch.equal(again[index][0], images[index]) for index in (4, 2, 0, 3, 1, 4))
    others = [ShapesInContext("train", seed=1), ShapesInContext("val"), ShapesInContext("test")]
    assert not any(torch.equal(images[0], other[0][0]) for other in others) and not torch.equal(
        images[0], images[1]
    )
    assert [len(ShapesInContext(split)) for split in ("train", "val", "test")] == [3000, 200, 200]


@each_direction
@pytest.mark.parametrize("size", [64, 128, 192])
def test_items_follow_the_contract(direction, size):
    data = ShapesInContext("val", size, 60, direction=direction)
    counts = set()
    for index, (image, target) in enumerate(data):
        boxes, labels = target["boxes"].as_subclass(torch.Tensor), target["labels"].tolist()
        assert (
            image.shape == (3, size, size)
            and image.dtype == torch.float32
            and 0 <= image.min() <= image.max() <= 1
        )
        assert (
            boxes.dtype == torch.float32
            and len(boxes) == len(labels)
            and target["image_id"] == index
        )
        assert boxes.min() >= 0 and boxes.max() <= size
        sides = boxes[:, 2:] - boxes[:, :2]
        low, high = context.LARGE[direction]
        assert low * size - 1e-3 <= sides[0].min() <= sides[0].max() <= high * size + 1e-3
        low, high = context.SMALL[direction]
        assert low * size - 1e-3 <= sides[1:].min() <= sides[1:].max() <= high * size + 1e-3
        # One color in each picture: rings and their dots, or a disc and its dot, have the same.
        assert {label % 3 for label in labels} == {labels[0] % 3}
        assert [label >= 3 for label in labels] == [
            (number > 0) == (direction == "top-down") for number in range(len(labels))
        ]
        counts.add(len(labels) - 1)
    assert counts == ({1, 2, 3} if direction == "top-down" else {1})


@each_direction
def test_a_box_is_tight_around_the_pixels_that_its_object_changed(direction, monkeypatch):
    changed, paint = [], context.paint

    def recording(image, outline, color):
        before = image.copy()
        paint(image, outline, color)
        changed.append((image != before).any(0))

    monkeypatch.setattr(context, "paint", recording)
    data = ShapesInContext("train", length=40, direction=direction)
    for index in range(len(data)):
        changed.clear()
        _, boxes, _, _ = data.load(index)
        assert len(changed) == len(boxes)  # the large one, then each dot
        for mask, (left, top, right, bottom) in zip(changed, boxes, strict=True):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            edges = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            outside = np.array([left, top, -right, -bottom]) - edges * [1, 1, -1, -1]
            assert (
                outside.min() > -1.2 and outside.max() < 1.2
            )  # soft edges reach half a pixel further


@each_direction
def test_the_three_classes_that_are_asked_for_are_equally_frequent(direction):
    data = ShapesInContext("train", 64, 900, seed=5, direction=direction)
    assert data.asked == data.classes[3:] and len(data.classes) == 6
    counts = np.bincount([data.load(index)[2][0] % 3 for index in range(len(data))], minlength=3)
    assert abs(counts - 300).max() < 4 * np.sqrt(900 * 2 / 9)


def resized(crop, side=8):
    return torch.nn.functional.interpolate(crop[None], (side, side), mode="bilinear")[0].flatten()


def crop_and_color(data, index):
    """(pixels of the asked object and nothing else, the color of what decides, its class)."""
    image, target = data[index]
    boxes, labels = target["boxes"].as_subclass(torch.Tensor), target["labels"]
    asked = int((labels >= 3).nonzero()[0])
    left, top, right, bottom = boxes[asked].round().int().tolist()
    image = image.clone()
    tells = image.amax(0) - image.amin(0) > 0.45  # everything but what decides is gray
    color = image[:, tells].mean(1)
    if data.direction == "bottom-up":  # the dot lies on the disc: cover it by the disc's own gray
        x, y, x_end, y_end = boxes[1 - asked].int().tolist()
        image[:, y : y_end + 2, x : x_end + 2] = image[:, top:bottom, left:right].median()
    inset = (right - left) // 7  # a disc's corners hold ground
    return (
        resized(image[:, top + inset : bottom - inset, left + inset : right - inset]),
        color,
        int(labels[asked]) - 3,
    )


@each_direction
def test_the_objects_own_pixels_do_not_tell_its_class_and_what_decides_does(direction):
    data = ShapesInContext("train", length=900, seed=7, direction=direction)
    crops, colors, classes = zip(
        *(crop_and_color(data, index) for index in range(len(data))), strict=True
    )
    crops, colors, classes = torch.stack(crops), torch.stack(colors), torch.tensor(classes)
    assert torch.equal(colors.argmax(1), classes)  # red, green, blue, in the order of the channels
    features = torch.cat([crops, torch.ones(len(crops), 1)], 1)
    fit, test = features[:500], features[500:]
    answers = torch.nn.functional.one_hot(classes[:500], 3).float()
    weights = torch.linalg.solve(fit.T @ fit + 10 * torch.eye(fit.shape[1]), fit.T @ answers)
    linear = ((test @ weights).argmax(1) == classes[500:]).float().mean()
    nearest = classes[:500][torch.cdist(test, fit).argmin(1)]
    assert 0.24 < linear < 0.43  # four standard deviations around a third
    assert 0.24 < (nearest == classes[500:]).float().mean() < 0.43


def test_rings_and_dots_have_the_diameters_that_are_asked_for():
    data = ShapesInContext("train", length=30, large=(40, 44), small=(8, 10))
    for index in range(len(data)):
        _, boxes, _, _ = data.load(index)
        sides = boxes[:, 2] - boxes[:, 0]
        assert (
            40 - 1e-3 <= sides[0] <= 44 + 1e-3
            and 8 - 1e-3 <= sides[1:].min() <= sides[1:].max() <= 10 + 1e-3
        )
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
        assert np.linalg.norm(centers[1:] - centers[0], axis=1).max() <= 0.15 * sides[0] + 1e-3


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"direction": "sideways"}, "direction"),
        ({"split": "dev"}, "split"),
        ({"size": 16}, "size"),
        ({"size": 64.0}, "size"),
        ({"length": 0}, "length"),
        ({"seed": -1}, "seed"),
        ({"small": (2, 8)}, "small from 3 px"),
        ({"small": (10, 8)}, "small=\\(10, 8\\)"),
        ({"small": (8, 12), "large": (40, 60)}, "large four times"),
        ({"large": (60, 40)}, "large=\\(60, 40\\)"),
        ({"large": (100, 140)}, "at most 128 px"),
    ],
)
def test_bad_arguments_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        ShapesInContext(**{"split": "train"} | wrong)
