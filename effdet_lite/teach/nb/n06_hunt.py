"""The bug hunt of notebook 06: six pipelines with a bug in each, in an order that a seed draws, and
what is told of them.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

import torch

from effdet_lite.anchors import iou
from effdet_lite.teach.kit.judged import judged
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.typed import in_percent
from effdet_lite.teach.nb.n06_pipeline import (
    BUGS,
    HIDDEN,
    NAMED,
    SOUND,
    STEPS,
    Run,
    files,
    found_objects,
    learn_by_heart,
    maps_and_anchors,
    matches_of,
    run_with,
)

LETTERS = "ABCDEF"


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
        header = ["pipeline", "first total loss", "last total loss", "objects found", "wrong boxes"]
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
        in_percent((best >= 0.5).float().mean()),
        f"{winners}",
        ", ".join(map(str, labels.unique().tolist())),
        f"{scores.min():.2f} to {scores.max():.2f}" if len(scores) else "none",
    ]


def forgotten_sigmoid(steps: Sequence[int] = (2, 4, 6, 8, STEPS)) -> None:
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
