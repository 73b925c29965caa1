"""The package's loop as the list of what was added to twelve lines, for notebook 08; and what a
checkpoint holds.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from effdet_lite import batches, milestones, optimizing, run, training
from effdet_lite.checkpoint import load_tensors
from effdet_lite.data import transforms
from effdet_lite.teach.kit.page import table

WORDS = {
    "model": "the weights, with the norms' statistics",
    "ema": "their moving average",
    "optimizer": "AdamW's two running means for each weight, and step counters",
}


class Added(NamedTuple):
    """One line that the package's loop has and twelve lines lack.

    trouble: for which. line: as it stands in the code. where: the function or class it stands in.
    """

    trouble: str
    remedy: str
    line: str
    where: Callable


ADDED = (
    Added(
        "The first gradients point anywhere; the last steps should be small.",
        "warm-up, then a cosine",
        'group["lr"] = rate',
        training.train_step,
    ),
    Added(
        "One odd picture gives a gradient that is a hundred times too long.",
        "gradient clipping",
        "nn.utils.clip_grad_norm_",
        training.train_step,
    ),
    Added(
        "The loss is no number anymore (NaN), and would spoil every weight.",
        "stop before the step",
        "if not math.isfinite",
        training.train_step,
    ),
    Added(
        "The last weights depend on the last few batches.",
        "moving average (EMA)",
        "update_ema(run.ema, model",
        training.train_step,
    ),
    Added(
        "The norms lag behind the weights.",
        "recalibration",
        "recalibrate_norms(self.ema",
        run.Run.recalibrated,
    ),
    Added(
        "Each picture should come equally often, in no fixed order.",
        "a new order for each epoch (one pass through all)",
        "torch.randperm(length",
        batches.keys,
    ),
    Added(
        "Few pictures, seen often, are learned by heart.",
        "augmentation",
        "v2.RandomHorizontalFlip",
        transforms.train_transforms,
    ),
    Added(
        "Is it any good on other pictures?",
        "tests on the way",
        "test_if_due(run, progress)",
        training.train,
    ),
    Added(
        "The power fails after three hours.",
        "checkpoints",
        "save_if_due(run)",
        training.train,
    ),
    Added(
        "Somebody wants to look, or to stop it.",
        "a call after each step",
        "on_step(run.history[-1])",
        training.train,
    ),
    Added(
        "It takes too long.",
        "half precision; several processes",
        "add_up_gradients(model)",
        training.train_step,
    ),
    Added(
        "Weight decay would pull norms and biases to zero, too.",
        "two groups of parameters",
        '"weight_decay": 0.0',
        optimizing.make_optimizer,
    ),
    Added(
        "The kept file is rounded to 16 bits: is its AP50 the same?",
        "test it as it is stored",
        "copy.deepcopy(model).half().float()",
        milestones.evaluate,
    ),
)


def place_of(thing: Callable) -> str:
    """The module and the function that a line stands in, as "training.train_step"."""
    return f"{thing.__module__.removeprefix('effdet_lite.')}.{thing.__qualname__}"


def missing_lines() -> list[str]:
    """The lines of ADDED that no longer stand where they are said to."""
    return [one.line for one in ADDED if one.line not in inspect.getsource(one.where)]


def show_what_was_added() -> None:
    """A table: each trouble, its remedy, and the function of the package that has it."""
    rows = [[one.trouble, one.remedy, place_of(one.where)] for one in ADDED]
    table(["the trouble", "what was added", "where"], rows)


# --- a checkpoint ---


class Part(NamedTuple):
    """A part of a checkpoint: its name in the file, its tensors, and the bytes that they take."""

    name: str
    tensors: int
    size: int


def parts_of_checkpoint(file: Path) -> list[Part]:
    """The parts that make a checkpoint large."""
    tensors, _ = load_tensors(file)
    parts = []
    for name in WORDS:
        own = [tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")]
        size = sum(tensor.numel() * tensor.element_size() for tensor in own)
        parts.append(Part(name, len(own), size))
    return parts


def times_the_weights(file: Path) -> float:
    """How many times as large as the weights the parts are together."""
    parts = parts_of_checkpoint(file)
    return sum(part.size for part in parts) / parts[0].size


def show_checkpoint(file: Path) -> None:
    """A table of what a checkpoint holds, and how large each part is."""
    parts = parts_of_checkpoint(file)
    rows = [
        [part.name, WORDS[part.name], f"{part.tensors:,}", _megabytes(part.size)] for part in parts
    ]
    total = sum(part.size for part in parts)
    rows.append(
        ["together", f"{times_the_weights(file):.1f} times the weights", "", _megabytes(total)]
    )
    table(["part of the file", "what it is", "tensors", "MB"], rows)
    _, header = load_tensors(file)
    print("in the header:", ", ".join(sorted(header)))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"
