"""Compound scaling at toy size: what the same MACs buy as depth, width, resolution, or all three.

Notebook 03 draws the results, and trains a slice of the runs live. A run depends on its network,
its seed and its steps, and on nothing else. Three seeds each.

    python -m effdet_lite.experiments.compound            every run; finished ones are kept
    python -m effdet_lite.experiments.compound --quick    seed 0, twice the MACs, 40 steps each

The idea is that of arXiv 1905.11946, sections 3.2 and 3.3, figures 3 and 8; task, sizes and recipe
are ours.
"""

import functools
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_stage
from effdet_lite.efficientnet import EfficientNet
from effdet_lite.experiments import bottlenecks
from effdet_lite.experiments.run import Plan, main
from effdet_lite.optimizing import learning_rate, make_optimizer
from effdet_lite.randomness import own_numbers
from effdet_lite.scaling import EfficientNetConfig
from effdet_lite.settings import TrainConfig
from effdet_lite.starting import zero_init_residual

POLYGONS = range(3, 11)  # numbers of corners
GEARS = range(5, 13)  # numbers of teeth
CLASSES = [*(f"{number} corners" for number in POLYGONS), *(f"{number} teeth" for number in GEARS)]
SIDE = 128  # pixels of a picture as it is drawn; each network gets it at its own resolution
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
THIRDS = [parts for parts in itertools.product(range(4), repeat=3) if sum(parts) == 3]
GRID = {f"grid {a}{b}{c}": (2 ** (a / 3), 2 ** (b / 6), 2 ** (c / 6)) for a, b, c in THIRDS}
# The corners of the grid are depth, width and resolution alone, which are directions already.
INNER = [f"grid {a}{b}{c}" for a, b, c in THIRDS if 3 not in (a, b, c)]


@dataclass(frozen=True)
class Run:
    """One network to train.

    direction: "base", or a key of DIRECTIONS or GRID. factor: the MACs wished for, in those of the
    base network. width, depth: multiples of B0's. resolution: pixels.
    """

    direction: str
    factor: int
    width: float
    depth: float
    resolution: int
    seed: int

    @property
    def cost(self) -> Cost:
        """Parameters and MACs, counted."""
        return cost_of(self.width, self.depth, self.resolution)


def cost_of(width: float, depth: float, resolution: int) -> Cost:
    """Parameters and MACs of a network on one picture."""
    return sum(cost_by_stage(width, depth, resolution, len(CLASSES)))


@functools.lru_cache(maxsize=64)
def network_towards(
    alpha: float, beta: float, gamma: float, factor: float
) -> tuple[float, float, int]:
    """(width, depth, resolution) of the base network scaled by alpha^phi, beta^phi, gamma^phi.

    phi is the one for which the counted MACs come nearest to `factor` times the base's, in steps of
    5 %; of several, the one nearest to log2(factor). Rounding makes the cost of a small network
    jump, so phi = log2(factor) itself would compare unequal costs.
    """
    width, depth, resolution = BASE
    wanted = cost_of(*BASE).macs * factor
    best = None
    for phi in (step / 20 for step in range(1, 101)):
        scaled_resolution = math.floor(resolution * gamma**phi + 0.5)
        network = (width * beta**phi, depth * alpha**phi, scaled_resolution)
        miss = abs(math.log(cost_of(*network).macs / wanted))
        candidate = (round(miss / 0.05), abs(phi - math.log2(factor)), network)
        best = candidate if best is None else min(best, candidate)
    return best[-1]


def planned(seeds: Sequence[int] = SEEDS, factors: Sequence[int] = FACTORS) -> list[Run]:
    """Every run of the experiment; the cheap ones and the first seed first, so that a part of them
    compares too.
    """
    runs = []
    for seed in seeds:
        runs.append(Run("base", 1, *BASE, seed))
        for name in INNER:
            runs.append(Run(name, 2, *network_towards(*GRID[name], 2), seed))
        for name, factor in itertools.product(DIRECTIONS, factors):
            runs.append(Run(name, factor, *network_towards(*DIRECTIONS[name], factor), seed))
    return sorted(runs, key=lambda run: (run.factor > 4, run.seed, -run.cost.macs))


def draw(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """`count` gray pictures, uint8 [count, SIDE, SIDE], and their labels [count].

    Polygons and gears of any size, angle, place and contrast on noise, as many of each class. A
    class is a number of corners or of teeth.
    """
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(CLASSES)
    labels = labels[torch.randperm(count, generator=random)]
    pictures = [_draw(some, random) for some in labels.split(256)]
    return torch.cat(pictures), labels


def _draw(labels: Tensor, random: torch.Generator) -> Tensor:
    """A picture of each label, uint8 [n, SIDE, SIDE]."""
    labels = labels[:, None, None]
    is_gear = labels >= len(POLYGONS)
    number = torch.where(is_gear, labels - len(POLYGONS) + GEARS[0], labels + POLYGONS[0])
    drawn = torch.rand(7, len(labels), 1, 1, generator=random)
    size, turn, left, top, ground, contrast, sign = drawn

    radius = SIDE * (0.22 + 0.24 * size)
    free = SIDE / 2 - 1.02 * radius
    ruler = torch.arange(SIDE) + 0.5 - SIDE / 2
    x = ruler[None, None, :] - (2 * left - 1) * free
    y = ruler[None, :, None] - (2 * top - 1) * free

    # The rim's distance from the middle, in radii.
    angle = torch.atan2(y, x) + 2 * math.pi * turn
    wedge = 2 * math.pi / number
    polygon = torch.cos(wedge / 2) / torch.cos(angle.remainder(wedge) - wedge / 2)
    gear = 0.87 + 0.13 * torch.tanh(4 * torch.sin(number * angle))
    rim = torch.where(is_gear, gear, polygon) * radius
    inside = (rim - torch.hypot(x, y) + 0.5).clamp(0, 1)

    direction = torch.where(sign < 0.5, -1, 1)  # darker or brighter than the ground
    picture = 0.4 + 0.2 * ground + direction * (0.15 + 0.25 * contrast) * inside
    picture = picture + 0.1 * torch.randn(picture.shape, generator=random)
    return (255 * picture).clamp(0, 255).to(torch.uint8)


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
    return bottlenecks.at_resolution(pictures, side).expand(-1, 3, -1, -1)


def trained(run: Run, steps: int = STEPS, test_pictures: int = TEST_PICTURES) -> dict:
    """Train this network, and return its row.

    The row: the run, params, macs, accuracy on the test pictures (0-1), the mean loss of the last
    50 steps, and processor seconds of training. The recipe is the package's, and the same for all.
    """
    images, labels, test_images, test_labels = pictures_for_all(steps, test_pictures)
    config = EfficientNetConfig(
        run.width, run.depth, run.resolution, dropout=0, stochastic_depth=0, norm_momentum=0.1
    )
    with own_numbers(run.seed):
        network = EfficientNet(config, len(CLASSES)).to(memory_format=torch.channels_last)
        started = time.process_time()
        losses = _train(network, run, steps, images, labels)
    seconds = time.process_time() - started
    last = losses[-50:]
    return asdict(run) | {
        "params": run.cost.params,
        "macs": run.cost.macs,
        "accuracy": _accuracy(network, run.resolution, test_images, test_labels),
        "loss": round(sum(last) / len(last), 4),
        "seconds": round(seconds, 1),
    }


def _train(
    network: EfficientNet, run: Run, steps: int, images: Tensor, labels: Tensor
) -> list[float]:
    """Train the network in place, each picture once; the loss of each step."""
    recipe = TrainConfig(
        steps=steps, batch_size=BATCH, learning_rate=0.01, warmup=steps // 10, seed=run.seed
    )
    zero_init_residual(network)
    optimizer = make_optimizer(network, recipe)
    losses = []
    for step, batch in enumerate(torch.randperm(len(images)).split(BATCH)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe)
        logits = network(at_resolution(images[batch], run.resolution))
        loss = F.cross_entropy(logits, labels[batch])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def _accuracy(network: EfficientNet, resolution: int, images: Tensor, labels: Tensor) -> float:
    """The share of pictures whose class the network finds, 0-1."""
    network.eval()
    correct = 0
    for some, their_labels in zip(images.split(250), labels.split(250), strict=True):
        found = network(at_resolution(some, resolution)).argmax(1)
        correct += (found == their_labels).sum().item()
    return correct / len(labels)


def settings(steps: int = STEPS, test_pictures: int = TEST_PICTURES) -> dict:
    """What all runs have in common."""
    return {"steps": steps, "batch": BATCH, "test_pictures": test_pictures, "base": list(BASE)}


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, settings())
    few = {"steps": 40, "test_pictures": 500}
    return Plan(planned((0,), (2,)), functools.partial(trained, **few), settings(**few))


if __name__ == "__main__":
    main("compound", __doc__, plan)
