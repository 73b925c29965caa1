"""Anchors: boxes on a grid, which of them answers for which object, and boxes as offsets from
anchors.

EfficientDet's anchors and its matching follow RetinaNet (arXiv 1708.02002, section 4); the numbers
are those of the official checkpoints (effdet/anchors.py). All boxes are xyxy in pixels.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from effdet_lite.arguments import positive_number, positive_share, whole_number

OCTAVES = (0, 1 / 3, 2 / 3)
# (width, height) factors. The official code has 1.4 and 0.7 where the exact 1:2 box of equal area
# would have sqrt(2).
ASPECTS = ((1.0, 1.0), (1.4, 0.7), (0.7, 1.4))
ANCHORS_PER_POSITION = len(OCTAVES) * len(ASPECTS)


def anchor_grid(
    height: int, width: int, levels: Sequence[int], scale: float, device: torch.device | str = "cpu"
) -> Tensor:
    """All anchors of an image, [A, 4]: levels fine to coarse, then rows, columns, and the nine
    shapes (scale outer).

    height, width: of the image in pixels. scale: side of a level's smallest square anchor, in
    strides of that level. Raises ValueError for sizes and scales that are not positive, and for
    levels that are not whole numbers from 0 to 30.
    """
    height, width = whole_number("height", height), whole_number("width", width)
    scale = positive_number("scale", scale)
    levels = [whole_number("each of levels", level, least=0, most=30) for level in levels]
    boxes = [level_anchors(height, width, level, scale) for level in levels]
    # A copy for each caller, who may write into it.
    return torch.tensor(np.concatenate(boxes), device=device)


@lru_cache(maxsize=64)
def level_anchors(height: int, width: int, level: int, scale: float) -> np.ndarray:
    """The anchors of one level, float32 [rows * columns * 9, 4].

    A level with stride s has them centered at (i + 1/2) s, with sides
    scale * s * 2^octave * aspect. Arguments as in `anchor_grid`, which checks them.
    """
    rows, columns = math.ceil(height / 2**level), math.ceil(width / 2**level)
    stride = np.array([width / columns, height / rows])  # (x, y), in pixels
    y, x = np.mgrid[:rows, :columns] + 0.5
    centers = np.stack([x, y], -1)[:, :, None] * stride  # [rows, columns, 1, 2]
    factors = 2 ** np.array(OCTAVES)[:, None, None] * np.array(ASPECTS)  # [octave, aspect, 2]
    half = scale * factors.reshape(-1, 2) * stride / 2  # [9, 2]
    boxes = np.concatenate([centers - half, centers + half], -1)  # [rows, columns, 9, 4]
    boxes = boxes.reshape(-1, 4).astype(np.float32)
    boxes.setflags(write=False)  # the cache hands out the same array again
    return boxes


grid = anchor_grid  # `anchors.grid`, where the module's name says the rest


def iou(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Intersection over union. boxes [..., M, 4], anchors [..., A, 4] -> [..., M, A]; 0 where a box
    has no area. Raises ValueError for boxes without four coordinates.
    """
    overlap = intersection(boxes, anchors)
    union = area(boxes)[..., :, None] + area(anchors)[..., None, :] - overlap
    return overlap / union.clamp(min=1e-8)


def area(boxes: Tensor) -> Tensor:
    """boxes [..., 4] -> [...], in square pixels."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return (x2 - x1) * (y2 - y1)


def intersection(boxes: Tensor, anchors: Tensor) -> Tensor:
    """The area that each box shares with each anchor: [..., M, 4], [..., A, 4] -> [..., M, A].

    Raises ValueError for boxes without four coordinates.
    """
    _check_coordinates(boxes, anchors)
    x1, y1, x2, y2 = boxes[..., None].unbind(-2)  # [..., M, 1]
    # Contiguous, for the next four lines read each of these M times. [..., 1, A]
    left, top, right, bottom = anchors[..., None, :, :].movedim(-1, 0).contiguous()
    overlap_x = (torch.minimum(x2, right) - torch.maximum(x1, left)).clamp(min=0)
    overlap_y = (torch.minimum(y2, bottom) - torch.maximum(y1, top)).clamp(min=0)
    return overlap_x * overlap_y


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Boxes as offsets from anchors, both [..., 4] -> (dx, dy, dw, dh): center in anchor sides,
    sides as logarithms. Raises ValueError for boxes without four coordinates.
    """
    _check_coordinates(boxes, anchors)
    center, side = _center_side(boxes)
    anchor_center, anchor_side = _center_side(anchors)
    # The official box coder adds 1e-7 to both sides, so that a box without area has finite offsets.
    side, anchor_side = side + 1e-7, anchor_side + 1e-7
    return torch.cat([(center - anchor_center) / anchor_side, (side / anchor_side).log()], -1)


def decode(deltas: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of `encode`: deltas [..., 4] and anchors [..., 4] -> boxes [..., 4].

    Raises ValueError for deltas or boxes without four numbers.
    """
    _check_coordinates(deltas, anchors)
    anchor_center, anchor_side = _center_side(anchors)
    shift, growth = deltas.chunk(2, -1)
    center = anchor_center + shift * anchor_side
    half = growth.exp() * anchor_side / 2
    return torch.cat([center - half, center + half], -1)


class Matches(NamedTuple):
    """What each anchor should say. labels [N, A]: its object's class, or -1. deltas [N, A, 4]: 0
    where label is -1.
    """

    labels: Tensor
    deltas: Tensor


def match(
    anchors: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor], threshold: float = 0.5
) -> Matches:
    """Assign objects to anchors, one image after the other. `matching.fast_match` is as this, and
    faster.

    An anchor answers for the object that it overlaps most, if that IoU reaches `threshold`;
    besides, each object has the anchor that overlaps it most (of several such objects the first
    wins). All others are background; there is no band of ignored anchors (effdet/anchors.py,
    `AnchorLabeler`). An object that overlaps no anchor at all is left out, where the reference
    would give it anchor 0, far away; and so is one with a label below 0.

    Args:
        anchors: [A, 4].
        boxes, labels: for each of N images [n_i, 4] and [n_i]; n_i may be 0.
        threshold: above 0, at most 1.

    Raises:
        ValueError: when boxes and labels do not belong together, labels are not whole numbers, or
        the threshold is out of range.
    """
    check_objects(boxes, labels, threshold)
    matched = Matches(
        torch.full((len(labels), len(anchors)), -1, device=anchors.device),
        anchors.new_zeros(len(labels), len(anchors), 4),
    )
    for image, (objects, classes) in enumerate(zip(boxes, labels, strict=True)):
        known = classes >= 0
        if not known.any():
            continue
        objects, classes = objects[known].to(anchors), classes[known].to(matched.labels)
        overlap = iou(objects, anchors).nan_to_num(0)  # [n, A]
        # Of each anchor: its largest overlap, and the object that it would answer for. [A] each.
        largest, answers_for = overlap.max(0)
        positive = largest >= threshold  # [A]
        # Then each object takes its best anchor, however little the two overlap. The last object
        # goes first, so that of several with one best anchor the first has it in the end.
        for index in reversed(range(len(objects))):
            best = overlap[index].argmax()
            if overlap[index, best] > 0:
                positive[best] = True
                answers_for[best] = index
        target = answers_for[positive]  # [P], the object of each positive anchor
        matched.labels[image, positive] = classes[target]
        matched.deltas[image, positive] = encode(objects[target], anchors[positive])
    return matched


def check_objects(boxes: Sequence[Tensor], labels: Sequence[Tensor], threshold: float) -> None:
    """Raise a ValueError unless each image has as many boxes as labels, the labels are whole
    numbers, and 0 < threshold <= 1.
    """
    if len(boxes) != len(labels) or not all(map(_belong_together, boxes, labels)):
        raise ValueError(
            "for each image give boxes [n, 4] and labels [n]; got "
            f"{[list(x.shape) for x in boxes]} and {[list(x.shape) for x in labels]}."
        )
    for image_labels in labels:
        if len(image_labels) and image_labels.is_floating_point():
            raise ValueError(f"labels must be whole numbers, got {image_labels.dtype}.")
    positive_share("threshold", threshold)


def _belong_together(boxes: Tensor, labels: Tensor) -> bool:
    """Whether these are boxes [n, 4] and labels [n]; of no object, empty ones of any shape."""
    if labels.ndim != 1 or len(boxes) != len(labels):
        return False
    return len(labels) == 0 or boxes.shape[1:] == (4,)


def _check_coordinates(boxes: Tensor, anchors: Tensor) -> None:
    if boxes.shape[-1:] != (4,) or anchors.shape[-1:] != (4,):
        raise ValueError(
            f"boxes and anchors must be [..., 4], got {list(boxes.shape)} and "
            f"{list(anchors.shape)}."
        )


def _center_side(boxes: Tensor) -> tuple[Tensor, Tensor]:
    low, high = boxes.chunk(2, -1)
    return (low + high) / 2, high - low
