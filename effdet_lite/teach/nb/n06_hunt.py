"""The bug hunt of notebook 06: a small pipeline that learns four pictures by heart, six bugs to
plant in it, and the tools that find them.

Whoever reads on learns what the sixth bug can be.
"""

import functools
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import batched_nms

from effdet_lite.anchors import Matches, decode, iou, match
from effdet_lite.data import ShapesDetection
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.losses import detection_loss
from effdet_lite.teach.kit.boxes import RIM, draw_picture, label_where_free
from effdet_lite.teach.kit.judged import Judged, draw_judged, draw_key, judged
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import COLORS, PALETTE, as_array, new_figure, new_panels, styled
from effdet_lite.teach.kit.shared import shipped
from effdet_lite.teach.kit.widgets import View

FILE_SIDE, SIDE = 256, 128  # px: of the pictures in the files, and of those the detector gets
PICTURES = (76, 105, 93, 13)  # with no object that a swap of x and y would leave in place
STEPS, RATE = 35, 0.015
SURE = 0.3  # the lowest score of a box that counts
LETTERS = "ABCDEF"


class Bug(NamedTuple):
    """One bug, as what it does to each step of the pipeline.

    boxes: those of the file [n, 4] as they are trained on. labels: [n]. scores: a detector's
    numbers [A, K] as they are read. meaning: the bug in words.
    """

    meaning: str
    boxes: Callable[[Tensor], Tensor] = lambda boxes: boxes / 2
    labels: Callable[[Tensor], Tensor] = lambda labels: labels
    scores: Callable[[Tensor], Tensor] = torch.sigmoid


def mirrored(boxes: Tensor) -> Tensor:
    """Boxes [n, 4] in a picture of SIDE px, mirrored from left to right."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack([SIDE - right, top, SIDE - left, bottom], -1)


def upside_down(boxes: Tensor) -> Tensor:
    """Boxes [n, 4] in a picture of SIDE px, with y counted from the bottom."""
    left, top, right, bottom = boxes.unbind(-1)
    return torch.stack([left, SIDE - bottom, right, SIDE - top], -1)


def converted_twice(boxes: Tensor) -> Tensor:
    """xyxy boxes [n, 4], read once more as left, top, width, height."""
    return torch.cat([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], -1)


SOUND = Bug("none")
NAMED = {
    "resized": Bug(
        "the picture was halved, its boxes were not",
        boxes=lambda boxes: boxes,
    ),
    "sigmoid": Bug(
        "a sigmoid was forgotten: logits are read as scores",
        scores=lambda logits: logits,
    ),
    "swapped": Bug(
        "x and y of the boxes are swapped",
        boxes=lambda boxes: boxes[:, [1, 0, 3, 2]] / 2,
    ),
    "labels": Bug(
        "labels are one too small: somebody subtracted 1, but ours count from 0 already",
        labels=lambda labels: labels - 1,
    ),
    "normalized": Bug(
        "boxes are divided by the picture's side, so they are 0–1 where pixels are expected",
        boxes=lambda boxes: boxes / FILE_SIDE,
    ),
}
# What each does to boxes in a picture of SIDE px.
HIDDEN: dict[str, Callable[[Tensor], Tensor]] = {
    "mirrored": mirrored,
    "upside down": upside_down,
    "converted twice": converted_twice,
}
HIDDEN_WORDS = {
    "mirrored": "the boxes were mirrored from left to right, the picture was not",
    "upside down": "y of the boxes counts from the bottom of the picture",
    "converted twice": "xyxy boxes were read as left, top, width, height and converted once more",
}
BUGS = NAMED | {
    name: Bug(HIDDEN_WORDS[name], boxes=lambda boxes, change=change: change(boxes / 2))
    for name, change in HIDDEN.items()
}


# --- the pipeline ---


class Files(NamedTuple):
    """The four pictures [4, 3, SIDE, SIDE], and their objects: in pixels of the files of
    FILE_SIDE, and as they should be trained on.
    """

    pictures: Tensor
    in_files: list[dict[str, Tensor]]
    true: list[dict[str, Tensor]]
    classes: Sequence[str]


@functools.cache
def files() -> Files:
    """The four pictures, halved."""
    dataset = ShapesDetection("val", size=FILE_SIDE)
    items = [dataset[index] for index in PICTURES]
    large = torch.stack([picture for picture, _ in items]).as_subclass(Tensor)
    small = F.interpolate(large, SIDE, mode="bilinear", antialias=True)
    in_files = [
        {"boxes": target["boxes"].as_subclass(Tensor), "labels": target["labels"]}
        for _, target in items
    ]
    true = [one | {"boxes": one["boxes"] / 2} for one in in_files]
    return Files(small, in_files, true, dataset.classes)


@functools.cache
def maps_and_anchors() -> tuple[list[Tensor], Tensor]:
    """The shipped detector's maps of the four pictures, level by level, and its anchors."""
    model, _ = shipped("shapes")
    with torch.no_grad():
        maps = model.pyramid(files().pictures)
    return maps, model.anchors(SIDE, SIDE)


class Learned(NamedTuple):
    """What heads say that learned the pictures by heart. losses: of each step. logits [4, A, K] and
    deltas [4, A, 4]: at the last one.
    """

    losses: list[float]
    logits: Tensor
    deltas: Tensor


def learn_by_heart(targets: Sequence[dict], steps: int = STEPS) -> Learned:
    """Train fresh heads on the shipped detector's maps until they know these targets."""
    maps, _ = maps_and_anchors()
    config = shipped("shapes")[0].config
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fresh = EfficientDet(config, len(files().classes))
    heads = torch.nn.ModuleList([fresh.class_head, fresh.box_head]).train()
    matched = matches_of(targets)
    optimizer = torch.optim.AdamW(heads.parameters(), weight_decay=0, betas=(0.9, 0.95))
    losses = []
    for step in range(steps):
        climb = min(1, (step + 1) / 5)
        fall = (1 + np.cos(np.pi * step / steps)) / 2
        optimizer.param_groups[0]["lr"] = RATE * climb * fall
        logits, deltas = (head(maps) for head in heads)
        loss = detection_loss(logits, deltas, matched).total
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(heads.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return Learned(losses, logits.detach(), deltas.detach())


def matches_of(targets: Sequence[dict]) -> Matches:
    """What the detector's anchors should say of these targets."""
    _, anchors = maps_and_anchors()
    return match(anchors, [one["boxes"] for one in targets], [one["labels"] for one in targets])


def found_objects(learned: Learned, bug: Bug, least: float = SURE) -> list[dict[str, Tensor]]:
    """Boxes, scores and labels of each picture: each anchor's best class, then NMS."""
    _, anchors = maps_and_anchors()
    found = []
    for logits, deltas in zip(learned.logits, learned.deltas, strict=True):
        scores, labels = bug.scores(logits).max(1)
        kept = scores >= least
        boxes, scores, labels = decode(deltas, anchors)[kept], scores[kept], labels[kept]
        kept = batched_nms(boxes, scores, labels, 0.5)[:100]
        found.append({"boxes": boxes[kept], "scores": scores[kept], "labels": labels[kept]})
    return found


class Run(NamedTuple):
    """One pipeline from the files to the boxes that it finds. targets: what it trained on."""

    targets: list[dict[str, Tensor]]
    losses: list[float]
    found: list[dict[str, Tensor]]

    def judged(self) -> list[Judged]:
        """What its boxes are worth, picture by picture."""
        pairs = zip(self.found, files().true, strict=True)
        return [judged(found, true) for found, true in pairs]

    def count(self, kind: str) -> int:
        """How many boxes there are of one kind of `judged.LOOKS`, in all four pictures."""
        return sum(one.count(kind) for one in self.judged())


@functools.cache
def run_with(name: str) -> Run:
    """The pipeline with the bug of this name; "" for none."""
    bug = BUGS[name] if name else SOUND
    targets = [
        {"boxes": bug.boxes(one["boxes"]), "labels": bug.labels(one["labels"])}
        for one in files().in_files
    ]
    learned = learn_by_heart(targets)
    return Run(targets, learned.losses, found_objects(learned, bug))


# --- the hunt ---


class Told(NamedTuple):
    """A learner's answer to the hunt of this seed."""

    seed: int
    answer: object


class Hunt:
    """Six pipelines, A to F, with a bug in each: the five of NAMED and one of HIDDEN, in an order
    that the seed draws. Raises ValueError for a seed that is not a whole number.
    """

    def __init__(self, seed: int = 0):
        self.seed, self.bugs = seed, planted(seed)
        self.listed = dict(sorted((name, bug.meaning) for name, bug in NAMED.items()))

    def runs(self, *, sound: bool = True) -> dict[str, Run]:
        """By letter, and first "sound" for the pipeline without a bug. They run when they are first
        asked for, a few seconds each.
        """
        first = {"sound": run_with("")} if sound else {}
        return first | {letter: run_with(name) for letter, name in self.bugs.items()}

    def told(self, answer: object) -> Told | None:
        """The answer with the hunt that it is for; None where there is none yet."""
        return None if answer is None else Told(self.seed, answer)

    def names(self) -> None:
        """Put the table of the five named bugs on the page."""
        table(["name", "the bug"], [[f'"{name}"', words] for name, words in self.listed.items()])

    def results(self) -> None:
        """Put on the page how the training of each pipeline went, and what it finds."""
        objects = sum(len(one["labels"]) for one in files().true)
        rows = [
            [
                name,
                f"{run.losses[0]:.2f}",
                f"{run.losses[-1]:.2f}",
                f"{run.count('right')} of {objects}",
                f"{run.count('wrong')}",
            ]
            for name, run in self.runs().items()
        ]
        header = ["pipeline", "first loss", "last loss", "objects found", "wrong boxes"]
        table(header, rows)

    def numbers(self) -> None:
        """Put on the page what each pipeline trained on and found, in numbers."""
        header = [
            "pipeline",
            "boxes trained on, px",
            "objects with an anchor (IoU ≥ 0.5)",
            "winning anchors",
            "labels trained on",
            "scores of the boxes found",
        ]
        table(header, [[name, *_numbers_of(run)] for name, run in self.runs().items()])

    def reveal(self, really: bool = False) -> None:
        """Put the answers on the page, if they are really wanted."""
        if not really:
            print("The answers stay hidden. With really=True this cell shows them.")
            return
        rows = [[letter, name, BUGS[name].meaning] for letter, name in self.bugs.items()]
        table(["pipeline", "bug", "in words"], rows)


def planted(seed: int) -> dict[str, str]:
    """The name of each letter's bug; every seed draws another hunt."""
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"a seed is a whole number, not {seed!r}.")
    draw = random.Random(seed)
    names = [*NAMED, draw.choice(list(HIDDEN))]
    draw.shuffle(names)
    return dict(zip(LETTERS, names, strict=True))


def _numbers_of(run: Run) -> list[str]:
    _, anchors = maps_and_anchors()
    boxes, labels = (torch.cat([one[key] for one in run.targets]) for key in ("boxes", "labels"))
    best = torch.cat([iou(one["boxes"], anchors).amax(1) for one in run.targets])
    winners = int((matches_of(run.targets).labels >= 0).sum())
    scores = torch.cat([one["scores"] for one in run.found])
    return [
        f"{boxes.min():.1f} to {boxes.max():.1f}",
        f"{(best >= 0.5).float().mean():.0%}",
        f"{winners}",
        ", ".join(map(str, labels.unique().tolist())),
        f"{scores.min():.2f} to {scores.max():.2f}" if len(scores) else "none",
    ]


# --- pictures ---


@styled
def show_mystery(hunt: Hunt, letter: str, picture: int = 1) -> None:
    """The loss of one pipeline, which falls as it should, and what it finds in a picture that it
    has learned by heart.
    """
    run = run_with(hunt.bugs[letter])
    figure, (left, right) = new_panels(7.2, 3.6, (0.09, 0.22, 0.4, 0.64), (0.55, 0.1, 0.43, 0.78))
    left.plot(run.losses, marker="", color=PALETTE["blue"])
    left.set(xlabel="training step", ylabel="loss", ylim=(0, None), xlim=(0, STEPS))
    left.set_title(f"The loss falls from {run.losses[0]:.1f} to {run.losses[-1]:.1f}", fontsize=11)
    _draw_found(right, run, picture)
    found, objects = run.count("right"), sum(len(one["labels"]) for one in files().true)
    right.set_title(f"and {found} of {objects} objects are found", fontsize=11)
    draw_key(figure, ("right", "wrong", "missed"))
    show(
        figure,
        f"Left, the loss of pipeline {letter} falls from {run.losses[0]:.1f} to "
        f"{run.losses[-1]:.1f}. Right, its boxes lie beside the objects: {found} of {objects} are "
        "found.",
        photo=True,
    )


def _draw_found(axis: Axes, run: Run, picture: int) -> None:
    draw_picture(axis, files().pictures[picture])
    one = run.judged()[picture]
    draw_judged(axis, run.found[picture], files().true[picture], files().classes, one)


def _draw_trained_on(axis: Axes, run: Run, picture: int) -> None:
    """A picture with the boxes that the pipeline is trained on, and their labels; where boxes leave
    the picture, it is drawn smaller.
    """
    boxes, labels = (as_array(run.targets[picture][key]) for key in ("boxes", "labels"))
    draw_picture(axis, files().pictures[picture])
    far = max(SIDE, float(boxes.max()) + 2)
    axis.set(xlim=(0, far), ylim=(far, 0))
    outline = {"fill": False, "edgecolor": "#888888", "linewidth": 0.8}
    axis.add_artist(Rectangle((0, 0), SIDE, SIDE, **outline))
    for (left, top, right, bottom), label in zip(boxes, labels.tolist(), strict=True):
        color = COLORS[label % len(COLORS)]
        look = {"fill": False, "edgecolor": color, "linewidth": 1.8}
        frame = Rectangle((left, top), right - left, bottom - top, **look)
        frame.set_path_effects(RIM)
        axis.add_artist(frame)
        name = f"{label} {files().classes[label]}" if label >= 0 else f"{label} (no class)"
        label_where_free(axis, (left, top, right, bottom), (name, str(label)), color)


TOOLS = {"the boxes it is trained on": _draw_trained_on, "the boxes it finds": _draw_found}


def hunt_view(hunt: Hunt, letter: str, tool: str, picture: int) -> View:
    """One pipeline and one picture (0–3), seen with one tool of TOOLS."""
    return _one_view(hunt.runs()[letter], letter, tool, picture)


@styled
def _one_view(run: Run, name: str, tool: str, picture: int) -> View:
    figure, (axis,) = new_panels(4.6, 4.9, (0.02, 0.08, 0.96, 0.86))
    TOOLS[tool](axis, run, picture)
    axis.set_title(f"{name}, picture {picture}: {tool}", fontsize=10)
    one = run.judged()[picture]
    if tool == "the boxes it finds":
        draw_key(figure, ("right", "wrong", "missed"))
    boxes = run.targets[picture]["boxes"]
    numbers = {
        "boxes trained on": f"{boxes.min():.1f} to {boxes.max():.1f} px",
        "labels trained on": ", ".join(map(str, run.targets[picture]["labels"].tolist())),
        "found right, wrong": f"{one.count('right')}, {one.count('wrong')}",
        "objects missed": f"{one.count('missed')}",
    }
    words = f"Pipeline {name}, picture {picture}, {tool}: {one.count('missed')} objects are missed."
    return View(figure, words, numbers)


@styled
def show_lineup(hunt: Hunt, tool: str, picture: int = 1) -> None:
    """The same picture from all six pipelines, seen with one tool of TOOLS."""
    show(_lineup(hunt, tool, picture), _lineup_words(hunt, tool, picture))


def _lineup(hunt: Hunt, tool: str, picture: int) -> Figure:
    is_found = tool == "the boxes it finds"
    figure, axes = new_figure(2, 3, width=7.8, height=5.8)
    for axis, (letter, run) in zip(axes.flat, hunt.runs(sound=False).items(), strict=True):
        TOOLS[tool](axis, run, picture)
        axis.set_title(f"pipeline {letter}", loc="left", fontsize=10)
    if is_found:
        figure.get_layout_engine().set(rect=(0, 0.06, 1, 0.94))
        draw_key(figure, ("right", "wrong", "double", "missed"))
    return figure


def _lineup_words(hunt: Hunt, tool: str, picture: int) -> str:
    """What each pipeline's picture shows, in numbers, so that it is a hunt for those who listen as
    well.
    """
    told = []
    for letter, run in hunt.runs(sound=False).items():
        if tool == "the boxes it finds":
            one = run.judged()[picture]
            told.append(f"{letter}: {one.count('right')} right, {one.count('missed')} missed")
        else:
            boxes = run.targets[picture]["boxes"]
            told.append(f"{letter}: boxes reach from {boxes.min():.0f} to {boxes.max():.0f} px")
    return f"One picture six times, with {tool}. {'; '.join(told)}."


# --- the bug that hides ---


def forgotten_sigmoid(steps: Sequence[int] = (5, 12, 20, STEPS)) -> None:
    """Put on the page how many objects the pipeline finds with and without a sigmoid, by how long
    it has trained; all boxes from a score of 0.05 on count.
    """
    true = files().true
    objects = sum(len(one["labels"]) for one in true)
    rows = []
    for count in steps:
        learned = learn_by_heart(true, count)
        found = []
        for bug in (SOUND, NAMED["sigmoid"]):
            boxes = found_objects(learned, bug, 0.05)
            found.append(
                sum(judged(*pair).count("right") for pair in zip(boxes, true, strict=True))
            )
        highest = f"{learned.logits.max():.1f}"
        rows.append([count, highest, *(f"{right} of {objects}" for right in found)])
    header = ["training steps", "highest logit", "objects found", "objects found without a sigmoid"]
    table(header, rows)
