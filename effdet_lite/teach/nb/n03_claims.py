"""The closing table of notebook 03: what its numbers say of claims 1 to 3, 5, 7, 8 and 10 to 12."""

from collections.abc import Mapping, Sequence

from effdet_lite.cost import Cost
from effdet_lite.experiments import scaling_findings, window
from effdet_lite.experiments.bottlenecks import TASKS
from effdet_lite.experiments.comparing import spread
from effdet_lite.experiments.regret import choice_gain, interaction
from effdet_lite.experiments.sizes import DIRECTIONS
from effdet_lite.experiments.verdicts import counted, gained, held
from effdet_lite.scaling import EFFICIENTNETS
from effdet_lite.teach.kit.claims import Claim
from effdet_lite.teach.nb.n03_grid import TICKS, candidates, gains_of_the_mixture, papers_mixture
from effdet_lite.teach.nb.n03_results import over_tasks
from effdet_lite.teach.nb.n03_scaling import (
    NAMES,
    PRODUCT,
    follow_the_formula,
    growths,
    own_phis,
)

Rows = Sequence[Mapping]
MIXTURE = "with the paper's 1.2, 1.1, 1.15, scaled to the same cost"
EXPECTED = {"depth × 2": 2, "width × 2": 4, "resolution × 2": 4}
WINDOW_SIZES = (96, 128)  # px, at which one block sees one mark at a time
NEARLY = 0.1  # a count within so much of the formula's is told as near


def claims_on_cost(b0: Cost, doubled: Mapping[str, Cost]) -> tuple[Claim, Claim]:
    """Claims 1 and 7, of B0 and of B0 with one size doubled."""
    macs = {name: cost.macs / b0.macs for name, cost in doubled.items()}
    parameters = {name: cost.params / b0.params for name, cost in doubled.items()}
    told = {f"all MACs › {name}": f"{times:.2f}" for name, times in macs.items()}
    ways = Claim(
        "C1",
        "there are three ways to scale: resolution, depth, width",
        told | {f"parameters › {name}": f"{times:.2f}" for name, times in parameters.items()},
        (held(sum(times > 1 for times in macs.values()), len(EXPECTED)),),
    )
    rule = Claim(
        "C7",
        "MACs grow like depth · width² · resolution²",
        told,
        tuple(counted(round(macs[name], 2), said, NEARLY) for name, said in EXPECTED.items()),
        care="not every layer has its channels on both sides, and blocks are rounded up",
    )
    return ways, rule


def claim_on_window(rows: Rows) -> Claim:
    """Claim 3, of the rows of `experiments.window`."""
    fixed, deeper = window.accuracies(rows), window.accuracies(rows, with_depth=True)
    measured = {}
    for resolution in WINDOW_SIZES:
        label = f"{resolution} px"
        measured[f"{label} › accuracy, 1 block"] = str(spread(list(fixed[resolution].values())))
        own = str(spread(list(deeper[resolution].values())))
        measured[f"{label} › accuracy, blocks along"] = own
    return Claim(
        "C3",
        "with resolution alone the blocks no longer cover the receptive field",
        measured,
        tuple(window.findings(rows).values()),
        care="in a network without gates, on a task that needs the window",
    )


def claim_on_steps() -> Claim:
    """Claim 8: the product, and how B1 ... B7 grow."""
    numbers = range(1, len(NAMES))
    near = [number for number in numbers if abs(growths()[number] / PRODUCT**number - 1) <= NEARLY]
    shown = (2, 4, 5, 6, 7)
    told = {f"counted growth › {NAMES[i].upper()}": f"{growths()[i]:.2f}" for i in shown}
    return Claim(
        "C8",
        "α · β² · γ² ≈ 2, and every further size is a power of it",
        {"the paper's product": f"{PRODUCT:.4f}"}
        | told
        | {f"1.92^i › {NAMES[i].upper()}": f"{PRODUCT**i:.2f}" for i in shown},
        (counted(round(PRODUCT, 2), 2, NEARLY), held(len(near), len(numbers))),
        care="a step multiplies the MACs by 1.92",
    )


def claims_on_the_grid(rows: Rows) -> tuple[Claim, Claim]:
    """Claim 10 in its two parts, the first of the rows of `experiments.compound`."""
    found = Claim(
        "C10a",
        "a grid search finds 1.2, 1.1 and 1.15",
        {
            "candidates": f"{len(candidates())} of {len(TICKS) ** 3:,}",
            MIXTURE: str(spread(list(papers_mixture(rows).values()))),
        },
        (gained(gains_of_the_mixture(rows)),),
    )
    largest = own_phis(EFFICIENTNETS["b7"])
    kept = Claim(
        "C10b",
        "the same values are used for every ϕ",
        {"have all three sizes of the formula": f"{len(follow_the_formula())} of {len(NAMES) - 1}"}
        | {f"B7 › ϕ from its {size}": f"{phi:.1f}" for size, phi in largest.items()},
        (held(len(follow_the_formula()), len(NAMES) - 1),),
        care="no published network from B1 on has all three sizes of the formula",
    )
    return found, kept


def claims_on_bets(validation: Rows, rows: Rows) -> tuple[Claim, Claim, Claim, Claim]:
    """Claims 2, 5, 11 and 12, of the rows of `experiments.directions`.

    validation: the rows that choose, `directions.validation_rows`. rows: those scored on test
    pictures.
    """
    return (
        _on_saturation(rows),
        _on_width(rows),
        _on_a_search_at_each_size(validation, rows),
        _on_all_three(rows),
    )


def _told(values: Sequence[float]) -> str:
    """A mean gain with its standard error, as the tables of `n03_results` have it."""
    found = spread(values)
    return f"{found.mean:+.3f} ± {found.standard_error:.3f}"


def _on_saturation(rows: Rows) -> Claim:
    measured = {}
    for direction in scaling_findings.SINGLE:
        for task in TASKS:
            for step in (scaling_findings.FIRST, scaling_findings.LAST):
                label = f"{direction} › {task} › {step[0]} → {step[1]} × the MACs"
                measured[label] = _told(scaling_findings.doubling(rows, task, direction, step))
    return Claim(
        "C2",
        "if only one of the three is scaled, the gains soon saturate",
        measured,
        tuple(scaling_findings.saturation(rows).values()),
        care="up to eight times the MACs, on three drawn tasks",
    )


def _on_width(rows: Rows) -> Claim:
    measured = {
        f"what more width is worth in the grown network › {task}": _told(
            interaction(rows, task, scaling_findings.WIDER)
        )
        for task in TASKS
    }
    return Claim(
        "C5",
        "more channels with as many layers are a bottleneck",
        measured,
        (scaling_findings.wider_needs_more(rows),),
        care="on three drawn tasks",
    )


def _on_a_search_at_each_size(validation: Rows, rows: Rows) -> Claim:
    most = scaling_findings.MOST
    measured = {}
    for task in TASKS:
        best, gains = choice_gain(validation, rows, task, most, DIRECTIONS)
        measured[f"what a choice for this task gains › {task} › {best}"] = _told(gains)
    return Claim(
        "C11",
        "a separate search for each size would give better networks",
        measured,
        (scaling_findings.choice(validation, rows),),
        care="a choice among four directions is no grid search",
    )


def _on_all_three(rows: Rows) -> Claim:
    most = scaling_findings.MOST
    measured = {
        f"{most} × the MACs, accuracy › {direction} › mean of the three": str(
            over_tasks(rows, direction, most)
        )
        for direction in DIRECTIONS
    }
    return Claim(
        "C12",
        "all three together are the most accurate",
        measured,
        tuple(scaling_findings.together(rows).values()),
        care="over three drawn tasks, not on each of them",
    )
