"""A kernel that slides: a convolution that fills its output number by number, and counts the
multiplications; by steps, by play, or by dragging the kernel.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F

from effdet_lite.teach.kit.page import img
from effdet_lite.teach.kit.plots import PALETTE, as_array, new_panels, styled
from effdet_lite.teach.kit.touch.modules import module_text
from effdet_lite.teach.kit.touch.pad import BadValueError, Pad

ARGUMENTS = ("stride", "padding", "dilation", "groups")
GAP, ARROW = 2, 7  # cells between two channels, and between input and output, as in kernel.js
WIDTH = 700  # CSS pixels on the page
Corners = list[tuple[float, float]]  # (x, y) of the upper left corner of each channel, in cells


class KernelPad(Pad):
    """A convolution of image [C₁, side, side] with weight [C₂, C₁, K, K], at work; `value`: how
    many output numbers are made, in the order of the loops: output channel, row, column.

    choices: the arguments of F.conv2d that the page offers to change, with what there is to choose
    from; with groups = g a kernel uses its first C₁ / g channels. arguments: stride, padding,
    dilation and groups at first, as F.conv2d has them. Raises ValueError for other shapes, and for
    settings that make no output.
    """

    module = "kernel"
    _esm = module_text(module)

    image = traitlets.List().tag(sync=True)
    weight = traitlets.List().tag(sync=True)
    stride = traitlets.Int(1).tag(sync=True)
    padding = traitlets.Int(0).tag(sync=True)
    dilation = traitlets.Int(1).tag(sync=True)
    groups = traitlets.Int(1).tag(sync=True)
    choices = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        image: Tensor,
        weight: Tensor,
        made: int = 0,
        description: str = "A kernel at work",
        *,
        choices: Mapping[str, Sequence[int]] | None = None,
        **arguments: int,
    ):
        _check_shapes(image, weight)
        self.tensors = image, weight
        choices = {name: list(options) for name, options in (choices or {}).items()}
        size = _size(image, weight, choices, arguments)
        super().__init__(
            description=description,
            image=image.tolist(),
            weight=weight.tolist(),
            choices=choices,
            size=size,
            shown=WIDTH,
            **arguments,
        )
        self.value = made

    def checked(self, value: object) -> int:
        """A whole number; BadValueError for any other."""
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise BadValueError(f"value is how many output numbers are made, not {value!r}.")
        return value

    def in_words(self) -> str:
        """How far the counter has come."""
        total, products = self.output().numel(), self._weight()[0].numel()
        made = min(self.value, total)
        return (
            f"{made:,} of {total:,} output numbers made, "
            f"{made:,} × {products} = {made * products:,} multiplications"
        )

    def still(self, words: str) -> str:
        """The convolution as it is now."""
        image, _ = self.tensors
        padded = F.pad(image, (self.padding,) * 4, value=math.nan)
        output = self.output()
        made = min(self.value, output.numel())
        kept = as_array(output).copy()
        kept.reshape(-1)[made:] = math.nan
        channel, row, column = (
            int(part) for part in np.unravel_index(max(0, made - 1), kept.shape)
        )
        figure = kernel_figure(
            as_array(padded), kept, self._taps(channel, row, column), (channel, row, column)
        )
        return img(figure, words)

    def output(self) -> Tensor:
        """The finished output, [C₂, rows, columns]."""
        arguments = {name: getattr(self, name) for name in ARGUMENTS}
        return F.conv2d(self.tensors[0], self._weight(), **arguments)

    def _weight(self) -> Tensor:
        image, weight = self.tensors
        return weight[:, : len(image) // self.groups]

    def _taps(self, channel: int, row: int, column: int) -> list[tuple[int, int, int]]:
        """(channel, row, column) of each number of the padded input that makes an output number."""
        channels_out, depth, kernel, _ = self._weight().shape
        first = channel // (channels_out // self.groups) * depth
        top, left = row * self.stride, column * self.stride
        return [
            (number, top + i * self.dilation, left + j * self.dilation)
            for number in range(first, first + depth)
            for i in range(kernel)
            for j in range(kernel)
        ]


def _check_shapes(image: Tensor, weight: Tensor) -> None:
    """Raises ValueError where these are no square image and the kernels for it."""
    if image.ndim != 3 or image.shape[1] != image.shape[2]:
        raise ValueError(f"the image has the shape [C₁, side, side], not {list(image.shape)}.")
    if weight.ndim != 4 or weight.shape[1] != len(image) or weight.shape[2] != weight.shape[3]:
        raise ValueError(
            f"the weight has the shape [C₂, {len(image)}, K, K], not {list(weight.shape)}."
        )


def _size(
    image: Tensor, weight: Tensor, choices: Mapping[str, list[int]], arguments: Mapping[str, int]
) -> list[float]:
    """(width, height) in cells that hold the picture at each setting. Raises ValueError for one
    that makes no output.
    """
    unknown = {*choices, *arguments} - set(ARGUMENTS)
    if unknown:
        raise ValueError(f"a convolution has {', '.join(ARGUMENTS)}, not {min(unknown)!r}.")
    options = {
        name: choices.get(name, [arguments.get(name, default)])
        for name, default in zip(ARGUMENTS, (1, 0, 1, 1), strict=True)
    }
    for groups in options["groups"]:
        if len(image) % groups or len(weight) % groups:
            raise ValueError(
                f"groups={groups} must divide both {len(image)} and {len(weight)} channels."
            )
    reach = (weight.shape[-1] - 1) * max(options["dilation"]) + 1
    if image.shape[1] + 2 * min(options["padding"]) < reach:
        raise ValueError(f"a kernel that reaches over {reach} positions does not fit in.")
    padded = image.shape[1] + 2 * max(options["padding"])
    reach = (weight.shape[-1] - 1) * min(options["dilation"]) + 1
    side = (padded - reach) // min(options["stride"]) + 1
    inputs, right = _corners(len(image), padded, 0)
    outputs, width = _corners(len(weight), side, right + ARROW)
    height = max(inputs[-1][1] + padded, outputs[-1][1] + side)
    return [width + 1.0, height + 0.5]


def _corners(count: int, cells: int, left: float) -> tuple[Corners, float]:
    """Where each channel is drawn, up to three in a row, else in two rows; and where they end."""
    columns = count if count <= 3 else math.ceil(count / 2)
    corners = [
        (left + index % columns * (cells + GAP), GAP + index // columns * (cells + GAP))
        for index in range(count)
    ]
    return corners, left + columns * (cells + GAP) - GAP


@styled
def kernel_figure(
    image: np.ndarray,
    output: np.ndarray,
    taps: Sequence[tuple[int, int, int]],
    made: tuple[int, int, int],
) -> Figure:
    """Channels of a padded input, and of an output; NaN in the padding, and where nothing is made.

    taps: (channel, row, column) of the input numbers under the kernel; made: of the output number
    that they make.
    """
    inputs, right = _corners(len(image), image.shape[1], 0)
    outputs, width = _corners(len(output), output.shape[1], right + ARROW)
    height = max(inputs[-1][1] + image.shape[1], outputs[-1][1] + output.shape[1])
    figure, (axis,) = new_panels(7.4, 7.4 * (height + 1) / (width + 1), (0, 0, 1, 1))
    _draw_planes(axis, image, inputs, "blue", "white", 2.5)
    _draw_planes(axis, output, outputs, "green", "#F4F4F4", 2 * math.sqrt(len(taps)))
    for corners, places in ((inputs, taps), (outputs, [made])):
        for channel, row, column in places:
            x, y = corners[channel]
            look = {"facecolor": PALETTE["orange"], "edgecolor": PALETTE["vermillion"]}
            axis.add_patch(Rectangle((x + column, y + row), 1, 1, linewidth=1.2, **look))
    for x, planes, name in ((0, image, "input"), (right + ARROW, output, "output")):
        axis.text(x, GAP - 0.5, f"{name}: {len(planes)} channels", fontsize=9)
    middle = GAP + image.shape[1] / 2
    axis.text(right + ARROW / 2, middle, "→", fontsize=14, ha="center", va="center")
    axis.set(xlim=(-0.5, width + 0.5), ylim=(height + 0.5, -0.5))
    axis.set_axis_off()
    return figure


def _draw_planes(
    axis: Axes, planes: np.ndarray, corners: Corners, color: str, empty: str, largest: float
) -> None:
    """Each channel as a square of shaded cells; NaN in the color `empty`."""
    shades = LinearSegmentedColormap.from_list(color, ["#EFEFEF", PALETTE[color]])
    shades = shades.with_extremes(bad=empty)
    side = planes.shape[1]
    for plane, (x, y) in zip(planes, corners, strict=True):
        place = (x, x + side, y + side, y)
        axis.imshow(plane, cmap=shades, vmin=-largest, vmax=largest, extent=place)
        frame = {"fill": False, "edgecolor": "#888888", "linewidth": 0.8}
        axis.add_patch(Rectangle((x, y), side, side, **frame))
