"""Towers with both remedies once more, with seeds that nothing was chosen by.

`towers` found that depth helps only up to a level, by a comparison that was chosen when its runs
had been seen: what a factor of four in depth is worth from 4 layers to 16, and from 16 to 64. Here
the comparison came first and the runs after it. Recipe, pictures and both lengths are those of
`towers`; the seeds are new.

    python -m effdet_lite.experiments.towers_again            every run; finished ones are kept
    python -m effdet_lite.experiments.towers_again --quick    one seed, two depths, 20 steps each
"""

import functools
import itertools
from collections.abc import Sequence

from effdet_lite.experiments.run import Plan, main
from effdet_lite.experiments.towers import GROWTH, LONGER, STEPS, Run, settings, trained

SEEDS = (5, 6, 7, 8, 9)


def planned(
    seeds: Sequence[int] = SEEDS,
    depths: Sequence[int] = GROWTH,
    lengths: Sequence[int] = (STEPS, LONGER),
) -> list[Run]:
    """Every run, seed by seed, so that a part of the runs compares too."""
    return [
        Run("both", depth, steps, seed=seed)
        for seed, steps, depth in itertools.product(seeds, lengths, depths)
    ]


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, settings())
    few = (50, 50)
    runs = planned(SEEDS[:1], GROWTH[:2], (20,))
    return Plan(runs, functools.partial(trained, pictures=few), settings(few))


if __name__ == "__main__":
    main("towers_again", __doc__, plan)
