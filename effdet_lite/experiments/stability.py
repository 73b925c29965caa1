"""Do unbounded fusion weights bring trouble? Their learning rate raised, with and without norms.

EfficientDet (arXiv 1911.09070, section 3.3) says that unbounded weights "could potentially" make a
training unstable. At the usual rate nothing of the kind is seen, and a batch norm after every node
takes the scale of its sum away. So here the fusion weights have a parameter group of their own,
with 1, 10 and 100 times the rate of the rest; and the neck's norms are left in, or left out. Three
cells of BiFPN, the dots of `necks`, three seeds.

    python -m effdet_lite.experiments.stability            every run; finished ones are kept
    python -m effdet_lite.experiments.stability --quick    seed 0, 5 steps each
"""

import functools
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import nn

from effdet_lite.batches import batches
from effdet_lite.data import DetectionDataset
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments import necks
from effdet_lite.experiments.plain import SIZE, detector
from effdet_lite.experiments.run import Plan, loss_in_parts, main
from effdet_lite.optimizing import learning_rate, make_optimizer
from effdet_lite.randomness import own_numbers
from effdet_lite.settings import TrainConfig

STEPS, QUICK_STEPS = 120, 5
CELLS = 3
WEIGHTINGS = ("unbounded", "fast", "softmax")
TIMES = (1, 10, 100)  # of the other parameters' rate
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Run:
    """One detector to train. times: the rate of the fusion weights over that of the rest. norms:
    whether the neck keeps its batch norms.
    """

    weighting: str
    times: int = 1
    norms: bool = True
    seed: int = 0


def planned(seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every run, the first seed first, and without norms first."""
    settings = itertools.product(seeds, (False, True), reversed(TIMES), WEIGHTINGS)
    return [Run(weighting, times, norms, seed) for seed, norms, times, weighting in settings]


def begun(run: Run) -> EfficientDet:
    """The run's detector before its first step."""
    with own_numbers(run.seed):
        model = detector(necks.GRAPHS["BiFPN"], 6, run.weighting, CELLS)
    if not run.norms:
        for module in list(model.fusion.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.BatchNorm2d):
                    setattr(module, name, nn.Identity())
    return model


def optimizer_for(model: EfficientDet, config: TrainConfig, times: float) -> torch.optim.Optimizer:
    """The package's optimizer, with the fusion weights in a group of their own.

    A group's "times" is what its learning rate is multiplied by.
    """
    optimizer = make_optimizer(model, config)
    fusion = [value for name, value in model.named_parameters() if name.endswith(".weights")]
    ours = {id(value) for value in fusion}
    for group in optimizer.param_groups:
        group["params"] = [value for value in group["params"] if id(value) not in ours]
        group["times"] = 1
    optimizer.add_param_group({"params": fusion, "weight_decay": 0.0, "times": times})
    return optimizer


def train_watched(
    model: EfficientDet, train_set: DetectionDataset, config: TrainConfig, times: float
) -> tuple[list[float], float]:
    """Train in place: the loss of each step, and the largest factor that any edge ever had.

    It ends where loss or gradient is no longer a number, as `training.train` does; that step's loss
    is the last, as nan.
    """
    optimizer = optimizer_for(model, config, times)
    losses, largest = [], 0.0
    model.train()
    for step, (images, targets) in enumerate(batches(train_set, config)):
        for group in optimizer.param_groups:
            group["lr"] = group["times"] * learning_rate(step, config)
        loss = model.loss(
            model(images), targets, (SIZE, SIZE), alpha=config.alpha, gamma=config.gamma
        ).total
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        if not math.isfinite(loss.item() + norm.item()):
            losses.append(math.nan)
            break
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        largest = max(largest, largest_factor(model))
    return losses, largest


def largest_factor(model: EfficientDet) -> float:
    """The largest factor, without its sign, of all edges of all cells."""
    found = [necks.edge_weights(model, cell).values() for cell in range(len(model.fusion.cells))]
    return max(abs(value) for values in found for value in values)


def trained(run: Run, steps: int = STEPS) -> dict:
    """Train this detector, and return its row: the run, "broke_off_at" (the step whose loss was no
    number, or None), the mean loss of each tenth of the steps before, the largest factor, and
    processor seconds.
    """
    started = time.process_time()
    model = begun(run)
    config = necks.recipe_for(steps, run.seed)
    losses, largest = train_watched(model, necks.pictures("top-down", True), config, run.times)
    broke_off = math.isnan(losses[-1])
    counted = losses[:-1] if broke_off else losses
    return asdict(run) | {
        "broke_off_at": len(losses) if broke_off else None,
        "losses": loss_in_parts([{"loss": loss} for loss in counted]),
        "largest_factor": round(largest, 4),
        "seconds": round(time.process_time() - started, 1),
    }


def diverged(row: dict) -> bool:
    """Whether a run broke off, or ended with more loss than it began with."""
    losses = row["losses"]
    return row["broke_off_at"] is not None or losses[-1] > losses[0]


def by_setting(rows: Sequence[dict]) -> dict[tuple, dict]:
    """For each (weighting, times, norms): runs, how many of them diverged, the largest factor of
    all, and the mean loss at the end of those that did not diverge (nan if all did).
    """
    found = {}
    for row in rows:
        found.setdefault((row["weighting"], row["times"], row["norms"]), []).append(row)
    return {setting: _told(some) for setting, some in found.items()}


def _told(rows: Sequence[dict]) -> dict:
    ends = [row["losses"][-1] for row in rows if not diverged(row)]
    return {
        "runs": len(rows),
        "diverged": len(rows) - len(ends),
        "largest_factor": max(row["largest_factor"] for row in rows),
        "final_loss": sum(ends) / len(ends) if ends else math.nan,
    }


def settings(steps: int = STEPS) -> dict:
    """What all runs have in common."""
    return {
        "steps": steps,
        "batch": necks.BATCH,
        "learning_rate": necks.RATE,
        "cells": CELLS,
    }


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, settings())
    train_one = functools.partial(trained, steps=QUICK_STEPS)
    return Plan(planned((0,)), train_one, settings(QUICK_STEPS))


if __name__ == "__main__":
    main("stability", __doc__, plan)
