"""What a larger phi buys: detectors of phi = -3, -2, -1 and 0, trained alike, three seeds each.

Pictures of shapes, their size (128 px), levels, learning rate and number of steps are the same for
all, so phi changes width and depth of the network and not the image. The recipe is that of the four
detectors that come with the course (assets/checkpoints/README.md), whose seed is 0. After 1,500
steps come the same runs with 600, at the same rate: whether a larger network needs more training.

    python -m effdet_lite.experiments.ladder            every run; finished ones are kept
    python -m effdet_lite.experiments.ladder --quick    seed 0, 10 steps each

The idea is that of EfficientDet's table 2 (arXiv 1911.09070), which compares D0 to D7x.
"""

import functools
import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_part
from effdet_lite.experiments.run import Plan, loss_in_parts, main
from effdet_lite.settings import TrainConfig
from effdet_lite.training import train

PHIS = (-3, -2, -1, 0)
SEEDS = (0, 1, 2)
STEPS, SHORTER = 1500, 600
QUICK_STEPS = 10
SIZE, CLASSES = 128, 4
FIGURES = ("ap", "ap50", "ap75")


@dataclass(frozen=True)
class Run:
    """One detector to train. steps: of 16 pictures each."""

    phi: int
    seed: int = 0
    steps: int = STEPS


def planned(seeds: Sequence[int] = SEEDS, lengths: Sequence[int] = (STEPS, SHORTER)) -> list[Run]:
    """Every run: the long ones first, and of these the first seed."""
    every = itertools.product(lengths, seeds, PHIS)
    return [Run(phi, seed, steps) for steps, seed, phi in every]


def recipe(run: Run, steps: int | None = None) -> TrainConfig:
    """The run as `effdet-lite train` would have it. steps: in place of its own."""
    return TrainConfig(
        data="shapes",
        size=(SIZE, SIZE),
        phi=run.phi,
        levels=(2, 6),
        anchor_scale=2.0,
        fused_stages=4,
        precision="bf16",
        batch_size=16,
        learning_rate=0.02,
        warmup=min(60, steps or run.steps),
        steps=steps or run.steps,
        seed=run.seed,
    )


def cost_of(run: Run) -> Cost:
    """The run's detector on one picture."""
    return sum(cost_by_part(replace(recipe(run).model_config, resolution=SIZE), CLASSES).values())


def trained(run: Run, steps: int | None = None) -> dict:
    """Train this detector, and return its row.

    The row: the run, params and MACs on one picture, AP, AP50 and AP75 on the 200 test pictures,
    the mean loss of each tenth of the training, and processor seconds of all. steps: in place of
    the run's.
    """
    started = time.process_time()
    history = train(recipe(run, steps), progress=False)
    seconds = time.process_time() - started
    cost = cost_of(run)
    return (
        asdict(run)
        | {"params": cost.params, "macs": cost.macs}
        | {name: round(history[-1][name], 4) for name in FIGURES}
        | {"losses": loss_in_parts(history), "seconds": round(seconds, 1)}
    )


def aps(rows: Sequence[Mapping], steps: int = STEPS) -> dict[int, dict[int, float]]:
    """{phi: {seed: AP}} of the rows with this many steps, smallest phi and seed first."""
    found = {}
    for row in sorted(rows, key=lambda row: (row["phi"], row["seed"])):
        if row["steps"] == steps:
            found.setdefault(row["phi"], {})[row["seed"]] = row["ap"]
    return found


def seconds(rows: Sequence[Mapping], steps: int = STEPS) -> dict[int, float]:
    """{phi: the mean of its seeds' processor seconds} of the rows with this many steps."""
    return {
        phi: statistics.mean(
            row["seconds"] for row in rows if (row["phi"], row["steps"]) == (phi, steps)
        )
        for phi in PHIS
    }


def settings() -> dict:
    """What all runs have in common."""
    config = asdict(recipe(Run(0)))
    return {name: config[name] for name in ("batch_size", "learning_rate", "precision")}


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, settings())
    one_training = functools.partial(trained, steps=QUICK_STEPS)
    return Plan(planned((0,), (STEPS,)), one_training, settings() | {"steps": QUICK_STEPS})


if __name__ == "__main__":
    main("ladder", __doc__, plan)
