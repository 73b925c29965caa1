"""Which test photographs of blood cells show a scene that a training photograph shows as well?

Some photographs were taken of one place after the other, the slide moved a little between them. A
detector that learned from one of a pair has seen most of the other. The course tests on those that
have no such partner; `data.bccd.SEEN_SCENES` names the others, and this command finds them:

    python -m effdet_lite.experiments.scenes              writes assets/bccd-test-unseen.txt
    python -m effdet_lite.experiments.scenes --pairs 20   prints the 20 most alike pairs, too
"""

import argparse
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from effdet_lite.data.bccd import photo_names
from effdet_lite.data.twins import SAME_SCENE, SIDES, Pair, correlations, darkness
from effdet_lite.files import whole_file
from effdet_lite.places import cells_folder, course_folder


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
