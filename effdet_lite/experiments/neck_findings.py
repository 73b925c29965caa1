"""What the experiments on necks say of each claim, as findings that `verdicts.verdict` takes.

Each function takes the rows of one result file and returns one `Finding` for each part of a claim.
The numbers behind them are given by the experiments' own functions (`way_up.asked_by_neck` and so
on); here is only what is compared with what.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from effdet_lite.experiments import (
    fpn_parts,
    knocked,
    one_level,
    pairs,
    round_trip,
    stability,
    weighting_times,
)
from effdet_lite.experiments import way_up as way_up_experiment
from effdet_lite.experiments.comparing import paired_gains
from effdet_lite.experiments.verdicts import Finding, gained, solved

Rows = Sequence[Mapping]
SLOWER = 0.01  # a share of the time below which nobody would call a training slowed down


def by_seed(rows: Rows, figure: str, **wanted) -> dict[int, float]:
    """A figure of the rows that have the wanted values, by seed."""
    return {
        row["seed"]: row[figure]
        for row in rows
        if all(row[name] == value for name, value in wanted.items())
    }


def several_levels(rows: Rows) -> dict[str, Finding]:
    """Claim 13, of `one_level`: that several resolutions capture the small as well as the large.

    For each level that answers alone, without fusion: whether all five levels together have more AP
    on small, medium and large objects, pooled over sizes and seeds.
    """
    findings = {}
    everything = {"neck": "no fusion", "level": one_level.ALL}
    for level in (2, 4, 6):
        alone = {"neck": "no fusion", "level": level}
        gains = {}
        for size in ("small", "medium", "large"):
            figure = f"ap_{size}"
            one, other = (by_seed(rows, figure, **arm) for arm in (everything, alone))
            gains[size] = paired_gains(one, other)
        findings[f"P{level}"] = gained(gains)
    return findings


def laterals(rows: Rows) -> Finding:
    """Claim 14, first half, of `fpn_parts`: fine maps bring the place. Boxes of the dots are found
    with laterals, and less without them.
    """
    return _gain_of_parts(rows, "asked_boxes", {"parts": "no laterals"})


def path_down(rows: Rows) -> Finding:
    """Claim 14, second half: coarse maps bring the meaning. Classes of the dots are found with the
    path down, and less without it.
    """
    return _gain_of_parts(rows, "asked", {"parts": "no path down"})


def three_by_three(rows: Rows) -> dict[str, Finding]:
    """Claim 15, of `fpn_parts`: what the 3x3 of each node gains in AP50 of the dots, over a 1x1 and
    over no convolution.
    """
    return {
        kind: _gain_of_parts(rows, "asked", {"parts": "both", "convolution": kind})
        for kind in fpn_parts.CONVOLUTIONS[1:]
    }


def _gain_of_parts(rows: Rows, figure: str, without: Mapping) -> Finding:
    whole = by_seed(rows, figure, parts="both", convolution="3x3")
    return gained(paired_gains(whole, by_seed(rows, figure, **{"convolution": "3x3"} | without)))


def way_up(rows: Rows) -> Finding:
    """Claim 16, of `way_up`: what only a way up can bring, more runs with one find."""
    return solved(*way_up_experiment.by_way_up(rows))


def switch(rows: Rows, name: str) -> dict[str, Finding]:
    """Claims 17 ("skip") and 18 ("prune"), of `pairs.all_rows`: what the switch gains in AP50 of
    what is asked for, and by how much the final loss is lower.
    """
    asked = {_told(pair): gains for pair, gains in pairs.gains(rows, name).items()}
    losses = pairs.gains(rows, name, pairs.final_loss)
    lower = {pair: [-change for change in changes] for pair, changes in losses.items()}
    return {"asked": gained(asked), "final loss": gained(lower)}


def _told(pair: str) -> str:
    """ "PANet → PANet, pruned, bottom-up" is "PANet on the discs": what the switch is turned on in,
    and what is asked for there.
    """
    graph, _, rest = pair.partition(" → ")
    return f"{graph} on the {'dots' if rest.endswith('top-down') else 'discs'}"


def repeats(rows: Rows) -> Finding:
    """Claim 19, of `round_trip`: what one cell cannot carry there and back, more runs with several
    cells find.
    """
    return solved(*round_trip.one_and_more_cells(rows))


def unequal_factors(rows: Rows) -> dict[str, Finding]:
    """Claim 20, of `necks`: whether the inputs of a node get factors that differ in the same way
    with every seed, for each task. Nothing can speak against it: factors that do not agree may
    still be unequal.
    """
    findings = {}
    for task in ("top-down", "bottom-up", "shapes"):
        edges, factors = knocked.relative_factors(rows, task)
        findings[task] = Finding(knocked.agreement_p(edges, factors), 1.0)
    return findings


def unbounded_fails(rows: Rows) -> Finding:
    """Claim 21, first part, of `stability`: more runs with unbounded weights diverge than with
    bounded ones. With care: only at the raised rates, or only without norms, if it is so.
    """
    unbounded, bounded = [], []
    for row in rows:
        (unbounded if row["weighting"] == "unbounded" else bounded).append(stability.diverged(row))
    finding = solved(unbounded, bounded)
    usual = [row for row in rows if row["weighting"] == "unbounded" and _is_usual(row)]
    if finding.is_seen and not any(stability.diverged(row) for row in usual):
        return replace(finding, exception="not at the usual rate with norms")
    return finding


def _is_usual(row: Mapping) -> bool:
    return row["times"] == 1 and row["norms"]


def softmax_slows(rows: Rows) -> dict[str, Finding]:
    """Claim 21, second part, of `weighting_times`: softmax takes longer than the fast way, in
    training and in inference. Less than 1 % would not matter.
    """
    return {
        work: gained(
            {work: [ratio - 1 for ratio in weighting_times.ratios(rows, work)["softmax"]]}, SLOWER
        )
        for work in weighting_times.WORK
    }
