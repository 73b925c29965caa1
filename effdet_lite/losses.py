"""The two losses of a detector: focal loss for the classes, Huber loss for the boxes.

Focal loss: arXiv 1708.02002, equation 5. Constants and normalizers: official EfficientDet code
(effdet/loss.py).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from effdet_lite.anchors import Matches


class Losses(NamedTuple):
    """total = class_loss + box_weight * box_loss; each a scalar."""

    total: Tensor
    class_loss: Tensor
    box_loss: Tensor


def focal_loss(logits: Tensor, labels: Tensor, alpha: float = 0.25, gamma: float = 1.5) -> Tensor:
    """Sum over all anchors and classes. logits [N, A, K]; labels [N, A]: a class, or -1 for
    background.

    Each class is a yes-or-no question of its own. What the model already gets right weighs little:
    a factor (1 - p of the right answer)^gamma. "Yes" weighs alpha, "no" 1 - alpha.
    """
    # Almost every answer is "no": take that for all of them, then mend the few that are "yes".
    total = ((1 - alpha) * logits.sigmoid().pow(gamma) * F.softplus(logits)).sum()
    positive = labels >= 0
    right = labels[positive, None]  # [positives, 1]
    if len(right) and right.max() >= logits.shape[-1]:
        raise ValueError(
            f"labels must be 0 to {logits.shape[-1] - 1}, one of the model's classes, got {right.max()}."
        )
    asked = logits[positive].gather(1, right)
    yes = alpha * (-asked).sigmoid().pow(gamma) * F.softplus(-asked)
    no = (1 - alpha) * asked.sigmoid().pow(gamma) * F.softplus(asked)
    return total + (yes - no).sum()


def box_loss(deltas: Tensor, matches: Matches, delta: float = 0.1) -> Tensor:
    """Huber loss summed over the coordinates of the anchors that have an object. deltas [N, A, 4].

    The reference leaves out each single coordinate whose target is exactly 0, which punishes a
    perfect anchor for nothing; here a matched anchor counts with all four.
    """
    positive = matches.labels >= 0
    return F.huber_loss(deltas[positive], matches.deltas[positive], reduction="sum", delta=delta)


def detection_loss(
    class_logits: Tensor,
    box_deltas: Tensor,
    matches: Matches,
    *,
    normalizer: Tensor | None = None,
    alpha: float = 0.25,
    gamma: float = 1.5,
    delta: float = 0.1,
    box_weight: float = 50.0,
) -> Losses:
    """EfficientDet's loss of a batch. class_logits [N, A, K], box_deltas [N, A, 4].

    normalizer: both losses are divided by it; by default the matched anchors of the batch plus 1,
        so that a batch without objects is legal. The box loss is divided by 4 besides, one for each
        coordinate.
    """
    if normalizer is None:
        normalizer = (matches.labels >= 0).sum() + 1
    # Half precision cannot hold a sum over a hundred thousand anchors.
    with torch.autocast(class_logits.device.type, enabled=False):
        classes = focal_loss(class_logits.float(), matches.labels, alpha, gamma) / normalizer
        boxes = box_loss(box_deltas.float(), matches, delta) / (4 * normalizer)
    return Losses(classes + box_weight * boxes, classes, boxes)
