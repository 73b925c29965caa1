"""The famous curve: ImageNet accuracy against MACs, as it stood when EfficientNet came out."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from effdet_lite.scaling import PUBLISHED
from effdet_lite.teach.kit.plots import PALETTE, styled


class Famous(NamedTuple):
    """What a network reached on ImageNet.

    macs: for one image, in billions. top1: accuracy in percent.
    """

    macs: float
    top1: float


# arXiv 1905.11946, table 2; one image, one network.
OTHERS = {
    "ResNet-50": Famous(4.1, 76.0),
    "DenseNet-169": Famous(3.5, 76.2),
    "ResNet-152": Famous(11, 77.8),
    "DenseNet-264": Famous(6.0, 77.9),
    "Inception-v3": Famous(5.7, 78.8),
    "Xception": Famous(8.4, 79.0),
    "Inception-ResNet-v2": Famous(13, 80.1),
    "ResNeXt-101": Famous(32, 80.9),
    "SENet": Famous(42, 82.7),
    "NASNet-A": Famous(24, 82.7),
    "AmoebaNet-C": Famous(41, 83.5),
}


def efficientnets() -> dict[str, Famous]:
    """B0 to B7 as the paper gives them."""
    names = [f"B{number}" for number in range(8)]
    found = [PUBLISHED[name.lower()] for name in names]
    return {
        name: Famous(one.macs / 1e9, one.accuracy) for name, one in zip(names, found, strict=True)
    }


@styled
def imagenet_curve(axis: Axes, named: Sequence[str] = ("ResNet-50", "SENet")) -> None:
    """Draw B0-B7 as a curve and the other networks as crosses, MACs on a logarithmic axis.

    named: which of the others get their names.
    """
    curve = efficientnets()
    macs, top1 = zip(*curve.values(), strict=True)
    axis.plot(macs, top1, color=PALETTE["blue"], marker="o", label="EfficientNet B0 to B7")
    macs, top1 = zip(*OTHERS.values(), strict=True)
    look = {"color": PALETTE["vermillion"], "marker": "X", "linestyle": "none"}
    axis.plot(macs, top1, **look, label="other networks")
    for name, (x, y) in (OTHERS | curve).items():
        if name in named or name in curve:
            place = (-5, 4) if name in curve else (6, -11)
            side = "right" if name in curve else "left"
            axis.annotate(
                name, (x, y), xytext=place, textcoords="offset points", ha=side, fontsize=9
            )
    axis.set_xscale("log")
    ticks = (0.3, 1, 3, 10, 30, 60)
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set(xlim=(0.3, 60), ylim=(75, 85))
    axis.set(xlabel="billion MACs for one image", ylabel="ImageNet accuracy (%)")
    axis.legend(loc="lower right", fontsize=9)
