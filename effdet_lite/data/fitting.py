"""Which anchors fit the boxes of a folder, at which size, and what that costs."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from effdet_lite.anchors import ANCHORS_PER_POSITION, grid, iou
from effdet_lite.costs import cost_by_part
from effdet_lite.data.folders import Sample
from effdet_lite.scaling import efficientdet

FITS = 0.5  # an anchor answers for an object from this IoU on
SCALES = (1.0, 1.5, 2.0, 3.0, 4.0)


class Setting(NamedTuple):
    """Anchors for a data set. size: (height, width) in px; share: boxes with an anchor, 0-1; macs:
    of one picture.
    """

    size: tuple[int, int]
    levels: tuple[int, ...]
    scale: float
    share: float
    anchors: int
    macs: float


def boxes_at(samples: Sequence[Sample], size: tuple[int, int]) -> Tensor:
    """All boxes [n, 4], xyxy, in pixels of pictures fitted into size (height, width), as
    `eval_transforms` does it.
    """
    scaled = [one.boxes * min(size[1] / one.size[0], size[0] / one.size[1]) for one in samples]
    return torch.tensor(np.concatenate(scaled), dtype=torch.float32).reshape(-1, 4)


def anchor_shapes(levels: Sequence[int], scale: float) -> dict[int, Tensor]:
    """(width, height) in px of the anchors at each position of each level, [9, 2]."""
    first = {level: grid(2**level, 2**level, (level,), scale) for level in levels}
    return {level: boxes[:, 2:] - boxes[:, :2] for level, boxes in first.items()}


def setting(
    samples: Sequence[Sample], num_classes: int, phi: float, longer: int, finest: int, scale: float
) -> Setting:
    """These anchors, judged. longer: side of the pictures in px. finest: level; the coarsest is
    what large boxes need.

    MACs are those of phi's network with these levels, `efficientdet.cost_by_part`, by area.
    ValueError without boxes.
    """
    height, width = np.median([one.size[::-1] for one in samples], axis=0)
    boxes = boxes_at(
        samples,
        (round(height * longer / max(height, width)), round(width * longer / max(height, width))),
    )
    if not len(boxes):
        raise ValueError(
            "these pictures have no boxes, so there is nothing that an anchor could fit."
        )
    # The largest anchor of a level has sides of 2^(2/3) scale strides.
    large = float(torch.quantile((boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt(), 0.95))
    coarsest = min(7, max(5, finest, math.ceil(math.log2(large / scale) - 2 / 3)))
    step = 2**coarsest
    size = tuple(
        max(1, round(side * longer / max(height, width) / step)) * step for side in (height, width)
    )
    levels = tuple(range(finest, coarsest + 1))
    boxes = boxes_at(samples, size)
    share = float((best_overlaps(boxes, size, anchor_shapes(levels, scale)) >= FITS).float().mean())
    positions = sum((size[0] // 2**level) * (size[1] // 2**level) for level in levels)
    macs = _macs_per_pixel(phi, finest, coarsest, num_classes) * size[0] * size[1]
    return Setting(size, levels, scale, share, ANCHORS_PER_POSITION * positions, macs)


@functools.cache
def _macs_per_pixel(phi: float, finest: int, coarsest: int, num_classes: int) -> float:
    side = 4 * 2**coarsest
    config = replace(efficientdet(phi), resolution=side, min_level=finest, max_level=coarsest)
    return sum(cost_by_part(config, num_classes).values()).macs / side**2


def first_guess(
    samples: Sequence[Sample], num_classes: int, phi: float, longer: int, enough=0.98
) -> list[Setting]:
    """Settings with the finest level P2, P3 or P4 and some scales, the one to begin with first.

    First come those that fit at least `enough` of the boxes, the cheapest ahead; then the others,
    by their share.
    """
    every = [
        setting(samples, num_classes, phi, longer, finest, scale)
        for finest in (2, 3, 4)
        for scale in SCALES
    ]
    return sorted(
        every,
        key=lambda one: (0, one.macs, -one.share) if one.share >= enough else (1, -one.share, 0),
    )


def best_overlaps(boxes: Tensor, size: tuple[int, int], shapes: Mapping[int, Tensor]) -> Tensor:
    """IoU of each box [n, 4] with the anchor that overlaps it most, [n].

    size: (height, width) of the picture in px. shapes: of each level, (width, height) in px of the
    anchors that stand at each of its positions, [k, 2]. Among the anchors of one shape the nearest
    one overlaps most, for no other overlaps more of the width, nor of the height. So each box is
    compared with one position a level, and not with the whole grid.
    """
    middle, best = (boxes[:, :2] + boxes[:, 2:]) / 2, torch.zeros(len(boxes))
    for level, sides in shapes.items():
        stride = 2**level
        last = torch.tensor([size[1] // stride - 1.0, size[0] // stride - 1.0])
        position = (middle / stride).floor().clamp(torch.zeros(2), last)
        nearest = (position + 0.5)[:, None] * stride  # [n, 1, 2]
        anchors = torch.cat([nearest - sides / 2, nearest + sides / 2], -1)  # [n, k, 4]
        best = torch.maximum(best, iou(boxes[:, None], anchors)[:, 0].amax(1))
    return best
