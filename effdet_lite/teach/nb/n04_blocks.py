"""The blocks that enlarging by copies makes, and what a 3x3 convolution does to them."""

import copy
from statistics import fmean

import torch
from torch import Tensor, nn

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments.fpn_parts import BLOCK_LEVELS, BLOCK_PICTURES, block_ratio
from effdet_lite.layers import SeparableConv
from effdet_lite.randomness import own_numbers
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, as_array, new_panels, styled
from effdet_lite.teach.nb.n04_levels import test_pictures
from effdet_lite.teach.nb.n04_way import way_down

DRAWS = 5  # of random weights
ROW = 15  # of the map of 32 x 32 that is drawn as a line


def smooth_map(side: int = 16) -> Tensor:
    """A hill with gentle waves, [side, side], as a coarse map."""
    ruler = torch.linspace(-1, 1, side)
    hill = torch.exp(-4 * (ruler[:, None] ** 2 + (ruler - 0.2) ** 2))
    return hill * (1 + 0.3 * torch.cos(9 * ruler))


@styled
def show_blocks(coarse: Tensor, copied: Tensor, smoothed: Tensor) -> None:
    """A coarse map, its enlarged copy, the copy behind a 3x3, and one row of the last two."""
    figure, (one, two, three, plot) = new_panels(
        8.8,
        3.0,
        (0.005, 0.27, 0.1, 0.3),
        (0.13, 0.12, 0.2, 0.6),
        (0.36, 0.12, 0.2, 0.6),
        (0.65, 0.19, 0.34, 0.55),
    )
    figure.suptitle("Copies make stairs, and a smoothing 3 × 3 nearly removes them", fontsize=12)
    titles = ("coarse", "copied", "after the 3 × 3")
    for axis, pixels, title in zip(
        (one, two, three), (coarse, copied, smoothed), titles, strict=True
    ):
        axis.imshow(as_array(pixels), cmap="cividis", interpolation="nearest")
        axis.set_title(f"{title}, {len(pixels)}²", fontsize=11)
        axis.set_axis_off()
    places = torch.arange(len(copied))
    look = {"marker": "", "drawstyle": "steps-mid"}
    plot.plot(places, copied[ROW], color=PALETTE["blue"], label="copied", **look)
    plot.plot(
        places, smoothed[ROW], "-o", ms=4, color=PALETTE["vermillion"], label="after the 3 × 3"
    )
    plot.set(xlabel="column", ylabel="value", title="one row of both", ylim=(-0.05, 1.9))
    plot.title.set_fontsize(11)
    plot.legend(fontsize=9, loc="upper right")
    show(
        figure,
        "Enlarged by copies, a smooth map becomes a staircase of flat blocks; behind a smoothing "
        "3 × 3 the stairs are nearly gone.",
    )


def with_random_depthwise(conv: SeparableConv) -> SeparableConv:
    """The same layer with 3x3 weights that nobody trained; its 1x1 stays."""
    other = copy.deepcopy(conv)
    nn.init.normal_(other.depthwise.weight)
    return other


@torch.no_grad()
def learned_rows(model: EfficientDet) -> list[list]:
    """Rows for a table, of a trained FPN: level, block ratios of its lateral, of the sum behind
    SiLU, after its own 3x3 and after random ones (a mean), and the share of its kernels with
    weights of both signs.
    """
    images = torch.stack(
        [test_pictures()[index][0].as_subclass(Tensor) for index in range(BLOCK_PICTURES)]
    )
    steps = {step.level: step for step in way_down(model, images)}
    rows = []
    for level in BLOCK_LEVELS:
        step, node = steps[level], model.fusion.cells[0][f"P{level}_td"]
        entering = node.activation(step.total)
        with own_numbers(level):
            drawn = [block_ratio(with_random_depthwise(node.conv)(entering)) for _ in range(DRAWS)]
        ratios = [block_ratio(x) for x in (step.lateral, entering, node.conv(entering))]
        kernels = node.conv.depthwise.weight.flatten(1)
        mixed = ((kernels > 0).any(1) & (kernels < 0).any(1)).float().mean()
        numbers = [f"{ratio:.2f}" for ratio in (*ratios, fmean(drawn))]
        rows.append([f"P{level}", *numbers, f"{mixed:.0%}"])
    return rows


def learned_table(model: EfficientDet) -> None:
    """Show `learned_rows`."""
    head = ["level", "lateral", "the sum, after SiLU", "after the trained 3 × 3"]
    table([*head, "after random ones", "kernels with weights of both signs"], learned_rows(model))
