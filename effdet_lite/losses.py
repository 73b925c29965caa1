"""The two losses of a detector: focal loss for the classes, Huber loss for the boxes.

Focal loss: arXiv 1708.02002, equation 5. Constants and normalizers: official EfficientDet code
(effdet/loss.py).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from effdet_lite.anchors import Matches
from effdet_lite.arguments import not_negative, positive_number, share

# One coordinate counts as much as fifty class answers (official code, `box_loss_weight`).
BOX_WEIGHT = 50.0


class Losses(NamedTuple):
    """total = class_loss + BOX_WEIGHT * box_loss; each a scalar."""

    total: Tensor
    class_loss: Tensor
    box_loss: Tensor


def focal_loss(logits: Tensor, labels: Tensor, alpha: float = 0.25, gamma: float = 1.5) -> Tensor:
    """Focal loss, summed over all anchors and classes.

    Each class is a yes-or-no question of its own, with a target of 1 or 0. What the model already
    gets right weighs little: a factor (1 - p)^gamma, where p is the probability of the right
    answer. A positive answer weighs alpha, a negative one 1 - alpha.

    Args:
        logits: [N, A, K].
        labels: [N, A], a class from 0 to K - 1, or -1 for background.
        alpha: from 0 to 1.
        gamma: 0 (no focus) or more.

    Raises:
        ValueError: for a label that is none of the K classes, labels of another shape than the
        logits, or an alpha or gamma out of range.
    """
    alpha, gamma = share("alpha", alpha), not_negative("gamma", gamma)
    if labels.shape != logits.shape[:-1]:
        raise ValueError(
            "logits must be [N, A, K] and labels [N, A], got "
            f"{list(logits.shape)} and {list(labels.shape)}."
        )
    # Of the N * A * K targets all but a few hundred are 0. So first comes the loss as if all were:
    all_negative = _binary_focal(-logits, gamma).sum() * (1 - alpha)
    has_object = labels >= 0
    target = labels[has_object, None]  # [P, 1], the class of each anchor with an object
    if len(target) and target.max() >= logits.shape[-1]:
        raise ValueError(
            f"labels must be 0 to {logits.shape[-1] - 1}, one of the model's classes, got "
            f"{target.max()}."
        )
    # Then each target that is 1 gets its own term in place of the one that it got above.
    logit = logits[has_object].gather(1, target)  # [P, 1]
    as_positive = alpha * _binary_focal(logit, gamma)
    as_negative = (1 - alpha) * _binary_focal(-logit, gamma)
    return all_negative + (as_positive - as_negative).sum()


def _binary_focal(logit: Tensor, gamma: float) -> Tensor:
    """(1 - p)^gamma * -log(p), where p = sigmoid(logit) is the probability of the right answer."""
    cross_entropy = F.softplus(-logit)  # -log(p), without a logarithm of 0
    if gamma == 0:
        return cross_entropy
    # A power below 1 is infinitely steep at 0, and infinity times 0 is not a number.
    least = torch.finfo(logit.dtype).tiny
    return torch.sigmoid(-logit).clamp(min=least).pow(gamma) * cross_entropy


def box_loss(deltas: Tensor, matches: Matches, delta: float = 0.1) -> Tensor:
    """Huber loss, summed over the four coordinates of the anchors that have an object.

    The reference leaves out each single coordinate whose target is exactly 0, which punishes a
    perfect anchor for nothing; here a matched anchor counts with all four.

    Args:
        deltas: [N, A, 4], what the model answers.
        matches: what it should answer.
        delta: where the loss turns from a square into a line; above 0.

    Raises:
        ValueError: for a delta that is not positive, or deltas of another shape than the matches.
    """
    delta = positive_number("delta", delta)
    if deltas.shape != matches.deltas.shape:
        raise ValueError(
            f"deltas are {list(deltas.shape)} and those of matches {list(matches.deltas.shape)}: "
            "pass both of the same images and anchors."
        )
    positive = matches.labels >= 0
    target = matches.deltas[positive].to(deltas.dtype)
    return F.huber_loss(deltas[positive], target, reduction="sum", delta=delta)


def detection_loss(
    class_logits: Tensor,
    box_deltas: Tensor,
    matches: Matches,
    *,
    normalizer: Tensor | float | None = None,
    alpha: float = 0.25,
    gamma: float = 1.5,
    delta: float = 0.1,
    box_weight: float = BOX_WEIGHT,
) -> Losses:
    """EfficientDet's loss of a batch.

    Args:
        class_logits, box_deltas: [N, A, K] and [N, A, 4], what the model answers.
        matches: what it should answer.
        normalizer: both losses are divided by it; by default the matched anchors of the batch plus
            1, so that a batch without objects is legal. The box loss is divided by 4 besides, one
            for each coordinate.
        alpha, gamma: of the focal loss. delta: of the box loss. box_weight: of it in the total, 0
            or more.

    Raises:
        ValueError: as `focal_loss` and `box_loss` do, and for a box_weight below 0 or a normalizer
        that is not positive.
    """
    box_weight = not_negative("box_weight", box_weight)
    if normalizer is None:
        normalizer = (matches.labels >= 0).sum() + 1
    elif not isinstance(normalizer, Tensor):
        normalizer = positive_number("normalizer", normalizer)
    # Half precision cannot hold a sum over a hundred thousand anchors.
    with torch.autocast(class_logits.device.type, enabled=False):
        class_logits, box_deltas = _at_least_single(class_logits), _at_least_single(box_deltas)
        class_loss = focal_loss(class_logits, matches.labels, alpha, gamma) / normalizer
        coordinates = 4 * normalizer
        mean_box_loss = box_loss(box_deltas, matches, delta) / coordinates
    return Losses(class_loss + box_weight * mean_box_loss, class_loss, mean_box_loss)


def _at_least_single(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
