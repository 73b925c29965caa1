"""`anchors.match`, fast: the same answers, without comparing every object with every anchor.

Training calls it at each step, with up to a hundred thousand anchors and many objects an image.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from effdet_lite.anchors import (
    ANCHORS_PER_POSITION,
    Matches,
    area,
    check_objects,
    encode,
    intersection,
    iou,
)

# Neighboring anchors that are judged together before each is looked at: those of four positions in
# a row. Fewer make more groups to judge, more make groups so wide that fewer can be ruled out.
GROUP = 4 * ANCHORS_PER_POSITION


def fast_match(
    anchors: Tensor, boxes: Sequence[Tensor], labels: Sequence[Tensor], threshold: float = 0.5
) -> Matches:
    """Assign objects to anchors, for a batch at once; arguments and answer are those of
    `anchors.match`, and it raises ValueError as that does.
    """
    check_objects(boxes, labels, threshold)
    counts = torch.tensor([len(image_labels) for image_labels in labels], dtype=torch.long)
    # All objects of the batch in one row: their image, box and class.
    image_of = torch.repeat_interleave(counts).to(anchors.device)
    objects = torch.cat([anchors.new_zeros(0, 4), *(some.to(anchors) for some in boxes)])
    classes = torch.cat([image_of.new_zeros(0), *(some.to(image_of) for some in labels)])
    known = classes >= 0
    image_of, objects, classes = image_of[known], objects[known], classes[known]

    object_of, anchor_of, overlap = _pairs(objects, anchors, threshold)
    # An object's best anchor is its own, however much another object overlaps it.
    overlap[_largest_of_each(object_of, overlap)] = torch.inf
    reached = (overlap >= threshold).nonzero()[:, 0]
    object_of, anchor_of, overlap = object_of[reached], anchor_of[reached], overlap[reached]
    # Of the objects that reach an anchor, it answers for the one that it overlaps most.
    place = image_of[object_of] * len(anchors) + anchor_of
    answers = _largest_of_each(place, overlap)
    object_of, anchor_of = object_of[answers], anchor_of[answers]

    matched_labels = image_of.new_full((len(counts), len(anchors)), -1)
    deltas = anchors.new_zeros(len(counts), len(anchors), 4)
    matched_labels[image_of[object_of], anchor_of] = classes[object_of]
    deltas[image_of[object_of], anchor_of] = encode(objects[object_of], anchors[anchor_of])
    return Matches(matched_labels, deltas)


def _pairs(boxes: Tensor, anchors: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """All pairs that matter: object [P], anchor [P] and their IoU [P].

    A pair matters if its IoU is at least `threshold`, or the largest of its object and above 0.
    Most anchors are far from every object, so groups of neighbors are judged first: no anchor of a
    group overlaps an object more than the group's hull does, nor is smaller than its smallest, and
    together these bound its IoU from above.
    """
    groups = -(-len(anchors) // GROUP)
    members = torch.arange(groups * GROUP, device=anchors.device)
    # The last anchor fills up the last group.
    members = members.clamp(max=len(anchors) - 1).reshape(groups, GROUP)
    low, high = anchors[members].chunk(2, -1)  # [groups, GROUP, 2] each
    hulls = torch.cat([low.amin(1), high.amax(1)], -1)
    smallest = (high - low).prod(-1).amin(1)
    # This bound is an IoU with the hull, whose area in the union is that of the smallest anchor.
    overlap = intersection(boxes, hulls)
    bound = overlap / (area(boxes)[:, None] + smallest - overlap).clamp(min=1e-8)  # [M, groups]

    # The least IoU that matters to an object: the threshold, or the best of its most promising
    # group if that is less.
    promising = anchors[members[bound.argmax(1)]]  # [M, GROUP, 4]
    least = iou(boxes[:, None], promising).amax((1, 2)).clamp(max=threshold)  # [M]
    object_of, group = ((bound >= least[:, None]) & (bound > 0)).nonzero().T
    close = members[group]  # [judged groups, GROUP]
    overlap = iou(boxes[object_of, None], anchors[close])[:, 0]
    row, column = ((overlap >= least[object_of, None]) & (overlap > 0)).nonzero().T
    return object_of[row], close[row, column], overlap[row, column]


def _largest_of_each(owner: Tensor, overlap: Tensor) -> Tensor:
    """For each value of owner [P] the index of its largest overlap [P]; of equal ones the first."""
    order = overlap.argsort(descending=True, stable=True)
    order = order[owner[order].argsort(stable=True)]
    # Now each owner's pairs stand together, the largest first.
    sorted_owner = owner[order]
    begins = torch.ones_like(sorted_owner, dtype=torch.bool)
    begins[1:] = sorted_owner[1:] != sorted_owner[:-1]
    return order[begins]
