"""Which parts of the training recipe matter: warm-up, the average of the weights, augmentation.

Notebook 08 draws the results. The detector is the plain one of the experiments with one BiFPN, the
pictures are shapes, and each run differs from the usual one in a single setting, or in two where
the second is the question's condition. Three seeds each: the seed sets weights, order and
augmentation; pictures and test pictures are the same for all.

    python -m effdet_lite.experiments.recipe            every run; finished ones are kept
    python -m effdet_lite.experiments.recipe --quick    seed 0, 10 steps each
"""

import functools
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from effdet_lite.data import ShapesDetection, eval_transforms, train_transforms
from effdet_lite.experiments import necks
from effdet_lite.experiments.run import Plan, loss_in_parts, main
from effdet_lite.randomness import own_numbers
from effdet_lite.training import TrainConfig, train

STEPS, LONGER, QUICK_STEPS = 300, 900, 10
BATCH = 8
SEEDS = (0, 1, 2)
ALL, FEW = STEPS * BATCH, 200  # pictures: each seen once, or each a dozen times
HIGH_RATE = 0.064  # four times the recipe's
SIZE = (necks.SIZE, necks.SIZE)
FLIPS = {"horizontal_flip": 0.5, "vertical_flip": 0.5}
AUGMENTATIONS = {
    "none": eval_transforms(SIZE),
    "flips": train_transforms(SIZE, zoom=(1, 1), color=0, **FLIPS),
    "flips, zoom, color": train_transforms(SIZE, **FLIPS),
}


@dataclass(frozen=True)
class Run:
    """One training.

    warmup: steps. decay: of the average. augmentation: a key of AUGMENTATIONS. pictures: how many
    there are to learn from, again and again.
    """

    warmup: int = 60
    learning_rate: float = 0.016
    decay: float = 0.998
    augmentation: str = "flips"
    pictures: int = ALL
    steps: int = STEPS
    seed: int = 0


USUAL = Run()
WARMUP = [
    Run(warmup=warmup, learning_rate=rate)
    for rate in (USUAL.learning_rate, HIGH_RATE)
    for warmup in (0, 60)
]
AVERAGE = [Run(decay=decay) for decay in (0.0, 0.998)]
AUGMENTATION = [
    *(Run(augmentation=name, pictures=number) for number in (FEW, ALL) for name in AUGMENTATIONS),
    *(Run(augmentation=name, pictures=FEW, steps=LONGER) for name in ("none", "flips")),
]


def planned(seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every run of the experiment once, the first seed first."""
    once = dict.fromkeys([USUAL, *WARMUP, *AVERAGE, *AUGMENTATION])
    return [replace(run, seed=seed) for seed in seeds for run in once]


def trained(run: Run, steps: int | None = None) -> dict:
    """Train this run, and return its row. steps: fewer, to try.

    The row: the run's settings, `necks.score`'s figures, the mean loss of each tenth, processor
    seconds. A training that breaks off has neither figures nor losses and says at which step.
    """
    steps = steps or run.steps
    started = time.process_time()
    train_set = ShapesDetection(
        "train", necks.SIZE, run.pictures, 1, AUGMENTATIONS[run.augmentation], cache=True
    )
    with own_numbers(run.seed):
        model = necks.detector(necks.GRAPHS["BiFPN"], len(train_set.classes), "fast")
    recipe = TrainConfig(
        steps=steps,
        batch_size=BATCH,
        learning_rate=run.learning_rate,
        warmup=min(run.warmup, steps),
        decay=run.decay,
        precision="no",
        seed=run.seed,
    )
    history = []
    row = asdict(run)
    try:
        train(recipe, train_set, model=model, progress=False, on_step=history.append)
    except FloatingPointError:
        seconds = round(time.process_time() - started, 1)
        return row | {"broke_off_at": len(history) + 1, "seconds": seconds}
    seconds = round(time.process_time() - started, 1)
    row |= necks.score(model, necks.pictures("shapes", False))
    return row | {"losses": loss_in_parts(history), "seconds": seconds}


def settings(steps: int | None = None) -> dict:
    """What all runs have in common. steps: where all have as many."""
    common = {"batch": BATCH, "test_pictures": necks.TEST_PICTURES}
    return common if steps is None else {"steps": steps} | common


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, settings())
    train_one = functools.partial(trained, steps=QUICK_STEPS)
    return Plan(planned((0,)), train_one, settings(QUICK_STEPS))


if __name__ == "__main__":
    main("recipe", __doc__, plan)
