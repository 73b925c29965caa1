"""What notebook 10 draws of anchors for pictures of one's own."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from torch import Tensor

from effdet_lite.data.fitting import FITS, anchor_shapes, best_overlaps, boxes_at, setting
from effdet_lite.data.folders import Sample
from effdet_lite.teach.kit.plots import COLORS, line_look, new_panels, styled
from effdet_lite.teach.kit.widgets import View

FINEST = 2  # level
SHOWN = 300  # boxes as dots; more could not be told apart


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
    left.set_title(f"{one.share:.0%} of the boxes have an anchor", fontsize=11, y=1.0)
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
    axis.set(xlabel="side of the box (px at this size)", ylabel="with an anchor (%)", ylim=(0, 120))
    axis.set_yticks(range(0, 101, 20))
    axis.text(0.5, 0.94, "how many boxes:", transform=axis.transAxes, ha="center", fontsize=9)


def _shapes_plot(axis: Axes, sides: Tensor, shapes: dict[int, Tensor]) -> None:
    """Widths and heights of the boxes as dots, and those of each level's anchors."""
    few = sides[:: -(-len(sides) // SHOWN)].log2().numpy()
    axis.plot(*few.T, ".", color="#999999", markersize=3, linestyle="", label="boxes")
    for level, some in shapes.items():
        look = line_look(level - FINEST) | {"linestyle": ""}  # a level looks the same everywhere
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
