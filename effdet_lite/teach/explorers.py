"""What the explorers of the lessons show: pure functions from the controls' values to a `View`."""

import functools

import torch
from torch.utils.data import Dataset
from torchvision.ops import nms

from effdet_lite import cost
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.teach.drawings import conv_drawing
from effdet_lite.teach.plots import draw_boxes, new_figure, styled
from effdet_lite.teach.widgets import View


def convolution_view(
    c_in: int, c_out: int, side: int, kernel: int, stride: int = 1, groups: int = 1, dilation: int = 1,
    bias: bool = False,
) -> View:  # fmt: skip
    """One convolution with padding "same" on a map of side × side: its cost, the memory it moves, its picture to scale.

    Memory traffic is the least there can be: input, weights and output, each moved once, 4 bytes a number. Raises
    ValueError where groups does not divide both c_in and c_out.
    """
    one = cost.conv2d(c_in, c_out, kernel, side, side, stride=stride, groups=groups, bias=bias)
    out_side = -(-side // stride)
    traffic = 4 * (c_in * side**2 + one.params + c_out * out_side**2)
    figure, axes = new_figure(height=3.2, margins={"left": 0.01, "right": 0.99, "bottom": 0.01, "top": 0.99})
    conv_drawing(axes[0, 0], c_in, c_out, side, side, kernel, stride, groups, dilation)
    numbers = {
        "output, H × W × C2": f"{out_side} × {out_side} × {c_out}",
        "parameters": f"{one.params:,}",
        "MACs": f"{one.macs / 1e6:,.3f} million",
        "FLOPs": f"{one.flops / 1e6:,.3f} million",
        "memory traffic, at least": f"{traffic / 1e6:,.3f} MB",
        "arithmetic intensity": f"{one.flops / traffic:,.2f} FLOP/byte",
    }
    words = f"A convolution from {side} × {side} × {c_in} numbers to {out_side} × {out_side} × {c_out}, to scale."
    return View(figure, words, numbers)


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
    figure, axes = new_figure(height=3.6, margins={"left": 0.01, "right": 0.99, "bottom": 0.01, "top": 0.91})
    axis, (height, width) = axes[0, 0], image.shape[-2:]
    # Both pictures on one axis: half the work of two.
    gap = image.new_ones(3, height, width // 16)
    draw_boxes(torch.cat([image, gap, image], 2), target["boxes"], target["labels"], dataset.classes, axis=axis)
    aside = torch.tensor([width + width // 16, 0] * 2)
    draw_boxes(None, boxes + aside, labels, dataset.classes, scores, axis=axis, dashed=True)
    for x, title in ((0, "what is there"), (float(aside[0]), f"what the model finds, score ≥ {score:.2f}")):
        axis.text(x, -height / 18, title)
    names = ", ".join(dataset.classes[label] for label in labels) or "nothing"
    words = f"The true boxes of picture {picture}; beside them what the model finds: {names}."
    return View(figure, words, {"objects in the picture": f"{len(target['labels'])}", "boxes found": f"{len(labels)}"})
