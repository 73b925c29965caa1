"""From a detector's answers to its detections: the best candidates, and of those that overlap the
best again.

Source: effdet/bench.py, `_post_process`.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image, nms

from effdet_lite.anchors import decode
from effdet_lite.arguments import share, whole_number

# Boxes that non-maximum suppression sees: the best of all (anchor, class) pairs (official code,
# MAX_DETECTION_POINTS).
CANDIDATES = 5000


class Candidates(NamedTuple):
    """What suppression chooses from, in each image the best first.

    boxes [N, n, 4], xyxy in pixels; scores [N, n] in 0-1; labels [N, n].
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor


def postprocess(
    class_logits: Tensor,
    box_deltas: Tensor,
    anchors: Tensor,
    size: tuple[int, int],
    score_threshold: float = 0.05,
    iou_threshold: float = 0.5,
    max_detections: int = 100,
) -> list[dict[str, Tensor]]:
    """`EfficientDet.decode` for any anchors. effdet/bench.py, `_post_process`.

    class_logits [N, A, K], box_deltas [N, A, 4], anchors [A, 4]; size: (height, width) that the
    boxes are clipped to. Raises ValueError for a limit that cannot be meant; see `check_limits`.
    """
    found = best_pairs(class_logits, box_deltas, anchors, size)
    return suppress(found, score_threshold, iou_threshold, max_detections)


def best_pairs(
    class_logits: Tensor, box_deltas: Tensor, anchors: Tensor, size: tuple[int, int]
) -> Candidates:
    """The best (anchor, class) pairs of each image, at most CANDIDATES, as boxes inside the image.

    class_logits [N, A, K], box_deltas [N, A, 4], anchors [A, 4]; size: (height, width) in pixels.
    """
    images, anchor_count, classes = class_logits.shape
    # An anchor whose best class is not among the best anchors has no pair among the best pairs: so
    # first the anchors.
    strongest = class_logits.amax(2).topk(min(CANDIDATES, anchor_count)).indices  # [N, n]
    logits = class_logits.gather(1, strongest[..., None].expand(-1, -1, classes))  # [N, n, K]
    pairs = min(CANDIDATES, logits.shape[1] * classes) if images else 0
    best, pair = logits.flatten(1).topk(pairs)  # [N, pairs] each
    anchor = strongest.gather(1, pair // classes)
    deltas = box_deltas.float().gather(1, anchor[..., None].expand(-1, -1, 4))
    boxes = clip_boxes_to_image(decode(deltas, anchors[anchor]), tuple(size))
    return Candidates(boxes, best.float().sigmoid(), pair % classes)


def suppress(
    candidates: Candidates, score_threshold: float, iou_threshold: float, max_detections: int
) -> list[dict[str, Tensor]]:
    """Of candidates of one class that overlap by more than iou_threshold only the best; of what is
    left at most max_detections an image. See `EfficientDet.detect`.

    Raises ValueError for a limit that cannot be meant; see `check_limits`.
    """
    check_limits(score_threshold, iou_threshold, max_detections)
    detections = []
    for boxes, scores, labels in zip(*candidates, strict=True):
        confident = scores >= score_threshold
        boxes, scores, labels = boxes[confident], scores[confident], labels[confident]
        kept = nms_by_class(boxes, scores, labels, iou_threshold)[:max_detections]
        detections.append({"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept]})
    return detections


def check_limits(score_threshold: float, iou_threshold: float, max_detections: int) -> None:
    """Raise a ValueError unless both thresholds lie in 0-1 and max_detections is a whole number of
    at least 1.
    """
    share("score_threshold", score_threshold)
    share("iou_threshold", iou_threshold)
    whole_number("max_detections", max_detections)


def nms_by_class(boxes: Tensor, scores: Tensor, labels: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes [n, 4] that non-maximum suppression keeps in each class by itself.

    The boxes come best first, and so do the indices. torchvision's `batched_nms` moves the classes
    apart by a distance that the boxes' float32 coordinates then have to hold besides, so that what
    it keeps may depend on a class's number.
    """
    by_class = labels.argsort(stable=True)
    counts = labels.bincount().tolist()
    kept = [
        members[nms(boxes[members], scores[members], iou_threshold)]
        for members in by_class.split(counts)
        if len(members)
    ]
    return torch.cat(kept).sort().values if kept else by_class
