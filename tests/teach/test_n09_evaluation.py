"""What the explorers of notebook 09 show, and that no setting breaks them.

Oracles: `detect` itself for the boxes, faster-coco-eval for the curve; and for the kinds at a
threshold `error_kinds` without the weaker boxes, which test_evaluation.py holds to pycocotools.
"""

import itertools

import numpy as np
import pytest
import torch
from lessons import ROOT

from effdet_lite.checkpoint import load_detector
from effdet_lite.data import ShapesDetection
from effdet_lite.evaluation import KINDS, detect_dataset, error_kinds, precision_recall
from effdet_lite.teach.nb.n09_evaluation import judge_all, kinds_view, threshold_view
from effdet_lite.teach.nb.n09_results import kept_from

PICTURES = ShapesDetection("test", length=24, cache=True)
CLASSES = PICTURES.classes


@pytest.fixture(scope="module")
def model():
    return load_detector(ROOT / "assets" / "checkpoints" / "shapes.safetensors")[0]


@pytest.fixture(scope="module")
def results(model):
    return detect_dataset(model, PICTURES, progress=False)


@pytest.fixture(scope="module")
def judged(results):
    return judge_all(*results)


def drawn(figure):
    """The corners of the detections that are drawn, [n, 4], and the words at them."""
    axis = figure.axes[1]
    lines = axis.collections[-1].get_segments() if axis.collections else []
    corners = [[*line.min(0), *line.max(0)] for line in lines]
    return np.array(corners).reshape(-1, 4), axis.texts


def overlapping(texts):
    """Pairs of labels of which one lies over the other, by more than a rim of 2 pixels."""
    frames = [text.get_window_extent() for text in texts]
    return [
        (one, other)
        for one, other in itertools.combinations(frames, 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > 2
        and min(one.y1, other.y1) - max(one.y0, other.y0) > 2
    ]


@pytest.mark.parametrize("overlap", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("picture", [0, 4, 28])
def test_the_boxes_are_what_the_detector_answers_at_these_thresholds(model, picture, overlap):
    image, target = PICTURES[picture % 24]
    for score in (0.1, 0.3, 0.9):
        (found,) = model.detect(
            image[None], score_threshold=score, iou_threshold=overlap, max_detections=1000
        )
        (one,) = error_kinds([found], [target])
        figure, words, numbers, _ = kinds_view(model, PICTURES, score, overlap, picture)
        figure.draw_without_rendering()
        hits = one["kinds"].count("right")
        told = f"{hits} of {len(found['boxes'])} boxes; {hits} of {len(target['boxes'])} objects"
        assert numbers["precision; recall"] == told
        corners, words_at = drawn(figure)
        assert np.allclose(corners, found["boxes"], atol=1e-3)
        assert not overlapping(words_at)
        for kind in KINDS:
            count = int(one["missed"].sum()) if kind == "missed" else one["kinds"].count(kind)
            assert (f"{count} {kind}" in words) == (count > 0)
            assert any(
                text.get_text().endswith(f" {kind}: {count}") for text in figure.axes[2].texts
            )


def test_across_classes_no_two_boxes_overlap(model, monkeypatch):
    """And a moved slider does not run the network again."""
    kinds_view(model, PICTURES, 0.3, 0.5, 4)
    monkeypatch.setattr(type(model), "detect", None)
    within, across = (
        kinds_view(model, PICTURES, 0.3, 0.5, 4, across=across).numbers for across in (False, True)
    )
    before, after = (
        int(one["boxes before suppression, and after it"].split(", ")[1])
        for one in (within, across)
    )
    assert 0 < after < before


@pytest.mark.parametrize("name", CLASSES)
def test_the_curve_is_the_librarys(results, judged, name):
    """The best precision from each recall on, read where the library reads it."""
    curve = precision_recall(*results, CLASSES)[name]
    axis = threshold_view(judged, CLASSES, 0.3, name).figure.axes[0]
    recall, best = axis.lines[1].get_data()
    for at in (0.1, 0.5, 0.9):
        first = np.searchsorted(recall, at)
        height = best[first] if first < len(best) else 0
        assert height == pytest.approx(curve["precision"][round(100 * at)], abs=1e-9)


@pytest.mark.parametrize("score", [0, 0.01, 0.3, 0.77, 1])
def test_a_threshold_counts_what_is_left_when_the_weaker_boxes_are_taken_away(
    results, judged, score
):
    detections, targets = results
    kept = error_kinds(kept_from(detections, score), targets)
    expected = dict.fromkeys(KINDS, 0)
    for name in CLASSES:
        _, words, numbers, _ = threshold_view(judged, CLASSES, score, name)
        for part in words.split(": ")[1].rstrip(".").split(", "):
            expected[part.partition(" ")[2]] += int(part.partition(" ")[0])
        assert numbers["recall"].endswith(
            f" of {sum(int((t['labels'] == CLASSES.index(name)).sum()) for t in targets)} objects"
        )
    for kind in KINDS[:-1]:
        assert expected[kind] == sum(one["kinds"].count(kind) for one in kept), kind
    assert expected["missed"] == sum(int(one["missed"].sum()) for one in kept)


def test_a_class_without_objects_is_refused_in_words(results):
    detections, targets = results
    none = [target | {"labels": target["labels"] * 0} for target in targets]
    with pytest.raises(ValueError, match="no cross"):
        threshold_view(judge_all(detections, none), CLASSES, 0.3, "cross")


def test_boxes_in_a_crowd_count_neither_way(results, judged):
    """With a crowd of each class over a corner that holds nothing else, only boxes there go."""
    detections, targets = results
    corner = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    crowd = {"crowd_boxes": corner, "crowd_labels": torch.tensor([0])}
    there = {"boxes": corner, "scores": torch.tensor([0.99]), "labels": torch.tensor([0])}
    more = [
        {name: torch.cat([there[name], value]) for name, value in found.items()}
        for found in detections
    ]
    crowded = judge_all(more, [target | crowd for target in targets])
    for one, other in zip(crowded, judged, strict=True):
        assert np.array_equal(one, other)


def test_nothing_found_is_a_view_too(judged):
    empty = [
        {
            "boxes": torch.zeros(0, 4),
            "scores": torch.zeros(0),
            "labels": torch.zeros(0, dtype=torch.int64),
        }
    ]
    none = judge_all(empty, [PICTURES[4][1]])
    assert threshold_view(none, CLASSES, 0.3, "circle").numbers["precision"] == "no boxes"
