"""One image's detections, each called by its kind: the work behind `evaluation.error_kinds`, which
says what the kinds are.
"""

import numpy as np
import torch
from torchvision.ops import box_area

from effdet_lite import anchors

IGNORED = "ignored"  # a box inside a crowd region, which counts neither way


def judge(found: dict, target: dict, iou: float, background_iou: float) -> dict:
    """What each detection of one image is, and which of its objects are missed.

    Args:
        found, target: the image's detections and objects, as `coco_library.checked` gives them.
        iou, background_iou: as in `evaluation.error_kinds`, which says what is returned.
    """
    overlaps = anchors.iou(found["boxes"], target["boxes"]).numpy()  # [n, m]
    same_class = (found["labels"][:, None] == target["labels"]).numpy()  # [n, m]
    in_crowd = _in_crowd(found, target, iou)
    detections, targets = overlaps.shape
    free = np.ones(targets, bool)  # no box is right for this object yet
    missed = torch.ones(targets, dtype=torch.bool)
    kinds = [""] * detections
    objects = torch.full((detections,), -1)
    best_first = found["scores"].argsort(descending=True, stable=True).tolist()
    for number in best_first:
        overlap, own = overlaps[number], same_class[number]
        kind, nearest = _kind(overlap, own, free, in_crowd[number], iou, background_iou)
        kinds[number] = kind
        objects[number] = nearest
        if kind == "right":
            free[nearest] = False
        if kind in ("right", "wrong class", "badly placed"):
            missed[nearest] = False
    return {"kinds": kinds, "objects": objects, "missed": missed}


def _kind(
    overlap: np.ndarray,
    own: np.ndarray,
    free: np.ndarray,
    in_crowd: bool,
    iou: float,
    background_iou: float,
) -> tuple[str, int]:
    """The kind of one box and the number of the object that it is judged by, or -1.

    For each object of the image, [m]: its overlap with the box, whether it is of the box's own
    class, and whether it is still free.
    """
    nearest = _nearest(overlap, own & free, iou)
    if nearest >= 0:
        return "right", nearest
    if in_crowd:
        return IGNORED, -1
    for kind, candidates, least in (
        ("double", own, iou),
        ("wrong class", ~own, iou),
        ("badly placed", own, background_iou),
        ("both", ~own, background_iou),
    ):
        nearest = _nearest(overlap, candidates, least)
        if nearest >= 0:
            return kind, nearest
    return "background", -1


def _nearest(overlap: np.ndarray, candidates: np.ndarray, least: float) -> int:
    """The candidate that is overlapped most, or -1 where none reaches `least`."""
    if not candidates.any():
        return -1
    nearest = int(np.where(candidates, overlap, -1).argmax())
    return nearest if overlap[nearest] >= least else -1


def _in_crowd(found: dict, target: dict, least: float) -> list[bool]:
    """For each box: does `least` of its own area lie in a crowd region of its class?"""
    boxes, regions = found["boxes"], target["crowd_boxes"]
    top_left = torch.maximum(boxes[:, None, :2], regions[:, :2])
    bottom_right = torch.minimum(boxes[:, None, 2:], regions[:, 2:])
    inside = (bottom_right - top_left).clamp(min=0).prod(2)
    enough = inside >= least * box_area(boxes)[:, None].clamp(min=1e-8)
    same_class = found["labels"][:, None] == target["crowd_labels"]
    return (enough & same_class).any(1).tolist()
