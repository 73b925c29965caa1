"""Anchors: boxes on a grid, which of them answers for which object, and boxes as offsets from
anchors.

EfficientDet's anchors and its matching follow RetinaNet (arXiv 1708.02002, section 4); the numbers
are those of the official checkpoints (effdet/anchors.py). All boxes are xyxy in pixels.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

OCTAVES = (0, 1 / 3, 2 / 3)
# (width, height) factors. The official code has 1.4 and 0.7 where the exact 1:2 box of equal area
# would have sqrt(2).
ASPECTS = ((1.0, 1.0), (1.4, 0.7), (0.7, 1.4))
ANCHORS_PER_POSITION = len(OCTAVES) * len(ASPECTS)
GROUP = 4 * ANCHORS_PER_POSITION  # neighbours that `match` judges together before it looks at each


def anchor_grid(
    height: int, width: int, levels: Sequence[int], scale: float, device: torch.device | str = "cpu"
) -> Tensor:
    """All anchors of an image, [A, 4]: levels fine to coarse, then rows, columns, and the nine
    shapes (scale outer).

    A level with stride s has its anchors centred at (i + 1/2) s, with sides scale * s * 2^octave *
    aspect.
    The tensor is cached and shared: do not write into it.
    """
    if min(height, width) < 1 or not scale > 0:
        raise ValueError(
            f"height, width and scale must be positive, got {height}, {width} and {scale}."
        )
    return _grid(height, width, tuple(levels), scale, torch.device(device))


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # what is first needed to detect is later trained with
def _grid(
    height: int, width: int, levels: tuple[int, ...], scale: float, device: torch.device
) -> Tensor:
    octaves = torch.tensor(OCTAVES, dtype=torch.float64)
    aspects = torch.tensor(ASPECTS, dtype=torch.float64)
    # [octave, aspect, (w, h)] -> [9, 2], in strides
    sides = (scale * 2 ** octaves[:, None, None] * aspects).reshape(-1, 2)
    anchors = []
    for level in levels:
        rows, columns = -(-height // 2**level), -(-width // 2**level)
        y = (torch.arange(rows, dtype=torch.float64) + 0.5) * (height / rows)
        x = (torch.arange(columns, dtype=torch.float64) + 0.5) * (width / columns)
        centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[
            :, :, None
        ]  # [rows, columns, 1, (x, y)]
        half = sides * torch.tensor([width / columns, height / rows]) / 2
        anchors.append(torch.cat([centres - half, centres + half], -1).reshape(-1, 4))
    return torch.cat(anchors).to(device, torch.float32)


grid = anchor_grid  # `anchors.grid`, where the module's name says the rest


def iou(boxes: Tensor, anchors: Tensor, areas: Tensor | None = None) -> Tensor:
    """Intersection over union. boxes [..., M, 4], anchors [..., A, 4] -> [..., M, A]; 0 where a box
    has no area.

    areas [..., A] stand in for the anchors' own in the union.
    """
    x1, y1, x2, y2 = boxes[..., None].unbind(-2)  # [..., M, 1]
    left, top, right, bottom = anchors[..., None, :, :].movedim(-1, 0).contiguous()  # [..., 1, A]
    overlap_x = (torch.minimum(x2, right) - torch.maximum(x1, left)).clamp(min=0)
    overlap_y = (torch.minimum(y2, bottom) - torch.maximum(y1, top)).clamp(min=0)
    overlap = overlap_x * overlap_y
    union = (
        (x2 - x1) * (y2 - y1)
        + ((right - left) * (bottom - top) if areas is None else areas)
        - overlap
    )
    return overlap / union.clamp(min=1e-8)


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Boxes as offsets from anchors, both [..., 4] -> (dx, dy, dw, dh): centre in anchor sides,
    sides as logarithms.
    """
    centre, side = _centre_side(boxes)
    anchor_centre, anchor_side = _centre_side(anchors)
    # The official box coder adds 1e-7 to both sides, so that a box without area has finite offsets.
    side, anchor_side = side + 1e-7, anchor_side + 1e-7
    return torch.cat([(centre - anchor_centre) / anchor_side, (side / anchor_side).log()], -1)


def decode(deltas: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of `encode`: deltas [..., 4] and anchors [..., 4] -> boxes [..., 4]."""
    anchor_centre, anchor_side = _centre_side(anchors)
    shift, growth = deltas.chunk(2, -1)
    centre, half = anchor_centre + shift * anchor_side, growth.exp() * anchor_side / 2
    return torch.cat([centre - half, centre + half], -1)


class Matches(NamedTuple):
    """What each anchor should say. labels [N, A]: its object's class, or -1. deltas [N, A, 4]: 0
    where label is -1.
    """

    labels: Tensor
    deltas: Tensor


def match(
    anchors: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor], threshold: float = 0.5
) -> Matches:
    """Assign objects to anchors, for a batch at once.

    An anchor answers for the object that it overlaps most, if that IoU reaches `threshold`;
    besides, each object has the anchor that overlaps it most (of several such objects the first
    wins). All others are background; there is no band of ignored anchors (effdet/anchors.py,
    `AnchorLabeler`). An object that overlaps no anchor at all is left out, where the reference
    would give it anchor 0, far away.

    Args:
        anchors: [A, 4]. boxes, labels: for each of N images [n_i, 4] and [n_i]; n_i may be 0.
    """
    counts = [len(image_labels) if image_labels.ndim == 1 else -1 for image_labels in labels]
    if counts != [len(image_boxes) for image_boxes in boxes]:
        raise ValueError(
            "for each image give boxes [n, 4] and labels [n]; got "
            f"{[list(x.shape) for x in boxes]} and {[list(x.shape) for x in labels]}."
        )
    image = torch.repeat_interleave(torch.tensor(counts, dtype=torch.long)).to(
        anchors.device
    )  # of each of M objects
    objects = torch.cat(
        [anchors.new_zeros(0, 4), *(image_boxes.to(anchors) for image_boxes in boxes)]
    )
    classes = torch.cat([image.new_zeros(0), *(image_labels.to(image) for image_labels in labels)])
    thing, anchor, overlap = _pairs(objects, anchors, threshold)
    # An object's best anchor is its own, however much another object overlaps it.
    overlap[_best(thing, overlap)] = torch.inf
    reached = (overlap >= threshold).nonzero()[:, 0]
    answers = reached[_best((image[thing] * len(anchors) + anchor)[reached], overlap[reached])]
    thing, anchor = thing[answers], anchor[answers]

    matched_labels = image.new_full((len(counts), len(anchors)), -1)
    deltas = anchors.new_zeros(len(counts), len(anchors), 4)
    matched_labels[image[thing], anchor] = classes[thing]
    deltas[image[thing], anchor] = encode(objects[thing], anchors[anchor])
    return Matches(matched_labels, deltas)


def _pairs(boxes: Tensor, anchors: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """All that matters for matching: box [P], anchor [P] and their IoU [P], of at least `threshold`
    or a box's largest.

    Most anchors are far from every object, so groups of neighbours are judged first. No anchor of a
    group can overlap an object more than the group's hull does, nor be smaller than its smallest:
    together they bound its IoU from above.
    """
    last = len(anchors) - 1  # fills up the last group
    members = (
        torch.arange(-(-len(anchors) // GROUP) * GROUP, device=anchors.device)
        .clamp(max=last)
        .reshape(-1, GROUP)
    )
    low, high = anchors[members].chunk(2, -1)
    hulls, areas = torch.cat([low.amin(1), high.amax(1)], -1), (high - low).prod(-1).amin(1)
    bound = iou(boxes, hulls, areas)  # [M, G]
    # The least IoU that matters to an object: the threshold, or the best of its most promising
    # group if that is less.
    least = (
        iou(boxes[:, None], anchors[members[bound.argmax(1)]]).amax((1, 2)).clamp(1e-45, threshold)
    )  # [M]
    thing, group = (bound >= least[:, None]).nonzero().T
    close = members[group]  # [judged groups, GROUP]
    overlap = iou(boxes[thing, None], anchors[close])[:, 0]
    row, column = (overlap >= least[thing, None]).nonzero().T
    return thing[row], close[row, column], overlap[row, column]


def _best(owner: Tensor, overlap: Tensor) -> Tensor:
    """For each value of owner [P] the index of its largest overlap [P]; of equal ones the first."""
    order = overlap.argsort(descending=True, stable=True)
    order = order[owner[order].argsort(stable=True)]
    return order[owner[order].diff(prepend=owner.new_tensor([-1])) != 0]


def _centre_side(boxes: Tensor) -> tuple[Tensor, Tensor]:
    low, high = boxes.chunk(2, -1)
    return (low + high) / 2, high - low
