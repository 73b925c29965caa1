"""The opening of notebook 03: the published curve, and a budget to spend on depth, width and
resolution.
"""

import math

from matplotlib.axes import Axes

from effdet_lite.costs import cost_by_stage
from effdet_lite.efficientnet import Stage, scaled_stages
from effdet_lite.teach.kit.drawings import add_blocks, matplotlib_rgb
from effdet_lite.teach.kit.famous import OTHERS, efficientnets, imagenet_curve
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import PALETTE, new_figure, new_panels, styled
from effdet_lite.teach.kit.widgets import View

BUDGET, MOST = 8, 12  # times B0's MACs; where the bar ends
NEAR = 0.05  # a budget is spent when this share of it, or less, is left
STAGE, STRIDE = 5, 16  # the stage that is drawn, and the stride of its map
RESOLUTION = 224
# The drawing holds so many channels of all slabs together, a map of this side, and so many slabs.
MOST_CHANNELS, MOST_SIDE, MOST_SLABS = 3_400, 42, 24


@styled
def show_the_published_curve() -> None:
    """ImageNet accuracy against MACs, with an arrow from ResNeXt-101 to B3."""
    figure, axes = new_figure(width=6.6, height=3.6)
    axis = axes[0, 0]
    imagenet_curve(axis, named=())
    old, new = OTHERS["ResNeXt-101"], efficientnets()["B3"]
    arrow = {"arrowstyle": "->", "color": PALETTE["black"], "shrinkA": 6, "shrinkB": 6}
    axis.annotate("", new, old, arrowprops=arrow)
    axis.text(old.macs, old.top1 - 0.55, "ResNeXt-101", ha="center", fontsize=9)
    fewer = f"{old.macs / new.macs:.0f}"
    axis.text(5.2, 80.7, f"{fewer} times fewer MACs", ha="center", fontsize=9)
    axis.set_title("B3 passes ResNeXt-101 with a small part of its MACs", fontsize=11)
    show(
        figure,
        f"B3 reaches {new.top1} % with {new.macs:g} billion MACs, ResNeXt-101 {old.top1:.1f} % "
        f"with {old.macs:g} billion. B0 to B7 climb from 77.1 % to 84.3 %. For every other "
        "network drawn, one of them is more accurate with fewer MACs.",
    )


def spent(depth: float, width: float, resolution: float) -> float:
    """The MACs of B0 with these multiples of its depth, width and resolution, in those of B0."""
    pixels = round(RESOLUTION * resolution)
    base = sum(cost_by_stage(1, 1, RESOLUTION)).macs
    return sum(cost_by_stage(width, depth, pixels)).macs / base


def side_of_stage(resolution: float) -> int:
    """The side of STAGE's map at this multiple of B0's resolution. Each layer with stride 2 rounds
    up.
    """
    return math.ceil(round(RESOLUTION * resolution) / STRIDE)


@styled
def bet_view(depth: float, width: float, resolution: float) -> View:
    """One stage of B0 beside the same stage scaled, and how much of the budget that takes.

    depth, width, resolution: multiples of B0's. Raises ValueError beyond the end of the bar.
    """
    times = spent(depth, width, resolution)
    if times > MOST:
        raise ValueError(
            f"that needs {times:.1f} times B0's MACs, and you have {BUDGET} times. Turn one back."
        )
    figure, (left, right) = new_panels(7.8, 3.3, (0.01, 0.30, 0.98, 0.68), (0.07, 0.17, 0.9, 0.09))
    words = in_words(times)
    row = scaled_stages(width, depth)[STAGE - 1]
    side = side_of_stage(resolution)
    draw_stages(left, row, side)
    left.set_title(f"Stage {STAGE} of B0, and of your network: {words}", fontsize=11, y=0.9)
    _draw_budget(right, times)
    numbers = {
        "MACs": f"{times:.2f} times B0's: {words}",
        "blocks": f"{_blocks(1, 1)} → {_blocks(width, depth)}",
        f"channels of stage {STAGE}": f"{_plain().channels} → {row.channels}",
        "image": f"{RESOLUTION} → {round(RESOLUTION * resolution)} px",
    }
    return View(figure, f"A network of {times:.2f} times B0's MACs: {words}.", numbers)


def four_ways() -> dict[str, tuple[float, float, float]]:
    """Multiples of B0's depth, width and resolution that spend the budget on one of the three, or
    on all in the paper's proportions; in steps of a hundredth of a doubling, as near as it goes.
    """
    steps = [number / 100 for number in range(100, 401)]  # doublings, by the formula
    rays = {
        "more layers": [(2**step, 1, 1) for step in steps],
        "more channels": [(1, 2 ** (step / 2), 1) for step in steps],
        "sharper images": [(1, 1, 2 ** (step / 2)) for step in steps],
        "a little of each": [(1.2**step, 1.1**step, 1.15**step) for step in steps],
    }
    return {
        name: min(ray, key=lambda sizes: abs(spent(*sizes) - BUDGET)) for name, ray in rays.items()
    }


@styled
def show_four_ways() -> None:
    """Stage 5 of B0 after each of the four ways to spend the budget."""
    ways = four_ways()
    figure, axes = new_figure(2, 2, width=8.8, height=3.8)
    told = []
    for axis, (name, sizes) in zip(axes.flat, ways.items(), strict=True):
        depth, width, resolution = sizes
        row = scaled_stages(width, depth)[STAGE - 1]
        side = side_of_stage(resolution)
        draw_stages(axis, row, side, name)
        multiples = f"d = {depth:.2f}, w = {width:.2f}, r = {resolution:.2f}"
        counted = f"counted: {spent(*sizes):.2f} × B0's MACs"
        axis.set_title(f"{multiples}; {counted}", fontsize=9, loc="left", y=0.92)
        slabs = f"{row.blocks} blocks of {side} × {side} × {row.channels}"
        told.append(f"{name}: {slabs}, {spent(*sizes):.2f} times the MACs")
    figure.suptitle(
        f"{BUDGET} times B0's MACs buy more slabs, thicker ones, taller ones, or a little of each",
        fontsize=11,
    )
    show(figure, f"Stage {STAGE} of B0, and what the budget makes of it. {'; '.join(told)}.")


def in_words(times: float) -> str:
    """Whether so many times B0's MACs are the budget."""
    if times > BUDGET * (1 + NEAR):
        return "too much"
    if times < BUDGET * (1 - NEAR):
        return f"{BUDGET - times:.1f} of {BUDGET} left to spend"
    return "all spent"


def _plain() -> Stage:
    return scaled_stages(1, 1)[STAGE - 1]


def _blocks(width: float, depth: float) -> int:
    return sum(stage.blocks for stage in scaled_stages(width, depth))


def draw_stages(axis: Axes, table_row: Stage, side: int, name: str = "yours") -> None:
    """B0's stage and the scaled one on one scale: a slab a block, as high as its map and as thick
    as its channels. What is too large for the drawing is drawn smaller, both of them alike.

    table_row: the scaled stage. side: of its map.
    """
    plain = _plain()
    scale = min(1.0, MOST_CHANNELS / (table_row.blocks * table_row.channels), MOST_SIDE / side)
    for place, label, row, tall, hue in (
        (3.0, "B0", plain, side_of_stage(1), "sky"),
        (33.0, name, table_row, side, "orange"),
    ):
        height = 1.55 * scale * tall / MOST_SIDE
        whole = 60 * scale * row.blocks * row.channels / MOST_CHANNELS
        slabs = min(row.blocks, MOST_SLABS)  # more could not be told apart
        thick = whole / slabs
        boxes = [
            (place + number * thick, -height / 2, thick, height, height) for number in range(slabs)
        ]
        add_blocks(axis, boxes, [matplotlib_rgb(PALETTE[hue])] * slabs)
        words = f"{label}: {row.blocks} blocks\nof {tall} × {tall} × {row.channels}"
        axis.text(place, -1.0, words, fontsize=9, va="top")
    axis.set(xlim=(2, 100), ylim=(-1.45, 1.5))
    axis.set_axis_off()


def _draw_budget(axis: Axes, times: float) -> None:
    """A bar of what is spent, with a line at the budget."""
    color = PALETTE["vermillion"] if times > BUDGET * (1 + NEAR) else PALETTE["blue"]
    axis.barh([0], [times], color=color)
    axis.axvline(BUDGET, color=PALETTE["black"], linestyle="--", marker="")
    axis.set(xlim=(0, MOST), ylim=(-0.5, 0.5), yticks=[], xticks=range(0, MOST + 1, 2))
    axis.set_xlabel(f"MACs in those of B0; the dashed line is your budget of {BUDGET}")
