"""Published weights into these modules: torchvision's EfficientNet B0-B7, and EfficientDet D0-D7x.

The EfficientDet files are the official TensorFlow checkpoints as the `effdet` project converted
them. The two renamings below walk over our own structure and say what each part is called over
there.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import torch
from torch import Tensor, nn
from torchvision.models import get_model_weights

from effdet_lite.download import download
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.efficientnet import EfficientNet
from effdet_lite.layers import Conv2d, LayerStyle
from effdet_lite.places import cache_folder
from effdet_lite.scaling import EFFICIENTDETS, EFFICIENTNETS

EFFDET_RELEASE = "https://github.com/rwightman/efficientdet-pytorch/releases/download/v0.1/"
# After the dash stand the first digits of the file's SHA-256, as in torchvision's names.
EFFDET_FILES = {
    "d0": "tf_efficientdet_d0_34-f153e0cf.pth",
    "d1": "tf_efficientdet_d1_40-a30f94af.pth",
    "d2": "tf_efficientdet_d2_43-8107aa99.pth",
    "d3": "tf_efficientdet_d3_47-0b525f35.pth",
    "d4": "tf_efficientdet_d4_49-f56376d9.pth",
    "d5": "tf_efficientdet_d5_51-c79f9be6.pth",
    "d6": "tf_efficientdet_d6_52-4eda3773.pth",
    "d7": "tf_efficientdet_d7_53-6d1d7a95.pth",
    "d7x": "tf_efficientdet_d7x-f390b87c.pth",
}
# torchvision trained B0-B4 with PyTorch's epsilon; B5-B7, the widest, were converted from
# TensorFlow.
TORCHVISION_WIDE, TORCHVISION_EPSILON, TENSORFLOW_EPSILON = 1.6, 1e-5, 1e-3

Names = Iterator[tuple[str, str]]  # (ours, theirs), each the path of a module or of a tensor


def from_pretrained(
    name: str, cache_dir: str | Path | None = None, url: str | None = None, *, progress: bool = True
) -> EfficientNet | EfficientDet:
    """The published model "b0" ... "b7" (ImageNet, 1000 classes) or "d0" ... "d7x" (COCO, 90), in
    evaluation mode.

    The file is fetched once, checked against the hash in its name, and kept in cache_dir (by
    default in `cache_folder()`). url: take the file from there, http(s) or file, instead of from
    its publisher. Raises ValueError for an unknown name or a file that does not fit, DownloadError
    where it cannot be fetched whole.
    """
    if name not in EFFICIENTNETS and name not in EFFICIENTDETS:
        known = ", ".join([*EFFICIENTNETS, *EFFICIENTDETS])
        raise ValueError(f"there are no published weights for {name!r}; choose one of {known}.")
    state = read_tensors(fetch(url or published_url(name), cache_dir, progress=progress))
    if name in EFFICIENTNETS:
        model = EfficientNet.from_name(name)
        load_torchvision(model, state)
    else:
        model = EfficientDet.from_name(name)
        load_effdet(model, state)
    return model.eval()


def published_url(name: str) -> str:
    """Where the weights of "b0" ... "b7" or "d0" ... "d7x" are published."""
    if name in EFFDET_FILES:
        return EFFDET_RELEASE + EFFDET_FILES[name]
    return get_model_weights(f"efficientnet_{name}").IMAGENET1K_V1.url


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors in a .pth file. A file with anything else in it raises ValueError, and no code in
    it is run.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception:
        # Whatever a damaged file makes of the reader; torch's advice is to run the code after all.
        raise ValueError(
            f"{path} is damaged or holds code, of which none was run; pass a file of tensors only."
        ) from None
    if not isinstance(state, Mapping) or not all(
        isinstance(value, Tensor) for value in state.values()
    ):
        raise ValueError(
            f"{path} does not hold a state dict, a flat mapping from names to tensors; pass a file "
            "that does."
        )
    return dict(state)


def load_torchvision(model: EfficientNet, state_dict: Mapping[str, Tensor]) -> None:
    """Load the state dict of `torchvision.models.efficientnet_b*` into a model with a classifier,
    all of it or nothing.

    The weights are right only with the padding and the norm epsilon that they were trained with, so
    the model takes on both. Raises ValueError that names the tensors which do not fit.
    """
    _load(model, state_dict, _torchvision_names(model))
    wide = model.config.width >= TORCHVISION_WIDE
    set_style(model, "symmetric", TENSORFLOW_EPSILON if wide else TORCHVISION_EPSILON)


def load_effdet(model: EfficientDet, state_dict: Mapping[str, Tensor]) -> None:
    """Load the state dict of `effdet`'s `tf_efficientdet_*` into a model of the same size, all of
    it or nothing.

    As with `load_torchvision`, the model takes on the padding and the epsilon, here TensorFlow's,
    that it has already unless its configuration said otherwise. Raises ValueError that names the
    tensors which do not fit.
    """
    _load(model, state_dict, _effdet_names(model))
    # Each anchor's offsets are (dy, dx, dh, dw) over there and (dx, dy, dw, dh) here.
    with torch.no_grad():
        for tensor in model.box_head.predict.pointwise.parameters():
            tensor.copy_(tensor.unflatten(0, (-1, 4))[:, [1, 0, 3, 2]].flatten(0, 1))
    set_style(model, "same", TENSORFLOW_EPSILON)


def _torchvision_names(model: EfficientNet) -> Names:
    yield from _pair("stem", "features.0", conv="0", norm="1")
    for s, stage in enumerate(model.stages):
        for b, block in enumerate(stage):
            # torchvision numbers the parts that a block has: without an expansion everything moves
            # up by one.
            expands = not isinstance(block.expand, nn.Identity)
            parts = ["expand", "depthwise", "squeeze_excite", "project"][0 if expands else 1 :]
            for index, part in enumerate(parts):
                theirs = f"features.{s + 1}.{b}.block.{index}"
                yield from _pair(
                    f"stages.{s}.{b}.{part}", theirs, conv="0", norm="1", reduce="fc1", expand="fc2"
                )
    yield from _pair("head", "features.8", conv="0", norm="1")
    yield from _pair("classifier", "classifier", **{"1": "1"})


def _effdet_names(model: EfficientDet) -> Names:
    yield from _pair("backbone.stem", "backbone", conv="conv_stem", norm="bn1")
    for s, stage in enumerate(model.backbone.stages):
        for b, block in enumerate(stage):
            ours, theirs = f"backbone.stages.{s}.{b}", f"backbone.blocks.{s}.{b}"
            # timm's blocks call the projection conv_pwl, except where there is no expansion before
            # it.
            expands = not isinstance(block.expand, nn.Identity)
            first = 2 if expands else 1
            yield from _pair(f"{ours}.expand", theirs, conv="conv_pw", norm="bn1")
            yield from _pair(f"{ours}.depthwise", theirs, conv="conv_dw", norm=f"bn{first}")
            yield from _pair(
                f"{ours}.squeeze_excite", f"{theirs}.se", reduce="conv_reduce", expand="conv_expand"
            )
            yield from _pair(
                f"{ours}.project",
                theirs,
                conv="conv_pwl" if expands else "conv_pw",
                norm=f"bn{first + 1}",
            )

    graph = model.fusion.graph
    yield from _pair(
        "fusion.project_extra",
        f"fpn.resample.{model.fusion.backbone_levels}.conv",
        conv="conv",
        norm="bn",
    )
    for c in range(len(model.fusion.cells)):
        for n, node in enumerate(graph.nodes):
            ours, theirs = f"fusion.cells.{c}.{node.name}", f"fpn.cell.{c}.fnode.{n}"
            yield f"{ours}.weights", f"{theirs}.combine.edge_weights"
            for index, source in enumerate(node.inputs):
                # A lateral is called by the place of its level.
                lateral = (
                    f"{theirs}.combine.resample.{graph.level_of(source) - graph.levels[0]}.conv"
                )
                yield from _pair(f"{ours}.project.{index}", lateral, conv="conv", norm="bn")
            yield from _separable(f"{ours}.conv", f"{theirs}.after_combine.conv")
            yield f"{ours}.norm", f"{theirs}.after_combine.conv.bn"

    for ours, theirs in (("class_head", "class_net"), ("box_head", "box_net")):
        for r, norms in enumerate(getattr(model, ours).norms):
            yield from _separable(f"{ours}.convs.{r}", f"{theirs}.conv_rep.{r}")
            for level in range(len(norms)):
                yield f"{ours}.norms.{r}.{level}", f"{theirs}.bn_rep.{r}.{level}.bn"
        yield from _separable(f"{ours}.predict", f"{theirs}.predict")


def _pair(ours: str, theirs: str, **parts: str) -> Names:
    for our_part, their_part in parts.items():
        yield f"{ours}.{our_part}", f"{theirs}.{their_part}"


def _separable(ours: str, theirs: str) -> Names:
    return _pair(ours, theirs, depthwise="conv_dw", pointwise="conv_pw")


def _load(model: nn.Module, state: Mapping[str, Tensor], names: Names) -> None:
    own, theirs_of = model.state_dict(), dict(names)
    loaded, missing, misshapen = {}, [], []
    used = set()
    for key, tensor in own.items():
        module, _, leaf = key.rpartition(".")
        theirs = theirs_of.get(key) or f"{theirs_of.get(module, module)}.{leaf}"
        found = state.get(theirs)
        used.add(theirs)
        if found is None and leaf == "num_batches_tracked":  # a counter that old files leave out
            loaded[key] = tensor
        elif found is None:
            missing.append(theirs)
        elif found.shape != tensor.shape:
            misshapen.append(
                f"{theirs} {list(found.shape)} where this model has {list(tensor.shape)}"
            )
        else:
            loaded[key] = found
    complaints = {
        "missing": missing,
        "not used": [key for key in state if key not in used],
        "of another shape": misshapen,
    }
    if any(complaints.values()):
        raise ValueError(
            "these weights are not for this model, and none were loaded; "
            + "; ".join(
                f"{len(keys)} {what}: {_some(keys)}" for what, keys in complaints.items() if keys
            )
            + "."
        )
    model.load_state_dict(loaded)


def _some(keys: list[str], count: int = 3) -> str:
    first, rest = keys[:count], keys[count:]
    return ", ".join(first) + (f" and {len(rest)} more" if rest else "")


def set_style(model: nn.Module, padding: str, norm_epsilon: float) -> None:
    """Give a model the padding and the norm epsilon that its weights were trained with, in place:
    its layers, and the configuration that describes them. Raises ValueError for a style that there
    is not.
    """
    LayerStyle(padding, norm_epsilon)  # which refuses it
    style = {"padding": padding, "norm_epsilon": norm_epsilon}
    for module in model.modules():
        if isinstance(module, EfficientDet):
            backbone = replace(module.config.backbone, **style)
            module.config = replace(module.config, backbone=backbone)
        elif isinstance(module, EfficientNet):
            module.config = replace(module.config, **style)
        elif isinstance(module, nn.BatchNorm2d):
            module.eps = norm_epsilon
        elif isinstance(module, Conv2d):
            module.pads_itself = padding == "symmetric" or module.stride == (1, 1)
            module.padding = tuple(
                size // 2 if module.pads_itself else 0 for size in module.kernel_size
            )


def fetch(url: str, cache_dir: str | Path | None = None, *, progress: bool = True) -> Path:
    """The file at url in cache_dir (by default `cache_folder()`), fetched unless it is there.

    Checked against the hash in its name. Raises ValueError for a url that ends in no file's name,
    DownloadError or WriteError.
    """
    folder = cache_folder() if cache_dir is None else Path(cache_dir)
    name = unquote(urlsplit(url).path).rpartition("/")[2]
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise ValueError(f"{url} does not end in the name of a file; pass the file's own URL.")
    stated = re.search(r"-([0-9a-f]{8,64})\.\w+$", name)
    if stated:
        return download(url, folder / name, stated[1], progress=progress)
    # Nothing says whether a file of this name is the one at this address.
    return download(url, folder / name, anew=True, progress=progress)


def effdet_state(model: EfficientDet) -> dict[str, Tensor]:
    """The model's tensors as effdet's `tf_efficientdet_*` names them: what `load_effdet` reads.

    For a backbone without fused stages, which effdet does not have.
    """
    theirs_of = dict(_effdet_names(model))
    state = {}
    for key, tensor in model.state_dict().items():
        module, _, leaf = key.rpartition(".")
        if module == "box_head.predict.pointwise":
            tensor = tensor.unflatten(0, (-1, 4))[:, [1, 0, 3, 2]].flatten(0, 1)
        state[theirs_of.get(key) or f"{theirs_of.get(module, module)}.{leaf}"] = tensor
    return state
