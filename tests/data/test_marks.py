"""Patterned marks against their pixels: what tells the class, what pooling leaves of it, and where
things lie.

Oracles: a reader of differences between neighboring pixels, sums over blocks of 2 x 2, the boxes.
"""

import numpy as np
import pytest
import torch

from effdet_lite.data import PatternedMarks, marks

each_question = pytest.mark.parametrize("asks", ["disc", "far"])


def read_pattern(pixels, box):
    """The name of the pattern in a box, from how neighboring pixels differ."""
    left, top, right, bottom = box.astype(int)
    mark = pixels[0, top:bottom, left:right].astype(float)
    down = abs(mark[1:] - mark[:-1]).mean()
    across = abs(mark[:, 1:] - mark[:, :-1]).mean()
    if down > 4 * across:
        return "rows"
    return "columns" if across > 4 * down else "checkers"


def blocks(pixels):
    """Sums over blocks of 2 x 2 pixels, exact."""
    return pixels.astype(int).reshape(3, 64, 2, 64, 2).sum((2, 4))


def drawn(asks, label, seed=0):
    rng = np.random.Generator(np.random.PCG64(seed))
    return marks.draw_marks(rng, 128, asks, label)


@each_question
def test_a_reader_of_the_mark_finds_both_labels(asks):
    data = PatternedMarks("test", length=100, asks=asks)
    for index in range(len(data)):
        pixels, boxes, labels, _ = data.load(index)
        name = read_pattern(pixels, boxes[1])
        assert [data.classes[label] for label in labels][1] == name
        assert data.classes[labels[0]].endswith(name) and data.classes[labels[0]] in data.asked


@each_question
@pytest.mark.parametrize("seed", range(20))
def test_pooling_by_two_erases_the_pattern_exactly(asks, seed):
    """The three pictures differ in the mark, and not at all once they are pooled."""
    pictures = [drawn(asks, label, seed) for label in range(3)]
    left, top, right, bottom = pictures[0][1][1].astype(int)
    for pixels, boxes in pictures[1:]:
        assert np.array_equal(boxes, pictures[0][1])
        differs = (pixels != pictures[0][0]).any(0)
        assert differs[top:bottom, left:right].sum() == marks.SIDE**2 / 2
        differs[top:bottom, left:right] = False
        assert not differs.any()
        assert np.array_equal(blocks(pixels), blocks(pictures[0][0]))


@each_question
def test_no_pixel_of_a_pattern_is_cut_off(asks):
    """Else pooling would leave a trace of it."""
    for seed in range(200):
        pixels, boxes = drawn(asks, 2, seed)
        left, top, right, bottom = boxes[1].astype(int)
        mark = pixels[:, top:bottom, left:right]
        assert mark.min() > 0 and mark.max() < 255


def test_far_marks_are_far_apart_and_a_disc_holds_its_mark():
    for seed in range(200):
        _, (asked, mark) = drawn("far", 0, seed)
        assert np.hypot(*(asked[:2] - mark[:2])) >= 56
        assert set(asked[2:] - asked[:2]) == {10}

        _, (disc, mark) = drawn("disc", 0, seed)
        assert 40 <= disc[2] - disc[0] <= 64
        assert (disc[:2] < mark[:2]).all() and (mark[2:] < disc[2:]).all()


@each_question
@pytest.mark.parametrize("size", [64, 128])
def test_boxes_are_inside_the_picture_and_marks_begin_at_even_pixels(asks, size):
    data = PatternedMarks("train", size, 60, asks=asks)
    for image, target in data:
        boxes = target["boxes"].as_subclass(torch.Tensor)
        assert image.shape == (3, size, size) and boxes.shape == (2, 4)
        assert boxes.min() >= 0 and boxes.max() <= size
        assert not (boxes[1] % 2).any()


@each_question
def test_the_three_classes_that_are_asked_for_are_equally_frequent(asks):
    data = PatternedMarks("train", 64, 900, seed=5, asks=asks)
    labels = [data.load(index)[2] for index in range(len(data))]
    counts = np.bincount([asked - 3 for asked, _ in labels], minlength=3)
    assert abs(counts - 300).max() < 4 * np.sqrt(900 * 2 / 9)
    assert all(asked == 3 + mark for asked, mark in labels)


def test_the_same_picture_whatever_was_read_before_and_another_for_each_seed_split_and_index():
    data = PatternedMarks("train", length=3)
    images = [data[index][0] for index in range(3)]
    np.random.seed(1)
    again = PatternedMarks("train", length=9, cache=True)
    assert all(torch.equal(again[index][0], images[index]) for index in (2, 0, 1, 2))
    others = [PatternedMarks("train", seed=1), PatternedMarks("val"), PatternedMarks("test")]
    assert not any(torch.equal(images[0], other[0][0]) for other in [data.subset([1]), *others])
    kinds = [PatternedMarks("train", 64, 5, asks=asks) for asks in ("disc", "far")]
    assert kinds[0].fingerprint() != kinds[1].fingerprint()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"asks": "ring"}, "asks must be one of disc, far, not 'ring'"),
        ({"size": 63}, "size must be even"),
        ({"size": 16}, "size"),
        ({"split": "dev"}, "split"),
        ({"length": 0}, "length"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_arguments_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        PatternedMarks(**{"split": "train"} | wrong)
