"""A balanced base: twelve networks of equal MACs on the three tasks, scored on validation pictures.

The paper's compound scaling begins with a network that a search has balanced (arXiv 1905.11946,
section 4). A base that lacks one thing would favor the direction that adds it. So the
base is the network with the highest accuracy here, its mean over the three tasks. One base for all
tasks, and not one for each: who scales a network does not know yet what its tasks will lack.

    python -m effdet_lite.experiments.balance            every run; finished ones are kept
    python -m effdet_lite.experiments.balance --quick    40 steps each, on one task
"""

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from effdet_lite.experiments import learning
from effdet_lite.experiments.bottlenecks import TASKS
from effdet_lite.experiments.learning import Run, trained
from effdet_lite.experiments.run import Plan, main, stored_results
from effdet_lite.experiments.sizes import Size, largest_miss

WANTED_MACS = 840_000  # whole channels come within 7 % of it
BLOCKS, RESOLUTIONS = (2, 3, 4, 5), (24, 28, 32)
RATE, SEED = 0.01, 10
# The candidate of quick looks and of live trainings, which need no search.
EXAMPLE = Size(10, 3, 32)
LARGEST_MISS = 0.05


def candidates() -> list[Size]:
    """One network for each depth and resolution, as wide as the wanted MACs allow."""
    found = []
    for blocks, resolution in itertools.product(BLOCKS, RESOLUTIONS):
        sizes = [Size(channels, blocks, resolution) for channels in range(4, 40)]
        found.append(min(sizes, key=lambda size: abs(size.cost().macs - WANTED_MACS)))
    return found


def planned(tasks: Sequence[str] = tuple(TASKS)) -> list[Run]:
    """Every candidate on every task."""
    return [
        Run(
            task,
            "candidate",
            1,
            size.channels,
            size.blocks,
            size.resolution,
            rate=RATE,
            draw="validation",
            seed=SEED,
        )
        for task in tasks
        for size in candidates()
    ]


def mean_accuracies(rows: Iterable[Mapping]) -> dict[Size, float]:
    """The mean accuracy over the tasks, for each candidate that was trained on all of them."""
    found: dict[Size, dict[str, float]] = {}
    for row in rows:
        size = Size(row["channels"], row["blocks"], row["resolution"])
        found.setdefault(size, {})[row["task"]] = row["accuracy"]
    return {
        size: fmean(by_task.values())
        for size, by_task in found.items()
        if by_task.keys() == TASKS.keys()
    }


def balanced_base(rows: Iterable[Mapping] | None = None) -> Size:
    """The best candidate, of those that can be scaled to within 5 % of the wished MACs.

    rows: finished runs, by default those that come with the course. Raises ValueError unless every
    candidate was trained on every task.
    """
    means = mean_accuracies(stored_results("balance")["runs"] if rows is None else rows)
    if means.keys() != set(candidates()):
        raise ValueError(
            "the search for the base is not finished: "
            "run python -m effdet_lite.experiments.balance first."
        )
    scalable = [size for size in means if largest_miss(size) <= LARGEST_MISS]
    return max(scalable, key=means.__getitem__)


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, learning.settings())
    few = {"steps": 40, "scored": 500}
    train_one = functools.partial(trained, **few)
    return Plan(planned(("kinds",)), train_one, learning.settings(**few))


if __name__ == "__main__":
    main("balance", __doc__, plan)
