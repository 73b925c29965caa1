"""What the explorers of notebook 09 show: a picture's boxes by kind of error; a score threshold
along a curve.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from torch.utils.data import Dataset
from torchvision.ops import batched_nms, nms

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import KINDS, error_kinds
from effdet_lite.teach.kit.plots import COLORS, DASHES, draw_boxes, new_figure, styled
from effdet_lite.teach.kit.shared import detect_once
from effdet_lite.teach.kit.widgets import View

GLYPHS = "●■▲◆▼✚✖"  # of KINDS
NAMED = 6  # boxes with words; more could not be read, and every letter takes time


def above(detections: Sequence[dict], score: float) -> list[dict]:
    """Of each picture's detections those with at least this score."""
    return [
        {name: value[found["scores"] >= score] for name, value in found.items()}
        for found in detections
    ]


@styled
def kinds_view(
    model: EfficientDet, dataset: Dataset, score: float, overlap: float, picture: int, across=False
) -> View:
    """A picture's objects and what became of each; beside them the boxes from this score on, by
    kind of error.

    score: 0.1-1; overlap: IoU above which a better box suppresses another, 1 for none; across: of
    another class too.
    picture: after the data set's last one comes the first again.
    """
    image, target, everything = detect_once(
        model,
        dataset,
        picture % len(dataset),
        iou_threshold=1.0,
        across_classes=False,
        max_detections=1000,
    )
    boxes, scores, labels = (everything[name] for name in ("boxes", "scores", "labels"))
    kept = nms(boxes, scores, overlap) if across else batched_nms(boxes, scores, labels, overlap)
    (found,) = above([{name: value[kept] for name, value in everything.items()}], score)
    (judged,) = error_kinds([found], [target])
    figure, axes = new_figure(
        width=8.0, height=3.3, margins={"left": 0.01, "right": 0.99, "bottom": 0.01, "top": 0.91}
    )
    axis, (height, width) = axes[0, 0], image.shape[-2:]
    aside = width + width // 16
    answers = zip(judged["kinds"], judged["objects"].tolist(), strict=True)
    became = ["missed"] * len(target["labels"])
    for kind, number in sorted(answers, key=lambda answer: -KINDS.index(answer[0])):
        became[number] = (
            kind if kind not in ("both", "background") else became[number]
        )  # "right" has the last word
    _draw(
        axis,
        torch.cat([image, image.new_ones(3, height, width // 16), image], 2),
        target,
        became,
        dataset.classes,
    )
    axis.images[0].set_interpolation("nearest")  # a quarter of the bytes to send
    axis.set_xlim(0, 2.82 * width)
    beside = found["boxes"] + torch.tensor([aside, 0] * 2)
    _draw(axis, None, found | {"boxes": beside}, judged["kinds"], dataset.classes)
    axis.text(0, -height / 18, "objects")
    axis.text(aside, -height / 18, f"boxes, score ≥ {score:.2f}")
    counts = {kind: judged["kinds"].count(kind) for kind in KINDS[:-1]} | {
        "missed": int(judged["missed"].sum())
    }
    _bars(axis, counts, (aside + 1.08 * width, 0.5 * width), (0.06 * height, 0.94 * height))
    numbers = {
        "boxes before suppression, and after it": f"{int((scores >= score).sum())}, {len(beside)}",
        "precision; recall": f"{counts['right']} of {len(beside)} boxes; {counts['right']} of {len(became)} objects",
    }
    errors = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    return View(
        figure, f"Picture {picture}: its objects; beside them the model's boxes: {errors}.", numbers
    )


def _draw(axis: Axes, image, boxes: dict, kinds: Sequence[str], classes: Sequence[str]) -> None:
    """Boxes in the colour of their kind: the best ones with words, the others without."""
    # draw_boxes has one colour for each label and begins again after the last, so this label is
    # kind and class in one.
    numbers, every = [KINDS.index(kind) for kind in kinds], len(COLORS)
    labels = [
        number + every * label
        for number, label in zip(numbers, boxes["labels"].tolist(), strict=True)
    ]
    names = {label: f"{GLYPHS[label % every]} {classes[label // every]}" for label in labels}
    best = [boxes["boxes"][:NAMED].flip(0), labels[:NAMED][::-1], names]  # the best on top
    scores = boxes["scores"][:NAMED].flip(0) if image is None else None
    draw_boxes(image, *best, scores, axis=axis, dashed=image is None)
    if rest := numbers[NAMED:]:
        corners = np.asarray(boxes["boxes"])[NAMED:, [0, 1, 2, 1, 2, 3, 0, 3, 0, 1]].reshape(
            -1, 5, 2
        )
        looks = {
            "colors": [COLORS[number] for number in rest],
            "linestyles": [DASHES[number] for number in rest],
        }
        axis.add_collection(LineCollection(corners, linewidths=0.8, **looks), autolim=False)


def _bars(
    axis: Axes, counts: dict[str, int], place: tuple[float, float], rows: tuple[float, float]
) -> None:
    """Counts, and the key to symbols and colours. place: left end and longest bar, rows: first and
    last row.
    """
    (left, longest), most = place, max(1, *counts.values())
    bars, step = [], (rows[1] - rows[0]) / (len(counts) - 1)
    for number, (kind, count) in enumerate(counts.items()):
        y = rows[0] + step * number
        axis.text(left, y, f"{GLYPHS[number]} {kind}: {count}", fontsize=9, va="center")
        bars.append([(left, y + 0.3 * step), (left + longest * count / most, y + 0.3 * step)])
    axis.add_collection(
        LineCollection(bars, colors=COLORS, linewidths=3, capstyle="butt"), autolim=False
    )


class Judged(NamedTuple):
    """Of each detection of a data set, best first, score, label and kind (its number in KINDS); of
    each object, label and the best score of a box that is right, of the wrong class or badly placed
    for it: above, it is missed."""

    scores: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray
    objects: np.ndarray
    settled: np.ndarray


def judge_all(detections: Sequence[dict], targets: Sequence[dict]) -> Judged:
    """The kinds of all detections at once: they depend on better boxes only, so they hold at every
    threshold.
    """
    judged, settled = error_kinds(detections, targets), []
    scores, labels = (
        torch.cat([found[name] for found in detections]).numpy() for name in ("scores", "labels")
    )
    kinds = np.array([KINDS.index(kind) for one in judged for kind in one["kinds"]], int)
    for found, target, one in zip(detections, targets, judged, strict=True):
        answers = torch.tensor(
            [kind in ("right", "wrong class", "badly placed") for kind in one["kinds"]]
        ).bool()
        scored = (one["objects"][answers], found["scores"][answers])
        settled.append(
            torch.zeros(len(target["labels"])).scatter_reduce(0, *scored, "amax").numpy()
        )
    objects, order = (
        torch.cat([target["labels"] for target in targets]).numpy(),
        np.argsort(-scores, kind="stable"),
    )
    return Judged(scores[order], labels[order], kinds[order], objects, np.concatenate(settled))


@styled
def threshold_view(judged: Judged, classes: Sequence[str], score: float, name: str) -> View:
    """Where a score threshold stands on the precision-recall curve of the class `name`, and what
    its boxes are.
    """
    which, own = judged.labels == classes.index(name), judged.objects == classes.index(name)
    right = judged.kinds[which] == KINDS.index("right")
    if not own.any():
        raise ValueError(f"the pictures hold no {name}, so there is no recall to speak of.")
    precision, recall = right.cumsum() / np.arange(1, len(right) + 1), right.cumsum() / own.sum()
    kept = int((judged.scores[which] >= score).sum())
    turns = np.flatnonzero(
        np.diff(right, append=True) | np.diff(right, prepend=False)
    )  # the rest lies between them
    figure, axes = new_figure(
        width=8.6, height=3.6, margins={"left": 0.07, "right": 0.99, "bottom": 0.15, "top": 0.97}
    )
    axis, best = axes[0, 0], np.maximum.accumulate(precision[::-1])[::-1]
    axis.plot(recall[turns], precision[turns], marker="", linewidth=1, label="as measured")
    axis.plot(recall[turns], best[turns], marker="", label="best from here on")
    if kept:
        axis.plot(recall[kept - 1], precision[kept - 1], "*", markersize=15, label="this threshold")
    axis.set(xlim=(0, 1.75), ylim=(0, 1.04), xticks=np.linspace(0, 1, 6), ylabel="precision")
    axis.set_xlabel("recall", x=0.29)
    axis.spines["bottom"].set_bounds(0, 1)
    axis.grid(False)
    axis.legend(loc="lower left", fontsize=8)
    tally = np.bincount(judged.kinds[which][:kept], minlength=len(KINDS))
    tally[-1] = (judged.settled[own] < max(score, 1e-9)).sum()  # 0: no box at all
    counts = dict(zip(KINDS, tally.tolist(), strict=True))
    _bars(axis, counts, (1.12, 0.5), (0.95, 0.1))
    errors = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    numbers = {"precision": f"{precision[kept - 1]:.3f} of {kept:,} boxes" if kept else "no boxes"}
    numbers["recall"] = f"{recall[kept - 1] if kept else 0:.3f} of {own.sum()} objects"
    return View(
        figure,
        f"The curve of the class {name}, with a star at the score {score:.2f}: {errors}.",
        numbers,
    )
