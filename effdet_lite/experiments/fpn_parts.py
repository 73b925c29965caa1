"""FPN without its parts: the laterals, the top-down path, and the 3x3 convolution of each node.

The task is that of `necks`, dots whose class is the ring around them, so the dots need both: their
place from the fine map (a lateral) and their class from a coarse one (the path down). Short
trainings, five seeds.

    python -m effdet_lite.experiments.fpn_parts            every run; finished ones are kept
    python -m effdet_lite.experiments.fpn_parts --quick    seed 0, 20 steps each
"""

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from effdet_lite.data import DetectionDataset
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments import necks
from effdet_lite.experiments.plain import LEVELS, detector
from effdet_lite.experiments.run import Plan, main
from effdet_lite.fusion import FusionGraph, Node, fpn
from effdet_lite.randomness import own_numbers

STEPS = 200
SEEDS = (0, 1, 2, 3, 4)
CONVOLUTIONS = ("3x3", "1x1", "none")
BLOCK_LEVELS = (
    2,
    3,
    4,
)  # where copies of a coarser map come in, and blocks are large enough to see
BLOCK_PICTURES = 64


def no_laterals(levels: Sequence[int]) -> FusionGraph:
    """Each level reads the node above it and nothing else; the coarsest one its own map."""
    coarsest = max(levels)
    nodes = [Node(f"P{coarsest}_td", coarsest, (f"P{coarsest}_in",))]
    for level in sorted(levels)[-2::-1]:
        nodes.append(Node(f"P{level}_td", level, (f"P{level + 1}_td",)))
    return FusionGraph("FPN without laterals", tuple(nodes))


def neither(levels: Sequence[int]) -> FusionGraph:
    """No laterals and no path of nodes: each level reads the coarsest map, enlarged to its size."""
    coarsest = max(levels)
    nodes = tuple(Node(f"P{level}_td", level, (f"P{coarsest}_in",)) for level in sorted(levels))
    return FusionGraph("neither laterals nor a path down", nodes)


GRAPHS = {
    "both": fpn(LEVELS),
    "no path down": necks.no_fusion(LEVELS),
    "no laterals": no_laterals(LEVELS),
    "neither": neither(LEVELS),
}


@dataclass(frozen=True)
class Run:
    """One detector to train. parts: a key of GRAPHS. convolution: of CONVOLUTIONS, of each node."""

    parts: str = "both"
    convolution: str = "3x3"
    seed: int = 0


def planned(seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every run, the first seed first."""
    runs = []
    for seed in seeds:
        runs += [Run(parts, seed=seed) for parts in GRAPHS]
        runs += [Run(convolution=kind, seed=seed) for kind in CONVOLUTIONS[1:]]
    return runs


def begun(run: Run) -> EfficientDet:
    """The run's detector before its first step.

    A node's separable convolution is a depthwise 3x3 and a pointwise 1x1. "1x1" leaves the second
    alone, "none" neither; activation and norm stay.
    """
    with own_numbers(run.seed):
        model = detector(GRAPHS[run.parts], 6)
    for cell in model.fusion.cells:
        for node in cell.values():
            if run.convolution == "1x1":
                node.conv = node.conv.pointwise
            elif run.convolution == "none":
                node.conv = nn.Identity()
    return model


def block_ratio(x: Tensor) -> float:
    """How much a map [N, C, H, W] is made of blocks of 2 x 2: the mean step between neighboring
    columns of different blocks, over that between the columns of one block.

    1: no blocks; infinite: copies alone. Raises ValueError for a map narrower than 4.
    """
    if x.shape[-1] < 4:
        raise ValueError(f"a map needs at least 4 columns to have steps of both kinds: {x.shape}.")
    steps = x.detach().diff(dim=3).abs().mean((0, 1, 2))
    return (steps[1::2].mean() / steps[::2].mean()).item()


@torch.no_grad()
def block_ratios(model: EfficientDet, test_set: DetectionDataset) -> list[float]:
    """Of the neck's outputs P2, P3 and P4, on the first test pictures."""
    images = torch.stack([test_set[index][0] for index in range(BLOCK_PICTURES)])
    maps = model.eval().pyramid(images.as_subclass(Tensor))
    return [round(block_ratio(maps[level - LEVELS[0]]), 4) for level in BLOCK_LEVELS]


def trained(run: Run, steps: int = STEPS) -> dict:
    """Train this detector, and return its row: the run, the figures of `necks.fit`, and
    `block_ratios`.
    """
    model = begun(run)
    test_set = necks.pictures("top-down", False)
    figures = necks.fit(model, necks.pictures("top-down", True), test_set, steps, run.seed)
    return asdict(run) | figures | {"block_ratios": block_ratios(model, test_set)}


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, necks.settings(STEPS))
    steps = necks.QUICK_STEPS
    return Plan(planned((0,)), functools.partial(trained, steps=steps), necks.settings(steps))


if __name__ == "__main__":
    main("fpn_parts", __doc__, plan)
