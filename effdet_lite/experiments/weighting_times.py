"""Does softmax slow training down? EfficientDet-D0 with each way of weighting, taking turns.

In each turn every way takes one training step and one inference, and the order moves on by one from
turn to turn, so that whatever else the machine does meets all of them alike. Times are processor
seconds of one thread; what counts are their ratios within a turn.

    python -m effdet_lite.experiments.weighting_times            12 turns, about two minutes
    python -m effdet_lite.experiments.weighting_times --quick    two turns at 256 px
"""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments.run import Plan, main
from effdet_lite.graphs import WEIGHTINGS
from effdet_lite.modes import evaluation_mode
from effdet_lite.optimizing import make_optimizer
from effdet_lite.randomness import own_numbers
from effdet_lite.scaling import EFFICIENTDETS
from effdet_lite.settings import TrainConfig

TURNS = 12
BOX = (0.25, 0.25, 0.75, 0.75)  # of the one object, as shares of the picture's side
WORK = ("training", "inference")


@dataclass(frozen=True)
class Run:
    """One turn of all ways. size: side of the picture in pixels."""

    turn: int
    size: int = EFFICIENTDETS["d0"].resolution


def planned(turns: int = TURNS) -> list[Run]:
    """Every turn."""
    return [Run(turn) for turn in range(turns)]


def order_of(turn: int) -> tuple[str, ...]:
    """The ways in the order of this turn: each is first equally often."""
    first = turn % len(WEIGHTINGS)
    return WEIGHTINGS[first:] + WEIGHTINGS[:first]


@functools.cache
def contestant(way: str) -> tuple[EfficientDet, torch.optim.Optimizer]:
    """D0 with this weighting and fresh weights, equal for all ways, and its optimizer."""
    with own_numbers(0):
        model = EfficientDet(replace(EFFICIENTDETS["d0"], weighting=way))
    return model, make_optimizer(model, TrainConfig(learning_rate=1e-4))


def train_step(way: str, image: torch.Tensor) -> None:
    """One step on one picture with one object."""
    model, optimizer = contestant(way)
    model.train()
    side = image.shape[-1]
    target = {"boxes": side * torch.tensor([BOX]), "labels": torch.tensor([0])}
    model.loss(model(image), [target], (side, side)).total.backward()
    optimizer.step()
    optimizer.zero_grad()


@torch.no_grad()
def infer(way: str, image: torch.Tensor) -> None:
    """One forward pass."""
    model, _ = contestant(way)
    with evaluation_mode(model):
        model(image)


def seconds_of(work: Callable[[], None]) -> float:
    """Processor seconds of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def timed(run: Run) -> dict:
    """One turn: its row, with the seconds of each way's training step and inference.

    Before its first time at this size each way works once unwatched.
    """
    image = torch.rand(1, 3, run.size, run.size, generator=torch.Generator().manual_seed(run.turn))
    warm_up(run.size)
    row = asdict(run)
    for name, work in zip(WORK, (train_step, infer), strict=True):
        found = {}
        for way in order_of(run.turn):
            found[way] = seconds_of(functools.partial(work, way, image))
        row[name] = {way: round(found[way], 4) for way in WEIGHTINGS}
    return row


@functools.cache
def warm_up(size: int) -> None:
    """Let every way work once, since a first call also finds memory and chooses kernels."""
    image = torch.rand(1, 3, size, size)
    for way in WEIGHTINGS:
        train_step(way, image)
        infer(way, image)


# --- What the rows say ---


def ratios(rows: Sequence[Mapping], work: str, base: str = "fast") -> dict[str, list[float]]:
    """Of each other way, its seconds over those of `base` in the same turn, one a turn. work: of
    WORK.
    """
    others = [way for way in rows[0][work] if way != base]
    return {way: [row[work][way] / row[work][base] for row in rows] for way in others}


def seconds_of_trainings(rows: Sequence[Mapping]) -> dict[str, list[float]]:
    """Of the results of `necks`: processor seconds of each whole training of one cell of BiFPN on
    the dots, by way.
    """
    wanted = {"task": "top-down", "graph": "BiFPN", "repeats": 1, "channels": 32}
    chosen = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return {
        way: [row["seconds"] for row in chosen if row["weighting"] == way] for way in WEIGHTINGS
    }


def plan(quick: bool = False) -> Plan:
    """What the command measures."""
    settings = {"model": "d0", "pictures_a_step": 1}
    if not quick:
        return Plan(planned(), timed, settings)
    turns = [replace(run, size=256) for run in planned(2)]
    return Plan(turns, timed, settings | {"size": 256})


if __name__ == "__main__":
    main("weighting_times", __doc__, plan)
