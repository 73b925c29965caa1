"""What the explorers of the lessons show: pure functions from the controls' values to a `View`."""

import functools

from torch.utils.data import Dataset
from torchvision.ops import nms

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.teach.plots import draw_boxes, new_figure, styled
from effdet_lite.teach.widgets import View


@functools.lru_cache(maxsize=32)
def detect_once(model: EfficientDet, dataset: Dataset, index: int) -> tuple:
    """(image, target, what the model finds with a score of at least .1, best first); computed once a picture.

    `detect` lets each class answer for itself; here the best answer of all classes speaks for its place.
    """
    image, target = dataset[index]
    (found,) = model.detect(image[None], score_threshold=0.1, iou_threshold=0.5)
    kept = nms(found["boxes"], found["scores"], 0.5)
    return image, target, {name: value[kept] for name, value in found.items()}


@styled
def detections_view(model: EfficientDet, dataset: Dataset, score: float, picture: int) -> View:
    """A picture with its true boxes, and beside it the boxes that the model gives at least this score (0.1-1).

    picture: which of the data set's pictures; after the last one comes the first again.
    """
    image, target, found = detect_once(model, dataset, picture % len(dataset))
    chosen = found["scores"] >= score
    boxes, labels, scores = (found[name][chosen] for name in ("boxes", "labels", "scores"))
    figure, axes = new_figure(columns=2, height=3.5, margins=dict.fromkeys(("left", "bottom"), 0.01) | {
        "right": 0.99, "top": 0.91, "wspace": 0.04})  # fmt: skip
    draw_boxes(image, target["boxes"], target["labels"], dataset.classes, axis=axes[0, 0])
    draw_boxes(image, boxes, labels, dataset.classes, scores, axis=axes[0, 1], dashed=True)
    for axis, title in zip(axes[0], ("what is there", f"what the model finds, score ≥ {score:.2f}"), strict=True):
        axis.set_title(title, fontsize=10, y=1.0)  # at a height that matplotlib does not have to work out
    names = ", ".join(dataset.classes[label] for label in labels) or "nothing"
    words = f"The true boxes of picture {picture}; beside them what the model finds: {names}."
    return View(figure, words, {"objects in the picture": f"{len(target['labels'])}", "boxes found": f"{len(labels)}"})


@functools.lru_cache(maxsize=32)
def detect_once(model: EfficientDet, dataset: Dataset, index: int) -> tuple:
    """(image, target, what the model finds with a score of at least .1, best first); computed once a picture."""
    image, target = dataset[index]
    (found,) = model.detect(image[None], score_threshold=0.1, iou_threshold=0.5, max_detections=40)
    return image, target, found


@styled
def detections_view(model: EfficientDet, dataset: Dataset, score: float, picture: int) -> View:
    """A picture with its true boxes, and beside it the boxes that the model gives at least this score (0.1-1).

    picture: which of the data set's pictures; after the last one comes the first again.
    """
    image, target, found = detect_once(model, dataset, picture % len(dataset))
    chosen = found["scores"] >= score
    boxes, labels, scores = (found[name][chosen] for name in ("boxes", "labels", "scores"))
    figure, axes = new_figure(columns=2, height=3.5, margins=dict.fromkeys(("left", "bottom"), 0.01) | {
        "right": 0.99, "top": 0.91, "wspace": 0.04})  # fmt: skip
    draw_boxes(image, target["boxes"], target["labels"], dataset.classes, axis=axes[0, 0])
    draw_boxes(image, boxes, labels, dataset.classes, scores, axis=axes[0, 1], dashed=True)
    axes[0, 0].set_title("what is there", fontsize=10)
    axes[0, 1].set_title(f"what the model finds, score ≥ {score:.2f}", fontsize=10)
    names = ", ".join(dataset.classes[label] for label in labels) or "nothing"
    words = f"The true boxes of picture {picture}; beside them what the model finds: {names}."
    return View(figure, words, {"objects in the picture": f"{len(target['labels'])}", "boxes found": f"{len(labels)}"})
