"""One map for all sizes, or several: the small detector that answers from one level alone.

P2, P4 or P6 alone against all five levels, on shapes of 8 to 96 px, without fusion, so that a level
knows what its own window holds; and P2 alone behind an FPN, which brings it what the coarser levels
know. A level that is alone has the anchors of all five sizes at each of its positions, and heads of
its own for each size. So it lacks no anchor, only the other maps. Five seeds.

    python -m effdet_lite.experiments.one_level            every run; finished ones are kept
    python -m effdet_lite.experiments.one_level --quick    seed 0, 20 steps each

`image_pyramid_share` is the other way to several resolutions: the same network on the picture in
full size, in half, in a quarter and so on.
"""

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from effdet_lite.anchors import anchor_grid
from effdet_lite.cost import Cost
from effdet_lite.data import ShapesDetection
from effdet_lite.efficientdet import PRIOR, EfficientDet, Head, check_size
from effdet_lite.efficientnet import layer_style
from effdet_lite.experiments import necks
from effdet_lite.experiments.plain import PlainDetector, detector
from effdet_lite.experiments.run import Plan, main
from effdet_lite.randomness import own_numbers
from effdet_lite.scaling import EfficientDetConfig

STEPS = 800
SEEDS = (0, 1, 2, 3, 4)
ALL = 0  # in place of a level: answer from all of them
ARMS = (
    ("no fusion", ALL),
    ("no fusion", 2),
    ("no fusion", 4),
    ("no fusion", 6),
    ("FPN", 2),
)


class OneLevelDetector(PlainDetector):
    """The small detector that answers from the map of `level` alone, with anchors of every level's
    size there.

    `level` is set after building; it is the finest one at first.
    """

    def build_heads(self, config: EfficientDetConfig, num_classes: int) -> None:
        self.level = config.min_level
        shape = config.fusion_channels, config.head_repeats, 1
        style = layer_style(config.backbone)
        self.class_head = nn.ModuleList(Head(*shape, num_classes, style) for _ in config.levels)
        self.box_head = nn.ModuleList(Head(*shape, 4, style) for _ in config.levels)
        for head in self.class_head:
            nn.init.constant_(head.predict.pointwise.bias, math.log(PRIOR / (1 - PRIOR)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As of `EfficientDet`; anchors by size, row, column, and the nine shapes."""
        only = [self.pyramid(images)[self.level - self.config.min_level]]
        logits = torch.cat([head(only) for head in self.class_head], 1)
        deltas = torch.cat([head(only) for head in self.box_head], 1)
        return logits, deltas

    def anchors(self, height: int, width: int) -> Tensor:
        check_size(height, width, self.config.max_level)
        device = next(self.parameters()).device
        scale = self.config.anchor_scale
        boxes = [
            anchor_grid(height, width, [self.level], scale * 2.0 ** (size - self.level), device)
            for size in self.config.levels
        ]
        return torch.cat(boxes)


@dataclass(frozen=True)
class Run:
    """One detector to train. neck: a key of `necks.GRAPHS`. level: the one that answers, or ALL."""

    neck: str = "no fusion"
    level: int = ALL
    seed: int = 0


def planned(seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every run, the first seed first."""
    return [Run(*arm, seed) for seed in seeds for arm in ARMS]


def begun(run: Run, classes: int = 4) -> EfficientDet:
    """The run's detector before its first step."""
    graph = necks.GRAPHS[run.neck]
    with own_numbers(run.seed):
        if run.level == ALL:
            return detector(graph, classes)
        model = detector(graph, classes, kind=OneLevelDetector)
    model.level = run.level
    return model


@functools.lru_cache(maxsize=2)
def pictures(split: str, length: int) -> ShapesDetection:
    """The same shapes for every run, kept once they are drawn."""
    return ShapesDetection(split, necks.SIZE, length, seed=1, cache=True)


def trained(run: Run, steps: int = STEPS) -> dict:
    """Train this detector, and return its row: the run, and the figures of `necks.fit`."""
    train_set = pictures("train", steps * necks.BATCH)
    test_set = pictures("test", necks.TEST_PICTURES)
    return asdict(run) | necks.fit(begun(run), train_set, test_set, steps, run.seed)


def image_pyramid_share(cost_at: Callable[[int], Cost], side: int, images: int = 5) -> float:
    """MACs of one network on a picture in `images` sizes, over those on the picture alone.

    cost_at: of the network on a picture of this side. side: of the largest picture, in pixels; each
    further one has half of the side before. MACs grow with the area, so the share is nearly
    1 + 1/4 + 1/16 ... = 4/3.
    """
    macs = [cost_at(side // 2**halvings).macs for halvings in range(images)]
    return sum(macs) / macs[0]


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, necks.settings(STEPS))
    steps = necks.QUICK_STEPS
    return Plan(planned((0,)), functools.partial(trained, steps=steps), necks.settings(steps))


if __name__ == "__main__":
    main("one_level", __doc__, plan)
