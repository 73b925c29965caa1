"""The pictures of the three tasks.

Oracles: closed-form readers of a drawing without noise, written here from what the tasks say (the
waves in a patch, the marks at the corners of a square); counting.
"""

import math
from collections import Counter

import pytest
import torch

from effdet_lite.experiments import bottlenecks
from effdet_lite.experiments.bottlenecks import SIDE, TASKS, Task, at_resolution, draw, stripes

NAMES = sorted(TASKS)
ROWS, COLUMNS = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")


@pytest.fixture
def without_noise(monkeypatch):
    """Pictures as they are before the noise comes."""
    monkeypatch.setattr(bottlenecks, "NOISE", 0.0)


def shape_of(picture):
    """How far each pixel is from the ground, -1 to 1. The ground is the commonest value."""
    values = picture.double() - picture.flatten().mode().values
    return values / values.abs().max()


@pytest.mark.parametrize("name", NAMES)
def test_the_pictures_are_the_same_for_the_same_seed_and_as_many_of_each_class(name):
    task = TASKS[name]
    pictures, labels = draw(task, 192, seed=3)
    again, again_labels = draw(task, 192, seed=3)
    other, _ = draw(task, 192, seed=4)
    assert pictures.equal(again) and labels.equal(again_labels) and not pictures.equal(other)
    assert pictures.shape == (192, SIDE, SIDE) and pictures.dtype == torch.uint8
    assert Counter(labels.tolist()) == dict.fromkeys(range(task.classes), 192 // task.classes)


def strongest(picture, directions, periods):
    """Which stripes are in each patch of a picture: the places of the strongest of these waves.

    Each slot that is not empty is held against each wave, at two phases a quarter apart.
    """
    side = SIDE // 4
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    waves = [
        torch.exp(2j * math.pi * (x * math.cos(turn) + y * math.sin(turn)) / period)
        for turn, period in zip(directions, periods, strict=True)
    ]
    waves = torch.stack(waves).flatten(1).to(torch.complex128)
    slots = shape_of(picture).view(4, side, 4, side).transpose(1, 2).reshape(16, -1)
    full = slots.abs().amax(1) > 0.2
    return (waves @ slots[full].T.to(torch.complex128)).abs().argmax(0).tolist()


def test_all_fine_stripes_have_the_direction_of_the_class(without_noise):
    pictures, labels = draw(Task("detail", 2), 64, seed=5)
    periods = torch.linspace(4, 8, 17).tolist()
    directions = [math.pi * label / 8 for label in range(8) for _ in periods]
    for picture, label in zip(pictures, labels.tolist(), strict=True):
        found = [place // 17 for place in strongest(picture, directions, 8 * periods)]
        assert found == 8 * [label]


def test_the_detail_is_the_width_of_the_finest_stripes(without_noise):
    """A stripe is half a period, and stripes are one to two times as wide as the knob."""
    periods = torch.linspace(1, 20, 191).tolist()
    for detail in (2, 4):
        widths = []
        pictures, labels = draw(Task("detail", detail), 64, seed=6)
        for picture, label in zip(pictures, labels.tolist(), strict=True):
            turns = len(periods) * [math.pi * label / 8]
            widths += [periods[place] / 2 for place in strongest(picture, turns, periods)]
        assert min(widths) == pytest.approx(detail, rel=0.1)
        assert max(widths) == pytest.approx(2 * detail, rel=0.1)


def test_averaging_erases_stripes_narrower_than_a_pixel(without_noise):
    """Stripes of 2 pixels at a third of the resolution keep next to nothing, wide ones most."""
    left = {}
    for name, knob in (("detail", 1), ("kinds", 8)):
        pictures, _ = draw(Task(name, knob), 64, seed=7)
        small = at_resolution(pictures, SIDE // 3)
        left[name] = (small.var((1, 2, 3)) / (pictures / 255.0).var((1, 2))).mean().item()
    assert left["detail"] < 0.03 and left["kinds"] > 0.5


def corners(picture):
    """The sign of each disc of an arrangement, [2, 2], and the side of their square."""
    shape = shape_of(picture)
    seen = shape.abs() > 0.9
    left, right = COLUMNS[seen].min(), COLUMNS[seen].max()
    top, bottom = ROWS[seen].min(), ROWS[seen].max()
    inner = 3  # pixels from the rim of a disc to its inside
    places = [
        (int(y), int(x))
        for y in (top + inner, bottom - inner)
        for x in (left + inner, right - inner)
    ]
    signs = torch.tensor([shape[place].sign() for place in places]).view(2, 2)
    return signs, (right - left + 1).item() - bottlenecks.MARK


def test_the_marks_of_a_square_are_alike_as_its_class_says(without_noise):
    pictures, labels = draw(Task("span", 60), 120, seed=7)
    for picture, label in zip(pictures, labels.tolist(), strict=True):
        signs, _ = corners(picture)
        assert signs.sum() == 0
        alike_side_by_side = signs[0, 0] == signs[0, 1]
        alike_above = signs[0, 0] == signs[1, 0]
        assert [alike_side_by_side, alike_above, not (alike_side_by_side or alike_above)][label]


def test_one_mark_alone_tells_nothing_of_the_class(without_noise):
    """Bright and dark come equally often at each corner, in each class."""
    pictures, labels = draw(Task("span", 60), 900, seed=8)
    bright = torch.stack([corners(picture)[0] for picture in pictures]) > 0
    for label in range(3):
        share = bright[labels == label].double().mean(0)
        assert (share - 0.5).abs().max() < 4 * 0.5 / math.sqrt(300)


def test_the_span_is_the_side_of_the_largest_square(without_noise):
    for span in (30, 80):
        sides = [corners(picture)[1] for picture in draw(Task("span", span), 300, seed=9)[0]]
        assert 0.95 * span - 2 < max(sides) < span + 2
        assert abs(min(sides) - bottlenecks.NEAREST) < 3


def test_three_patches_are_of_the_kind_of_the_class_and_five_of_five_others(without_noise):
    kinds = 12
    pictures, labels = draw(Task("kinds", kinds), 48, seed=10)
    directions = [math.pi * (kind // 2) / (kinds // 2) for kind in range(kinds)]
    for picture, label in zip(pictures, labels.tolist(), strict=True):
        counts = Counter(strongest(picture, directions, kinds // 2 * [9, 14]))
        assert sorted(counts.values()) == [1, 1, 1, 1, 1, 3] and counts[label] == 3


def test_the_kinds_are_half_a_turn_of_directions_at_two_periods():
    direction, period = stripes(torch.arange(16), 16)
    assert direction[::2].tolist() == pytest.approx([math.pi * k / 8 for k in range(8)])
    assert direction[::2].equal(direction[1::2])
    assert period.tolist() == 8 * [9, 14]


def test_a_picture_is_averaged_down():
    pictures, _ = draw(TASKS["kinds"], 64, seed=11)
    small = at_resolution(pictures, SIDE // 3)
    assert small.shape == (64, 1, SIDE // 3, SIDE // 3) and 0 <= small.min() <= small.max() <= 1
    assert small.mean().item() == pytest.approx(pictures.float().mean().item() / 255, abs=0.01)


@pytest.mark.parametrize(
    ("name", "knob", "told"),
    [
        ("color", 3, "name must be one of detail, span, kinds"),
        ("detail", 6, "the finest stripe must be 1 to 5 pixels"),
        ("span", 5, "the largest square must be 10 to 88 pixels"),
        ("kinds", 500, "kinds must be a whole number from 6 to 48"),
        ("kinds", 2.5, "kinds must be a whole number from 6 to 48"),
    ],
)
def test_a_task_that_cannot_be_drawn_is_refused(name, knob, told):
    with pytest.raises(ValueError, match=told):
        Task(name, knob)
