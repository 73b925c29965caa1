"""What whole networks cost, by arithmetic on their configurations: fast enough for a slider.

`cost.count` counts what a network that is built really runs. Here the same numbers come from the
tables alone; each function mirrors the module that it is about, and tests hold the two together.
"""

import math
import numbers
from collections.abc import Sequence

from effdet_lite.anchors import ANCHORS_PER_POSITION
from effdet_lite.arguments import whole_number
from effdet_lite.cost import Cost, conv2d, linear, norm
from effdet_lite.efficientnet import B0_HEAD, B0_STEM, Stage, level_channels, scaled_stages
from effdet_lite.graphs import FusionGraph
from effdet_lite.layers import squeezed_channels
from effdet_lite.scaling import EfficientDetConfig, round_channels


def cost_by_stage(
    width: float,
    depth: float,
    resolution: int | tuple[int, int],
    num_classes: int | None = 1000,
    fused_stages: int = 0,
) -> list[Cost]:
    """Cost of an EfficientNet's stem, seven stages and, unless `num_classes` is None, its head.

    Args:
        width, depth, fused_stages: as in `scaling.EfficientNetConfig`.
        resolution: of the input image in pixels; one number, or (height, width).
        num_classes: of the classifier.

    Raises:
        ValueError: for values that no such network has.
    """
    if isinstance(resolution, numbers.Integral):
        resolution = (resolution, resolution)
    height, width_px = resolution
    channels = round_channels(B0_STEM * width)
    costs = [conv2d(3, channels, 3, height, width_px, stride=2) + norm(channels)]
    height, width_px = _halve(height), _halve(width_px)
    for stage in scaled_stages(width, depth, fused_stages):
        first = mbconv_cost(channels, stage, height, width_px, stage.stride)
        if stage.stride == 2:
            height, width_px = _halve(height), _halve(width_px)
        rest = mbconv_cost(stage.channels, stage, height, width_px, 1)
        costs.append(first + rest * (stage.blocks - 1))
        channels = stage.channels
    if num_classes is not None:
        head = round_channels(B0_HEAD * width)
        convolution = conv2d(channels, head, 1, height, width_px) + norm(head)
        costs.append(convolution + linear(head, whole_number("num_classes", num_classes)))
    return costs


def mbconv_cost(c_in: int, stage: Stage, height: int, width: int, stride: int) -> Cost:
    """Cost of one block of this stage, MBConv or FusedMBConv, on an input of height x width."""
    widened = c_in * stage.expand_ratio
    out_height, out_width = (_halve(height), _halve(width)) if stride == 2 else (height, width)
    project = conv2d(widened, stage.channels, 1, out_height, out_width) + norm(stage.channels)
    if stage.fused:
        expand = conv2d(c_in, widened, stage.kernel, height, width, stride=stride) + norm(widened)
        return expand + project
    expand = Cost()
    if stage.expand_ratio > 1:
        expand = conv2d(c_in, widened, 1, height, width) + norm(widened)
    depthwise = conv2d(
        widened, widened, stage.kernel, height, width, stride=stride, groups=widened
    ) + norm(widened)
    squeezed = squeezed_channels(c_in)
    reduce = conv2d(widened, squeezed, 1, 1, 1, bias=True)
    restore = conv2d(squeezed, widened, 1, 1, 1, bias=True)
    return expand + depthwise + reduce + restore + project


def separable_cost(c_in: int, c_out: int, height: int, width: int) -> Cost:
    """Cost of a `layers.SeparableConv` on an input of height x width."""
    depthwise = conv2d(c_in, c_in, 3, height, width, groups=c_in)
    return depthwise + conv2d(c_in, c_out, 1, height, width, bias=True)


def fusion_cost(
    graph: FusionGraph,
    in_channels: Sequence[int],
    channels: int,
    repeats: int,
    weighting: str,
    sizes: Sequence[tuple[int, int]],
) -> Cost:
    """Cost of a `fusion.FusionNetwork`; arguments as there.

    sizes: (height, width) of each level's map, fine to coarse.
    """
    size_of = dict(zip(graph.levels, sizes, strict=True))
    cell = Cost()
    for node in graph.nodes:
        cell += separable_cost(channels, channels, *size_of[node.level]) + norm(channels)
        if weighting != "sum":
            cell += Cost(params=len(node.inputs))
    total = cell * repeats
    # Only the first cell has projections, and each at the size of the map that it projects.
    for name, _ in graph.edges:
        if name in graph.incoming:
            index = graph.incoming.index(name)
            if index < len(in_channels):
                total += _projection_cost(in_channels[index], channels, sizes[index])
    # The levels beyond the backbone's are made of its last one.
    if len(graph.levels) > len(in_channels):
        total += _projection_cost(in_channels[-1], channels, sizes[len(in_channels) - 1])
    return total


def _projection_cost(c_in: int, c_out: int, size: tuple[int, int]) -> Cost:
    if c_in == c_out:
        return Cost()
    return conv2d(c_in, c_out, 1, *size, bias=True) + norm(c_out)


def head_cost(channels: int, repeats: int, outputs: int, sizes: Sequence[tuple[int, int]]) -> Cost:
    """Cost of an `efficientdet.Head` that answers `outputs` numbers for each anchor.

    sizes: (height, width) of each level's map.
    """
    levels = [
        separable_cost(channels, channels, *size) * repeats
        + separable_cost(channels, outputs * ANCHORS_PER_POSITION, *size)
        for size in sizes
    ]
    # The convolutions run on every level but are stored once; the norms are stored for every level.
    stored = levels[0] + norm(channels) * (repeats * len(sizes))
    return Cost(stored.params, sum(levels).macs)


def cost_by_part(config: EfficientDetConfig, num_classes: int = 90) -> dict[str, Cost]:
    """Cost of an EfficientDet's "backbone", "fusion", "class_head" and "box_head", whatever its
    neck, on one image of its resolution. Raises ValueError for a num_classes that is not a whole
    number of at least 1.
    """
    channels, repeats = config.fusion_channels, config.head_repeats
    sizes = [(config.resolution // 2**level,) * 2 for level in config.levels]
    backbone = config.backbone
    stages = cost_by_stage(
        backbone.width, backbone.depth, config.resolution, None, backbone.fused_stages
    )
    in_channels = level_channels(backbone.width)[config.min_level - 1 :]
    return {
        "backbone": sum(stages),
        "fusion": fusion_cost(
            config.graph, in_channels, channels, config.fusion_repeats, config.weighting, sizes
        ),
        "class_head": head_cost(channels, repeats, whole_number("num_classes", num_classes), sizes),
        "box_head": head_cost(channels, repeats, 4, sizes),
    }


def _halve(size: int) -> int:
    return math.ceil(size / 2)
