"""When fusion pays, for notebook 04: how far from a dot its ring lies, and how far P2 sees."""

import functools

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from effdet_lite.cost import Cost, receptive_field
from effdet_lite.costs import separable_cost
from effdet_lite.data import ShapesInContext
from effdet_lite.experiments import necks, reach
from effdet_lite.experiments.comparing import spread
from effdet_lite.experiments.run import stored_results
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View

SIDE, STRIDE, CHANNELS = 128, 4, 32
RINGS = tuple(range(40, 121, 8))  # px: the diameters that are drawn
USUAL = 3  # 3x3 convolutions on P2 in the detector without fusion: one in the neck, two in the head
DOTS = (6.5, 8.0)  # their diameters in pixels; rings are at least four times as large
# A pixel whose channels differ by more belongs to the ring: everything else is gray, but for noise.
COLORED = 0.45


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
    return image.numpy(), _dots_of(target), _colored(image)


def _dots_of(target: dict) -> np.ndarray:
    """The centers of a picture's dots, [n, 2] in px; the ring's box comes first."""
    boxes = target["boxes"][1:].numpy()
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _colored(image: Tensor) -> np.ndarray:
    """Which pixels of an image [3, H, W] are a ring's, [H, W]."""
    return np.ptp(image.numpy(), axis=0) > COLORED


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
def pixels_seen(ring: int) -> np.ndarray:
    """Of each dot in the pictures by which `measured` was graded: how many pixels of its ring its
    window holds. These rings are up to `reach.SPREAD` px larger or smaller.
    """
    pictures, found = reach.pictures(ring, "test", necks.TEST_PICTURES), []
    for number in range(len(pictures)):
        image, target = pictures[number]
        colored = _colored(image)
        for x, y in _dots_of(target):
            (left, right), (top, bottom) = window(x, USUAL), window(y, USUAL)
            inside = colored[max(top, 0) : bottom + 1, max(left, 0) : right + 1]
            found.append(int(inside.sum()))
    return np.array(found)


@functools.cache
def measured() -> dict[int, list[float]]:
    """AP50 of the dots that was measured without fusion (three convolutions on P2), for each ring,
    by seed.
    """
    runs = stored_results("reach")["runs"]
    rings = sorted({run["ring"] for run in runs})
    return {ring: [run["asked"] for run in runs if run["ring"] == ring] for ring in rings}


def share_that_see(ring: int, convolutions: int = USUAL) -> float:
    """Of the dots in rings of this diameter: the share whose window on P2 holds a pixel of their
    ring.
    """
    low, high = window(0, convolutions)
    return float((distances(ring) <= (high - low) // 2).mean())


def extra_cost(convolutions: int) -> Cost:
    """So many of the detector's 3x3 convolutions, on P2."""
    side = SIDE // STRIDE
    return separable_cost(CHANNELS, CHANNELS, side, side) * convolutions


def convolutions_needed(ring: int) -> int:
    """How many 3x3 convolutions on P2 it takes until every dot sees a ring of this diameter."""
    needed = 0
    while share_that_see(ring, needed) < 1:
        needed += 1
    return needed


def reach_table() -> None:
    """For each ring that was trained on: the share of dots that see it, through how many pixels,
    and AP50 without fusion.
    """
    rows = []
    for ring, values in measured().items():
        seen = pixels_seen(ring)
        sees = f"{(seen > 0).mean():.0%} of {len(seen)}"
        rows.append([f"{ring} px", sees, f"{np.median(seen):.0f}", str(spread(values))])
    head = [f"ring, up to {reach.SPREAD} px more or less", "dots that see it"]
    head.append("colored pixels that a dot sees, median")
    table([*head, "AP50 without fusion, 2 seeds, 300 steps"], rows)


@styled
def reach_view(ring: int, convolutions: int = USUAL, picture: int = 0) -> View:
    """A dot in a ring of this diameter (one of RINGS), what P2 sees around it, and for how many
    dots that is enough.
    """
    image, dots, colored = scene(ring, picture)
    (low_x, high_x), (low_y, high_y) = (window(place, convolutions) for place in dots[0])
    size = high_x - low_x + 1
    figure, (left, share, score) = new_panels(
        8.6, 4.2, (0.01, 0.02, 0.43, 0.9), (0.55, 0.6, 0.43, 0.33), (0.55, 0.13, 0.43, 0.33)
    )
    draw_picture(left, image)
    for color, width in (("white", 4), ("black", 1.5)):
        frame = Rectangle((low_x, low_y), size, size, fill=False, ec=color, linewidth=width)
        left.add_artist(frame)
    left.set_title(f"P2 at one dot sees {size} × {size} px", y=1.0, fontsize=11)
    _plot_shares(share, ring, convolutions)
    _plot_scores(score, ring)

    inside = int(colored[max(low_y, 0) : high_y + 1, max(low_x, 0) : high_x + 1].sum())
    macs = extra_cost(convolutions).macs
    sees = f"{share_that_see(ring, convolutions):.0%} of {len(distances(ring))}"
    numbers = {
        "P2 sees, without fusion": f"{size} px",
        "colored pixels in the window drawn": f"{inside}",
        "dots that see their ring": sees,
        "MACs, at 32 channels each": f"{macs / 1e6:.1f} million",
    }
    words = (
        f"A ring of {ring} px; the window of {size} px around a dot in it holds {inside} colored "
        f"pixels, and {sees} dots see their ring."
    )
    return View(figure, words, numbers)


def _plot_shares(axis: Axes, ring: int, convolutions: int) -> None:
    """For each ring the share of the dots that see it; a line at this ring."""
    shares = [100 * share_that_see(one, convolutions) for one in RINGS]
    axis.plot(RINGS, shares, color=PALETTE["blue"])
    axis.set_title("dots that see their ring (%)", fontsize=11, y=1.0)
    axis.set(ylim=(-4, 105), yticks=[0, 50, 100])
    _rings_axis(axis, ring)


def _plot_scores(axis: Axes, ring: int) -> None:
    """AP50 as it was measured without fusion, by ring; a line at this ring."""
    points = [(one, value) for one, values in measured().items() for value in values]
    style = {"marker": "D", "linestyle": "", "markersize": 6, "color": PALETTE["vermillion"]}
    axis.plot(*zip(*points, strict=True), **style)
    axis.axhline(1 / 3, color="black", linestyle=":", marker="", lw=1.2)
    axis.text(38, 0.36, "guessing", va="bottom", fontsize=10)
    axis.set_title(f"measured AP50, {USUAL} convolutions", fontsize=11, y=1.0)
    axis.set(ylim=(-0.04, 1.05), yticks=[0, 0.5, 1], xlabel="diameter of the ring (px)")
    _rings_axis(axis, ring)


def _rings_axis(axis: Axes, ring: int) -> None:
    axis.axvline(ring, color="black", linestyle="--", marker="", lw=1)
    axis.set(xlim=(36, 124), xticks=[40, 60, 80, 100, 120])


def show_reach(ring: int = 56) -> None:
    """The explorer's figure at a ring that some dots just see."""
    view = reach_view(ring, USUAL, 2)
    one, *_, other = (spread(values).mean for values in measured().values())
    show(
        view.figure,
        f"{view.words} As rings grow from {min(measured())} to {max(measured())} px, measured AP50 "
        f"without fusion falls from {one:.2f} to {other:.2f}.",
    )
