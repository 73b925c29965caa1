"""The exercises of notebook 06: right answers, the wrong ones that people give, and the hint for each.

The five bugs that 06.4 asks for are planted here too: whoever reads on will find none of them.
"""

from effdet_lite.anchors import decode
from effdet_lite.losses import focal_loss
from effdet_lite.teach.kit.checks import Exercise

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torchvision.ops import box_iou


class Pipeline(NamedTuple):
    """The three steps of the pipeline in which a bug may sit; pictures are halved, from 256 to 128 px."""

    boxes: Callable = lambda boxes: boxes / 2
    labels: Callable = lambda labels: labels
    scores: Callable = torch.sigmoid


BUGS = {
    "A": ("resized", Pipeline(boxes=lambda boxes: boxes)),
    "B": ("sigmoid", Pipeline(scores=lambda logits: logits)),
    "C": ("swapped", Pipeline(boxes=lambda boxes: boxes[:, [1, 0, 3, 2]] / 2)),
    "D": ("labels", Pipeline(labels=lambda labels: labels - 1)),
    "E": ("normalised", Pipeline(boxes=lambda boxes: boxes / 256)),
}
LOOK = {
    "A": "A trains on boxes that reach beyond the picture: compare their range with the pictures' size.",
    "B": "B trains on what it should; look at the range of its scores.",
    "C": "C's boxes are of the right size and inside the picture; look where they lie.",
    "D": "D's boxes are right; compare its labels with the classes, and the words on its boxes.",
    "E": "E's boxes have a range that pixels do not have.",
}


def plant(letter: str = "") -> Pipeline:
    """The pipeline with the bug "A" ... "E" planted; without a letter the sound one."""
    return BUGS[letter][1] if letter else Pipeline()


def accept_names(names):
    """None if each letter has its bug; otherwise where to look again."""
    right = {letter: name for letter, (name, _) in BUGS.items()}
    if not isinstance(names, dict) or names.keys() != right.keys():
        return 'answer with all five letters, for instance {"A": "swapped", "B": "labels", ...}.'
    if unknown := set(names.values()) - set(right.values()):
        return f"{unknown.pop()!r} is none of {', '.join(sorted(right.values()))}."
    wrong = [letter for letter in right if names[letter] != right[letter]]
    return f"{len(wrong)} are not right yet. {LOOK[wrong[0]]}" if wrong else None


def soft_nms(decay, *, again=True):
    """Gaussian soft-NMS with this decay of an overlap; again: take the best of the decayed scores each time."""

    def softened(boxes, scores, sigma):
        scores, left = scores.clone(), list(range(len(scores)))
        order = scores.argsort(descending=True).tolist()
        while left:
            best = max(left, key=lambda index: scores[index]) if again else order[len(order) - len(left)]
            left.remove(best)
            for other in left:
                overlap = box_iou(boxes[best : best + 1], boxes[other : other + 1])[0, 0]
                scores[other] *= decay(overlap, sigma)
        return scores

    return softened


def gaussian(overlap, sigma):
    """The decay of arXiv 1704.04503, equation 3."""
    return torch.exp(-(overlap**2) / sigma)


OVERLAP = 4 * 6 / (8 * 6 + 6 * 12 - 4 * 6)
ANCHOR, DELTAS = torch.tensor([[16.0, 40.0, 48.0, 56.0]]), torch.tensor([[0.25, -0.5, math.log(2), 0.0]])
BOX = decode(DELTAS, ANCHOR)[0]
EASY_NO = focal_loss(torch.tensor([[[math.log(0.1 / 0.9)]]]), torch.tensor([[-1]])).item()
PLAIN = -math.log(0.9)
CROWD = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [0, 4, 10, 14], [30, 30, 40, 40], [31, 30, 41, 40]])
CASES = [
    (CROWD, torch.tensor([0.9, 0.8, 0.7, 0.6, 0.95]), 0.5),
    (CROWD.flip(0), torch.tensor([0.3, 0.9, 0.85, 0.8, 0.1]), 0.3),
]

EXERCISES = {
    "06.1": Exercise(
        OVERLAP,
        [
            (24 / (48 + 72), "the overlap was counted twice below the line: take it off once."),
            (24 / 48, "that is the share of the first box; IoU divides by what both cover together."),
            (24 / 72, "that is the share of the second box; IoU divides by what both cover together."),
            (24, "that is the overlap in square pixels; divide by the area that both cover together."),
            (4 / 10, "that is along x only; areas are asked for."),
        ],
        "overlap 4 × 6; areas 8 × 6 and 6 × 12; IoU = overlap / (both areas − overlap).",
        tolerance=5e-3,
    ),
    "06.2": Exercise(
        BOX,
        [
            (torch.tensor([24.0, 32.0, 56.0, 48.0]), "the shift is right; dw = log 2 makes the box twice as wide."),
            (torch.tensor([24.0, 32.0, 88.0, 48.0]), "it grows around its center, not from its left edge."),
            (torch.tensor([40.0, 40.0, 64.0, 16.0]), "that is center and sides; answer as xyxy."),
            (
                torch.tensor([0.25, 15.5, 64.25, 31.5]) + torch.tensor([0.0, 24, 0, 24]),
                "dx and dy count in sides of the anchor, not in pixels.",
            ),
            (torch.tensor([8.0, 56.0, 72.0, 40.0]), "top before bottom: y grows downwards, and dy = −0.5 moves up."),
            (torch.tensor([8.0, 40.0, 72.0, 56.0]), "dy = −0.5 moves the box up by half of the anchor's height."),
            (torch.tensor([40 - 16 * math.log(2), 32, 40 + 16 * math.log(2), 48]), "dw is a logarithm: e^dw."),
        ],
        "center + shift · side, then side · e^growth, then back to corners.",
    ),
    "06.3": Exercise(
        PLAIN / EASY_NO,
        [
            (EASY_NO, "that is the focal loss itself; how many times smaller than cross-entropy is it?"),
            (EASY_NO / PLAIN, "the other way round: cross-entropy over focal loss."),
            (0.1**-1.5, "you left out the weight of a “no”, 1 − α = 0.75."),
            (1 / (0.25 * 0.1**1.5), "α = 0.25 weighs a “yes”; a “no” weighs 1 − α."),
            (1 / (0.75 * 0.9**1.5), "the factor is 1 − p of the right answer: for this “no” 0.1, not 0.9."),
            (1 / (0.75 * 0.1**2), "that is RetinaNet's γ = 2; EfficientDet has 1.5."),
        ],
        "1 / ((1 − α) · 0.1^γ), with α = 0.25 and γ = 1.5; the logarithm stands in both.",
        tolerance=5e-3,
    ),
    "06.4": Exercise(
        {letter: name for letter, (name, _) in BUGS.items()},
        [
            ({"A": "swapped", "B": "sigmoid", "C": "resized", "D": "labels", "E": "normalised"}, "A and C"),
            ({"A": "resized", "B": "labels", "C": "swapped", "D": "sigmoid", "E": "normalised"}, "B and D"),
            ({"A": "normalised", "B": "sigmoid", "C": "swapped", "D": "labels", "E": "resized"}, "A and E"),
            (dict.fromkeys("ABCDE", "swapped"), "all the same"),
            ({"A": "resized"}, "one letter"),
            (dict.fromkeys("ABCDE", "softmax"), "no such bug"),
            (["resized", "sigmoid", "swapped", "labels", "normalised"], "no dictionary"),
        ],
        "see the hints of the check.",
        accept=accept_names,
    ),
    "06.5": Exercise(
        soft_nms(gaussian),
        [
            (lambda boxes, scores, sigma: scores, "these are the scores as they were."),
            (soft_nms(lambda overlap, sigma: torch.exp(-overlap / sigma)), "the overlap is squared: exp(−IoU² / σ)."),
            (soft_nms(lambda overlap, sigma: torch.exp(-(overlap**2) * sigma)), "divide by σ."),
            (soft_nms(lambda overlap, sigma: 1 - overlap), "that is the linear kind; the Gaussian is exp(−IoU² / σ)."),
            (soft_nms(lambda overlap, sigma: float(overlap < sigma)), "that is hard NMS; multiply by exp(−IoU² / σ)."),
            (soft_nms(gaussian, again=False), "after each round take the best of the scores as they are *now*."),
        ],
        "while boxes are left: take the best one out, multiply the others' scores by exp(−IoU² / σ) with it.",
        cases=CASES,
    ),
}
