"""What the explorer of notebook 07 shows: a detector of any phi, to scale, with its cost, and what
its size buys.
"""

import functools
import io
import math
import timeit
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from effdet_lite.anchors import ANCHORS_PER_POSITION
from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_part
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.efficientnet import level_channels
from effdet_lite.folding import folded
from effdet_lite.fusion import bifpn
from effdet_lite.scaling import EFFICIENTDETS, PUBLISHED, EfficientDetConfig, efficientdet
from effdet_lite.teach.kit.drawings import Map, Stack, extent, stack_drawing
from effdet_lite.teach.kit.plots import PALETTE, new_figure, png, styled
from effdet_lite.teach.kit.shared import (
    efficientnet_activations,
    outline,
    shipped,
    unseen_pictures,
)
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n00_start import detections_view

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
    channels, graph = config.fusion_channels, bifpn(config.levels)
    area = {level: (config.resolution // 2**level) ** 2 for level in config.levels}
    incoming = dict(enumerate(level_channels(config.backbone.width), start=1))
    projected = [graph.level_of(source) for source, _ in graph.edges if source.endswith("_in")]
    projected += [5] * (config.max_level > 5)  # P6 is made from P5
    maps = sum(area[level] for level in projected if incoming.get(level, channels) != channels)
    maps += (
        2 * config.fusion_repeats * sum(area[node.level] for node in graph.nodes)
    )  # depthwise and pointwise
    whole = efficientnet_activations(replace(config.backbone, resolution=config.resolution))
    classifier, tower = backbone_maps(config)[-1], (2 * config.head_repeats + 1) * channels
    return {
        "backbone": whole - classifier.channels * classifier.side**2,
        "fusion": channels * maps,
        "class_head": sum(area.values()) * (tower + ANCHORS_PER_POSITION * num_classes),
        "box_head": sum(area.values()) * (tower + ANCHORS_PER_POSITION * 4),
    }


def stacks(config: EfficientDetConfig, num_classes: int = 90) -> list[tuple[str, Stack]]:
    """What a drawing shows, in reading order: each backbone stage, each BiFPN cell, each head, with
    its part.
    """
    width, nodes = config.fusion_channels, [node.level for node in bifpn(config.levels).nodes]
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
    for phi, (model, header), fast, took in zip(
        TRAINED, loaded, fast_models, np.median(turns[3:], axis=0), strict=True
    ):
        total = sum(
            cost_by_part(
                replace(model.config, resolution=header["size"][0]), model.num_classes
            ).values()
        )
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
    config, ladder = efficientdet(phi), trained_ladder()
    costs, memory, total = (
        costs_of(config),
        activations_by_part(config),
        sum(costs_of(config).values()),
    )
    chosen = None if phi > max(TRAINED) else min(TRAINED, key=lambda trained: abs(trained - phi))
    figure, axes = new_figure(
        width=9.0, height=4.8, margins={"left": 0, "right": 1, "bottom": 0, "top": 1}
    )
    detector_drawing(axes[0, 0], config)
    found = _trained_panel(axes[0, 0], chosen, picture % len(unseen_pictures()))
    published = published_macs()
    near = min(published, key=lambda name: abs(math.log(published[name] / total.macs)))
    buys = f"no model was trained above ϕ = 0; the paper's {near.upper()}: AP {PUBLISHED[near].accuracy} % on COCO"
    if chosen is not None:
        which, one = (
            "this ϕ" if chosen == phi else f"ϕ = {chosen}, the nearest that was trained",
            ladder[chosen],
        )
        buys = (
            f"{which}: AP {one.header['result']['ap']:.3f}, AP50 {one.header['result']['ap50']:.3f} on shapes; "
            f"{one.milliseconds:.1f} ms, {one.cost.macs / 1e6:.0f} million MACs a picture of 128 px"
        )

    def shares(numbers: Mapping[str, float]) -> str:
        return ", ".join(
            f"{NAMES[part]} {number / sum(numbers.values()):.0%}"
            for part, number in numbers.items()
        )

    blocks = sum(entry.blocks for entry in backbone_maps(config)[1:8])
    numbers = {
        "image, levels": f"{config.resolution} × {config.resolution} px, P{config.min_level} to P{config.max_level}",
        "backbone": f"{blocks} blocks: B0's width × {config.backbone.width:.3f}, depth × {config.backbone.depth:.3f}",
        "BiFPN": f"{config.fusion_repeats} × the cell, {config.fusion_channels} channels",
        "heads": f"{config.head_repeats} layers, and the one that answers",
        "parameters": f"{total.params:,}: {shares({part: own.params for part, own in costs.items()})}",
        "MACs": f"{total.macs / 1e6:,.1f} million: {shares({part: own.macs for part, own in costs.items()})}",
        "weights": f"{4e-6 * total.params:,.1f} MB",
        "activations, all convolutions, one image": f"{4e-6 * sum(memory.values()):,.1f} MB: {shares(memory)}",
        "nearest published": f"{published[near] / 1e6:,.1f} million MACs: {near.upper()}",
        "what it buys": buys,
    }
    return View(figure, f"The detector of ϕ = {phi:g} to scale. {found}", numbers)


@functools.lru_cache(maxsize=64)
def found_picture(phi: int, picture: int) -> tuple[np.ndarray, str]:
    """A picture and beside it what the detector of this phi finds: as pixels [H, W, 3], drawn once,
    and in words.
    """
    view = detections_view(trained_ladder()[phi].model, unseen_pictures(), SCORE, picture)
    view.figure.set_size_inches(4.6, 2.37)
    for title in view.figure.axes[0].texts[-2:]:
        title.set_fontsize(8)
    return np.asarray(Image.open(io.BytesIO(png(view.figure, dpi=90, compression=1)))), view.words


def _trained_panel(axis: Axes, chosen: int | None, picture: int) -> str:
    """Below the drawing: what the chosen detector finds in the picture, and all trained ones as AP
    against time.
    """
    ladder, (low, high), words = (
        trained_ladder(),
        (-80.0, -34.0),
        "No detector was trained above ϕ = 0.",
    )
    if chosen is None:
        axis.text(0, -56, words)
    else:
        pixels, words = found_picture(chosen, picture)
        axis.imshow(pixels, extent=(0, 72, low - 3, low + 51), interpolation="nearest")
    times, aps = zip(
        *((one.milliseconds, one.header["result"]["ap"]) for one in ladder.values()), strict=True
    )
    across, up = (
        np.interp(times, (0, max(times)), (88, 121)),
        np.interp(aps, AP_SHOWN, (low, low + 44)),
    )
    axis.plot([88, 88, 130], [high, low, low], color="black", linestyle="-", marker="", lw=0.8)
    axis.plot(across, up)
    if chosen is not None:
        number = TRAINED.index(chosen)
        axis.plot(
            across[number], up[number], marker="*", markersize=14, color=PALETTE["vermillion"]
        )
    labels = {
        (88, high + 1): "AP on shapes",
        (85.5, low): AP_SHOWN[0],
        (85.5, low + 43): AP_SHOWN[1],
    }
    labels |= {
        (88, low - 3.5): "0",
        (107, low - 3.5): "ms a picture, here",
        (121, low - 3.5): f"{max(times):.0f}",
    }
    labels |= {(x + 4, y - 5): f"ϕ = {phi}" for phi, x, y in zip(TRAINED, across, up, strict=True)}
    for (x, y), text in labels.items():
        axis.text(x, y, text, fontsize=8, ha="center")
    axis.set(xlim=(-9, 132), ylim=(low - 4, 25), aspect="auto")
    return words
