"""What a trained network loses when resolution grows alone, and its blocks stay as they are.

The class of a picture is whether marks half a picture apart are alike. A position of the last map
must see two marks at once to tell, and how many pixels that takes grows with the resolution. So
resolution grows with the blocks fixed, and then with depth along. Notebook 03 draws the results.

    python -m effdet_lite.experiments.window            every run; finished ones are kept
    python -m effdet_lite.experiments.window --quick    seed 0, up to 64 px, 20 steps each

The claim is of arXiv 1905.11946, section 3.3 (a finer image asks for larger receptive fields);
task, networks and recipe are ours.
"""

import functools
import itertools
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from effdet_lite import cost
from effdet_lite.experiments.classifiers import accuracy, fit, in_parts, mean_of_last
from effdet_lite.experiments.partners import CLASSES, FAR, NEAR, RADIUS, SIDE, at_resolution, draw
from effdet_lite.experiments.run import Plan, main
from effdet_lite.experiments.verdicts import Finding, gained
from effdet_lite.randomness import own_numbers
from effdet_lite.settings import TrainConfig

STEPS, BATCH, RATE, TEST_PICTURES = 150, 64, 0.003, 2000
RESOLUTIONS = (32, 48, 64, 96, 128)
BLOCKS = 1  # of the network that resolution is added to
STEM, HEAD = (8, 16, 16), 64  # channels
SEEDS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Run:
    """One network to train.

    resolution: pixels of the picture's side as the network gets it. blocks: after the stem.
    distance: between partners, in pixels of SIDE.
    """

    resolution: int
    blocks: int
    distance: int = FAR
    seed: int = 0

    @property
    def field(self) -> int:
        """Receptive field of a position of the last map, in pixels of `resolution`."""
        return cost.receptive_field(layers(self.blocks)).size

    @property
    def gap(self) -> float:
        """Pixels of `resolution` between the rims of two partners. A window that is no larger sees
        one of them at most.
        """
        return (self.distance - 2 * RADIUS) * self.resolution / SIDE


def layers(blocks: int) -> list[tuple[int, int]]:
    """(kernel, stride) of each convolution that looks around, for `cost.receptive_field`."""
    return [(3, 2)] * len(STEM) + [(3, 1)] * blocks


def blocks_for(resolution: int) -> int:
    """The fewest blocks that see as large a share of the picture as BLOCKS do at the lowest
    resolution.
    """
    lowest = RESOLUTIONS[0]
    share = cost.receptive_field(layers(BLOCKS)).size / lowest
    blocks = BLOCKS
    while cost.receptive_field(layers(blocks)).size / resolution < share:
        blocks += 1
    return blocks


class Network(nn.Module):
    """Three convolutions of stride 2, `blocks` convolutions with skips, a pointwise head, the mean
    over the map, and a linear classifier.

    Nothing but the 3x3 convolutions looks around: there is no squeeze-and-excitation. A picture
    goes on at its other side (circular padding), so no position can tell where the border is.
    """

    def __init__(self, blocks: int):
        super().__init__()
        pairs = itertools.pairwise((1, *STEM))
        self.stem = nn.Sequential(*(_conv(c_in, c_out, stride=2) for c_in, c_out in pairs))
        self.blocks = nn.ModuleList(_conv(STEM[-1], STEM[-1]) for _ in range(blocks))
        self.head = _conv(STEM[-1], HEAD, kernel=1)
        self.classifier = nn.Linear(HEAD, len(CLASSES))

    def forward(self, images: Tensor) -> Tensor:
        """images [N, 1, H, W] in 0-1, H and W multiples of 8 -> class logits [N, 2]."""
        x = self.stem((images - 0.5) / 0.25)
        for block in self.blocks:
            x = x + block(x)
        return self.classifier(self.head(x).mean((2, 3)))


def _conv(c_in: int, c_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm and SiLU."""
    padding = kernel // 2
    conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=False, padding_mode="circular")
    return nn.Sequential(conv, nn.BatchNorm2d(c_out), nn.SiLU(inplace=True))


# --- Training ---


@functools.lru_cache(maxsize=2)
def pictures_for_all(steps: int, test_pictures: int, distance: int) -> tuple[Tensor, ...]:
    """Training pictures, one batch a step and none twice, with labels, and test pictures with
    labels; the same for every network and seed.
    """
    return (*draw(steps * BATCH, 1, distance), *draw(test_pictures, 2, distance))


def trained(run: Run, steps: int = STEPS, test_pictures: int = TEST_PICTURES) -> dict:
    """Train this network, and return its row.

    The row: the run, its receptive field and its partners' gap in pixels, params, macs, accuracy on
    the test pictures (0-1), the mean loss of the last 50 steps, and processor seconds of training.
    """
    images, labels, test_images, test_labels = pictures_for_all(steps, test_pictures, run.distance)
    with own_numbers(run.seed):
        network = Network(run.blocks)
        order = torch.randperm(len(images)).split(BATCH)
    size = cost.count(network, 1, 1, run.resolution, run.resolution)
    recipe = TrainConfig(
        steps=steps, batch_size=BATCH, learning_rate=RATE, warmup=steps // 10, seed=run.seed
    )
    started = time.process_time()
    losses = fit(
        network,
        recipe,
        ((at_resolution(images[some], run.resolution), labels[some]) for some in order),
    )
    seconds = time.process_time() - started
    tests = (
        (at_resolution(some, run.resolution), theirs)
        for some, theirs in in_parts(test_images, test_labels)
    )
    return asdict(run) | {
        "field": run.field,
        "gap": round(run.gap, 1),
        "params": size.params,
        "macs": size.macs,
        "accuracy": accuracy(network, tests),
        "loss": mean_of_last(losses),
        "seconds": round(seconds, 1),
    }


# --- What is trained, and what the rows say ---


def planned(seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every run of the experiment, in the order in which they tell most.

    32, 96 and 128 px decide, and have all seeds. What lies between, where a window sees parts of
    both marks, has the first two, and so has the control: partners that are near enough for the
    fixed blocks at 128 px.
    """
    runs = [run for seed in seeds for run in _pair(32, seed) + _pair(128, seed)]
    runs += [Run(128, BLOCKS, NEAR, seed) for seed in seeds[:2]]
    runs += [run for seed in seeds for run in _pair(96, seed)]
    runs += [run for seed in seeds[:2] for run in _pair(48, seed) + _pair(64, seed)]
    return list(dict.fromkeys(runs))  # at the lowest resolution the two networks are one


def _pair(resolution: int, seed: int) -> list[Run]:
    """The fixed blocks, and depth along."""
    return [
        Run(resolution, BLOCKS, FAR, seed),
        Run(resolution, blocks_for(resolution), FAR, seed),
    ]


def accuracies(
    rows: Sequence[Mapping], with_depth: bool = False, distance: int = FAR
) -> dict[int, dict[int, float]]:
    """{resolution: {seed: accuracy}}, resolutions ascending: of the fixed blocks, or with depth
    along.
    """
    found: dict[int, dict[int, float]] = {}
    for row in rows:
        blocks = blocks_for(row["resolution"]) if with_depth else BLOCKS
        if (row["blocks"], row["distance"]) == (blocks, distance):
            found.setdefault(row["resolution"], {})[row["seed"]] = row["accuracy"]
    return dict(sorted(found.items()))


def falls_by_resolution(rows: Sequence[Mapping]) -> dict[int, list[float]]:
    """{resolution: accuracy lost against the lowest resolution}, blocks fixed: a difference a seed
    that has both.
    """
    found = accuracies(rows)
    lowest = found.pop(RESOLUTIONS[0], {})
    return {
        resolution: [lowest[seed] - own[seed] for seed in sorted(own) if seed in lowest]
        for resolution, own in found.items()
    }


def gains_by_depth(rows: Sequence[Mapping]) -> dict[int, list[float]]:
    """{resolution: accuracy gained by depth along}: a difference a seed that has both networks."""
    fixed, deeper = accuracies(rows), accuracies(rows, with_depth=True)
    return {
        resolution: [
            own[seed] - fixed[resolution][seed] for seed in sorted(own) if seed in fixed[resolution]
        ]
        for resolution, own in deeper.items()
        if resolution in fixed and blocks_for(resolution) != BLOCKS
    }


def findings(rows: Sequence[Mapping]) -> dict[str, Finding]:
    """The two parts of the claim: fixed blocks do not do for a higher resolution, and depth along
    does.

    At the resolutions where the fixed blocks' window holds one mark at a time. Raises ValueError
    where no seed can be compared.
    """
    fixed = [Run(resolution, BLOCKS) for resolution in RESOLUTIONS]
    blind = {run.resolution for run in fixed if run.field <= run.gap}
    falls, gains = falls_by_resolution(rows), gains_by_depth(rows)
    return {
        "resolution alone loses": gained(_of(falls, blind)),
        "depth along brings it back": gained(_of(gains, blind)),
    }


def _of(differences: Mapping[int, Sequence[float]], resolutions: Collection[int]) -> dict:
    """The differences of these resolutions, where there are any."""
    return {
        f"{resolution} px": own
        for resolution, own in differences.items()
        if resolution in resolutions and own
    }


# --- The command ---


def settings(steps: int = STEPS, test_pictures: int = TEST_PICTURES) -> dict:
    """What all runs have in common."""
    return {
        "steps": steps,
        "batch": BATCH,
        "learning_rate": RATE,
        "test_pictures": test_pictures,
    }


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, settings())
    runs = [run for run in planned((0,)) if run.resolution <= 64]
    few = {"steps": 20, "test_pictures": 200}
    return Plan(runs, functools.partial(trained, **few), settings(**few))


if __name__ == "__main__":
    main("window", __doc__, plan)
