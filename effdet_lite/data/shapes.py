"""Shapes: a detection dataset that is drawn, not downloaded.

Circles, squares, triangles and crosses of any size, angle, color and texture on noisy, striped
backgrounds, partly hidden by one another. Class and looks are drawn independently, so only the
outline tells them apart. A shape is a signed distance function (negative inside, in pixels), which
gives anti-aliased edges and needs no drawing library.
"""

import math
from collections.abc import Callable

import numpy as np

from effdet_lite.data.dataset import DetectionDataset

CLASSES = ("circle", "square", "triangle", "cross")
LENGTHS = {"train": 3000, "val": 200, "test": 200}
MAX_OBJECTS = 8
SIDES = (8 / 128, 96 / 128)  # longer side of a box over the image's side, drawn log-uniformly
MIN_VISIBLE = 0.6  # share of a shape that later shapes must leave uncovered
PLACES = 8  # positions tried for a shape before it is left out
ARM = 0.3  # half the width of a cross's arm; its half length is 1

# Corners that reach furthest, for shapes of radius or half side 1; the circle reaches 1 in every
# direction.
CORNERS = {
    "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "triangle": [(0, -1), (math.sqrt(0.75), 0.5), (-math.sqrt(0.75), 0.5)],
    "cross": [(a * s, b * t) for a, b in ((1, ARM), (ARM, 1)) for s in (-1, 1) for t in (-1, 1)],
}


class ShapesDetection(DetectionDataset):
    """Procedural shapes, the same for the same (seed, split, index) on one kind of processor; on
    another a pixel may differ by one, as float32 sums do in their last bit.

    split: "train", "val" or "test", which share no random numbers; length defaults to 3,000, 200
    and 200 images of size x size pixels with 1-8 objects each. A box is **amodal**: the tight box
    of the whole shape, hidden parts included, always inside the image; its longer side is 8-96 px
    at size 128, and at least 60 % of the shape shows. Raises ValueError for an unknown split, a
    size under 32, a length under 1 or a negative seed.
    """

    def __init__(
        self,
        split: str,
        size: int = 128,
        length: int | None = None,
        seed: int = 0,
        transforms: Callable | None = None,
        *,
        cache: bool = False,
    ):
        super().__init__(CLASSES, transforms, cache)
        self.split, self.size, self.length, self.seed = check_drawn(split, size, length, seed)

    def __len__(self) -> int:
        return self.length

    def describe(self) -> dict:
        return super().describe() | {"split": self.split, "size": self.size, "seed": self.seed}

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        rng = np.random.Generator(
            np.random.PCG64((self.seed, list(LENGTHS).index(self.split), index))
        )
        image, boxes, labels, _ = draw_scene(rng, self.size)
        return image, boxes, labels, index


def check_drawn(split: str, size: int, length: int | None, seed: int) -> tuple[str, int, int, int]:
    """These settings of a drawn data set, its split's own length for None; ValueError for one that
    is not legal.
    """
    if split not in LENGTHS:
        raise ValueError(f"split must be one of {', '.join(LENGTHS)}, not {split!r}.")
    length = LENGTHS[split] if length is None else length
    for name, value, least in (("size", size, 32), ("length", length, 1), ("seed", seed, 0)):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}.")
    return split, size, length, seed


def draw_scene(
    rng: np.random.Generator, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One image: pixels uint8 [3, size, size], boxes float32 [n, 4], labels int64 [n], and owner
    uint8 [size, size]: the number of the object on top at each pixel, counted from 1; 0 is the
    background."""
    ground = rng.random((3, 1, 1), np.float32)
    image = background(rng, size, ground)
    owner = np.zeros((size, size), np.uint8)
    boxes, labels = [], []
    areas, visible = (
        np.zeros(MAX_OBJECTS + 1),
        np.full(MAX_OBJECTS + 1, np.inf),
    )  # in pixels; number 0 may vanish
    for _ in range(rng.integers(1, MAX_OBJECTS + 1)):
        label = int(rng.integers(len(CLASSES)))
        side = size * SIDES[0] * (SIDES[1] / SIDES[0]) ** rng.random()
        coverage, box = rasterize(CLASSES[label], side, rng.random() * 2 * math.pi, *rng.random(2))
        mask = coverage > 0.5
        place = _find_place(rng, mask, owner, visible, MIN_VISIBLE * areas)
        if place is None:
            continue
        row, column, visible = place
        window = (slice(row, row + mask.shape[0]), slice(column, column + mask.shape[1]))
        pixels = image[(slice(None), *window)]
        pixels += coverage * (texture(rng, mask.shape, ground, size) - pixels)
        boxes.append(box + np.array([column, row, column, row]))
        labels.append(label)
        owner[window][mask] = number = len(boxes)
        areas[number] = visible[number] = np.count_nonzero(mask)
    return finished(rng, image), np.array(boxes, np.float32), np.array(labels, np.int64), owner


def finished(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """The picture [3, size, size] with noise on it, as uint8."""
    image += (0.05 + 0.25 * rng.random()) * (rng.random(image.shape, np.float32) - np.float32(0.5))
    return (image.clip(0, 1) * 255 + 0.5).astype(np.uint8)


def _find_place(
    rng: np.random.Generator,
    mask: np.ndarray,
    owner: np.ndarray,
    visible: np.ndarray,
    least: np.ndarray,
) -> tuple[int, int, np.ndarray] | None:
    """A row and column where mask leaves every earlier object its least visible pixels, and what is
    visible then.
    """
    (height, width), size = mask.shape, len(owner)
    for y, x in rng.random((PLACES, 2)):
        row, column = int(y * (size - height + 1)), int(x * (size - width + 1))
        hidden = owner[row : row + height, column : column + width][mask]
        left = visible - np.bincount(hidden, minlength=MAX_OBJECTS + 1)
        if (left >= least).all():
            return row, column, left
    return None


def rasterize(
    shape: str, side: float, angle: float, dx: float, dy: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coverage float32 [h, w] in 0-1 of a turned shape and its exact box (xyxy) in the smallest
    window that holds it.

    side: longer side of the box, pixels; angle: radians; dx, dy in 0-1: where in its pixel the
    box's corner lies.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    if shape == "circle":
        low, high = np.array([-1.0, -1.0]), np.array([1.0, 1.0])
    else:
        corners = np.array(CORNERS[shape]) @ turn
        low, high = corners.min(0), corners.max(0)
    radius = float(side / (high - low).max())
    start = np.array([dx, dy])
    center, end = start - radius * low, start + radius * (high - low)
    width, height = np.ceil(end).astype(int)
    x = np.arange(width, dtype=np.float32) + np.float32(
        0.5 - center[0]
    )  # pixel centers, from the shape's own
    y = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5 - center[1])
    distance = _signed_distance(shape, cos * x + sin * y, cos * y - sin * x, radius)
    return (0.5 - distance).clip(0, 1), np.concatenate([start, end])


def _signed_distance(shape: str, x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    """Distance to the outline in pixels, negative inside; x, y: coordinates in the shape's own
    axes.
    """
    if shape == "circle":
        return np.sqrt(x * x + y * y) - radius
    if shape == "triangle":
        return np.maximum(y, math.sqrt(0.75) * abs(x) - 0.5 * y) - 0.5 * radius
    x, y = abs(x), abs(y)
    if shape == "square":
        return np.maximum(x, y) - radius
    return np.maximum(np.maximum(x, y) - radius, np.minimum(x, y) - ARM * radius)  # cross


def background(rng: np.random.Generator, size: int, color: np.ndarray) -> np.ndarray:
    """A gradient with soft stripes around color [3, 1, 1]: float32 [3, size, size]."""
    slope = _wave(rng, (size, size), 3 * size)  # so long that it never turns round: a gradient
    stripes = abs(_wave(rng, (size, size), size * (0.05 + 0.2 * rng.random()))) - 0.25
    first, second = (rng.random((2, 3, 1, 1), np.float32) - 0.5) * 0.5
    return color + first * slope + second * stripes


def texture(
    rng: np.random.Generator, shape: tuple[int, int], ground: np.ndarray, size: int
) -> np.ndarray:
    """A filling, float32 [3, h, w]: plain, striped, checkered or grainy, in a color other than the
    ground's.
    """
    color = rng.random((3, 1, 1), np.float32)
    while abs(color - ground).max() < 0.3:
        color = rng.random((3, 1, 1), np.float32)
    other = (rng.random((3, 1, 1), np.float32) - 0.5) * 0.6
    kind = ("plain", "striped", "checkered", "grainy")[rng.integers(4)]
    if kind == "plain":
        return color
    if kind == "grainy":
        return color + other * rng.random(shape, np.float32)
    period = size * (0.03 + 0.06 * rng.random())
    pattern = _wave(rng, shape, period) < 0
    if kind == "checkered":
        pattern = pattern ^ (_wave(rng, shape, period) < 0)
    return color + other * pattern


def _wave(rng: np.random.Generator, shape: tuple[int, int], period: float) -> np.ndarray:
    """A saw-tooth from -0.5 to 0.5 along a random direction, once in each period (pixels): float32
    [h, w].
    """
    angle = rng.random() * 2 * math.pi
    rows, columns = (np.arange(length, dtype=np.float32) for length in shape)
    turns = math.sin(angle) / period * rows[:, None] + math.cos(angle) / period * columns
    return turns - np.rint(turns)
