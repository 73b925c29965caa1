"""Twins: pictures of one scene, taken one after the other.

A detector that learned from one of them has seen most of the other. So both belong on one side,
training or test.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from effdet_lite.data.pictures import open_picture

SIDES = (80, 60)  # width and height in which photographs are compared, an eighth of theirs
# Of other people's pictures: the weakest of the nine pairs has .89 at the size below, and drawings
# of different shapes reach .86.
ALIKE = 0.88
SMALL = (40, 30)  # a quarter of these pixels, a sixth of the time, and the same scenes
MOST_PAIRS = 80_000  # about six seconds
LEAST_OVERLAP = 0.4  # share of a photograph that both must show
# Of 21,024 pairs nine are above .94, one has .87, and then come photographs of different cells from
# .78 downwards (looked at by eye).
SAME_SCENE = 0.85


class Pair(NamedTuple):
    """Two photographs at the shift at which they agree best.

    correlation: of the part that both show, -1 to 1. shift: (x, y) in pixels of the photograph, by
    which a cell of the first stands further right and further down than in the second.
    """

    correlation: float
    first: str
    second: str
    shift: tuple[int, int]


def darkness(path: Path, sides: tuple[int, int] = SIDES) -> np.ndarray:
    """A small gray version, [height, width] of `sides`: the darkest of the three colors, in which
    cells stand out.
    """
    with Image.open(path) as photo:
        return np.asarray(photo.convert("RGB").resize(sides, Image.Resampling.BOX), float).min(2)


def correlations(picture: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Pearson's correlation of `picture` [H, W] and each of `others` [N, H, W] at every shift of
    whole pixels, [N, 2H, 2W], over the pixels that both have; -1 where these are too few.

    At [n, y, x] the picture's content stands y rows and x columns further on than the other's;
    shifts below 0 count from the end. Sums over all shifts at once by Fourier transforms: D.
    Padfield, "Masked object registration in the Fourier domain", 2012, equations 10 to 13.
    """
    height, width = picture.shape
    double = (2 * height, 2 * width)

    def transformed(x: np.ndarray) -> np.ndarray:
        return np.fft.rfft2(x, double)

    def sums(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """At each shift, the sum of the products of what lies over each other."""
        return np.fft.irfft2(first * second.conj(), double)

    everywhere = transformed(np.ones_like(picture))
    count = sums(everywhere, everywhere).round()
    # Without their means, the differences of large numbers below stay exact.
    picture = picture - picture.mean()
    others = others - others.mean((1, 2), keepdims=True)
    one, many = transformed(picture), transformed(others)
    counted = np.maximum(count, 1)
    sum_one, sum_many = sums(one, everywhere), sums(everywhere, many)
    covariance = sums(one, many) - sum_one * sum_many / counted
    variance_one = sums(transformed(picture**2), everywhere) - sum_one**2 / counted
    variance_many = sums(everywhere, transformed(others**2)) - sum_many**2 / counted
    least = 1e-6 * counted
    scale = np.sqrt(np.maximum(variance_one, least) * np.maximum(variance_many, least))
    enough = count >= LEAST_OVERLAP * height * width
    return np.where(enough, covariance / scale, -1.0)


def small_and_gray(path: Path, upright: bool = True, sides: tuple[int, int] = SMALL) -> np.ndarray:
    """What `darkness` gives, of any picture that the package reads."""
    photo = open_picture(path, sides, upright=upright)
    return np.asarray(photo.resize(sides, Image.Resampling.BOX), float).min(2)


def similar_pairs(
    pictures: np.ndarray, least: float = ALIKE, most_pairs: int = MOST_PAIRS
) -> list[tuple[float, int, int]]:
    """(correlation, first, second) of the pictures [N, H, W] that show one scene, the most alike
    first: at the best shift, as `correlations` has it.

    What depends on one picture alone is computed once, so a pair costs one Fourier transform. Of
    many pictures each is compared with those that follow it, so that there are about `most_pairs`.
    """
    number, height, width = pictures.shape
    double, window = (2 * height, 2 * width), max(1, most_pairs // max(1, number))
    everywhere = np.fft.rfft2(np.ones((height, width)), double)

    def over_all(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.fft.irfft2(one * other.conj(), double)

    count = over_all(everywhere, everywhere).round()
    enough, counted = count >= LEAST_OVERLAP * height * width, np.maximum(count, 1)
    pictures = pictures - pictures.mean((1, 2), keepdims=True)
    moved, squared = np.fft.rfft2(pictures, double), np.fft.rfft2(pictures**2, double)
    # Of each picture as the first and as the second of a pair: sums over what both cover.
    first, second = over_all(moved, everywhere), over_all(everywhere, moved)
    least_spread = 1e-6 * counted
    spreads = [
        np.sqrt(np.maximum(some - mean**2 / counted, least_spread))
        for some, mean in (
            (over_all(squared, everywhere), first),
            (over_all(everywhere, squared), second),
        )
    ]
    found = []
    for one in range(number - 1):
        others = slice(one + 1, one + 1 + window)
        shared = over_all(moved[one], moved[others]) - first[one] * second[others] / counted
        values = np.where(enough, shared / (spreads[0][one] * spreads[1][others]), -1.0)
        best = values.max((1, 2))
        found += [
            (float(best[step]), one, one + 1 + int(step)) for step in np.flatnonzero(best >= least)
        ]
    return sorted(found, reverse=True)


def groups_of(pairs: Sequence[tuple[float, int, int]]) -> list[list[int]]:
    """The numbers that pairs join, group by group: a twin of a twin is in its group."""
    group_of: dict[int, list[int]] = {}
    for _, first, second in pairs:
        one, other = group_of.get(first, [first]), group_of.get(second, [second])
        joined = one if one is other else one + other
        for number in joined:
            group_of[number] = joined
    groups = {id(group): sorted(group) for group in group_of.values()}
    return sorted(groups.values())
