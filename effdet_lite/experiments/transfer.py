"""Blood cells from scratch, from a trained backbone, or from a whole trained detector.

Notebook 10 draws the results. The network is that of the course's detector of shapes, at 192 x 256
pixels, so that all of its weights fit but the last layer of the class head. Everything but the
start is equal: photographs, order, steps and recipe; three seeds each.

    python -m effdet_lite.experiments.transfer              every run; finished ones are kept
    python -m effdet_lite.experiments.transfer --quick      seed 0, 10 steps each
    python -m effdet_lite.experiments.transfer --published  also B0 from scratch and from ImageNet

The photographs are those that `effdet-lite prefetch` fetches. --published fetches B0's weights (21
MB) where they are missing, and its runs take longer.
"""

import copy
import functools
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from effdet_lite.data import DetectionDataset, open_dataset
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import coco_ap_from_detections, detect_dataset
from effdet_lite.experiments.run import Plan, loss_in_parts, main
from effdet_lite.folding import folded
from effdet_lite.places import cells_folder, shipped_detector
from effdet_lite.randomness import own_numbers
from effdet_lite.starting import transfer_weights, zero_init_residual
from effdet_lite.training import TrainConfig, train

SIZE = (192, 256)  # height and width in pixels
BATCH, RATE = 8, 0.014
SEEDS = (0, 1, 2)
STEPS, QUICK_STEPS = (40, 120, 320), 10
ALL, FEW = 292, 20  # photographs: those to train and to validate together, and few of them
SHAPES = {"phi": -0.5, "width": 0.564, "depth": 0.25, "fused_stages": 6}  # the detector of shapes
B0 = {"phi": -2.5, "width": 1.0, "depth": 1.0, "fused_stages": 0}


@dataclass(frozen=True)
class Start:
    """What a training begins with.

    source: "shapes", the course's detector, "imagenet", or None for fresh weights. backbone_only:
    of a detector, whether its neck and heads stay fresh.
    """

    source: str | None = None
    backbone_only: bool = False
    network: dict = field(default_factory=lambda: SHAPES)

    @property
    def weights(self) -> str | Path | None:
        """What `starting` takes."""
        return shipped_detector("shapes") if self.source == "shapes" else self.source


STARTS = {
    "from scratch": Start(),
    "backbone from shapes": Start("shapes", backbone_only=True),
    "detector from shapes": Start("shapes"),
}
PUBLISHED = {
    "B0 from scratch": Start(network=B0),
    "B0 from ImageNet": Start("imagenet", network=B0),
}


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
    lengths = [*((steps, ALL) for steps in STEPS), (STEPS[1], FEW)]
    return [
        Run(start, steps, photographs, seed)
        for seed in seeds
        for steps, photographs in lengths
        for start in starts
    ]


def recipe(run: Run, steps: int | None = None) -> TrainConfig:
    """The settings of this run. steps: fewer, to try."""
    steps = steps or run.steps
    return TrainConfig(
        **(STARTS | PUBLISHED)[run.start].network,
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


def first_of(number: int):
    """So many photographs to learn from: the first ones of an order that no seed changes."""
    train_set = photographs(True)
    order = torch.randperm(len(train_set), generator=torch.Generator().manual_seed(0)).tolist()
    chosen = train_set.subset(order[:number])
    return chosen


def begun(run: Run, classes: Sequence[str]) -> EfficientDet:
    """The model of this run before its first step."""
    config = recipe(run).model_config
    start = (STARTS | PUBLISHED)[run.start]
    with own_numbers(run.seed):
        model = EfficientDet(config, len(classes))
        zero_init_residual(model)
        whole = EfficientDet(config, len(classes)) if start.backbone_only else None
    if whole is not None:
        transfer_weights(whole, start.weights, classes)
        model.backbone.load_state_dict(whole.backbone.state_dict())
    elif start.source:
        transfer_weights(model, start.weights, classes)
    return model


def trained(run: Run, steps: int | None = None) -> dict:
    """Train this run, and return its row. steps: fewer, to try.

    The row: the run's settings, AP on the test photographs, AP50 of each class, the mean loss of
    each tenth, processor seconds.
    """
    started = time.process_time()
    train_set, test_set = first_of(run.photographs), photographs(False)
    model = begun(run, train_set.classes)
    history = train(recipe(run, steps), train_set, test_set, model=model, progress=False)
    row = asdict(run) | {name: round(history[-1][name], 4) for name in ("ap", "ap50", "ap75")}
    row["ap50_per_class"] = by_class(model, test_set)
    row["losses"] = loss_in_parts(history)
    row["seconds"] = round(time.process_time() - started, 1)
    return row


def by_class(model: EfficientDet, test_set: DetectionDataset) -> dict[str, float]:
    """AP50 of each class, of the detector as its file would keep it: in half precision."""
    rounded = copy.deepcopy(model).half().float()
    found = detect_dataset(folded(rounded), test_set, progress=False)
    figures = coco_ap_from_detections(*found, test_set.classes)
    return {name: round(value, 4) for name, value in figures["ap50_per_class"].items()}


def settings(steps: int | None = None) -> dict:
    """What all runs have in common. steps: where all have as many."""
    common = {"batch": BATCH, "learning_rate": RATE, "size": list(SIZE)}
    return common if steps is None else {"steps": steps} | common


def plan(quick: bool = False, published: bool = False) -> Plan:
    """What the command trains. published: also from published weights."""
    starts = [*STARTS, *(PUBLISHED if published else ())]
    if not quick:
        return Plan(planned(starts), trained, settings())
    shortest = [run for run in planned(starts, (0,)) if run.steps == STEPS[0]]
    runs = [replace(run, steps=QUICK_STEPS) for run in shortest]
    return Plan(runs, trained, settings(QUICK_STEPS))


if __name__ == "__main__":
    switch = {"published": "also from published weights, which are fetched if need be"}
    main("transfer", __doc__, plan, switch)
