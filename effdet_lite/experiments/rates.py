"""Each arm's own learning rate: the best of four on the validation pictures.

An arm is a network on a task (see `arms`). One rate for all would favor the arms that it happens to
suit. `directions` reads the rates from the results and keeps them. `balance` comes before.

Three rates were tried first. The highest, 0.03, was the best of 35 of the 48 arms, so a higher one
is tried as well.

    python -m effdet_lite.experiments.rates            every run; finished ones are kept
    python -m effdet_lite.experiments.rates --quick    the base networks at one rate, 40 steps each
"""

import functools
from collections.abc import Iterable, Mapping, Sequence

from effdet_lite.experiments import learning
from effdet_lite.experiments.arms import Arm, arms
from effdet_lite.experiments.balance import EXAMPLE, balanced_base
from effdet_lite.experiments.learning import Run, trained
from effdet_lite.experiments.run import Plan, main

RATES = (0.003, 0.01, 0.03, 0.1)
SEED = 10


def planned(some: Iterable[Arm], rates: Sequence[float] = RATES) -> list[Run]:
    """A run of each arm with each rate, task by task."""
    return [arm.run(rate, "validation", SEED) for arm in some for rate in rates]


def chosen_rate(rows: Iterable[Mapping], arm: Arm) -> float:
    """The rate with which this arm is most accurate; of equals, the one with the lowest loss.

    Raises ValueError unless all of RATES were tried.
    """
    found = [row for row in rows if (row["task"], row["direction"], row["factor"]) == arm.key]
    if {row["rate"] for row in found} != set(RATES):
        raise ValueError(
            f"the rates of {arm.key} were not all tried: "
            "run python -m effdet_lite.experiments.rates first."
        )
    return max(found, key=lambda row: (row["accuracy"], -row["loss"][-1]))["rate"]


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(arms(balanced_base())), trained, learning.settings())
    few = {"steps": 40, "scored": 500}
    bases = [arm for arm in arms(EXAMPLE) if arm.direction == "base"]
    train_one = functools.partial(trained, **few)
    return Plan(planned(bases, RATES[1:2]), train_one, learning.settings(**few))


if __name__ == "__main__":
    main("rates", __doc__, plan)
