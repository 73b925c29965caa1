"""The layers that EfficientNet and EfficientDet are made of.

Sources: EfficientNet (arXiv 1905.11946, appendix), MobileNetV2 for the inverted bottleneck (arXiv
1801.04381), squeeze-and-excitation (arXiv 1709.01507), stochastic depth (arXiv 1603.09382); numbers
from the official code.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from effdet_lite.arguments import one_of, positive_number, share, whole_number

Padding = Literal["same", "symmetric"]
PADDINGS = get_args(Padding)


@dataclass(frozen=True)
class LayerStyle:
    """The conventions in which published weights differ.

    padding: "same" is TensorFlow's, where an odd pixel of padding goes to the bottom and the right;
        "symmetric" is torchvision's kernel // 2 on each side. Sizes and costs are equal, values are
        not.
    norm_epsilon, norm_momentum: of batch norm; momentum is torch's, 1 minus TensorFlow's.

    Raises ValueError for a padding of another name, an epsilon that is not positive, and a momentum
    outside 0-1.
    """

    padding: Padding = "same"
    norm_epsilon: float = 1e-3
    norm_momentum: float = 0.01

    def __post_init__(self):
        one_of("padding", self.padding, PADDINGS)
        positive_number("norm_epsilon", self.norm_epsilon)
        share("norm_momentum", self.norm_momentum)

    def norm(self, channels: int) -> nn.BatchNorm2d:
        """A batch norm with this style's constants."""
        return nn.BatchNorm2d(channels, eps=self.norm_epsilon, momentum=self.norm_momentum)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's padding before and after one axis, in pixels, such that the output has
    ceil(size / stride) positions.
    """
    positions = math.ceil(size / stride)
    reach = (positions - 1) * stride + kernel  # of all windows together
    total = max(reach - size, 0)
    return total // 2, total - total // 2


def pad_same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """x [N, C, H, W] with the padding of `same_padding` around it, filled with `value`.

    An odd pixel of padding goes to the bottom and to the right.
    """
    top, bottom = same_padding(x.shape[-2], kernel, stride)
    left, right = same_padding(x.shape[-1], kernel, stride)
    if not (top or bottom or left or right):
        return x
    return F.pad(x, (left, right, top, bottom), value=value)


class Conv2d(nn.Conv2d):
    """A convolution whose output has ceil(size / stride) positions, padded in either style.

    [N, c_in, H, W] -> [N, c_out, ceil(H / stride), ceil(W / stride)]. Raises ValueError for sizes
    that are not whole numbers of at least 1, a padding of another name, an even kernel, and groups
    that do not divide both channel counts.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        padding: Padding = "same",
    ):
        sizes = {"c_in": c_in, "c_out": c_out, "kernel": kernel, "stride": stride, "groups": groups}
        for name, size in sizes.items():
            whole_number(name, size)
        one_of("padding", padding, PADDINGS)
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd, so that it has a center, got {kernel}.")
        # torch's own convolution can only pad both ends alike. At stride 1 "same" does so too: an
        # odd kernel needs kernel // 2 at each end. At stride 2 the ends may differ, and `pad_same`
        # has to make a padded copy of the input first.
        self.pads_itself = padding == "symmetric" or stride == 1
        super().__init__(
            c_in,
            c_out,
            kernel,
            stride,
            kernel // 2 if self.pads_itself else 0,
            groups=groups,
            bias=bias,
        )

    def forward(self, x: Tensor) -> Tensor:
        if not self.pads_itself:
            x = pad_same(x, self.kernel_size[0], self.stride[0])
        return super().forward(x)


def max_pool(x: Tensor) -> Tensor:
    """Max pooling, 3x3 with stride 2 and padding "same".

    [N, C, H, W] -> [N, C, ceil(H / 2), ceil(W / 2)].

    The padding is minus infinity, as in TensorFlow: the maps are signed, so that zeros would win
    along the border.
    """
    # On even sizes "same" is one row below and one column on the right. `ceil_mode` lets the last
    # window hang over the edge by that one, and takes the largest of what is inside: the same,
    # without a padded copy.
    if x.shape[-2] % 2 == 0 and x.shape[-1] % 2 == 0:
        return F.max_pool2d(x, 3, 2, ceil_mode=True)
    return F.max_pool2d(pad_same(x, 3, 2, value=-torch.inf), 3, 2)


class ConvNorm(nn.Module):
    """Convolution and batch norm; with `activation`, SiLU after them. Shapes as in `Conv2d`."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        *,
        bias: bool = False,
        activation: bool = False,
        style: LayerStyle = LayerStyle(),
    ):
        super().__init__()
        self.conv = Conv2d(c_in, c_out, kernel, stride, groups, bias, style.padding)
        self.norm = style.norm(c_out)
        self.activation = nn.SiLU() if activation else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(x)))


class SqueezeExcite(nn.Module):
    """Multiply each channel by a gate in 0-1 that is computed from the means of all channels over
    the image.

    squeezed: channels between the two 1x1 convolutions. Raises ValueError for channels that are not
    whole numbers of at least 1.
    """

    def __init__(self, channels: int, squeezed: int):
        super().__init__()
        whole_number("channels", channels)
        whole_number("squeezed", squeezed)
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def gate(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, 1, 1], each in 0-1."""
        return torch.sigmoid(self.expand(F.silu(self.reduce(x.mean((2, 3), keepdim=True)))))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


class MBConv(nn.Module):
    """The inverted bottleneck: widen (1x1), filter each channel (depthwise), gate, narrow (1x1),
    add the input.

    The gate is squeezed to a quarter of the block's *input* channels, not of the widened ones: B0
    would otherwise have 8.4 million parameters. The last convolution has no activation. The input
    is added where its shape allows it.

    [N, c_in, H, W] -> [N, c_out, ceil(H / stride), ceil(W / stride)]. drop_path: the share of
    images for which, in training, the block answers its input alone (stochastic depth). Raises
    ValueError for sizes that are not whole numbers of at least 1 and a drop_path outside 0-1.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int = 3,
        stride: int = 1,
        expand_ratio: int = 6,
        *,
        drop_path: float = 0.0,
        style: LayerStyle = LayerStyle(),
    ):
        super().__init__()
        widened = c_in * whole_number("expand_ratio", expand_ratio)
        self.expand = (
            ConvNorm(c_in, widened, activation=True, style=style)
            if expand_ratio > 1
            else nn.Identity()
        )
        self.depthwise = ConvNorm(
            widened, widened, kernel, stride, groups=widened, activation=True, style=style
        )
        self.squeeze_excite = SqueezeExcite(widened, squeezed_channels(c_in))
        self.project = ConvNorm(widened, c_out, style=style)
        self.has_skip = stride == 1 and c_in == c_out
        self.drop_path = StochasticDepth(share("drop_path", drop_path), "row")

    def forward(self, x: Tensor) -> Tensor:
        out = self.expand(x)  # [N, c_in * expand_ratio, H, W]
        out = self.squeeze_excite(self.depthwise(out))  # [N, c_in * expand_ratio, H', W']
        out = self.project(out)  # [N, c_out, H', W']
        return x + self.drop_path(out) if self.has_skip else out


class FusedMBConv(nn.Module):
    """MBConv with one dense convolution (3x3) that widens and filters at once, and no gate.

    It has more MACs on a fine map and takes less time, for a depthwise convolution moves much
    memory for few MACs. Arguments and shapes are MBConv's, and it raises ValueError as MBConv
    does. EfficientNetV2, arXiv 2104.00298, section 3.2.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int = 3,
        stride: int = 1,
        expand_ratio: int = 4,
        *,
        drop_path: float = 0.0,
        style: LayerStyle = LayerStyle(),
    ):
        super().__init__()
        widened = c_in * whole_number("expand_ratio", expand_ratio)
        self.expand = ConvNorm(c_in, widened, kernel, stride, activation=True, style=style)
        self.project = ConvNorm(widened, c_out, style=style)
        self.has_skip = stride == 1 and c_in == c_out
        self.drop_path = StochasticDepth(share("drop_path", drop_path), "row")

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.expand(x))
        return x + self.drop_path(out) if self.has_skip else out


def squeezed_channels(c_in: int) -> int:
    """Channels inside the squeeze-and-excitation of a block with c_in input channels: a quarter."""
    return max(1, c_in // 4)


class SeparableConv(nn.Module):
    """A depthwise 3x3 convolution, then a pointwise one with a bias; nothing between them.

    [N, c_in, H, W] -> [N, c_out, H, W].
    """

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.depthwise = Conv2d(c_in, c_in, 3, groups=c_in)
        self.pointwise = Conv2d(c_in, c_out, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))
