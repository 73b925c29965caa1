"""What fusion buys: one small detector with different necks.

Its tasks are shapes, and two tasks that need their context. Notebooks 04 and 05 draw the results,
and train some runs live. A run depends on its task, neck and seed, and on nothing else.

    python -m effdet_lite.experiments.necks            every run; finished ones are kept
    python -m effdet_lite.experiments.necks --quick    the necks once, seed 0, 20 steps each

The idea of comparing necks is that of EfficientDet's tables 4 and 5 (arXiv 1911.09070); tasks,
sizes and recipe are ours.
"""

import bisect
import functools
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torchvision.ops import nms

from effdet_lite import cost
from effdet_lite.data import DetectionDataset, ShapesDetection, ShapesInContext
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import coco_ap_from_detections, detect_dataset
from effdet_lite.experiments.plain import CHANNELS, LEVELS, SIZE, detector
from effdet_lite.experiments.run import Plan, loss_in_parts, main
from effdet_lite.fusion import FusionGraph, Node, bifpn, fpn, fusion_weights, panet
from effdet_lite.randomness import own_numbers
from effdet_lite.training import TrainConfig, train

STEPS = {"shapes": 600, "top-down": 400, "bottom-up": 400}  # of each task
QUICK_STEPS = 20
BATCH, RATE, WARMUP = 8, 0.016, 40
TEST_PICTURES = 300
AREA_CUTS = (16.0, 40.0)  # sides in pixels that part small, medium and large objects
SEEDS = (0, 1, 2)
REPEATS = (1, 2, 3)


def no_fusion(levels: Sequence[int]) -> FusionGraph:
    """Each level by itself: as many convolutions as FPN, and nothing that flows between levels."""
    nodes = tuple(Node(f"P{level}_out", level, (f"P{level}_in",)) for level in levels)
    return FusionGraph("no fusion", nodes)


GRAPHS = {
    "no fusion": no_fusion(LEVELS),
    "FPN": fpn(LEVELS),
    "PANet": panet(LEVELS),
    "BiFPN": bifpn(LEVELS),
}
# What the figures call a neck: its graph and its weighting.
NECKS = {
    "FPN": ("FPN", "sum"),
    "PANet": ("PANet", "sum"),
    "BiFPN, sum": ("BiFPN", "sum"),
    "BiFPN, fast": ("BiFPN", "fast"),
}


@dataclass(frozen=True)
class Run:
    """One detector to train.

    task: a key of STEPS. graph: the name of a graph, in GRAPHS or another table. channels: of the
    neck and the heads.
    """

    task: str
    graph: str
    weighting: str = "sum"
    repeats: int = 1
    channels: int = CHANNELS
    seed: int = 0


def planned(seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every run of the experiment, the first seed first, so that a part of them compares too."""
    narrow, wide = [], []
    for seed, task in itertools.product(seeds, ("top-down", "bottom-up", "shapes")):
        narrow += _narrow(task, seed)
        wide += _at_equal_cost(task, seed)
    # Shapes take longest, so they come last.
    return narrow + sorted(wide, key=lambda run: run.task == "shapes")


def _narrow(task: str, seed: int) -> list[Run]:
    """Each neck with the usual channels, once and repeated."""
    runs = [Run(task, "no fusion", seed=seed)]
    for repeats, (graph, weighting) in itertools.product(REPEATS, NECKS.values()):
        runs.append(Run(task, graph, weighting, repeats, seed=seed))
    if task == "top-down":
        for weighting in ("softmax", "unbounded"):
            runs.append(Run(task, "BiFPN", weighting, seed=seed))
    return runs


def _at_equal_cost(task: str, seed: int) -> list[Run]:
    """Each neck once, and so much wider that the detector takes the MACs of the most expensive."""
    most = macs("BiFPN", "fast", REPEATS[-1], CHANNELS)
    runs = []
    for graph, weighting in [("no fusion", "sum"), *NECKS.values()]:
        channels = channels_for(graph, weighting, most)
        runs.append(Run(task, graph, weighting, 1, channels, seed))
    return runs


@functools.cache
def macs(graph: str, weighting: str, repeats: int, channels: int) -> int:
    """MACs of the small detector with six classes on one picture, counted. graph: a key of
    GRAPHS.
    """
    with torch.device("meta"):
        model = detector(GRAPHS[graph], 6, weighting, repeats, channels)
    return cost.count(model, 1, 3, SIZE, SIZE).macs


def channels_for(graph: str, weighting: str, wanted: int) -> int:
    """The channels with which this neck, not repeated, brings the detector's MACs nearest to
    `wanted`.
    """
    cost_of = functools.partial(macs, graph, weighting, 1)
    above = bisect.bisect_left(range(3 * CHANNELS), wanted, lo=CHANNELS + 1, key=cost_of)
    return min(above - 1, above, key=lambda channels: abs(cost_of(channels) - wanted))


@functools.lru_cache(maxsize=6)
def pictures(task: str, train: bool) -> DetectionDataset:
    """Training or test pictures of a task, the same for every run, kept once they are drawn."""
    split, length = ("train", STEPS[task] * BATCH) if train else ("test", TEST_PICTURES)
    if task == "shapes":
        return ShapesDetection(split, SIZE, length, seed=1, cache=True)
    return ShapesInContext(split, SIZE, length, seed=1, direction=task, cache=True)


def train_once(
    run: Run,
    neck: FusionGraph | None = None,
    *,
    steps: int | None = None,
    progress: bool = False,
    on_step: Callable[[dict], None] | None = None,
    train_set: DetectionDataset | None = None,
) -> tuple[EfficientDet, list[dict]]:
    """The trained detector and its history; the recipe is the package's, and the same for all.

    neck: a graph in place of the run's. steps: of the task by default. train_set: pictures in place
    of the task's.
    """
    if train_set is None:
        train_set = pictures(run.task, True)
    graph = neck or GRAPHS[run.graph]
    with own_numbers(run.seed):
        model = detector(graph, len(train_set.classes), run.weighting, run.repeats, run.channels)
    config = recipe_for(steps or STEPS[run.task], run.seed)
    history = train(config, train_set, model=model, progress=progress, on_step=on_step)
    return model, history


def recipe_for(steps: int, seed: int) -> TrainConfig:
    """The recipe that all experiments with the small detector share."""
    return TrainConfig(
        steps=steps,
        batch_size=BATCH,
        learning_rate=RATE,
        warmup=min(WARMUP, steps),
        precision="no",
        seed=seed,
    )


def fit(
    model: EfficientDet,
    train_set: DetectionDataset,
    test_set: DetectionDataset,
    steps: int,
    seed: int,
) -> dict:
    """Train a detector in place by `recipe_for`, and return its figures.

    They are params and MACs on one picture, `score`'s, the mean loss of each tenth of the training,
    and processor seconds of training.
    """
    started = time.process_time()
    history = train(recipe_for(steps, seed), train_set, model=model, progress=False)
    seconds = time.process_time() - started
    size = cost.count(model, 1, 3, SIZE, SIZE)
    row = {"params": size.params, "macs": size.macs} | score(model, test_set)
    return row | {"losses": loss_in_parts(history), "seconds": round(seconds, 1)}


def score(model: EfficientDet, test_set: DetectionDataset) -> dict[str, float]:
    """AP, AP50 and AP by size on the test pictures, rounded; none of a size that has no object.

    Where some classes are told by an object's context alone (`test_set.asked`), also "asked", their
    AP50, and "asked_boxes", the AP50 of the same boxes if no class is asked for.
    """
    detections, targets = detect_dataset(model, test_set, batch_size=50, progress=False)
    found = coco_ap_from_detections(detections, targets, test_set.classes, area_cuts=AREA_CUTS)
    row = {name: found[name] for name in ("ap", "ap50", "ap_small", "ap_medium", "ap_large")}
    asked = getattr(test_set, "asked", ())
    if asked:
        row["asked"] = sum(found["ap50_per_class"][name] for name in asked) / len(asked)
        first = test_set.classes.index(asked[0])
        boxes = [_best_boxes(_of_one_class(one, first)) for one in detections]
        truth = [_of_one_class(one, first) for one in targets]
        row["asked_boxes"] = coco_ap_from_detections(boxes, truth, ["asked"])["ap50"]
    return {name: round(value, 4) for name, value in row.items() if value == value}  # not nan


def _of_one_class(instance: dict, first: int) -> dict:
    """The boxes with a label from `first` on, all of one class now."""
    chosen = instance["labels"] >= first
    kept = {
        name: value[chosen] if name in ("boxes", "labels", "scores") else value
        for name, value in instance.items()
    }
    return kept | {"labels": torch.zeros_like(kept["labels"])}


def _best_boxes(found: dict) -> dict:
    """Of detections that overlap, the best one.

    `detect` lets each class answer for itself, so an object of doubtful class has a box of each.
    """
    best = nms(found["boxes"], found["scores"], 0.5)
    return {name: value[best] for name, value in found.items()}


def edge_weights(model: EfficientDet, repeat: int = 0) -> dict[tuple[str, str], float]:
    """The factor with which each edge (source, node) of one cell enters its node."""
    inputs = {node.name: node.inputs for node in model.fusion.graph.nodes}
    factors = {}
    for name, node in model.fusion.cells[repeat].items():
        values = fusion_weights(node.weights.detach(), node.weighting).tolist()
        for source, value in zip(inputs[name], values, strict=True):
            factors[source, name] = value
    return factors


def trained(run: Run, steps: int | None = None, graphs: Mapping[str, FusionGraph] = GRAPHS) -> dict:
    """Train this detector, and return its row.

    The row: the run, params and MACs, `score`'s figures, the mean loss of each tenth of the
    training, the first cell's edge weights where it has any, and processor seconds of training.
    """
    started = time.process_time()
    model, history = train_once(run, graphs[run.graph], steps=steps)
    seconds = time.process_time() - started
    size = cost.count(model, 1, 3, SIZE, SIZE)
    row = asdict(run) | {"params": size.params, "macs": size.macs}
    row |= score(model, pictures(run.task, False))
    row["losses"] = loss_in_parts(history)
    if run.weighting != "sum":
        row["weights"] = [[*edge, round(value, 4)] for edge, value in edge_weights(model).items()]
    row["seconds"] = round(seconds, 1)
    return row


def settings(steps: int | Mapping[str, int] = STEPS) -> dict:
    """What all runs have in common. steps: of each task, or of all."""
    return {
        "steps": steps,
        "batch": BATCH,
        "learning_rate": RATE,
        "test_pictures": TEST_PICTURES,
    }


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if not quick:
        return Plan(planned(), trained, settings())
    runs = [run for run in planned((0,)) if run.repeats == 1 and run.channels == CHANNELS]
    return Plan(runs, functools.partial(trained, steps=QUICK_STEPS), settings(QUICK_STEPS))


if __name__ == "__main__":
    main("necks", __doc__, plan)
