"""A task that one cell of a neck cannot solve: from fine to coarse, and back to fine.

The class of a small plain mark is the pattern of another mark far away (`data.PatternedMarks`), and
the backbone computes each level from its own pooled picture, as in `way_up`. Both marks are seen at
P2 alone. In one cell of BiFPN the path down comes before the path up, so what P2 knows of one place
can reach P2 at another place only in the second cell.

One, two and three cells, plain sums, five seeds, 1,000 steps each. Three cells learn more slowly,
so they are also trained for 2,000 steps.

    python -m effdet_lite.experiments.round_trip            every run; finished ones are kept
    python -m effdet_lite.experiments.round_trip --quick    seed 0, 20 steps each
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments import necks
from effdet_lite.experiments.plain import PooledDetector, detector
from effdet_lite.experiments.run import Plan, main
from effdet_lite.experiments.way_up import pictures, solved
from effdet_lite.randomness import own_numbers

STEPS = 1000
LENGTHS = ((2, STEPS), (1, STEPS), (3, STEPS), (3, 2 * STEPS))  # (cells, steps)
TRAIN_PICTURES = 8 * STEPS  # the longer trainings see each one twice
SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Run:
    """One detector to train. cells: how often BiFPN is repeated."""

    cells: int
    steps: int = STEPS
    seed: int = 0


def planned(seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every run: one and two cells first, and of these the first seed first."""
    runs = [Run(cells, steps, seed) for seed in seeds for cells, steps in LENGTHS]
    return sorted(runs, key=lambda run: (run.cells == 3, run.steps))


def begun(run: Run) -> EfficientDet:
    """The run's detector before its first step."""
    with own_numbers(run.seed):
        return detector(necks.GRAPHS["BiFPN"], 6, repeats=run.cells, kind=PooledDetector)


def trained(run: Run) -> dict:
    """Train this detector, and return its row: the run, and the figures of `necks.fit`."""
    train_set = pictures("far", "train", TRAIN_PICTURES)
    test_set = pictures("far", "test", necks.TEST_PICTURES)
    return asdict(run) | necks.fit(begun(run), train_set, test_set, run.steps, run.seed)


def asked_by_cells(rows: Sequence[Mapping]) -> dict[tuple[int, int], list[float]]:
    """AP50 of the marks that are asked for, one a seed, by (cells, steps)."""
    found = {}
    for row in rows:
        found.setdefault((row["cells"], row["steps"]), []).append(row["asked"])
    return found


def one_and_more_cells(rows: Sequence[Mapping]) -> tuple[list[bool], list[bool]]:
    """Whether each run of STEPS solved the task (`way_up.solved`): of two and three cells, and of
    one. The longer runs of three cells have no partner with one cell, and are left out.
    """
    as_long = [row for row in rows if row["steps"] == STEPS]
    more = [solved(row) for row in as_long if row["cells"] > 1]
    one = [solved(row) for row in as_long if row["cells"] == 1]
    return more, one


def settings(steps: int | None = None) -> dict:
    """What all runs have in common. steps: where all have as many."""
    common = {
        "batch": necks.BATCH,
        "learning_rate": necks.RATE,
        "train_pictures": TRAIN_PICTURES,
        "test_pictures": necks.TEST_PICTURES,
    }
    return common if steps is None else {"steps": steps} | common


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, settings())
    steps = necks.QUICK_STEPS
    runs = [replace(run, steps=steps) for run in planned((0,)) if run.steps == STEPS]
    return Plan(runs, trained, settings(steps))


if __name__ == "__main__":
    main("round_trip", __doc__, plan)
