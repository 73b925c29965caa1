"""What the explorer of notebook 00 shows: what a detector finds, from a score on."""

from torch.utils.data import Dataset

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.teach.kit.boxes import draw_boxes, picture_pair
from effdet_lite.teach.kit.plots import styled
from effdet_lite.teach.kit.shared import detect_once
from effdet_lite.teach.kit.widgets import View


@styled
def detections_view(model: EfficientDet, dataset: Dataset, score: float, picture: int) -> View:
    """A picture with its true boxes, and beside it the boxes that the model gives at least this
    score (0.1-1).

    picture: which of the data set's pictures; after the last one comes the first again.
    """
    image, target, found = detect_once(model, dataset, picture % len(dataset))
    chosen = found["scores"] >= score
    boxes, labels, scores = (found[name][chosen] for name in ("boxes", "labels", "scores"))
    titles = ("what is there", f"what the model finds, score ≥ {score:.2f}")
    figure, (left, right) = picture_pair(image, image, titles)
    draw_boxes(None, target["boxes"], target["labels"], dataset.classes, axis=left)
    draw_boxes(None, boxes, labels, dataset.classes, scores, axis=right, dashed=True)
    names = ", ".join(dataset.classes[label] for label in labels) or "nothing"
    words = f"The true boxes of picture {picture}; beside them what the model finds: {names}."
    numbers = {
        "objects in the picture": f"{len(target['labels'])}",
        "boxes found": f"{len(labels)}",
    }
    return View(figure, words, numbers)
