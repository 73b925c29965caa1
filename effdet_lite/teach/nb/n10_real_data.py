"""What notebook 10 asks of pictures of one's own: which anchors fit their boxes, at which size, and
what that costs.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from torch import Tensor

from effdet_lite.anchors import ANCHORS_PER_POSITION, grid
from effdet_lite.costs import cost_by_part
from effdet_lite.data.folders import Sample
from effdet_lite.scaling import efficientdet
from effdet_lite.teach.kit.plots import COLORS, line_look, new_panels, styled
from effdet_lite.teach.kit.shared import best_overlaps
from effdet_lite.teach.kit.widgets import View

FITS = 0.5  # an anchor answers for an object from this IoU on
SCALES = (1.0, 1.5, 2.0, 3.0, 4.0)
SHOWN = 300  # boxes as dots; more could not be told apart


class Setting(NamedTuple):
    """Anchors for a data set. size: (height, width) in px; share: boxes with an anchor, 0-1; macs:
    of one picture.
    """

    size: tuple[int, int]
    levels: tuple[int, ...]
    scale: float
    share: float
    anchors: int
    macs: float


def boxes_at(samples: Sequence[Sample], size: tuple[int, int]) -> Tensor:
    """All boxes [n, 4], xyxy, in pixels of pictures fitted into size (height, width), as
    `eval_transforms` does it.
    """
    scaled = [one.boxes * min(size[1] / one.size[0], size[0] / one.size[1]) for one in samples]
    return torch.tensor(np.concatenate(scaled), dtype=torch.float32).reshape(-1, 4)


def anchor_shapes(levels: Sequence[int], scale: float) -> dict[int, Tensor]:
    """(width, height) in px of the anchors at each position of each level, [9, 2]."""
    first = {level: grid(2**level, 2**level, (level,), scale) for level in levels}
    return {level: boxes[:, 2:] - boxes[:, :2] for level, boxes in first.items()}


def setting(
    samples: Sequence[Sample], num_classes: int, phi: float, longer: int, finest: int, scale: float
) -> Setting:
    """These anchors, judged. longer: side of the pictures in px. finest: level; the coarsest is
    what large boxes need.

    MACs are those of phi's network with these levels, `efficientdet.cost_by_part`, by area.
    ValueError without boxes.
    """
    height, width = np.median([one.size[::-1] for one in samples], axis=0)
    boxes = boxes_at(
        samples,
        (round(height * longer / max(height, width)), round(width * longer / max(height, width))),
    )
    if not len(boxes):
        raise ValueError(
            "these pictures have no boxes, so there is nothing that an anchor could fit."
        )
    # The largest anchor of a level has sides of 2^(2/3) scale strides.
    large = float(torch.quantile((boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt(), 0.95))
    coarsest = min(7, max(5, finest, math.ceil(math.log2(large / scale) - 2 / 3)))
    step = 2**coarsest
    size = tuple(
        max(1, round(side * longer / max(height, width) / step)) * step for side in (height, width)
    )
    levels = tuple(range(finest, coarsest + 1))
    boxes = boxes_at(samples, size)
    share = float((best_overlaps(boxes, size, anchor_shapes(levels, scale)) >= FITS).float().mean())
    positions = sum((size[0] // 2**level) * (size[1] // 2**level) for level in levels)
    macs = _macs_per_pixel(phi, finest, coarsest, num_classes) * size[0] * size[1]
    return Setting(size, levels, scale, share, ANCHORS_PER_POSITION * positions, macs)


@functools.cache
def _macs_per_pixel(phi: float, finest: int, coarsest: int, num_classes: int) -> float:
    side = 4 * 2**coarsest
    config = replace(efficientdet(phi), resolution=side, min_level=finest, max_level=coarsest)
    return sum(cost_by_part(config, num_classes).values()).macs / side**2


def first_guess(
    samples: Sequence[Sample], num_classes: int, phi: float, longer: int, enough=0.98
) -> list[Setting]:
    """Settings with the finest level P2, P3 or P4 and some scales, the one to begin with first.

    First come those that fit at least `enough` of the boxes, the cheapest ahead; then the others,
    by their share.
    """
    every = [
        setting(samples, num_classes, phi, longer, finest, scale)
        for finest in (2, 3, 4)
        for scale in SCALES
    ]
    return sorted(
        every,
        key=lambda one: (0, one.macs, -one.share) if one.share >= enough else (1, -one.share, 0),
    )


@styled
def anchor_fit_view(
    samples: Sequence[Sample], num_classes: int, phi: float, longer: int, finest: int, scale: float
) -> View:
    """Which boxes have an anchor, by side; and the boxes' widths and heights among the shapes of
    the anchors.
    """
    one = setting(samples, num_classes, phi, longer, finest, scale)
    boxes = boxes_at(samples, one.size)
    shapes = anchor_shapes(one.levels, scale)
    fits = best_overlaps(boxes, one.size, shapes) >= FITS
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    figure, (left, right) = new_panels(
        8.6, 3.7, (0.075, 0.15, 0.4, 0.73), (0.565, 0.15, 0.42, 0.73)
    )
    _fit_by_side(left, sides, fits)
    _shapes_plot(right, sides, shapes)
    numbers = {
        "picture; levels": f"{one.size[1]} × {one.size[0]} px; P{one.levels[0]}–P{one.levels[-1]}",
        "boxes with an anchor": f"{one.share:.1%} of {len(boxes):,}",
        "anchors a picture": f"{one.anchors:,}",
        f"MACs a picture (ϕ = {phi:g})": f"{one.macs / 1e6:,.0f} million",
    }
    words = (
        f"Boxes by side, {one.share:.0%} of them with an anchor; and their widths and heights "
        "among the anchors'."
    )
    return View(figure, words, numbers)


def _fit_by_side(axis: Axes, sides: Tensor, fits: Tensor) -> None:
    """The share of the boxes with an anchor in eight ranges of size; above, how many boxes."""
    side = sides.prod(1).sqrt().log2().numpy()
    first = math.floor(side.min())
    last = max(math.ceil(side.max()), first + 1)
    edges = np.linspace(first, last, 9)
    every, fitting = (np.histogram(some, edges)[0] for some in (side, side[fits.numpy()]))
    axis.stairs(100 * fitting / np.maximum(every, 1), edges, color=COLORS[0], fill=True)
    middles = (edges[:-1] + edges[1:]) / 2
    for middle, count in zip(middles, every.tolist(), strict=True):
        axis.text(middle, 102, f"{count:,}" if count else "", ha="center", fontsize=9)
    _powers_of_two(axis.xaxis, range(first, last + 1, 1 + (last - first > 5)))
    axis.set(xlabel="side of the box (px at this size)", ylabel="with an anchor (%)", ylim=(0, 110))
    axis.set_title("above: how many boxes", fontsize=10, y=1.0)


def _shapes_plot(axis: Axes, sides: Tensor, shapes: dict[int, Tensor]) -> None:
    """Widths and heights of the boxes as dots, and those of each level's anchors."""
    few = sides[:: -(-len(sides) // SHOWN)].log2().numpy()
    axis.plot(*few.T, ".", color="#999999", markersize=3, linestyle="", label="boxes")
    for number, (level, some) in enumerate(shapes.items()):
        look = line_look(number) | {"linestyle": ""}
        axis.plot(*some.log2().T, label=f"P{level}", **look)
    every = np.concatenate([few, *(some.log2().numpy() for some in shapes.values())])
    powers = range(math.floor(every.min()), math.ceil(every.max()) + 1)
    for one in (axis.xaxis, axis.yaxis):
        _powers_of_two(one, powers[::2])  # all of them would crowd
    limits = (powers[0] - 0.3, powers[-1] + 0.3)
    axis.set(xlabel="width (px)", ylabel="height (px)", xlim=limits, ylim=limits)
    place = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.98), "ncols": 6}
    axis.legend(fontsize=9, handletextpad=0, columnspacing=1, **place)


def _powers_of_two(axis: Axis, powers: Sequence[int]) -> None:
    """Ticks of an axis of logarithms to the base 2."""
    axis.set_ticks(list(powers), [f"{2.0**power:g}" for power in powers])
