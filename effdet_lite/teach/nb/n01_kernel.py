"""The sliding kernel of notebook 01: a convolution that fills its output number by number, with the
multiplications counted, by steps, by play, or by dragging the kernel.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F

from effdet_lite.teach.kit.plots import PALETTE, as_array, new_panels, styled
from effdet_lite.teach.kit.touch.pad import Pad

ARGUMENTS = ("stride", "padding", "dilation", "groups")
GAP = 2  # cells between two channels in the picture
Corners = list[tuple[float, float]]  # (x, y) of the upper left corner of each channel, in cells


class SlidingKernel(Pad):
    """A convolution of image [C1, side, side] with weight [C2, C1, K, K], at work.

    made: how many output numbers stand there at first, in the order of the loops: output channel,
    row, column. choices: the arguments of F.conv2d that the page offers to change, with what there
    is to choose from; groups = g uses the first C1 / g channels of each kernel. arguments: stride,
    padding, dilation and groups, as F.conv2d has them. Raises ValueError for other shapes.
    """

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

    image = traitlets.List().tag(sync=True)
    weight = traitlets.List().tag(sync=True)
    made = traitlets.Int(0).tag(sync=True)
    stride = traitlets.Int(1).tag(sync=True)
    padding = traitlets.Int(0).tag(sync=True)
    dilation = traitlets.Int(1).tag(sync=True)
    groups = traitlets.Int(1).tag(sync=True)
    choices = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        image: Tensor,
        weight: Tensor,
        *,
        made: int = 0,
        choices: Mapping[str, Sequence[int]] | None = None,
        **arguments: int,
    ):
        _check(image, weight)
        super().__init__(
            description="a kernel at work",
            image=image.tolist(),
            weight=weight.tolist(),
            made=made,
            choices={name: list(options) for name, options in (choices or {}).items()},
            **arguments,
        )
        self._tensors = image, weight

    def in_words(self) -> str:
        """How far the counter has come."""
        total, products = self.output().numel(), self._weight()[0].numel()
        made = min(self.made, total)
        return (
            f"{made:,} of {total:,} output numbers made, "
            f"{made:,} × {products} = {made * products:,} multiplications"
        )

    def still(self) -> Figure:
        """The convolution as it is now."""
        padded = F.pad(self._tensors[0], (self.padding,) * 4)
        output = self.output()
        made = min(self.made, output.numel())
        channel, position = divmod(max(0, made - 1), output[0].numel())
        row, column = divmod(position, output.shape[2])
        kept = np.where(np.arange(output.numel()) < made, output.flatten(), np.nan)
        kept = kept.reshape(output.shape)
        depth, kernel = self._weight().shape[1:3]
        first = channel // (len(output) // self.groups) * depth
        taps = [
            (
                number,
                row * self.stride + i * self.dilation,
                column * self.stride + j * self.dilation,
            )
            for number in range(first, first + depth)
            for i in range(kernel)
            for j in range(kernel)
        ]
        return kernel_figure(as_array(padded), kept, taps, (channel, row, column))

    def output(self) -> Tensor:
        """The finished output, [C2, rows, columns]."""
        arguments = {name: getattr(self, name) for name in ARGUMENTS}
        return F.conv2d(self._tensors[0], self._weight(), **arguments)

    def _weight(self) -> Tensor:
        image, weight = self._tensors
        return weight[:, : len(image) // self.groups]


def _check(image: Tensor, weight: Tensor) -> None:
    """Raises ValueError where these are no square image and the kernels for it."""
    if image.ndim != 3 or image.shape[1] != image.shape[2]:
        raise ValueError(f"the image has the shape [C1, side, side], not {list(image.shape)}.")
    if weight.ndim != 4 or weight.shape[1] != len(image) or weight.shape[2] != weight.shape[3]:
        raise ValueError(
            f"the weight has the shape [C2, {len(image)}, K, K], not {list(weight.shape)}."
        )


@styled
def kernel_figure(
    image: np.ndarray,
    output: np.ndarray,
    taps: Sequence[tuple[int, int, int]],
    made: tuple[int, int, int],
) -> Figure:
    """Channels of a padded input and of an output, NaN where it is not made yet.

    taps: (channel, row, column) of the input numbers under the kernel; made: of the output number
    that they make.
    """
    inputs, right = _corners(image, 0)
    outputs, width = _corners(output, right + 7)
    height = max(
        y + len(planes[0])
        for planes, corners in ((image, inputs), (output, outputs))
        for _, y in corners
    )
    figure, (axis,) = new_panels(7.4, 7.4 * (height + 1) / (width + 1), (0, 0, 1, 1))
    _draw_planes(axis, image, inputs, "blue", 2.5)
    _draw_planes(axis, output, outputs, "green", 2 * math.sqrt(len(taps)))
    for corners, places in ((inputs, taps), (outputs, [made])):
        for channel, row, column in places:
            x, y = corners[channel]
            look = {"facecolor": PALETTE["orange"], "edgecolor": PALETTE["vermillion"]}
            axis.add_patch(Rectangle((x + column, y + row), 1, 1, linewidth=1.2, **look))
    for x, planes, name in ((0, image, "input"), (right + 7, output, "output")):
        axis.text(x, GAP - 0.5, f"{name}: {len(planes)} channels", fontsize=9)
    axis.text(right + 3.5, GAP + image.shape[1] / 2, "→", fontsize=14, ha="center", va="center")
    axis.set(xlim=(-0.5, width + 0.5), ylim=(height + 0.5, -0.5))
    axis.set_axis_off()
    return figure


def _corners(planes: np.ndarray, left: float) -> tuple[Corners, float]:
    """Where each channel is drawn, up to three in a row, else in two rows; and where they end."""
    cells = planes.shape[1] + GAP
    columns = len(planes) if len(planes) <= 3 else math.ceil(len(planes) / 2)
    corners = [
        (left + number % columns * cells, GAP + number // columns * cells)
        for number in range(len(planes))
    ]
    return corners, left + columns * cells - GAP


def _draw_planes(
    axis: Axes, planes: np.ndarray, corners: Corners, color: str, largest: float
) -> None:
    """Each channel as a square of shaded cells; what is NaN stays gray."""
    shades = LinearSegmentedColormap.from_list(color, ["#EFEFEF", PALETTE[color]])
    shades.set_bad("#F4F4F4")
    side = planes.shape[1]
    for plane, (x, y) in zip(planes, corners, strict=True):
        place = (x, x + side, y + side, y)
        axis.imshow(plane, cmap=shades, vmin=-largest, vmax=largest, extent=place)
        frame = {"fill": False, "edgecolor": "#888888", "linewidth": 0.8}
        axis.add_patch(Rectangle((x, y), side, side, **frame))
