"""What notebook 01 shows of a convolution and its cost: drawings to scale, tables of filters, and
two ways to count a whole network: weights × positions, and libraries.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torchvision
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from effdet_lite import cost
from effdet_lite.efficientnet import EfficientNet
from effdet_lite.modes import evaluation_mode
from effdet_lite.teach.kit.drawings import conv_drawing
from effdet_lite.teach.kit.guesses import draw_guess
from effdet_lite.teach.kit.plots import PALETTE, line_look, new_figure, new_panels, styled
from effdet_lite.teach.kit.widgets import View

PHOTOGRAPH = (1, 3, 224, 224)  # what ImageNet's networks are counted on


def convolution_view(
    c_in: int,
    c_out: int,
    side: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
    bias: bool = False,
) -> View:
    """One convolution with padding "same" on a map of side × side: its cost, the memory it moves,
    its picture to scale.

    Memory traffic is the least there can be: input, weights and output, each moved once, 4 bytes a
    number. Raises ValueError where groups does not divide both c_in and c_out.
    """
    one = cost.conv2d(c_in, c_out, kernel, side, side, stride=stride, groups=groups, bias=bias)
    out_side = math.ceil(side / stride)
    traffic = 4 * (c_in * side**2 + one.params + c_out * out_side**2)
    figure, (axis,) = new_panels(7.0, 3.2, (0.01, 0.01, 0.98, 0.98))
    conv_drawing(axis, c_in, c_out, side, side, kernel, stride, groups, dilation)
    numbers = {
        "output, H × W × C₂": f"{out_side} × {out_side} × {c_out}",
        "parameters": f"{one.params:,}",
        "MACs": f"{one.macs / 1e6:,.3f} million",
        "FLOPs": f"{one.flops / 1e6:,.3f} million",
        "memory traffic, at least": f"{traffic / 1e6:,.3f} MB",
        "arithmetic intensity": f"{one.flops / traffic:,.2f} FLOP/byte",
    }
    apart = f", in {groups} groups" if groups > 1 else ""
    words = (
        f"A convolution from {side} × {side} × {c_in} numbers to "
        f"{out_side} × {out_side} × {c_out}{apart}, to scale."
    )
    return View(figure, words, numbers)


@styled
def four_convolutions() -> Figure:
    """A dense convolution of 16 channels on 24 × 24, and three that change one argument."""
    figure, axes = new_figure(2, 2, width=9.6, height=5.8)
    variants = {
        "dense": {},
        "stride 2: a quarter of the positions": {"stride": 2},
        "dilation 2: a wider window, the same cost": {"dilation": 2},
        "groups = 16: each kernel is one channel deep": {"groups": 16},
    }
    for axis, (title, arguments) in zip(axes.flat, variants.items(), strict=True):
        conv_drawing(axis, 16, 16, 24, 24, 3, **arguments)
        without_dilation = {name: n for name, n in arguments.items() if name != "dilation"}
        macs = cost.conv2d(16, 16, 3, 24, 24, **without_dilation).macs
        axis.set_title(f"{title}\n{macs:,} multiplications", fontsize=10)
    return figure


# --- whole networks ---


def without_groups(network: nn.Module) -> nn.Module:
    """The network, changed in place: each convolution with groups becomes dense, with weights that
    have a size and no values, which is enough to count.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups > 1:
            layer.groups = 1
            shape = (layer.out_channels, layer.in_channels, *layer.kernel_size)
            layer.weight = nn.Parameter(torch.empty(shape, device="meta"))
    return network


@styled
def price_of_one_argument() -> Figure:
    """B0 as it is, ResNet-50, and B0 with dense convolutions for its depthwise ones: billions of
    multiplications for one photograph, counted.
    """
    with torch.device("meta"):
        networks = {
            "EfficientNet-B0,\ngroups = 1": without_groups(EfficientNet.from_name("b0")),
            "ResNet-50": torchvision.models.resnet50(),
            "EfficientNet-B0": EfficientNet.from_name("b0"),
        }
    billions = {name: cost.count(one, *PHOTOGRAPH).macs / 1e9 for name, one in networks.items()}
    figure, axes = new_figure(width=7.6, height=2.9)
    axis = axes[0, 0]
    colors = [PALETTE[name] for name in ("vermillion", "sky", "blue")]
    axis.barh(list(billions), list(billions.values()), height=0.6, color=colors)
    for place, value in enumerate(billions.values()):
        axis.text(value, place, f" {value:.2f} billion", va="center")
    axis.set(xlabel="multiplications for one photograph (billion), counted here", xlim=(0, 18))
    axis.grid(axis="y", visible=False)
    axis.set_title("One argument of 16 layers makes B0 40 times as expensive")
    return figure


class Count(NamedTuple):
    """What a library says a network costs, and what it calls that."""

    word: str
    number: int


def counts_of_libraries(network: nn.Module, image: Tensor) -> dict[str, Count]:
    """By library: the network on this image [1, 3, H, W], as torch, torchinfo and, where it is
    installed, fvcore count it.
    """
    with evaluation_mode(network), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # both libraries use functions that torch will retire
        with FlopCounterMode(display=False) as counter:
            network(image)
        import torchinfo

        info = torchinfo.summary(network, input_data=image, verbose=0)
        counts = {
            "torch.utils.flop_counter": Count("FLOPs", counter.get_total_flops()),
            "torchinfo": Count("mult-adds", info.total_mult_adds),
        }
        try:
            from fvcore.nn import FlopCountAnalysis
        except ImportError:
            return counts
        analysis = FlopCountAnalysis(network, image)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        counts["fvcore"] = Count("flops", analysis.total())
    return counts


def numbers_from_norms(network: nn.Module, image: Tensor) -> int:
    """How many numbers all batch norms of the network put out for this image."""
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    return sum(numbers for _, numbers in _numbers_out(network, image, norms))


def layers_with_positions(network: nn.Module, image: Tensor) -> list[tuple[nn.Module, int]]:
    """The network's convolutions and linear layers, as often as each runs for this image, with the
    positions of its output. A linear layer after pooling has a single one.
    """
    layers = [one for one in network.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    found = _numbers_out(network, image, layers)
    return [(layer, numbers // len(layer.weight)) for layer, numbers in found]


def layers_with_groups(network: nn.Module, image: Tensor) -> list[tuple[nn.Conv2d, int]]:
    """Of `layers_with_positions` the convolutions with more than one group."""
    found = layers_with_positions(network, image)
    return [(layer, positions) for layer, positions in found if getattr(layer, "groups", 1) > 1]


def _numbers_out(
    network: nn.Module, image: Tensor, layers: Sequence[nn.Module]
) -> list[tuple[nn.Module, int]]:
    """Each of these layers, as often as it runs for this image, and how many numbers it makes."""
    found = []

    def note(layer: nn.Module, inputs: tuple, output: Tensor) -> None:
        found.append((layer, output.numel()))

    hooks = [layer.register_forward_hook(note) for layer in layers]
    with torch.no_grad(), evaluation_mode(network):
        network(image)
    for hook in hooks:
        hook.remove()
    return found


# --- one filter for each pair of channels ---


@styled
def tables_of_filters(guessed: float | None = None) -> Figure:
    """Layers as tables with one K × K filter for each pair of an input and an output channel.

    guessed: how many times the MACs with twice the kernels, told in the title.
    """
    figure, axes = new_figure(2, 3, width=8.6, height=5.4)
    layers = {
        "dense, 4 → 4 channels": (4, 4, False),
        "twice the kernels, 4 → 8": (4, 8, False),
        "twice on both sides, 8 → 8": (8, 8, False),
        "depthwise, 4 channels": (4, 4, True),
        "depthwise, 8 channels": (8, 8, True),
    }
    for axis, (title, (c_in, c_out, is_depthwise)) in zip(axes.flat, layers.items(), strict=False):
        filters = _draw_filters(axis, c_in, c_out, is_depthwise)
        axis.set_title(f"{title}: {filters} filters", fontsize=10)
    axes[1, 2].set_axis_off()
    guess = "" if guessed is None else f" (your guess: {guessed:g} ×)"
    figure.suptitle(f"Twice the kernels cost 2 ×{guess}, twice the channels on both sides 4 ×")
    return figure


def _draw_filters(axis: Axes, c_in: int, c_out: int, is_depthwise: bool) -> int:
    """A table of 3 × 3 filters, a row for each output channel; returns how many there are."""
    pairs = [(i, j) for i in range(c_out) for j in range(c_in) if i == j or not is_depthwise]
    cells = [
        (j + 0.1 + 0.27 * x, i + 0.1 + 0.27 * y)
        for i, j in pairs
        for x in range(3)
        for y in range(3)
    ]
    corners = np.array([(0, 0), (0.27, 0), (0.27, 0.27), (0, 0.27)])
    squares = [np.array(cell) + corners for cell in cells]
    look = {"facecolors": PALETTE["orange"], "edgecolors": "#8A5A00", "linewidths": 0.4}
    axis.add_collection(PolyCollection(squares, **look))
    lines = [[(0, i), (c_in, i)] for i in range(c_out + 1)]
    lines += [[(j, 0), (j, c_out)] for j in range(c_in + 1)]
    axis.add_collection(LineCollection(lines, colors="#BBBBBB", linewidths=0.8))
    words = {"fontsize": 9, "color": "#444444"}
    axis.text(0, -0.2, "input channels →", va="bottom", **words)
    axis.text(-0.2, 0, "output channels →", va="top", ha="right", rotation=270, **words)
    axis.set(xlim=(-0.9, 8.1), ylim=(8.1, -0.9), xticks=[], yticks=[], aspect="equal")
    axis.grid(False)
    for side in axis.spines.values():
        side.set_visible(False)
    return len(pairs)


def filters_view(guesses: Mapping[str, float | None]) -> View:
    """`tables_of_filters` for `with_guesses`, with the guess 01.d."""
    words = (
        "Tables of 3 × 3 filters. Dense, 4 to 4 channels: 16. 4 to 8: 32. 8 to 8: 64. Depthwise "
        "layers have only the diagonal: 4 filters for 4 channels, 8 for 8."
    )
    return View(tables_of_filters(guesses["01.d"]), words, {})


# --- depthwise-separable ---


def separable(channels: int, kernel: int, side: int) -> cost.Cost:
    """A depthwise convolution and then a pointwise one, from `channels` to `channels` channels."""
    depthwise = cost.conv2d(channels, channels, kernel, side, side, groups=channels)
    return depthwise + cost.conv2d(channels, channels, 1, side, side)


@styled
def times_cheaper(guessed: float | None = None, channels: Sequence[int] = ()) -> Figure:
    """How many times cheaper a separable convolution is than the dense one, against its channels.

    guessed: the most for 3 × 3.
    """
    channels = channels or [8, 16, 32, 64, 128, 256, 512]
    figure, axes = new_figure(width=7.4, height=3.8)
    axis = axes[0, 0]
    for number, kernel in enumerate((3, 5, 7)):
        look = line_look(number)
        times = [
            cost.conv2d(c, c, kernel, 28, 28).macs / separable(c, kernel, 28).macs for c in channels
        ]
        axis.plot(channels, times, **look)
        axis.axhline(kernel**2, color=look["color"], linestyle=":", linewidth=1, marker="")
        axis.text(560, kernel**2, f"{kernel} × {kernel}: K² = {kernel**2}", va="center")
    axis.set(xscale="log", yscale="log", xlim=(7, 540), ylim=(3, 60))
    axis.set(xlabel="channels, C₁ = C₂ (log scale)", ylabel="times cheaper than dense (log scale)")
    axis.set_xticks(channels, channels)
    axis.set_yticks([4, 6, 9, 15, 25, 49], [4, 6, 9, 15, 25, 49])
    axis.minorticks_off()
    draw_guess(axis, guessed, x=64)
    axis.set_title("With many channels a separable convolution is nearly K² times cheaper")
    return figure


def separable_view(guesses: Mapping[str, float | None]) -> View:
    """`times_cheaper` for `with_guesses`, with the guess 01.e."""
    words = (
        "How many times cheaper a separable convolution is, against its channels: for 3 × 3 it "
        "climbs from 4 towards 9, for 5 × 5 towards 25, for 7 × 7 towards 49."
    )
    return View(times_cheaper(guesses["01.e"]), words, {})
