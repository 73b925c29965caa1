"""EfficientDet: a backbone, repeated fusion, and two heads that look at every level.

arXiv 1911.09070, section 4 and figure 3; details from the official code (`efficientdet_keras.py`)
and effdet.
"""

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from effdet_lite.anchors import ANCHORS_PER_POSITION, anchor_grid
from effdet_lite.arguments import shown, whole_number
from effdet_lite.efficientnet import EfficientNet, check_images, layer_style
from effdet_lite.fusion import FusionNetwork
from effdet_lite.layers import LayerStyle, SeparableConv
from effdet_lite.losses import Losses, detection_loss
from effdet_lite.matching import fast_match
from effdet_lite.modes import evaluation_mode
from effdet_lite.scaling import EFFICIENTDETS, EfficientDetConfig, efficientdet
from effdet_lite.suppression import Candidates, best_pairs, check_limits, suppress

# A fresh model gives each class this probability, so that the loss does not begin with a million
# false alarms.
PRIOR = 0.01


class EfficientDet(nn.Module):
    """The detector. Images are [N, 3, H, W], RGB in 0-1; H and W are multiples of 2**max_level, of
    any aspect ratio.

    Calling it gives (class logits [N, A, K], box deltas [N, A, 4]); `detect` gives boxes. Training
    asks for `loss`, export for `candidates`, and neither looks further: a subclass in one file may
    have another backbone (`build_backbone`) or other heads (`build_heads`, `forward`, `loss` and
    `candidates`), and is trained, saved, loaded and exported like this one. It is built from
    (config, num_classes) alone, and a file of it names the subclass.

    Raises ValueError for something else than an EfficientDetConfig, and for a num_classes that is
    not a whole number of at least 1.
    """

    def __init__(self, config: EfficientDetConfig = EfficientDetConfig(), num_classes: int = 90):
        super().__init__()
        if not isinstance(config, EfficientDetConfig):
            raise ValueError(
                f"config must be an EfficientDetConfig, got {shown(config)}; from_name takes names."
            )
        self.config = config
        self.num_classes = whole_number("num_classes", num_classes)
        self.backbone = self.build_backbone(config)
        self.fusion = FusionNetwork(
            config.graph,
            self.backbone.level_channels[config.min_level - 1 :],
            config.fusion_channels,
            config.fusion_repeats,
            config.weighting,
            layer_style(config.backbone),
        )
        self.build_heads(config, self.num_classes)

    def build_backbone(self, config: EfficientDetConfig) -> nn.Module:
        """A module with `features(images)`, [P1 ... P5], and `level_channels`, their channels."""
        return EfficientNet(config.backbone, num_classes=None)

    def build_heads(self, config: EfficientDetConfig, num_classes: int) -> None:
        """Make the heads that `forward` runs, as attributes."""
        channels, repeats, levels = config.fusion_channels, config.head_repeats, len(config.levels)
        style = layer_style(config.backbone)
        self.class_head = Head(channels, repeats, levels, num_classes, style)
        self.box_head = Head(channels, repeats, levels, 4, style)
        # The bias whose sigmoid is PRIOR.
        nn.init.constant_(self.class_head.predict.pointwise.bias, math.log(PRIOR / (1 - PRIOR)))

    @classmethod
    def from_name(cls, name: str, num_classes: int = 90) -> "EfficientDet":
        """One of "d0" ... "d7x" as published, with fresh weights. Raises ValueError for another."""
        if name not in EFFICIENTDETS:
            raise ValueError(
                f"there is no EfficientDet {name!r}; choose one of {', '.join(EFFICIENTDETS)}."
            )
        return cls(EFFICIENTDETS[name], num_classes)

    @classmethod
    def from_phi(cls, phi: float, num_classes: int = 90) -> "EfficientDet":
        """The formula's detector for any phi from -3 to 7; below 0 the course's small models (see
        `scaling`). Raises ValueError for another phi.
        """
        return cls(efficientdet(phi), num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images [N, 3, H, W] -> class logits [N, A, K] and box deltas [N, A, 4].

        Raises ValueError for images that are none, or of a size that is not legal.
        """
        maps = self.pyramid(images)
        return self.class_head(maps), self.box_head(maps)

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """images [N, 3, H, W] -> for each level, fine to coarse, a map [N, C, H / 2^l, W / 2^l].

        Raises ValueError as `forward` does.
        """
        check_images(images)
        check_size(*images.shape[-2:], self.config.max_level)
        return self.fusion(self.backbone.features(images)[self.config.min_level - 1 :])

    def anchors(self, height: int, width: int) -> Tensor:
        """The anchors of an image of this size, [A, 4], xyxy in pixels, on the model's device.

        Raises ValueError for a size that is not legal, and names the nearest that are.
        """
        height, width = whole_number("height", height, 0), whole_number("width", width, 0)
        check_size(height, width, self.config.max_level)
        device = next(self.parameters()).device
        return anchor_grid(height, width, self.config.levels, self.config.anchor_scale, device)

    @torch.no_grad()
    def detect(
        self,
        images: Tensor,
        score_threshold: float = 0.05,
        iou_threshold: float = 0.5,
        max_detections: int = 100,
    ) -> list[dict[str, Tensor]]:
        """Objects in each image [N, 3, H, W], best first, in evaluation mode.

        Boxes of one class that overlap by more than iou_threshold leave only the best. An anchor
        may answer for several classes. Returns for each image "boxes" [n, 4] (xyxy, pixels, inside
        the image), "scores" [n], "labels" [n].

        Raises ValueError for images that are none or not in 0-1, and for a threshold outside 0-1 or
        a max_detections that is not a whole number of at least 1.
        """
        check_limits(score_threshold, iou_threshold, max_detections)
        check_images(images)
        check_range(images)
        # What is made in inference mode cannot be written into, but callers rescale boxes: only the
        # network runs in it.
        with evaluation_mode(self), torch.inference_mode():
            outputs = self(images)
        size = tuple(images.shape[-2:])
        return self.decode(outputs, size, score_threshold, iou_threshold, max_detections)

    def decode(
        self,
        outputs: tuple[Tensor, Tensor],
        size: tuple[int, int],
        score_threshold: float = 0.05,
        iou_threshold: float = 0.5,
        max_detections: int = 100,
    ) -> list[dict[str, Tensor]]:
        """From what calling the model gave to what `detect` returns; arguments as there.

        size: (height, width) of the images. Raises ValueError for limits that cannot be meant.
        """
        found = self.candidates(outputs, size)
        return suppress(found, score_threshold, iou_threshold, max_detections)

    def candidates(self, outputs: tuple[Tensor, Tensor], size: tuple[int, int]) -> Candidates:
        """The boxes that suppression chooses from. outputs: what calling the model gave; size:
        (height, width) of the images.
        """
        class_logits, box_deltas = outputs
        return best_pairs(class_logits, box_deltas, self.anchors(*size), size)

    def loss(
        self,
        outputs: tuple[Tensor, Tensor],
        targets: Sequence[dict],
        size: tuple[int, int],
        *,
        alpha: float = 0.25,
        gamma: float = 1.5,
        reduce: Callable[[Tensor], Tensor] | None = None,
    ) -> Losses:
        """The loss of a batch, `losses.detection_loss`.

        Args:
            outputs: what calling the model gave.
            targets: "boxes" [n, 4] (xyxy, pixels) and "labels" [n] of each image.
            size: (height, width) of the images.
            alpha, gamma: of the focal loss.
            reduce: where several processes train together, each with a part of the batch, a
                function that takes this one's count of positive anchors and returns that of all.

        Raises:
            ValueError: for boxes, labels or constants that `losses` and `anchors.match` refuse.
        """
        class_logits, box_deltas = outputs
        device = class_logits.device
        boxes = [target["boxes"].as_subclass(Tensor).to(device) for target in targets]
        labels = [target["labels"].to(device) for target in targets]
        matches = fast_match(self.anchors(*size), boxes, labels)
        positives = (matches.labels >= 0).sum()
        if reduce is not None:
            positives = reduce(positives)
        return detection_loss(
            class_logits, box_deltas, matches, normalizer=positives + 1, alpha=alpha, gamma=gamma
        )

    # A detector's file names its class, and whoever loads it finds the class here by that name:
    # Python calls `__init_subclass__` once for each subclass that a program defines.
    subclasses: ClassVar[dict[str, type["EfficientDet"]]] = {}

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        EfficientDet.subclasses[cls.__name__] = cls


class Head(nn.Module):
    """`repeats` separable convolutions, and a last one with `outputs` numbers for each anchor.

    The convolutions are shared by all levels; each level has batch norms of its own. Raises
    ValueError for numbers that are not whole and at least 1.
    """

    def __init__(self, channels: int, repeats: int, levels: int, outputs: int, style: LayerStyle):
        super().__init__()
        sizes = {"channels": channels, "repeats": repeats, "levels": levels, "outputs": outputs}
        for name, size in sizes.items():
            whole_number(name, size)
        self.outputs = outputs
        self.convs = nn.ModuleList(SeparableConv(channels, channels) for _ in range(repeats))
        self.norms = nn.ModuleList(
            nn.ModuleList(style.norm(channels) for _ in range(levels)) for _ in range(repeats)
        )
        self.activation = nn.SiLU()
        self.predict = SeparableConv(channels, outputs * ANCHORS_PER_POSITION)
        self.apply(_initialize)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """One map [N, C, H_l, W_l] for each level -> [N, A, outputs], in the order of
        `anchors.anchor_grid`.
        """
        answers = []
        for level, x in enumerate(maps):
            for conv, norms in zip(self.convs, self.norms, strict=True):
                x = self.activation(norms[level](conv(x)))
            x = self.predict(x).permute(0, 2, 3, 1)  # [N, H_l, W_l, 9 * outputs]
            x = x.unflatten(3, (-1, self.outputs))  # [N, H_l, W_l, 9, outputs]
            answers.append(x.flatten(1, 3))  # [N, H_l * W_l * 9, outputs]
        return torch.cat(answers, 1)


def check_range(images: Tensor) -> None:
    """Raise a ValueError unless the values are in 0-1, or near it: resizing leaves some beyond."""
    if images.numel() and not (images.amin() >= -0.5 and images.amax() <= 1.5):
        raise ValueError(
            f"images must be in 0-1, got values from {images.amin():g} to {images.amax():g}; "
            "divide 0-255 by 255, and leave the normalization to the model."
        )


def check_size(height: int, width: int, max_level: int) -> None:
    """Raise a ValueError that names the nearest legal sizes, unless both sides are multiples of
    2**max_level.
    """
    step = 2**max_level
    for name, size in (("height", height), ("width", width)):
        if size < step or size % step:
            below = size // step * step
            legal = f"{below} or {below + step}" if below > 0 else f"{step}"
            must = f"{name} must be a multiple of {step} for levels up to P{max_level}"
            raise ValueError(f"{must}, got {size}: use {legal}.")


def __getattr__(name: str):
    """`cost_by_part` stands in `costs`, after everything that it adds up."""
    if name == "cost_by_part":
        from effdet_lite.costs import cost_by_part

        return cost_by_part
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _initialize(module: nn.Module) -> None:
    # effdet/efficientdet.py, `_init_weight`: variance scaling over the fan-in, biases 0.
    if isinstance(module, nn.Conv2d):
        fan_in = module.in_channels * module.kernel_size[0] * module.kernel_size[1] // module.groups
        nn.init.normal_(module.weight, std=fan_in**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
