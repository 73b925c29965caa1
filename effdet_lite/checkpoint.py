"""Files of tensors: safetensors (no code inside), with what else belongs to them as JSON in the
header.

A file is written beside its place and then moved there: whoever reads it, or stops it, finds the
old or the new.
"""

import functools
import json
import os
import re
import shutil
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.scaling import EfficientDetConfig, EfficientNetConfig


class WriteError(OSError):
    """A file that could not be written, in one sentence; what stood in its place is still there."""


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


def last_good(path: Path | None) -> str:
    """What is left of a training that ends early: its checkpoint at path, if there is one."""
    return f"the last good checkpoint is {path}" if path and path.exists() else "nothing was saved"


def ends_in_a_sentence(train: Callable) -> Callable:
    """Make what may befall a training from outside end in one sentence that says what is left of
    it.

    An interruption stays a KeyboardInterrupt, and a file that cannot be written an OSError; too
    little memory, on a GPU or not, becomes a MemoryError. Takes the place of `train`, whose first
    argument is its TrainConfig.
    """

    @functools.wraps(train)
    def told(config, *arguments, **options):
        saved = Path(config.output) / "last.safetensors" if config.output else None
        try:
            return train(config, *arguments, **options)
        except (KeyboardInterrupt, FloatingPointError, OSError, MemoryError, RuntimeError) as error:
            frames = error.__traceback__
            if isinstance(error, FloatingPointError):
                ending = error.with_traceback(None)  # the loop has said it
            elif isinstance(error, KeyboardInterrupt | WriteError):
                what = (
                    str(error).rstrip(".") if isinstance(error, WriteError) else "training stopped"
                )
                then = ", and the same call goes on from there" if saved and saved.exists() else ""
                ending = type(error)(f"{what}; {last_good(saved)}{then}.")
            elif _is_memory(error):
                images = "{} images of {} x {} pixels".format(config.batch_size, *config.image_size)
                what = f"out of memory: a batch of {images} does not fit; lower batch_size or size"
                ending = MemoryError(f"{what}; {last_good(saved)}.")
            else:
                raise
            # What the loop held is let go: its bar closes, and a notebook has the memory for a
            # smaller batch.
            traceback.clear_frames(frames)
        raise ending

    return told


def _is_memory(error: Exception) -> bool:
    # torch has an exception for GPUs alone; its CPU allocator, oneDNN, cuBLAS and the C++ library
    # say it in words.
    words = "out of memory|allocate memory|not enough memory|ALLOC_FAILED|bad_alloc|could not create a (primitive|memory)"
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or bool(
        re.search(words, str(error))
    )


def save_run(
    path: Path,
    settings: dict,
    model: nn.Module,
    average: nn.Module,
    optimizer: Optimizer,
    history: list[dict],
) -> None:
    """Write everything that a stopped training needs to go on exactly; settings: what must stay as
    it was.
    """
    tensors = {f"model.{name}": x for name, x in model.state_dict().items()}
    tensors |= {f"average.{name}": x for name, x in average.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": x for name, x in values.items()}
    save_tensors(path, tensors, training=settings, history=history)


def restore_run(
    path: Path, settings: dict, model: nn.Module, average: nn.Module, optimizer: Optimizer
) -> list[dict]:
    """Load what `save_run` wrote; returns the history. Raises ValueError for a checkpoint of
    another run.
    """
    tensors, header = load_tensors(path)
    if missing := {"training", "history"} - header.keys():
        raise ValueError(
            f"{path} is no checkpoint of a training: its header lacks {', '.join(sorted(missing))}."
        )
    mine, theirs = json.loads(json.dumps(settings)), header["training"]
    if changed := [name for name in mine if mine[name] != theirs.get(name)]:
        differences = ", ".join(f"{name} {theirs.get(name)} (now {mine[name]})" for name in changed)
        raise ValueError(
            f"{path} is from another run: {differences}. Use its settings, or another output folder."
        )
    parts = {"model": {}, "average": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    try:
        model.load_state_dict(parts["model"])
        average.load_state_dict(parts["average"])
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise ValueError(
            f"{path} is of another model: {reason} Use another output folder."
        ) from None
    state = optimizer.state_dict()
    for name, tensor in parts["optimizer"].items():
        index, _, key = name.partition(".")
        state["state"].setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(state)
    # A file keeps numbers and not their order in memory, by which torch's fused optimizers pair
    # them on a CPU.
    for parameter, values in optimizer.state.items():
        for name, tensor in values.items():
            if tensor.shape == parameter.shape:
                values[name] = torch.empty_like(parameter).copy_(tensor)
    return header["history"]
