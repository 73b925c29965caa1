"""Blood cells from scratch, from a backbone trained before, or from a whole detector trained
before; three seeds each.

python -m effdet_lite.experiments.transfer              every run, into transfer.json beside this file;
finished runs are kept python -m effdet_lite.experiments.transfer --quick      a few short runs, to see that
it works python -m effdet_lite.experiments.transfer --published  besides, B0's ImageNet weights against the
same network from scratch

Notebook 10 draws the file. The network is that of the detector of shapes in assets/checkpoints, at
192 x 256 pixels, so that all of its weights fit but the last layer of the class head. Everything
but the start is equal: photographs, order, steps and recipe. Photographs come from
EFFDET_LITE_BCCD. --published fetches 21 MB, and its runs take longer.
"""

import argparse
import functools
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch.utils.data import Subset

from effdet_lite.course import cells_folder, course_folder
from effdet_lite.data import open_dataset
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.experiments import run as experiment
from effdet_lite.starting import start_as_identity, start_from
from effdet_lite.training import TrainConfig, train

DETECTOR = course_folder(Path(__file__)) / "assets" / "checkpoints" / "shapes.safetensors"
SIZE, BATCH, RATE, SEEDS = (192, 256), 8, 0.014, (0, 1, 2)
STEPS, ALL, FEW = (40, 120, 320), 292, 20  # 292: training and validation photographs together
SHAPES = {"phi": -2.5, "width": 0.564, "depth": 0.335, "fused_stages": 6}  # the detector of shapes
B0 = {"phi": -2.5, "width": 1.0, "depth": 1.0}
STARTS = {
    "from scratch": (SHAPES, None),
    "backbone from shapes": (SHAPES, DETECTOR),
    "detector from shapes": (SHAPES, DETECTOR),
}
PUBLISHED = {"B0 from scratch": (B0, None), "B0 from ImageNet": (B0, "imagenet")}


@dataclass(frozen=True)
class Run:
    """One training. start: a key of STARTS or PUBLISHED. photographs: how many there are to learn
    from.
    """

    start: str
    steps: int
    photographs: int = ALL
    seed: int = 0


def planned(starts: Sequence[str] = tuple(STARTS), seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every run of the experiment once, the first seed and the shortest runs first."""
    settings = [(steps, ALL) for steps in STEPS] + [(STEPS[1], FEW)]
    return [
        Run(start, *setting, seed) for seed in seeds for setting in settings for start in starts
    ]


def recipe(run: Run, steps: int | None = None) -> TrainConfig:
    """The settings of this run. steps: fewer, to try."""
    steps = steps or run.steps
    return TrainConfig(
        **{**SHAPES, **(STARTS | PUBLISHED)[run.start][0]},
        size=SIZE,
        augment=0.2,
        steps=steps,
        batch_size=BATCH,
        learning_rate=RATE,
        warmup=min(20, steps),
        precision="no",
        seed=run.seed,
    )


@functools.lru_cache(maxsize=2)
def photographs(train: bool):
    """BCCD's photographs to learn from, or the 72 to test on."""
    with warnings.catch_warnings():  # about the two boxes without area
        warnings.simplefilter("ignore")
        return open_dataset(f"bccd:{cells_folder()}", SIZE, train=train, augment=0.2)


def begun(run: Run, classes: Sequence[str]) -> EfficientDet:
    """The model of this run before its first step."""
    config = recipe(run)
    torch.manual_seed(run.seed)
    model = EfficientDet(config.model_config, len(classes))
    start_as_identity(model)
    source = (STARTS | PUBLISHED)[run.start][1]
    if run.start.startswith(
        "backbone"
    ):  # the same weights as the whole detector's, for the backbone alone
        whole = EfficientDet(config.model_config, len(classes))
        start_from(whole, source, classes)
        model.backbone.load_state_dict(whole.backbone.state_dict())
    elif source:
        start_from(model, source, classes)
    return model


def trained(run: Run, steps: int | None = None) -> dict:
    """Train this run: its settings, AP on the test photographs, losses (mean of each tenth),
    processor seconds.
    """
    started = time.process_time()
    train_set, test_set = photographs(True), photographs(False)
    # The first ones of an order that no seed changes.
    order = torch.randperm(len(train_set), generator=torch.Generator().manual_seed(0)).tolist()
    chosen = Subset(train_set, order[: run.photographs])
    chosen.classes = train_set.classes
    config = recipe(run, steps)
    history = train(config, chosen, test_set, model=begun(run, chosen.classes), progress=False)
    losses, tenth = [row["loss"] for row in history], max(1, len(history) // 10)
    means = [round(sum(losses[at : at + tenth]) / tenth, 4) for at in range(0, 10 * tenth, tenth)]
    found = {name: round(history[-1][name], 4) for name in ("ap", "ap50", "ap75")}
    return (
        asdict(run) | found | {"losses": means, "seconds": round(time.process_time() - started, 1)}
    )


def run_all(path: Path, runs: Sequence[Run], steps: int | None = None, processes: int = 2) -> dict:
    """Train what `path` does not hold yet; see `experiment.run_all`."""
    settings = ({"steps": steps} if steps else {}) | {
        "batch": BATCH,
        "learning_rate": RATE,
        "size": list(SIZE),
    }
    return experiment.run_all(
        path, runs, functools.partial(trained, steps=steps), settings, processes
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=experiment.results("transfer"))
    parser.add_argument(
        "--processes", type=int, default=2, help="runs at a time, each on one thread"
    )
    parser.add_argument("--quick", action="store_true", help="seed 0, 10 steps; into quick.json")
    parser.add_argument(
        "--published", action="store_true", help="also from published weights, fetched if need be"
    )
    options = parser.parse_args()
    starts = [*STARTS, *(PUBLISHED if options.published else ())]
    if options.quick:
        runs = [replace(run, steps=10) for run in planned(starts, (0,)) if run.steps == STEPS[0]]
        run_all(options.output.with_name("quick.json"), runs, 10, options.processes)
    else:
        run_all(options.output, planned(starts), processes=options.processes)


if __name__ == "__main__":
    main()
