"""What the rows of an experiment on several tasks say: means, regrets, gains. Numbers only.

A row is a dictionary with "task", "direction", "factor", "seed", "accuracy" and "seconds" (see
`directions`). Regret is what a choice costs: the accuracy of the best choice, less that of the one
made. What is best is decided on validation rows, and scored on test rows. Picked and scored on the
same rows, the best of several equal arms would look better than the others by chance, and so every
regret would be too large.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

from effdet_lite.experiments.comparing import Spread, paired_gains, spread

Row = Mapping
Arm = tuple[str, str, int]  # task, direction, factor


def by_seed(rows: Iterable[Row], arm: Arm, value: str = "accuracy") -> dict[int, float]:
    """One value of an arm for each of its seeds. Raises ValueError where it has no rows."""
    found = {
        row["seed"]: row[value]
        for row in rows
        if (row["task"], row["direction"], row["factor"]) == arm
    }
    if not found:
        raise ValueError(f"there are no rows of {arm}: train them first.")
    return found


def arm_spread(rows: Iterable[Row], arm: Arm, value: str = "accuracy") -> Spread:
    """Mean and spread of an arm over its seeds."""
    return spread(list(by_seed(rows, arm, value).values()))


def chosen(validation: Sequence[Row], task: str, factor: int, directions: Sequence[str]) -> str:
    """The direction with the highest mean accuracy on validation; of equals, the first."""
    means = {
        direction: arm_spread(validation, (task, direction, factor)).mean
        for direction in directions
    }
    return max(directions, key=means.__getitem__)


def difference(rows: Sequence[Row], arm: Arm, other: Arm) -> list[float]:
    """Accuracy of `arm` less that of `other`, for each seed that both have, in the seeds' order.

    Raises ValueError where they have no seed in common.
    """
    ours, theirs = by_seed(rows, arm), by_seed(rows, other)
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        raise ValueError(f"{arm} and {other} have no seed in common: train the same seeds of both.")
    return paired_gains(
        {seed: ours[seed] for seed in common}, {seed: theirs[seed] for seed in common}
    )


def regrets(
    validation: Sequence[Row],
    test: Sequence[Row],
    task: str,
    factor: int,
    directions: Sequence[str],
) -> dict[str, list[float]]:
    """What each direction loses against the one that validation chose, for each test seed.

    A regret may be negative: then the choice was not the best one after all.
    """
    best = (task, chosen(validation, task, factor, directions), factor)
    return {
        direction: difference(test, best, (task, direction, factor)) for direction in directions
    }


def worst_regret(
    validation: Sequence[Row],
    test: Sequence[Row],
    tasks: Sequence[str],
    factor: int,
    directions: Sequence[str],
) -> dict[str, tuple[str, Spread]]:
    """For each direction: the task on which its mean regret is largest, and that regret."""
    table = {task: regrets(validation, test, task, factor, directions) for task in tasks}
    worst = {}
    for direction in directions:
        spreads = {task: spread(table[task][direction]) for task in tasks}
        task = max(tasks, key=lambda name, spreads=spreads: spreads[name].mean)
        worst[direction] = (task, spreads[task])
    return worst


def gains(
    rows: Sequence[Row], task: str, direction: str, factors: Sequence[int] = (1, 2, 4, 8)
) -> dict[int, Spread]:
    """What each step to the next factor adds to the accuracy, by the factor that it leads to.

    The base network is the first factor of every direction. A direction saturates where a step
    adds less than the one before; the standard errors say whether that can be told.
    """
    arms = [(task, "base" if factor == 1 else direction, factor) for factor in factors]
    return {
        arm[2]: spread(difference(rows, arm, before)) for before, arm in itertools.pairwise(arms)
    }


def choice_gain(
    validation: Sequence[Row],
    test: Sequence[Row],
    task: str,
    factor: int,
    directions: Sequence[str],
    usual: str = "compound",
) -> tuple[str, list[float]]:
    """The direction that validation chose, and what it gains over the usual one for each seed."""
    best = chosen(validation, task, factor, directions)
    return best, difference(test, (task, best, factor), (task, usual, factor))


def accuracy_at(
    rows: Sequence[Row],
    task: str,
    direction: str,
    seconds: float,
    factors: Sequence[int] = (1, 2, 4, 8),
) -> dict[int, float]:
    """The accuracy that a direction has after so much training time, for each seed.

    Between two factors it is read off the straight line from one to the other, over the logarithm
    of their mean seconds. Raises ValueError for a time that lies outside of what was measured.
    """
    arms = [(task, "base" if factor == 1 else direction, factor) for factor in factors]
    times = [arm_spread(rows, arm, "seconds").mean for arm in arms]
    steps = zip(itertools.pairwise(arms), itertools.pairwise(times), strict=True)
    for (low, high), (before, after) in steps:
        if min(before, after) <= seconds <= max(before, after):
            share = math.log(seconds / before) / math.log(after / before)
            first, second = by_seed(rows, low), by_seed(rows, high)
            common = sorted(first.keys() & second.keys())
            return {seed: first[seed] + share * (second[seed] - first[seed]) for seed in common}
    raise ValueError(
        f"{direction} on {task} was trained for {min(times):.1f} to {max(times):.1f} s, "
        f"got {seconds:.1f}: ask for a time in between."
    )


def in_base_times(rows: Sequence[Row]) -> list[dict]:
    """The rows with their "seconds" in those of the base network on the same task, on average.

    So rows of two machines can be compared. Raises ValueError for a task without base rows.
    """
    base = {
        task: arm_spread(rows, (task, "base", 1), "seconds").mean
        for task in {row["task"] for row in rows}
    }
    return [{**row, "seconds": row["seconds"] / base[row["task"]]} for row in rows]


def shared_time(rows: Sequence[Row], directions: Sequence[str], factor: int) -> float:
    """The training time of the quickest direction at this factor, on the task where it is quickest:
    all directions have an accuracy at it (`accuracy_at`).
    """
    return min(
        arm_spread(rows, (task, direction, factor), "seconds").mean
        for task in {row["task"] for row in rows}
        for direction in directions
    )


def regrets_at(
    validation: Sequence[Row],
    test: Sequence[Row],
    task: str,
    seconds: float,
    directions: Sequence[str],
    factors: Sequence[int] = (1, 2, 4, 8),
) -> dict[str, list[float]]:
    """As `regrets`, at equal training time in place of equal MACs: what each direction loses
    against the one that validation chose for this time. Raises ValueError as `accuracy_at` does.
    """

    def at_that_time(rows: Sequence[Row]) -> dict[str, dict[int, float]]:
        return {name: accuracy_at(rows, task, name, seconds, factors) for name in directions}

    chosen_by, scored = at_that_time(validation), at_that_time(test)
    best = max(directions, key=lambda name: spread(list(chosen_by[name].values())).mean)
    return {
        name: [
            scored[best][seed] - other[seed] for seed in sorted(scored[best].keys() & other.keys())
        ]
        for name, other in scored.items()
    }


def interaction(rows: Sequence[Row], task: str, factor: int) -> list[float]:
    """How much more `factor` times the MACs, spent on width, bring to the grown network than to the
    base network, for each seed that all four have. Above 0, width is worth more after depth and
    resolution grew.
    """
    base = by_seed(rows, (task, "base", 1))
    wide = by_seed(rows, (task, "width", factor))
    grown = by_seed(rows, (task, "grown", 1))
    both = by_seed(rows, (task, "grown", factor))
    common = sorted(base.keys() & wide.keys() & grown.keys() & both.keys())
    if not common:
        raise ValueError(
            f"the four networks on {task} have no seed in common: train the same ones."
        )
    return [(both[seed] - grown[seed]) - (wide[seed] - base[seed]) for seed in common]


def still_learning(rows: Iterable[Row], least: float) -> list[Row]:
    """The rows whose last fifth of the training still lowered the loss by `least` nats or more."""
    return [row for row in rows if row["improved"] >= least]
