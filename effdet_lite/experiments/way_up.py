"""A task that only a neck with a way up can solve.

The class of a large disc is the pattern of the mark on it (`data.PatternedMarks`). The backbone
computes each level from its own pooled picture, and pooling turns every pattern into the same gray.
So nothing but the neck can carry the pattern from P2 to the level where the disc is found. Recipe
and necks are those of `necks`, one cell each, plain sums, five seeds.

    python -m effdet_lite.experiments.way_up            every run; finished ones are kept
    python -m effdet_lite.experiments.way_up --quick    seed 0, 20 steps each
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from effdet_lite.data import PatternedMarks
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments import necks
from effdet_lite.experiments.plain import PooledDetector, detector
from effdet_lite.experiments.run import Plan, main
from effdet_lite.randomness import own_numbers

GRAPHS = necks.GRAPHS
WITH_A_WAY_UP = ("PANet", "BiFPN")
STEPS = 600
SEEDS = (0, 1, 2, 3, 4)
SOLVED = 0.5  # AP50 above which a run has found the classes


@dataclass(frozen=True)
class Run:
    """One detector to train. graph: a key of GRAPHS."""

    graph: str
    seed: int = 0


def planned(seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every run, the first seed first, and of it the necks whose success is open."""
    return [Run(graph, seed) for seed in seeds for graph in reversed(GRAPHS)]


@functools.lru_cache(maxsize=4)
def pictures(asks: str, split: str, length: int) -> PatternedMarks:
    """The same pictures for every run, kept once they are drawn. asks: see `PatternedMarks`."""
    return PatternedMarks(split, necks.SIZE, length, seed=1, asks=asks, cache=True)


def begun(run: Run) -> EfficientDet:
    """The run's detector before its first step."""
    with own_numbers(run.seed):
        return detector(GRAPHS[run.graph], 6, kind=PooledDetector)


def trained(run: Run, steps: int = STEPS) -> dict:
    """Train this detector, and return its row: the run, and the figures of `necks.fit`."""
    train_set = pictures("disc", "train", steps * necks.BATCH)
    test_set = pictures("disc", "test", necks.TEST_PICTURES)
    return asdict(run) | necks.fit(begun(run), train_set, test_set, steps, run.seed)


# --- What the rows say ---


def solved(row: Mapping, above: float = SOLVED) -> bool:
    """Whether a run found the classes that are asked for.

    A run either guesses, which gives an AP50 of about 0.35, or finds nearly all of them; so counts
    of runs say more than means.
    """
    return row["asked"] > above


def by_way_up(rows: Sequence[Mapping], above: float = SOLVED) -> tuple[list[bool], list[bool]]:
    """Whether each run solved its task: of the necks with a way up, and of FPN and no fusion.

    rows: of this experiment, or those of one task in the results of `necks`.
    """
    ways = [], []
    for row in rows:
        ways[row["graph"] not in WITH_A_WAY_UP].append(solved(row, above))
    return ways


def asked_by_neck(rows: Sequence[Mapping]) -> dict[str, list[float]]:
    """AP50 of the classes that are asked for, one a seed, for each neck."""
    found = {}
    for row in rows:
        found.setdefault(row["graph"], []).append(row["asked"])
    return found


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, necks.settings(STEPS))
    steps = necks.QUICK_STEPS
    return Plan(planned((0,)), functools.partial(trained, steps=steps), necks.settings(steps))


if __name__ == "__main__":
    main("way_up", __doc__, plan)
