"""The exercises of notebook 08: right answers, the wrong ones that people give, and the hint for each."""

from effdet_lite.anchors import ANCHORS_PER_POSITION, grid, iou
from effdet_lite.data import ShapesDetection
from effdet_lite.losses import focal_loss
from effdet_lite.teach.kit.checks import Exercise
from effdet_lite.teach.nb.n08_clinic import Told, admitted
from effdet_lite.teach.nb.n08_sick import FAULTS

import math

import torch
from torch.nn.utils import clip_grad_norm_

SIDE, COVERED, MOST_ANCHORS = 256, 0.98, 15_000
OBJECTS = 2 * torch.cat([ShapesDetection("train")[index][1]["boxes"].as_subclass(torch.Tensor) for index in range(100)])

ANCHORS = len(grid(128, 128, (2, 3, 4, 5, 6), 2.0))
CLASSES, POSITIVE = 4, 150
ALL_NO = torch.full((1, ANCHORS), -1)
UNSURE = focal_loss(torch.zeros(1, ANCHORS, CLASSES), ALL_NO, alpha=0.5, gamma=1.5).item() / (POSITIVE + 1)

HALF_LIFE = math.log(0.5) / math.log(0.998)

FORM = 'answer with a dictionary of all six letters, {"A": "high rate", "B": "no prior", ...}.'
# Which test tells each fault from the others.
LOOK = {
    "high rate": "{}: look how far its weights moved, and compare with a sound training.",
    "low rate": "{}: look how far its weights moved; is its first loss in order, and its batches?",
    "no prior": "{}: look at its class loss at step 1, and at section 4.",
    "kept gradients": "{}: look at the length of its gradient, from step to step.",
    "evaluation mode": "{}: have its running statistics moved at all?",
    "slow statistics": "{}: compare its AP50 as it is with its AP50 when it is recalibrated.",
    "one picture": "{}: look at two of its batches, and count different pictures.",
    "random labels": "{}: look at two of its batches, and read the names at the boxes.",
    "flipped pictures": "{}: look at two of its batches: does each box lie on its shape?",
    "no box loss": "{}: look at its class loss and its box loss apart from each other.",
}


def accept_anchors(answer):
    """None if these levels and this scale fulfill what 08.1 asks; otherwise what is missing."""
    try:
        (finest, coarsest), scale = answer
        levels = tuple(range(int(finest), int(coarsest) + 1))
    except (TypeError, ValueError):
        return "answer with ((finest level, coarsest level), scale), for instance ((3, 7), 4.0)."
    if not levels or min(levels) < 1 or not scale > 0:
        return "the finest level comes first, counts from 1, and the scale is positive."
    if SIDE % 2 ** max(levels):
        return f"P{max(levels)} asks for sides that are multiples of {2 ** max(levels)}; these pictures have {SIDE}."
    anchors = grid(SIDE, SIDE, levels, float(scale))
    if len(anchors) > MOST_ANCHORS:
        return f"these are {len(anchors):,} anchors; the finest level alone has three quarters of them."
    best = iou(OBJECTS, anchors).amax(1)
    if (covered := (best >= 0.5).float().mean().item()) < COVERED:
        sides = (OBJECTS[:, 2:] - OBJECTS[:, :2]).amax(1)[best < 0.5]
        return f"{covered:.0%} of the objects have an anchor; those without are around {sides.median():.0f} px large."
    return None


def accept_clinic(told):
    """None if each patient has its fault; otherwise which test to order."""
    if isinstance(told, dict):
        return 'hand the diagnoses over with their clinic: check("08.5", clinic.told(answer)).'
    if not isinstance(told, Told) or not isinstance(told.answer, dict):
        return FORM
    right = admitted(told.seed)
    answer = {str(letter).strip().upper(): told.answer[letter] for letter in told.answer}
    if unknown := sorted(answer.keys() - right.keys()):
        return f"there is no patient {unknown[0]}; the letters are A to F."
    if missing := [letter for letter in right if answer.get(letter) is None]:
        return f"{', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no diagnosis yet."
    names = {letter: str(value).strip().lower() for letter, value in answer.items()}
    for letter, name in names.items():
        if name not in FAULTS:
            return f"{letter}: {answer[letter]!r} is none of {', '.join(FAULTS)}."
    wrong = [letter for letter, name in right.items() if names[letter] != name]
    if not wrong:
        return None
    count = "one is not right yet" if len(wrong) == 1 else f"{len(wrong)} are not right yet"
    return f"{count}. {LOOK[right[wrong[0]]].format(wrong[0])}"


def torch_clip(gradients, most):
    """torch's own clipping, on copies."""
    parameters = [torch.zeros_like(gradient).requires_grad_() for gradient in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    clip_grad_norm_(parameters, most)
    return [parameter.grad for parameter in parameters]


def norm_of(gradients):
    """The length of all gradients as one vector."""
    return torch.cat([gradient.flatten() for gradient in gradients]).norm()


EXERCISES = {
    "08.1": Exercise(
        ((3, 7), 2.0),
        [
            (((2, 6), 2.0), "too many anchors"),
            (((3, 7), 4.0), "small objects have none"),
            (((4, 7), 2.0), "small objects have none"),
            (((3, 4), 2.0), "large objects have none"),
            (((3, 9), 2.0), "does not divide"),
            (((7, 3), 2.0), "the wrong way round"),
            (4.0, "no levels"),
        ],
        "see the hints of the check.",
        accept=accept_anchors,
    ),
    "08.2": Exercise(
        UNSURE,
        [
            (UNSURE * (POSITIVE + 1), "that is the sum; it is divided by the matched anchors plus 1."),
            (UNSURE / CLASSES, "each anchor answers a question for each of the 4 classes."),
            (UNSURE / ANCHORS_PER_POSITION, "there are nine anchors at each position."),
            (2 * UNSURE, "“no” weighs 1 − α, and α is 0.5 here."),
            (UNSURE * 2**1.5, "that is without the factor (1 − p of the right answer)^γ = 0.5^1.5."),
            (UNSURE * 2**1.5 * 2, "that is plain cross-entropy; the two factors of the focal loss make it smaller."),
            (UNSURE / math.log(2), "−ln 0.5 is 0.69, and stands in every answer's loss."),
            (math.log(2), "that is the cross-entropy of one answer; the loss is a sum over all of them."),
        ],
        "answers · (1 − α) · 0.5^γ · ln 2 / (matched + 1), where answers = anchors · classes.",
        tolerance=0.01,
    ),
    "08.3": Exercise(
        HALF_LIFE,
        [
            (1 / (1 - 0.998), "that is the mean age of what the average holds; the half-life is ln 2 of it, roughly."),
            (250, "0.998ⁿ falls by a factor, not by a constant: 250 steps leave 0.998^250 = 0.61."),
            (500, "that is the mean age of what the average holds; the half-life is ln 2 of it, roughly."),
            (math.log(0.5) / math.log(0.98), "that is for a decay of 0.98."),
            (-HALF_LIFE, "the sign: both logarithms are negative."),
            (1 / HALF_LIFE, "the other way round: ln 0.5 over ln 0.998."),
        ],
        "solve 0.998ⁿ = 0.5 for n.",
        tolerance=0.005,
    ),
    "08.4": Exercise(
        torch_clip,
        [
            (
                lambda gradients, most: [gradient.clamp(-most, most) for gradient in gradients],
                "that cuts each number on its own, which turns the direction; scale all of them alike.",
            ),
            (
                lambda gradients, most: [gradient * min(1, most / gradient.norm()) for gradient in gradients],
                "one norm for all tensors together, so that their ratio stays.",
            ),
            (
                lambda gradients, most: [gradient * most / norm_of(gradients) for gradient in gradients],
                "a gradient that is short enough stays as it is.",
            ),
            (
                lambda gradients, most: [gradient * min(1, most / norm_of(gradients) ** 2) for gradient in gradients],
                "the norm is the square root of the sum of squares.",
            ),
            (
                lambda gradients, most: [
                    gradient * min(1, most / sum(one.norm() for one in gradients)) for gradient in gradients
                ],
                "the norms of the tensors do not add up; their squares do.",
            ),
            (lambda gradients, most: list(gradients), "these are the gradients as they were."),
        ],
        "scale every tensor by most / norm if the norm of all numbers together is larger than most.",
        cases=[
            ([torch.tensor([3.0, 4.0]), torch.tensor([[12.0]])], 1.0),
            ([torch.tensor([0.3, -0.4]), torch.tensor([[0.0, 1.2]])], 2.0),
            ([torch.zeros(2), torch.zeros(1, 2)], 1.0),
        ],
    ),
    "08.5": Exercise(
        Told(0, admitted(0)),
        [
            (Told(0, admitted(0) | {"A": "high rate"}), LOOK["one picture"].format("A")),
            (Told(0, admitted(0) | {"F": "high rate"}), LOOK["kept gradients"].format("F")),
            (Told(0, admitted(0) | {"E": "low rate"}), LOOK["evaluation mode"].format("E")),
            (Told(0, {"A": "one picture"}), "B, C, D, E, F have no diagnosis yet"),
            (Told(0, admitted(0) | {"B": "flu"}), "is none of"),
            (Told(0, admitted(0) | {"G": "high rate"}), "there is no patient G"),
            (Told(0, "high rate"), FORM),
            (admitted(0), "clinic.told(answer)"),
        ],
        "see the hints of the check.",
        accept=accept_clinic,
    ),
}
