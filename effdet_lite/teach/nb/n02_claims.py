"""The closing table of notebook 02: what its numbers say of claims 4, 6 and 9."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import nn

from effdet_lite.experiments import search, towers
from effdet_lite.experiments.comparing import spread
from effdet_lite.experiments.search_space import objective
from effdet_lite.experiments.verdicts import counted, held
from effdet_lite.teach.kit.claims import Claim
from effdet_lite.teach.kit.typed import in_percent
from effdet_lite.teach.nb.n02_depth import best_depth, mean_growth
from effdet_lite.teach.nb.n02_search import fresh_scores

OFFICIAL_PARAMETERS = 5_288_548  # torchvision's B0


def claim_on_depth(rows: Sequence[Mapping], fresh: Sequence[Mapping]) -> Claim:
    """Claim 4: shallowest, best and deepest towers, and what more layers add.

    rows: of `experiments.towers`, by which the comparison was chosen. fresh: of `towers_again`,
    which came after it, and which alone the verdict rests on.
    """
    measured, told = {}, []
    for steps in (towers.STEPS, towers.LONGER):
        found = towers.by_depth(rows, steps=steps)
        shown = sorted({min(found), best_depth(found), max(found)}) if found else ()
        for depth in shown:
            label = f"accuracy after {steps:,} steps › {depth} layers"
            measured[label] = str(spread(list(found[depth].values())))
        means = [f"{spread(list(found[depth].values())).mean:.3f} with {depth}" for depth in shown]
        told.append(f"After {steps:,} steps the mean accuracy is {_listed(means)} layers")
    growth = mean_growth(fresh)
    for step, gain in growth.items():
        measured[f"mean of the fresh seeds › {step}"] = f"{gain:+.3f}"
    gains = [f"{gain:+.3f} from {step}" for step, gain in list(growth.items())[1:]]
    told.append(f"With five fresh seeds it changes by {_listed(gains)}")
    return Claim(
        "C4",
        "depth works only up to a level, even with batch norm and skips",
        measured,
        tuple(towers.findings(fresh).values()),
        care="for these towers and both trainings",
        says=". ".join(told),
    )


def _listed(words: Sequence[str]) -> str:
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last


def claim_on_repetition(my_b0: nn.Sequential) -> Claim:
    """Claim 6. my_b0: stem, seven stages and head.

    A repetition is a block whose weights have the shapes of the block before, in its stage. Where
    they have others, another F begins, and the block before differs from the rest.
    """
    parameters = sum(weights.numel() for weights in my_b0.parameters())
    tensors = len(list(my_b0.parameters()))
    stages = [[_shapes(block) for block in stage] for stage in my_b0[1:-1]]
    pairs = [pair for stage in stages for pair in itertools.pairwise(stage)]
    repetitions = sum(before == one for before, one in pairs)
    others = len(pairs) - repetitions
    blocks = len(stages) + len(pairs)
    differ = f"{others} second blocks differ from their first"
    return Claim(
        "C6",
        "a CNN is F repeated L times over H × W × C",
        {
            f"{tensors} tensors › parameters": f"{parameters:,}",
            "first blocks": str(len(stages)),
            "second blocks, another F": str(others),
            "repetitions of the F before them": str(repetitions),
        },
        (counted(parameters, OFFICIAL_PARAMETERS), held(blocks - others, blocks, differ)),
        care="the first of several blocks is another F than the rest",
        says=f"{blocks} blocks: {len(stages)} first ones, {others} second ones of another F, "
        f"{repetitions} repetitions. {parameters:,} parameters in all",
    )


def _shapes(block: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(weights.shape) for weights in block.parameters()]


def claims_on_search(rows: Sequence[Mapping]) -> tuple[Claim, Claim]:
    """Claim 9 in its two parts, of the rows of `experiments.search`."""
    growth = 1 / objective(1, 2, 1) - 1
    history = Claim(
        "C9a",
        "B0 was found by a search",
        {"2 × the MACs › accuracy must grow by": in_percent(growth, 1)},
        care="only its score is computed here",
    )
    values, told = {}, []
    for steps in (search.STEPS, search.LONGER):
        means = []
        for name, own in fresh_scores(rows, steps).items():
            values[f"score › {name} › {steps} steps"] = str(spread(list(own.values())))
            means.append(f"{name} {spread(list(own.values())).mean:.3f}")
        told.append(f"Mean score after {steps} steps: {', '.join(means)}")
    findings = [replace(found, exception="") for found in search.findings(rows).values()]
    method = Claim(
        "C9b",
        "such a search finds a better network than chance or a hand does",
        values,
        tuple(findings),
        care="ahead of the one made by hand, not of the middle one drawn by chance",
        says=". ".join(told),
    )
    return history, method
