"""This package against effdet, the reference port: same weights, images and boxes, in one process,
taking turns.

    python benchmarks/compare.py            # minutes; writes benchmarks/RESULTS.md
    python benchmarks/compare.py --quick    # seconds, on small images: shows that it runs; prints,
    writes nothing

Before anything is timed, the two are shown to compute the same.  Times are medians; a ratio is the
median of the turns' own ratios, so that a slow minute of the machine weighs on both sides.  Peak
memory is the operating system's figure for a process of its own for each side, since Python's own
tracing does not see what PyTorch allocates.
"""

import argparse
import copy
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

warnings.filterwarnings("ignore", message=".*torch.jit.script.*")  # effdet's, at import

import effdet  # noqa: E402
import torch  # noqa: E402
from effdet.anchors import AnchorLabeler, Anchors  # noqa: E402
from effdet.bench import DetBenchPredict, DetBenchTrain, _batch_detection, _post_process  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn.utils.fusion import fuse_conv_bn_weights  # noqa: E402
from tqdm.auto import tqdm  # noqa: E402

from effdet_lite.efficientdet import EfficientDet  # noqa: E402
from effdet_lite.folding import folded  # noqa: E402
from effdet_lite.losses import detection_loss  # noqa: E402
from effdet_lite.matching import fast_match  # noqa: E402
from effdet_lite.pretrained import load_effdet  # noqa: E402
from effdet_lite.suppression import postprocess  # noqa: E402

CLASSES = 90
RESULTS = Path(__file__).with_name("RESULTS.md")


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


def build(size: int, calibrate: bool = True) -> tuple[EfficientDet, nn.Module]:
    """Our D0 and effdet's for size × size images, with the same weights: fresh ones.

    With the norms' initial statistics the features would die out on their way through the network,
    and every box would score alike.  So the norms see a batch first, if asked to `calibrate`.
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
            theirs.train()(normalised(random_images(8 if size < 512 else 2, size)))
        for norm in norms:
            norm.momentum = 0.01
    ours = EfficientDet.from_name("d0", CLASSES)
    load_effdet(ours, theirs.state_dict())
    return ours, theirs


def random_images(count: int, size: int) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def normalised(images: Tensor) -> Tensor:
    """What effdet takes.  Its data loader does this outside of what is timed; our model does it
    inside.
    """
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    return (images - mean) / std


def random_objects(count: int, size: int) -> tuple[list[Tensor], list[Tensor]]:
    """For each of `count` images 20 boxes [20, 4] (xyxy), sides of 3 to 60 % of the image, and
    their labels [20].
    """
    generator = torch.Generator().manual_seed(1)
    corner, side = (
        torch.rand(count, 20, 2, generator=generator),
        torch.rand(count, 20, 2, generator=generator),
    )
    side = 0.03 * 20**side
    corner = corner * (1 - side)
    boxes = torch.cat([corner, corner + side], -1) * size
    return list(boxes), list(torch.randint(CLASSES, (count, 20), generator=generator))


def flatten(maps: list[Tensor], outputs: int) -> Tensor:
    """Maps [N, 9 * outputs, H, W] of all levels -> [N, A, outputs], as our heads answer."""
    return torch.cat([x.permute(0, 2, 3, 1).reshape(len(x), -1, outputs) for x in maps], 1)


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
    """The largest difference of class logits and box deltas between any of the models; a ValueError
    from 1e-2 on.
    """
    images, answers = random_images(1, size), []
    with torch.inference_mode():
        for model in ours:
            answers.append(torch.cat(model.eval()(images), -1))
        for model in theirs:
            logits, deltas = model.eval()(normalised(images))
            answers.append(
                torch.cat([flatten(logits, CLASSES), flatten(deltas, 4)[..., [1, 0, 3, 2]]], -1)
            )
    difference = max((answer - answers[0]).abs().max().item() for answer in answers)
    if difference > 1e-2:
        raise ValueError(
            f"the two sides differ by {difference:.2g}: times of different functions do not compare"
        )
    return difference


def inference(size: int, batch: int, ours: EfficientDet, theirs: nn.Module) -> Contest:
    """From images to boxes.  Both suppress 5,000 candidates an image (no score threshold), equal
    work.
    """
    images, theirs_images = random_images(batch, size), normalised(random_images(batch, size))
    ours_folded, theirs_folded = (
        folded(ours),
        fold_norms_of_effdet(theirs).to(memory_format=torch.channels_last),
    )
    plain, tuned = DetBenchPredict(theirs.eval()), DetBenchPredict(theirs_folded)
    last, theirs_last = (x.to(memory_format=torch.channels_last) for x in (images, theirs_images))
    runners = {
        "ours": lambda: ours_folded.detect(last, score_threshold=0.0),
        "ours, plain": lambda: ours.detect(images, score_threshold=0.0),
        "theirs": lambda: plain(theirs_images),
        "theirs, same tricks": lambda: tuned(theirs_last),
    }
    job = f"D0 inference, {size}², batch {batch}"
    rows = [
        Row(f"{job}: as users run it", "ours", "theirs", 0.67),
        Row(f"{job}: same tricks", "ours", "theirs, same tricks", 0.9),
        Row(f"{job}: no tricks on either side", "ours, plain", "theirs"),
    ]
    return Contest({name: torch.inference_mode()(run) for name, run in runners.items()}, rows)


def training(size: int, batch: int, ours: EfficientDet, theirs: nn.Module) -> Contest:
    """One step: forward, labels, loss, backward, SGD with momentum."""
    boxes, labels = random_objects(batch, size)
    target = {
        "bbox": [box[:, [1, 0, 3, 2]] for box in boxes],
        "cls": [label + 1 for label in labels],
    }

    def our_step(memory_format: torch.memory_format) -> Callable[[], None]:
        model = copy.deepcopy(ours).train().to(memory_format=memory_format)
        images = random_images(batch, size).to(memory_format=memory_format)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

        def step() -> None:
            optimizer.zero_grad()
            matches = fast_match(model.anchors(size, size), boxes, labels)
            detection_loss(*model(images), matches).total.backward()
            optimizer.step()

        return step

    def their_step(memory_format: torch.memory_format) -> Callable[[], None]:
        model = DetBenchTrain(copy.deepcopy(theirs)).train().to(memory_format=memory_format)
        images = normalised(random_images(batch, size)).to(memory_format=memory_format)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

        def step() -> None:
            optimizer.zero_grad()
            model(images, target)["loss"].backward()
            optimizer.step()

        return step

    runners = {
        "ours": our_step(torch.channels_last),
        "ours, plain": our_step(torch.contiguous_format),
        "theirs": their_step(torch.contiguous_format),
        "theirs, same tricks": their_step(torch.channels_last),
    }
    job = f"D0 training step, {size}², batch {batch}"
    rows = [
        Row(f"{job}: as users run it", "ours", "theirs", 0.67),
        Row(f"{job}: same tricks", "ours", "theirs, same tricks", 0.9),
        Row(f"{job}: no tricks on either side", "ours, plain", "theirs"),
    ]
    return Contest(runners, rows)


def label_assignment(size: int, batch: int, ours: EfficientDet, theirs: nn.Module) -> Contest:
    """Which anchor answers for which of 20 objects an image."""
    boxes, classes = random_objects(batch, size)
    our_anchors, labeler = (
        ours.anchors(size, size),
        AnchorLabeler(Anchors.from_config(theirs.config), CLASSES),
    )
    theirs_boxes, theirs_classes = (
        [box[:, [1, 0, 3, 2]] for box in boxes],
        [label + 1 for label in classes],
    )
    runners = {
        "ours": lambda: fast_match(our_anchors, boxes, classes),
        "theirs": lambda: labeler.batch_label_anchors(theirs_boxes, theirs_classes),
    }
    return Contest(
        runners, [Row(f"label assignment, {size}², batch {batch}", "ours", "theirs", 0.2)]
    )


def postprocessing(size: int, batch: int, ours: EfficientDet, theirs: nn.Module) -> Contest:
    """From the network's answers to boxes.  The answers are those of a trained detector: sure of 20
    objects an image.

    Each side gets them as its own network gives them: ours as [N, A, K], theirs as one map for each
    level.
    """
    generator = torch.Generator().manual_seed(2)
    our_anchors, config = ours.anchors(size, size), theirs.config
    matches = fast_match(our_anchors, *random_objects(batch, size), threshold=0.4)
    logits = torch.randn(batch, len(our_anchors), CLASSES, generator=generator) - 7
    logits[matches.labels >= 0, matches.labels[matches.labels >= 0]] += 6
    deltas = matches.deltas + 0.1 * torch.randn(batch, len(our_anchors), 4, generator=generator)
    shapes = [(size // 2**level,) * 2 for level in range(config.min_level, config.max_level + 1)]

    def maps(values: Tensor) -> list[Tensor]:
        parts = values.split([9 * height * width for height, width in shapes], 1)
        return [
            x.reshape(batch, *shape, -1).permute(0, 3, 1, 2).contiguous()
            for x, shape in zip(parts, shapes, strict=True)
        ]

    logit_maps, delta_maps, boxes = (
        maps(logits),
        maps(deltas[..., [1, 0, 3, 2]]),
        Anchors.from_config(config).boxes,
    )
    image_scale, image_size = torch.ones(batch), torch.full((batch, 2), float(size))

    def theirs_run() -> Tensor:
        best = _post_process(
            logit_maps, delta_maps, config.num_levels, CLASSES, config.max_detection_points
        )
        return _batch_detection(
            batch, best[0], best[1], boxes, best[2], best[3], image_scale, image_size
        )

    runners = {
        "ours": lambda: postprocess(
            logits, deltas, our_anchors, (size, size), score_threshold=0.05
        ),
        "ours, all": lambda: postprocess(
            logits, deltas, our_anchors, (size, size), score_threshold=0.0
        ),
        "ours, maps": lambda: postprocess(
            flatten(logit_maps, CLASSES),
            flatten(delta_maps, 4),
            our_anchors,
            (size, size),
            score_threshold=0.0,
        ),
        "theirs": theirs_run,
    }
    job = f"post-processing, {size}², batch {batch}"
    rows = [
        Row(f"{job}: as users run it (ours drops scores below 0.05)", "ours", "theirs", 0.33),
        Row(f"{job}: all 5,000 candidates an image", "ours, all", "theirs", 0.33),
        Row(f"{job}: all candidates, ours too from level maps", "ours, maps", "theirs"),
    ]
    return Contest({name: torch.inference_mode()(run) for name, run in runners.items()}, rows)


def take_turns(contest: Contest, rounds: int, bar: tqdm) -> dict[str, list[float]]:
    """Seconds of each runner in each round.  The order turns round by round, after one round that
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


def peak_memory(side: str, job: str, size: int, batch: int) -> None:
    """In a process of its own: print by how many MiB one job raised the peak above that of making
    the models.
    """
    contest = {"inference": inference, "training": training}[job](
        size, batch, *build(size, calibrate=False)
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    contest.runners[side]()
    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit)


def measure_memory(size: int, jobs: dict[str, int], bar: tqdm) -> list[str]:
    """Table lines.  To be called before this process grows: Linux lets a child begin with its
    parent's peak.
    """
    lines = []
    for job, batch in jobs.items():
        peaks = []
        for side in ("ours", "theirs"):
            command = [sys.executable, __file__, "--peak-memory", side, job, str(size), str(batch)]
            peaks.append(
                float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            )
            bar.update()
        title = f"peak memory above the loaded model, D0 {job}, {size}², batch {batch}"
        lines.append(
            f"| {title} | {peaks[0]:.0f} MiB | {peaks[1]:.0f} MiB | {peaks[0] / max(peaks[1], 1e-9):.2f} | | |"
        )
    return lines


def describe_machine() -> str:
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        names = [
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ]
        cpu = names[0] if names else cpu
    return (
        f"{cpu}, {os.cpu_count()} cores, {torch.get_num_threads()} threads; {platform.system()}; "
        f"Python {platform.python_version()}, torch {torch.__version__}, effdet {version('effdet')}, "
        f"timm {version('timm')}; {date.today()}"
    )


def main() -> None:
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
        return peak_memory(side, job, int(size), int(batch))

    size, rounds = (128, 2) if options.quick else (512, 15)
    rounds = options.rounds or rounds
    jobs = [
        (inference, 1),
        (inference, 8),
        (training, 2),
        (label_assignment, 16),
        (postprocessing, 8),
    ]
    memory_jobs = {"inference": 8, "training": 2}
    if options.quick:
        jobs = [
            (make, min(batch, 2)) for make, batch in jobs if make is not inference or batch == 1
        ]
        memory_jobs = {"inference": 1}
    runs = 2 * len(memory_jobs) + (rounds + 1) * sum(
        2 if make is label_assignment else 4 for make, _ in jobs
    )
    with tqdm(desc="compare", total=runs, unit="run") as bar:
        memory = measure_memory(size, memory_jobs, bar)
        ours, theirs = build(size)
        difference = check_agreement(
            [ours, folded(ours)], [theirs, fold_norms_of_effdet(theirs)], size
        )
        lines = []
        for make, batch in jobs:
            contest = make(size, batch, ours, theirs)
            times = take_turns(contest, rounds, bar)
            for row in contest.rows:
                ratios = [
                    one / other
                    for one, other in zip(times[row.ours], times[row.theirs], strict=True)
                ]
                ratio = statistics.median(ratios)
                medians = [
                    f"{1000 * statistics.median(times[name]):.1f} ms"
                    for name in (row.ours, row.theirs)
                ]
                verdict = "" if row.goal is None else "reached" if ratio <= row.goal else "missed"
                spread = f"{ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
                lines.append(
                    f"| {row.title} | {' | '.join(medians)} | {spread} | {row.goal or ''} | {verdict} |"
                )
    report = "\n".join(
        [
            "# This package against effdet",
            "",
            f"Made by `python benchmarks/compare.py`: {describe_machine()}.",
            "",
            f"Both sides have the same weights; their class logits and box deltas differ by at most "
            f"{difference:.1e}. Medians of {rounds} turns; the ratio is ours / theirs, the median of the turns' own ratios "
            "(smallest–largest).",
            "",
            "- *As users run it*: ours with channels_last, and for inference `folding.folded(model)`; effdet as it comes.",
            "- *Same tricks*: effdet with channels_last too, and for inference all norms folded but those of its heads, "
            "whose convolutions the levels share.",
            "- Inference is from images to boxes, without a score threshold, so both suppress 5,000 candidates an image.",
            "",
            "| what | ours | effdet | ratio | goal | |",
            "| --- | --- | --- | --- | --- | --- |",
            *lines,
            *memory,
            "",
        ]
    )
    print(report)
    if not options.quick:
        write_whole(RESULTS, report)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is never seen half done."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
    os.replace(file.name, path)


if __name__ == "__main__":
    main()
