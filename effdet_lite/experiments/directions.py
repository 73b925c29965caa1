"""Where eight times the MACs are best spent: depth, width, resolution, or all three.

Each arm (see `arms`) is trained with its own rate (see `rates`). Seed 11 is scored on validation
pictures, as seed 10 was there, and these two choose. Seeds 0 to 4 are scored on test pictures,
which nothing else has seen: they tell what the choice is worth. `regret` reads the rows.

    python -m effdet_lite.experiments.directions            every run; finished ones are kept
    python -m effdet_lite.experiments.directions --quick    seed 0, factor 4, one task, 40 steps

The idea is that of arXiv 1905.11946, sections 3.2 and 3.3, figures 3 and 4; tasks, sizes and recipe
are ours.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from effdet_lite.experiments import learning
from effdet_lite.experiments.arms import Arm, arms
from effdet_lite.experiments.balance import EXAMPLE, balanced_base
from effdet_lite.experiments.bottlenecks import Task
from effdet_lite.experiments.learning import Run, trained
from effdet_lite.experiments.rates import chosen_rate
from effdet_lite.experiments.run import Plan, main, stored_results
from effdet_lite.experiments.sizes import DIRECTIONS, Size, grown

LIVE_RATE = 0.01
# Seeds in the order in which they are trained, so that a part of the runs compares too.
SEEDS = (
    (0, "test"),
    (1, "test"),
    (11, "validation"),
    (2, "test"),
    (3, "test"),
    (4, "test"),
)


def planned(all_arms: Sequence[Arm], rate_rows: Sequence[Mapping]) -> list[Run]:
    """Every run, seed by seed over all arms; validation has the directions alone.

    rate_rows: the finished runs of `rates`. Raises ValueError where an arm has none.
    """
    rated = [(arm, chosen_rate(rate_rows, arm)) for arm in all_arms]
    return [
        arm.run(rate, draw, seed)
        for seed, draw in SEEDS
        for arm, rate in rated
        if draw == "test" or arm.direction in DIRECTIONS
    ]


def validation_rows(rate_rows: Iterable[Mapping], rows: Iterable[Mapping]) -> list[Mapping]:
    """The rows of the two seeds that choose a direction.

    They are those of `rates`, with the rates that were chosen there, and the validation rows of
    this experiment.
    """
    found = [row for row in rows if row["draw"] == "validation"]
    chosen = {(arm_of(row), row["rate"]) for row in rows}
    return found + [row for row in rate_rows if (arm_of(row), row["rate"]) in chosen]


def arm_of(row: Mapping) -> tuple[str, str, int]:
    """Task, direction and factor of a row."""
    return row["task"], row["direction"], row["factor"]


def live(
    task: str,
    knob: float,
    direction: str,
    factor: float = 4,
    steps: int = 600,
    seed: int = 0,
    base: Size = EXAMPLE,
) -> dict:
    """Train one arm for a knob of your own: the size, and what `learning.learn` tells.

    task, knob: see `bottlenecks.Task`. direction: "base", or one of DIRECTIONS. On one core a base
    network takes about ten seconds, and one of four times its MACs half a minute.
    """
    size = base if direction == "base" else grown(base, direction, factor)
    return asdict(size) | learning.learn(Task(task, knob), size, LIVE_RATE, seed, steps=steps)


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        runs = planned(arms(balanced_base()), stored_results("rates")["runs"])
        return Plan(runs, trained, learning.settings())
    few = {"steps": 40, "scored": 500}
    some = [arm for arm in arms(EXAMPLE, ("kinds",)) if arm.factor == 4]
    runs = [arm.run(LIVE_RATE, "test", 0) for arm in some]
    return Plan(runs, functools.partial(trained, **few), learning.settings(**few))


if __name__ == "__main__":
    main("directions", __doc__, plan)
