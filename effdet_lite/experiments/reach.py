"""How near evidence must be: the small detector without fusion on rings of several sizes.

The class of a dot is the ring around it, and the rings differ in size from run to run. Notebook 04
shows the results beside the fine level's receptive field. Detector and recipe are those of `necks`.

    python -m effdet_lite.experiments.reach            every run; finished ones are kept
    python -m effdet_lite.experiments.reach --quick    seed 0, 20 steps each
"""

import functools
from dataclasses import asdict, dataclass

from effdet_lite.data import ShapesInContext
from effdet_lite.experiments import necks
from effdet_lite.experiments.run import Plan, main

RINGS = (40, 56, 72, 112)  # mean diameters in pixels
SPREAD = 4  # pixels by which a ring's diameter may differ from the mean
DOTS = (6.5, 8.0)  # least and largest diameter of a dot in pixels
SEEDS = (0, 1)
STEPS = 300


@dataclass(frozen=True)
class Run:
    """One detector without fusion. ring: mean diameter of the rings in pixels."""

    ring: int
    seed: int = 0


def pictures(ring: int, split: str, length: int) -> ShapesInContext:
    """Dots of equal size in rings of about this diameter."""
    return ShapesInContext(
        split,
        necks.SIZE,
        length,
        seed=2,
        large=(ring - SPREAD, ring + SPREAD),
        small=DOTS,
        cache=True,
    )


def trained(run: Run, steps: int = STEPS) -> dict:
    """Train and score: the run, and `necks.score`'s figures."""
    train_set = pictures(run.ring, "train", steps * necks.BATCH)
    same = necks.Run("top-down", "no fusion", seed=run.seed)
    model, _ = necks.train_once(same, steps=steps, train_set=train_set)
    return asdict(run) | necks.score(model, pictures(run.ring, "test", necks.TEST_PICTURES))


def planned(seeds=SEEDS) -> list[Run]:
    """Every run, the first seed first."""
    return [Run(ring, seed) for seed in seeds for ring in RINGS]


def settings(steps: int = STEPS) -> dict:
    """What all runs have in common."""
    return {
        "steps": steps,
        "batch": necks.BATCH,
        "learning_rate": necks.RATE,
        "dots": list(DOTS),
    }


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, settings())
    steps = necks.QUICK_STEPS
    return Plan(planned((0,)), functools.partial(trained, steps=steps), settings(steps))


if __name__ == "__main__":
    main("reach", __doc__, plan)
