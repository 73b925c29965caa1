"""Detectors as files: safetensors (no code inside), with what describes the detector as JSON in the
header.

A file is written beside its place and then moved there: whoever reads it, or stops it, finds the
old or the new.
"""

import json
import re
from itertools import zip_longest
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor

from effdet_lite.arguments import whole_number
from effdet_lite.efficientdet import EfficientDet, check_size
from effdet_lite.files import WriteError, whole_file
from effdet_lite.scaling import EfficientDetConfig


def save_tensors(path: str | Path, tensors: dict[str, Tensor], **header) -> None:
    """Write tensors, and any JSON values as `header`, whole or not at all.

    Raises WriteError; what stood there then stays.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    texts = {name: json.dumps(value) for name, value in header.items()}
    with whole_file(path) as temporary:
        try:
            save_file(contiguous, temporary, texts)
        except SafetensorError as error:  # the library's own way to say that the disk is full
            raise WriteError(f"{path} could not be written: {error}.") from error


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """(tensors, header) of `save_tensors`'s file.

    Raises FileNotFoundError, or ValueError for another kind of file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}.")
    # In one read: the library's own readers open a path twice, and a training that goes on replaces
    # its file between the two.
    data = path.read_bytes()
    try:
        tensors = load(data)
        length = int.from_bytes(data[:8], "little")
        texts = json.loads(data[8 : 8 + length]).get("__metadata__", {})
        return tensors, {name: json.loads(value) for name, value in texts.items()}
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(
            f"{path} is not a whole safetensors file with a JSON header: {error}."
        ) from error


def save_detector(
    path: str | Path, model: EfficientDet, classes: tuple[str, ...], size: tuple[int, int], **header
) -> None:
    """Write a detector to use, not to train on: half precision, and all that it takes to build it.

    classes: names. size: (height, width) of the images that it was trained on. header: any JSON
    values besides. Raises ValueError for a detector that `load_detector` could not build, and
    WriteError where the file cannot be written.
    """
    check_described(model)
    check_size(*size, model.config.max_level)
    if len(classes) != model.num_classes:
        raise ValueError(
            f"the model has {model.num_classes} classes, but {len(classes)} names were given."
        )
    state = {
        name: x.half() if x.is_floating_point() else x for name, x in model.state_dict().items()
    }
    for name, tensor in state.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{path} was not written: {name} is not finite in half precision.")
    if type(model) is not EfficientDet:
        header["detector"] = type(model).__name__
    header |= {"config": model.config.to_dict(), "classes": list(classes), "size": list(size)}
    save_tensors(path, state, **header)


def check_described(model: EfficientDet) -> None:
    """Raise a ValueError unless the model is what its class builds from its configuration alone:
    only such a detector can be loaded again.
    """
    known = detector_class(type(model).__name__)
    if known is not type(model):
        raise ValueError(f"there are two detectors called {type(model).__name__}: rename one.")
    try:
        with torch.device("meta"):
            described = type(model)(model.config, model.num_classes)
    except TypeError as error:
        raise ValueError(
            f"{type(model).__name__} must be built from (config, num_classes) alone: {error}."
        ) from error
    if model.fusion.graph != model.config.graph:
        raise ValueError(
            f"this model runs another graph than its configuration names: pass "
            f"EfficientDetConfig(neck={model.fusion.graph.name} ...) to make it."
        )
    lines = zip_longest(_layers(model), _layers(described), fillvalue="")
    for found, expected in lines:
        if found != expected:
            raise ValueError(
                f"this model has {found.strip()!r} where its configuration says "
                f"{expected.strip()!r}, so that nobody could open a file of it: change the "
                "configuration, or make a subclass of EfficientDet."
            )


def _layers(model: EfficientDet) -> list[str]:
    """Each layer with its shape, padding and constants, but for those of training alone."""
    return re.sub(r"\b(momentum|p)=[^,)]*", "", repr(model)).splitlines()


def load_detector(
    path: str | Path, device: torch.device | str = "cpu"
) -> tuple[EfficientDet, dict]:
    """(model in evaluation mode, header with "classes" and "size" (height, width)) from
    `save_detector`'s file.

    Raises FileNotFoundError, or ValueError for a file that holds no such detector.
    """
    tensors, header = load_tensors(path)
    missing = {"config", "classes", "size"} - header.keys()
    if missing:
        raise ValueError(
            f"{path} holds no detector: its header lacks {', '.join(sorted(missing))}."
        )
    try:
        kind = detector_class(header.get("detector", "EfficientDet"))
        config = EfficientDetConfig.from_dict(header["config"])
        header["classes"], header["size"] = _classes(header["classes"]), _size(header["size"])
        check_size(*header["size"], config.max_level)
        # First without weights: a damaged header may ask for more of them than there is memory.
        with torch.device("meta"):
            _check_tensors(kind(config, len(header["classes"])), tensors)
    except ValueError as error:
        raise ValueError(f"{path} cannot be opened: {error}") from error
    except (RuntimeError, TypeError, OverflowError) as error:
        raise ValueError(f"{path} describes no network that can be built: {error}") from error
    model = kind(config, len(header["classes"]))
    model.load_state_dict(tensors)
    return model.to(device).eval(), header


def detector_class(name: object) -> type[EfficientDet]:
    """The class of that name, EfficientDet or one of its subclasses that this program knows."""
    if name == "EfficientDet":
        return EfficientDet
    if not isinstance(name, str) or name not in EfficientDet.subclasses:
        raise ValueError(f"it holds a {name}; import the module that defines it first.")
    return EfficientDet.subclasses[name]


def _classes(names: object) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"its classes must be names, got {names!r:.100}.")
    return tuple(names)


def _size(size: object) -> tuple[int, int]:
    if not isinstance(size, list) or len(size) != 2:
        raise ValueError(f"its size must be [height, width], got {size!r:.100}.")
    return whole_number("height", size[0]), whole_number("width", size[1])


def _check_tensors(model: EfficientDet, tensors: dict[str, Tensor]) -> None:
    """Raise a ValueError that names the first tensor which does not fit."""
    wanted = model.state_dict()
    for name in wanted:
        if name not in tensors:
            raise ValueError(f"it does not fit its own configuration: {name} is missing.")
        if tensors[name].shape != wanted[name].shape:
            raise ValueError(
                f"it does not fit its own configuration: {name} is {list(tensors[name].shape)} "
                f"where {list(wanted[name].shape)} is wanted."
            )
    for name in tensors:
        if name not in wanted:
            raise ValueError(f"it does not fit its own configuration: {name} is one too many.")
