"""Two bottlenecks for notebook 02: what they cost, and why the narrow end has no activation."""

import functools
from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from effdet_lite.cost import Cost, count
from effdet_lite.teach.kit.drawings import Map, network_drawing
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import COLORS, PALETTE, new_figure, new_panels, styled
from effdet_lite.teach.kit.typed import in_percent
from effdet_lite.teach.kit.widgets import View

POINTS, TURNS = 240, 1.75
MOST = 40  # dimensions of a lift
CRUSHED = "#BBBBBB"


def outputs_of(block: nn.Sequential, channels: int, side: int) -> list[tuple[nn.Conv2d, int, Cost]]:
    """(convolution, numbers that it puts out, its cost) for each convolution of the block, on a map
    of side × side.
    """
    found = []
    for layer in block:
        if isinstance(layer, nn.Conv2d):
            own = count(layer, 1, channels, side, side)
            channels = layer.out_channels
            found.append((layer, channels * side * side, own))
    return found


@styled
def show_thin_and_thick(blocks: Mapping[str, nn.Sequential], side: int) -> None:
    """Each block's maps as slabs to scale, one row a block: thick where there are many channels."""
    figure, axes = new_figure(len(blocks), 1, width=8.0, height=2.3 * len(blocks))
    channels = [layer.out_channels for block in blocks.values() for layer in block]
    for axis, (name, block) in zip(axes[:, 0], blocks.items(), strict=True):
        layers = outputs_of(block, block[0].in_channels, side)
        macs = sum(own.macs for _, _, own in layers)
        maps = [Map("input", side, block[0].in_channels, 1, 0.0)]
        for layer, _, own in layers:
            kind = "depthwise" if layer.groups > 1 else "dense"
            words = f"{kind} {layer.kernel_size[0]} × {layer.kernel_size[0]}"
            maps.append(Map(words, side, layer.out_channels, 1, own.macs / macs))
        network_drawing(axis, maps, limits=(2 * min(channels) + 2 * max(channels), side))
        axis.set_title(f"{name} (%: shares of its own MACs)", loc="left", fontsize=10)
    show(
        figure,
        "Above, the bottleneck: thick, thin, thin, thick. Below, the inverted one: thin, thick, "
        "thick, thin.",
    )


@styled
def macs_view(blocks: Mapping[str, nn.Sequential], side: int, guess: float | None) -> View:
    """The MACs of these blocks on a map of side × side as bars, and what else they cost.

    guess: how many times the first block's MACs the second one was thought to need.
    """
    figure, (axis,) = new_panels(7.4, 2.6, (0.3, 0.2, 0.66, 0.66))
    millions, numbers = [], {}
    for name, block in blocks.items():
        layers = outputs_of(block, block[0].in_channels, side)
        cost = sum(own for _, _, own in layers)
        inside = sum(written for _, written, _ in layers[:-1])
        between = block[0].in_channels * side * side
        millions.append(cost.macs / 1e6)
        numbers[name] = (
            f"{cost.macs / 1e6:.1f} million MACs, {cost.params:,} parameters, "
            f"{between:,} numbers go from block to block, {inside:,} are written inside"
        )
    axis.barh(range(len(blocks)), millions, color=COLORS[0])
    for place, value in enumerate(millions):
        axis.text(value + 1, place, f"{value:.1f}", va="center", fontsize=9)
    axis.set(yticks=range(len(blocks)), yticklabels=list(blocks), xlim=(0, 140))
    axis.set(xlabel="million MACs", ylim=(len(blocks) - 0.4, -0.6))
    axis.set_title("Inverted is cheap only with a depthwise middle", fontsize=11)
    draw_guess(axis, None if guess is None else guess * millions[0], y=1)
    words = ", ".join(f"{name} {value:.1f}" for name, value in zip(blocks, millions, strict=True))
    return View(figure, f"Million MACs: {words}.", numbers)


# --- the spiral ---


@functools.cache
def spiral() -> Tensor:
    """Points on a spiral around the origin, [POINTS, 2]."""
    turn = torch.linspace(0.0, 1.0, POINTS)
    angle = 2 * torch.pi * TURNS * turn
    radius = 0.15 + 0.85 * turn
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def random_lift(dimensions: int, draw: int) -> Tensor:
    """A random matrix [dimensions, 2], at most MOST. Of one draw, more dimensions are the same
    ones and further ones.
    """
    random = torch.Generator().manual_seed(draw)
    return torch.randn(MOST, 2, generator=random)[:dimensions]


def cut_and_back(points: Tensor, lift: Tensor) -> tuple[Tensor, Tensor]:
    """The points [n, 2] after a lift to more dimensions, ReLU, and the best linear way back; and
    which of them could still be told: those with two numbers or more above 0, [n].
    """
    cut = torch.relu(points @ lift.T)  # [n, dimensions]
    return cut @ torch.linalg.pinv(lift).T, (cut > 0).sum(1) >= 2


def share_lost(dimensions: int, draws: int = 2000) -> float:
    """The share of the spiral's points that ReLU destroys, the mean of so many random lifts."""
    random = torch.Generator().manual_seed(dimensions)
    lifts = torch.randn(draws, dimensions, 2, generator=random)
    above = torch.einsum("dnc,pc->dpn", lifts, spiral()) > 0  # [draws, points, dimensions]
    return (above.sum(2) < 2).float().mean().item()


def enough(draw: int) -> int:
    """The smallest number of dimensions in which this draw destroys no point."""
    for dimensions in range(2, MOST + 1):
        _, kept = cut_and_back(spiral(), random_lift(dimensions, draw))
        if kept.all():
            return dimensions
    raise ValueError(f"draw {draw} destroys points even in {MOST} dimensions.")


def _draw_spiral(axis: Axes, points: Tensor, kept: Tensor) -> None:
    colors = torch.linspace(0, 1, len(points))
    axis.scatter(*points[kept].T, c=colors[kept], cmap="viridis", vmin=0, vmax=1, s=9)
    axis.scatter(*points[~kept].T, color=CRUSHED, marker="x", s=22, linewidths=0.9)
    reach = 1.15 * points.abs().max().clamp(min=1e-3)
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axis.set_axis_off()


@styled
def spiral_view(dimensions: int, draw: int) -> View:
    """The spiral before, and after lift, ReLU and way back; gray crosses are points that cannot be
    told any more.
    """
    back, kept = cut_and_back(spiral(), random_lift(dimensions, draw))
    figure, (left, right) = new_panels(6.4, 3.3, (0.02, 0.02, 0.46, 0.86), (0.52, 0.02, 0.46, 0.86))
    _draw_spiral(left, spiral(), torch.ones(POINTS, dtype=torch.bool))
    _draw_spiral(right, back, kept)
    left.set_title("before", fontsize=10)
    right.set_title(f"after ReLU in {dimensions} dimensions, and back", fontsize=10)
    destroyed = in_percent(1 - kept.float().mean().item())
    return View(
        figure,
        f"A spiral, and what ReLU in {dimensions} dimensions leaves: {destroyed} is destroyed.",
        {"points destroyed": destroyed},
    )


@styled
def show_spirals(dimensions: Sequence[int], draw: int = 1) -> None:
    """What comes back from ReLU in so many dimensions, side by side."""
    figure, axes = new_figure(1, len(dimensions), width=8.4, height=2.5)
    lost = []
    for axis, number in zip(axes[0], dimensions, strict=True):
        back, kept = cut_and_back(spiral(), random_lift(number, draw))
        _draw_spiral(axis, back, kept)
        lost.append(1 - kept.float().mean().item())
        axis.set_title(f"{number} dimensions\n{in_percent(lost[-1])} destroyed", fontsize=10)
    figure.suptitle("In few dimensions ReLU crushes the spiral; in many it survives", fontsize=11)
    told = ", ".join(
        f"{in_percent(share)} with {number}" for number, share in zip(dimensions, lost, strict=True)
    )
    show(figure, f"What ReLU destroys of the spiral, by the number of dimensions: {told}.")


@styled
def show_share_lost(most: int = 10) -> None:
    """The share of points destroyed, measured and by the rule (n + 1) / 2^n, with the 10 % line."""
    numbers = range(2, most + 1)
    measured = [100 * share_lost(number) for number in numbers]
    rule = [100 * (number + 1) / 2**number for number in numbers]
    figure, axes = new_figure(width=6.6, height=3.0)
    axis = axes[0, 0]
    axis.plot(numbers, rule, color=PALETTE["black"], marker="", label="rule: (n + 1) / 2ⁿ")
    axis.plot(
        numbers,
        measured,
        color=COLORS[1],
        marker="o",
        linestyle="none",
        label="measured, mean of 2,000 draws",
    )
    axis.axhline(10, color=PALETTE["green"], linestyle="--", marker="", label="one point in ten")
    axis.set(yscale="log", xlabel="dimensions n of the lift", ylabel="points destroyed (%)")
    ticks = (1, 10, 100)
    axis.set(xticks=list(numbers), ylim=(0.5, 100))
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_title("From 7 dimensions on, fewer than one point in ten is destroyed", fontsize=11)
    axis.legend()
    show(
        figure,
        f"Points destroyed: {measured[0]:.0f} % in 2 dimensions, {measured[3]:.0f} % in 5, "
        f"{measured[4]:.0f} % in 6, {measured[5]:.0f} % in 7, close to the rule's {rule[5]:.0f} %.",
    )
