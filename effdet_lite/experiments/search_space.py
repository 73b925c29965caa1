"""The networks that `search` searches among, what they cost, and the score that it maximizes.

Kernel, expansion and gate of the blocks, and the number of blocks in each of three stages, can be
chosen: 2 * 2 * 2 * 4 * 4 * 4 = 512 networks.
"""

import functools
import itertools
from dataclasses import dataclass

import torch
from torch import nn

from effdet_lite.cost import Cost, count
from effdet_lite.data.shapes import CLASSES
from effdet_lite.experiments.classifiers import CROP
from effdet_lite.layers import ConvNorm, LayerStyle, MBConv

# What can be chosen of a network.
CHOICES = {
    "kernel": (3, 5),
    "expansion": (3, 6),
    "gate": (False, True),
    "early": (1, 2, 3, 4),
    "middle": (1, 2, 3, 4),
    "late": (1, 2, 3, 4),
}
STAGES = ((24, 2), (24, 1), (40, 2))  # channels and stride of the three stages
STEM = 16  # channels
EXPONENT = -0.07  # the paper's w


@dataclass(frozen=True)
class Net:
    """One network of the space. gate: squeeze-and-excitation. early, middle, late: blocks of the
    three stages.
    """

    kernel: int
    expansion: int
    gate: bool
    early: int
    middle: int
    late: int

    @property
    def cost(self) -> Cost:
        """Parameters and MACs on one crop, counted."""
        return _cost(self)


SPACE = [Net(*values) for values in itertools.product(*CHOICES.values())]
# MBConv6 with 3x3 kernels, and two blocks a stage: B0's seven stages have 2.3 on average.
BY_HAND = Net(kernel=3, expansion=6, gate=True, early=2, middle=2, late=2)


def network(net: Net) -> nn.Sequential:
    """The network with fresh weights: crops [N, 3, CROP, CROP] -> class logits [N, 4]."""
    style = LayerStyle("symmetric", norm_momentum=0.1)  # a run is short: norms follow fast
    layers = [ConvNorm(3, STEM, 3, 2, activation=True, style=style)]
    c_in = STEM
    for (channels, stride), blocks in zip(STAGES, (net.early, net.middle, net.late), strict=True):
        for place in range(blocks):
            strides = stride if place == 0 else 1
            block = MBConv(c_in, channels, net.kernel, strides, net.expansion, style=style)
            if not net.gate:
                block.squeeze_excite = nn.Identity()
            layers.append(block)
            c_in = channels
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, len(CLASSES))
    )


@functools.cache
def _cost(net: Net) -> Cost:
    with torch.device("meta"):
        return count(network(net), 1, 3, CROP, CROP)


def objective(accuracy: float, macs: int, target: int) -> float:
    """The score that the search maximizes: accuracy * (MACs / target) ** w, with w = -0.07.

    A network with twice the MACs must have 1 / 2 ** -0.07 = 1.05 times the accuracy.
    """
    return accuracy * (macs / target) ** EXPONENT
