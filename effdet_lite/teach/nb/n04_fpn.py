"""What the explorers of notebook 04 show: what pyramids of images and of maps cost, and how near
evidence must be.
"""

import functools
import json
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from effdet_lite import cost
from effdet_lite.cost import Cost, receptive_field
from effdet_lite.costs import cost_by_part, cost_by_stage, fusion_cost, separable_cost
from effdet_lite.data import ShapesInContext
from effdet_lite.efficientnet import level_channels
from effdet_lite.fusion import fpn
from effdet_lite.places import results_file
from effdet_lite.scaling import EFFICIENTDETS
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View

PARTS = ("backbone", "between", "heads")
SIDE, STRIDE, CHANNELS, RINGS = 128, 4, 32, tuple(range(36, 121, 6))
DOTS = (6.5, 8.0)  # their diameters in pixels; rings are at least four times as large
# A pixel whose channels differ by more belongs to the ring: everything else is gray, but for noise.
COLORED = 0.45


@functools.cache
def pyramid_costs(resolution: int, coarsest: int = 7) -> dict[str, dict[str, Cost]]:
    """Cost of D0's parts, if one image of so many pixels gets an answer at each level from P3 on,
    in three ways.

    All have the same heads on maps of the same sizes. "images, whole backbone": for each level an
    image of such a size that the backbone's last map, with stride 32, fits. "images, layers up to
    P3": of such a size that P3 fits. "feature
    pyramid": one image, and FPN. The 1x1 convolutions to the heads' 64 channels, and FPN, count as
    "between". Raises ValueError where the coarsest map would not be a whole number of positions.
    """
    if coarsest < 5 or resolution % 2**coarsest:
        raise ValueError(
            f"P{coarsest} asks for a multiple of {2**coarsest} px and is P5 at least, "
            f"got {resolution}."
        )
    config = replace(EFFICIENTDETS["d0"], resolution=resolution, max_level=coarsest)
    channels, widths, sides = (
        config.fusion_channels,
        level_channels(1.0),
        [resolution >> x for x in config.levels],
    )
    heads = sum(part for name, part in cost_by_part(config).items() if name.endswith("head"))

    def images(level: int, stages: slice) -> dict[str, Cost]:
        """An image for each side, and of the backbone the layers as far as this level; weights are
        stored once.
        """
        layers = [sum(cost_by_stage(1.0, 1.0, side << level, None)[stages]) for side in sides]
        to_heads = [
            cost.conv2d(widths[level - 1], channels, 1, side, side, bias=True) for side in sides
        ]
        parts = [Cost(some[0].params, sum(some).macs) for some in (layers, to_heads)]
        return dict(zip(PARTS, (*parts, heads), strict=True))

    neck = fusion_cost(
        fpn(config.levels), widths[2:], channels, 1, "sum", [(side, side) for side in sides]
    )
    whole = sum(cost_by_stage(1.0, 1.0, resolution, None))
    return {
        "images, whole backbone": images(5, slice(None)),
        "images, layers up to P3": images(3, slice(4)),
        "feature pyramid": dict(zip(PARTS, (whole, neck, heads), strict=True)),
    }


@styled
def pyramid_view(resolution: int, coarsest: int = 7) -> View:
    """Multiply-adds of `pyramid_costs` as bars: P3 to `coarsest` of an image of resolution ×
    resolution px.
    """
    costs = pyramid_costs(resolution, coarsest)
    figure, (axis,) = new_panels(7.4, 2.6, (0.29, 0.2, 0.68, 0.66))
    places, left = range(len(costs) - 1, -1, -1), np.zeros(len(costs))
    for part, color, hatch in zip(PARTS, ("sky", "orange", "green"), ("", "//", ".."), strict=True):
        macs = np.array([own[part].macs / 1e9 for own in costs.values()])
        look = {"color": PALETTE[color], "hatch": hatch, "edgecolor": "black"}
        axis.barh(places, macs, left=left, label=part, **look)
        left += macs
    axis.set_yticks(places, list(costs))
    axis.set(xlabel="MACs (billion)", xlim=(0, 1.12 * left.max()))
    axis.legend(loc="lower center", bbox_to_anchor=(0.4, 0.98), ncols=3, fontsize=9)

    totals = {name: sum(own.values()).macs for name, own in costs.items()}
    base, numbers = totals["feature pyramid"], {}
    for place, (name, total) in zip(places, totals.items(), strict=True):
        axis.text(total / 1e9, place, f" {total / base:.2f} ×", va="center")
        times = f"{total / base:.2f} × the feature pyramid's"
        numbers[f"{name}: MACs"] = f"{total / 1e9:.2f} billion, {times}"
    sides = (f"{(resolution >> level) * 32}" for level in range(3, coarsest + 1))
    numbers["images, whole backbone: their sides, px"] = ", ".join(sides)
    words = f"Bars of MACs for P3 to P{coarsest} of {resolution} px, three ways."
    return View(figure, words, numbers)


def window(place: float, convolutions: int) -> tuple[int, int]:
    """First and last pixel, along one axis, that P2 sees at `place` (px) without fusion: through
    two 3x3 convolutions with stride 2, and so many more on P2 itself."""
    reach = (receptive_field([(3, 2)] * 2 + [(3, 1)] * convolutions).size - 1) // 2
    middle = STRIDE * int(place // STRIDE)
    return middle - reach, middle + reach


@functools.lru_cache(maxsize=64)
def scene(ring: int, picture: int) -> tuple:
    """(image [3, 128, 128], centers of its dots [n, 2] in px, which pixels are colored [128, 128])
    for this ring.
    """
    image, target = ShapesInContext("test", SIDE, seed=3, large=(ring, ring), small=DOTS)[picture]
    boxes = target["boxes"][1:].numpy()
    return (
        image.numpy(),
        (boxes[:, :2] + boxes[:, 2:]) / 2,
        np.ptp(image.numpy(), axis=0) > COLORED,
    )


@functools.cache
def distances(ring: int, pictures: int = 16) -> np.ndarray:
    """Of each dot in such rings: how far, in pixels along one axis, its window must reach to hold
    one of the ring's.
    """
    found = []
    for picture in range(pictures):
        _, dots, colored = scene(ring, picture)
        rows, columns = np.nonzero(colored)
        for x, y in dots:
            middle = [sum(window(place, 0)) / 2 for place in (x, y)]
            found.append(np.maximum(abs(columns - middle[0]), abs(rows - middle[1])).min())
    return np.array(found)


@functools.cache
def measured() -> dict[int, list[float]]:
    """AP50 of the dots that was measured without fusion (three convolutions on P2), for each ring,
    by seed.
    """
    runs = json.loads(results_file("reach").read_text(encoding="utf-8"))["runs"]
    return {
        ring: [run["asked"] for run in runs if run["ring"] == ring]
        for ring in sorted({r["ring"] for r in runs})
    }


@styled
def reach_view(ring: int, convolutions: int = 3, picture: int = 0) -> View:
    """A dot in a ring of this diameter (36-120 px), what P2 sees around it, and for how many dots
    that is enough.
    """
    image, dots, colored = scene(ring, picture)
    (low_x, high_x), (low_y, high_y) = (window(place, convolutions) for place in dots[0])
    size, reach = high_x - low_x + 1, (high_x - low_x) // 2
    figure, (left, right) = new_panels(8.6, 3.7, (0.01, 0.02, 0.4, 0.9), (0.52, 0.15, 0.46, 0.63))
    draw_picture(left, image)
    for color, width in (("white", 4), ("black", 1.5)):
        frame = Rectangle((low_x, low_y), size, size, fill=False, ec=color, linewidth=width)
        left.add_artist(frame)
    left.set_title(f"P2 at one dot sees {size} × {size} px", y=1.0, fontsize=10)
    _reach_plot(right, ring, reach)

    inside = colored[max(low_y, 0) : high_y + 1, max(low_x, 0) : high_x + 1].sum()
    sees = distances(min(RINGS, key=lambda one: abs(one - ring))) <= reach
    side = SIDE // STRIDE
    extra = separable_cost(CHANNELS, CHANNELS, side, side) * convolutions
    numbers = {
        "receptive field of P2 without fusion": f"{size} px",
        "colored pixels in the window drawn": f"{inside}",
        "dots that see their ring": f"{sees.mean():.0%} of {len(sees)}",
        "MACs of these convolutions on P2": f"{extra.macs / 1e6:.1f} million",
    }
    words = (
        f"A ring of {ring} px with {len(dots)} dots; the window around one of them holds {inside} "
        "colored pixels."
    )
    return View(figure, words, numbers)


def _reach_plot(axis: Axes, ring: int, reach: int) -> None:
    """For each ring how many dots see it from a window that reaches so far, and what was measured;
    a line at this ring.
    """
    shares = [float((distances(one) <= reach).mean()) for one in RINGS]
    axis.plot(RINGS, shares, color=PALETTE["blue"], label="dots that see their ring")
    points = [(one, value) for one, values in measured().items() for value in values]
    style = {"marker": "D", "linestyle": "", "markersize": 6, "color": PALETTE["vermillion"]}
    axis.plot(*zip(*points, strict=True), label="measured AP50, window 31 px", **style)
    axis.axhline(1 / 3, color=PALETTE["green"], linestyle="--", marker="", lw=1, label="a guess")
    axis.axvline(ring, color="black", linestyle=":", marker="", lw=1)
    axis.set(xlabel="diameter of the ring (px)", ylabel="share of the dots, or AP50")
    axis.set(xlim=(33, 123), xticks=[40, 60, 80, 100, 120])
    axis.set(ylim=(-0.03, 1.05), yticks=[0, 0.25, 0.5, 0.75, 1])
    axis.legend(loc="lower right", bbox_to_anchor=(1.03, 1.0), ncols=2, fontsize=9)
