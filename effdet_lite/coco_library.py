"""Boxes into COCO's evaluation and its arrays out: faster-coco-eval, a fast copy of pycocotools."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor

from effdet_lite.arguments import is_number, shown, whole_number

EVERY_SIZE = 1e10  # px², COCO's own largest area


def coco_arrays(
    detections: Sequence[dict],
    targets: Sequence[dict],
    num_classes: int,
    ious: Sequence[float],
    area_cuts: tuple[float, float],
    max_detections: int,
) -> dict:
    """The library's arrays: "precision" and "scores" [IoU, recall, class, size, 1], "recall" [IoU,
    class, size, 1]; -1 where there is no object. Sizes: all, small, medium, large.

    Arguments as in `evaluation.coco_ap_from_detections`. Raises ValueError in a sentence.
    """
    check_how_to_judge(area_cuts, max_detections)
    small, large = area_cuts
    pairs = checked(detections, targets, num_classes)
    numbers = _image_numbers(
        [target.get("image_id", index) for index, target in enumerate(targets)]
    )
    objects, boxes = [], []
    for number, (found, target) in zip(numbers, pairs, strict=True):
        objects += _annotations(number, target["boxes"], target["labels"])
        objects += _annotations(number, target["crowd_boxes"], target["crowd_labels"], crowd=1)
        boxes += _annotations(number, found["boxes"], found["labels"], found["scores"])
    truth = COCO(
        {
            "images": [{"id": number} for number in numbers],
            "categories": [{"id": label, "name": str(label)} for label in range(num_classes)],
            "annotations": _numbered(objects),
        }
    )
    evaluation = COCOeval_faster(truth, truth.loadRes(_numbered(boxes)), "bbox")
    evaluation.params.iouThrs = np.asarray(ious)
    evaluation.params.maxDets = [max_detections]
    edges = (0, small**2, large**2, EVERY_SIZE)
    evaluation.params.areaRng = [[0, EVERY_SIZE], *map(list, pairwise(edges))]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval


def check_how_to_judge(area_cuts: tuple[float, float], max_detections: int) -> None:
    """Raise a ValueError unless area_cuts are two sides in pixels, the smaller first, and
    max_detections is a whole number from 1 to 2^31 - 1, the library's largest.
    """
    pair = isinstance(area_cuts, (tuple, list)) and len(area_cuts) == 2
    if not pair or not all(map(is_number, area_cuts)) or not 0 < area_cuts[0] < area_cuts[1]:
        raise ValueError(
            f"area_cuts are {shown(area_cuts)}: pass two sides in pixels, the smaller first, such "
            "as (32, 96)."
        )
    whole_number("max_detections", max_detections, most=2**31 - 1)


def checked(
    detections: Sequence[dict], targets: Sequence[dict], num_classes: int | None = None
) -> list[tuple[dict, dict]]:
    """(detections, target) of each image: plain tensors on the CPU, boxes in float64, crowds there
    even if there are none. Raises ValueError for what has no figure, in a sentence.
    """
    if len(detections) != len(targets):
        raise ValueError(
            f"{len(detections)} detections for {len(targets)} targets: pass one of each for every "
            "image."
        )
    pairs = []
    for index, (found, target) in enumerate(zip(detections, targets, strict=True)):
        name = f"image_id {target.get('image_id', index)}"
        missing = {"boxes", "labels", "scores"} - found.keys() or {
            "boxes",
            "labels",
        } - target.keys()
        if missing:
            raise ValueError(f"{name} has no {' and no '.join(sorted(missing))}: pass them.")
        boxes, labels = _instances(found, "boxes", "labels", name, num_classes)
        scores = _values(found, "scores", name)
        if scores.shape != labels.shape or not scores.isfinite().all():
            raise ValueError(
                f"{name} has {len(labels)} detections and the scores {scores.tolist()[:5]}: pass "
                "one finite score for each."
            )
        found = {"boxes": boxes, "labels": labels, "scores": scores}
        boxes, labels = _instances(target, "boxes", "labels", name, num_classes)
        target = {"crowd_boxes": torch.zeros(0, 4), "crowd_labels": torch.zeros(0).long()} | target
        crowds, kinds = _instances(target, "crowd_boxes", "crowd_labels", name, num_classes)
        target = {"boxes": boxes, "labels": labels, "crowd_boxes": crowds, "crowd_labels": kinds}
        pairs.append((found, target))
    return pairs


def _instances(
    values: dict, boxes_key: str, labels_key: str, name: str, num_classes: int | None
) -> tuple[Tensor, Tensor]:
    """Boxes [n, 4], float64, and labels [n], int64, both on the CPU, or a ValueError."""
    # To the CPU first: other devices have no float64.
    boxes = _values(values, boxes_key, name).double()
    labels = _values(values, labels_key, name)
    if not boxes.numel() and not labels.numel():
        return torch.zeros(0, 4, dtype=torch.float64), torch.zeros(0, dtype=torch.int64)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or labels.shape != boxes.shape[:1]:
        raise ValueError(
            f"{name} has {boxes_key} {list(boxes.shape)} and {labels_key} {list(labels.shape)}: "
            "pass [n, 4] and [n]."
        )
    wrong = ~boxes.isfinite().all(1) | (boxes[:, 2:] < boxes[:, :2]).any(1)
    if wrong.any():
        raise ValueError(
            f"{name} has the box {boxes[wrong][0].tolist()}: pass finite numbers "
            "(left, top, right, bottom), left up to right and top up to bottom."
        )
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"{name} has {labels_key} of {labels.dtype}: pass whole numbers.")
    labels = labels.long()  # torch cannot compare all types without a sign
    if num_classes is not None and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"{name} has labels {labels.min()} to {labels.max()}, but there are {num_classes} "
            f"classes: pass labels from 0 to {num_classes - 1}."
        )
    return boxes, labels


def _values(values: dict, key: str, name: str) -> Tensor:
    """One entry as a plain tensor on the CPU, or a ValueError."""
    try:
        tensor = torch.as_tensor(values[key]).as_subclass(Tensor).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} has {key} that are no numbers: {error}.") from error
    if tensor.is_complex():
        raise ValueError(f"{name} has complex {key}: pass real numbers.")
    return tensor


def _image_numbers(image_ids: Sequence) -> list[int]:
    """0, 1, 2 … in the order of the ids: the library keeps ids as floats, which from 2^53 on are
    no longer apart, and would not take a name. Its own order, which decides between equal scores.
    """
    ids = [_plain(one) for one in image_ids]
    if len(set(ids)) < len(ids):
        twice = next(one for one in ids if ids.count(one) > 1)
        raise ValueError(
            f"image_id {twice} comes more than once: pass every image once, with an image_id of "
            "its own."
        )
    try:
        ordered = sorted(ids)
    except TypeError:  # numbers and names together have no order
        ordered = ids
    number_of = {one: number for number, one in enumerate(ordered)}
    return [number_of[one] for one in ids]


def _plain(image_id) -> object:
    """A number out of an array or a tensor, and what is one already as it is."""
    try:
        plain = image_id.item() if hasattr(image_id, "item") else image_id
        hash(plain)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"image_id {image_id!r} names no image: pass a number or a name."
        ) from None
    return plain


def _annotations(
    image: int, boxes: Tensor, labels: Tensor, scores: Tensor | None = None, *, crowd: int = 0
) -> Iterator[dict]:
    """COCO annotations (x, y, width, height) of boxes [n, 4], xyxy."""
    sides = boxes[:, 2:] - boxes[:, :2]
    scores = torch.ones(len(boxes)) if scores is None else scores
    values = (boxes[:, :2].tolist(), sides.tolist(), labels.tolist(), scores.tolist())
    for corner, (width, height), label, score in zip(*values, strict=True):
        yield {
            "image_id": image,
            "category_id": label,
            "bbox": [*corner, width, height],
            "area": width * height,
            "score": score,
            "iscrowd": crowd,
        }


def _numbered(annotations: list[dict]) -> list[dict]:
    # From 1 on: the library reads a match with number 0 as none.
    return [{"id": number, **one} for number, one in enumerate(annotations, 1)]


def distinct_names(names: Sequence[str]) -> list[str]:
    """The names, the second "cell" as "cell (2)": a COCO file may have two categories of one
    name, and neither result may take the other's place.
    """
    distinct = []
    for index, name in enumerate(names):
        own, number = name, 1
        # Nor may the new name be one that stands further on.
        while own in distinct or (number > 1 and own in names[index:]):
            number += 1
            own = f"{name} ({number})"
        distinct.append(own)
    return distinct
