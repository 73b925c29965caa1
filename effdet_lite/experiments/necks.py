"""What fusion buys: one small detector with different necks, on shapes and on two tasks that need
their context.

python -m effdet_lite.experiments.necks              every run, into necks.json beside this file; finished
runs are kept python -m effdet_lite.experiments.necks --quick      a few short runs, to see that it works

Notebooks 04 and 05 import this file for what they train live. A run depends on its task, neck and
seed, and on nothing else. The detector is as plain as can be: a backbone of five 3x3 convolutions,
so that each level's receptive field is known, one neck, and the package's heads, loss and training.
The idea of comparing necks is that of EfficientDet's tables 4 and 5 (arXiv 1911.09070); tasks,
sizes and recipe are ours.
"""

import argparse
import bisect
import functools
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import Subset
from torchvision.ops import nms

from effdet_lite import cost
from effdet_lite.data import DetectionDataset, ShapesDetection, ShapesInContext
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import coco_ap_from_detections, detect_dataset
from effdet_lite.experiments import run as experiment
from effdet_lite.fusion import FusionGraph, Node, bifpn, fpn, fusion_weights, panet
from effdet_lite.scaling import EfficientDetConfig
from effdet_lite.training import TrainConfig, train

SIZE, LEVELS, CHANNELS = 128, (2, 3, 4, 5, 6), 32
BACKBONE = (16, 24, 48, 64, 96)  # channels of P1 ... P5
STEPS = {"shapes": 600, "top-down": 400, "bottom-up": 400}  # of each task
BATCH, RATE, WARMUP, TEST_PICTURES = 8, 0.016, 40, 300
AREA_CUTS = (16.0, 40.0)  # sides in pixels that part small, medium and large objects
SEEDS, REPEATS = (0, 1, 2), (1, 2, 3)
# What the figures call a neck: its graph and its weighting.
NECKS = {
    "FPN": ("FPN", "sum"),
    "PANet": ("PANet", "sum"),
    "BiFPN, sum": ("BiFPN", "sum"),
    "BiFPN, fast": ("BiFPN", "fast"),
}


def no_fusion(levels: Sequence[int]) -> FusionGraph:
    """Each level by itself: as many convolutions as FPN, and nothing that flows between levels."""
    return FusionGraph(
        "no fusion", tuple(Node(f"P{level}_out", level, (f"P{level}_in",)) for level in levels)
    )


GRAPHS = {"no fusion": no_fusion, "FPN": fpn, "PANet": panet, "BiFPN": bifpn}


@dataclass(frozen=True)
class Run:
    """One detector to train. task: a key of STEPS. graph: a key of GRAPHS. channels: of the neck
    and the heads.
    """

    task: str
    graph: str
    weighting: str = "sum"
    repeats: int = 1
    channels: int = CHANNELS
    seed: int = 0


def planned(seeds: Sequence[int] = SEEDS) -> list[Run]:
    """Every run of the experiment, the first seed first, so that a part of them compares too."""
    runs, at_equal_cost, dearest = [], [], macs("BiFPN", "fast", REPEATS[-1], CHANNELS)
    for seed, task in itertools.product(seeds, ("top-down", "bottom-up", "shapes")):
        runs.append(Run(task, "no fusion", seed=seed))
        for repeats, (graph, weighting) in itertools.product(REPEATS, NECKS.values()):
            runs.append(Run(task, graph, weighting, repeats, seed=seed))
        if task == "top-down":
            runs += [
                Run(task, "BiFPN", weighting, seed=seed) for weighting in ("softmax", "unbounded")
            ]
        # Each neck once, and the detector so much wider that it takes the MACs of the dearest one.
        for graph, weighting in [("no fusion", "sum"), *NECKS.values()]:
            at_equal_cost.append(
                Run(task, graph, weighting, 1, channels_for(graph, weighting, dearest), seed)
            )
    return runs + sorted(at_equal_cost, key=lambda run: run.task == "shapes")


class PlainBackbone(nn.Module):
    """One 3x3 convolution with stride 2, batch norm and SiLU for each level, P1 ... P5; made to be
    looked through.

    Without squeeze-and-excitation, which would let each position of every level see the whole
    image.
    """

    level_channels = BACKBONE

    def __init__(self):
        super().__init__()
        widths = zip((3, *BACKBONE), BACKBONE, strict=False)
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, after, 3, 2, 1, bias=False),
                nn.BatchNorm2d(after, 1e-3),
                nn.SiLU(inplace=True),
            )
            for before, after in widths
        )

    def features(self, images: Tensor) -> list[Tensor]:
        """images [N, 3, H, W] in 0-1 -> [P1 ... P5]; level l is [N, C_l, H / 2^l, W / 2^l]."""
        x, maps = ((images - 0.5) / 0.25).contiguous(memory_format=torch.channels_last), []
        for level in self.levels:
            x = level(x)
            maps.append(x)
        return maps


def detector(
    neck: FusionGraph,
    num_classes: int,
    weighting: str = "sum",
    repeats: int = 1,
    channels: int = CHANNELS,
) -> EfficientDet:
    """The small detector with this neck, fresh: levels P2-P6, and heads of one convolution and the
    one that answers.
    """
    config = EfficientDetConfig(
        SIZE,
        fusion_channels=channels,
        fusion_repeats=repeats,
        head_repeats=1,
        min_level=2,
        max_level=6,
        anchor_scale=2.0,
        weighting=weighting,
    )
    config = replace(
        config, backbone=replace(config.backbone, norm_momentum=0.1)
    )  # as torch's: a run is short
    return EfficientDet(config, num_classes, graph=neck, backbone=PlainBackbone())


@functools.lru_cache
def macs(graph: str, weighting: str, repeats: int, channels: int) -> int:
    """MACs of the small detector with six classes on one picture, counted."""
    with torch.device("meta"):
        model = detector(GRAPHS[graph](LEVELS), 6, weighting, repeats, channels)
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
    train_set = train_set or pictures(run.task, True)
    torch.manual_seed(run.seed)
    graph = neck or GRAPHS[run.graph](LEVELS)
    model = detector(graph, len(train_set.classes), run.weighting, run.repeats, run.channels)
    recipe = TrainConfig(
        steps=steps or STEPS[run.task],
        batch_size=BATCH,
        learning_rate=RATE,
        warmup=WARMUP,
        precision="no",
        seed=run.seed,
    )
    # `train` scores at the end; `score` tells more, so that one picture will do there.
    few = Subset(train_set, [0])
    few.classes = train_set.classes
    history = train(recipe, train_set, few, model=model, progress=progress, on_step=on_step)
    return model, history


def score(model: EfficientDet, test_set: DetectionDataset) -> dict:
    """AP, AP50 and AP by size on the test pictures; of the classes that an object's own pixels do
    not tell, where the data has such, AP50 ("asked"), and AP50 of the same boxes if no class is
    asked for ("asked_boxes")."""
    detections, targets = detect_dataset(model, test_set, batch_size=50, progress=False)
    found = coco_ap_from_detections(detections, targets, test_set.classes, area_cuts=AREA_CUTS)
    row = {name: found[name] for name in ("ap", "ap50", "ap_small", "ap_medium", "ap_large")}
    if asked := getattr(test_set, "asked", None):
        row["asked"] = sum(found["ap50_per_class"][name] for name in asked) / len(asked)
        first = test_set.classes.index(asked[0])
        one = [[_one_class(instance, first) for instance in some] for some in (detections, targets)]
        row["asked_boxes"] = coco_ap_from_detections(*one, ["asked"])["ap50"]
    return {
        name: round(value, 4) for name, value in row.items() if value == value
    }  # nan: no object of that size


def _one_class(instance: dict, first: int) -> dict:
    """The boxes with a label from `first` on, all of one class now; of detections that overlap, the
    best one.
    """
    chosen = instance["labels"] >= first
    kept = {name: value[chosen] for name, value in instance.items() if name != "image_id"}
    kept["labels"] = torch.zeros_like(kept["labels"])
    if "image_id" in instance:
        return kept | {"image_id": instance["image_id"]}
    # `detect` lets each class answer for itself, so an object of doubtful class has a box of each.
    best = nms(kept["boxes"], kept["scores"], 0.5)
    return {name: value[best] for name, value in kept.items()}


def edge_weights(model: EfficientDet, repeat: int = 0) -> dict[tuple[str, str], float]:
    """The factor with which each edge (source, node) of one cell enters its node."""
    factors = {}
    for name, node in model.fusion.cells[repeat].items():
        sources = next(entry.inputs for entry in model.fusion.graph.nodes if entry.name == name)
        values = fusion_weights(node.weights.detach(), node.weighting).tolist()
        factors |= {(source, name): value for source, value in zip(sources, values, strict=True)}
    return factors


def trained(run: Run, steps: int | None = None) -> dict:
    """Train this detector: the run with its params and MACs, `score`'s figures, its loss (mean of
    each tenth of the training), the first cell's edge weights where it has any, and processor
    seconds of training."""
    started = time.process_time()
    model, history = train_once(run, steps=steps)
    seconds = time.process_time() - started
    tenth = max(1, len(history) // 10)
    losses = [row["loss"] for row in history]
    size = cost.count(model, 1, 3, SIZE, SIZE)
    row = (
        asdict(run)
        | {"params": size.params, "macs": size.macs}
        | score(model, pictures(run.task, False))
    )
    row["losses"] = [
        round(sum(losses[at : at + tenth]) / tenth, 4) for at in range(0, 10 * tenth, tenth)
    ]
    if run.weighting != "sum":
        row["weights"] = [[*edge, round(value, 4)] for edge, value in edge_weights(model).items()]
    return row | {"seconds": round(seconds, 1)}


def run_all(path: Path, runs: Sequence[Run], steps: int | None = None, processes: int = 2) -> dict:
    """Train what `path` does not hold yet, for `steps` or as long as its task asks for; see
    `experiment.run_all`.
    """
    settings = {
        "steps": steps or STEPS,
        "batch": BATCH,
        "learning_rate": RATE,
        "test_pictures": TEST_PICTURES,
    }
    return experiment.run_all(
        path, runs, functools.partial(trained, steps=steps), settings, processes
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=experiment.results("necks"))
    parser.add_argument(
        "--processes", type=int, default=2, help="runs at a time, each on one thread"
    )
    parser.add_argument(
        "--quick", action="store_true", help="the necks once, seed 0, 20 steps; into quick.json"
    )
    options = parser.parse_args()
    if options.quick:
        quick = [run for run in planned((0,)) if run.repeats == 1 and run.channels == CHANNELS]
        run_all(options.output.with_name("quick.json"), quick, 20, options.processes)
    else:
        run_all(options.output, planned(), processes=options.processes)


if __name__ == "__main__":
    main()
