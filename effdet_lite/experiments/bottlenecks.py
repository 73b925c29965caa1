"""Three tasks that ask for three different things: pictures, drawn from a seed.

Each task has one knob, a number that makes it harder in one way:

- "detail": eight round patches of fine stripes, all leaning one way, which is the class. Knob: the
  width of the finest stripe, in pixels. Averaging erases stripes that are narrower than a pixel of
  the network's input, so fine stripes ask for resolution.
- "span": four marks at the corners of a square, two bright and two dark. The class is which of them
  are alike: those side by side, those above one another, or those across. Knob: the side of the
  largest square, in pixels. Two marks can be compared by a window that holds both, so large squares
  ask for a large window. Here depth alone enlarges it (see `sizes`).
- "kinds": eight patches of wide stripes. Three are of one kind, and five of five other kinds; a
  kind is a direction and a period. The class is the kind that is there three times. Knob: the
  number of kinds. The mean over positions has to hold the counts of all kinds, in as many numbers
  as the network has channels, so many kinds ask for width.

These tasks were made to differ. They show what a dimension does where it is needed, and they are no
sample of the tasks of the world. What decided their form, in pilots of 250 to 400 steps with one
seed and one rate, scored on validation pictures:

- Each mark of "span" is bright or dark with equal chance in every class, wherever it lies. So no
  sum over windows with one mark each tells the class. Squeeze-and-excitation would see all four
  marks at once and compare them without depth; the networks here have none.
- Squares from 10 pixels on, by their logarithm. With none below 30 pixels no network, shallow or
  deep, began to learn: near marks are learned first, and far ones follow.
- Stripes for "detail". The side of the gap in small rings left traces after averaging: four times
  the MACs found more of them as width (.75) than as resolution (.57).
- Stripes of 1.25 pixels and more. Those of 2 pixels and more came through a third of the
  resolution well enough for .94 with four times the MACs as width.
- Several patches for "kinds". With one stamp of 4 x 4 cells a picture, of 64 patterns, four times
  the MACs were worth as much as depth (.64) as they were as width (.66).

- 32 kinds. With 16 of them four times the MACs as width came to .96 within 400 steps; with 24 and
  64,000 pictures a base network came to .69, and one of four times its MACs to .97.
- Squares by their logarithm. Drawn evenly, so that most are large, a base network did not begin to
  learn within 2,000 steps.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as transform

SIDE = 96  # pixels of a picture as it is drawn; each network gets it at its own resolution
NOISE = 0.1  # standard deviation of a drawn pixel; a picture's values are 0-1
DIRECTIONS = 8  # of fine stripes, in half a turn
MARK = 8  # side of a mark in pixels
NEAREST = 10  # side of the smallest square in pixels
# Which marks of a square are alike: top left, top right, bottom left, bottom right.
ARRANGEMENTS = torch.tensor([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
SLOTS = 4  # along one side of a picture
SLOT = SIDE // SLOTS  # pixels
PATCH = 20  # pixels across
PERIODS = (9.0, 14.0)  # pixels
ALIKE, OTHERS = 3, 5

LIMITS = {"detail": (1, 5), "span": (NEAREST, SIDE - MARK), "kinds": (6, 48)}
MEANINGS = {
    "detail": "the finest stripe must be {} to {} pixels, got {!r}.",
    "span": "the largest square must be {} to {} pixels, got {!r}.",
    "kinds": "kinds must be a whole number from {} to {}, got {!r}.",
}


@dataclass(frozen=True)
class Task:
    """What there is to tell in a picture. name: "detail", "span" or "kinds". knob: see above.

    Raises ValueError for another name, and for a knob that cannot be drawn.
    """

    name: str
    knob: float

    def __post_init__(self):
        if self.name not in LIMITS:
            raise ValueError(f"name must be one of {', '.join(LIMITS)}, got {self.name!r}.")
        least, most = LIMITS[self.name]
        whole = self.name != "kinds" or self.knob == int(self.knob)
        if not (least <= self.knob <= most and whole):
            raise ValueError(MEANINGS[self.name].format(least, most, self.knob))

    @property
    def classes(self) -> int:
        """The number of classes, which all come equally often."""
        return {"detail": DIRECTIONS, "span": len(ARRANGEMENTS), "kinds": int(self.knob)}[self.name]


TASKS = {task.name: task for task in (Task("span", 84), Task("kinds", 32), Task("detail", 1.25))}


def draw(task: Task, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """`count` gray pictures, uint8 [count, SIDE, SIDE], and their labels [count]."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % task.classes
    labels = labels[torch.randperm(count, generator=random)]
    shapes = {"detail": _fine_stripes, "span": _squares, "kinds": _many_kinds}[task.name]
    pictures = torch.empty(count, SIDE, SIDE, dtype=torch.uint8)
    for place in torch.arange(count).split(128):
        shape = shapes(labels[place], task.knob, random)
        ground, contrast = torch.rand(2, len(place), 1, 1, generator=random)
        picture = 0.4 + 0.2 * ground + (0.15 + 0.2 * contrast) * shape
        picture += NOISE * torch.randn(picture.shape, generator=random)
        pictures[place] = (255 * picture).clamp_(0, 255).to(torch.uint8)
    return pictures, labels


def at_resolution(pictures: Tensor, side: int) -> Tensor:
    """uint8 [n, height, width] -> floats in 0-1, [n, 1, side, side], averaged down as a photograph
    would be.
    """
    return transform.resize(pictures[:, None], [side, side], antialias=True).float() / 255


def _squares(labels: Tensor, span: float, random: torch.Generator) -> Tensor:
    """Four marks at the corners of a square of NEAREST to `span` pixels, by its logarithm."""
    size, sign = torch.rand(2, len(labels), 1, 1, generator=random)
    side = NEAREST * (span / NEAREST) ** size
    left, top = torch.rand(2, len(labels), 1, 1, generator=random) * (SIDE - MARK - side)
    corner = torch.arange(2)[None, :, None] * side + MARK / 2  # [n, 2, 1]
    ruler = torch.arange(SIDE)[None, None, :] + 0.5
    # A mark is a step along x times a step along y, so four of them are one matrix product.
    marks_x = (MARK / 2 + 0.5 - (ruler - left - corner).abs()).clamp(0, 1)
    marks_y = (MARK / 2 + 0.5 - (ruler - top - corner).abs()).clamp(0, 1)
    kinds = ARRANGEMENTS[labels].view(-1, 2, 2) * torch.where(sign < 0.5, -1, 1)
    return marks_y.mT @ kinds.float() @ marks_x


def stripes(kind: Tensor, kinds: int) -> tuple[Tensor, Tensor]:
    """Direction in radians, and period in pixels, of each of these kinds of stripes.

    The direction is the one across the stripes, from the x axis to the y axis, which points down.
    So it is also how far the stripes lean from upright, clockwise. A stripe is half a period wide.
    Even kinds are narrow and odd ones are wide; each two share a direction.
    """
    direction = math.pi * (kind // 2) / math.ceil(kinds / 2)
    period = torch.tensor(PERIODS)[kind % 2]
    return direction, period


def _fine_stripes(labels: Tensor, detail: float, random: torch.Generator) -> Tensor:
    """Patches of stripes that all lean from upright, clockwise, by the label's part of half a turn.

    The stripes of a picture are `detail` to 2 * `detail` pixels wide, by the logarithm.
    """
    width = detail * 2 ** torch.rand(len(labels), 1, generator=random)
    direction = math.pi * labels[:, None] / DIRECTIONS
    shape = len(labels), ALIKE + OTHERS
    return _patches(direction.expand(shape), (2 * width).expand(shape), random)


def _many_kinds(labels: Tensor, kinds: float, random: torch.Generator) -> Tensor:
    """Patches of stripes: ALIKE of the label's kind, and OTHERS, each of another kind."""
    kinds, count = int(kinds), len(labels)
    # Others are the label plus 1 to kinds - 1, around the circle of all kinds.
    steps = torch.rand(count, kinds - 1, generator=random).argsort(1)[:, :OTHERS] + 1
    shown = torch.cat([torch.zeros(count, ALIKE, dtype=torch.long), steps], 1)
    return _patches(*stripes((labels[:, None] + shown) % kinds, kinds), random)


def _patches(direction: Tensor, period: Tensor, random: torch.Generator) -> Tensor:
    """Round patches of stripes of these directions and periods, [n, count] each, at any phase.

    Each lies in a slot of its own, anywhere in it.
    """
    pictures, count = direction.shape
    order = torch.rand(pictures, SLOTS**2, generator=random)
    left, top, phase = torch.rand(3, pictures, count, 1, 1, generator=random)
    ruler = torch.arange(SLOT) + 0.5 - SLOT / 2
    x = ruler[None, :] - (left - 0.5) * (SLOT - PATCH)
    y = ruler[:, None] - (top - 0.5) * (SLOT - PATCH)
    direction, period = direction[..., None, None], period[..., None, None]
    along = x * direction.cos() + y * direction.sin()
    patches = torch.cos(2 * math.pi * (along / period + phase))
    patches *= (PATCH / 2 - torch.hypot(x, y) + 0.5).clamp(0, 1)

    drawn = torch.zeros(pictures, SLOTS**2, SLOT, SLOT)
    drawn[torch.arange(pictures)[:, None], order.argsort(1)[:, :count]] = patches
    drawn = drawn.view(pictures, SLOTS, SLOTS, SLOT, SLOT).transpose(2, 3)
    return drawn.reshape(pictures, SIDE, SIDE)
