"""Which test photographs of blood cells show a scene that a training photograph shows as well?

Some photographs were taken of one place after the other, the slide moved a little between them. A
detector that learned from one of a pair has seen most of the other. The course tests on those that
have no such partner; `data.bccd.SEEN_SCENES` names the others, and this command finds them:

    python -m effdet_lite.experiments.scenes              writes assets/bccd-test-unseen.txt
    python -m effdet_lite.experiments.scenes --pairs 20   prints the 20 most alike pairs, too
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from effdet_lite.data.bccd import photo_names
from effdet_lite.files import whole_file
from effdet_lite.places import cells_folder, course_folder

SIDES = (80, 60)  # width and height in which photographs are compared, an eighth of theirs
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


def alike(folder: Path, sides: tuple[int, int] = SIDES) -> list[Pair]:
    """Each test photograph with the training photograph most like it, the most alike pair first.

    sides: (width, height) in which they are compared. A quarter of the pixels is a sixth of the
    time, and finds the same scenes.
    """
    training = photo_names(folder, "trainval")
    pictures = np.stack([darkness(_photo(folder, name), sides) for name in training])
    pairs = []
    for name in tqdm(photo_names(folder, "test"), unit="photograph"):
        found = correlations(darkness(_photo(folder, name), sides), pictures)
        other, y, x = np.unravel_index(found.argmax(), found.shape)
        pixels = 640 // sides[0]
        shift = tuple(
            int(pixels * (step if step < side else step - 2 * side))
            for step, side in zip((x, y), sides, strict=True)
        )
        pairs.append(Pair(float(found[other, y, x]), name, training[other], shift))
    return sorted(pairs, reverse=True)


def seen_scenes(pairs: list[Pair]) -> dict[str, str]:
    """Of each test photograph whose scene is in training, the training photograph."""
    found = {pair.first: pair.second for pair in pairs if pair.correlation >= SAME_SCENE}
    return dict(sorted(found.items()))


def _photo(folder: Path, name: str) -> Path:
    return folder / "JPEGImages" / f"{name}.jpg"


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m effdet_lite.experiments.scenes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--pairs", type=int, default=0, help="how many pairs to print")
    parser.add_argument(
        "--output", type=Path, help="the list (default: assets/bccd-test-unseen.txt of the course)"
    )
    options = parser.parse_args(arguments)
    try:
        folder = cells_folder()
        pairs = alike(folder if (folder / "ImageSets").is_dir() else folder / "BCCD")
        seen = seen_scenes(pairs)
        output = options.output or course_folder() / "assets" / "bccd-test-unseen.txt"
        unseen = sorted(pair.first for pair in pairs if pair.first not in seen)
        with whole_file(output) as temporary:
            temporary.write_text("\n".join(unseen) + "\n", encoding="utf-8")
    except OSError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    for pair in pairs[: options.pairs]:
        print(f"{pair.correlation:.3f}  {pair.first}  {pair.second}  shift {pair.shift} px")
    print(f"{len(seen)} test photographs show a scene of training; {output} lists {len(unseen)}.")


if __name__ == "__main__":
    main()
