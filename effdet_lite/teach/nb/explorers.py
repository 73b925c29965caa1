"""What the explorers of the lessons show: pure functions from the controls' values to a `View`."""

import functools
import math
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision.ops import nms

from effdet_lite import cost
from effdet_lite.cost import Cost
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.efficientnet import B0_HEAD, B0_STEM, Stage, cost_by_stage, scaled_stages
from effdet_lite.layers import squeezed_channels
from effdet_lite.scaling import EFFICIENTNETS, EfficientNetConfig, efficientnet, round_channels
from effdet_lite.teach.kit.drawings import Map, conv_drawing, network_drawing, thickness
from effdet_lite.teach.kit.plots import PALETTE, draw_boxes, new_figure, styled
from effdet_lite.teach.kit.widgets import View


def convolution_view(
    c_in: int,
    c_out: int,
    side: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
    bias: bool = False,
) -> View:
    """One convolution with padding "same" on a map of side × side: its cost, the memory it moves,
    its picture to scale.

    Memory traffic is the least there can be: input, weights and output, each moved once, 4 bytes a
    number. Raises ValueError where groups does not divide both c_in and c_out.
    """
    one = cost.conv2d(c_in, c_out, kernel, side, side, stride=stride, groups=groups, bias=bias)
    out_side = -(-side // stride)
    traffic = 4 * (c_in * side**2 + one.params + c_out * out_side**2)
    figure, axes = new_figure(
        height=3.2, margins={"left": 0.01, "right": 0.99, "bottom": 0.01, "top": 0.99}
    )
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
    """(image, target, what the model finds with a score of at least .1, best first); computed once
    a picture.

    `detect` lets each class answer for itself; here the best answer of all classes speaks for its
    place.
    """
    image, target = dataset[index]
    (found,) = model.detect(image[None], score_threshold=0.1, iou_threshold=0.5)
    kept = nms(found["boxes"], found["scores"], 0.5)
    return image, target, {name: value[kept] for name, value in found.items()}


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


class Outline(NamedTuple):
    """An EfficientNet by stem (0), stages (1-7) and head (8): each as a row of the table, its cost,
    and its map.
    """

    table: list[Stage]
    costs: list[Cost]
    maps: list[Map]


def outline(config: EfficientNetConfig) -> Outline:
    """What the network of this configuration is made of; by arithmetic, for an image of its own
    resolution.
    """
    table = [  # with the stem and the head in the same terms
        Stage(1, round_channels(B0_STEM * config.width), 1, 3, 2),
        *scaled_stages(config.width, config.depth),
        Stage(1, round_channels(B0_HEAD * config.width), 1, 1, 1),
    ]
    costs = cost_by_stage(config.width, config.depth, config.resolution)
    names, total = ["stem", *(f"stage {number}" for number in range(1, 8)), "head"], sum(costs).macs
    maps, side = [], config.resolution
    for name, row, part in zip(names, table, costs, strict=True):
        side = -(-side // row.stride)
        maps.append(Map(name, side, row.channels, row.blocks, part.macs / total))
    return Outline(table, costs, maps)


@styled
def stage_view(stage: int, variant: str) -> View:
    """One stage of "b0" ... "b7" at its own resolution: what goes in and comes out, its cost, its
    receptive field.

    stage: 0 is the stem, 1-7 are the rows of the table, 8 is the head: 1x1 convolution, mean,
    classifier.
    """
    config = EFFICIENTNETS[variant]
    table, costs, maps = outline(config)
    total, here, own = sum(costs), table[stage], costs[stage]
    layers = [
        (row.kernel, row.stride if first else 1)
        for row in table[: stage + 1]
        for first in [True] + [False] * (row.blocks - 1)
    ]
    figure, axes = new_figure(
        width=7.0, height=3.2, margins={"left": 0, "right": 1, "bottom": 0, "top": 1}
    )
    network_drawing(axes[0, 0], maps, marked=stage)
    side, c_in = (
        (maps[stage - 1].side, table[stage - 1].channels) if stage else (config.resolution, 3)
    )
    kind = "convolution" if stage in (0, 8) else f"MBConv{here.expand_ratio}"
    field = cost.receptive_field(layers).size
    numbers = {
        "in": f"{side} × {side} × {c_in}",
        "out": f"{maps[stage].side} × {maps[stage].side} × {here.channels}",
        "blocks": f"{here.blocks} × {kind}, kernel {here.kernel} × {here.kernel}, stride {here.stride}",
        "parameters": f"{own.params:,} ({own.params / total.params:.1%})",
        "MACs": f"{own.macs / 1e6:,.1f} million ({own.macs / total.macs:.1%})",
        "receptive field of its convolutions": f"{field:,} px; the image has {config.resolution}",
    }
    return View(
        figure,
        f"{variant.upper()} to scale, from fine maps to coarse; marked: {maps[stage].name}.",
        numbers,
    )


@functools.cache
def published_costs() -> dict[str, Cost]:
    """B0 ... B7 as published, counted at their own resolutions."""
    return {name.upper(): sum(outline(config).costs) for name, config in EFFICIENTNETS.items()}


def activations(config: EfficientNetConfig) -> int:
    """Numbers that all convolutions of the network put out for one image; training has to keep
    about as many.
    """
    table, _, maps = outline(config)
    total, side, c_in = maps[0].side ** 2 * table[0].channels, maps[0].side, table[0].channels
    for row, after in zip(table[1:8], maps[1:8], strict=True):
        for before, incoming in [(side, c_in)] + [(after.side, row.channels)] * (row.blocks - 1):
            wide = incoming * row.expand_ratio
            total += (
                wide * before**2 * (row.expand_ratio > 1) + (wide + row.channels) * after.side**2
            )
            total += squeezed_channels(incoming) + wide  # the gate
        side, c_in = after.side, row.channels
    return total + maps[8].side ** 2 * table[8].channels


@styled
def scaling_view(phi: float, alpha: float, beta: float, gamma: float) -> View:
    """B0 with alpha^phi times the depth, beta^phi the width, gamma^phi the resolution: its cost
    beside B0 ... B7.

    Memory is that of 4-byte numbers: the weights, and what all convolutions put out for one image.
    The drawing has one scale for every network up to B7's size, and shrinks only for larger ones.
    """
    config, largest = efficientnet(phi, alpha, beta, gamma), outline(EFFICIENTNETS["b7"]).maps
    _, costs, maps = outline(config)
    total = sum(costs)
    figure, axes = new_figure(
        width=9.0, height=3.2, margins={"left": 0, "right": 1, "bottom": 0, "top": 1}
    )
    axis, published = axes[0, 0], published_costs()
    limits = [
        max(measure(maps), measure(largest))
        for measure in (thickness, lambda some: max(m.side for m in some))
    ]
    network_drawing(axis, maps, limits=tuple(limits))
    # Beside it the plot of costs, drawn by hand: axes of its own would take half of the time.
    places = np.log10([(one.macs, one.params) for one in [*published.values(), total]])
    places = places.clip((7, 6), (12, 9)) * (11, 16) + (
        105,
        -120,
    )  # what lies outside stands at the rim
    axis.plot([182, 182, 237], [24, -24, -24], color="black", linestyle="-", marker="", lw=0.8)
    axis.plot(*places[:-1].T, markersize=3)
    axis.plot(
        *places[-1],
        marker="*",
        markersize=13,
        color=PALETTE["vermillion"],
        linestyle="",
        clip_on=False,
    )
    labels = {
        "100 M": (193, -28),
        "1 G": (204, -28),
        "10 G": (215, -28),
        "100 G": (226, -28),
        "MACs": (235, -20),
        "1 M": (177, -24),
        "10 M": (177, -8),
        " 100 M": (176, 8),
        "parameters": (176, 25),
    }
    labels |= {
        name: (x + 4, y - 3)
        for name, (x, y) in zip(published, places, strict=False)
        if name in "B0 B3 B5 B7"
    }
    for words, place in labels.items():
        axis.text(*place, words, fontsize=7, ha="center", va="center")
    axis.set(xlim=(-10, 240))
    near = min(published, key=lambda name: abs(math.log(published[name].macs / total.macs)))
    parts = {
        "stem to stage 2": costs[:3],
        "stages 3 and 4": costs[3:5],
        "stages 5 to 7": costs[5:8],
        "head": costs[8:],
    }
    shares = ", ".join(f"{name} {sum(some).macs / total.macs:.0%}" for name, some in parts.items())
    numbers = {
        "depth, width, resolution": f"{config.depth:.3f} ×, {config.width:.3f} ×, {config.resolution} px",
        "blocks": f"{sum(entry.blocks for entry in maps[1:8])}",
        "α · β² · γ²": f"{alpha * beta**2 * gamma**2:.4f}",
        "parameters": f"{total.params:,}",
        "MACs": f"{total.macs / 1e6:,.1f} million, {total.macs / published['B0'].macs:,.2f} × B0's",
        "MACs by part": shares,
        "weights": f"{4 * total.params / 1e6:,.1f} MB",
        "activations, all convolutions, one image": f"{4 * activations(config) / 1e6:,.1f} MB",
        "nearest published": f"{near}: {published[near].macs / 1e6:,.0f} million MACs, "
        f"{published[near].params / 1e6:.1f} M parameters, {EFFICIENTNETS[near.lower()].resolution} px",
    }
    return View(
        figure,
        f"The network of ϕ = {phi:g} to scale; among B0 to B7 its cost is nearest to {near}'s.",
        numbers,
    )
