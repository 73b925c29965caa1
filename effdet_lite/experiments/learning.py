"""One network of `sizes` learns one task of `bottlenecks`, and is scored.

Every picture is seen once, so a network cannot learn pictures by heart, and its training loss tells
whether it still gets better. Pictures to learn from, to choose by (validation) and to score on
(test) are three draws. Every network learns from the same pictures; a seed decides their order and
the first weights.
"""

import functools
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from effdet_lite.experiments.bottlenecks import SIDE, TASKS, Task, at_resolution, draw
from effdet_lite.experiments.classifiers import accuracy, fit, in_parts
from effdet_lite.experiments.run import loss_in_parts
from effdet_lite.experiments.sizes import Size, Stack
from effdet_lite.randomness import own_numbers
from effdet_lite.settings import TrainConfig
from effdet_lite.starting import zero_init_residual

STEPS, BATCH, SCORED_PICTURES = 2000, 32, 4000
DRAWS = {"training": 1, "validation": 2, "test": 3}  # seeds
# A network counts as trained when the last fifth of its training lowered the loss by less (nats).
STILL_LEARNING = 0.02


@dataclass(frozen=True)
class Run:
    """One training.

    task: a key of TASKS. direction, factor: what the network is in the experiment (see `arms`).
    channels, blocks, resolution: its size. rate: the highest learning rate. draw: which of DRAWS
    it is scored on.
    """

    task: str
    direction: str
    factor: int
    channels: int
    blocks: int
    resolution: int
    rate: float
    draw: str
    seed: int

    @property
    def size(self) -> Size:
        """The network's size."""
        return Size(self.channels, self.blocks, self.resolution)


def trained(run: Run, steps: int = STEPS, scored: int = SCORED_PICTURES) -> dict:
    """Train this network: its row, which is the run and what `learn` tells."""
    task = TASKS[run.task]
    return asdict(run) | learn(task, run.size, run.rate, run.seed, run.draw, steps, scored)


def learn(
    task: Task,
    size: Size,
    rate: float,
    seed: int,
    draw_name: str = "test",
    steps: int = STEPS,
    scored: int = SCORED_PICTURES,
) -> dict:
    """Train a fresh network, and score it on `scored` pictures of one of DRAWS.

    Returns params and macs, counted; accuracy, 0-1; loss, the training loss of each tenth in nats;
    improved, by how much the last fifth of the steps lowered it; and processor seconds of training.
    """
    images, labels = pictures(task, "training", steps * BATCH)
    recipe = TrainConfig(
        steps=steps, batch_size=BATCH, learning_rate=rate, warmup=steps // 10, seed=seed
    )
    with own_numbers(seed):
        network = Stack(size, task.classes).to(memory_format=torch.channels_last)
        zero_init_residual(network)
        order = torch.randperm(len(images)).split(BATCH)
    started = time.process_time()
    losses = fit(
        network,
        recipe,
        ((at_resolution(images[some], size.resolution), labels[some]) for some in order),
    )
    seconds = time.process_time() - started
    tenths = loss_in_parts([{"loss": loss} for loss in losses])
    cost = size.cost(task.classes)
    scored_on = in_parts(*pictures(task, draw_name, scored))
    return {
        "params": cost.params,
        "macs": cost.macs,
        "accuracy": accuracy(
            network, ((at_resolution(some, size.resolution), theirs) for some, theirs in scored_on)
        ),
        "loss": tenths,
        "improved": improvement(tenths),
        "seconds": round(seconds, 1),
    }


def improvement(tenths: Sequence[float]) -> float:
    """By how much the last fifth of a training lowered the mean loss, from the fifth before it."""
    return round(sum(tenths[-4:-2]) / 2 - sum(tenths[-2:]) / 2, 4)


@functools.lru_cache(maxsize=2)
def pictures(task: Task, draw_name: str, count: int) -> tuple[Tensor, Tensor]:
    """Pictures of one of DRAWS with their labels, drawn once a process."""
    return draw(task, count, DRAWS[draw_name])


def settings(steps: int = STEPS, scored: int = SCORED_PICTURES) -> dict:
    """What all runs of an experiment have in common."""
    return {
        "steps": steps,
        "batch": BATCH,
        "scored_pictures": scored,
        "picture": SIDE,
        "knobs": {task.name: task.knob for task in TASKS.values()},
    }
