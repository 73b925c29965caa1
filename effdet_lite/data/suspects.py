"""Boxes that a person should look at again, by arithmetic alone.

A suspect is not an error. It is a box that most errors look like.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torchvision.ops import box_iou

from effdet_lite.data.folders import Sample

TWICE, TWO_CLASSES = "nearly the same box twice", "one object, two classes"
UNUSUAL, THIN, TINY = "unusual size for its class", "long and thin", "too small to see"
WHOLE = "nearly the whole picture"
KINDS = (TWICE, TWO_CLASSES, UNUSUAL, THIN, TINY, WHOLE)
SAME_PLACE = 0.8  # IoU
FEW = 8  # boxes of a class, below which nothing is unusual
THINNEST = 10  # longer side over shorter side
SMALLEST = 4  # px at the size that the network sees
WHOLE_SHARE = 0.95  # of the picture's area


class Suspect(NamedTuple):
    """A box to look at. picture, box: its numbers; kind: one of KINDS; how_far: how much of this
    kind it is, to show the worst first.
    """

    picture: int
    box: int
    kind: str
    how_far: float


def suspects(
    samples: Sequence[Sample], classes: Sequence[str], longer: int | None = None
) -> list[Suspect]:
    """The boxes to look at again, kind by kind, the worst of each first. longer: longer side in px
    of the pictures that the network sees; None: no box is too small.
    """
    found = [*_twice(samples), *_unusual(samples, len(classes))]
    for picture, one in enumerate(samples):
        sides = one.boxes[:, 2:] - one.boxes[:, :2]
        shrink = 1.0 if longer is None else longer / max(one.size)
        thin = sides.max(1, initial=0) / np.maximum(sides.min(1, initial=np.inf), 1e-6)
        shares = sides.prod(1) / (one.size[0] * one.size[1])
        small = SMALLEST / np.maximum(np.sqrt(sides.prod(1)) * shrink, 1e-6)
        for kind, values, least in (
            (THIN, thin, THINNEST),
            (TINY, small, 1.0 if longer else np.inf),
            (WHOLE, shares, WHOLE_SHARE),
        ):
            found += [
                Suspect(picture, int(box), kind, float(values[box]))
                for box in np.flatnonzero(values > least)
            ]
    return sorted(found, key=lambda one: (KINDS.index(one.kind), -one.how_far))


def _twice(samples: Sequence[Sample]) -> list[Suspect]:
    """The later one of two boxes in one place."""
    found = []
    for picture, one in enumerate(samples):
        boxes = torch.as_tensor(one.boxes)
        overlaps = torch.triu(box_iou(boxes, boxes), 1)
        for first, second in (overlaps > SAME_PLACE).nonzero().tolist():
            kind = TWICE if one.labels[first] == one.labels[second] else TWO_CLASSES
            found.append(Suspect(picture, second, kind, float(overlaps[first, second])))
    return found


def _unusual(samples: Sequence[Sample], number: int) -> list[Suspect]:
    """Boxes far from the middle half of their class: by more than three times that half's width,
    and at least three times as large or as small as its ends.
    """
    rows = [
        (picture, box, int(label), float(np.log(max(side, 1e-6))))
        for picture, one in enumerate(samples)
        for box, (label, side) in enumerate(zip(one.labels, _sides(one), strict=True))
    ]
    found = []
    for label in range(number):
        some = [row for row in rows if row[2] == label]
        if len(some) < FEW:
            continue
        low, high = np.quantile([row[3] for row in some], [0.25, 0.75])
        margin = max(3 * (high - low), np.log(3))
        for picture, box, _, side in some:
            beyond = max(low - side, side - high)
            if beyond > margin:
                found.append(Suspect(picture, box, UNUSUAL, float(beyond)))
    return found


def _sides(one: Sample) -> np.ndarray:
    """Of each box the root of its share of the picture's area."""
    shares = (one.boxes[:, 2:] - one.boxes[:, :2]).prod(1) / (one.size[0] * one.size[1])
    return np.sqrt(shares)
