"""What a network costs: its parameters and its multiply-adds (MACs).

One MAC is one multiplication and one addition, so FLOPs = 2 * MACs. The papers behind this course
write "FLOPs" where they count MACs. Normalization, activation, pooling and bias additions are not
counted; neither are they in the papers, nor in `torch.utils.flop_counter`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from effdet_lite.arguments import whole_number
from effdet_lite.modes import evaluation_mode

Pair = int | tuple[int, int]


@dataclass(frozen=True)
class Cost:
    """Parameters and multiply-adds; costs add with `+` and repeat with `*`."""

    params: int = 0
    macs: int = 0

    @property
    def flops(self) -> int:
        """Floating-point operations: a multiplication and an addition for each MAC."""
        return 2 * self.macs

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.params + other.params, self.macs + other.macs)

    def __radd__(self, zero: int) -> "Cost":
        # sum() starts from the integer 0.
        return self if zero == 0 else NotImplemented

    def __mul__(self, times: int) -> "Cost":
        return Cost(self.params * times, self.macs * times)

    __rmul__ = __mul__


def conv2d(
    c_in: int,
    c_out: int,
    kernel: Pair,
    height: int,
    width: int,
    *,
    stride: Pair = 1,
    groups: int = 1,
    bias: bool = False,
) -> Cost:
    """Cost of a 2-D convolution with padding "same", in closed form.

    Each output position applies every weight once: MACs = H_out * W_out * K_h * K_w * (C_in /
    groups) * C_out.

    Args:
        c_in, c_out: channels.
        kernel, stride: one number, or (vertical, horizontal). Padding "same" makes the output
            ceil(input / stride) whatever the kernel, and whatever the dilation.
        height, width: of the *input*, in pixels.

    Raises:
        ValueError: when an argument is not a positive whole number, or groups does not divide both
        channel counts.
    """
    kernel_h, kernel_w = _pair("kernel", kernel)
    stride_h, stride_w = _pair("stride", stride)
    sizes = {"c_in": c_in, "c_out": c_out, "height": height, "width": width, "groups": groups}
    for name, value in sizes.items():
        whole_number(name, value)
    if c_in % groups or c_out % groups:
        raise ValueError(f"groups={groups} must divide both c_in={c_in} and c_out={c_out}.")
    weights = kernel_h * kernel_w * (c_in // groups) * c_out
    positions = -(-height // stride_h) * -(-width // stride_w)
    return Cost(params=weights + c_out * bool(bias), macs=weights * positions)


def linear(c_in: int, c_out: int, *, bias: bool = True) -> Cost:
    """Cost of a fully connected layer on one vector.

    Raises ValueError for channels that are not whole numbers of at least 1.
    """
    c_in, c_out = whole_number("c_in", c_in), whole_number("c_out", c_out)
    return Cost(params=c_in * c_out + c_out * bool(bias), macs=c_in * c_out)


def norm(channels: int) -> Cost:
    """Cost of a batch norm: a scale and a shift for each channel, no MACs (at inference the
    convolution has it).

    Raises ValueError for channels that are not a whole number of at least 1.
    """
    return Cost(params=2 * whole_number("channels", channels))


def count(module: nn.Module, *input_shape: int) -> Cost:
    """Cost of any module on an input of this shape, batch included, counted while it runs on the
    meta device.

    The meta device computes shapes and no numbers, so this is exact and quick for the largest
    network. The module may live on any device, "meta" included; it is left as it was. The count is
    of evaluation mode.
    """
    # Each place that holds a tensor, once: torch would put a module that has two names back with
    # its meta tensors.
    on_meta = {
        f"{path}.{name}".removeprefix("."): tensor.detach().to("meta")
        for path, child in module.named_modules()
        for name, tensor in (child._parameters | child._buffers).items()
        if tensor is not None
    }
    images = torch.empty(input_shape, device="meta")
    counter = FlopCounterMode(display=False)
    # In inference mode torch would hand over a linear layer whole, and not the matrix product that
    # it is made of.
    with evaluation_mode(module), torch.inference_mode(False), torch.no_grad(), counter:
        torch.func.functional_call(module, on_meta, images, tie_weights=False)
    params = sum(parameter.numel() for parameter in module.parameters())
    return Cost(params=params, macs=counter.get_total_flops() // 2)


@dataclass(frozen=True)
class ReceptiveField:
    """What one output position sees of the input: a window of `size` pixels that moves by `stride`
    pixels.
    """

    size: int
    stride: int


def receptive_field(layers: Iterable[tuple[int, ...]]) -> ReceptiveField:
    """Theoretical receptive field, along one axis, of layers given as (kernel, stride) or (kernel,
    stride, dilation).

    A kernel of k steps at the present stride widens the window by (k - 1) * dilation strides.
    Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill
    2019, equation 2.
    """
    size = step = 1
    for kernel, stride, *dilation in layers:
        size += (kernel - 1) * (dilation[0] if dilation else 1) * step
        step *= stride
    return ReceptiveField(size, step)


def _pair(name: str, value: Pair) -> tuple[int, int]:
    if not isinstance(value, (tuple, list)):
        value = (value, value)
    if len(value) != 2:
        raise ValueError(f"{name} must be one number or two, (vertical, horizontal), got {value}.")
    vertical, horizontal = value
    return whole_number(name, vertical), whole_number(f"{name}'s width", horizontal)
