"""A training under way as one file, from which it goes on exactly."""

import json
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer

from effdet_lite.checkpoint import load_tensors, save_tensors


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
