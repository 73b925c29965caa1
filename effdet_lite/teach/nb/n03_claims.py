"""The closing table of notebook 03: what its numbers say of claims 1 to 3, 5, 7, 8 and 10 to 12."""

from collections.abc import Mapping, Sequence

from effdet_lite.cost import Cost
from effdet_lite.experiments import window
from effdet_lite.experiments.comparing import spread
from effdet_lite.experiments.verdicts import counted, gained, held
from effdet_lite.scaling import EFFICIENTNETS
from effdet_lite.teach.kit.claims import Claim
from effdet_lite.teach.nb.n03_grid import TICKS, candidates, gains_of_the_mixture, papers_mixture
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
