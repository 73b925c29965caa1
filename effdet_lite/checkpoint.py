"""Files of tensors: safetensors (no code inside), with what else belongs to them as JSON in the
header.

A file is written beside its place and then moved there: whoever reads it, or stops it, finds the
old or the new.
"""

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.files import WriteError
from effdet_lite.scaling import EfficientDetConfig, EfficientNetConfig


def save_tensors(path: str | Path, tensors: dict[str, Tensor], **header) -> None:
    """Write tensors, and any JSON values as `header`, atomically. Raises WriteError; what stood
    there then stays.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A folder, for safetensors also writes beside its place first, under a name that nobody
        # could clear later.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            temporary = Path(folder) / path.name
            contiguous = {
                name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()
            }
            save_file(
                contiguous, temporary, {name: json.dumps(value) for name, value in header.items()}
            )
            with open(
                temporary, "rb+"
            ) as written:  # Windows refuses to sync what is open for reading alone
                os.fsync(written.fileno())
            os.chmod(temporary, 0o644)  # what is temporary is its owner's alone
            os.replace(temporary, path)
    except (SafetensorError, OSError) as error:
        raise WriteError(
            f"{path} could not be written: {getattr(error, 'strerror', None) or error}."
        ) from error


def clear_partial(path: str | Path) -> None:
    """Remove what a `save_tensors` to path left beside it when it was killed; nobody else may be
    writing there.
    """
    for temporary in Path(path).parent.glob(f".{Path(path).name}.*"):
        shutil.rmtree(temporary, ignore_errors=True)


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict]:
    """(tensors, header) of `save_tensors`'s file. Raises FileNotFoundError, or ValueError for
    another kind of file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}.")
    try:
        with safe_open(path, "pt") as file:
            header = {name: json.loads(value) for name, value in (file.metadata() or {}).items()}
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} is not a whole safetensors file with a JSON header: {error}."
        ) from error


def save_detector(
    path: str | Path, model: EfficientDet, classes: tuple[str, ...], size: tuple[int, int], **header
) -> None:
    """Write a detector to use, not to train on: half precision, with its configuration, classes and
    input size.
    """
    state = {
        name: x.half() if x.is_floating_point() else x for name, x in model.state_dict().items()
    }
    if beyond := [name for name, x in state.items() if not x.isfinite().all()]:
        raise ValueError(f"{path} was not written: {beyond[0]} is not finite in half precision.")
    save_tensors(
        path, state, config=asdict(model.config), classes=list(classes), size=list(size), **header
    )


def load_detector(
    path: str | Path, device: torch.device | str = "cpu"
) -> tuple[EfficientDet, dict]:
    """(model in evaluation mode, header with "classes" and "size" (height, width)) from
    `save_detector`'s file.
    """
    tensors, header = load_tensors(path)
    if missing := {"config", "classes", "size"} - header.keys():
        raise ValueError(
            f"{path} holds no detector: its header lacks {', '.join(sorted(missing))}."
        )
    try:
        header["classes"], header["size"] = tuple(header["classes"]), tuple(header["size"])
        model = EfficientDet(read_config(header["config"]), len(header["classes"]))
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path} holds no detector of this version: {error}.") from error
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(
            f"{path} does not fit its own configuration: {str(error).splitlines()[1].strip()}"
        ) from None
    return model.to(device).eval(), header


def read_config(values: dict) -> EfficientDetConfig:
    """The configuration that `dataclasses.asdict` made into plain values."""
    return EfficientDetConfig(**values | {"backbone": EfficientNetConfig(**values["backbone"])})
