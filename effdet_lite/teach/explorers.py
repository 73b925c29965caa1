"""What the explorers of the lessons show: pure functions from the controls' values to a `View`."""

import functools

import torch
from torch.utils.data import Dataset
from torchvision.ops import nms

from effdet_lite import cost
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.efficientnet import B0_HEAD, B0_STEM, Stage, cost_by_stage, scaled_stages
from effdet_lite.scaling import EFFICIENTNETS, round_channels
from effdet_lite.teach.drawings import Map, conv_drawing, network_drawing
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
    axis.images[0].set_interpolation("nearest")  # a quarter of the bytes to send
    aside = torch.tensor([width + width // 16, 0] * 2)
    draw_boxes(None, boxes + aside, labels, dataset.classes, scores, axis=axis, dashed=True)
    for x, title in ((0, "what is there"), (float(aside[0]), f"what the model finds, score ≥ {score:.2f}")):
        axis.text(x, -height / 18, title)
    names = ", ".join(dataset.classes[label] for label in labels) or "nothing"
    words = f"The true boxes of picture {picture}; beside them what the model finds: {names}."
    return View(figure, words, {"objects in the picture": f"{len(target['labels'])}", "boxes found": f"{len(labels)}"})


@styled
def stage_view(stage: int, variant: str) -> View:
    """One stage of "b0" ... "b7" at its own resolution: what goes in and comes out, its cost, its receptive field.

    stage: 0 is the stem, 1-7 are the rows of the table, 8 is the head: 1x1 convolution, mean, classifier.
    """
    config = EFFICIENTNETS[variant]
    table = [  # with the stem and the head in the same terms
        Stage(1, round_channels(B0_STEM * config.width), 1, 3, 2),
        *scaled_stages(config.width, config.depth),
        Stage(1, round_channels(B0_HEAD * config.width), 1, 1, 1),
    ]
    names = ["stem", *(f"stage {number}" for number in range(1, 8)), "head"]
    costs = cost_by_stage(config.width, config.depth, config.resolution)
    total, here, own = sum(costs), table[stage], costs[stage]
    sides, layers = [config.resolution], []
    for number, row in enumerate(table):
        sides.append(-(-sides[-1] // row.stride))
        if number <= stage:
            layers += [(row.kernel, row.stride)] + [(row.kernel, 1)] * (row.blocks - 1)
    maps = [
        Map(name, side, row.channels, row.blocks, part.macs / total.macs)
        for name, side, row, part in zip(names, sides[1:], table, costs, strict=True)
    ]
    figure, axes = new_figure(width=7.0, height=3.2, margins={"left": 0, "right": 1, "bottom": 0, "top": 1})
    network_drawing(axes[0, 0], maps, marked=stage)
    c_in = table[stage - 1].channels if stage else 3
    kind = "convolution" if stage in (0, 8) else f"MBConv{here.expand_ratio}"
    field = cost.receptive_field(layers).size
    numbers = {
        "in": f"{sides[stage]} × {sides[stage]} × {c_in}",
        "out": f"{sides[stage + 1]} × {sides[stage + 1]} × {here.channels}",
        "blocks": f"{here.blocks} × {kind}, kernel {here.kernel} × {here.kernel}, stride {here.stride}",
        "parameters": f"{own.params:,} ({own.params / total.params:.1%})",
        "MACs": f"{own.macs / 1e6:,.1f} million ({own.macs / total.macs:.1%})",
        "receptive field of its convolutions": f"{field:,} px; the image has {config.resolution}",
    }
    words = f"{variant.upper()} as slabs to scale, from fine, thin maps to coarse, thick ones; marked: {names[stage]}."
    return View(figure, words, numbers)
