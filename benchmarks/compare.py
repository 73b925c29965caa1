"""This package against effdet, the reference port: same weights, images and boxes, in one process,
taking turns.

    python benchmarks/compare.py            # minutes; writes benchmarks/RESULTS.md
    python benchmarks/compare.py --quick    # on small images: shows that it runs; writes nothing

Before anything is timed, the two are shown to compute the same. Times are medians; a ratio is the
median of the turns' own ratios, so that a slow minute of the machine weighs on both sides. Peak
memory is the operating system's figure for a process of its own for each side, since Python's own
tracing does not see what PyTorch allocates.
"""

import argparse
import copy
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import date
from importlib.metadata import version
from itertools import pairwise
from typing import NamedTuple

warnings.filterwarnings("ignore", message=".*torch.jit.script.*")  # effdet's, at import

import effdet  # noqa: E402
import torch  # noqa: E402
from effdet.anchors import AnchorLabeler, Anchors  # noqa: E402
from effdet.bench import (  # noqa: E402
    DetBenchPredict,
    DetBenchTrain,
    _batch_detection,
    _post_process,
)
from results_page import describe_machine, write_section  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn.utils.fusion import fuse_conv_bn_weights  # noqa: E402
from tqdm.auto import tqdm  # noqa: E402

from effdet_lite.anchors import ANCHORS_PER_POSITION, match  # noqa: E402
from effdet_lite.efficientdet import EfficientDet  # noqa: E402
from effdet_lite.folding import folded  # noqa: E402
from effdet_lite.matching import fast_match  # noqa: E402
from effdet_lite.pretrained import load_effdet  # noqa: E402
from effdet_lite.suppression import postprocess  # noqa: E402

CLASSES = 90
# effdet writes boxes as (y, x, y, x) and offsets as (dy, dx, dh, dw): value[..., YX] turns one
# order into the other.
YX = [1, 0, 3, 2]


class Row(NamedTuple):
    """One line of the table: which of a contest's runners stand for us and for them, and the ratio
    that we aim at.
    """

    title: str
    ours: str
    theirs: str
    goal: float | None = None


class Contest(NamedTuple):
    """Runners that take turns on one job, and the rows that are read from their times."""

    runners: dict[str, Callable[[], object]]
    rows: list[Row]


# --- both sides, and what they are given ---


def build(size: int, calibrate: bool = True) -> tuple[EfficientDet, nn.Module]:
    """Our D0 and effdet's for size × size images, with the same weights: fresh ones.

    With the norms' initial statistics the features would die out on their way through the network,
    and every box would score alike. So the norms see a batch first, if asked to `calibrate`.
    """
    theirs = effdet.create_model(
        "tf_efficientdet_d0",
        pretrained=False,
        pretrained_backbone=False,
        num_classes=CLASSES,
        image_size=(size, size),
    )
    if calibrate:
        norms = [module for module in theirs.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            theirs.train()(normalized(random_images(8 if size < 512 else 2, size)))
        for norm in norms:
            norm.momentum = 0.01
    ours = EfficientDet.from_name("d0", CLASSES)
    load_effdet(ours, theirs.state_dict())
    return ours, theirs


def random_images(count: int, size: int) -> Tensor:
    """Noise, [count, 3, size, size] in 0-1; the same on every call."""
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def normalized(images: Tensor) -> Tensor:
    """What effdet takes. Its data loader does this outside of what is timed; our model does it
    inside.
    """
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    return (images - mean) / std


def random_objects(count: int, size: int) -> list[dict[str, Tensor]]:
    """For each of `count` images 20 objects, as a data set gives them: "boxes" [20, 4] (xyxy),
    sides of 3 to 60 % of the image, and "labels" [20].
    """
    generator = torch.Generator().manual_seed(1)
    corner = torch.rand(count, 20, 2, generator=generator)
    side = 0.03 * 20 ** torch.rand(count, 20, 2, generator=generator)
    corner = corner * (1 - side)
    boxes = torch.cat([corner, corner + side], -1) * size
    labels = torch.randint(CLASSES, (count, 20), generator=generator)
    return [{"boxes": box, "labels": label} for box, label in zip(boxes, labels, strict=True)]


def boxes_and_labels(targets: Sequence[dict]) -> tuple[list[Tensor], list[Tensor]]:
    """What `match` takes."""
    return [target["boxes"] for target in targets], [target["labels"] for target in targets]


def in_effdets_order(targets: Sequence[dict]) -> tuple[list[Tensor], list[Tensor]]:
    """What effdet takes: boxes as yxyx, labels from 1."""
    boxes, labels = boxes_and_labels(targets)
    return [box[:, YX] for box in boxes], [label + 1 for label in labels]


def flatten(maps: list[Tensor], outputs: int) -> Tensor:
    """Maps [N, 9 * outputs, H, W] of all levels -> [N, A, outputs], as our heads answer."""
    return torch.cat([x.permute(0, 2, 3, 1).reshape(len(x), -1, outputs) for x in maps], 1)


def level_maps(values: Tensor, size: int, levels: range) -> list[Tensor]:
    """The other way round: [N, A, outputs] -> one map [N, 9 * outputs, H, W] for each level."""
    sides = [size // 2**level for level in levels]
    parts = values.split([ANCHORS_PER_POSITION * side * side for side in sides], 1)
    maps = [
        part.reshape(len(values), side, side, -1) for part, side in zip(parts, sides, strict=True)
    ]
    return [x.permute(0, 3, 1, 2).contiguous() for x in maps]


def fold_norms_of_effdet(model: nn.Module) -> nn.Module:
    """A copy with each norm that follows its own convolution folded into it, for the contest with
    the same tricks.

    The heads' norms stay: over there a head's convolutions are shared by all levels, so there is no
    place for them.
    """
    model = copy.deepcopy(model).eval()
    for parent in list(model.modules()):
        children = list(parent.named_children())
        for (_, conv), (name, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                conv.weight, conv.bias = fuse_conv_bn_weights(
                    conv.weight,
                    conv.bias,
                    norm.running_mean,
                    norm.running_var,
                    norm.eps,
                    norm.weight,
                    norm.bias,
                )
                setattr(parent, name, getattr(norm, "act", nn.Identity()))
    return model


def check_agreement(ours: list[nn.Module], theirs: list[nn.Module], size: int) -> float:
    """The largest difference of class logits and box deltas between any of the models.

    Raises ValueError from 1e-2 on.
    """
    images, answers = random_images(1, size), []
    with torch.inference_mode():
        for model in ours:
            answers.append(torch.cat(model.eval()(images), -1))
        for model in theirs:
            logits, deltas = model.eval()(normalized(images))
            parts = [flatten(logits, CLASSES), flatten(deltas, 4)[..., YX]]
            answers.append(torch.cat(parts, -1))
    difference = max((answer - answers[0]).abs().max().item() for answer in answers)
    if difference > 1e-2:
        raise ValueError(
            f"the two sides differ by {difference:.2g}: times of different functions do not compare"
        )
    return difference


# --- contests ---


def three_rows(job: str) -> list[Row]:
    """How a whole network is compared: as users run it, with equal tricks, and without any."""
    return [
        Row(f"{job}: as users run it", "ours", "theirs", 0.67),
        Row(f"{job}: same tricks", "ours", "theirs, same tricks", 0.9),
        Row(f"{job}: no tricks on either side", "ours, plain", "theirs"),
    ]


def without_gradients(runners: dict[str, Callable]) -> dict[str, Callable]:
    """The same runners in inference mode."""
    return {name: torch.inference_mode()(run) for name, run in runners.items()}


def inference(size: int, batch: int, ours: EfficientDet, theirs: nn.Module) -> Contest:
    """From images to boxes. Both suppress 5,000 candidates an image (no score threshold), equal
    work.
    """
    images = random_images(batch, size)
    images_last = images.to(memory_format=torch.channels_last)
    theirs_images = normalized(images)
    theirs_images_last = theirs_images.to(memory_format=torch.channels_last)
    ours_fast = folded(ours)
    theirs_plain = DetBenchPredict(theirs.eval())
    theirs_fast = fold_norms_of_effdet(theirs).to(memory_format=torch.channels_last)
    theirs_fast = DetBenchPredict(theirs_fast)
    runners = {
        "ours": lambda: ours_fast.detect(images_last, score_threshold=0.0),
        "ours, plain": lambda: ours.detect(images, score_threshold=0.0),
        "theirs": lambda: theirs_plain(theirs_images),
        "theirs, same tricks": lambda: theirs_fast(theirs_images_last),
    }
    rows = three_rows(f"D0 inference, {size}², batch {batch}")
    return Contest(without_gradients(runners), rows)


def our_step(model: EfficientDet, size: int, batch: int, layout: torch.memory_format) -> Callable:
    """One training step of a copy of our model."""
    model = copy.deepcopy(model).train().to(memory_format=layout)
    images = random_images(batch, size).to(memory_format=layout)
    targets = random_objects(batch, size)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        model.loss(model(images), targets, (size, size)).total.backward()
        optimizer.step()

    return step


def their_step(model: nn.Module, size: int, batch: int, layout: torch.memory_format) -> Callable:
    """One training step of a copy of effdet's model."""
    model = DetBenchTrain(copy.deepcopy(model)).train().to(memory_format=layout)
    images = normalized(random_images(batch, size)).to(memory_format=layout)
    boxes, labels = in_effdets_order(random_objects(batch, size))
    target = {"bbox": boxes, "cls": labels}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        model(images, target)["loss"].backward()
        optimizer.step()

    return step


def training(size: int, batch: int, ours: EfficientDet, theirs: nn.Module) -> Contest:
    """One step: forward, labels, loss, backward, SGD with momentum."""
    plain, last = torch.contiguous_format, torch.channels_last
    runners = {
        "ours": our_step(ours, size, batch, last),
        "ours, plain": our_step(ours, size, batch, plain),
        "theirs": their_step(theirs, size, batch, plain),
        "theirs, same tricks": their_step(theirs, size, batch, last),
    }
    return Contest(runners, three_rows(f"D0 training step, {size}², batch {batch}"))


def label_assignment(size: int, batch: int, ours: EfficientDet, theirs: nn.Module) -> Contest:
    """Which anchor answers for which of 20 objects an image."""
    targets = random_objects(batch, size)
    boxes, labels = boxes_and_labels(targets)
    theirs_boxes, theirs_labels = in_effdets_order(targets)
    our_anchors = ours.anchors(size, size)
    labeler = AnchorLabeler(Anchors.from_config(theirs.config), CLASSES)
    runners = {
        "ours": lambda: fast_match(our_anchors, boxes, labels),
        "ours, plain": lambda: match(our_anchors, boxes, labels),
        "theirs": lambda: labeler.batch_label_anchors(theirs_boxes, theirs_labels),
    }
    job = f"label assignment, {size}², batch {batch}"
    rows = [
        Row(f"{job}: `fast_match`, as training does", "ours", "theirs", 0.2),
        Row(f"{job}: `match`, as the lesson shows", "ours, plain", "theirs"),
    ]
    return Contest(runners, rows)


def sure_answers(model: EfficientDet, size: int, batch: int) -> tuple[Tensor, Tensor]:
    """Class logits and box deltas as a trained detector gives them: sure of 20 objects an image."""
    generator = torch.Generator().manual_seed(2)
    anchors = model.anchors(size, size)
    matches = fast_match(anchors, *boxes_and_labels(random_objects(batch, size)), threshold=0.4)
    logits = torch.randn(batch, len(anchors), CLASSES, generator=generator) - 7
    positive = matches.labels >= 0
    logits[positive, matches.labels[positive]] += 6
    noise = torch.randn(batch, len(anchors), 4, generator=generator)
    return logits, matches.deltas + 0.1 * noise


def postprocessing(size: int, batch: int, ours: EfficientDet, theirs: nn.Module) -> Contest:
    """From the network's answers to boxes.

    Each side gets them as its own network gives them: ours as [N, A, K], theirs as one map for each
    level.
    """
    config = theirs.config
    levels = range(config.min_level, config.max_level + 1)
    our_anchors = ours.anchors(size, size)
    logits, deltas = sure_answers(ours, size, batch)
    logit_maps = level_maps(logits, size, levels)
    delta_maps = level_maps(deltas, size, levels)
    their_delta_maps = level_maps(deltas[..., YX], size, levels)
    their_anchors = Anchors.from_config(config).boxes
    image_scale, image_size = torch.ones(batch), torch.full((batch, 2), float(size))

    def our_run(logits: Tensor, deltas: Tensor, threshold: float) -> list[dict]:
        return postprocess(logits, deltas, our_anchors, (size, size), score_threshold=threshold)

    def from_maps() -> list[dict]:
        return our_run(flatten(logit_maps, CLASSES), flatten(delta_maps, 4), 0.0)

    def their_run() -> Tensor:
        most = config.max_detection_points
        logits, deltas, indices, classes = _post_process(
            logit_maps, their_delta_maps, config.num_levels, CLASSES, most
        )
        return _batch_detection(
            batch, logits, deltas, their_anchors, indices, classes, image_scale, image_size
        )

    runners = {
        "ours": lambda: our_run(logits, deltas, 0.05),
        "ours, all": lambda: our_run(logits, deltas, 0.0),
        "ours, maps": from_maps,
        "theirs": their_run,
    }
    job = f"post-processing, {size}², batch {batch}"
    rows = [
        Row(f"{job}: as users run it (ours drops scores below 0.05)", "ours", "theirs", 0.33),
        Row(f"{job}: all 5,000 candidates an image", "ours, all", "theirs", 0.33),
        Row(f"{job}: all candidates, ours too from level maps", "ours, maps", "theirs"),
    ]
    return Contest(without_gradients(runners), rows)


# --- time and memory ---


def take_turns(contest: Contest, rounds: int, bar: tqdm) -> dict[str, list[float]]:
    """Seconds of each runner in each round. The order turns round by round, after one round that
    does not count.
    """
    names = list(contest.runners)
    times = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in names if number % 2 else reversed(names):
            start = time.perf_counter()
            contest.runners[name]()
            if number:
                times[name].append(time.perf_counter() - start)
            bar.update()
    return times


def table_line(row: Row, times: dict[str, list[float]]) -> str:
    """What the report says of one row."""
    ours, theirs = times[row.ours], times[row.theirs]
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    ratio = statistics.median(ratios)
    medians = [f"{1000 * statistics.median(some):.1f} ms" for some in (ours, theirs)]
    spread = f"{ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    verdict = ""
    if row.goal is not None:
        verdict = "reached" if ratio <= row.goal else "missed"
    cells = [row.title, *medians, spread, str(row.goal or ""), verdict]
    return f"| {' | '.join(cells)} |"


MEMORY_JOBS = {"inference": inference, "training": training}


def peak_memory(side: str, job: str, size: int, batch: int) -> None:
    """In a process of its own: print by how many MiB one job raised the peak above that of making
    the models.
    """
    contest = MEMORY_JOBS[job](size, batch, *build(size, calibrate=False))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    contest.runners[side]()
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit)


def measure_memory(size: int, jobs: dict[str, int], bar: tqdm) -> list[str]:
    """Table lines. To be called before this process grows: Linux lets a child begin with its
    parent's peak.
    """
    lines = []
    for job, batch in jobs.items():
        peaks = []
        for side in ("ours", "theirs"):
            command = [sys.executable, __file__, "--peak-memory", side, job, str(size), str(batch)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks.append(float(done.stdout))
            bar.update()
        ours, theirs = peaks
        title = f"peak memory above the loaded model, D0 {job}, {size}², batch {batch}"
        ratio = ours / max(theirs, 1e-9)
        lines.append(f"| {title} | {ours:.0f} MiB | {theirs:.0f} MiB | {ratio:.2f} | | |")
    return lines


# --- the report ---


REPORT = """## This package against effdet

Made by `python benchmarks/compare.py`: {machine}.

Both sides have the same weights; their class logits and box deltas differ by at most \
{difference:.1e}. Medians of {rounds} turns; the ratio is ours / theirs, the median of the turns' \
own ratios (smallest–largest).

- *As users run it*: ours with channels_last, and for inference `folded(model)`; effdet as it comes.
- *Same tricks*: effdet with channels_last too, and for inference all norms folded but those of \
its heads, whose convolutions the levels share.
- Inference is from images to boxes, without a score threshold, so both suppress 5,000 candidates \
an image.

| what | ours | effdet | ratio | goal | |
| --- | --- | --- | --- | --- | --- |
{lines}
"""

JOBS = [
    (inference, 1),
    (inference, 8),
    (training, 2),
    (label_assignment, 16),
    (postprocessing, 8),
]
QUICK_JOBS = [(inference, 1), (training, 2), (label_assignment, 2), (postprocessing, 2)]


def compare(size: int, rounds: int, jobs: list, memory_jobs: dict[str, int]) -> str:
    """The report."""
    with tqdm(desc="compare", unit="run") as bar:
        memory = measure_memory(size, memory_jobs, bar)
        ours, theirs = build(size)
        both = [ours, folded(ours)], [theirs, fold_norms_of_effdet(theirs)]
        difference = check_agreement(*both, size)
        lines = []
        for make, batch in jobs:
            contest = make(size, batch, ours, theirs)
            times = take_turns(contest, rounds, bar)
            lines += [table_line(row, times) for row in contest.rows]
    packages = f"effdet {version('effdet')}, timm {version('timm')}"
    return REPORT.format(
        machine=f"{describe_machine()}, {packages}; {date.today()}",
        difference=difference,
        rounds=rounds,
        lines="\n".join(lines + memory),
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="small images and few rounds; write nothing"
    )
    parser.add_argument("--rounds", type=int, help="turns of each runner (default 15, quick 2)")
    parser.add_argument("--peak-memory", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.manual_seed(0)
    if options.peak_memory:
        side, job, size, batch = options.peak_memory
        peak_memory(side, job, int(size), int(batch))
    elif options.quick:
        print(compare(128, options.rounds or 2, QUICK_JOBS, {"inference": 1}))
    else:
        report = compare(512, options.rounds or 15, JOBS, {"inference": 8, "training": 2})
        print(report)
        write_section(report)


if __name__ == "__main__":
    main()
