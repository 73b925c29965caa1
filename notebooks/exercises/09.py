"""The exercises of notebook 09: right answers, the wrong ones that people give, and the hint for each."""

from effdet_lite.evaluation import coco_ap_from_detections
from effdet_lite.teach.kit.checks import Exercise

import math

import numpy as np
import torch

RIGHT, OBJECTS = np.array([1, 0, 1, 1, 0, 0, 1, 0]), 5
HITS = RIGHT.cumsum()
PRECISION, RECALL = HITS / np.arange(1, len(HITS) + 1), HITS / OBJECTS
HEIGHTS = np.linspace(0, 1, 101)
STRAIGHT = float(np.trapezoid(np.append(1, PRECISION), np.append(0, RECALL)))
OF_RIGHT = float(PRECISION[RIGHT == 1].mean())


def average(heights=HEIGHTS, recall=RECALL, interpolated=True):
    """The mean precision at these recalls, 0 past the last; without interpolation: at the first box that gets there."""
    values = []
    for height in heights:
        reached = PRECISION[recall >= height]
        values.append((reached.max() if interpolated else reached[0]) if len(reached) else 0)
    return float(np.mean(values))


def scene(change=None):
    """AP50 of two classes, three objects each, found with errors, after `change(boxes, scores, labels)`."""
    truth = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]] * 2)
    truth[3:] += torch.tensor([0.0, 50, 0, 50])
    stray = torch.tensor([[80.0, 80, 90, 90], [100.0, 80, 110, 90]])
    boxes, labels = torch.cat([truth, stray]), torch.tensor([0, 0, 0, 1, 1, 1, 0, 1])
    scores = torch.tensor([0.9, 0.8, 0.4, 0.85, 0.6, 0.3, 0.5, 0.7])
    if change:
        boxes, scores, labels = change(boxes, scores, labels)
    found = {"boxes": boxes, "scores": scores, "labels": labels}
    target = {"boxes": truth, "labels": torch.tensor([0, 0, 0, 1, 1, 1]), "image_id": 0}
    return coco_ap_from_detections([found], [target], ("one", "other"), max_detections=2000)["ap50"]


def below(boxes, scores, labels):
    """A thousand boxes on background, weaker than all others."""
    more = torch.tensor([[120.0, 120, 125, 125]]).expand(1000, 4)
    return (
        torch.cat([boxes, more]),
        torch.cat([scores, torch.full((1000,), 0.01)]),
        torch.cat([labels, labels[[0] * 1000]]),
    )


def twice(boxes, scores, labels):
    """Each box again, a hair weaker."""
    return torch.cat([boxes, boxes]), torch.cat([scores, scores - 1e-4]), torch.cat([labels, labels])


CHANGES = (
    lambda boxes, scores, labels: (boxes, scores / 2, labels),
    below,
    twice,
    lambda boxes, scores, labels: (boxes, torch.where(labels == 1, scores**2, scores), labels),
)


def verdict(change):
    """What the change does to AP50, measured."""
    difference = scene(change) - scene()
    return "same" if abs(difference) < 1e-9 else "higher" if difference > 0 else "lower"


FOUR = [verdict(change) for change in CHANGES]

ANGLE = math.radians(30)
SIDE = math.cos(ANGLE) + math.sin(ANGLE)  # of the square around a square of side 1, turned


def priced(missed_counts=True, wrong_counts=True, swapped=False, last=True, none_kept=True):
    """The best threshold, with one part of the bill left out or changed."""

    def threshold(scores, right, objects, missed, wrong):
        if swapped:
            missed, wrong = wrong, missed
        costs = [objects * missed] if none_kept else [math.inf]
        hits = 0
        for number, yes in enumerate(right, 1):
            hits += yes
            costs.append((objects - hits) * missed * missed_counts + (number - hits) * wrong * wrong_counts)
        kept = min(range(len(costs)), key=costs.__getitem__)
        if not last:
            return costs[kept]
        return scores[kept - 1] if kept else 1.0

    return threshold


def most_f1(scores, right, objects, missed, wrong):
    """The threshold of the best F1, whatever the prices."""
    hits = np.cumsum(right)
    return scores[int((2 * hits / (np.arange(1, len(hits) + 1) + objects)).argmax())]


EXERCISES = {
    "09.1": Exercise(
        average(),
        [
            (average(interpolated=False), "where precision rises again, the better value counts for lower recalls."),
            (
                float(PRECISION.mean()),
                "that is the mean over the boxes, or over VOC's 11 recalls; COCO's AP is the mean over 101 recalls.",
            ),
            (OF_RIGHT, "that is over the boxes that are right; objects that no box finds count as 0."),
            (average(recall=HITS / HITS[-1]), "recall is out of all five objects, not of the four that are found."),
            (STRAIGHT, "that is the area below straight lines; AP has steps."),
            (HITS[-1] / len(RIGHT), "that is the precision of all eight boxes."),
            (HITS[-1] / OBJECTS, "that is the recall of all eight boxes."),
        ],
        "COCO's mean of 101 heights has 21 times 1, 40 times 3/4 and 20 times 4/7; the other 20 are 0.",
        tolerance=1.5e-2,  # the pencil's 0.614, and two digits of either
    ),
    "09.2": Exercise(
        FOUR,
        [
            (["lower", *FOUR[1:]], "(a): AP looks at the order of the boxes; halving leaves it."),
            ([*FOUR[:1], "lower", *FOUR[2:]], "(b): behind the last right box, wrong boxes are free."),
            ([*FOUR[:2], "same", *FOUR[3:]], "(c): a copy is wrong, and stands before other right boxes."),
            ([*FOUR[:2], "higher", *FOUR[3:]], "(c): what is found twice is found once; the copy is wrong."),
            ([*FOUR[:3], "lower"], "(d): each class has a list of its own, and squaring leaves the order in it."),
            ([*FOUR[:3], "higher"], "(d): each class has a list of its own, and squaring leaves the order in it."),
        ],
        "ask of each: does the order within one class change, and does a wrong box come to stand before a right one?",
    ),
    "09.3": Exercise(
        1 / SIDE**2,
        [
            (1 / SIDE, "that is the ratio of the sides; IoU is one of areas."),
            (SIDE**2, "the other way round: the circle's own box is the smaller one."),
            (SIDE, "that is the new side; IoU is the ratio of areas, the smaller over the larger."),
            (math.cos(ANGLE) ** 2, "one side of the turned square reaches cos 30° far, the other one sin 30° more."),
            (0.5, "that is for 45°."),
            (1.0, "the circle stays as it is, but its box's corners turn, and reach further."),
            (math.pi / 4 / SIDE**2, "that is the circle in the new box; IoU compares the two boxes."),
        ],
        "the new side is cos 30° + sin 30°, and the two boxes have one middle.",
        tolerance=1e-2,
    ),
    "09.4": Exercise(
        priced(),
        [
            (priced(wrong_counts=False), "wrong boxes cost too; without them it is best to keep all."),
            (priced(missed_counts=False), "objects that are not found cost too; without them it is best to keep none."),
            (priced(swapped=True), "the prices are the other way round."),
            (priced(last=False), "return the score of the last box kept, not what it costs."),
            (priced(none_kept=False), "where wrong boxes are expensive it may be best to keep none: 1.0."),
            (most_f1, "F1 knows no prices."),
        ],
        "for each number of boxes kept: (objects − right) · object_price + (kept − right) · box_price; take the least.",
        cases=[
            ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [1, 1, 0, 0, 1, 0], 4, 1.0, 1.0),
            ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [1, 1, 0, 0, 1, 0], 4, 5.0, 1.0),
            ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0, 1, 1, 0, 1, 0], 4, 1.0, 9.0),
            ([0.8, 0.6, 0.3], [1, 0, 1], 2, 2.0, 1.0),
        ],
    ),
}
