"""What the explorer of notebook 00 shows: what a detector finds, from a score on."""

import torch
from torch.utils.data import Dataset

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.teach.kit.plots import draw_boxes, new_figure, styled
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
    figure, axes = new_figure(
        height=3.6, margins={"left": 0.01, "right": 0.99, "bottom": 0.01, "top": 0.91}
    )
    axis, (height, width) = axes[0, 0], image.shape[-2:]
    # Both pictures on one axis: half the work of two.
    gap = image.new_ones(3, height, width // 16)
    draw_boxes(
        torch.cat([image, gap, image], 2),
        target["boxes"],
        target["labels"],
        dataset.classes,
        axis=axis,
    )
    axis.images[0].set_interpolation("nearest")  # a quarter of the bytes to send
    aside = torch.tensor([width + width // 16, 0] * 2)
    draw_boxes(None, boxes + aside, labels, dataset.classes, scores, axis=axis, dashed=True)
    for x, title in (
        (0, "what is there"),
        (float(aside[0]), f"what the model finds, score ≥ {score:.2f}"),
    ):
        axis.text(x, -height / 18, title)
    names = ", ".join(dataset.classes[label] for label in labels) or "nothing"
    words = f"The true boxes of picture {picture}; beside them what the model finds: {names}."
    return View(
        figure,
        words,
        {"objects in the picture": f"{len(target['labels'])}", "boxes found": f"{len(labels)}"},
    )
