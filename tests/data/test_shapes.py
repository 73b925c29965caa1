"""Shapes against what can be seen: polygons drawn by Pillow at sixteen times the size, and the
pixels themselves.
"""

import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from effdet_lite.data import ShapesDetection, shapes

FINE = 16  # Pillow draws without anti-aliasing, so it draws this much larger


def outline(shape, angle):
    """Corners of the turned unit shape, written down without the package's table."""
    if shape == "circle":
        points = [
            (math.cos(t), math.sin(t)) for t in np.linspace(0, 2 * math.pi, 720, endpoint=False)
        ]
    elif shape == "square":
        points = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    elif shape == "triangle":
        points = [(math.cos(t), math.sin(t)) for t in (-math.pi / 2, math.pi / 6, math.pi * 5 / 6)]
    else:
        arm = [(1, -0.3), (1, 0.3), (0.3, 0.3)]  # one arm; a quarter turn gives the next
        points = [
            (x * c - y * s, x * s + y * c)
            for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))
            for x, y in arm
        ]
    return np.array(
        [
            (x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle))
            for x, y in points
        ]
    )


@pytest.mark.parametrize("shape", shapes.CLASSES)
@pytest.mark.parametrize("side", [8.3, 31.0, 90.6])
def test_a_shape_covers_what_pillow_draws_and_its_box_is_tight(shape, side):
    rng = np.random.default_rng(int(side))
    for angle, dx, dy in rng.random((6, 3)):
        coverage, box = shapes.rasterize(shape, side, 7 * angle, dx, dy)
        points = outline(shape, 7 * angle)
        points = (points - points.min(0)) * side / np.ptp(points, axis=0).max() + (dx, dy)
        canvas = Image.new("L", (coverage.shape[1] * FINE, coverage.shape[0] * FINE))
        ImageDraw.Draw(canvas).polygon([tuple(point) for point in points * FINE - 0.5], fill=1)
        fine = np.array(canvas)
        rows, columns = np.flatnonzero(fine.any(1)), np.flatnonzero(fine.any(0))
        seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / FINE
        np.testing.assert_allclose(box, seen, atol=2.5 / FINE)
        assert max(box[2] - box[0], box[3] - box[1]) == pytest.approx(side)
        expected = fine.reshape(coverage.shape[0], FINE, coverage.shape[1], FINE).mean((1, 3))
        assert abs(coverage - expected).max() < 0.35  # corners: half planes round nothing off
        assert abs(coverage.sum() - expected.sum()) < 0.015 * expected.sum() + 0.5


def test_the_same_scene_whatever_was_read_before_and_another_for_each_seed_split_and_index():
    data = ShapesDetection("train", length=5)
    images = [data[index][0] for index in range(5)]
    np.random.seed(1)
    torch.manual_seed(1)
    again = ShapesDetection("train", length=9)
    assert all(torch.equal(again[index][0], images[index]) for index in (4, 2, 0, 3, 1))
    assert torch.equal(data[-1][0], images[4])
    others = [
        data[1],
        ShapesDetection("train", seed=1)[0],
        ShapesDetection("val")[0],
        ShapesDetection("test")[0],
    ]
    assert not any(torch.equal(images[0], image) for image, _ in others)
    assert [len(ShapesDetection(split)) for split in ("train", "val", "test")] == [3000, 200, 200]
    assert len(list(data)) == 5  # iteration ends by IndexError


def test_the_test_split_stays_the_one_that_published_figures_were_measured_on():
    """Not an oracle but an anchor: written down once, so that no machine or numpy moves the scenes
    unseen.
    """
    pixels, boxes, labels, _ = ShapesDetection("test").load(0)
    assert labels.tolist() == [0, 0, 0, 3]
    expected = [
        [8.87, 76.65, 24.187, 91.967],
        [18.306, 55.101, 50.184, 86.979],
        [71.516, 52.678, 82.309, 63.471],
        [37.59, 46.134, 48.845, 57.389],
    ]
    np.testing.assert_allclose(boxes, expected, atol=1e-3)
    np.testing.assert_allclose(pixels.mean((1, 2)), [233.640, 38.893, 77.919], atol=0.01)


@pytest.mark.parametrize("size", [32, 128, 200])
def test_items_follow_the_contract(size):
    data = ShapesDetection("val", size=size, length=40, cache=True)
    counts = set()
    for index, (image, target) in enumerate(data):
        boxes, labels = target["boxes"], target["labels"]
        assert image.shape == (3, size, size) and image.dtype == torch.float32
        assert image.min() >= 0 and image.max() <= 1 and image.std() > 0.01
        assert (
            boxes.dtype == torch.float32
            and boxes.canvas_size == (size, size)
            and boxes.format.name == "XYXY"
        )
        assert (
            labels.dtype == torch.int64
            and set(labels.tolist()) <= set(range(4))
            and len(labels) == len(boxes)
        )
        assert target["image_id"] == index and isinstance(target["image_id"], int)
        sides = (boxes[:, 2:] - boxes[:, :2]).amax(1)
        assert boxes.min() >= 0 and boxes.max() <= size
        assert sides.min() >= size * 8 / 128 - 1e-3 and sides.max() <= size * 96 / 128 + 1e-3
        counts.add(len(boxes))
    assert counts >= {1, 2, 3, 4, 5, 6} and max(counts) <= 8
    assert torch.equal(data[3][0], ShapesDetection("val", size=size)[3][0])  # cached equals drawn


def test_each_object_shows_at_least_sixty_percent_and_boxes_hold_every_pixel_of_theirs(monkeypatch):
    drawn, rasterize = [], shapes.rasterize

    def recording(*args):
        drawn.append(rasterize(*args))
        return drawn[-1]

    monkeypatch.setattr(shapes, "rasterize", recording)
    lowest = 1.0
    for seed in range(150):
        drawn.clear()
        _, boxes, _, owner = shapes.draw_scene(np.random.default_rng(seed), 128)
        candidates = iter(drawn)
        for number, box in enumerate(boxes, 1):
            size = box[2:] - box[:2]
            total = next(
                np.sum(mask > 0.5)
                for mask, own in candidates
                if np.allclose(own[2:] - own[:2], size, atol=1e-3)
            )
            rows, columns = np.nonzero(owner == number)
            lowest = min(lowest, len(rows) / total)
            assert columns.min() + 0.5 >= box[0] - 0.5 and columns.max() + 0.5 <= box[2] + 0.5
            assert rows.min() + 0.5 >= box[1] - 0.5 and rows.max() + 0.5 <= box[3] + 0.5
    assert 0.6 <= lowest < 0.75  # occlusion happens, and stops where it should


def test_color_and_texture_do_not_tell_the_class():
    """Means over a few hundred objects a class: a real difference of 0.08 would show, chance stays
    under it.
    """
    looks = [[] for _ in shapes.CLASSES]
    for seed in range(350):
        image, _, labels, owner = shapes.draw_scene(np.random.default_rng(seed), 64)
        for number, label in enumerate(labels, 1):
            pixels = image[:, owner == number] / 255
            looks[label].append([*pixels.mean(1), pixels.std()])
    means = np.array([np.mean(rows, axis=0) for rows in looks])
    assert min(map(len, looks)) > 250
    assert np.ptp(means, axis=0).max() < 0.08


@pytest.mark.parametrize(
    "wrong", [{"split": "dev"}, {"size": 8}, {"length": 0}, {"seed": -1}, {"size": 64.0}]
)
def test_bad_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ShapesDetection(**{"split": "train"} | wrong)
