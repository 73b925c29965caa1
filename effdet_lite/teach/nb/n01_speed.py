"""How fast convolutions run on this machine, for notebook 01: MACs beside milliseconds, and both
under a roofline.

The roofline model: Williams, Waterman and Patterson, Communications of the ACM 52(4), 2009.
"""

import functools
import math
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import ScaledTranslation
from torch import Tensor, nn

from effdet_lite import cost
from effdet_lite.teach.kit.plots import PALETTE, new_figure, new_panels, styled
from effdet_lite.teach.kit.shared import one_thread
from effdet_lite.teach.kit.widgets import View

LOOKS = {"dense": ("blue", "o"), "pointwise": ("green", "^"), "depthwise": ("vermillion", "s")}
INTENSITIES = (0.25, 512)  # FLOP/byte: the range of a roofline's axis


class Layer(NamedTuple):
    """A convolution with padding "same" on a square map, float32.

    kind: "dense", "pointwise" or "depthwise", which has as many channels out as in.
    """

    kind: str
    c_in: int
    c_out: int
    kernel: int
    side: int

    @property
    def groups(self) -> int:
        """As F.conv2d has it."""
        return self.c_in if self.kind == "depthwise" else 1

    @property
    def cost(self) -> cost.Cost:
        """Parameters and MACs."""
        return cost.conv2d(
            self.c_in, self.c_out, self.kernel, self.side, self.side, groups=self.groups
        )

    @property
    def traffic(self) -> int:
        """Bytes of the input, the weights and the output, each moved once."""
        return 4 * ((self.c_in + self.c_out) * self.side**2 + self.cost.params)

    @property
    def intensity(self) -> float:
        """FLOP for each byte of traffic."""
        return self.cost.flops / self.traffic

    def __str__(self):
        size = f"{self.kernel}×{self.kernel}, {self.side}×{self.side}"
        return f"{self.kind} {self.c_in} → {self.c_out}, {size}"

    def speed(self, repeats: int = 40) -> float:
        """FLOP/s that this machine reaches."""
        padding = self.kernel // 2
        layer = nn.Conv2d(
            self.c_in, self.c_out, self.kernel, 1, padding, groups=self.groups, bias=False
        )
        image = torch.zeros(1, self.c_in, self.side, self.side)
        return self.cost.flops / (milliseconds(layer, image, repeats=repeats) / 1e3)


EXAMPLES = (
    Layer("dense", 64, 64, 3, 56),
    Layer("dense", 24, 24, 3, 112),
    Layer("pointwise", 64, 64, 1, 56),
    Layer("pointwise", 16, 96, 1, 112),
    Layer("depthwise", 64, 64, 3, 56),
    Layer("depthwise", 240, 240, 5, 28),
)


class Limits(NamedTuple):
    """What this machine can do at most: FLOP/s, and bytes/s to and from its memory."""

    peak: float
    memory: float

    def roof(self, intensity: float) -> float:
        """FLOP/s that a layer with so many FLOP/byte can reach at most."""
        return min(self.peak, self.memory * intensity)


def milliseconds(function: Callable, *inputs: Tensor, repeats: int = 40) -> float:
    """Milliseconds of the fastest of several runs on one core: whatever else the machine does can
    only slow one down.
    """
    seconds = []
    with torch.inference_mode(), one_thread():
        function(*inputs)  # the first run also prepares
        for _ in range(repeats):
            start = time.perf_counter()
            function(*inputs)
            seconds.append(time.perf_counter() - start)
    return 1e3 * min(seconds)


def machine_limits() -> Limits:
    """The peak of one core, the fastest of a large dense convolution and of products of matrices,
    which libraries make fast on some processors only; and the speed of the memory, from copies of a
    map as large as the examples' (64 × 56 × 56), which read and write it.
    """
    peaks = [Layer("dense", 128, 128, 3, 28).speed(repeats=200)]
    for side in (128, 256, 512):
        matrix = torch.randn(side, side)
        took = milliseconds(torch.mm, matrix, matrix, repeats=200)
        peaks.append(2 * side**3 / (took / 1e3))
    image = torch.randn(1, 64, 56, 56)
    return Limits(max(peaks), 2 * 4 * image.numel() / (milliseconds(torch.clone, image) / 1e3))


@styled
def macs_and_time(times: Mapping[str, float], guessed: float | None = None) -> Figure:
    """MACs and milliseconds of a dense and a separable convolution of 64 channels on 56 × 56.

    times: ms of "dense", "depthwise" and "pointwise". guessed: how many times less time.
    """
    macs = {
        "dense": Layer("dense", 64, 64, 3, 56).cost.macs / 1e6,
        "depthwise": Layer("depthwise", 64, 64, 3, 56).cost.macs / 1e6,
        "pointwise": Layer("pointwise", 64, 64, 1, 56).cost.macs / 1e6,
    }
    figure, axes = new_figure(columns=2, width=8.6, height=2.9)
    factors = []
    units = ("million MACs", "milliseconds, on one core here")
    for axis, values, unit, digits in zip(axes.flat, (macs, times), units, (1, 3), strict=True):
        _dense_and_separable(axis, values, digits)
        axis.set(xlabel=unit, xlim=(0, 1.25 * max(values["dense"], values["depthwise"])))
        factors.append(values["dense"] / (values["depthwise"] + values["pointwise"]))
    if guessed:
        flag = times["dense"] / guessed
        axes[0, 1].axvline(flag, color=PALETTE["purple"], linestyle=":", marker="")
        axes[0, 1].text(flag, 1.5, " your guess", color=PALETTE["purple"], va="center")
    figure.suptitle(f"{factors[0]:.1f} times fewer MACs, {factors[1]:.1f} times less time")
    return figure


def time_view(times: Mapping[str, float]) -> Callable[[Mapping[str, float | None]], View]:
    """`macs_and_time` of these times for `with_guesses`, with the guess 01.f."""
    words = (
        "Dense against separable: the separable bar is an eighth of the dense one in MACs, and a "
        "larger part of it in milliseconds, where its depthwise part takes more room."
    )
    return lambda guesses: View(macs_and_time(times, guesses["01.f"]), words, {})


def _dense_and_separable(axis: Axes, values: Mapping[str, float], digits: int) -> None:
    """Two bars, of which the lower one is made of two parts; so many digits after the point."""
    axis.barh(1, values["dense"], height=0.5, color=PALETTE["blue"])
    axis.barh(0, values["pointwise"], height=0.5, color=PALETTE["green"], label="pointwise")
    left = values["pointwise"]
    looks = {"color": PALETTE["vermillion"], "hatch": "//", "label": "depthwise"}
    axis.barh(0, values["depthwise"], height=0.5, left=left, **looks)
    for height, value in ((1, values["dense"]), (0, left + values["depthwise"])):
        axis.text(value, height, f" {value:,.{digits}f}", va="center")
    axis.set(yticks=[0, 1], yticklabels=["separable", "dense"], ylim=(-0.5, 2.0))
    axis.grid(axis="y", visible=False)
    axis.legend(loc="upper right", ncols=2)


@styled
def smaller_maps_figure(times: Mapping[int, float]) -> Figure:
    """Milliseconds of a depthwise 3 × 3 layer of 64 channels, by the side of its map, beside its
    MACs; the largest map comes first.
    """
    macs = [Layer("depthwise", 64, 64, 3, side).cost.macs for side in times]
    largest, *_, smallest = times.values()
    figure, axes = new_figure(width=7.6, height=2.9)
    axis = axes[0, 0]
    names = [f"{side} × {side}: {count:,} MACs" for side, count in zip(times, macs, strict=True)]
    axis.barh(names, list(times.values()), height=0.6, color=PALETTE["vermillion"])
    for place, time_of_map in enumerate(times.values()):
        words = f" {time_of_map:.3f} ms, {time_of_map / largest:.0%}"
        axis.text(time_of_map, place, words, va="center")
    axis.set(xlabel="milliseconds, on one core here", xlim=(0, 1.35 * max(times.values())))
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    fewer = round(macs[0] / macs[-1])
    axis.set_title(f"{fewer} times fewer MACs still take {smallest / largest:.0%} of the time")
    return figure


@styled
def roofline_figure(limits: Limits, speeds: Mapping[Layer, float]) -> Figure:
    """Layers under this machine's roof: FLOP/s that they reach, against their FLOP/byte."""
    figure, axes = new_figure(width=7.6, height=4.6)
    axis = axes[0, 0]
    _draw_roof(axis, limits)
    drawn = set()
    for layer, speed in speeds.items():
        color, marker = LOOKS[layer.kind]
        look = {"color": PALETTE[color], "marker": marker, "markersize": 8, "linestyle": ""}
        if layer.kind in drawn:  # the second one of its kind is hollow
            look |= {"markerfacecolor": "white", "markeredgewidth": 1.8}
        drawn.add(layer.kind)
        axis.plot(layer.intensity, speed / 1e9, label=str(layer), **look)
    axis.legend(loc="lower right", fontsize=9)  # names beside the markers could cover one another
    axis.set_ylim(top=max(axis.get_ylim()[1], 1.3 * max(speeds.values()) / 1e9))
    share = max(
        speed / limits.roof(layer.intensity)
        for layer, speed in speeds.items()
        if layer.kind == "depthwise"
    )
    axis.set_title(f"Here depthwise layers reach at most {share:.0%} of their roof")
    return figure


def roofline_words(limits: Limits, speeds: Mapping[Layer, float]) -> str:
    """What a `roofline_figure` shows, in words: how much of its roof each layer reaches."""
    shares = [
        f"{layer} {speed / limits.roof(layer.intensity):.0%}" for layer, speed in speeds.items()
    ]
    return f"Layers under the roof. Of what it allows they reach: {'; '.join(shares)}."


def _draw_roof(axis: Axes, limits: Limits, lowest: float = 1 / 16) -> None:
    """The roof with its two limits, its corner, and axes whose ticks can be read.

    lowest: where the speeds begin, as a part of the peak.
    """
    low, high = INTENSITIES
    corner = limits.peak / limits.memory
    roof = [limits.roof(intensity) / 1e9 for intensity in (low, corner, high)]
    axis.plot([low, corner, high], roof, color="black", marker="", linestyle="-")
    axis.axvline(corner, color="#888888", linestyle=":", marker="", linewidth=1)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    peak = f"peak: {limits.peak / 1e9:.0f} GFLOP/s"
    axis.text(1.15 * corner, 1.05 * roof[1], peak, fontsize=9, va="bottom")
    memory = f"memory: {limits.memory / 1e9:.0f} GB/s"
    x = 1.25 * max(low, lowest * corner)  # where the slope comes into the picture
    y = limits.roof(x) / 1e9
    along = {"rotation": math.degrees(math.atan(y / x)), "transform_rotates_text": True}
    above = axis.transData + ScaledTranslation(-3 / 72, 4 / 72, axis.figure.dpi_scale_trans)
    look = {"fontsize": 9, "va": "bottom", "rotation_mode": "anchor", **along}
    axis.text(x, y, memory, transform=above, **look)
    axis.xaxis.set_major_locator(LogLocator(base=4, numticks=20))
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=20))
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter("{x:g}")
        side.set_minor_locator(NullLocator())
    axis.set(xlim=(low, high), ylim=(lowest * roof[1], 2 * roof[1]))
    axis.set(xlabel="arithmetic intensity (FLOP/byte, log scale)")
    axis.set(ylabel="speed (GFLOP/s, log scale)")


def live_layers(limits: Limits) -> Callable[..., View]:
    """`live_layer_view` under these limits, for an Explorer."""
    return functools.partial(live_layer_view, limits)


@styled
def live_layer_view(limits: Limits, kind: str, channels: int, side: int) -> View:
    """One layer, measured as it is asked for: how near it comes to its roof, and to a copy's time.

    kind: of `Layer`. channels: in and out. side: of the map.
    """
    layer = Layer(kind, channels, channels, 1 if kind == "pointwise" else 3, side)
    repeats = 40 if layer.cost.macs < 1e7 else 5  # a large layer takes its time
    speed = layer.speed(repeats)
    took = layer.cost.flops / speed * 1e3
    copied = milliseconds(torch.clone, torch.zeros(1, channels, side, side), repeats=repeats)
    figure, (axis,) = new_panels(6.4, 3.4, (0.14, 0.15, 0.84, 0.82))
    _draw_roof(axis, limits, lowest=1 / 4096)  # a call has its price, so small layers are slow
    color, marker = LOOKS[kind]
    axis.plot(layer.intensity, speed / 1e9, marker, color=PALETTE[color], markersize=10)
    roof = limits.roof(layer.intensity)
    numbers = {
        "million MACs": f"{layer.cost.macs / 1e6:,.2f}",
        "arithmetic intensity": f"{layer.intensity:.1f} FLOP/byte",
        "took": f"{took:.3f} ms",
        "a copy of the map takes": f"{copied:.3f} ms, so the layer takes {took / copied:.1f} ×",
        "of what its roof allows": f"{speed / roof:.0%}",
    }
    return View(figure, f"{layer}: {speed / roof:.0%} of what its roof allows.", numbers)
