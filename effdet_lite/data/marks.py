"""Patterned marks: two tasks whose evidence is too fine for any level but the finest.

A mark is a small square of rows, columns or checkers, one pixel light and one pixel dark. It begins
at an even pixel, so that each block of 2 x 2 pixels holds two light ones and two dark ones: once
the picture is pooled by 2, all three patterns are the same plain gray. What is asked for is the
class of another object, which has the pattern's name and none of its pixels.

"disc": the class of a large disc is the pattern of the mark on it. Only a large window sees that it
is a disc, and only a small one sees the pattern. So to solve it, what the finest level knows has to
come **up** to a coarse one. In a network whose backbone computes each level from its own pooled
picture, only the neck can do that.

"far": the class of a small plain mark is the pattern of another small mark far away. Both are found
at the finest level, and no window there holds the two. So to solve it, what the finest level knows
has to come up to a coarse level, which sees both places, and **down** again.
"""

from collections.abc import Callable

import numpy as np

from effdet_lite.data.context import distance, paint
from effdet_lite.data.dataset import DetectionDataset
from effdet_lite.data.shapes import LENGTHS, background, check_drawn

PATTERNS = ("rows", "columns", "checkers")
CLASSES = {
    "disc": (*PATTERNS, *(f"disc with {name}" for name in PATTERNS)),
    "far": (*PATTERNS, *(f"plain mark, far from {name}" for name in PATTERNS)),
}
SIDE = 10  # of a mark in pixels
CONTRAST = 76  # of a light or dark pixel from the mark's gray, in 0-255
GRAYS = (0.35, 0.65)  # of a patterned mark: so far from black and white that no pixel is cut off
DISCS = (40 / 128, 64 / 128)  # diameters over the image's side
REACH = 0.35  # how far a mark may lie from its disc's center, over the disc's diameter
APART = 56 / 128  # least distance of the two marks' centers over the image's side
NOISE = 0.05


class PatternedMarks(DetectionDataset):
    """Pictures with one patterned mark and the object that it decides, the same for the same (seed,
    split, index).

    asks: "disc" or "far", see above. `asked` are the three classes that the object's own pixels do
    not tell. They are equally frequent, so who guesses is right in a third of the cases.
    Raises ValueError for another `asks`, an odd size, and what `ShapesDetection` refuses.
    """

    def __init__(
        self,
        split: str,
        size: int = 128,
        length: int | None = None,
        seed: int = 0,
        transforms: Callable | None = None,
        *,
        asks: str = "disc",
        cache: bool = False,
    ):
        if asks not in CLASSES:
            raise ValueError(f"asks must be one of {', '.join(CLASSES)}, not {asks!r}.")
        super().__init__(CLASSES[asks], transforms, cache)
        self.split, self.size, self.length, self.seed = check_drawn(split, size, length, seed)
        if size % 2:
            raise ValueError(f"size must be even, as marks begin at even pixels, not {size}.")
        self.asks = asks
        self.asked = self.classes[3:]

    def __len__(self) -> int:
        return self.length

    def describe(self) -> dict:
        return super().describe() | {
            "split": self.split,
            "size": self.size,
            "seed": self.seed,
            "asks": self.asks,
        }

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        split = list(LENGTHS).index(self.split)
        rng = np.random.Generator(np.random.PCG64((self.seed, split, index)))
        label = int(rng.integers(len(PATTERNS)))
        pixels, boxes = draw_marks(rng, self.size, self.asks, label)
        return pixels, boxes, np.array([3 + label, label], np.int64), index


def draw_marks(
    rng: np.random.Generator, size: int, asks: str, label: int
) -> tuple[np.ndarray, np.ndarray]:
    """One picture with the pattern `label`: pixels uint8 [3, size, size], and boxes float32 [2, 4],
    of the asked object and of the patterned mark.

    The pattern comes last, so that pictures of the same numbers differ in its pixels alone.
    """
    draw = {"disc": _disc, "far": _far_mark}[asks]
    image, asked, corner = draw(rng, size)
    image += NOISE * (rng.random(image.shape, np.float32) - np.float32(0.5))
    pixels = (image.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    left, top = corner
    signs = pattern(label).astype(np.int16)
    window = pixels[:, top : top + SIDE, left : left + SIDE]
    window[:] = window + CONTRAST * signs
    return pixels, np.array([asked, [left, top, left + SIDE, top + SIDE]], np.float32)


def pattern(label: int) -> np.ndarray:
    """1 where the mark is light and -1 where it is dark, [SIDE, SIDE]; label: into PATTERNS."""
    rows, columns = np.indices((SIDE, SIDE))
    return 1 - 2 * ((rows, columns, rows + columns)[label] % 2)


def _disc(rng: np.random.Generator, size: int) -> tuple[np.ndarray, list[float], tuple[int, int]]:
    """Image, the disc's box, and the left upper corner of the mark on it, still plain."""
    diameter = size * rng.uniform(*DISCS)
    ground = rng.random()
    gray = (ground + rng.uniform(0.3, 0.7)) % 1  # at least 0.3 away from the ground
    image = _gray_ground(rng, size, ground)
    center = diameter / 2 + (size - diameter) * rng.random(2)
    paint(image, distance(size, center) - diameter / 2, gray)

    radius, angle = REACH * diameter * np.sqrt(rng.random()), 2 * np.pi * rng.random()
    place = center + radius * np.array([np.cos(angle), np.sin(angle)])
    corner = _even_corner(place, size)
    _fill(image, corner, np.clip(gray, *GRAYS))
    return image, [*(center - diameter / 2), *(center + diameter / 2)], corner


def _far_mark(
    rng: np.random.Generator, size: int
) -> tuple[np.ndarray, list[float], tuple[int, int]]:
    """Image, the plain mark's box, and the left upper corner of the other mark, still plain."""
    ground = rng.uniform(0.3, 0.7)
    image = _gray_ground(rng, size, ground)
    plain = other = (0, 0)
    while np.hypot(plain[0] - other[0], plain[1] - other[1]) < APART * size:
        plain, other = (_even_corner(place, size) for place in size * rng.random((2, 2)))
    _fill(image, plain, ground + 0.35 if ground < 0.5 else ground - 0.35)
    _fill(image, other, np.clip(ground, *GRAYS))
    left, top = plain
    return image, [left, top, left + SIDE, top + SIDE], other


def _gray_ground(rng: np.random.Generator, size: int, gray: float) -> np.ndarray:
    """A background around this gray, without a color: float32 [3, size, size]."""
    image = background(rng, size, np.full((3, 1, 1), gray, np.float32))
    image[:] = image.mean(0)
    return image


def _even_corner(center: np.ndarray, size: int) -> tuple[int, int]:
    """(left, top) of a mark around this center (x, y): even, and such that the mark is inside."""
    corner = (center - SIDE / 2).clip(0, size - SIDE)
    left, top = 2 * np.rint(corner / 2).astype(int)
    return int(left), int(top)


def _fill(image: np.ndarray, corner: tuple[int, int], gray: float) -> None:
    """Paint a plain mark."""
    left, top = corner
    image[:, top : top + SIDE, left : left + SIDE] = gray
