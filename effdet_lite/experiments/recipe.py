"""Which parts of the training recipe matter: warm-up, the average of the weights, augmentation;
three seeds each.

python -m effdet_lite.experiments.recipe              every run, into recipe.json beside this file; finished
runs are kept python -m effdet_lite.experiments.recipe --quick      a few short runs, to see that it works

Notebook 08 draws the file. The detector is that of `fusion.py` with one BiFPN, the pictures are
shapes, and each run differs from the usual one in a single setting, or in two where the second is
the question's condition. The seed sets weights, order and augmentation; pictures and test pictures
are the same for all.
"""

import argparse
import functools
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch.utils.data import Subset

from effdet_lite.data import ShapesDetection, eval_transforms, train_transforms
from effdet_lite.experiments import necks as fusion
from effdet_lite.experiments import run as experiment
from effdet_lite.training import TrainConfig, train

STEPS, LONGER, BATCH, SEEDS = 300, 900, 8, (0, 1, 2)
ALL, FEW = STEPS * BATCH, 200  # pictures: each seen once, or each a dozen times
HIGH_RATE = 0.064  # four times the recipe's
SIZE = (fusion.SIZE, fusion.SIZE)
FLIPS = {"horizontal_flip": 0.5, "vertical_flip": 0.5}
AUGMENTATIONS = {
    "none": eval_transforms(SIZE),
    "flips": train_transforms(SIZE, zoom=(1, 1), colour=0, **FLIPS),
    "flips, zoom, colour": train_transforms(SIZE, **FLIPS),
}


@dataclass(frozen=True)
class Run:
    """One training. warmup: steps. decay: of the average. augmentation: a key of AUGMENTATIONS.

    pictures: how many there are to learn from, again and again.
    """

    warmup: int = 60
    learning_rate: float = 0.016
    decay: float = 0.998
    augmentation: str = "flips"
    pictures: int = ALL
    steps: int = STEPS
    seed: int = 0


USUAL = Run()
WARMUP = [Run(warmup, rate) for rate in (USUAL.learning_rate, HIGH_RATE) for warmup in (0, 60)]
AVERAGE = [Run(decay=decay) for decay in (0.0, 0.998)]
AUGMENTATION = [
    Run(augmentation=name, pictures=number) for number in (FEW, ALL) for name in AUGMENTATIONS
]
AUGMENTATION += [Run(augmentation=name, pictures=FEW, steps=LONGER) for name in ("none", "flips")]


def planned(seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every run of the experiment once, the first seed first."""
    settings = dict.fromkeys([USUAL, *WARMUP, *AVERAGE, *AUGMENTATION])
    return [replace(run, seed=seed) for seed in seeds for run in settings]


def trained(run: Run, steps: int | None = None) -> dict:
    """Train this run: its settings, `fusion.score`'s figures, losses (mean of each tenth),
    processor seconds.

    A training that breaks off has no score and says at which step. steps: fewer, to try.
    """
    steps = steps or run.steps
    started = time.process_time()
    train_set = ShapesDetection(
        "train", fusion.SIZE, run.pictures, 1, AUGMENTATIONS[run.augmentation], cache=True
    )
    torch.manual_seed(run.seed)
    model = fusion.detector(fusion.GRAPHS["BiFPN"](fusion.LEVELS), len(train_set.classes), "fast")
    recipe = TrainConfig(
        steps=steps,
        batch_size=BATCH,
        learning_rate=run.learning_rate,
        warmup=min(run.warmup, steps),
        decay=run.decay,
        precision="no",
        seed=run.seed,
    )
    one, rows = Subset(train_set, [0]), []
    one.classes = train_set.classes
    try:
        train(recipe, train_set, one, model=model, progress=False, on_step=rows.append)
    except FloatingPointError:
        return asdict(run) | {
            "broke_off_at": len(rows) + 1,
            "seconds": round(time.process_time() - started, 1),
        }
    seconds, tenth = time.process_time() - started, max(1, steps // 10)
    losses = [
        sum(row["loss"] for row in rows[at : at + tenth]) / tenth
        for at in range(0, 10 * tenth, tenth)
    ]
    found = fusion.score(model, fusion.pictures("shapes", False))
    return (
        asdict(run)
        | found
        | {"losses": [round(loss, 4) for loss in losses], "seconds": round(seconds, 1)}
    )


def run_all(path: Path, runs: Sequence[Run], steps: int | None = None, processes: int = 2) -> dict:
    """Train what `path` does not hold yet; see `experiment.run_all`."""
    settings = ({"steps": steps} if steps else {}) | {
        "batch": BATCH,
        "test_pictures": fusion.TEST_PICTURES,
    }
    return experiment.run_all(
        path, runs, functools.partial(trained, steps=steps), settings, processes
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=experiment.results("recipe"))
    parser.add_argument(
        "--processes", type=int, default=2, help="runs at a time, each on one thread"
    )
    parser.add_argument("--quick", action="store_true", help="seed 0, 10 steps; into quick.json")
    options = parser.parse_args()
    if options.quick:
        run_all(options.output.with_name("quick.json"), planned((0,)), 10, options.processes)
    else:
        run_all(options.output, planned(), processes=options.processes)


if __name__ == "__main__":
    main()
