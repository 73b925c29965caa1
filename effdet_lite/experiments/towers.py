"""How much depth helps a plain tower of convolutions, with and without its two remedies.

Each tower is trained to tell shapes apart, with skips and batch norm, with one of them, or with
neither, and at two lengths of training. Notebook 02 draws the results, and trains some towers live:
2, 16 and 64 layers with both take about a minute on one core. The validation pictures choose
nothing, for there is one recipe for all.

    python -m effdet_lite.experiments.towers            every run; finished ones are kept
    python -m effdet_lite.experiments.towers --quick    seed 0, up to 8 layers, 20 steps each

The idea is that of arXiv 1512.03385, section 4.2 (deeper plain and residual networks on small
pictures); towers, pictures and recipe are ours.
"""

import functools
import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effdet_lite.cost import count
from effdet_lite.data.shapes import CLASSES
from effdet_lite.experiments.classifiers import (
    CROP,
    accuracy,
    batches,
    crops,
    fit,
    in_parts,
    mean_of_last,
)
from effdet_lite.experiments.run import Plan, loss_in_parts, main
from effdet_lite.experiments.verdicts import Finding, gained
from effdet_lite.randomness import own_numbers
from effdet_lite.settings import TrainConfig

# What a figure calls a tower: whether it has skips, and whether it has batch norm.
KINDS = {
    "both": (True, True),
    "batch norm only": (False, True),
    "skips only": (True, False),
    "neither": (False, False),
}
DEPTHS = (2, 4, 8, 16, 32, 64)
GROWTH, LEVEL = (2, 4, 16, 64), 16  # compared in `growths`; where the mean is highest
STEPS, LONGER = 400, 1600
SEEDS = (0, 1, 2, 3, 4)
CHANNELS, BATCH, RATE = 16, 32, 0.003
OTHER_RATES = (0.001, 0.01)
TRAIN_PICTURES, VAL_PICTURES = 2000, 400  # of the data set; each has several shapes
PARTS = 10  # a training's losses and gradients are kept as so many numbers


@dataclass(frozen=True)
class Run:
    """One tower to train.

    kind: a key of KINDS. depth: layers after the stem. learning_rate: the highest of the schedule.
    """

    kind: str
    depth: int
    steps: int = STEPS
    learning_rate: float = RATE
    seed: int = 0


class Tower(nn.Module):
    """A stem of stride 2, `depth` convolutions 3x3 of one width, and a linear classifier.

    skip: add each layer's input to its output. norm: batch norm after each convolution.
    """

    def __init__(self, depth: int, skip: bool, norm: bool, channels: int = CHANNELS):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, stride=2, padding=1)
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(depth)
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(channels) if norm else nn.Identity() for _ in range(depth)
        )
        self.classifier = nn.Linear(channels, len(CLASSES))
        self.skip = skip
        for conv in self.convs:
            # With ReLU's gain, which is too small for SiLU: without batch norm the numbers shrink
            # from layer to layer. Batch norm hides that.
            nn.init.kaiming_normal_(conv.weight)

    def forward(self, images: Tensor) -> Tensor:
        """images [N, 3, H, W] -> class logits [N, 4]."""
        x = self.stem(images)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            y = F.silu(norm(conv(x)))
            x = x + y if self.skip else y
        return self.classifier(x.mean((2, 3)))


def planned(seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every run of the experiment, in the order in which they tell most, each part seed by seed.

    First towers with both remedies. Then what could be to blame if the deepest are no better: the
    learning rate (a lower and a higher one, three seeds), and the time (four times the steps). Then
    towers without one remedy or both.
    """
    runs = [Run("both", depth, seed=seed) for seed in seeds for depth in DEPTHS]
    for seed, depth, rate in itertools.product(seeds[:3], (16, 64), OTHER_RATES):
        runs.append(Run("both", depth, learning_rate=rate, seed=seed))
    runs += [Run("both", depth, LONGER, seed=seed) for seed in seeds for depth in DEPTHS]
    others = [kind for kind in KINDS if kind != "both"]
    for seed, kind, depth in itertools.product(seeds, others, DEPTHS):
        runs.append(Run(kind, depth, seed=seed))
    return runs


def trained(run: Run, pictures: tuple[int, int] = (TRAIN_PICTURES, VAL_PICTURES)) -> dict:
    """Train this tower, and return its row.

    The row: the run, params, macs, accuracy on the validation crops (0-1), the mean loss of the
    last 50 steps and of each tenth, `gradients` (the norm of the first layer's gradient, the median
    of each tenth of the training), the same `before` any step, and processor seconds. A training
    that breaks off says at which step. pictures: of the data set, to learn from and to validate on.
    """
    learn, validate = crops("train", pictures[0]), crops("val", pictures[1])
    with own_numbers(run.seed):
        tower = Tower(run.depth, *KINDS[run.kind])
    size = count(tower, 1, 3, CROP, CROP)
    recipe = TrainConfig(
        steps=run.steps,
        batch_size=BATCH,
        learning_rate=run.learning_rate,
        warmup=run.steps // 10,
        seed=run.seed,
    )
    norms = []
    first = tower.convs[0].weight
    started = time.process_time()
    losses = fit(
        tower, recipe, batches(*learn, recipe), lambda: norms.append(first.grad.norm().item())
    )
    seconds = time.process_time() - started
    row = asdict(run) | {"params": size.params, "macs": size.macs}
    row["accuracy"] = accuracy(tower, in_parts(*validate))
    row["loss"] = mean_of_last(losses)
    row["losses"] = loss_in_parts([{"loss": loss} for loss in losses], PARTS)
    kept = norms[: len(losses)]
    row["before"] = _short(norms[0])
    row["gradients"] = [_short(value) for value in _medians(kept)]
    if len(losses) < run.steps:
        row["broke_off_at"] = len(losses) + 1
    return row | {"seconds": round(seconds, 1)}


def _medians(values: Sequence[float]) -> list[float]:
    """The median of each tenth of the values, in their order."""
    parts = torch.tensor(values, dtype=torch.float64).tensor_split(min(PARTS, len(values)) or 1)
    return [statistics.median(part.tolist()) for part in parts if len(part)]


def _short(value: float) -> float | None:
    """Three digits of a gradient's norm, whatever its power of ten; None where it is not finite,
    for which JSON has no number.
    """
    return float(f"{value:.3g}") if abs(value) < float("inf") else None


# --- What the rows say ---


def by_depth(
    rows: Sequence[Mapping],
    kind: str = "both",
    steps: int = STEPS,
    learning_rate: float = RATE,
    value: str = "accuracy",
) -> dict[int, dict[int, float]]:
    """{depth: {seed: value}} of the towers with this kind, length and rate, depths ascending."""
    wanted = (kind, steps, learning_rate)
    found: dict[int, dict[int, float]] = {}
    for row in rows:
        if (row["kind"], row["steps"], row["learning_rate"]) == wanted:
            found.setdefault(row["depth"], {})[row["seed"]] = row[value]
    return dict(sorted(found.items()))


def doublings(found: Mapping[int, Mapping[int, float]]) -> dict[tuple[int, int], list[float]]:
    """{(depth, next depth): what the deeper towers have more}, a difference for each seed that has
    both. found: of `by_depth`.
    """
    return {
        (low, high): [
            found[high][seed] - found[low][seed]
            for seed in sorted(found[low])
            if seed in found[high]
        ]
        for low, high in itertools.pairwise(found)
    }


class Growth(NamedTuple):
    """What more layers are worth to one seed, in accuracy, each the mean of its trainings.

    up: from 2 layers to 16. before: a factor of four in depth, from 4 to 16. after: the next factor
    of four, from 16 to 64.
    """

    up: float
    before: float
    after: float


def growths(rows: Sequence[Mapping], lengths: Sequence[int] = (STEPS, LONGER)) -> dict[int, Growth]:
    """{seed: its growth} of the towers with both remedies.

    lengths: of the trainings, in steps. Two with one seed are not independent, so a seed's numbers
    are averaged over them. Only seeds count that have these depths at each; there may be none.
    """
    of_length = [by_depth(rows, steps=steps) for steps in lengths]
    found = [accuracies.get(depth, {}) for accuracies in of_length for depth in GROWTH]
    means = {
        seed: {
            depth: statistics.fmean(accuracies[depth][seed] for accuracies in of_length)
            for depth in GROWTH
        }
        for seed in sorted(set.intersection(*map(set, found)))
    }
    return {
        seed: Growth(own[LEVEL] - own[2], own[LEVEL] - own[4], own[64] - own[LEVEL])
        for seed, own in means.items()
    }


def findings(rows: Sequence[Mapping]) -> dict[str, Finding]:
    """The two parts of the claim that depth works only up to a level, even with both remedies.

    It works: accuracy grows from 2 layers to 16. Only up to a level: a factor of four in depth is
    worth more from 4 layers to 16 than from 16 to 64. One number a seed, of `growths`. Raises
    ValueError where no seed has every depth that this takes.
    """
    of_seed = growths(rows).values()
    return {
        "depth works": gained([growth.up for growth in of_seed]),
        "only up to a level": gained([growth.before - growth.after for growth in of_seed]),
    }


# --- The command ---


def settings(pictures: tuple[int, int] = (TRAIN_PICTURES, VAL_PICTURES)) -> dict:
    """What all runs have in common."""
    return {
        "batch": BATCH,
        "channels": CHANNELS,
        "train_pictures": pictures[0],
        "val_pictures": pictures[1],
    }


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, settings())
    few = (50, 50)
    runs = [
        replace(run, steps=20) for run in planned((0,)) if run.depth <= 8 and run.steps == STEPS
    ]
    return Plan(runs, functools.partial(trained, pictures=few), settings(few))


if __name__ == "__main__":
    main("towers", __doc__, plan)
