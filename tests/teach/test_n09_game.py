"""AP as a game in notebook 09, and AP of any draw of the pictures.

Oracles: pencil and paper, faster-coco-eval on the same boxes, pycocotools through `oracles`.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from effdet_lite.evaluation import coco_ap_from_detections
from effdet_lite.teach.nb import n09_bootstrap as bootstrap
from effdet_lite.teach.nb import n09_coco as coco
from effdet_lite.teach.nb import n09_game as game
from effdet_lite.teach.nb.n09_results import CLASSES, Grades, average_precision

SIZE = 128
PENCIL = (51 * 1 + 25 * 0.6) / 101  # recall 0 to 0.50, and 0.51 to 0.75


def by_the_library(boxes, scores):
    zeros = torch.zeros(len(boxes), dtype=torch.int64)
    found = {"boxes": boxes, "scores": scores, "labels": zeros}
    target = {"boxes": game.OBJECTS, "labels": torch.zeros(4, dtype=torch.int64), "image_id": 0}
    return coco_ap_from_detections([found], [target], ["object"])["ap50"]


def test_the_six_boxes_give_what_the_pencil_gives():
    result = game.ranked(game.BOXES, game.SCORES)
    assert result.kinds == ["right", "right", "double", "wrong", "right", "wrong"]
    assert result.ap == pytest.approx(PENCIL)
    assert result.precision.tolist() == pytest.approx([1, 1, 2 / 3, 2 / 4, 3 / 5, 3 / 6])
    assert result.recall.tolist() == pytest.approx([0.25, 0.5, 0.5, 0.5, 0.75, 0.75])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 90), st.integers(0, 90), st.integers(4, 37), st.integers(1, 100)),
        min_size=1,
        max_size=8,
        unique_by=lambda one: one[3],
    )
)
def test_wherever_boxes_are_dragged_ap_is_the_librarys(rows):
    boxes = [[x, y, x + side, y + side] for x, y, side, _ in rows]
    scores = [row[3] / 100 for row in rows]
    value = [
        {"box": box, "label": 0, "score": score} for box, score in zip(boxes, scores, strict=True)
    ]
    expected = by_the_library(torch.tensor(boxes, dtype=torch.float32), torch.tensor(scores))
    assert game.ap_view(value).numbers["AP"] == f"{expected:.3f}"


def test_the_tasks_can_be_solved_as_the_text_says():
    boxes, scores = game.BOXES.clone(), game.SCORES.clone()
    scores[4] = 0.85
    assert by_the_library(boxes, scores) == pytest.approx((51 + 25) / 101)
    boxes[2] = game.OBJECTS[3]
    assert by_the_library(boxes, scores) == pytest.approx(1)
    keep = torch.tensor([0, 1, 2, 4])
    assert by_the_library(boxes[keep], scores[keep]) == pytest.approx(1)


def test_no_other_single_score_or_move_solves_them():
    """Task 1 has one answer, and task 2 after it either box of the object that is found twice."""
    for number in (0, 1, 2, 3, 5):
        for score in np.linspace(0.01, 0.99, 50):
            scores = game.SCORES.clone()
            scores[number] = float(score)
            assert by_the_library(game.BOXES, scores) < 0.75
    scores = game.SCORES.clone()
    scores[4] = 0.99
    for number in range(6):
        boxes = game.BOXES.clone()
        boxes[number] = game.OBJECTS[3]
        assert (by_the_library(boxes, scores) == 1) == (number in (1, 2))


def test_the_changes_are_what_the_library_says():
    keep = torch.tensor([0, 1, 3, 4, 5])
    change, *_ = game.CHANGES
    assert game.changed(change).ap == pytest.approx(
        by_the_library(game.BOXES[keep], game.SCORES[keep])
    )
    assert game.best_change() == "raise the score 0.55 to 0.99"


def test_the_shaded_area_is_the_area_of_the_steps():
    xs, ys = game.steps_of(game.ranked(game.BOXES, game.SCORES))
    assert np.trapezoid(ys, xs) == pytest.approx(0.5 * 1 + 0.25 * 0.6)


def test_without_boxes_ap_is_0():
    view = game.ap_view([])
    view.figure.draw_without_rendering()
    assert view.numbers == {"AP": "0.000"}


# --- AP of a draw ---


def random_results(seed, pictures=12):
    """Detections near and far from objects, in pictures of which some are empty."""
    draw = torch.Generator().manual_seed(seed)
    detections, targets = [], []
    for number in range(pictures):
        count = number % 4
        corners = torch.rand(count, 2, generator=draw) * 90
        truth = torch.cat([corners, corners + 20 + 10 * torch.rand(count, 2, generator=draw)], 1)
        labels = torch.randint(0, 4, (count,), generator=draw)
        near = truth.repeat(2, 1) + 4 * torch.randn(2 * count, 4, generator=draw)
        far = torch.tensor([[100.0, 100, 120, 125]])
        targets.append({"boxes": truth, "labels": labels, "image_id": number})
        detections.append(
            {
                "boxes": torch.cat([near, far]),
                "labels": torch.cat([labels, labels, torch.tensor([number % 4])]),
                "scores": torch.rand(2 * count + 1, generator=draw),
            }
        )
    return detections, targets


@pytest.mark.parametrize("seed", range(3))
def test_ap_of_a_draw_is_the_librarys_of_those_pictures(seed):
    detections, targets = random_results(seed)
    grades = Grades(detections, targets)
    rng = np.random.default_rng(seed)
    for pictures in (range(12), rng.integers(0, 12, 12), [3] * 5):
        some = [detections[number] for number in pictures]
        true = [targets[number] | {"image_id": at} for at, number in enumerate(pictures)]
        expected = coco_ap_from_detections(some, true, CLASSES)
        assert grades.ap(pictures) == pytest.approx(expected["ap"], abs=1e-6)
        assert np.nanmean(grades.table(pictures)[:, 0]) == pytest.approx(expected["ap50"], abs=1e-6)


def test_pycocotools_says_the_same():
    detections, targets = random_results(7)
    figures = coco_ap_from_detections(detections, targets, CLASSES)
    assert coco.with_pycocotools(detections, targets) == pytest.approx(
        (figures["ap50"], figures["ap"]), abs=1e-9
    )


def test_weights_count_as_copies():
    right, counts = np.array([1, 0, 1, 1, 0]), np.array([2, 1, 0, 3, 1])
    copies = np.repeat(right, counts)
    assert average_precision(right, 7, counts) == pytest.approx(
        average_precision(copies, 7), abs=0.02
    )


def test_the_same_detector_on_one_draw_never_differs_and_on_two_does():
    grades = Grades(*random_results(1))
    gains = bootstrap.unpaired_gains(grades, grades, 20)
    assert np.std(gains) > 0
    low, high = bootstrap.interval(grades, 50)
    assert 0 <= low <= grades.ap() <= high <= 1
