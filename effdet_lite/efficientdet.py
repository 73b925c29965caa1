"""EfficientDet: a backbone, repeated fusion, and two heads that look at every level.

arXiv 1911.09070, section 4 and figure 3; details from the official code (`efficientdet_keras.py`)
and effdet.
"""

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.ops import batched_nms, clip_boxes_to_image

from effdet_lite import anchors as anchor_boxes
from effdet_lite import cost
from effdet_lite.anchors import ANCHORS_PER_POSITION
from effdet_lite.efficientnet import EfficientNet, check_images, cost_by_stage, level_channels
from effdet_lite.fusion import FusionGraph, FusionNetwork, bifpn, fusion_cost, separable_cost
from effdet_lite.layers import LayerStyle, SeparableConv, fold_for_inference, silu
from effdet_lite.scaling import EFFICIENTDETS, EfficientDetConfig, efficientdet

# A fresh model gives each class this probability, so that the loss does not begin with a million
# false alarms.
PRIOR = 0.01
# Boxes that non-maximum suppression sees: the best of all (anchor, class) pairs (official code,
# MAX_DETECTION_POINTS).
CANDIDATES = 5000


class Head(nn.Module):
    """`repeats` separable convolutions and a last one that answers, for each anchor, `outputs`
    numbers.

    The convolutions are shared by all levels; each level has batch norms of its own.
    """

    def __init__(self, channels: int, repeats: int, levels: int, outputs: int, style: LayerStyle):
        super().__init__()
        self.outputs = outputs
        self.convs = nn.ModuleList(SeparableConv(channels, channels) for _ in range(repeats))
        self.norms = nn.ModuleList(
            nn.ModuleList(style.norm(channels) for _ in range(levels)) for _ in range(repeats)
        )
        self.predict = SeparableConv(channels, outputs * ANCHORS_PER_POSITION)
        self.apply(_initialise)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """One map [N, C, H_l, W_l] for each level -> [N, A, outputs], in the order of
        `anchors.grid`.
        """
        answers = []
        for level, x in enumerate(maps):
            for conv, norms in zip(self.convs, self.norms, strict=True):
                # Once folded, a convolution is no longer shared.
                conv = conv[level] if isinstance(conv, nn.ModuleList) else conv
                x = silu(norms[level](conv(x)))
            x = self.predict(x).permute(0, 2, 3, 1)  # [N, H_l, W_l, 9 * outputs], anchors outer
            answers.append(x.unflatten(3, (-1, self.outputs)).flatten(1, 3))
        return torch.cat(answers, 1)

    def fold(self) -> None:
        """See `layers.fold_for_inference`."""
        for repeat, (conv, norms) in enumerate(zip(self.convs, self.norms, strict=True)):
            folded = nn.ModuleList(copy.deepcopy(conv) for _ in norms)
            for level, norm in enumerate(norms):
                folded[level].pointwise = fuse_conv_bn_eval(conv.pointwise.eval(), norm.eval())
                norms[level] = nn.Identity()
            self.convs[repeat] = folded


class EfficientDet(nn.Module):
    """The detector. Images are [N, 3, H, W], RGB in 0-1; H and W are multiples of 2**max_level, of
    any aspect ratio.

    Calling it gives (class logits [N, A, K], box deltas [N, A, 4]); `detect` gives boxes. For
    experiments, graph takes the place of BiFPN, and backbone that of EfficientNet: a module with
    `features` and `level_channels` as it has them.
    """

    def __init__(
        self,
        config: EfficientDetConfig = EfficientDetConfig(),
        num_classes: int = 90,
        *,
        graph: FusionGraph | None = None,
        backbone: nn.Module | None = None,
    ):
        super().__init__()
        if not isinstance(num_classes, int) or num_classes < 1:
            raise ValueError(
                f"num_classes must be a whole number of at least 1, got {num_classes!r}."
            )
        self.config, self.num_classes = config, num_classes
        style = LayerStyle(
            config.backbone.padding, config.backbone.norm_epsilon, config.backbone.norm_momentum
        )
        channels, levels = config.fusion_channels, config.levels
        self.backbone = backbone or EfficientNet(config.backbone, num_classes=None)
        self.fusion = FusionNetwork(
            graph or bifpn(levels),
            self.backbone.level_channels[config.min_level - 1 :],
            channels,
            config.fusion_repeats,
            config.weighting,
            style,
        )
        self.class_head = Head(channels, config.head_repeats, len(levels), num_classes, style)
        self.box_head = Head(channels, config.head_repeats, len(levels), 4, style)
        nn.init.constant_(self.class_head.predict.pointwise.bias, math.log(PRIOR / (1 - PRIOR)))

    @classmethod
    def from_name(cls, name: str, num_classes: int = 90) -> "EfficientDet":
        """One of "d0" ... "d7x" as published, with fresh weights."""
        if name not in EFFICIENTDETS:
            raise ValueError(
                f"there is no EfficientDet {name!r}; choose one of {', '.join(EFFICIENTDETS)}."
            )
        return cls(EFFICIENTDETS[name], num_classes)

    @classmethod
    def from_phi(cls, phi: float, num_classes: int = 90) -> "EfficientDet":
        """The formula's detector for any phi from -3 to 7; below 0 the course's small models (see
        `scaling`).
        """
        return cls(efficientdet(phi), num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """images [N, 3, H, W] -> class logits [N, A, K] and box deltas [N, A, 4]."""
        check_images(images)
        check_size(*images.shape[-2:], self.config.max_level)
        maps = self.fusion(self.backbone.features(images)[self.config.min_level - 1 :])
        return self.class_head(maps), self.box_head(maps)

    def anchors(self, height: int, width: int) -> Tensor:
        """The anchors of an image of this size, [A, 4], xyxy in pixels, on the model's device."""
        check_size(height, width, self.config.max_level)
        device = next(self.parameters()).device
        return anchor_boxes.grid(
            height, width, self.config.levels, self.config.anchor_scale, device
        )

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
        """
        check_images(images)
        if images.numel() and images.amax() > 2:  # resizing may leave values a little above 1
            raise ValueError(
                f"images must be in 0-1, got values up to {images.amax():g}; divide 0-255 by 255."
            )
        # What is made in inference mode cannot be written into, but callers rescale boxes: only the
        # network runs in it.
        with cost.evaluation_mode(self), torch.inference_mode():
            class_logits, box_deltas = self(images)
        return postprocess(
            class_logits,
            box_deltas,
            self.anchors(*images.shape[-2:]),
            images.shape[-2:],
            score_threshold,
            iou_threshold,
            max_detections,
        )

    def folded(self) -> "EfficientDet":
        """A copy for inference, with norms and padding folded into the convolutions: the same
        results, faster.
        """
        model = copy.deepcopy(self).eval()
        fold_for_inference(model)
        return model.to(memory_format=torch.channels_last)


def postprocess(
    class_logits: Tensor,
    box_deltas: Tensor,
    anchors: Tensor,
    size: tuple[int, int],
    score_threshold: float = 0.05,
    iou_threshold: float = 0.5,
    max_detections: int = 100,
) -> list[dict[str, Tensor]]:
    """From the network's answers to boxes; see `EfficientDet.detect`. effdet/bench.py,
    `_post_process`.

    class_logits [N, A, K], box_deltas [N, A, 4], anchors [A, 4]; size: (height, width) that the
    boxes are clipped to.
    """
    detections = []
    for image in zip(*candidates(class_logits, box_deltas, anchors, size), strict=True):
        confident = image[1] >= score_threshold
        found = dict(
            zip(("boxes", "scores", "labels"), (values[confident] for values in image), strict=True)
        )
        kept = batched_nms(*found.values(), iou_threshold)[:max_detections]
        detections.append({name: value[kept] for name, value in found.items()})
    return detections


def candidates(
    class_logits: Tensor, box_deltas: Tensor, anchors: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """The best (anchor, class) pairs of each image, before suppression: boxes [N, n, 4], scores and
    labels [N, n].
    """
    number_of_anchors, classes = class_logits.shape[1:]
    # An anchor whose best class is not among the best anchors has no pair among the best pairs: so
    # first the anchors.
    strongest = (
        class_logits.amax(2).topk(min(CANDIDATES, number_of_anchors)).indices
    )  # [N, candidates]
    rows = class_logits.gather(1, strongest[..., None].expand(-1, -1, classes))
    best, pair = rows.flatten(1).topk(min(CANDIDATES, rows[0].numel()) if len(rows) else 0)
    scores, labels, anchor = (
        best.float().sigmoid(),
        pair % classes,
        strongest.gather(1, pair // classes),
    )
    chosen = box_deltas.float().gather(1, anchor[..., None].expand(-1, -1, 4))
    return (
        clip_boxes_to_image(anchor_boxes.decode(chosen, anchors[anchor]), tuple(size)),
        scores,
        labels,
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


def cost_by_part(config: EfficientDetConfig, num_classes: int = 90) -> dict[str, cost.Cost]:
    """Parameters and MACs of "backbone", "fusion", "class_head" and "box_head", by arithmetic on
    the configuration.
    """
    levels, channels = config.levels, config.fusion_channels
    sizes = [(config.resolution // 2**level,) * 2 for level in levels]
    backbone = config.backbone
    in_channels = level_channels(backbone.width)[config.min_level - 1 :]

    def head(outputs: int) -> cost.Cost:
        maps = [
            separable_cost(channels, channels, *size) * config.head_repeats
            + separable_cost(channels, outputs * ANCHORS_PER_POSITION, *size)
            for size in sizes
        ]
        # The convolutions run on every level but are stored once; the norms are stored for every
        # level.
        norms = cost.norm(channels) * (config.head_repeats * len(levels))
        return cost.Cost(maps[0].params + norms.params, sum(maps).macs)

    return {
        "backbone": sum(
            cost_by_stage(
                backbone.width, backbone.depth, config.resolution, None, backbone.fused_stages
            )
        ),
        "fusion": fusion_cost(
            bifpn(levels), in_channels, channels, config.fusion_repeats, config.weighting, sizes
        ),
        "class_head": head(num_classes),
        "box_head": head(4),
    }


def _initialise(module: nn.Module) -> None:
    # effdet/efficientdet.py, `_init_weight`: variance scaling over the fan-in, biases 0.
    if isinstance(module, nn.Conv2d):
        fan_in = module.in_channels * module.kernel_size[0] * module.kernel_size[1] // module.groups
        nn.init.normal_(module.weight, std=fan_in**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
