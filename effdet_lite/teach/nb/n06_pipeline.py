"""The small pipeline of notebook 06: it learns four pictures by heart; and the bugs to plant in it.

Whoever reads on learns what the sixth bug can be.
"""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import batched_nms

from effdet_lite.anchors import Matches, decode, match
from effdet_lite.data import ShapesDetection
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.losses import detection_loss
from effdet_lite.randomness import own_numbers
from effdet_lite.teach.kit.judged import Judged, judged
from effdet_lite.teach.kit.shared import shipped

FILE_SIDE, SIDE = 256, 128  # px: of the pictures in the files, and of those the detector gets
PICTURES = (76, 105, 93, 13)  # with no object that a swap of x and y would leave in place
STEPS, RATE = 20, 0.015
SURE = 0.3  # the lowest score of a box that counts


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
    with own_numbers(0):
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
