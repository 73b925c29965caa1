"""The arms of the scaling experiment: which networks are compared on each task.

The base network is the one that `balance` finds. Each direction spends 2, 4 and 8 times its MACs.
The grown networks answer another question, that of figure 4 of arXiv 1905.11946: is more
width worth more when depth and resolution have grown? They have the widths of the base and of the
"width" arms, at 1.5 times the base's depth and 1.3 times its resolution.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from effdet_lite.experiments.bottlenecks import TASKS
from effdet_lite.experiments.learning import Run
from effdet_lite.experiments.sizes import DIRECTIONS, FACTORS, Size, grown

WIDTHS = (1, 2, 4)  # of figure 4, as factors on the MACs
GROWN = (1.5, 1.3)  # times the depth and the resolution of the base, rounded up; as even pixels


@dataclass(frozen=True)
class Arm:
    """One network on one task.

    task: a key of TASKS. direction: "base", one of DIRECTIONS, or "grown". factor: its MACs in
    those of the base; of a grown network, those that its width alone would cost.
    """

    task: str
    direction: str
    factor: int
    size: Size

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from the others."""
        return self.task, self.direction, self.factor

    def run(self, rate: float, draw: str, seed: int) -> Run:
        """One training of it."""
        size = self.size
        return Run(
            *self.key, size.channels, size.blocks, size.resolution, rate=rate, draw=draw, seed=seed
        )


def deep_and_sharp(base: Size, channels: int) -> Size:
    """The grown network of this width."""
    depth, resolution = GROWN
    blocks = math.ceil(base.blocks * depth)
    return Size(channels, blocks, 2 * math.ceil(base.resolution * resolution / 2))


def arms(base: Size, tasks: Sequence[str] = tuple(TASKS)) -> list[Arm]:
    """Every arm, task by task: the base, the directions, the grown networks."""
    found = []
    for task in tasks:
        found.append(Arm(task, "base", 1, base))
        for factor, direction in itertools.product(FACTORS, DIRECTIONS):
            found.append(Arm(task, direction, factor, grown(base, direction, factor)))
        for factor in WIDTHS:
            width = grown(base, "width", factor).channels
            found.append(Arm(task, "grown", factor, deep_and_sharp(base, width)))
    return found
