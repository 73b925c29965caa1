"""MBConv for notebook 02: its parts as switches, and its gates at work."""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from torch import Tensor, nn

from effdet_lite.cost import Cost, conv2d, norm
from effdet_lite.layers import MBConv, SqueezeExcite, squeezed_channels
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import COLORS, MARKERS, PALETTE, new_figure, new_panels, styled
from effdet_lite.teach.kit.shared import shipped, unseen_pictures
from effdet_lite.teach.kit.typed import in_percent
from effdet_lite.teach.kit.widgets import View

CHANNELS, SIDE = 112, 14  # of B0's stage 5, where its second and third block stand
QUANTITIES = ("MACs", "parameters", "numbers written")
MANY_PICTURES = 40
SIGNS = "PuOr"  # the color map of maps: orange below zero, white at zero, purple above


@dataclass(frozen=True)
class Switches:
    """A block of CHANNELS in and out. widen: how many times wider it is inside. gate: whether it
    has squeeze-and-excitation. skip: whether its input is added.
    """

    widen: int = 6
    is_depthwise: bool = True
    kernel: int = 5
    gate: bool = True
    skip: bool = True


class Part(NamedTuple):
    """One part's cost, and how many numbers its convolutions write for one image."""

    cost: Cost
    written: int


def parts_of(block: Switches) -> dict[str, Part]:
    """The parts of the block that are there, on a map of SIDE × SIDE."""
    wide, few = CHANNELS * block.widen, squeezed_channels(CHANNELS)
    positions = SIDE * SIDE
    found = {}
    if block.widen > 1:
        cost = conv2d(CHANNELS, wide, 1, SIDE, SIDE) + norm(wide)
        found["widen"] = Part(cost, wide * positions)
    groups = wide if block.is_depthwise else 1
    cost = conv2d(wide, wide, block.kernel, SIDE, SIDE, groups=groups) + norm(wide)
    found["filter"] = Part(cost, wide * positions)
    if block.gate:
        squeeze = conv2d(wide, few, 1, 1, 1, bias=True)
        excite = conv2d(few, wide, 1, 1, 1, bias=True)
        found["gate"] = Part(squeeze + excite, few + wide)
    cost = conv2d(wide, CHANNELS, 1, SIDE, SIDE) + norm(CHANNELS)
    found["narrow"] = Part(cost, CHANNELS * positions)
    if block.skip:
        found["skip"] = Part(Cost(), 0)
    return found


def totals_of(block: Switches) -> dict[str, int]:
    """The whole block's MACs, parameters, and numbers that its convolutions write."""
    parts = parts_of(block).values()
    cost = sum(part.cost for part in parts)
    written = sum(part.written for part in parts)
    return dict(zip(QUANTITIES, (cost.macs, cost.params, written), strict=True))


def factors_of(block: Switches) -> dict[str, float]:
    """The same, as multiples of B0's own block."""
    whole = totals_of(Switches())
    return {name: value / whole[name] for name, value in totals_of(block).items()}


@styled
def switches_view(widen: int, is_depthwise: bool, kernel: int, gate: bool, skip: bool) -> View:
    """What a block with these switches costs beside B0's own, and what each of its parts takes."""
    block = Switches(widen, is_depthwise, kernel, gate, skip)
    factors = factors_of(block)
    figure, (axis,) = new_panels(7.4, 2.4, (0.2, 0.22, 0.76, 0.64))
    for place, name in enumerate(QUANTITIES):
        _draw_factor(axis, factors[name], place, place)
    axis.set(ylim=(2.6, -0.6), yticks=range(len(QUANTITIES)), yticklabels=QUANTITIES)
    _factor_axis(axis)
    numbers = {name: _in_words(part, block) for name, part in parts_of(block).items()}
    told = ", ".join(f"{name} {factors[name]:.2f}" for name in QUANTITIES)
    return View(figure, f"Multiples of B0's own block: {told}.", numbers)


def _draw_factor(axis: Axes, factor: float, place: float, number: int, label: str = "") -> None:
    """A dot at this multiple, and its number. A bar would have no length on an axis without 0."""
    look = {"color": COLORS[number], "marker": MARKERS[number], "markersize": 7}
    axis.plot(factor, place, linestyle="none", **look, label=label or "_")
    is_left = factor < 0.995  # of 1, in two digits: its words never stand on the line
    beside = (-8, 0) if is_left else (8, 0)
    words = {"textcoords": "offset points", "va": "center", "ha": "right" if is_left else "left"}
    axis.annotate(f"{factor:.2f} ×", (factor, place), beside, **words, fontsize=9)


def _factor_axis(axis: Axes) -> None:
    """Multiples of B0's own block along x, on a logarithmic scale, and a line at 1."""
    axis.axvline(1, color=PALETTE["black"], linestyle="--", marker="", linewidth=1, zorder=1)
    ticks = (0.1, 0.3, 1, 3, 10, 30, 100)
    axis.set(xscale="log", xlim=(0.03, 300))
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("times B0's own block (dashed line)")


def _in_words(part: Part, block: Switches) -> str:
    """What one part of the block takes, and its share."""
    whole = totals_of(block)
    macs, params = part.cost.macs, part.cost.params
    return (
        f"{macs / 1e6:.2f} million MACs ({in_percent(macs / whole['MACs'])}), "
        f"{params:,} parameters ({in_percent(params / whole['parameters'])}), "
        f"{part.written:,} numbers written"
    )


ALONE = {
    "B0's own block": Switches(),
    "dense in place of depthwise": Switches(is_depthwise=False),
    "kernel 3 × 3": Switches(kernel=3),
    "no gate": Switches(gate=False),
    "3 times wider inside": Switches(widen=3),
    "not wider inside": Switches(widen=1),
    "no skip": Switches(skip=False),
}


@styled
def show_each_switch() -> None:
    """Each switch turned alone: what becomes of MACs, parameters and the numbers written."""
    figure, axes = new_figure(width=8.0, height=4.8)
    axis = axes[0, 0]
    for place, block in enumerate(ALONE.values()):
        for number, quantity in enumerate(QUANTITIES):
            label = quantity if place == 0 else ""
            factor = factors_of(block)[quantity]
            _draw_factor(axis, factor, place + 0.29 * (number - 1), number, label)
        axis.axhline(place + 0.5, color="#999999", linestyle="-", marker="", linewidth=0.6)
    axis.set(ylim=(len(ALONE) - 0.5, -0.5), yticks=range(len(ALONE)), yticklabels=list(ALONE))
    axis.grid(visible=False, axis="y")
    _factor_axis(axis)
    axis.legend(loc="lower right", fontsize=9, frameon=True, framealpha=1, edgecolor="none")
    macs = {name: factors_of(block)["MACs"] for name, block in ALONE.items()}
    dense = macs["dense in place of depthwise"]
    axis.set_title(f"Without depthwise the block needs {dense:.0f} times the MACs", fontsize=11)
    told = ", ".join(f"{name} {value:.2f}" for name, value in macs.items())
    show(figure, f"MACs as multiples of B0's own block: {told}.")


def by_hand_matches(mine: nn.Module, package: MBConv, images: Tensor) -> bool:
    """Whether both blocks answer alike once the package's has the weights of `mine`, which are
    handed over in their order.
    """
    weights = zip(package.state_dict().values(), mine.state_dict().values(), strict=True)
    for theirs, own in weights:
        if theirs.shape != own.shape:
            return False
        theirs.copy_(own)
    with torch.no_grad():
        return torch.allclose(mine(images), package(images), atol=1e-5)


# --- gates of a trained network ---


class Gated(NamedTuple):
    """What the first gate of a detector that was trained on shapes does with one picture.

    before, after: its maps [channels, height, width]. gates: [channels], 0-1.
    """

    picture: Tensor
    before: Tensor
    after: Tensor
    gates: Tensor


@functools.lru_cache(maxsize=MANY_PICTURES)
def gated(index: int) -> Gated:
    """For test picture number `index`."""
    return _gated(unseen_pictures()[index][0])


def gates_of_color(red: float, green: float, blue: float) -> Tensor:
    """For a picture that is all of this color (each 0-1): [channels], 0-1."""
    color = torch.tensor([red, green, blue], dtype=torch.float32)
    return _gated(color[:, None, None].expand(-1, 128, 128)).gates


def _gated(picture: Tensor) -> Gated:
    detector, _ = shipped("shapes")
    layer: SqueezeExcite = detector.backbone.stages[0][0].squeeze_excite
    seen: dict[str, Tensor] = {}

    def keep(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        seen["before"], seen["after"] = inputs[0][0], output[0]

    hook = layer.register_forward_hook(keep)
    with torch.no_grad():
        detector.backbone.features(picture[None])
        gates = layer.gate(seen["before"][None])[0, :, 0, 0]
    hook.remove()
    return Gated(picture, seen["before"], seen["after"], gates)


@styled
def show_gates(index: int = 0) -> None:
    """A picture, the two maps that its gates turn down least, and the two that they turn down
    most, before and after.
    """
    found = gated(index)
    order = found.gates.argsort(descending=True)
    figure, axes = new_figure(2, 5, width=8.6, height=4.1)
    for axis in axes.flat:
        axis.set_axis_off()
    axes[0, 0].imshow(found.picture.permute(1, 2, 0))
    axes[0, 0].set_title("the picture", fontsize=9)
    chosen = [*order[:2].tolist(), *order[-2:].tolist()]
    for column, channel in enumerate(chosen, start=1):
        limit = found.before[channel].abs().max()
        look = {"vmin": -limit, "vmax": limit, "cmap": SIGNS}
        axes[0, column].imshow(found.before[channel], **look)
        axes[1, column].imshow(found.after[channel], **look)
        axes[0, column].set_title(f"channel {channel}, before", fontsize=9)
        axes[1, column].set_title(f"after: × {found.gates[channel]:.2f}", fontsize=9)
    scale = ScalarMappable(Normalize(-1, 1), SIGNS)
    bar = figure.colorbar(scale, cax=axes[1, 0].inset_axes((0.06, 0.5, 0.88, 0.09)), location="top")
    bar.set_ticks([-1, 0, 1], labels=["−most", "0", "+most"])
    bar.ax.tick_params(labelsize=9)
    bar.ax.set_xlabel("most: the channel's\nlargest |value| before", fontsize=9)
    bar.ax.xaxis.set_label_position("bottom")
    figure.suptitle("Gates turn some channels down more than others", fontsize=11)
    gates = ", ".join(f"{found.gates[channel]:.2f}" for channel in chosen)
    show(
        figure,
        f"Four feature maps of a picture with shapes, before and after their gates of {gates}: two "
        "keep most of their contrast, two fade.",
    )


@functools.cache
def many_gates() -> Tensor:
    """Gates for many pictures, [MANY_PICTURES, channels]."""
    return torch.stack([gated(index).gates for index in range(MANY_PICTURES)])


@styled
def gates_view(index: int) -> View:
    """The gates for one picture, beside their range over many pictures."""
    found, many = gated(index), many_gates()
    order = many.mean(0).argsort(descending=True)
    low, high = many.amin(0)[order], many.amax(0)[order]
    figure, (left, right) = new_panels(8.0, 2.9, (0.01, 0.12, 0.26, 0.76), (0.36, 0.2, 0.62, 0.68))
    left.imshow(found.picture.permute(1, 2, 0))
    left.set_axis_off()
    places = range(len(order))
    right.vlines(places, low, high, color="#BBBBBB", linewidth=5)
    right.plot(places, found.gates[order], color=COLORS[1], marker="o", linestyle="none")
    right.set(xlabel="channel, sorted by its mean gate", ylabel="gate (0–1)", ylim=(0, 1))
    right.set_xticks(places, order.tolist(), fontsize=9)
    right.set_title("dots: this picture; gray: range over 40 pictures", fontsize=10)
    lowest = int(found.gates.argmin())
    numbers = {"turned down most": f"channel {lowest}, × {found.gates[lowest]:.2f}"}
    return View(figure, f"The gates for picture {index}, from {found.gates.min():.2f} up.", numbers)
