"""What leaving out the nodes with one input costs or buys: the necks that `fusion.py` does not
train.

python -m effdet_lite.experiments.pruning              every run, into pruning.json beside this file;
finished runs are kept

Pruning changes two graphs, PANet and BiFPN; one of each pair is among `fusion.py`'s runs, the other
one is here. All
else is equal: tasks, steps, channels, plain sums, one cell, seeds.
"""

import argparse
import functools
from pathlib import Path

from effdet_lite.experiments import necks as fusion
from effdet_lite.experiments import run as experiment
from effdet_lite.fusion import bifpn

# Each with its partner in necks.json, which differs from it by `prune` alone.
PARTNERS = {"BiFPN, not pruned": "BiFPN", "PANet, pruned": "PANet"}
GRAPHS = {
    "BiFPN, not pruned": functools.partial(bifpn, prune=False),
    "PANet, pruned": functools.partial(bifpn, skip=False),
}
fusion.GRAPHS.update(GRAPHS)  # on import, so that the processes that train know them too


def planned() -> list[fusion.Run]:
    """Every run, the first seed first."""
    tasks = ("top-down", "bottom-up")
    return [
        fusion.Run(task, graph, seed=seed)
        for seed in fusion.SEEDS
        for task in tasks
        for graph in GRAPHS
    ]


def trained(run: fusion.Run) -> dict:
    """As `fusion.trained`; a function of this file, so that a process that is given it imports this
    file.
    """
    return fusion.trained(run)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=experiment.results("pruning"))
    parser.add_argument(
        "--processes", type=int, default=2, help="runs at a time, each on one thread"
    )
    options = parser.parse_args()
    settings = {"steps": fusion.STEPS, "batch": fusion.BATCH, "learning_rate": fusion.RATE}
    settings["test_pictures"] = fusion.TEST_PICTURES
    experiment.run_all(options.output, planned(), trained, settings, options.processes)


if __name__ == "__main__":
    main()
