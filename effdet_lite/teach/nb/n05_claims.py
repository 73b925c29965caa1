"""The closing table of notebook 05: what its numbers say of claims 16 to 21."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from effdet_lite.experiments import (
    knocked,
    neck_findings,
    pairs,
    round_trip,
    stability,
    way_up,
    weighting_times,
)
from effdet_lite.experiments.comparing import spread
from effdet_lite.experiments.verdicts import Finding, counted, held, solved
from effdet_lite.fusion import bifpn, fpn, panet
from effdet_lite.teach.kit.claims import Claim
from effdet_lite.teach.nb.n05_bifpn import SMALL, reach
from effdet_lite.teach.nb.n05_further import told_of_raised_rates
from effdet_lite.teach.nb.n05_knocked import TASKS
from effdet_lite.teach.nb.n05_round import cells_of_detectors, weightings_of_detectors
from effdet_lite.teach.nb.n05_switches import effect, official_edges
from effdet_lite.teach.nb.n05_ways import named
from effdet_lite.teach.nb.n05_weights import of_dots

Rows = Sequence[Mapping]
WITH_A_WAY_UP = ("PANet", "BiFPN")
WHOLE = 0.995  # an AP50 that is written as 1.00


def claims_on_ways(rows: Rows, pair_rows: Rows, pattern_rows: Rows) -> tuple[Claim, Claim, Claim]:
    """Claims 16 to 18. rows: of `n05_ways.rows_on_discs`. pair_rows: of `pairs.all_rows`.
    pattern_rows: of `experiments.way_up`.
    """
    return _on_the_way_up(rows, pattern_rows), _on_skips(), _on_pruning(pair_rows)


def _on_the_way_up(rows: Rows, pattern_rows: Rows) -> Claim:
    graphs = {"FPN": fpn, "PANet": panet, "BiFPN": bifpn}
    told = {
        f"pairs reached, {name}": f"{sum(map(len, reach(graph(SMALL.levels)).values()))} of 25"
        for name, graph in graphs.items()
    }
    ways, without = named(rows, WITH_A_WAY_UP), named(rows, ["FPN"])
    told["runs that name the discs, FPN"] = "{} of {}".format(*without)
    told["runs that name the discs, with a way up"] = "{} of {}".format(*ways)
    asked = way_up.asked_by_neck(pattern_rows)
    for name in graphs:
        found = sum(way_up.solved({"asked": value}) for value in asked[name])
        told[f"runs that find the pattern, {name}"] = f"{found} of {len(asked[name])}"
    patterns, plain = way_up.by_way_up(pattern_rows)
    return Claim(
        "C16",
        "BiFPN adds a way up to FPN's way down",
        told,
        (_more(ways, without), neck_findings.way_up(pattern_rows)),
        says=f"FPN joins {told['pairs reached, FPN']} pairs and BiFPN all of them; "
        f"{told['runs that name the discs, with a way up']} trainings with a way up name the "
        f"discs, {told['runs that name the discs, FPN']} with FPN; where only the neck can bring "
        f"the pattern up, {sum(patterns)} of {len(patterns)} find it with a way up, and "
        f"{sum(plain)} of {len(plain)} without",
    )


def _more(one: tuple[int, int], other: tuple[int, int]) -> Finding:
    """More of the one arm's runs solve the task, both as (solved, runs)."""
    runs = [[True] * solved_runs + [False] * (of - solved_runs) for solved_runs, of in (one, other)]
    return solved(*runs)


def _on_skips() -> Claim:
    mine, official = set(bifpn(range(3, 8)).edges), official_edges()
    equal = sum(edge in mine for edge in official)
    return Claim(
        "C17",
        "it adds skips from a level's map to its output",
        {
            "+ skips › edges": f"{len(bifpn(SMALL.levels, prune=False).edges)}",
            "edges as in the official settings": f"{equal} of {len(official)}",
        },
        (held(equal, len(official)), counted(len(mine), len(official))),
        says=f"With skips PANet's {len(panet(SMALL.levels).edges)} edges become "
        f"{len(bifpn(SMALL.levels, prune=False).edges)}; the pruned cell has the official "
        f"{len(official)}",
    )


def _on_pruning(rows: Rows) -> Claim:
    told, both = {}, []
    for title, key in (("PANet", "PANet"), ("PANet with skips", "BiFPN, not pruned")):
        saved = pairs.saved_by_node(pairs.GRAPHS[key])
        both.append(f"{100 * saved.pop('both')['saved']:.1f} %")
        for node, one in saved.items():
            told[f"saved in {title} by leaving out {node}"] = f"{100 * one['saved']:.1f} %"
    changes = effect(rows, "prune")
    fresh = effect([row for row in rows if row["seed"] in pairs.MORE_SEEDS], "prune")
    found = neck_findings.switch(rows, "prune")["asked"]
    labels = ("pruning, change of AP50", "pruning, p for more AP50")
    told |= {label: changes[label] for label in labels}
    return Claim(
        "C18",
        "nodes with one input are left out, as they fuse little",
        told,
        (replace(found, exception=found.exception.replace("no gain:", "AP50 did not gain in:")),),
        care="with skips one of the two nodes has two inputs, and it is the one that saves",
        says=f"Pruning saves {both[0]} of PANet's MACs and {both[1]} with skips; "
        f"P6_td alone saves {told['saved in PANet with skips by leaving out P6_td']}. AP50 changes "
        f"by {changes[labels[0]]} over {changes['pruning, pairs']} pairs, and by "
        f"{fresh[labels[0]]} (p {fresh[labels[1]]}) over the {fresh['pruning, pairs']} with seeds "
        "that nobody had seen before",
    )


def claim_on_repeats(seen: Mapping[str, str], rows: Rows) -> Claim:
    """Claim 19. seen: positions by "one cell" and "two cells", as words. rows: of
    `experiments.round_trip`.
    """
    cells = cells_of_detectors()
    told = {f"positions seen, {name}": words for name, words in seen.items()}
    repeated = [number for number in cells.values() if number > 1]
    more, one = round_trip.one_and_more_cells(rows)
    whole = [
        row
        for row in rows
        if row["cells"] > 1 and row["steps"] == round_trip.STEPS and row["asked"] > WHOLE
    ]
    longer = ""
    for (number, steps), values in sorted(round_trip.asked_by_cells(rows).items()):
        found = sum(way_up.solved({"asked": value}) for value in values)
        label = f"{number} cell{'s' if number > 1 else ''}, {steps:,} steps"
        told[f"runs that name the plain mark, {label}"] = f"{found} of {len(values)}"
        if steps > round_trip.STEPS:
            longer += f"; {label}: {found} of {len(values)}"
    return Claim(
        "C19",
        "the module is repeated several times",
        told,
        (held(len(repeated), len(cells)), neck_findings.repeats(rows)),
        care="on a task made for it; dots and discs need one cell",
        says=f"D0 has {cells['D0']} cells and D7 {cells['D7']}; one output of P2 depends on "
        f"{seen['one cell']} positions of P2 after one cell, on {seen['two cells']} after two; "
        f"on a task that needs this, AP50 is above {way_up.SOLVED} in {sum(more)} of {len(more)} "
        f"trainings with two or three cells (in {len(whole)} of them 1.00), and in {sum(one)} of "
        f"{len(one)} with one, {round_trip.STEPS:,} steps each{longer}",
    )


def claim_on_weights(rows: Rows) -> Claim:
    """Claim 20. rows: of `experiments.necks`."""
    told = {}
    for task, name in TASKS.items():
        agree = knocked.agreement(knocked.relative_factors(rows, task)[1])
        told[f"agreement of the factors over seeds › {name}"] = f"{agree:.2f}"
    values = ", ".join(
        f"{value} on {name}" for name, value in zip(TASKS.values(), told.values(), strict=True)
    )
    return Claim(
        "C20",
        "a weighted average, hoping that maps contribute differently",
        told,
        tuple(neck_findings.unequal_factors(rows).values()),
        care="the factors differ, but they do not say what the detector would lose",
        says=f"Fresh trainings agree on which edges get large factors: {values} (1: all the same)",
    )


def claims_on_weighting(rows: Rows, raised: Rows, times: Rows) -> tuple[Claim, Claim, Claim]:
    """Claim 21 in its three parts. rows: of `experiments.necks`. raised: of
    `experiments.stability`. times: of `experiments.weighting_times`.
    """
    return _on_unbounded(rows, raised), _on_softmax(times), _on_the_average()


def _on_unbounded(rows: Rows, raised: Rows) -> Claim:
    asked = [row["asked"] for row in of_dots(rows, "unbounded")]
    told = {"AP50 of the dots › unbounded": str(spread(asked))} | told_of_raised_rates(raised)
    counts = [f"{told[f'diverged, {name}']} with {name} weights" for name in stability.WEIGHTINGS]
    factors = [told[f"largest factor, {name}"] for name in stability.WEIGHTINGS]
    return Claim(
        "C21a",
        "unbounded weights bring problems in backprop",
        told,
        (neck_findings.unbounded_fails(raised),),
        care="at raised rates, in trainings of 120 steps",
        says="At 1, 10 and 100 times the rate, with norms and without, diverged "
        f"{', '.join(counts)}; the largest factors are {', '.join(factors)}",
    )


def _on_softmax(times: Rows) -> Claim:
    told = {}
    for work in weighting_times.WORK:
        ratio = median(weighting_times.ratios(times, work)["softmax"])
        told[f"{work}, softmax over fast"] = f"{ratio:.3f}"
    training, inference = told.values()
    return Claim(
        "C21b",
        "softmax slowed the training down",
        told,
        # Two shares below 1 say already that nothing is gained.
        tuple(replace(one, exception="") for one in neck_findings.softmax_slows(times).values()),
        care="D0 on one core of a processor",
        says=f"With softmax a training step of D0 takes {training} times as long as by the fast "
        f"rule, and an inference {inference} times (medians of {len(times)} turns)",
    )


def _on_the_average() -> Claim:
    ways = weightings_of_detectors()
    plain = [name for name, way in ways.items() if way != "fast"]
    fast = len(ways) - len(plain)
    return Claim(
        "C21c",
        "so a simple average after ReLU is used",
        {"fast › of them": f"{fast}", "plain sum › of them": f"{len(plain)}"},
        (held(fast, len(ways), f"{', '.join(plain)} take the plain sum"),),
        care="it is a weighted average",
        says=f"{fast} of {len(ways)} published detectors have it",
    )
