"""A network in three numbers, and what a multiple of its MACs is spent on.

The network is as plain as can be, so that each dimension does one thing. One 3x3 convolution with
stride 2; `blocks` fused MBConv blocks of equal width, none of which shrinks its map; the mean over
all positions; one linear layer. There is no squeeze-and-excitation, which would let every position
see the whole picture, and nothing after the mean that could compare. So the window that a network
sees grows with its depth alone, by 4 pixels of its input a block.

The directions are those of arXiv 1905.11946, section 3.2, and its compound scaling, equation 3.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from effdet_lite.cost import Cost, ReceptiveField, conv2d, linear, norm, receptive_field
from effdet_lite.layers import ConvNorm, FusedMBConv, LayerStyle

# A run is short, so norms follow as fast as torch's.
STYLE = LayerStyle(norm_momentum=0.1)
COUNTED_CLASSES = 32  # for which sizes are compared; the last layer has a thousandth of the MACs
# What one step of phi multiplies depth, width and resolution by (section 3.3 of the paper).
ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
DIRECTIONS = ("depth", "width", "resolution", "compound")
FACTORS = (2, 4, 8)


@dataclass(frozen=True, order=True)
class Size:
    """A network's width (channels), depth (blocks) and resolution (side of its input in pixels)."""

    channels: int
    blocks: int
    resolution: int

    def cost(self, classes: int = COUNTED_CLASSES) -> Cost:
        """Parameters and MACs on one picture, in closed form."""
        side = math.ceil(self.resolution / 2)
        width = self.channels
        stem = conv2d(1, width, 3, self.resolution, self.resolution, stride=2) + norm(width)
        block = conv2d(width, width, 3, side, side) + conv2d(width, width, 1, side, side)
        block = block + 2 * norm(width)
        return stem + self.blocks * block + linear(width, classes)

    @property
    def window(self) -> ReceptiveField:
        """What one position before the mean sees of the network's input, in its pixels."""
        return receptive_field([(3, 2)] + [(3, 1), (1, 1)] * self.blocks)


class Stack(nn.Module):
    """The network of this size: gray pictures [N, 1, H, W] in 0-1 -> class logits [N, classes]."""

    def __init__(self, size: Size, classes: int):
        super().__init__()
        width = size.channels
        self.stem = ConvNorm(1, width, 3, 2, activation=True, style=STYLE)
        self.blocks = nn.Sequential(
            *(FusedMBConv(width, width, 3, 1, 1, style=STYLE) for _ in range(size.blocks))
        )
        self.classifier = nn.Linear(width, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        x = ((pictures - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)
        return self.classifier(self.blocks(self.stem(x)).mean((2, 3)))


def grown(base: Size, direction: str, factor: float) -> Size:
    """The size that spends `factor` times the MACs of `base` on one direction.

    "depth", "width" and "resolution" change one number; it becomes the one whose counted MACs come
    nearest. "compound" takes the three from the paper's alpha^phi, beta^phi and gamma^phi, each
    rounded up or down: of the eight networks, the one whose counted MACs come nearest. Resolutions
    are even. Raises ValueError for any other direction.
    """
    wanted = factor * base.cost().macs
    if direction == "depth":
        sizes = [Size(base.channels, n, base.resolution) for n in range(1, 200)]
    elif direction == "width":
        sizes = [Size(n, base.blocks, base.resolution) for n in range(1, 200)]
    elif direction == "resolution":
        sizes = [Size(base.channels, base.blocks, n) for n in range(2, 400, 2)]
    elif direction == "compound":
        channels, blocks, resolution = mixture(base, factor)
        roundings = itertools.product((math.floor, math.ceil), repeat=3)
        sizes = [Size(a(channels), b(blocks), 2 * c(resolution / 2)) for a, b, c in roundings]
    else:
        raise ValueError(f"direction must be one of {', '.join(DIRECTIONS)}, got {direction!r}.")
    return min(sizes, key=lambda size: abs(math.log(size.cost().macs / wanted)))


def mixture(base: Size, factor: float) -> tuple[float, float, float]:
    """Channels, blocks and resolution of `factor` times the MACs of `base` by the paper's formula,
    before they are rounded.
    """
    phi = math.log(factor) / math.log(ALPHA * BETA**2 * GAMMA**2)
    return base.channels * BETA**phi, base.blocks * ALPHA**phi, base.resolution * GAMMA**phi


def largest_miss(base: Size) -> float:
    """How far the counted MACs of an arm lie from the wished ones, at worst; 0.05 is 5 %."""
    wished = [
        (factor * base.cost().macs, grown(base, direction, factor))
        for direction in DIRECTIONS
        for factor in FACTORS
    ]
    return max(abs(size.cost().macs / macs - 1) for macs, size in wished)
