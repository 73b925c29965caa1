"""What the explorer of notebook 07 shows: a detector of any phi, to scale, with its cost, and what
its size buys.
"""

import functools
import math
import timeit
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from effdet_lite.anchors import ANCHORS_PER_POSITION
from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_part
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.efficientnet import level_channels
from effdet_lite.folding import folded
from effdet_lite.scaling import EFFICIENTDETS, PUBLISHED, EfficientDetConfig, efficientdet
from effdet_lite.teach.kit.boxes import draw_boxes, draw_picture
from effdet_lite.teach.kit.drawings import Map, Stack, extent, stack_drawing
from effdet_lite.teach.kit.page import img
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.shared import (
    detect_once,
    efficientnet_activations,
    outline,
    shipped,
    unseen_pictures,
)
from effdet_lite.teach.kit.widgets import View

NAMES = {
    "backbone": "backbone",
    "fusion": "BiFPN",
    "class_head": "class head",
    "box_head": "box head",
}
TRAINED = (-3, -2, -1, 0)  # the phi of assets/checkpoints/shapes-phi*.safetensors
costs_of = functools.lru_cache(maxsize=64)(cost_by_part)  # a move asks for the same one again
SCORE = 0.3  # from which on a box is drawn
AP_SHOWN = (0.5, 0.8)  # lower and upper end of the explorer's axis


@functools.cache
def published_macs() -> dict[str, int]:
    """MACs of D0 ... D7x as published, at their own resolutions."""
    return {name: sum(cost_by_part(config).values()).macs for name, config in EFFICIENTDETS.items()}


@functools.lru_cache(maxsize=64)  # a move of the explorer asks five times
def backbone_maps(config: EfficientDetConfig) -> list[Map]:
    """Stem and stages of the detector's backbone at the detector's resolution, and a head that it
    does not have.
    """
    return outline(replace(config.backbone, resolution=config.resolution)).maps


def activations_by_part(config: EfficientDetConfig, num_classes: int = 90) -> dict[str, int]:
    """Numbers that all convolutions of each part put out for one image; training has to keep about
    as many.

    Parts as in `cost_by_part`. For backbones without fused stages, as those of the formula and of
    the paper are.
    """
    channels, graph = config.fusion_channels, config.graph
    area = {level: (config.resolution // 2**level) ** 2 for level in config.levels}
    incoming = dict(enumerate(level_channels(config.backbone.width), start=1))
    projected = [graph.level_of(source) for source, _ in graph.edges if source.endswith("_in")]
    projected += [5] * (config.max_level > 5)  # P6 is made from P5
    maps = sum(area[level] for level in projected if incoming.get(level, channels) != channels)
    in_a_cell = sum(area[node.level] for node in graph.nodes)
    maps += 2 * config.fusion_repeats * in_a_cell  # depthwise and pointwise
    whole = efficientnet_activations(replace(config.backbone, resolution=config.resolution))
    classifier, tower = backbone_maps(config)[-1], (2 * config.head_repeats + 1) * channels
    return {
        "backbone": whole - classifier.channels * classifier.side**2,
        "fusion": channels * maps,
        "class_head": sum(area.values()) * (tower + ANCHORS_PER_POSITION * num_classes),
        "box_head": sum(area.values()) * (tower + ANCHORS_PER_POSITION * 4),
    }


def stacks(config: EfficientDetConfig, num_classes: int = 90) -> list[tuple[str, Stack]]:
    """What a drawing shows, in reading order: each stage of the backbone, each cell of the neck,
    each head; with its part.
    """
    width, nodes = config.fusion_channels, [node.level for node in config.graph.nodes]
    sides = {level: config.resolution // 2**level for level in config.levels}
    parts = [
        ("backbone", [(entry.side, [entry.channels] * entry.blocks)])
        for entry in backbone_maps(config)[:8]
    ]
    parts += [
        ("fusion", [(sides[level], [width] * nodes.count(level)) for level in sides])
    ] * config.fusion_repeats
    for head, outputs in (("class_head", num_classes), ("box_head", 4)):
        layers = [width] * config.head_repeats + [outputs * ANCHORS_PER_POSITION]
        parts.append((head, [(side, layers) for side in sides.values()]))
    return parts


@styled
def detector_drawing(
    axis: Axes, config: EfficientDetConfig, largest: EfficientDetConfig | None = None
) -> None:
    """The detector to scale, each part with its share of the MACs. largest: the one that just fills
    the drawing.
    """
    costs, total = costs_of(config), sum(costs_of(config).values()).macs
    words = {
        name: f"{NAMES[name]}\n{part.macs / total:.0%} of MACs" for name, part in costs.items()
    }
    ends = f"P{config.min_level}", f"P{config.max_level}"
    stack_drawing(axis, stacks(config), words, ends, extent(stacks(largest or config)))


class Trained(NamedTuple):
    """A trained detector, its file's header, its cost at its pictures' size, and how long `detect`
    takes for one.
    """

    model: EfficientDet
    header: dict
    cost: Cost
    milliseconds: float


@functools.cache
def trained_ladder() -> dict[int, Trained]:
    """The detectors trained on shapes, by phi; loaded and timed once, in turns (the median of 21,
    after 3).
    """
    image = unseen_pictures()[0][0][None]
    loaded = [shipped(f"shapes-phi{phi}") for phi in TRAINED]
    fast_models = [folded(model) for model, _ in loaded]
    # In turns, whatever else the machine does meets all of them alike.
    turns = [
        [timeit.timeit(functools.partial(model.detect, image), number=1) for model in fast_models]
        for _ in range(24)
    ]
    found = {}
    medians = np.median(turns[3:], axis=0)
    for phi, (model, header), fast, took in zip(TRAINED, loaded, fast_models, medians, strict=True):
        config = replace(model.config, resolution=header["size"][0])
        total = sum(cost_by_part(config, model.num_classes).values())
        found[phi] = Trained(fast, header, total, 1e3 * float(took))
    return found


@styled
def detector_view(phi: float, picture: int = 0) -> View:
    """The formula's detector of this phi: sizes, cost by part, memory, drawing; and what the
    nearest trained one finds.

    Memory is that of 4-byte numbers: the weights, and what all convolutions put out for one image.
    picture: which of the test pictures, of 128 px, for which all detectors were trained. Above phi
    = 0 there is none.
    """
    config = efficientdet(phi)
    chosen = None if phi > max(TRAINED) else min(TRAINED, key=lambda trained: abs(trained - phi))
    figure, (drawing,) = new_panels(9.0, 2.8, (0, 0, 1, 1))
    detector_drawing(drawing, config)
    finds, told = found_figure(chosen, picture % len(unseen_pictures()))
    words = f"The detector of ϕ = {phi:g} to scale."
    return View(figure, words, _numbers(phi, chosen), img(finds, told) + _quality_picture(chosen))


@styled
def found_figure(chosen: int | None, picture: int) -> tuple[Figure, str]:
    """A picture, and beside it what the chosen detector finds; and the same in words."""
    figure, (axis,) = new_panels(5.4, 2.9, (0.03, 0.02, 0.94, 0.86))
    axis.set_axis_off()
    if chosen is None:
        words = "No detector was trained above ϕ = 0."
        axis.text(0, 0.5, words)
        return figure, words
    model = trained_ladder()[chosen].model
    image, target, found = detect_once(model, unseen_pictures(), picture)
    sure = found["scores"] >= SCORE
    boxes, labels, scores = (found[name][sure] for name in ("boxes", "labels", "scores"))
    names, gap = unseen_pictures().classes, 8
    side = image.shape[-1]
    draw_picture(axis, torch.cat([image, image.new_ones(3, side, gap), image], 2))
    draw_boxes(None, target["boxes"], target["labels"], names, axis=axis, words=False)
    aside = torch.tensor([side + gap, 0, side + gap, 0])
    draw_boxes(None, boxes + aside, labels, names, scores, axis=axis, dashed=True)
    axis.set_title(f"what is there; found by ϕ = {chosen}, score ≥ {SCORE:g}", fontsize=10, y=1.0)
    told = ", ".join(names[label] for label in labels) or "nothing"
    return figure, f"The true boxes of picture {picture}; beside them what the model finds: {told}."


@functools.cache
def _quality_picture(chosen: int | None) -> str:
    """AP of the trained detectors against the time that each takes here, a star for the chosen."""
    ladder = trained_ladder()
    times = [one.milliseconds for one in ladder.values()]
    aps = [one.header["result"]["ap"] for one in ladder.values()]
    figure, (axis,) = new_panels(3.5, 2.9, (0.2, 0.2, 0.76, 0.68))
    axis.plot(times, aps)
    for phi, x, y in zip(ladder, times, aps, strict=True):
        axis.annotate(f"ϕ = {phi}", (x, y), (6, -12), textcoords="offset points", fontsize=9)
        if phi == chosen:
            star = {"marker": "*", "markersize": 14, "color": PALETTE["vermillion"]}
            axis.plot(x, y, **star)
    axis.set(xlim=(0, 1.25 * max(times)), ylim=AP_SHOWN, yticks=np.arange(0.5, 0.81, 0.1))
    axis.set(xlabel="milliseconds a picture, here", ylabel="AP on shapes (0–1)")
    axis.xaxis.set_major_locator(MaxNLocator(4))
    return img(figure, "AP of the trained detectors against the time that each takes for a picture")


def _numbers(phi: float, chosen: int | None) -> dict[str, str]:
    """What stands below the picture of `detector_view`."""
    config = efficientdet(phi)
    backbone, costs, memory = config.backbone, costs_of(config), activations_by_part(config)
    total, published = sum(costs.values()), published_macs()
    near = min(published, key=lambda name: abs(math.log(published[name] / total.macs)))
    if chosen is None:
        accuracy = PUBLISHED[near].accuracy
        buys = (
            f"no model was trained above ϕ = 0; the paper's {near.upper()}: AP {accuracy} % on COCO"
        )
    else:
        which = "this ϕ" if chosen == phi else f"ϕ = {chosen}, the nearest that was trained"
        one = trained_ladder()[chosen]
        result = one.header["result"]
        buys = (
            f"{which}: AP {result['ap']:.3f}, AP50 {result['ap50']:.3f} on shapes; "
            f"{one.milliseconds:.1f} ms, {one.cost.macs / 1e6:.0f} million MACs a picture of 128 px"
        )
    blocks = sum(entry.blocks for entry in backbone_maps(config)[1:8])
    params = _shares({part: own.params for part, own in costs.items()})
    macs = _shares({part: own.macs for part, own in costs.items()})
    return {
        "image, levels": f"{config.resolution} × {config.resolution} px, "
        f"P{config.min_level} to P{config.max_level}",
        "backbone": f"{blocks} blocks: B0's width × {backbone.width:.3f}, "
        f"depth × {backbone.depth:.3f}",
        "BiFPN": f"{config.fusion_repeats} × the cell, {config.fusion_channels} channels",
        "heads": f"{config.head_repeats} layers, and the one that answers",
        "parameters": f"{total.params:,}: {params}",
        "MACs": f"{total.macs / 1e6:,.1f} million: {macs}",
        "weights": f"{4e-6 * total.params:,.1f} MB",
        "activations, all convolutions, one image": f"{4e-6 * sum(memory.values()):,.1f} MB: "
        f"{_shares(memory)}",
        "nearest published": f"{published[near] / 1e6:,.1f} million MACs: {near.upper()}",
        "what it buys": buys,
    }


def _shares(numbers: Mapping[str, float]) -> str:
    total = sum(numbers.values())
    return ", ".join(f"{NAMES[part]} {number / total:.0%}" for part, number in numbers.items())
