"""Notebook 08's longer experiments: going on bit for bit, half precision, two processes, and
photographs.
"""

import os
import shlex
import socket
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from effdet_lite.checkpoint import load_tensors
from effdet_lite.data import BCCDDetection, ShapesDetection, eval_transforms, train_transforms
from effdet_lite.evaluation import coco_ap_from_detections, detect_dataset
from effdet_lite.places import cells_folder
from effdet_lite.run import read_history
from effdet_lite.teach.kit.boxes import draw_picture, image_grid
from effdet_lite.teach.kit.found import detected
from effdet_lite.teach.kit.judged import draw_judged, draw_key, judged
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import line_look, new_figure, new_panels, styled
from effdet_lite.teach.kit.shared import shipped
from effdet_lite.teach.nb.n08_small import SIDE, SMALL
from effdet_lite.training import TrainConfig, learning_rate, train

TINY = {"size": (64, 64), "batch_size": 2, "steps": 6, "warmup": 2, "test_data": "none"}
PHOTOGRAPHS = (19, 29)  # two objects are missed; each wrong box lies on a cell that nobody boxed
COUNTED = ("right", "wrong", "missed")
CALIBRATED = 4  # steps that are left out of a time: the first are slower


# --- augmentation and schedule ---


def show_augmented(number: int = 4) -> None:
    """The first training pictures as the network sees them after augmentation."""
    moving = ShapesDetection("train", transforms=train_transforms((SIDE, SIDE)))
    items = [moving[index] for index in range(number)]
    pictures, targets = [image for image, _ in items], [target for _, target in items]
    alt = "Pictures zoomed, flipped and recolored; every box still holds its shape."
    show(image_grid(pictures, targets, moving.classes), alt)


@styled
def show_schedule(steps: int = 1000) -> None:
    """The learning rate of each step of a run."""
    config = TrainConfig(steps=steps)
    rates = [learning_rate(step, config) for step in range(steps)]
    figure, axes = new_figure(width=7, height=2.8)
    axes[0, 0].plot(range(1, steps + 1), rates, marker="")
    axes[0, 0].set(xlabel="training step", ylabel="learning rate", ylim=(0, None))
    axes[0, 0].set_title(
        f"The defaults: {config.warmup} steps up, then half a cosine down to 0", loc="left"
    )
    words = (
        f"By default the learning rate climbs for {config.warmup} steps to {config.learning_rate:g}"
    )
    show(figure, f"{words} and falls to zero along half a cosine.")


# --- a run that stops and goes on ---


def run_in_parts(folder: Path, stops: tuple[int, ...] = ()) -> dict[str, torch.Tensor]:
    """A tiny run, stopped after these steps and begun again: the tensors of its last checkpoint."""
    config = TrainConfig(**TINY, output=str(folder))
    for last in stops:
        train(config, progress=False, on_step=_stop_after(last))
    train(config, progress=False)
    return load_tensors(folder / "last.safetensors")[0]


def _stop_after(last: int):
    def stop(row: dict) -> bool:
        return row["step"] == last

    return stop


def show_goes_on_exactly(folder: Path) -> None:
    """Print how many tensors differ between a run in one piece and one that was stopped twice."""
    whole = run_in_parts(folder / "in one piece")
    parts = run_in_parts(folder / "in three", (2, 5))
    differ = [name for name in whole if not torch.equal(whole[name], parts[name])]
    print(f"{len(whole):,} tensors in each checkpoint")
    print(f"different: {', '.join(differ) or 'none'}")


# --- half precision ---


@styled
def show_precisions(steps: int = 20) -> None:
    """The same steps in float32 and in bf16: both curves, how far apart they are, their time."""
    runs = {}
    for precision in ("no", "bf16"):
        settings = {"steps": steps, "warmup": 10, "precision": precision, "test_data": "none"}
        runs[precision] = train(TrainConfig(**SMALL, **settings), progress=False)
    figure, axes = new_figure(width=7, height=3)
    for number, (rows, words) in enumerate(
        zip(runs.values(), ("float32", "bf16, mixed"), strict=True)
    ):
        losses = [row["loss"] for row in rows]
        axes[0, 0].plot(range(1, steps + 1), losses, label=words, markevery=4, **line_look(number))
    axes[0, 0].set(xlabel="training step", ylabel="training loss", xticks=range(0, steps + 1, 5))
    axes[0, 0].set_title("Half the bits, nearly the same curve", loc="left")
    axes[0, 0].legend()
    show(figure, "Two loss curves that fall together: the same steps in float32 and in bf16.")
    pairs = zip(runs["bf16"], runs["no"], strict=True)
    apart = [abs(half["loss"] / full["loss"] - 1) for half, full in pairs]
    print(
        f"largest difference of the losses: first step {apart[0]:.1%}, all steps {max(apart):.1%}"
    )
    each = {name: _seconds_a_step(rows) for name, rows in runs.items()}
    print(
        f"a step: float32 {each['no'] * 1e3:.0f} ms, bf16 {each['bf16'] * 1e3:.0f} ms, "
        f"{each['bf16'] / each['no']:.2f} times as long"
    )


def _seconds_a_step(rows: list[dict]) -> float:
    later = rows[CALIBRATED:]
    return (later[-1]["seconds"] - later[0]["seconds"]) / (len(later) - 1)


# --- two processes ---


def losses_of_processes(folder: Path, processes: int) -> list[float]:
    """The losses of five steps on one process, or shared by several on this machine. Raises
    RuntimeError, with the last words of the command, where it did not run.
    """
    command = [sys.executable]
    if processes > 1:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        launch = "-m accelerate.commands.launch --multi_gpu --num_machines 1 --dynamo_backend no"
        command += shlex.split(f"{launch} --num_processes {processes} --main_process_port {port}")
        command += ["--mixed_precision", "no"]
    options = "--data shapes --size 64 64 --batch-size 4 --steps 5 --warmup 2 --learning-rate 0.002"
    command += shlex.split(f"-m effdet_lite.cli train {options} --test-data none")
    command += ["--output", str(folder / f"{processes} processes")]
    alone = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, env=alone, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    history = read_history(folder / f"{processes} processes" / "last.safetensors")
    return [row["loss"] for row in history]


def show_two_processes(folder: Path) -> None:
    """A table of the losses of the same five steps on one process and on two; where a machine
    cannot start two, a sentence.
    """
    try:
        one, two = (losses_of_processes(folder, number) for number in (1, 2))
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        print(f"Two processes did not start on this machine: {error}")
        return
    rows = []
    for step, (alone, shared) in enumerate(zip(one, two, strict=True), 1):
        apart = abs(shared / alone - 1)
        rows.append([step, f"{alone:.7f}", f"{shared:.7f}", f"{apart:.0e}"])
    table(["step", "loss, one process", "loss, two processes", "relative difference"], rows)
    furthest = max(abs(shared / alone - 1) for alone, shared in zip(one, two, strict=True))
    print("all losses agree to four digits:", furthest < 1e-4)


# --- photographs ---


@styled
def show_cells(indices: Sequence[int] = PHOTOGRAPHS) -> None:
    """What the cell detector finds in some test photographs, and its AP; a sentence where there are
    no photographs.
    """
    model, about = shipped("bccd")
    try:
        with warnings.catch_warnings():  # about two boxes without area
            warnings.simplefilter("ignore")
            cells = BCCDDetection(cells_folder(), "test", transforms=eval_transforms(about["size"]))
    except (OSError, ValueError):
        print("No blood cells here; `effdet-lite prefetch` fetches them.")
        return
    figures = coco_ap_from_detections(*detect_dataset(model, cells, progress=False), cells.classes)
    print(f"{len(cells)} test photographs: AP50 {figures['ap50']:.2f}")
    print(", ".join(f"{name} {value:.2f}" for name, value in figures["ap50_per_class"].items()))
    height, width = about["size"]
    across, foot = 4.8, 0.35
    down = across * height / width
    places = [
        (place / len(indices), foot / (down + foot), 0.99 / len(indices), down / (down + foot))
        for place in range(len(indices))
    ]
    figure, axes = new_panels(len(indices) * across, down + foot, *places)
    told = []
    for axis, index in zip(axes, indices, strict=True):
        image, target = cells[index]
        found = detected(model, image, 0.5)
        result = judged(found, target)
        draw_picture(axis, image)
        how = {"names_missed": False, "labels": "on clear ground"}
        draw_judged(axis, found, target, cells.classes, result, **how)
        told.append(", ".join(f"{result.count(kind)} {kind}" for kind in COUNTED))
    draw_key(figure)
    show(figure, f"Test photographs by the cell detector: {'; '.join(told)}.")
