"""What leaving out the nodes with one input costs or buys.

Pruning changes two graphs, PANet and BiFPN. One of each pair is among the runs of `necks`, the
other one is here. All else is equal: tasks, steps, channels, plain sums, one cell, seeds. Notebook
05 draws the results.

    python -m effdet_lite.experiments.pruning            every run; finished ones are kept
    python -m effdet_lite.experiments.pruning --quick    seed 0, 20 steps each
"""

import functools
from collections.abc import Sequence

from effdet_lite.experiments import necks
from effdet_lite.experiments.run import Plan, main
from effdet_lite.fusion import bifpn

GRAPHS = {
    "BiFPN, not pruned": bifpn(necks.LEVELS, prune=False),
    "PANet, pruned": bifpn(necks.LEVELS, skip=False),
}
# Each with its partner in necks.GRAPHS, which differs from it by `prune` alone.
PARTNERS = {"BiFPN, not pruned": "BiFPN", "PANet, pruned": "PANet"}


def planned(seeds: Sequence[int] = necks.SEEDS) -> list[necks.Run]:
    """Every run, the first seed first."""
    return [
        necks.Run(task, graph, seed=seed)
        for seed in seeds
        for task in ("top-down", "bottom-up")
        for graph in GRAPHS
    ]


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    train_one = functools.partial(necks.trained, graphs=GRAPHS)
    if not quick:
        return Plan(planned(), train_one, necks.settings())
    steps = necks.QUICK_STEPS
    return Plan(planned((0,)), functools.partial(train_one, steps=steps), necks.settings(steps))


if __name__ == "__main__":
    main("pruning", __doc__, plan)
