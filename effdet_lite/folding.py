"""A finished detector made fast for inference: norms and padding folded into the convolutions.

Functions over a model. The layers know nothing of it, and answer the same afterwards.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from effdet_lite.efficientdet import EfficientDet, Head
from effdet_lite.fusion import FusionNode
from effdet_lite.layers import Conv2d, ConvNorm, SeparableConv


def folded(model: EfficientDet) -> EfficientDet:
    """A copy in evaluation mode with the same results, faster; for inference only.

    Layers that are none of this package's stay as they are.
    """
    model = copy.deepcopy(model).eval()
    fold(model)
    return model.to(memory_format=torch.channels_last)


@torch.no_grad()
def fold(module: nn.Module) -> None:
    """Fold what can be folded in a module, in place."""
    module.eval()
    for child in list(module.modules()):
        if isinstance(child, ConvNorm) and not isinstance(child.norm, nn.Identity):
            _fold_conv_norm(child)
        elif isinstance(child, FusionNode) and not isinstance(child.norm, nn.Identity):
            _fold_fusion_node(child)
        elif isinstance(child, Head):
            _fold_head(child)


def _fold_conv_norm(layer: ConvNorm) -> None:
    layer.conv = _without_padding(fuse_conv_bn_eval(layer.conv, layer.norm))
    layer.norm = nn.Identity()
    _activate_in_place(layer)


def _fold_fusion_node(node: FusionNode) -> None:
    node.conv.pointwise = fuse_conv_bn_eval(node.conv.pointwise, node.norm)
    node.norm = nn.Identity()
    # A single input that nothing changed is still the caller's: it must not be overwritten.
    if len(node.coarser_by) > 1:
        _activate_in_place(node)


def _fold_head(head: Head) -> None:
    """Put in the place of each level's norm the convolution that the levels shared, with that norm
    folded in; nothing is left to share.
    """
    for repeat, norms in enumerate(head.norms):
        shared = head.convs[repeat]
        if isinstance(shared, nn.Identity):
            continue
        for level, norm in enumerate(norms):
            own: SeparableConv = copy.deepcopy(shared)
            own.pointwise = fuse_conv_bn_eval(shared.pointwise, norm)
            norms[level] = own
        head.convs[repeat] = nn.Identity()
    _activate_in_place(head)


def _activate_in_place(module: nn.Module) -> None:
    # What it overwrites is the output of a convolution that nobody else reads.
    if isinstance(module.activation, nn.SiLU):
        module.activation = nn.SiLU(inplace=True)


class PaddedKernel(nn.Conv2d):
    """A convolution with TensorFlow's padding and stride 2, without a padded copy of its input.

    On maps of even size TensorFlow's padding is the symmetric one moved by one pixel, which a row
    and a column of zeros before the kernel undo. It is 3 to 5 times as fast, though the convolution
    now multiplies by those zeros too. On an odd size it would look one pixel beside the place.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2] % 2 or x.shape[-1] % 2:
            raise ValueError(
                "a folded network takes even sizes before each stride of 2, got "
                f"{tuple(x.shape[-2:])}; pass a multiple of 32 pixels, or use the network that is "
                "not folded."
            )
        return super().forward(x)


def _without_padding(conv: Conv2d) -> nn.Conv2d:
    if conv.pads_itself:
        return conv
    kernel = conv.kernel_size[0]
    padded = PaddedKernel(
        conv.in_channels,
        conv.out_channels,
        kernel + 1,
        conv.stride,
        padding=kernel // 2,
        groups=conv.groups,
        bias=conv.bias is not None,
        device=conv.weight.device,
        dtype=conv.weight.dtype,
    )
    padded.weight.copy_(F.pad(conv.weight, (1, 0, 1, 0)))
    if conv.bias is not None:
        padded.bias.copy_(conv.bias)
    return padded.eval().requires_grad_(False)
