"""Would a longer training change which direction wins? The largest arms, four times as long.

A base that is stopped early makes every larger network look good, if only because that one learns
faster. So the base and the arms of eight times its MACs are trained once more, with seed 0 of
`directions`, its rates and its pictures, and three times as many more pictures. `rates` comes
before.

    python -m effdet_lite.experiments.longer            every run; finished ones are kept
    python -m effdet_lite.experiments.longer --quick    one task, 80 steps each
"""

import functools
from collections.abc import Iterable, Mapping, Sequence

from effdet_lite.experiments import learning
from effdet_lite.experiments.arms import Arm, arms
from effdet_lite.experiments.balance import EXAMPLE, balanced_base
from effdet_lite.experiments.directions import LIVE_RATE
from effdet_lite.experiments.learning import Run, trained
from effdet_lite.experiments.rates import chosen_rate
from effdet_lite.experiments.regret import arm_spread
from effdet_lite.experiments.run import Plan, main, stored_results
from effdet_lite.experiments.sizes import DIRECTIONS

TIMES, FACTOR, SEED = 4, 8, 0
STEPS = TIMES * learning.STEPS


def compared(all_arms: Iterable[Arm]) -> list[Arm]:
    """The base, and the directions at the largest factor."""
    wanted = {("base", 1), *((direction, FACTOR) for direction in DIRECTIONS)}
    return [arm for arm in all_arms if (arm.direction, arm.factor) in wanted]


def planned(all_arms: Sequence[Arm], rate_rows: Sequence[Mapping]) -> list[Run]:
    """A run of each, with its own rate. Raises ValueError where `rates` has not found one."""
    return [arm.run(chosen_rate(rate_rows, arm), "test", SEED) for arm in compared(all_arms)]


def gains(long_rows: Sequence[Mapping], rows: Iterable[Mapping]) -> dict[tuple, float]:
    """{(task, direction, factor): what the longer training adds to the accuracy}.

    rows: of `directions`. Only seed 0 is read there. Raises ValueError where an arm has no such
    row.
    """
    short = [row for row in rows if (row["draw"], row["seed"]) == ("test", SEED)]
    keys = [(row["task"], row["direction"], row["factor"]) for row in long_rows]
    return {key: arm_spread(long_rows, key).mean - arm_spread(short, key).mean for key in keys}


def order(rows: Iterable[Mapping], task: str) -> list[str]:
    """The directions at the largest factor, the most accurate one first. rows: of one seed."""
    accuracy = {
        row["direction"]: row["accuracy"]
        for row in rows
        if (row["task"], row["factor"]) == (task, FACTOR) and row["direction"] in DIRECTIONS
    }
    return sorted(accuracy, key=accuracy.__getitem__, reverse=True)


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        runs = planned(arms(balanced_base()), stored_results("rates")["runs"])
        train_one = functools.partial(trained, steps=STEPS)
        return Plan(runs, train_one, learning.settings(steps=STEPS))
    few = {"steps": 80, "scored": 500}
    some = compared(arms(EXAMPLE, ("kinds",)))
    runs = [arm.run(LIVE_RATE, "test", SEED) for arm in some]
    return Plan(runs, functools.partial(trained, **few), learning.settings(**few))


if __name__ == "__main__":
    main("longer", __doc__, plan)
