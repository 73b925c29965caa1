"""How much each pixel counts for one output position, for notebook 01: gradients.

Luo et al., "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks",
arXiv 1701.04128.
"""

import functools
from collections.abc import Mapping

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn
from torch.nn import functional as F

from effdet_lite.efficientnet import EfficientNet
from effdet_lite.layers import SqueezeExcite
from effdet_lite.norms import recalibrate_norms
from effdet_lite.randomness import own_numbers
from effdet_lite.teach.kit.plots import as_array, new_figure, styled


@styled
def bell_curves(shares: Mapping[int, Tensor]) -> Figure:
    """Influence of each pixel on one output, for stacks of so many 3 × 3 layers.

    shares: by number of layers n, 2 n + 1 numbers that sum to 1.
    """
    figure, axes = new_figure(width=7.2, height=3.4)
    axis = axes[0, 0]
    for layers, share in shares.items():
        name = f"{layers} layers see {2 * layers + 1} px"
        pixels, every = range(-layers, layers + 1), max(1, layers // 8)  # about 17 markers a curve
        axis.plot(pixels, share / share.max(), label=name, markevery=every)
    axis.set(xlabel="distance from the middle of the window (px)")
    axis.set(ylabel="influence / the middle's", ylim=(0, 1.05))
    axis.legend()
    axis.set_title("Pixels near the rim of the window hardly count")
    return figure


@functools.cache
def fresh_b0(seed: int, has_gates: bool) -> EfficientNet:
    """An untrained B0, with the gates of squeeze-and-excitation or without, ready for gradients.

    Its norms have measured noise: with those of a fresh network the signal would shrink layer by
    layer.
    """
    with own_numbers(seed):
        network = EfficientNet.from_name("b0")
        noise = [(torch.rand(3, 160, 160), None) for _ in range(16)]
        for block in network.modules():
            if isinstance(getattr(block, "squeeze_excite", None), SqueezeExcite) and not has_gates:
                block.squeeze_excite = nn.Identity()
        return recalibrate_norms(network, noise)


def gradient_image(network: EfficientNet, level: int, side: int) -> Tensor:
    """How much each pixel counts for the middle position of a level: |d output / d pixel| summed
    over colors, [side, side], for a random mix of the output's channels on an image of noise.
    """
    with own_numbers(1):
        image = torch.rand(1, 3, side, side, requires_grad=True)
        features = network.features(image)[level - 1]
        height, width = features.shape[2:]
        middle = features[0, :, height // 2, width // 2]
        (middle * torch.randn(len(middle))).sum().backward()
    return image.grad[0].abs().sum(0)


def side_of_window(gradient: Tensor) -> tuple[int, int]:
    """Rows and columns of pixels with a gradient."""
    rows, columns = ((gradient.sum(axis) > 0).sum() for axis in (1, 0))
    return int(rows), int(columns)


def square_that_holds(share: float, gradient: Tensor) -> float:
    """Pixels a side of the square around the image's middle that has this share (0-1) of the
    gradient.
    """
    side = len(gradient)
    distance = (torch.arange(side) - (side - 1) / 2).abs()
    ring = torch.maximum(distance[:, None], distance[None])
    for half in sorted(set(distance.tolist())):
        if gradient[ring <= half].sum() >= share * gradient.sum():
            break
    return 2 * half + 1  # `half` is the distance to the middle of the square's last pixels


@styled
def gradient_figure(panels: Mapping[str, Tensor], squares: Mapping[str, float]) -> Figure:
    """Pictures of gradients, with a dashed square around the middle where `squares` has a side in
    px. Two panels a row, by title.
    """
    figure, axes = new_figure(len(panels) // 2, 2, width=7.2, height=3.3 * (len(panels) // 2))
    for axis, (title, gradient) in zip(axes.flat, panels.items(), strict=True):
        blurred = F.avg_pool2d(gradient[None, None], 5, stride=1, padding=2)[0, 0]  # less noise
        blurred *= gradient > 0  # so that a window keeps its size
        shade = (blurred / blurred.max()).clamp(min=1e-4).log10()
        side = len(gradient)
        drawn = axis.imshow(
            as_array(shade), cmap="cividis", vmin=-4, vmax=0, extent=(0, side, side, 0)
        )
        axis.set(title=title, xlabel="px", ylabel="px")
        axis.title.set_fontsize(10)
        axis.grid(False)
        if title in squares:
            low = (side - squares[title]) / 2
            frame = {"edgecolor": "black", "linestyle": "--", "linewidth": 1.8, "fill": False}
            axis.add_patch(Rectangle((low, low), squares[title], squares[title], **frame))
    ticks = range(-4, 1)
    bar = figure.colorbar(drawn, ax=axes, label="gradient / the panel's largest", shrink=0.7)
    bar.set_ticks(ticks, labels=["≤ 1/10,000", "1/1,000", "1/100", "1/10", "1"])
    return figure
