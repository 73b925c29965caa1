"""Shapes in context: two tasks in which an object's own pixels do not tell its class.

"top-down": the class of a small gray dot is the color of the large ring around it, so what is
known at a coarse level has to come down to the fine one. "bottom-up": the class of a large gray
disc is the color of the small dot on it, so what is known at a fine level has to come up. What
decides is labeled too: it can be learned where it is seen.
"""

import math
from collections.abc import Callable

import numpy as np

from effdet_lite.data.dataset import DetectionDataset
from effdet_lite.data.shapes import LENGTHS, background, check_drawn, finished, texture

COLORS = {"red": (0.9, 0.1, 0.1), "green": (0.1, 0.75, 0.15), "blue": (0.15, 0.25, 0.95)}
CLASSES = {
    "top-down": (
        *(f"{color} ring" for color in COLORS),
        *(f"dot in {color} ring" for color in COLORS),
    ),
    "bottom-up": (
        *(f"{color} dot" for color in COLORS),
        *(f"disc with {color} dot" for color in COLORS),
    ),
}
# Over the image's side, drawn uniformly: diameters of the large object and of a dot, and how far
# from the large object's center a dot may lie, over that object's diameter.
LARGE = {"top-down": (104 / 128, 120 / 128), "bottom-up": (40 / 128, 64 / 128)}
SMALL = {"top-down": (6.5 / 128, 10 / 128), "bottom-up": (6 / 128, 7 / 128)}
REACH = {"top-down": 0.15, "bottom-up": 0.35}
STROKE = (4 / 128, 7 / 128)  # width of a ring
MAX_DOTS = {"top-down": 3, "bottom-up": 1}
PLACES = 10  # positions tried for a dot before it is left out


class ShapesInContext(DetectionDataset):
    """Pictures of one large object with one or more dots in it, the same for the same (seed, split,
    index).

    direction: "top-down" (a colored ring with 1-3 gray dots near its middle) or "bottom-up" (a
    gray disc with one colored dot on it). `asked` are the three classes that the object's own
    pixels do not tell: the dots' in a ring, or the discs'. They are equally frequent, so who
    guesses is right in a third of the cases.
    large, small: lowest and highest diameter of the large objects and of the dots in pixels; by
    default 104-120 and 6.5-10 at size 128 for "top-down", 40-64 and 6-7 for "bottom-up".
    Raises ValueError for an unknown direction or split, diameters that do not fit, and what
    `ShapesDetection` refuses.
    """

    def __init__(
        self,
        split: str,
        size: int = 128,
        length: int | None = None,
        seed: int = 0,
        transforms: Callable | None = None,
        *,
        direction: str = "top-down",
        large: tuple[float, float] | None = None,
        small: tuple[float, float] | None = None,
        cache: bool = False,
    ):
        if direction not in CLASSES:
            raise ValueError(f"direction must be one of {', '.join(CLASSES)}, not {direction!r}.")
        super().__init__(CLASSES[direction], transforms, cache)
        self.split, self.size, self.length, self.seed = check_drawn(split, size, length, seed)
        large = large or tuple(size * share for share in LARGE[direction])
        small = small or tuple(size * share for share in SMALL[direction])
        if not 3 <= small[0] <= small[1] <= large[0] / 4 <= large[1] / 4 <= size / 4:
            raise ValueError(
                f"diameters, each (lowest, highest): small from 3 px on, large four times as much, "
                f"and at most {size} px; got small={small} and large={large}."
            )
        self.direction, self.large, self.small = direction, large, small
        self.asked = self.classes[3:]

    def __len__(self) -> int:
        return self.length

    def describe(self) -> dict:
        return super().describe() | {
            "split": self.split,
            "size": self.size,
            "seed": self.seed,
            "direction": self.direction,
            "large": self.large,
            "small": self.small,
        }

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        rng = np.random.Generator(
            np.random.PCG64((self.seed, list(LENGTHS).index(self.split), index))
        )
        return (*draw_context(rng, self.size, self.direction, self.large, self.small), index)


def draw_context(
    rng: np.random.Generator,
    size: int,
    direction: str,
    large: tuple[float, float],
    small: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One picture: pixels uint8 [3, size, size], boxes float32 [n, 4], labels int64 [n]; the large
    object first.
    """
    label, side = int(rng.integers(3)), rng.uniform(*large)
    color = np.array(list(COLORS.values())[label])[:, None, None] + 0.1 * (
        rng.random((3, 1, 1)) - 0.5
    )
    ground, shift = rng.random(), rng.uniform(0.3, 0.7)
    gray = (ground + shift) % 1  # at least 0.3 away from the ground
    image = background(rng, size, np.full((3, 1, 1), ground, np.float32))
    center = side / 2 + (size - side) * rng.random(2)
    from_center = distance(size, center)
    image[:] = image.mean(0)  # nothing has a color but what decides
    if direction == "top-down":
        stroke = rng.uniform(*STROKE) * size
        paint(image, abs(from_center - (side - stroke) / 2) - stroke / 2, color)
    else:
        filling = texture(rng, (size, size), np.full((3, 1, 1), ground, np.float32), size).mean(0)
        paint(image, from_center - side / 2, filling - filling.mean() + gray)
    boxes, dots = [_box(center, side)], []
    for _ in range(rng.integers(1, MAX_DOTS[direction] + 1)):
        diameter = rng.uniform(*small)
        radii, angles = np.sqrt(rng.random(PLACES)), 2 * math.pi * rng.random(PLACES)
        for x, y in zip(radii * np.cos(angles), radii * np.sin(angles), strict=True):
            place = center + REACH[direction] * side * np.array([x, y])
            if all(math.dist(place, other) > (diameter + wide) / 2 + 1 for other, wide in dots):
                dots.append((place, diameter))
                paint(
                    image,
                    distance(size, place) - diameter / 2,
                    gray if direction == "top-down" else color,
                )
                boxes.append(_box(place, diameter))
                break
    labels = [label, *[3 + label] * len(dots)] if direction == "top-down" else [3 + label, label]
    return finished(rng, image), np.array(boxes, np.float32), np.array(labels, np.int64)


def paint(image: np.ndarray, outline: np.ndarray, color: np.ndarray | float) -> None:
    """Color the pixels of image [3, h, w] where `outline` [h, w], a signed distance in pixels, is
    negative.
    """
    image += (0.5 - outline).clip(0, 1) * (color - image)


def distance(size: int, center: np.ndarray) -> np.ndarray:
    """Of each pixel's center from `center` (x, y), in pixels: float32 [size, size]."""
    ruler = np.arange(size, dtype=np.float32) + np.float32(0.5)
    return np.sqrt(
        (ruler - np.float32(center[0])) ** 2 + ((ruler - np.float32(center[1])) ** 2)[:, None]
    )


def _box(center: np.ndarray, side: float) -> list[float]:
    return [*(center - side / 2), *(center + side / 2)]
