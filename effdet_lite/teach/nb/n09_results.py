"""What notebook 09 judges: the shapes detector's boxes, and AP computed from which of them are
right, so that it can be asked for any draw of the pictures.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from effdet_lite.anchors import iou
from effdet_lite.data import ShapesDetection
from effdet_lite.data.shapes import CLASSES
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import COCO_IOUS, coco_ap_from_detections, detect_dataset
from effdet_lite.folding import folded
from effdet_lite.teach.kit.plots import as_array
from effdet_lite.teach.kit.shared import shipped

AREA_CUTS = (16, 40)  # px, of small, medium and large objects
RECALLS = np.linspace(0, 1, 101)


@functools.cache
def detector(name: str = "shapes") -> EfficientDet:
    """A detector that comes with the course, with its norms folded in: the same, but faster."""
    return folded(shipped(name)[0])


@functools.cache
def pictures_of(split: str) -> ShapesDetection:
    """The 200 pictures of "test" or "val"."""
    return ShapesDetection(split, cache=True)


@functools.cache
def found_in(split: str, name: str = "shapes") -> tuple[list[dict], list[dict]]:
    """(detections, targets) of a shipped detector in the 200 pictures of "test" or "val": at most
    100 boxes in a picture, down to a score of 0.001.
    """
    return detect_dataset(detector(name), pictures_of(split), progress=False)


def ap50(detections: Sequence[dict], targets: Sequence[dict]) -> float:
    """AP50, as the package has it from COCO's library."""
    return coco_ap_from_detections(detections, targets, CLASSES)["ap50"]


@functools.cache
def test_figures() -> dict:
    """All of COCO's figures of the shapes detector on the test pictures."""
    return coco_ap_from_detections(*found_in("test"), CLASSES, area_cuts=AREA_CUTS)


# --- AP of one list of boxes ---


def average_precision(right, objects: float, counts=None) -> float:
    """The mean of the best precision at 101 recalls, as COCO has it.

    right: whether each box is right, best score first. objects: how many there are to find. counts:
    how often each box counts; once by default.
    """
    counts = np.ones(len(right)) if counts is None else counts
    hits = np.cumsum(counts * right)
    precision = hits / np.maximum(np.cumsum(counts), 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # here, or at any higher recall
    first = np.searchsorted(hits / objects, RECALLS)  # the first box that reaches each recall
    return float(np.append(best, 0)[first].mean())


class _List(NamedTuple):
    """All boxes of one class, best first: their pictures, and whether each is right; objects: how
    many each picture holds.
    """

    pictures: np.ndarray
    right: np.ndarray
    objects: np.ndarray


class Grades:
    """Remembers which boxes of a detector are right, so that `ap(pictures)` is quick.

    ious: the demands on a box over which AP is a mean.
    """

    def __init__(
        self, detections: Sequence[dict], targets: Sequence[dict], ious: Sequence[float] = COCO_IOUS
    ):
        self.count = len(targets)
        self.lists = [_lists(detections, targets, label, ious) for label in range(len(CLASSES))]

    def table(self, pictures: Sequence[int] | None = None) -> np.ndarray:
        """AP by class and demand, [class, IoU]; nan for a class of which there is no object."""
        pictures = range(self.count) if pictures is None else pictures
        often = np.bincount(np.asarray(pictures), minlength=self.count)
        return np.array([[_ap_of(one, often) for one in own] for own in self.lists])

    def ap(self, pictures: Sequence[int] | None = None) -> float:
        """AP of these pictures, of which one may be named twice; of all by default."""
        return float(np.nanmean(self.table(pictures)))  # a class is there for all demands or none


def _ap_of(one: _List, often: np.ndarray) -> float:
    objects = (often * one.objects).sum()
    return average_precision(one.right, objects, often[one.pictures]) if objects else np.nan


def _lists(detections, targets, label: int, ious: Sequence[float]) -> list[_List]:
    """The list of this class for each demand."""
    pictures, scores, objects, right = [], [], [], [[] for _ in ious]
    for number, (found, target) in enumerate(zip(detections, targets, strict=True)):
        own = found["labels"] == label
        truth = target["boxes"][target["labels"] == label]
        given = as_array(found["scores"][own])
        overlaps = as_array(iou(found["boxes"][own], truth))
        pictures.append(np.full(len(given), number))
        scores.append(given)
        objects.append(len(truth))
        for flags, least in zip(right, ious, strict=True):
            flags.append(_matched(overlaps, given, least))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    pictures = np.concatenate(pictures)[order]
    return [_cut(pictures, np.concatenate(flags)[order], np.array(objects)) for flags in right]


def _cut(pictures: np.ndarray, right: np.ndarray, objects: np.ndarray) -> _List:
    """The list as far as its last right box: nothing counts behind it."""
    last = int(np.flatnonzero(right)[-1]) + 1 if right.any() else 0
    return _List(pictures[:last], right[:last], objects)


def _matched(overlaps: np.ndarray, scores: np.ndarray, least: float) -> np.ndarray:
    """Of each box, whether it takes an object: best score first, the free one it overlaps most."""
    right = np.zeros(len(scores), bool)
    near = (overlaps >= least).any(1) if overlaps.size else right
    free = np.ones(overlaps.shape[1], bool)
    for number in np.flatnonzero(near)[np.argsort(-scores[near], kind="stable")]:
        candidates = np.where(free, overlaps[number], -1)
        taken = int(candidates.argmax())
        if candidates[taken] >= least:
            right[number], free[taken] = True, False
    return right


@functools.cache
def grades_of(name: str) -> Grades:
    """Grades of a shipped detector on the test pictures."""
    return Grades(*found_in("test", name))


def kept_from(detections: Sequence[Mapping], score: float) -> list[dict]:
    """Of each picture's detections those with at least this score."""
    return [
        {name: value[found["scores"] >= score] for name, value in found.items()}
        for found in detections
    ]
