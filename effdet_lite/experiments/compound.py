"""Compound scaling at toy size: what accuracy the same MACs buy as depth, as width, as resolution,
or as all three.

python -m effdet_lite.experiments.compound              every run, into compound.json beside this file;
finished runs are kept python -m effdet_lite.experiments.compound --quick      a few short runs, to see that
it works

Notebook 03 imports this file for its live slice. A run depends on its network, its seed and its
steps, and on nothing else. The idea is that of arXiv 1905.11946, sections 3.2 and 3.3, figures 3
and 8; task, sizes and recipe are ours.
"""

import argparse
import functools
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as transform

from effdet_lite.cost import Cost
from effdet_lite.efficientnet import EfficientNet, cost_by_stage
from effdet_lite.experiments import run as experiment
from effdet_lite.scaling import EfficientNetConfig
from effdet_lite.training import TrainConfig, learning_rate, make_optimizer, start_as_identity

CLASSES = [f"{corners} corners" for corners in range(3, 11)] + [
    f"{teeth} teeth" for teeth in range(5, 13)
]
SIDE = (
    128  # pixels of a picture as it is drawn; each network gets it smaller, at its own resolution
)
STEPS, BATCH, TEST_PICTURES = 350, 64, 4000
BASE = (0.25, 0.25, 40)  # width and depth as multiples of B0's, and resolution
FACTORS, SEEDS = (2, 4, 8), (0, 1, 2)

# A direction is (alpha, beta, gamma): what each doubling of the MACs is spent on.
DIRECTIONS = {
    "depth": (2, 1, 1),
    "width": (1, 2**0.5, 1),
    "resolution": (1, 1, 2**0.5),
    "compound": (1.2, 1.1, 1.15),
}
# The grid of the search: each way to share one doubling out, by thirds, between depth, width and
# resolution.
GRID = {
    f"grid {a}{b}{c}": (2 ** (a / 3), 2 ** (b / 6), 2 ** (c / 6))
    for a, b, c in itertools.product(range(4), repeat=3)
    if a + b + c == 3
}


@dataclass(frozen=True)
class Run:
    """One network to train. direction: "base", or a key of DIRECTIONS or GRID. factor: the MACs
    wished for, in those of the base network."""

    direction: str
    factor: int
    width: float
    depth: float
    resolution: int
    seed: int

    @property
    def cost(self) -> Cost:
        """Parameters and MACs, counted."""
        return sum(cost_by_stage(self.width, self.depth, self.resolution, len(CLASSES)))


@functools.lru_cache(maxsize=64)
def network_towards(
    alpha: float, beta: float, gamma: float, factor: float
) -> tuple[float, float, int]:
    """(width, depth, resolution) of the base network scaled by alpha^phi, beta^phi, gamma^phi, with
    the phi for which the counted MACs come nearest to `factor` times the base's (in steps of 5 %);
    of several, the one of log2(factor).

    Rounding makes the cost of a small network jump, so phi = log2(factor) itself would compare
    unequal costs.
    """
    width, depth, resolution = BASE
    base, best = Run("base", 1, *BASE, 0).cost.macs, None
    for phi in (step / 20 for step in range(1, 101)):
        candidate = (
            width * beta**phi,
            depth * alpha**phi,
            math.floor(resolution * gamma**phi + 0.5),
        )
        miss = abs(math.log(Run("", 0, *candidate, 0).cost.macs / base / factor))
        best = min(
            filter(None, (best, (round(miss / 0.05), abs(phi - math.log2(factor)), candidate)))
        )
    return best[-1]


def planned(seeds: Sequence[int] = SEEDS, factors: Sequence[int] = FACTORS) -> list[Run]:
    """Every run of the experiment; the cheap ones and the first seed first, so that a part of them
    compares too.
    """
    # The corners of the grid are depth, width and resolution alone, which are there already.
    inner = [name for name in GRID if "3" not in name]
    runs = []
    for seed in seeds:
        runs.append(Run("base", 1, *BASE, seed))
        runs += [Run(name, 2, *network_towards(*GRID[name], 2), seed) for name in inner]
        for name, factor in itertools.product(DIRECTIONS, factors):
            runs.append(Run(name, factor, *network_towards(*DIRECTIONS[name], factor), seed))
    return sorted(runs, key=lambda run: (run.factor > 4, run.seed, -run.cost.macs))


def draw(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """`count` grey pictures, uint8 [count, SIDE, SIDE], and their labels: polygons and gears of any
    size, angle, place and contrast on noise, as many of each class. A class is a number of corners
    or of teeth."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(CLASSES)
    labels = labels[torch.randperm(count, generator=random)]
    ruler, pictures = torch.arange(SIDE) + 0.5 - SIDE / 2, []
    for some in labels.split(256):
        is_gear = (some >= 8)[:, None, None]
        number = torch.where(some >= 8, some - 3, some + 3)[:, None, None]
        size, turn, left, top, ground, contrast, sign = torch.rand(
            7, len(some), 1, 1, generator=random
        )
        radius = SIDE * (0.22 + 0.24 * size)
        free = SIDE / 2 - 1.02 * radius
        x, y = (
            ruler[None, None, :] - (2 * left - 1) * free,
            ruler[None, :, None] - (2 * top - 1) * free,
        )
        angle, wedge = torch.atan2(y, x) + 2 * math.pi * turn, 2 * math.pi / number
        polygon = torch.cos(wedge / 2) / torch.cos(
            angle.remainder(wedge) - wedge / 2
        )  # its rim, in radii
        gear = 0.87 + 0.13 * torch.tanh(4 * torch.sin(number * angle))
        inside = (torch.where(is_gear, gear, polygon) * radius - torch.hypot(x, y) + 0.5).clamp(
            0, 1
        )
        picture = (
            0.4 + 0.2 * ground + torch.where(sign < 0.5, -1, 1) * (0.15 + 0.25 * contrast) * inside
        )
        picture = picture + 0.1 * torch.randn(picture.shape, generator=random)
        pictures.append((255 * picture).clamp(0, 255).to(torch.uint8))
    return torch.cat(pictures), labels


@functools.lru_cache(maxsize=1)
def pictures_for_all(steps: int, test_pictures: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Training pictures, one batch a step and none twice, with labels, and test pictures with
    labels; for every run.
    """
    return (*draw(steps * BATCH, seed=1), *draw(test_pictures, seed=2))


def at_resolution(pictures: Tensor, side: int) -> Tensor:
    """uint8 [n, SIDE, SIDE] -> floats in 0-1, [n, 3, side, side], averaged down as a photograph
    would be.
    """
    small = transform.resize(pictures[:, None], [side, side], antialias=True)
    return (small.float() / 255).expand(-1, 3, -1, -1)


def trained(run: Run, steps: int = STEPS, test_pictures: int = TEST_PICTURES) -> dict:
    """Train this network and return the run with its params, macs, accuracy on the test pictures
    (0-1), mean loss of the last 50 steps, and processor seconds of training. The recipe is the
    package's, and the same for all."""
    images, labels, test_images, test_labels = pictures_for_all(steps, test_pictures)
    recipe = TrainConfig(
        steps=steps, batch_size=BATCH, learning_rate=0.01, warmup=steps // 10, seed=run.seed
    )
    torch.manual_seed(run.seed)
    config = EfficientNetConfig(
        run.width, run.depth, run.resolution, dropout=0, stochastic_depth=0, norm_momentum=0.1
    )
    network = EfficientNet(config, len(CLASSES)).to(memory_format=torch.channels_last)
    start_as_identity(network)
    optimizer = make_optimizer(network, recipe)
    order = torch.randperm(len(images)).split(BATCH)
    started, losses = time.process_time(), []
    for step, batch in enumerate(order):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe)
        loss = F.cross_entropy(network(at_resolution(images[batch], run.resolution)), labels[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    seconds = time.process_time() - started
    network.eval()
    with torch.no_grad():
        parts = zip(test_images.split(250), test_labels.split(250), strict=True)
        right = sum(
            (network(at_resolution(x, run.resolution)).argmax(1) == y).sum().item()
            for x, y in parts
        )
    cost, last = run.cost, losses[-50:]
    return asdict(run) | {
        "params": cost.params,
        "macs": cost.macs,
        "accuracy": right / len(test_labels),
        "loss": round(sum(last) / len(last), 4),
        "seconds": round(seconds, 1),
    }


load = experiment.load  # notebook 03 reads the results with it


def run_all(
    path: Path,
    runs: Sequence[Run],
    steps: int = STEPS,
    test_pictures: int = TEST_PICTURES,
    processes: int = 2,
) -> dict:
    """Train what `path` does not hold yet; see `experiment.run_all`."""
    settings = {"steps": steps, "batch": BATCH, "test_pictures": test_pictures, "base": list(BASE)}
    train_one = functools.partial(trained, steps=steps, test_pictures=test_pictures)
    return experiment.run_all(path, runs, train_one, settings, processes)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=experiment.results("compound"))
    parser.add_argument(
        "--processes", type=int, default=2, help="runs at a time, each on one thread"
    )
    parser.add_argument(
        "--quick", action="store_true", help="seed 0, twice the MACs, 40 steps; into quick.json"
    )
    options = parser.parse_args()
    if options.quick:
        run_all(
            options.output.with_name("quick.json"), planned((0,), (2,)), 40, 500, options.processes
        )
    else:
        run_all(options.output, planned(), processes=options.processes)


if __name__ == "__main__":
    main()
