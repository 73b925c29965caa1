"""How good is a detector?  COCO average precision (AP), AP by object size, precision-recall curves,
kinds of errors.

The matching and the averaging are a library's (faster-coco-eval), so that the figures are COCO's
figures, defined at https://cocodataset.org/#detection-eval.  What lives here is the way in and out:
run the model over a data set, hand over its boxes, name the results; and, since one figure does not
tell what to mend, say what each box is.

AP is the mean of precision at 101 recalls (0, 0.01 … 1), over classes and over the IoU thresholds
0.50, 0.55 … 0.95. A class (or a size) of which the images hold no object has no precision to speak
of: its AP is nan, and the means leave it out.
"""

from collections.abc import Sequence

import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from effdet_lite import anchors
from effdet_lite.cost import evaluation_mode

COCO_IOUS = np.linspace(0.5, 0.95, 10)
COCO_AREA_CUTS = (32.0, 96.0)
KINDS = ("right", "double", "wrong class", "badly placed", "both", "background", "missed")


def coco_ap(
    model: nn.Module,
    dataset: Dataset,
    *,
    area_cuts: tuple[float, float] = COCO_AREA_CUTS,
    max_detections: int = 100,
    **detection_options,
) -> dict:
    """Detect, then score: `coco_ap_from_detections` of what `detect_dataset` gives, which takes the
    other options.
    """
    detections, targets = detect_dataset(
        model, dataset, max_detections=max_detections, **detection_options
    )
    return coco_ap_from_detections(
        detections, targets, dataset.classes, area_cuts=area_cuts, max_detections=max_detections
    )


def detect_dataset(
    model: nn.Module,
    dataset: Dataset,
    *,
    batch_size: int = 16,
    score_threshold: float = 0.001,
    iou_threshold: float = 0.5,
    max_detections: int = 100,
    progress: bool = True,
    device: torch.device | str | None = None,
) -> tuple[list[dict], list[dict]]:
    """`model.detect` on every image of `dataset`, and its targets: two lists in the data set's
    order, on the CPU.

    `iou_threshold` is the one of non-maximum suppression.  The score threshold is low because AP
    wants weak detections
    too: they only lengthen the precision-recall curve to the right.  Images go to `device`, by
    default to where the model is.  The model runs in evaluation mode and is left as it was found.
    Raises ValueError if the images of a batch differ in size.
    """
    if device is None:
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    detections, targets = [], []
    # A DataLoader would draw from the global random numbers: scoring now and then must not change
    # how training goes on.
    starts = tqdm(
        range(0, len(dataset), batch_size),
        desc="detect",
        unit="batch",
        leave=False,
        disable=not progress,
    )
    with evaluation_mode(model), torch.inference_mode():
        for start in starts:
            items = [
                dataset[index] for index in range(start, min(start + batch_size, len(dataset)))
            ]
            found = model.detect(
                _stack([image for image, _ in items]).to(device),
                score_threshold=score_threshold,
                iou_threshold=iou_threshold,
                max_detections=max_detections,
            )
            detections += [{name: value.cpu() for name, value in one.items()} for one in found]
            targets += [target for _, target in items]
    return detections, targets


def coco_ap_from_detections(
    detections: Sequence[dict],
    targets: Sequence[dict],
    classes: Sequence[str],
    *,
    area_cuts: tuple[float, float] = COCO_AREA_CUTS,
    max_detections: int = 100,
) -> dict:
    """COCO's figures for detections that are already there.

    detections: one {"boxes" [n, 4], "scores" [n], "labels" [n]} an image; targets: one {"boxes" [m,
    4], "labels" [m], "image_id"} an image, in the same order.  Boxes are xyxy in pixels of the
    evaluated image, labels index `classes`.
    area_cuts: an object is small if its area is at most cuts[0]**2 pixels, large from cuts[1]**2
    on; COCO's 32 and 96 say little about images of 128 pixels, where 16 and 40 do.  The area is the
    box's (COCO's own uses the outline's).

    Returns "ap" (mean over IoU .50 … .95), "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
    "ar" (mean of the highest recall, with `max_detections` boxes an image), and {class: AP} as
    "ap_per_class" and "ap50_per_class".
    """
    result = _evaluate(detections, targets, classes, COCO_IOUS, area_cuts, max_detections)
    precision = result[
        "precision"
    ]  # [IoU, recall, class, size, 1]; size: all, small, medium, large
    every_size = precision[:, :, :, 0]
    return {
        "ap": _mean(every_size),
        "ap50": _mean(every_size[0]),
        "ap75": _mean(every_size[5]),
        "ap_small": _mean(precision[:, :, :, 1]),
        "ap_medium": _mean(precision[:, :, :, 2]),
        "ap_large": _mean(precision[:, :, :, 3]),
        "ar": _mean(result["recall"][:, :, 0]),
        "ap_per_class": {
            name: _mean(every_size[:, :, index]) for index, name in enumerate(classes)
        },
        "ap50_per_class": {
            name: _mean(every_size[0, :, index]) for index, name in enumerate(classes)
        },
    }


def precision_recall(
    detections: Sequence[dict],
    targets: Sequence[dict],
    classes: Sequence[str],
    *,
    iou: float = 0.5,
    max_detections: int = 100,
) -> dict[str, dict[str, np.ndarray]]:
    """Per class, {"recall", "precision", "score"}: the curve whose mean precision is the class's AP
    at this IoU.

    Each array has 101 entries, at recall 0, 0.01 … 1.  Precision is the best at this recall or any
    higher one, as COCO has it; the score is the threshold that reaches the recall.  Both are 0 past
    the highest recall reached, and nan for a class without an object.  Arguments as in
    `coco_ap_from_detections`.
    """
    if not 0 < iou <= 1:
        raise ValueError(
            f"iou is {iou}; pass the overlap that counts as found, above 0 and at most 1, such as 0.5"
        )
    result = _evaluate(detections, targets, classes, (iou,), COCO_AREA_CUTS, max_detections)
    precision, score = (
        np.where(result[key] < 0, np.nan, result[key])[0, :, :, 0, 0]
        for key in ("precision", "scores")
    )
    return {
        name: {
            "recall": np.linspace(0, 1, 101),
            "precision": precision[:, index],
            "score": score[:, index],
        }
        for index, name in enumerate(classes)
    }


def error_kinds(
    detections: Sequence[dict],
    targets: Sequence[dict],
    *,
    iou: float = 0.5,
    background_iou: float = 0.1,
) -> list[dict]:
    """What each detection is, and which objects are missed: KINDS, after TIDE (arXiv 2008.08115,
    section 2.2).

    Boxes are matched as COCO does it: best score first, each takes the free object of its class
    that it overlaps most, from `iou` on, and is "right".  What is not right is the first of these
    that holds: "double" (an object of its class, already taken), "wrong class" (an object of
    another), "badly placed" (an object of its class, overlapped from `background_iou` on), "both"
    (another class, and no better placed), "background".  TIDE's code asks in another order, which
    matters only where objects overlap.

    Returns for each image {"kinds": n strings, "objects" [n]: number of the object that a detection
    is judged by, -1 for none, "missed" [m]}: an object is missed if no box is right, of the wrong
    class or badly placed for it.
    Every detection counts: leave weak ones out before.  Raises ValueError unless 0 < background_iou
    < iou <= 1.
    """
    if not 0 < background_iou < iou <= 1:
        raise ValueError(
            f"pass 0 < background_iou < iou <= 1, not background_iou={background_iou} and iou={iou}"
        )
    judged = []
    for found, target in zip(detections, targets, strict=True):
        boxes, truth = (one["boxes"].as_subclass(Tensor).double().cpu() for one in (found, target))
        overlaps = anchors.iou(boxes, truth).numpy()
        same = (found["labels"][:, None] == target["labels"]).cpu().numpy()
        kinds, objects = ["background"] * len(boxes), torch.full((len(boxes),), -1)
        free = np.ones(len(truth), bool)
        for number in (
            found["scores"].argsort(descending=True, stable=True).tolist() if len(truth) else []
        ):
            own = same[number]
            tests = (
                ("right", own & free, iou),
                ("double", own, iou),
                ("wrong class", ~own, iou),
                ("badly placed", own, background_iou),
                ("both", ~own, background_iou),
            )
            for kind, among, least in tests:
                nearest = int((overlaps[number] * among).argmax())
                if overlaps[number, nearest] * among[nearest] >= least:
                    kinds[number], objects[number] = kind, nearest
                    free[nearest] &= kind != "right"
                    break
        settled = [kind in ("right", "wrong class", "badly placed") for kind in kinds]
        missed = torch.ones(len(truth), dtype=torch.bool)
        missed[objects[torch.tensor(settled, dtype=torch.bool)]] = False
        judged.append({"kinds": kinds, "objects": objects, "missed": missed})
    return judged


def _evaluate(detections, targets, classes, ious, area_cuts, max_detections) -> dict:
    """The library's arrays: "precision" and "scores" [IoU, recall, class, size, 1], "recall" [IoU,
    class, size, 1].
    """
    if len(detections) != len(targets):
        raise ValueError(
            f"{len(detections)} detections for {len(targets)} targets; pass one of each for every image"
        )
    small, large = area_cuts
    if not 0 < small < large:
        raise ValueError(
            f"area_cuts are {area_cuts}; pass two sides in pixels, the smaller first, such as (32, 96)"
        )
    image_ids = [int(target["image_id"]) for target in targets]
    if len(set(image_ids)) < len(image_ids):
        twice = next(image_id for image_id in image_ids if image_ids.count(image_id) > 1)
        raise ValueError(
            f"image_id {twice} comes more than once; pass every image once, with an image_id of its own"
        )

    truth = COCO(
        {
            "images": [{"id": image_id} for image_id in image_ids],
            "categories": [{"id": label, "name": name} for label, name in enumerate(classes)],
            "annotations": _annotations(targets, image_ids, len(classes)),
        }
    )
    evaluation = COCOeval_faster(
        truth, truth.loadRes(_annotations(detections, image_ids, len(classes))), "bbox"
    )
    evaluation.params.iouThrs = np.asarray(ious)
    evaluation.params.maxDets = [max_detections]
    everything = 1e10
    evaluation.params.areaRng = [
        [0, everything],
        [0, small**2],
        [small**2, large**2],
        [large**2, everything],
    ]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval


def _annotations(
    instances: Sequence[dict], image_ids: Sequence[int], num_classes: int
) -> list[dict]:
    """COCO annotations (x, y, width, height).  Ids start at 1: the library reads a match with
    number 0 as none.
    """
    annotations = []
    for instance, image_id in zip(instances, image_ids, strict=True):
        labels = instance["labels"].tolist()
        if labels and not 0 <= min(labels) <= max(labels) < num_classes:
            raise ValueError(
                f"image_id {image_id} has labels {min(labels)} to {max(labels)}, but there are {num_classes} classes; "
                f"pass labels from 0 to {num_classes - 1}"
            )
        boxes = instance["boxes"].as_subclass(Tensor).double()
        sizes = boxes[:, 2:] - boxes[:, :2]
        scores = instance["scores"].tolist() if "scores" in instance else [1.0] * len(labels)
        for corner, size, label, score in zip(
            boxes[:, :2].tolist(), sizes.tolist(), labels, scores, strict=True
        ):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": label,
                    "score": score,
                    "bbox": corner + size,
                    "area": size[0] * size[1],
                    "iscrowd": 0,
                }
            )
    return annotations


def _mean(values: np.ndarray) -> float:
    """The mean without the library's -1, which stands where there is no object to find."""
    known = values[values > -1]
    return float(known.mean()) if known.size else float("nan")


def _stack(images: Sequence[Tensor]) -> Tensor:
    shapes = {tuple(image.shape) for image in images}
    if len(shapes) > 1:
        raise ValueError(
            f"images of one batch differ in shape: {sorted(shapes)}; resize them or pass batch_size=1"
        )
    return torch.stack([image.as_subclass(Tensor) for image in images])
