"""What `directions` says of claims 2, 5, 11 and 12, as findings that `verdicts.verdict` takes.

What is compared with what was written down before the runs were made: gains at the first and at the
last doubling (claim 2), figure 4's question at four times the width (claim 5), and the bets at
eight times the MACs (claims 11 and 12). The numbers behind them are those of `regret`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from effdet_lite.experiments.bottlenecks import TASKS
from effdet_lite.experiments.regret import choice_gain, difference, interaction
from effdet_lite.experiments.sizes import DIRECTIONS, FACTORS
from effdet_lite.experiments.verdicts import Finding, gained

Rows = Sequence[Mapping]
SINGLE = tuple(name for name in DIRECTIONS if name != "compound")
FIRST, LAST = (1, FACTORS[0]), FACTORS[-2:]  # doublings
MOST = FACTORS[-1]
WIDER = 4  # times the MACs, of figure 4's question


def doubling(rows: Rows, task: str, direction: str, step: Sequence[int]) -> list[float]:
    """What going from the first to the second factor adds to the accuracy, for each seed."""
    before, after = step
    name = "base" if before == 1 else direction
    return difference(rows, (task, direction, after), (task, name, before))


def fading(rows: Rows, direction: str) -> dict[str, list[float]]:
    """By task: how much less the last doubling adds than the first one, for each seed."""
    return {
        task: [
            first - last
            for first, last in zip(
                doubling(rows, task, direction, FIRST),
                doubling(rows, task, direction, LAST),
                strict=True,
            )
        ]
        for task in TASKS
    }


def saturation(rows: Rows) -> dict[str, Finding]:
    """Claim 2: of one dimension alone, the last doubling brings less than the first one."""
    return {direction: gained(fading(rows, direction)) for direction in SINGLE}


def wider_needs_more(rows: Rows) -> Finding:
    """Claim 5: more width is worth more once depth and resolution have grown as well."""
    return gained({task: interaction(rows, task, WIDER) for task in TASKS})


def choice(validation: Rows, rows: Rows) -> Finding:
    """Claim 11: the direction that was chosen for a task gains over the usual, compound one."""
    return gained(
        {task: choice_gain(validation, rows, task, MOST, DIRECTIONS)[1] for task in TASKS}
    )


def together(rows: Rows) -> dict[str, Finding]:
    """Claim 12: all three together are more accurate than each one alone, over the tasks.

    An exception names the direction that it is against.
    """
    findings = {}
    for direction in SINGLE:
        finding = gained(
            {
                task: difference(rows, (task, "compound", MOST), (task, direction, MOST))
                for task in TASKS
            }
        )
        against = finding.exception and f"over {direction}, {finding.exception}"
        findings[direction] = replace(finding, exception=against)
    return findings
