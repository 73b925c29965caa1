"""The three tasks of notebook 03: their pictures, networks of equal MACs on them, a live slice."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from effdet_lite.experiments.arms import arms
from effdet_lite.experiments.balance import EXAMPLE, balanced_base, mean_accuracies
from effdet_lite.experiments.bottlenecks import DIRECTIONS as TURNS
from effdet_lite.experiments.bottlenecks import TASKS, Task, draw, stripes
from effdet_lite.experiments.directions import live
from effdet_lite.experiments.sizes import DIRECTIONS, Size, mixture
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import COLORS, PALETTE, new_figure, styled
from effdet_lite.teach.kit.shared import one_thread

SHOWN = 4  # pictures of each task
ALIKE = ("side by side", "one above the other", "diagonally")
ASKS = {
    "span": "span: which of the four marks are alike?",
    "kinds": "kinds: which kind of stripes is there three times?",
    "detail": "detail: which way do the fine stripes lean?",
}
# What each task was made to need: how a size shows it, and in which unit.
NEEDS = {"span": "blocks", "kinds": "channels", "detail": "resolution"}
UNITS = {"blocks": "blocks", "channels": "channels", "resolution": "pixels a side"}
COMPARED = {
    "blocks": ("deeper", "shallower"),
    "channels": ("wider", "narrower"),
    "resolution": ("sharper", "coarser"),
}
GRAY = "#999999"


def class_name(task: Task, label: int) -> str:
    """What a label of this task says, in words. Stripes are told by how far they lean from upright,
    clockwise.
    """
    if task.name == "span":
        return ALIKE[label]
    if task.name == "detail":
        return f"{180 * label / TURNS:g}°"
    direction, period = stripes(torch.tensor(label), task.classes)
    return f"{math.degrees(direction):.0f}°, {period / 2:g} px wide"


@styled
def show_tasks(tasks: Sequence[Task] = tuple(TASKS.values()), seed: int = 5) -> None:
    """A row of pictures for each task, each with its class."""
    figure, axes = new_figure(len(tasks), SHOWN, width=7.6, height=2.2 * len(tasks))
    for row, task in zip(axes, tasks, strict=True):
        pictures, labels = draw(task, 4 * task.classes, seed)
        chosen = _one_of_each(labels.tolist(), task.classes)
        for axis, index in zip(row, chosen, strict=True):
            axis.imshow(pictures[index], cmap="gray", vmin=0, vmax=255)
            axis.set_title(class_name(task, int(labels[index])), fontsize=9)
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)
        row[0].set_ylabel(_in_two_lines(ASKS[task.name]), fontsize=9)
    named = " ".join(f"{ASKS[task.name].capitalize()}" for task in tasks)
    show(figure, f"{SHOWN} pictures of each task, with their classes. {named}")


def _one_of_each(labels: Sequence[int], classes: int) -> list[int]:
    """SHOWN pictures by their numbers, of classes that lie apart; none twice."""
    found: list[int] = []
    for number in range(SHOWN):
        wanted = number * (classes // SHOWN + 1) % classes
        fresh = [at for at, label in enumerate(labels) if label == wanted and at not in found]
        found.append(fresh[0])
    return found


def _in_two_lines(words: str) -> str:
    """The name of a task on a line of its own, and its question broken in the middle."""
    name, _, question = words.partition(": ")
    parts = question.split()
    middle = (len(parts) + 1) // 2
    return f"{name}\n{' '.join(parts[:middle])}\n{' '.join(parts[middle:])}"


# --- networks of equal MACs ---


def accuracy_by_size(rows: Sequence[Mapping], task: str) -> dict[Size, float]:
    """The accuracy of each candidate of `experiments.balance` on one task."""
    return {
        Size(row["channels"], row["blocks"], row["resolution"]): row["accuracy"]
        for row in rows
        if row["task"] == task
    }


def best_sizes(rows: Sequence[Mapping]) -> dict[str, Size]:
    """The most accurate candidate on each task."""
    found = {task: accuracy_by_size(rows, task) for task in TASKS}
    return {task: max(own, key=own.get) for task, own in found.items()}


def wins_of_the_base(rows: Sequence[Mapping]) -> int:
    """On how many tasks the candidate that is best on average is the best one."""
    return sum(size == balanced_base(rows) for size in best_sizes(rows).values())


def in_words(size: Size) -> str:
    """A network's three numbers."""
    return f"{size.blocks} blocks, {size.channels} channels, {size.resolution} px"


@styled
def show_equal_macs(rows: Sequence[Mapping]) -> None:
    """The candidates' accuracy on each task, against what the task was made to need; the one that
    is best on average is a star, and chance a dotted line.

    rows: of `experiments.balance`.
    """
    base = balanced_base(rows)
    figure, axes = new_figure(1, len(TASKS), width=8.6, height=3.1)
    for axis, task in zip(axes[0], TASKS, strict=True):
        own = accuracy_by_size(rows, task)
        need = NEEDS[task]
        places = [getattr(size, need) for size in own]
        axis.plot(places, list(own.values()), color=GRAY, marker="o", linestyle="none")
        star = {"marker": "*", "markersize": 14, "linestyle": "none", "color": COLORS[1]}
        axis.plot([getattr(base, need)], [own[base]], **star, label="best mean of the three")
        chance = 1 / TASKS[task].classes
        axis.axhline(chance, color=PALETTE["black"], linestyle=":", marker="", label="chance")
        axis.set(ylim=(0, 1.05), xlabel=UNITS[need])
        axis.set_xticks(sorted(set(places)))
        more = _rises(places, list(own.values()))
        axis.set_title(f"{task}: {COMPARED[need][not more]} is better", fontsize=10)
    axes[0, 0].set_ylabel("accuracy (0–1)")
    axes[0, 0].legend(loc="lower right", fontsize=9)
    best = best_sizes(rows)
    told = "; ".join(f"{task}: {in_words(size)}" for task, size in best.items())
    show(
        figure,
        f"{len(accuracy_by_size(rows, 'span'))} networks of nearly equal MACs. The best ones are "
        f"{told}. "
        f"The star, best on average, has {in_words(base)}.",
    )
    macs = [size.cost().macs / 1e6 for size in accuracy_by_size(rows, "span")]
    print(f"MACs of these networks: {min(macs):.2f} to {max(macs):.2f} million")
    means = mean_accuracies(rows)
    lines = []
    for size in [*best.values(), base]:
        own = [accuracy_by_size(rows, task)[size] for task in TASKS]
        lines.append([in_words(size), *(f"{one:.3f}" for one in own), f"{means[size]:.3f}"])
    names = [f"best on {task}" for task in best] + ["best on average"]
    table(
        ["", "network", *TASKS, "mean of the three"],
        [[name, *line] for name, line in zip(names, lines, strict=True)],
    )


def _rises(places: Sequence[float], accuracies: Sequence[float]) -> bool:
    """Whether accuracy rises along an axis, by the sign of their correlation."""
    return np.corrcoef(places, accuracies)[0, 1] > 0


# --- the arms, and some of them live ---


def arms_table(base: Size = EXAMPLE, factor: int = 8) -> None:
    """A line for each direction: what so many times the base's MACs buy. Below: what the mixture
    was before it was rounded.
    """
    rows = [["base", *_sizes(base), "1.00"]]
    for arm in arms(base, ("span",)):
        if arm.direction in DIRECTIONS and arm.factor == factor:
            times = arm.size.cost().macs / base.cost().macs
            rows.append([arm.direction, *_sizes(arm.size), f"{times:.2f}"])
    table(["network", "blocks", "channels", "px", "window, px", "MACs in those of the base"], rows)
    channels, blocks, side = mixture(base, factor)
    print(f"compound before rounding: {blocks:.1f} blocks, {channels:.1f} channels, {side:.1f} px")


def _sizes(size: Size) -> list[str]:
    return [str(size.blocks), str(size.channels), str(size.resolution), str(size.window.size)]


@styled
def show_live(task: str, knob: float, factor: int = 4, steps: int = 250) -> dict[str, float]:
    """Pictures of a task with this knob, the base network and four larger ones in a table, and what
    they come to after a short training: {network: accuracy on test pictures}.

    task, knob: see `experiments.bottlenecks.Task`. factor: times the base's MACs.
    """
    asked = Task(task, knob)
    with one_thread():
        found = {
            name: live(task, knob, name, factor, steps)["accuracy"]
            for name in ("base", *DIRECTIONS)
        }
    figure, axes = new_figure(1, 3, width=8.6, height=2.9)
    pictures, labels = draw(asked, 2, seed=6)
    for axis, picture, label in zip(axes[0], pictures, labels, strict=False):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
        axis.set_title(class_name(asked, int(label)), fontsize=9)
        axis.set(xticks=[], yticks=[])
        axis.grid(visible=False)
    axis = axes[0, 2]
    for place, (name, accuracy) in enumerate(found.items()):
        color = GRAY if name == "base" else COLORS[DIRECTIONS.index(name)]
        axis.barh(place, accuracy, color=color)
        axis.text(accuracy + 0.01, place, f"{accuracy:.2f}", va="center", fontsize=9)
    axis.axvline(1 / asked.classes, color=PALETTE["black"], linestyle=":", marker="")
    axis.set(yticks=range(len(found)), yticklabels=list(found), xlim=(0, 1.15))
    axis.set(ylim=(len(found) - 0.5, -0.5), xlabel="accuracy; dotted: chance")
    best = max(found, key=found.get)
    axis.set_title(f"{task}, {knob:g}: {best} is ahead", fontsize=10)
    told = ", ".join(f"{name} {accuracy:.2f}" for name, accuracy in found.items())
    show(figure, f"Two pictures of {task}, and accuracies after {steps} steps: {told}.")
    arms_table(EXAMPLE, factor)
    return found
