"""How good is a detector? COCO average precision (AP), AP by object size, precision-recall curves,
kinds of errors.

The matching and the averaging are a library's (see coco_library), so that the figures are COCO's
figures, defined at https://cocodataset.org/#detection-eval. What lives here is the way in and out:
run the model over a data set, name the results; and, since one figure does not tell what to
improve, say what each box is.

AP is the mean of precision at 101 recalls (0, 0.01 … 1), over classes and over the IoU thresholds
0.50, 0.55 … 0.95. A class (or a size) of which the images hold no object has no precision to speak
of: its AP is nan, and the means leave it out. Without any object every figure is nan.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from tqdm.auto import tqdm

from effdet_lite.arguments import positive_share, whole_number
from effdet_lite.coco_library import check_how_to_judge, checked, coco_arrays, distinct_names
from effdet_lite.judging import IGNORED, judge
from effdet_lite.modes import evaluation_mode
from effdet_lite.suppression import check_limits

__all__ = [
    "COCO_AREA_CUTS",
    "COCO_IOUS",
    "IGNORED",
    "KINDS",
    "TIDE_NAMES",
    "coco_ap",
    "coco_ap_from_detections",
    "detect_dataset",
    "error_kinds",
    "precision_recall",
]

COCO_IOUS = np.linspace(0.5, 0.95, 10)
COCO_AREA_CUTS = (32.0, 96.0)

# What a box can be, and TIDE's name for it (arXiv 2008.08115, section 2.2); a right box is no error
# and has none.
TIDE_NAMES = {
    "right": "",
    "double": "Dupe",
    "wrong class": "Cls",
    "badly placed": "Loc",
    "both": "Both",
    "background": "Bkg",
    "missed": "Miss",
}
KINDS = tuple(TIDE_NAMES)


def coco_ap(
    model: nn.Module,
    dataset: Dataset,
    *,
    area_cuts: tuple[float, float] = COCO_AREA_CUTS,
    batch_size: int = 16,
    score_threshold: float = 0.001,
    iou_threshold: float = 0.5,
    max_detections: int = 100,
    progress: bool = True,
) -> dict:
    """COCO's figures of a model on a data set: `detect_dataset`, then `coco_ap_from_detections`.

    Raises ValueError as they do; for limits that cannot be meant, before the data set is read.
    """
    check_how_to_judge(area_cuts, max_detections)
    classes = class_names(dataset)
    detections, targets = detect_dataset(
        model,
        dataset,
        batch_size=batch_size,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        max_detections=max_detections,
        progress=progress,
    )
    return coco_ap_from_detections(
        detections, targets, classes, area_cuts=area_cuts, max_detections=max_detections
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
) -> tuple[list[dict], list[dict]]:
    """`model.detect` on every image of `dataset`, and its targets: two lists in the data set's
    order, on the CPU.

    iou_threshold: of non-maximum suppression. score_threshold is low because AP wants weak
    detections too: they only lengthen the precision-recall curve to the right. The model runs where
    it is, in evaluation mode, and is left as it was found. Raises ValueError if the images of a
    batch differ in size, and, before the data set is read, for a batch_size, a threshold or a
    max_detections that cannot be meant.
    """
    batch_size = whole_number("batch_size", batch_size)
    check_limits(score_threshold, iou_threshold, max_detections)
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    detections, targets = [], []
    # A DataLoader would draw from the global random numbers: scoring now and then must not change
    # how training goes on.
    starts = tqdm(
        range(0, len(dataset), batch_size),
        "detect",
        unit="batch",
        leave=False,
        disable=not progress,
    )
    with evaluation_mode(model), torch.inference_mode():
        for start in starts:
            indices = range(start, min(start + batch_size, len(dataset)))
            items = [dataset[index] for index in indices]
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
    4], "labels" [m], "image_id"} an image, in the same order, and "crowd_boxes" [c, 4] and
    "crowd_labels" [c] if there are crowds: boxes in these regions count neither way. Boxes are xyxy
    in pixels of the evaluated image, labels index `classes`; an image_id is anything that names an
    image.
    area_cuts: an object is small if its area is at most cuts[0]**2 pixels, large from cuts[1]**2
    on; COCO's 32 and 96 say little about images of 128 pixels, where 16 and 40 do. The area is the
    box's (COCO's own uses the outline's).

    Returns "ap" (mean over IoU .50 … .95), "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
    "ar" (mean of the highest recall, with `max_detections` boxes an image), and {class: AP} as
    "ap_per_class" and "ap50_per_class" (of classes of one name, the later ones with a number).
    Raises ValueError for anything that has no figure, in a sentence.
    """
    result = coco_arrays(detections, targets, len(classes), COCO_IOUS, area_cuts, max_detections)
    precision = result["precision"]  # [IoU, recall, class, size, 1]
    every_size = precision[:, :, :, 0]  # sizes: all, small, medium, large
    names = distinct_names(classes)
    return {
        "ap": _mean(every_size),
        "ap50": _mean(every_size[0]),
        "ap75": _mean(every_size[5]),
        "ap_small": _mean(precision[:, :, :, 1]),
        "ap_medium": _mean(precision[:, :, :, 2]),
        "ap_large": _mean(precision[:, :, :, 3]),
        "ar": _mean(result["recall"][:, :, 0]),
        "ap_per_class": {name: _mean(every_size[:, :, i]) for i, name in enumerate(names)},
        "ap50_per_class": {name: _mean(every_size[0, :, i]) for i, name in enumerate(names)},
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

    Each array has 101 entries, at recall 0, 0.01 … 1. Precision is the best at this recall or any
    higher one, as COCO has it; the score is the threshold that reaches the recall. Both are 0 past
    the highest recall reached, and nan for a class without an object.

    iou: the overlap that counts as found, above 0 and at most 1. The other arguments are those of
    `coco_ap_from_detections`. Raises ValueError for another iou, and for anything that has no
    figure, in a sentence.
    """
    iou = positive_share("iou", iou)
    result = coco_arrays(detections, targets, len(classes), (iou,), COCO_AREA_CUTS, max_detections)
    precision, score = _curves(result["precision"]), _curves(result["scores"])
    recall = np.linspace(0, 1, 101)
    return {
        name: {"recall": recall, "precision": precision[:, i], "score": score[:, i]}
        for i, name in enumerate(distinct_names(classes))
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
    that it overlaps most, from `iou` on, and is "right". A box of which `iou` lies in a crowd
    region of its class is "ignored". What is neither is the first of these that holds: "double" (an
    object of its class, already taken), "wrong class" (an object of another), "badly placed" (an
    object of its class, overlapped from `background_iou` on), "both" (another class, and no better
    placed), "background". TIDE's code asks in another order, which matters only where objects
    overlap.

    Returns for each image {"kinds": n strings, "objects" [n]: number of the object that a detection
    is judged by, -1 for none, "missed" [m]}: an object is missed if no box is right, of the wrong
    class or badly placed for it. Every detection counts: leave weak ones out before. Raises
    ValueError unless 0 < background_iou < iou <= 1.
    """
    iou = positive_share("iou", iou)
    if positive_share("background_iou", background_iou) >= iou:
        raise ValueError(f"background_iou must be below iou, {iou}, got {background_iou}.")
    pairs = checked(detections, targets)
    return [judge(found, target, iou, background_iou) for found, target in pairs]


def class_names(dataset: Dataset) -> Sequence[str]:
    """The data set's `classes`. Raises ValueError if it has none, as torch's own Subset."""
    if not hasattr(dataset, "classes"):
        raise ValueError(
            f"a {type(dataset).__name__} has no classes; give it the names of its classes as "
            ".classes, or take `subset(indices)` of a data set of this package, which has them."
        )
    return dataset.classes


def _curves(values: np.ndarray) -> np.ndarray:
    """[recall, class] of the library's [IoU, recall, class, size, 1], at the first IoU and for
    objects of all sizes; nan for its -1, which stands where there is no object to find.
    """
    curves = values[0, :, :, 0, 0]
    return np.where(curves < 0, np.nan, curves)


def _mean(values: np.ndarray) -> float:
    """The mean without the library's -1, which stands where there is no object to find."""
    known = values[values > -1]
    return float(known.mean()) if known.size else float("nan")


def _stack(images: Sequence[Tensor]) -> Tensor:
    shapes = sorted({tuple(image.shape) for image in images})
    if len(shapes) > 1:
        resize = "resize them or pass batch_size=1"
        raise ValueError(f"images of one batch differ in shape: {shapes}; {resize}.")
    return torch.stack([image.as_subclass(Tensor) for image in images])
