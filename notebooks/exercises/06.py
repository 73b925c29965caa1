"""The exercises of notebook 06: right answers, the wrong ones that people give, and the hint for each.

The hunt of 06.4 draws its bugs by a seed, so its answer comes with the seed that it is for, as a `Told`.
"""

from effdet_lite.anchors import decode
from effdet_lite.losses import focal_loss
from effdet_lite.teach.kit.checks import Exercise, judge
from effdet_lite.teach.kit.plots import as_array
from effdet_lite.teach.nb.n06_hunt import Told, planted
from effdet_lite.teach.nb.n06_pipeline import HIDDEN, NAMED

import math

import numpy as np
import torch
from torchvision.ops import box_iou

EXAMPLE = (10.0, 20.0, 40.0, 60.0)  # the box of which 06.4 asks what the sixth bug makes
SIDE = 128
# What the sixth bug can be taken for, each with a hint: (what becomes of EXAMPLE, the hint).
TAKEN_FOR = (
    (EXAMPLE, "that is the box as it was; the sixth bug moves it."),
    ((20.0, 40.0, 80.0, 120.0), "that is twice the box: look whether its top left corner moves, too."),
    ((5.0, 10.0, 20.0, 30.0), "that is half of the box; the sixth bug is of another kind."),
    ((20.0, 10.0, 60.0, 40.0), "that is x and y swapped, which is one of the five named ones."),
    ((68.0, 88.0, 108.0, 118.0), "that is mirrored both ways, and x and y swapped; compare one axis at a time."),
    ((88.0, 68.0, 118.0, 108.0), "that is mirrored both ways; compare one axis at a time."),
    ((118.0, 20.0, 88.0, 60.0), "left of right: after mirroring, the old right side is the new left one."),
    ((10.0, 108.0, 40.0, 68.0), "top above bottom: turned over, the old bottom is the new top."),
)
LOOK = {
    "resized": "{} trains on boxes that reach beyond the picture: compare their range with its 128 px.",
    "sigmoid": "{} trains on what it should; look at the range of its scores.",
    "swapped": "{}'s boxes have the right size and lie inside the picture; compare their places with the objects'.",
    "labels": "{}'s boxes are right; compare its labels with the classes, and the words on its boxes.",
    "normalized": "{}'s boxes have a range that pixels do not have.",
}
FOUR = "write four numbers, [left, top, right, bottom]."
SIXTH = "{} has none of the five: draw it, and compare one box with its object. Then write what becomes of the box."


def accept_hunt(told):
    """None if each letter has its bug; otherwise where to look again."""
    if isinstance(told, dict):
        return 'hand the answer over with its hunt: check("06.4", hunt.told(answer)).'
    if not isinstance(told, Told) or not isinstance(told.answer, dict):
        return 'answer with a dictionary of all six letters, {"A": "swapped", "B": [10, 20, 40, 60], ...}.'
    right = planted(told.seed)
    answer = {str(letter).strip().upper(): told.answer[letter] for letter in told.answer}
    if missing := [letter for letter in right if answer.get(letter) is None]:
        return f"{', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no answer yet."
    if unknown := sorted(answer.keys() - right.keys()):
        return f"there is no pipeline {unknown[0]}; the letters are A to F."
    for letter, value in answer.items():
        if isinstance(value, str) and _name(value) not in NAMED:
            return f"{letter}: {value!r} is none of {', '.join(NAMED)}; for the sixth write what becomes of the box."
    wrong = [letter for letter, name in right.items() if not _is_right(answer[letter], name)]
    if not wrong:
        return None
    count = "one is not right yet" if len(wrong) == 1 else f"{len(wrong)} are not right yet"
    return f"{count}. {_hint(wrong[0], answer[wrong[0]], right[wrong[0]])}"


def _name(value):
    """A bug's name as it is kept; British spelling is fine."""
    return value.strip().lower().replace("normalised", "normalized")


def _as_box(value):
    """Four numbers as an array; None for anything else."""
    if isinstance(value, str):
        return None
    try:
        numbers = as_array(value).reshape(-1)
    except ValueError:  # lists of different lengths
        return None
    return numbers.astype(float) if numbers.shape == (4,) and numbers.dtype.kind in "fiu" else None


def example_after(name):
    """What the hidden bug of this name makes of EXAMPLE."""
    return HIDDEN[name](torch.tensor(EXAMPLE)).tolist()


def _is_right(value, name):
    if name in NAMED:
        return isinstance(value, str) and _name(value) == name
    box = _as_box(value)
    return box is not None and bool(np.allclose(box, example_after(name), atol=0.5))


def _hint(letter, value, name):
    """Where to look again for this letter, whose bug has this name."""
    if name in NAMED:
        return LOOK[name].format(letter)
    box = _as_box(value)
    if isinstance(value, str):
        return SIXTH.format(letter)
    if box is None:
        return f"{letter}: {FOUR}"
    for taken, hint in TAKEN_FOR:
        if np.allclose(box, taken, atol=0.5):
            return f"{letter}: {hint}"
    return f"{letter} is the sixth, but it makes something else of the box: find an object whose corners you can read."


def accept_box(answer):
    """None if this is 06.2's box, also as [1, 4], which is what `decode` gives for one anchor."""
    try:
        numbers = as_array(answer)
    except ValueError:  # lists of different lengths
        return FOUR
    if numbers.dtype.kind not in "OUS" and numbers.shape not in ((4,), (1, 4), (2,)):
        return FOUR
    verdict, hint = judge(DECODED, numbers[0] if numbers.shape == (1, 4) else answer)
    return None if verdict == "correct" else hint or FOUR


def soft_nms(decay, *, again=True, among="left"):
    """Gaussian soft-NMS with this decay of an overlap.

    again: take the best of the decayed scores each time. among: whose scores fade: those that are "left", "all"
    others, or "itself", too.
    """

    def softened(boxes, scores, sigma):
        scores, left = scores.clone(), list(range(len(scores)))
        order = scores.argsort(descending=True).tolist()
        while left:
            best = max(left, key=lambda index: scores[index]) if again else order[len(order) - len(left)]
            left.remove(best)
            others = {"left": left, "all": [n for n in range(len(scores)) if n != best], "itself": [best, *left]}
            for other in others[among]:
                overlap = box_iou(boxes[best : best + 1], boxes[other : other + 1])[0, 0]
                scores[other] *= decay(overlap, sigma)
        return scores

    return softened


def gaussian(overlap, sigma):
    """The decay of arXiv 1704.04503, equation 3."""
    return torch.exp(-(overlap**2) / sigma)


RIGHT = {letter: name if name in NAMED else example_after(name) for letter, name in planted(0).items()}
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

DECODED = Exercise(
    BOX,
    [
        ([24.0, 32.0, 56.0, 48.0], "the shift is right; dw = log 2 makes the box twice as wide."),
        ([24.0, 32.0, 88.0, 48.0], "it grows around its center, not from its left edge."),
        ([40.0, 40.0, 64.0, 16.0], "that is center and sides; answer as xyxy."),
        ([8.0, 32.0, 64.0, 16.0], "that is left, top, width and height; answer as xyxy."),
        ([32.0, 8.0, 48.0, 72.0], "that is yxyx; x comes first: left, top, right, bottom."),
        ([0.25, 39.5, 64.25, 55.5], "dx and dy count in sides of the anchor, not in pixels."),
        ([16.0, 32.0, 80.0, 48.0], "dx counts in the *anchor's* width, 32 px, not in the new one."),
        ([8.0, 28.0, 72.0, 60.0], "dh = 0 keeps the height: e^0 is 1; and dy moves by half of the anchor's height."),
        ([8.0, 24.0, 72.0, 56.0], "dh = 0 keeps the height: e^0 is 1."),
        ([8.0, 48.0, 72.0, 64.0], "y grows downwards, so dy = −0.5 moves the box up."),
        ([8.0, 48.0, 72.0, 32.0], "top before bottom: y grows downwards, and dy = −0.5 moves up."),
        ([8.0, 56.0, 72.0, 40.0], "top before bottom: y grows downwards, and dy = −0.5 moves up."),
        ([8.0, 40.0, 72.0, 56.0], "dy = −0.5 moves the box up by half of the anchor's height."),
        ([0.0, 32.0, 64.0, 48.0], "dx = 0.25 moves the box right by a quarter of the anchor's width."),
        ([16.0, 40.0, 48.0, 56.0], "that is the anchor; the four numbers move and stretch it."),
        ([40 - 16 * math.log(2), 32, 40 + 16 * math.log(2), 48], "dw is a logarithm: the width is 32 · e^dw."),
        (
            [40 - 16 * (1 + math.log(2)), 32, 40 + 16 * (1 + math.log(2)), 48],
            "dw is a logarithm: the width is 32 · e^dw, not 32 · (1 + dw).",
        ),
        (
            [40 - 16 * math.exp(math.log10(2)), 32, 40 + 16 * math.exp(math.log10(2)), 48],
            "log is the natural logarithm, so e^dw is 2.",
        ),
        ([40.0, 40.0], "that is the center; answer as xyxy."),
    ],
    "center + shift · side, then side · e^growth, then back to corners.",
)

EXERCISES = {
    "06.1": Exercise(
        OVERLAP,
        [
            (24 / (48 + 72), "that is 24 over 120; what both cover together is less: the overlap counts once."),
            (24 / (48 + 72 + 24), "take the overlap off once; it is in both areas."),
            (24 / 48, "that is 24 over 48, or y alone; IoU divides by what both cover together, 48 + 72 − 24."),
            (24 / 72, "that is 24 over 72; IoU divides by what both cover together, 48 + 72 − 24."),
            (96 / 24, "the other way round: overlap over what both cover."),
            (24, "that is the overlap in square pixels; divide by the area that both cover together."),
            (96, "that is what both cover together; the overlap, 24, goes over it."),
            (25, "as a number in 0–1: 25 % is 0.25."),
            (4 / 10, "that is along x only; areas are asked for."),
            (18 * 16 - 14 * 10, "areas are width times height: right − left, and bottom − top."),
            (1 - 24 / 96, "that is what they do not share; IoU is the share that they do."),
        ],
        "overlap 4 × 6; areas 8 × 6 and 6 × 12; IoU = overlap / (both areas − overlap).",
        tolerance=5e-3,
    ),
    "06.2": Exercise(BOX, DECODED.mistakes, DECODED.otherwise, accept=accept_box),
    "06.3": Exercise(
        PLAIN / EASY_NO,
        [
            (EASY_NO, "that is the focal loss itself; how many times smaller than cross-entropy is it?"),
            (PLAIN, "that is the cross-entropy; how many times larger is it than the focal loss?"),
            (PLAIN - EASY_NO, "that is the difference; how many *times* smaller is asked for."),
            (EASY_NO / PLAIN, "the other way round: cross-entropy over focal loss."),
            (100 * EASY_NO / PLAIN, "that is the focal loss in percent; how many times smaller is it?"),
            (32, "you left out the weight of a “no”, 1 − α = 0.75."),
            (0.1**-1.5, "you left out the weight of a “no”, 1 − α = 0.75."),
            (0.75 / 0.1**1.5, "the weight makes the focal loss smaller, too: divide by 0.75 · 0.1^1.5."),
            (1 / 0.75, "that is the weight alone; (1 − p)^γ comes on top."),
            (1 / (0.75 * 0.1), "the factor is (1 − p) to the power of γ = 1.5."),
            (1 / (0.25 * 0.1**1.5), "α = 0.25 weighs a “yes”; a “no” weighs 1 − α."),
            (1 / (0.75 * 0.9**1.5), "p belongs to the *right* answer, here “no”: p = 0.9, so 1 − p = 0.1."),
            (1 / (0.25 * 0.9**1.5), "the right answer is “no”: p = 0.9, and the weight is 1 − α."),
            (1 / (0.75 * 0.1**2), "that is RetinaNet's γ = 2; EfficientDet has 1.5."),
            (1 / (0.75 * 0.01**1.5), "that is for a score of 0.01; here it is 0.1."),
        ],
        "1 / ((1 − α) · (1 − p)^γ) with p = 0.9, α = 0.25 and γ = 1.5; the logarithm stands in both.",
        tolerance=5e-3,
    ),
    "06.4": Exercise(
        Told(0, RIGHT),
        [
            (Told(0, RIGHT | {"D": "resized", "E": "swapped"}), "D and E"),
            (Told(0, RIGHT | {"A": "resized", "E": "normalized"}), "A and E"),
            (Told(0, RIGHT | {"B": "labels", "F": "sigmoid"}), "B and F"),
            (Told(0, dict.fromkeys("ABCDEF", "swapped")), "all the same"),
            (Told(0, {"A": "resized"}), "one letter"),
            (Told(0, dict.fromkeys("ABCDEF", "softmax")), "no such bug"),
            (Told(0, RIGHT | {"C": "mirrored"}), "a name for the sixth"),
            (Told(0, RIGHT | {"C": "swapped"}), "a named bug for the sixth"),
            (Told(0, RIGHT | {"C": [10, 20, 40]}), "three numbers"),
            (Told(0, RIGHT | {"C": [10, 108, 40, 68]}), "top below bottom"),
            (Told(0, RIGHT | {"C": [88, 20, 118, 60]}), "another hidden bug"),
            (Told(0, RIGHT | {"C": [10, 20, 40, 60]}), "unchanged"),
            (Told(0, RIGHT | {"G": "labels"}), "a seventh letter"),
            (Told(1, RIGHT), "the answer to another seed"),
            (Told(0, list(RIGHT.values())), "no dictionary"),
            (RIGHT, "without its hunt"),
        ],
        "see the hints of the check.",
        accept=accept_hunt,
    ),
    "06.5": Exercise(
        soft_nms(gaussian),
        [
            (lambda boxes, scores, sigma: scores, "these are the scores as they were."),
            (soft_nms(lambda overlap, sigma: torch.exp(-overlap / sigma)), "the overlap is squared: exp(−IoU² / σ)."),
            (soft_nms(lambda overlap, sigma: torch.exp(-(overlap**2) * sigma)), "divide by σ."),
            (soft_nms(lambda overlap, sigma: 1 - overlap), "that is the linear kind; the Gaussian is exp(−IoU² / σ)."),
            (soft_nms(lambda overlap, sigma: float(overlap < sigma)), "that is hard NMS; multiply by exp(−IoU² / σ)."),
            (
                soft_nms(lambda overlap, sigma: torch.exp(-(overlap**2) / (2 * sigma**2))),
                "σ stands alone below: exp(−IoU² / σ).",
            ),
            (
                soft_nms(lambda overlap, sigma: 1 - gaussian(overlap, sigma)),
                "that is what is lost: multiply by exp(−IoU² / σ).",
            ),
            (soft_nms(lambda overlap, sigma: gaussian(overlap, 2 * sigma)), "divide by σ, not by 2 σ."),
            (soft_nms(lambda overlap, sigma: gaussian(overlap, sigma**2)), "divide by σ, not by its square."),
            (soft_nms(gaussian, among="all"), "only boxes that are *left* fade, not those that were taken out before."),
            (soft_nms(gaussian, among="itself"), "the best box keeps its score: take it out first."),
            (
                lambda boxes, scores, sigma: soft_nms(gaussian)(boxes, scores, sigma).sort(descending=True).values,
                "these are sorted; return them in the order in which the boxes came.",
            ),
            (
                lambda boxes, scores, sigma: scores * (soft_nms(gaussian)(boxes, scores, sigma) == scores),
                "no score becomes 0; multiply by exp(−IoU² / σ).",
            ),
            (soft_nms(gaussian, again=False), "after each round take the best of the scores as they are *now*."),
        ],
        "while boxes are left: take the best one out, multiply the others' scores by exp(−IoU² / σ) with it.",
        cases=CASES,
    ),
}
