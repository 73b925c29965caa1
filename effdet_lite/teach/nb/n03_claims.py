"""The closing table of notebook 03: what its numbers say of claims 1 to 3, 5, 7, 8 and 10 to 12."""

from collections.abc import Mapping, Sequence
from statistics import fmean

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
from effdet_lite.teach.nb.n03_results import gain_text, over_tasks
from effdet_lite.teach.nb.n03_scaling import (
    NAMES,
    PRODUCT,
    follow_the_formula,
    formula_growths,
    growths,
    own_phis,
)

Rows = Sequence[Mapping]
MIXTURE = "with the paper's 1.2, 1.1, 1.15, scaled to the same cost"
EXPECTED = {"depth × 2": 2, "width × 2": 4, "resolution × 2": 4}
WINDOW_SIZES = (96, 128)  # px, at which one block sees one mark at a time
BETS = {
    "C2": "if only one of the three is scaled, the gains soon saturate",
    "C5": "more channels with as many layers are a bottleneck",
    "C11": "a separate search for each size would give better networks",
    "C12": "all three together are the most accurate",
}
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
        says="Each of the three can be turned alone. The MACs are then "
        + ", ".join(f"{macs[name]:.2f} × for {name}" for name in EXPECTED),
    )
    rule = Claim(
        "C7",
        "MACs grow like depth · width² · resolution²",
        told,
        tuple(counted(round(macs[name], 2), said, NEARLY) for name, said in EXPECTED.items()),
        care="some layers have other channels on one side, first blocks differ from their copies, "
        "and gates and classifier do not grow with resolution",
        says="Doubling depth, width and resolution multiplies the MACs by "
        + ", ".join(f"{times:.2f}" for times in macs.values()),
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
        measured[f"{label} › accuracy, more blocks"] = own
    return Claim(
        "C3",
        "with resolution alone, the receptive field of the blocks becomes too small",
        measured,
        tuple(window.findings(rows).values()),
        care="in a network without gates, on a task that needs the window, and not with every seed",
        says=_on_two_marks(fixed, deeper),
    )


def _on_two_marks(fixed: Mapping, deeper: Mapping) -> str:
    """Claim 3 in a sentence. fixed, deeper: what `window.accuracies` gives."""
    small, large = WINDOW_SIZES
    alone = [fmean(fixed[pixels].values()) for pixels in WINDOW_SIZES]
    fail = sum(accuracy < 0.6 for accuracy in deeper[large].values())
    return (
        f"With one block, {alone[0]:.2f} of the answers are right at {small} px and {alone[1]:.2f} "
        f"at {large} px (chance: 0.50); with more blocks {fmean(deeper[small].values()):.2f} at "
        f"{small} px, while {fail} of {len(deeper[large])} seeds stay at chance at {large} px"
    )


def _named(numbers: Sequence[int]) -> str:
    """Networks by their numbers, "B1, B2 and B3"."""
    names = [f"B{number}" for number in numbers]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def open_claims() -> list[Claim]:
    """Claims 2, 5, 11 and 12, whose experiment has not come to an end."""
    return [
        Claim(name, words, says="The comparison on the three tasks is not finished", is_open=True)
        for name, words in BETS.items()
    ]


def claim_on_steps() -> Claim:
    """Claim 8: the product, and how B1 ... B7 grow."""
    numbers = range(1, len(NAMES))
    near = [number for number in numbers if abs(growths()[number] / PRODUCT**number - 1) <= NEARLY]
    far = [number for number in numbers if number not in near]
    made = [formula_growths()[number] / PRODUCT**number for number in numbers]
    told = {f"counted growth › {NAMES[i].upper()}": f"{growths()[i]:.2f}" for i in numbers}
    return Claim(
        "C8",
        "α · β² · γ² ≈ 2, and every further size is a power of it",
        {"the paper's product": f"{PRODUCT:.4f}"}
        | told
        | {f"formula's network › B{i}": f"{formula_growths()[i]:.2f}" for i in numbers}
        | {f"1.92^i › {NAMES[i].upper()}": f"{PRODUCT**i:.2f}" for i in numbers},
        (
            counted(round(PRODUCT, 2), 2, NEARLY),
            held(len(near), len(numbers), f"{_named(far)} are not near 1.92^i"),
        ),
        care="1.92 by the formula, and more in networks whose blocks are rounded up (without that, "
        "B1 would not be near)",
        says=f"The product is {PRODUCT:.2f}. The formula's own network of ϕ = 1 takes "
        f"{formula_growths()[1]:.2f} × B0's MACs. Those of ϕ = 1 to {len(made)} take "
        f"{min(made):.2f} to {max(made):.2f} times as much as 1.92^ϕ. Of the published ones "
        f"{_named(near)} are within {NEARLY:.0%} of 1.92^i, and {_named(far)} are not",
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
        says=f"{len(candidates())} triples come near 2; ten other triples and the paper's, "
        "trained with three seeds each, overlap too much to tell which is best",
    )
    largest = own_phis(EFFICIENTNETS["b7"])
    follow = [NAMES.index(name) for name in follow_the_formula()]
    kept = Claim(
        "C10b",
        "the same values are used for every ϕ",
        {"have all three sizes from one ϕ": f"{len(follow_the_formula())} of {len(NAMES) - 1}"}
        | {f"B7 › ϕ from its {size}": f"{phi:.1f}" for size, phi in largest.items()},
        (held(len(follow_the_formula()), len(NAMES) - 1),),
        care="from B4 on, no ϕ gives all three sizes",
        says=f"{_named(follow)} have the sizes of one ϕ, within rounding, the others do not; "
        f"B7 has {largest['depth']:.1f} by its depth, {largest['width']:.1f} by its width",
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
    return gain_text(spread(values))


def _on_saturation(rows: Rows) -> Claim:
    measured = {}
    for direction in scaling_findings.SINGLE:
        for task in TASKS:
            for step in (scaling_findings.FIRST, scaling_findings.LAST):
                label = f"{direction} › {task} › {step[0]} → {step[1]} × the MACs"
                measured[label] = _told(scaling_findings.doubling(rows, task, direction, step))
    return Claim(
        "C2",
        BETS["C2"],
        measured,
        tuple(scaling_findings.saturation(rows).values()),
        care="up to eight times the MACs, on three drawn tasks",
        says="The first and the last doubling of the MACs add, on average over the tasks: "
        + "; ".join(_first_and_last(rows, direction) for direction in scaling_findings.SINGLE),
    )


def _first_and_last(rows: Rows, direction: str) -> str:
    """What the first and the last doubling of a direction add, as a mean over tasks and seeds."""
    steps = (scaling_findings.FIRST, scaling_findings.LAST)
    first, last = (
        fmean(
            gain
            for task in TASKS
            for gain in scaling_findings.doubling(rows, task, direction, step)
        )
        for step in steps
    )
    return f"{direction} alone {first:+.3f} and {last:+.3f}"


def _on_width(rows: Rows) -> Claim:
    measured = {
        f"what more width is worth in the grown network › {task}": _told(
            interaction(rows, task, scaling_findings.WIDER)
        )
        for task in TASKS
    }
    return Claim(
        "C5",
        BETS["C5"],
        measured,
        (scaling_findings.wider_needs_more(rows),),
        care="on three drawn tasks; on span the mean comes from two of five seeds",
        says=f"What {scaling_findings.WIDER} × the MACs as width gain in the grown network, less "
        f"what they gain in the base: {_on_tasks(measured)}",
    )


def _on_a_search_at_each_size(validation: Rows, rows: Rows) -> Claim:
    most = scaling_findings.MOST
    measured = {}
    for task in TASKS:
        best, gains = choice_gain(validation, rows, task, most, DIRECTIONS)
        measured[f"what a choice for this task gains › {task} › {best}"] = _told(gains)
    return Claim(
        "C11",
        BETS["C11"],
        measured,
        (scaling_findings.choice(validation, rows),),
        care="a choice among four directions, for a task and at one size, is no grid search for "
        "each size; on span most of it comes from two of five seeds",
        says=f"The direction that was chosen for a task gains over the mixture: "
        f"{_on_tasks(measured)}",
    )


def _on_tasks(measured: Mapping[str, str]) -> str:
    """Gains by label as words: the label's last parts, and the mean gain.

    measured: labels "what it is › task", or "what it is › task › direction", and gains with their
    standard errors.
    """
    told = []
    for label, value in measured.items():
        _, task, *direction = label.split(" › ")
        told.append(f"{value} on {task}" + "".join(f" ({name})" for name in direction))
    return ", ".join(told)


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
        BETS["C12"],
        measured,
        tuple(scaling_findings.together(rows).values()),
        care="over three drawn tasks, not on each of them; one seed chose each learning rate, "
        "of four",
        says="Mean accuracy over the three tasks: "
        + ", ".join(
            f"{direction} {over_tasks(rows, direction, most).mean:.3f}" for direction in DIRECTIONS
        ),
    )
