"""EfficientNet: one table of stages, multiplied in width and depth.

arXiv 1905.11946, table 1 and section 4; details (rounding, biases, padding) from the official
TensorFlow code.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from effdet_lite.arguments import positive_number, shown, whole_number
from effdet_lite.layers import ConvNorm, FusedMBConv, LayerStyle, MBConv
from effdet_lite.scaling import EFFICIENTNETS, MOST_FUSED, EfficientNetConfig, round_channels

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Stage(NamedTuple):
    """Blocks of one shape in a row. The first one has the stride and changes the channels."""

    expand_ratio: int
    channels: int
    blocks: int
    kernel: int
    stride: int
    fused: bool = False


# Table 1 of the paper, whose "resolution" column is each stage's input.
B0_STAGES = (
    Stage(expand_ratio=1, channels=16, blocks=1, kernel=3, stride=1),  # its output is P1
    Stage(expand_ratio=6, channels=24, blocks=2, kernel=3, stride=2),  # P2
    Stage(expand_ratio=6, channels=40, blocks=2, kernel=5, stride=2),  # P3
    Stage(expand_ratio=6, channels=80, blocks=3, kernel=3, stride=2),
    Stage(expand_ratio=6, channels=112, blocks=3, kernel=5, stride=1),  # P4
    Stage(expand_ratio=6, channels=192, blocks=4, kernel=5, stride=2),
    Stage(expand_ratio=6, channels=320, blocks=1, kernel=3, stride=1),  # P5
)
B0_STEM, B0_HEAD = 32, 1280
# P1 ... P5 leave the last stage of each resolution: the one before the next stride of 2, and the
# last of all. So not stage 3, after which stage 4 goes on at the same resolution.
LEVEL_STAGES = (0, 1, 2, 4, 6)


def scaled_stages(width: float, depth: float, fused_stages: int = 0) -> tuple[Stage, ...]:
    """B0's table with `width` times the channels and `depth` times the blocks, rounded as the
    official code does.

    The first `fused_stages` of the stages that widen are fused, with EfficientNetV2's ratio and
    kernel. Raises ValueError for factors that are not positive, or more fused stages than there
    are.
    """
    width, depth = positive_number("width", width), positive_number("depth", depth)
    fused_stages = whole_number("fused_stages", fused_stages, 0, MOST_FUSED)
    table = [
        stage._replace(fused=True, expand_ratio=4, kernel=3)
        if 1 <= index <= fused_stages
        else stage
        for index, stage in enumerate(B0_STAGES)
    ]
    return tuple(
        stage._replace(
            channels=round_channels(stage.channels * width),
            blocks=math.ceil(stage.blocks * depth),  # official code, `round_repeats`
        )
        for stage in table
    )


def layer_style(config: EfficientNetConfig) -> LayerStyle:
    """The conventions of this network's layers."""
    return LayerStyle(config.padding, config.norm_epsilon, config.norm_momentum)


class EfficientNet(nn.Module):
    """A backbone (`features`) and, if `num_classes` is given, a classifier (calling the model).

    Images are [N, 3, H, W], RGB in 0-1, of any size; they are normalized inside. Raises ValueError
    for something else than an EfficientNetConfig, and for a num_classes that is not a whole number
    of at least 1.
    """

    def __init__(
        self, config: EfficientNetConfig = EfficientNetConfig(), num_classes: int | None = 1000
    ):
        super().__init__()
        if not isinstance(config, EfficientNetConfig):
            raise ValueError(
                f"config must be an EfficientNetConfig, got {shown(config)}; from_name takes names."
            )
        if num_classes is not None:
            num_classes = whole_number("num_classes", num_classes)
        style = layer_style(config)
        self.config = config
        table = scaled_stages(config.width, config.depth, config.fused_stages)

        channels = round_channels(B0_STEM * config.width)
        self.stem = ConvNorm(3, channels, 3, stride=2, activation=True, style=style)
        self.stages = nn.ModuleList()
        # The deeper a block, the more often it is left out in training: from 0 to stochastic_depth.
        blocks_before, blocks_in_all = 0, sum(stage.blocks for stage in table)
        for stage in table:
            blocks = nn.ModuleList()
            for index in range(stage.blocks):
                block = FusedMBConv if stage.fused else MBConv
                blocks.append(
                    block(
                        channels,
                        stage.channels,
                        stage.kernel,
                        stage.stride if index == 0 else 1,
                        stage.expand_ratio,
                        drop_path=config.stochastic_depth * blocks_before / blocks_in_all,
                        style=style,
                    )
                )
                channels = stage.channels
                blocks_before += 1
            self.stages.append(blocks)

        self.head = self.classifier = None
        if num_classes is not None:
            head = round_channels(B0_HEAD * config.width)
            self.head = ConvNorm(channels, head, activation=True, style=style)
            self.classifier = nn.Sequential(
                nn.Dropout(config.dropout), nn.Linear(head, num_classes)
            )
        self.apply(_initialize)

    @classmethod
    def from_name(cls, name: str, num_classes: int | None = 1000) -> "EfficientNet":
        """One of "b0" ... "b7" with fresh weights; `num_classes=None` leaves the classifier out.

        Raises ValueError for another name.
        """
        if name not in EFFICIENTNETS:
            raise ValueError(
                f"there is no EfficientNet {name!r}; choose one of {', '.join(EFFICIENTNETS)}."
            )
        return cls(EFFICIENTNETS[name], num_classes)

    @property
    def level_channels(self) -> tuple[int, ...]:
        """Channels of P1 ... P5."""
        return level_channels(self.config.width)

    def features(self, images: Tensor) -> list[Tensor]:
        """images [N, 3, H, W] -> [P1 ... P5]; level l is [N, C_l, ceil(H / 2^l), ceil(W / 2^l)].

        Raises ValueError for images that are none, see `check_images`.
        """
        check_images(images)
        x = normalized(images.to(self.stem.conv.weight.dtype))
        # Channels last: torch's fast path for 1x1 and depthwise convolutions, on CPUs and on GPUs.
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.stem(x)
        maps = []
        for blocks in self.stages:
            for block in blocks:
                x = block(x)
            maps.append(x)
        return [maps[stage] for stage in LEVEL_STAGES]

    def forward(self, images: Tensor) -> Tensor:
        """images [N, 3, H, W] -> class logits [N, num_classes].

        Raises ValueError for a network without a classifier, and for images that are none.
        """
        if self.classifier is None:
            raise ValueError(
                "this EfficientNet was built without a classifier; pass num_classes, or call "
                ".features()."
            )
        return self.classifier(self.head(self.features(images)[-1]).mean((2, 3)))


def normalized(images: Tensor) -> Tensor:
    """images [N, 3, H, W] in 0-1, less ImageNet's mean, in its standard deviations.

    Constants and no buffers: a model that is built without memory and loaded later has them too.
    """
    mean, std = images.new_tensor(IMAGENET_MEAN), images.new_tensor(IMAGENET_STD)
    return (images - mean[:, None, None]) / std[:, None, None]


def check_images(images: Tensor) -> None:
    """Raise a ValueError unless these are floats [N, 3, H, W]."""
    if not isinstance(images, Tensor):
        raise ValueError(
            f"images must be one tensor [N, 3, H, W], got {type(images).__name__}; torch.stack "
            "makes one."
        )
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(
            f"images must be [N, 3, H, W], got {list(images.shape)}; image[None] is a batch of one."
        )
    if not images.is_floating_point():
        raise ValueError(f"images must be floats in 0-1, got {images.dtype}; divide 0-255 by 255.")


def level_channels(width: float) -> tuple[int, ...]:
    """Channels of P1 ... P5 for B0's table at this width. Raises ValueError unless width > 0."""
    width = positive_number("width", width)
    return tuple(round_channels(B0_STAGES[stage].channels * width) for stage in LEVEL_STAGES)


def __getattr__(name: str):
    """`cost_by_stage` stands in `costs`, after everything that it adds up."""
    if name == "cost_by_stage":
        from effdet_lite.costs import cost_by_stage

        return cost_by_stage
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _initialize(module: nn.Module) -> None:
    # Official code, `conv_kernel_initializer` and `dense_kernel_initializer`.
    if isinstance(module, nn.Conv2d):
        fan_out = (
            module.out_channels * module.kernel_size[0] * module.kernel_size[1] // module.groups
        )
        nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.uniform_(module.weight, -(module.out_features**-0.5), module.out_features**-0.5)
        nn.init.zeros_(module.bias)
