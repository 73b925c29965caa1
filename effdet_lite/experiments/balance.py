"""A balanced base: networks of equal MACs on the three tasks, scored on validation pictures.

The paper's compound scaling begins with a network that a search has balanced (arXiv 1905.11946,
section 4). A base that lacks one thing would favor the direction that adds it. So the
base is the network with the highest accuracy here, its mean over the three tasks. One base for all
tasks, and not one for each: who scales a network does not know yet what its tasks will lack.

    python -m effdet_lite.experiments.balance            every run; finished ones are kept
    python -m effdet_lite.experiments.balance --quick    40 steps each, on one task

The pictures are 96 pixels wide. A first search had networks of 840,000 MACs at 24 to 32 pixels. The
deepest at the most pixels was the best of its twelve, so this one goes further in both.
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

WANTED_MACS = 520_000
BLOCKS, RESOLUTIONS = range(2, 7), range(26, 41, 2)
RATE, SEED = 0.01, 10
# The candidate of quick looks and of live trainings, which need no search.
EXAMPLE = Size(7, 4, 32)
# Channels and blocks are whole numbers. A network whose MACs, or those of whose arms, lie further
# from the wished ones is no candidate.
LARGEST_MISS = 0.07
LARGEST_ARM_MISS = 0.055


def candidates() -> list[Size]:
    """For each depth and resolution the width that comes nearest to the wanted MACs, if it comes
    near enough, and can be scaled.
    """
    found = []
    for blocks, resolution in itertools.product(BLOCKS, RESOLUTIONS):
        sizes = [Size(channels, blocks, resolution) for channels in range(4, 40)]
        best = min(sizes, key=_miss)
        if _miss(best) <= LARGEST_MISS and largest_miss(best) <= LARGEST_ARM_MISS:
            found.append(best)
    return found


def _miss(size: Size) -> float:
    """How far its MACs lie from the wanted ones; 0.05 is 5 %."""
    return abs(size.cost().macs / WANTED_MACS - 1)


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
    """The best candidate.

    rows: finished runs, by default those that come with the course. Raises ValueError unless every
    candidate was trained on every task.
    """
    means = mean_accuracies(stored_results("balance")["runs"] if rows is None else rows)
    if means.keys() != set(candidates()):
        raise ValueError(
            "the search for the base is not finished: "
            "run python -m effdet_lite.experiments.balance first."
        )
    return max(means, key=means.__getitem__)


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, learning.settings())
    few = {"steps": 40, "scored": 500}
    train_one = functools.partial(trained, **few)
    return Plan(planned(("kinds",)), train_one, learning.settings(**few))


if __name__ == "__main__":
    main("balance", __doc__, plan)
