"""How a training begins: with blocks that do nothing yet, or with the weights of one before
(transfer learning).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor, nn

from effdet_lite.checkpoint import load_detector
from effdet_lite.download import DownloadError
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.efficientnet import EfficientNet
from effdet_lite.places import cache_folder
from effdet_lite.pretrained import from_pretrained, set_style
from effdet_lite.scaling import EFFICIENTDETS, EFFICIENTNETS, EfficientDetConfig


def zero_init_residual(model: nn.Module) -> None:
    """Let each block with a skip begin as the identity: its last norm's scale is 0. arXiv
    1706.02677, section 5.1.
    """
    for module in model.modules():
        if getattr(module, "has_skip", False):
            nn.init.zeros_(module.project.norm.weight)


def transfer_weights(
    model: EfficientDet, source: str | Path, classes: Sequence[str] = ()
) -> list[str]:
    """Copy trained weights into a fresh model, in place; returns the names of the tensors that stay
    fresh.

    source: a detector.safetensors; "imagenet", torchvision's EfficientNet for the backbone alone;
    or "coco", the published EfficientDet of the model's size. The last two are fetched unless they
    are in `cache_folder()`. What has the model's name and shape is taken: with other levels than
    the source's the backbone alone, and the last layer of the class head only from a file with the
    same `classes`. The model takes on the padding and the norm epsilon that the weights were
    trained with. Raises FileNotFoundError, ValueError where next to nothing fits, DownloadError.
    """
    source = str(source)  # a path called "imagenet" means what the word means
    trained, its_classes = _trained(model, source)
    detector = isinstance(trained, EfficientDet)
    theirs = {
        name if detector else f"backbone.{name}": tensor
        for name, tensor in trained.state_dict().items()
    }
    whole = detector and trained.config.levels == model.config.levels
    same_classes = bool(classes) and tuple(classes) == tuple(its_classes)

    def fits(name: str, tensor: Tensor) -> bool:
        part, found = name.partition(".")[0], theirs.get(name)
        wanted = part == "backbone" or (
            whole and (same_classes or not name.startswith("class_head.predict."))
        )
        return wanted and found is not None and found.shape == tensor.shape

    own = model.state_dict()
    taken = {name: theirs[name] for name, tensor in own.items() if fits(name, tensor)}
    size = {name: tensor.numel() for name, tensor in own.items() if name.startswith("backbone.")}
    share = sum(size.get(name, 0) for name in taken) / sum(size.values())
    backbone = trained.config.backbone if detector else trained.config
    if share < 0.5:
        need = (
            f"width {backbone.width:g}, depth {backbone.depth:g} and "
            f"fused_stages {backbone.fused_stages}"
        )
        raise ValueError(
            f"{source} fits {share:.0%} of this model's backbone, and nothing was taken: "
            f"it needs {need}."
        )
    model.load_state_dict(own | taken)
    set_style(model, backbone.padding, backbone.norm_epsilon)
    model.config = replace(
        model.config,
        backbone=replace(
            model.config.backbone, padding=backbone.padding, norm_epsilon=backbone.norm_epsilon
        ),
    )
    return [name for name in own if name not in taken and not name.endswith("num_batches_tracked")]


def _trained(model: EfficientDet, source: str) -> tuple[EfficientDet | EfficientNet, Sequence[str]]:
    """What `transfer_weights` copies from, and the names of its classes where the file has them."""
    if source not in ("imagenet", "coco"):
        trained, about = load_detector(source)
        return trained, about["classes"]
    if source == "imagenet":
        known = {
            name: (one.width, one.depth, one.fused_stages) for name, one in EFFICIENTNETS.items()
        }
        backbone = model.config.backbone
        mine = backbone.width, backbone.depth, backbone.fused_stages
        asked = f"a backbone of width {mine[0]:g}, depth {mine[1]:g} and fused_stages {mine[2]}"
        instead = "phi 0, or width 1, depth 1 and fused_stages 0, make it B0's"
    else:
        known = {name: _size(one) for name, one in EFFICIENTDETS.items()}
        mine, asked, instead = (
            _size(model.config),
            "a detector of this size",
            "phi 0 alone makes it D0's",
        )
    name = next((name for name, size in known.items() if size == mine), None)
    if name is None:
        raise ValueError(f"there are no published {source} weights for {asked}: {instead}.")
    try:
        return from_pretrained(name, progress=False), ()
    except (DownloadError, OSError) as error:
        raise DownloadError(
            f"the {source} weights of {name.upper()} are not in {cache_folder()}, and could not be "
            f"fetched: run `effdet-lite prefetch` with a network ({error})"
        ) from error


def _size(config: EfficientDetConfig) -> tuple:
    backbone = config.backbone
    return (
        backbone.width,
        backbone.depth,
        backbone.fused_stages,
        config.fusion_channels,
        config.fusion_repeats,
        config.head_repeats,
        config.levels,
        config.weighting,
    )
