"""A training under way: what it consists of, and one file from which it goes on exactly."""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from effdet_lite.checkpoint import detector_class, load_tensors, save_tensors
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.identity import identity, identity_of_test
from effdet_lite.norms import recalibrate_norms
from effdet_lite.processes import this_process
from effdet_lite.scaling import EfficientDetConfig
from effdet_lite.settings import TrainConfig

COLUMNS = ("step", "seconds", "learning_rate", "loss", "class_loss", "box_loss")
FIGURES = ("ap", "ap50", "ap75")  # of evaluation.coco_ap, in the history of a tested step


@dataclass
class Run:
    """Everything that a stopped training needs to go on as if it had never stopped.

    model, ema: the network that learns, and the exponential moving average of its weights.
    optimizer: with its memory of past gradients. train_set, test_set: its pictures; test_set None:
    it is not tested. checkpoint: its file, or None. history: one row a step.
    """

    config: TrainConfig
    train_set: Dataset
    test_set: Dataset | None
    model: nn.Module
    optimizer: Optimizer
    checkpoint: Path | None = None
    history: list[dict] = field(default_factory=list)

    def __post_init__(self):
        self.ema = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.trained_on = identity(self.config, self.train_set, self.model)
        self.tested_on = identity_of_test(self.config, self.test_set)
        self._recalibrated = None

    @property
    def step(self) -> int:
        """How many steps are done."""
        return len(self.history)

    def recalibrated(self) -> nn.Module:
        """The ema with norms that fit it: what is tested and kept. Computed once a step."""
        if self._recalibrated is None or self._recalibrated[0] != self.step:
            self._recalibrated = self.step, recalibrate_norms(self.ema, self.train_set)
        return self._recalibrated[1]

    def save(self) -> None:
        """Write the checkpoint, if there is to be one. Raises WriteError, and keeps the old one."""
        if self.checkpoint is None or not this_process().is_main_process:
            return
        tensors = {}
        for name, part in (("model", self.model), ("ema", self.ema)):
            tensors |= {f"{name}.{key}": tensor for key, tensor in part.state_dict().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": tensor for key, tensor in values.items()}
        save_tensors(
            self.checkpoint,
            tensors | _as_tensors(self.history),
            trained_on=self.trained_on,
            tested_on=self.tested_on,
            config=self.model.config.to_dict(),
        )

    def restore(self) -> None:
        """Go on from the checkpoint.

        Raises ValueError, in one sentence, for a file that is damaged or is another run's; nothing
        is changed then but the weights.
        """
        tensors, header = _read(self.checkpoint)
        self._refuse_another(header)
        history = _as_rows(self.checkpoint, tensors)
        try:
            self.model.load_state_dict(_part(tensors, "model"))
            self.ema.load_state_dict(_part(tensors, "ema"))
        except RuntimeError as error:
            reason = str(error).splitlines()[1].strip()
            raise ValueError(
                f"{self.checkpoint} is of another model: {reason} Use another output folder."
            ) from None
        self._restore_optimizer(_part(tensors, "optimizer"))
        self.history = history
        if header["tested"]:
            self.tested_on = header["tested_on"]

    def _refuse_another(self, header: dict) -> None:
        """Raise ValueError unless this run is the one that the header is of."""
        mine, theirs = json.loads(json.dumps(self.trained_on)), header["trained_on"]
        if changed := [name for name in mine if name != "data" and mine[name] != theirs.get(name)]:
            differences = ", ".join(
                f"{name} {theirs.get(name)} (now {mine[name]})" for name in changed
            )
            raise ValueError(
                f"{self.checkpoint} is from another run: {differences}. "
                "Use its settings, or another output folder."
            )
        mine_model = json.loads(json.dumps(self.model.config.to_dict()))
        if changed := [
            name for name in mine_model if mine_model[name] != header["config"].get(name)
        ]:
            raise ValueError(
                f"{self.checkpoint} is of another model: its configuration differs in "
                f"{', '.join(changed)}. Use that model, or another output folder."
            )
        if mine["data"] != theirs.get("data"):
            raise ValueError(
                f"{self.checkpoint} was trained on other pictures or boxes than these: "
                "use those that it began with, or another output folder."
            )
        if header["tested"] and self.tested_on not in (None, header["tested_on"]):
            raise ValueError(
                f"{self.checkpoint} has figures of other test pictures, boxes or max_detections "
                "than these: use those that it began with, or another output folder."
            )

    def _restore_optimizer(self, tensors: dict[str, Tensor]) -> None:
        state = self.optimizer.state_dict()
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        for name, tensor in tensors.items():
            index, _, key = name.partition(".")
            known = index.isdecimal() and int(index) < len(parameters)
            # Steps are counted in one number, and momenta have the shape of their weight.
            if not known or tensor.shape != (() if key == "step" else parameters[int(index)].shape):
                raise ValueError(
                    f"{self.checkpoint} is damaged: its optimizer.{name} fits no weight. "
                    "Use another output folder."
                )
            state["state"].setdefault(int(index), {})[key] = tensor
        keys = {frozenset(values) for values in state["state"].values()}
        if len(keys) > 1:
            raise ValueError(
                f"{self.checkpoint} is damaged: a part of its optimizer's memory is missing. "
                "Use another output folder."
            )
        self.optimizer.load_state_dict(state)
        # A file keeps numbers and not their order in memory, by which torch's fused optimizers
        # pair them on a CPU.
        for parameter, values in self.optimizer.state.items():
            for name, tensor in values.items():
                if tensor.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter).copy_(tensor)


def read_history(path: str | Path) -> list[dict]:
    """The rows of a run's checkpoint, last.safetensors. Raises FileNotFoundError or ValueError."""
    tensors, _ = _read(Path(path))
    return _as_rows(path, tensors)


def saved_model(path: str | Path) -> EfficientDet:
    """A model as a checkpoint's was built, with fresh weights."""
    _, header = _read(Path(path))
    try:
        return detector_class(header["trained_on"].get("detector"))(
            EfficientDetConfig.from_dict(header["config"]), len(header["trained_on"]["classes"])
        )
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path} holds no detector that can be made again: {error}") from error


def _read(path: Path) -> tuple[dict[str, Tensor], dict]:
    """(tensors, header) of a checkpoint, looked through: what is in the header has its kind.

    "tested" in the header: whether a step of the history was tested.
    """
    tensors, header = load_tensors(path)
    kinds = {"trained_on": dict, "tested_on": dict | None, "config": dict}
    for name, kind in kinds.items():
        if name not in header or not isinstance(header[name], kind):
            raise ValueError(
                f"{path} is no checkpoint of a training of this version: its header lacks {name}."
            )
    classes = header["trained_on"].get("classes")
    if not isinstance(classes, Sequence) or not all(isinstance(name, str) for name in classes):
        raise ValueError(f"{path} is no checkpoint of a training: its header lacks the classes.")
    for name in tensors:
        if name.partition(".")[0] not in ("model", "ema", "optimizer", "history", "tests"):
            raise ValueError(f"{path} is no checkpoint of a training: what is its {name}?")
    header["tested"] = "tests.step" in tensors
    return tensors, header


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    start = f"{name}."
    return {key[len(start) :]: tensor for key, tensor in tensors.items() if key.startswith(start)}


# --- The history as columns of doubles. Steps that were tested have columns of their own. ---


def _as_tensors(history: list[dict]) -> dict[str, Tensor]:
    """history.NAME [steps] for what every step has; tests.NAME [tests] for the figures of those
    that were tested, with their step.
    """
    if not history:
        return {}
    names = [name for name in history[0] if name not in FIGURES]
    columns = {f"history.{name}": [row[name] for row in history] for name in names}
    if tested := [row for row in history if FIGURES[0] in row]:
        columns |= {f"tests.{name}": [row[name] for row in tested] for name in ("step", *FIGURES)}
    return {name: torch.tensor(values, dtype=torch.float64) for name, values in columns.items()}


def _as_rows(path: str | Path, tensors: dict[str, Tensor]) -> list[dict]:
    """The history that `_as_tensors` made into tensors. Raises ValueError for columns that do not
    fit together.
    """
    # A file has its tensors in the order of the alphabet.
    found, tests = _part(tensors, "history"), _part(tensors, "tests")
    every = {name: found[name] for name in dict.fromkeys([*COLUMNS, *found]) if name in found}
    damaged = ValueError(f"{path} is damaged: its history does not fit together.")
    for columns in (every, tests):
        lengths = {tuple(column.shape) for column in columns.values()}
        if columns and (len(lengths) > 1 or len(lengths.pop()) != 1 or "step" not in columns):
            raise damaged
    rows = [
        dict(zip(every, values, strict=True))
        for values in zip(*(column.tolist() for column in every.values()), strict=True)
    ]
    for number, row in enumerate(rows, 1):
        if row["step"] != number:
            raise damaged
        row["step"] = number
    for values in zip(*(column.tolist() for column in tests.values()), strict=True):
        figures = dict(zip(tests, values, strict=True))
        step = figures.pop("step")
        if step not in range(1, len(rows) + 1):
            raise damaged
        rows[int(step) - 1] |= figures
    return rows
