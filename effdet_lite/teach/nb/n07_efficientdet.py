"""A whole detector in numbers and as a drawing, for notebook 07: parts, slabs, activations."""

import functools
from collections.abc import Mapping
from dataclasses import replace

from matplotlib.axes import Axes

from effdet_lite.anchors import ANCHORS_PER_POSITION
from effdet_lite.costs import cost_by_part
from effdet_lite.efficientnet import level_channels
from effdet_lite.scaling import EfficientDetConfig
from effdet_lite.teach.kit.drawings import Map, Stack, extent, stack_drawing
from effdet_lite.teach.kit.plots import styled
from effdet_lite.teach.kit.shared import efficientnet_activations, outline

NAMES = {
    "backbone": "backbone",
    "fusion": "BiFPN",
    "class_head": "class head",
    "box_head": "box head",
}
costs_of = functools.lru_cache(maxsize=64)(cost_by_part)  # a move asks for the same one again


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
    axis: Axes,
    config: EfficientDetConfig,
    words: Mapping[str, str] | None = None,
    classes: int = 90,
    names: Mapping[int, str] | None = None,
) -> None:
    """The detector to scale, as large as the axes. words: below each part; by default its name and
    its share of the MACs. names: above stem (0), stages (1-7) and what follows.
    """
    costs = costs_of(config, classes)
    total = sum(costs.values()).macs
    shares = {
        name: f"{NAMES[name]}\n{part.macs / total:.1%} of the MACs" for name, part in costs.items()
    }
    ends = f"P{config.min_level}", f"P{config.max_level}"
    slabs = stacks(config, classes)
    stack_drawing(axis, slabs, words or shares, ends, extent(slabs), names)
