"""What a network costs: its parameters and its multiply-adds (MACs).

One MAC is one multiplication and one addition, so FLOPs = 2 * MACs. The papers behind this course
write "FLOPs" where they count MACs. Normalization, activation, pooling and bias additions are not
counted; neither are they in the papers, nor in `torch.utils.flop_counter`.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from effdet_lite.arguments import shown, whole_number
from effdet_lite.modes import evaluation_mode

Pair = int | tuple[int, int]


@dataclass(frozen=True)
class Cost:
    """Parameters and multiply-adds; costs add with `+`, and `*` repeats one so many times.

    Raises ValueError for numbers that are not whole, or below 0.
    """

    params: int = 0
    macs: int = 0

    def __post_init__(self):
        whole_number("params", self.params, least=0)
        whole_number("macs", self.macs, least=0)

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
        times = whole_number("the factor of a cost", times, least=0)
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
    biases = c_out if bias else 0
    positions = math.ceil(height / stride_h) * math.ceil(width / stride_w)
    return Cost(params=weights + biases, macs=weights * positions)


def linear(c_in: int, c_out: int, *, bias: bool = True) -> Cost:
    """Cost of a fully connected layer on one vector.

    Raises ValueError for channels that are not whole numbers of at least 1.
    """
    c_in, c_out = whole_number("c_in", c_in), whole_number("c_out", c_out)
    biases = c_out if bias else 0
    return Cost(params=c_in * c_out + biases, macs=c_in * c_out)


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

    Raises:
        ValueError: for a shape that is not of whole numbers. An input that the module cannot take
        raises what the module raises.
    """
    images = torch.empty(
        [whole_number("each of input_shape", side, least=0) for side in input_shape], device="meta"
    )
    counter = FlopCounterMode(display=False)
    # In inference mode torch would hand over a linear layer whole, and not the matrix product that
    # it is made of.
    with evaluation_mode(module), torch.inference_mode(False), torch.no_grad(), counter:
        torch.func.functional_call(module, _on_meta(module), images, tie_weights=False)
    params = sum(parameter.numel() for parameter in module.parameters())
    return Cost(params=params, macs=counter.get_total_flops() // 2)


def _on_meta(module: nn.Module) -> dict[str, Tensor]:
    """A meta tensor for each place in the module that holds a parameter or a buffer.

    `state_dict()` would not do. It names a layer that stands in two places twice, and
    `functional_call`, which lends the meta tensors to the layer and then puts its own ones back,
    would put back those that it has just lent. So each layer is visited once, and asked for all
    the tensors that it holds itself, also for one that it shares with another layer.
    """
    on_meta = {}
    for path, layer in module.named_modules():
        options = {"prefix": path, "recurse": False, "remove_duplicate": False}
        tensors = [*layer.named_parameters(**options), *layer.named_buffers(**options)]
        on_meta |= {name: tensor.detach().to("meta") for name, tensor in tensors}
    return on_meta


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

    A kernel of k positions at the present stride widens the window by (k - 1) * dilation strides.
    Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill
    2019, equation 2.

    Raises:
        ValueError: for a layer of another form, or with a number that is not whole and at least 1.
    """
    size = 1
    step = 1  # pixels of the input between two neighboring positions
    for layer in layers:
        kernel, stride, dilation = _kernel_stride_dilation(layer)
        size += (kernel - 1) * dilation * step
        step *= stride
    return ReceptiveField(size, step)


def _kernel_stride_dilation(layer: tuple[int, ...]) -> tuple[int, int, int]:
    if not isinstance(layer, (tuple, list)) or len(layer) not in (2, 3):
        raise ValueError(
            f"a layer must be (kernel, stride) or (kernel, stride, dilation), got {shown(layer)}."
        )
    kernel, stride, dilation = layer if len(layer) == 3 else (*layer, 1)
    return (
        whole_number("kernel", kernel),
        whole_number("stride", stride),
        whole_number("dilation", dilation),
    )


def _pair(name: str, value: Pair) -> tuple[int, int]:
    if not isinstance(value, (tuple, list)):
        value = (value, value)
    if len(value) != 2:
        raise ValueError(f"{name} must be one number or two, (vertical, horizontal), got {value}.")
    vertical, horizontal = value
    return whole_number(name, vertical), whole_number(f"{name}'s width", horizontal)
