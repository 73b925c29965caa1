"""The small detector of the experiments, as plain as can be.

A backbone of five 3x3 convolutions, so that each level's receptive field is known; one neck; and
the package's own heads, loss and training. A second backbone computes each level from its own
pooled picture, so that the neck has the only way from a fine level to a coarse one.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.fusion import FusionGraph
from effdet_lite.scaling import EfficientDetConfig

SIZE = 128  # side of a picture in pixels
LEVELS = (2, 3, 4, 5, 6)
CHANNELS = 32  # of the neck and the heads
BACKBONE = (16, 24, 48, 64, 96)  # channels of P1 ... P5


def _conv_norm_silu(c_in: int, c_out: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(c_out, eps=1e-3),
        nn.SiLU(inplace=True),
    ]


class PlainBackbone(nn.Module):
    """One 3x3 convolution with stride 2, batch norm and SiLU for each level, P1 ... P5.

    Made to be looked through: no squeeze-and-excitation, which would let each position of every
    level see the whole image.
    """

    level_channels = BACKBONE

    def __init__(self):
        super().__init__()
        before = (3, *BACKBONE[:-1])
        self.levels = nn.ModuleList(
            nn.Sequential(*_conv_norm_silu(c_in, c_out, stride=2))
            for c_in, c_out in zip(before, BACKBONE, strict=True)
        )

    def features(self, images: Tensor) -> list[Tensor]:
        """images [N, 3, H, W] in 0-1 -> [P1 ... P5]; level l is [N, C_l, H / 2^l, W / 2^l]."""
        x = ((images - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)
        maps = []
        for level in self.levels:
            x = level(x)
            maps.append(x)
        return maps


class PlainDetector(EfficientDet):
    """EfficientDet behind a PlainBackbone."""

    def build_backbone(self, config: EfficientDetConfig) -> nn.Module:
        return PlainBackbone()


class PooledBackbone(nn.Module):
    """Each level P2 ... P5 from its own pooled picture: an image pyramid, with no way from a fine
    level to a coarse one.

    P2 is computed from the picture itself, P3 from the picture pooled by 2 (means of 2 x 2 pixels),
    and so on, each by three 3x3 convolutions of its own with batch norm and SiLU, two of them with
    stride 2. So a position sees 9 x 9 pixels of its level's picture. P1 is no more than the pooled
    picture, which the small detector does not use.
    """

    level_channels = (3, *BACKBONE[1:])

    def __init__(self):
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(
                *_conv_norm_silu(3, 16, stride=1),
                *_conv_norm_silu(16, 24, stride=2),
                *_conv_norm_silu(24, channels, stride=2),
            )
            for channels in BACKBONE[1:]
        )

    def features(self, images: Tensor) -> list[Tensor]:
        """images [N, 3, H, W] in 0-1 -> [P1 ... P5]; level l is [N, C_l, H / 2^l, W / 2^l]."""
        x = ((images - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)
        maps = [F.avg_pool2d(x, 2)]
        for doublings, level in enumerate(self.levels):
            pooled = F.avg_pool2d(x, 2**doublings) if doublings else x
            maps.append(level(pooled))
        return maps


class PooledDetector(EfficientDet):
    """EfficientDet behind a PooledBackbone."""

    def build_backbone(self, config: EfficientDetConfig) -> nn.Module:
        return PooledBackbone()


def detector(
    neck: FusionGraph,
    num_classes: int,
    weighting: str = "sum",
    repeats: int = 1,
    channels: int = CHANNELS,
    kind: type[EfficientDet] = PlainDetector,
) -> EfficientDet:
    """The small detector with this neck, fresh: levels P2-P6, and heads of one convolution and the
    one that answers. channels: of the neck and the heads. kind: a class with another backbone.
    """
    config = EfficientDetConfig(
        SIZE,
        fusion_channels=channels,
        fusion_repeats=repeats,
        head_repeats=1,
        min_level=2,
        max_level=6,
        anchor_scale=2.0,
        weighting=weighting,
        neck=neck,
    )
    # A run is short, so norms follow as fast as torch's.
    config = replace(config, backbone=replace(config.backbone, norm_momentum=0.1))
    return kind(config, num_classes)
