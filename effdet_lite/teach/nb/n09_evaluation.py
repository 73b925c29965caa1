"""What the explorers of notebook 09 show: a picture's boxes by kind of error; a score threshold
along a curve.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from torch.utils.data import Dataset
from torchvision.ops import batched_nms, nms

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import KINDS, error_kinds
from effdet_lite.teach.kit.boxes import draw_outlines, draw_picture
from effdet_lite.teach.kit.labels import label_where_free
from effdet_lite.teach.kit.plots import DASHES, PALETTE, as_array, new_panels, styled
from effdet_lite.teach.kit.shared import detect_once
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.kit.words import writable
from effdet_lite.teach.nb.n09_results import detector, kept_from, pictures_of

GLYPHS = "●■▲◆▼✚?"  # of KINDS
# In their order, too. Right, double and missed look as in `kit.judged`.
KIND_COLORS = tuple(
    PALETTE[name] for name in ("blue", "green", "vermillion", "purple", "orange", "sky", "black")
)
NAMED = 14  # boxes with words, where there is room; every letter takes time


def counted(detections: Sequence[dict], targets: Sequence[dict]) -> tuple[list, list]:
    """The detections that count, and what `error_kinds` says of each picture's: boxes in a crowd
    region of their class count neither way.
    """
    kept, judged = [], error_kinds(detections, targets)
    for found, one in zip(detections, judged, strict=True):
        counts = torch.tensor([kind != "ignored" for kind in one["kinds"]], dtype=torch.bool)
        kept.append({name: value[counts] for name, value in found.items()})
        one["objects"] = one["objects"][counts]
        one["kinds"] = [kind for kind in one["kinds"] if kind != "ignored"]
    return kept, judged


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
    (found,) = kept_from([{name: value[kept] for name, value in everything.items()}], score)
    (found,), (judged,) = counted([found], [target])
    became = _what_became(judged, len(target["labels"]))

    places = (0.01, 0.02, 0.37, 0.88), (0.39, 0.02, 0.37, 0.88), (0.79, 0.02, 0.2, 0.88)
    figure, (left, middle, right) = new_panels(8.6, 3.62, *places)
    for axis, title in ((left, "objects"), (middle, f"boxes, score ≥ {score:.2f}")):
        draw_picture(axis, image)
        axis.set_title(title, loc="left", fontsize=10, y=1.0, pad=4)
    objects = as_array(target["boxes"])
    _draw_kinds(left, target, became, dataset.classes, objects)
    _draw_kinds(middle, found, judged["kinds"], dataset.classes, objects)
    if len(middle.texts) < len(judged["kinds"]):
        room = f"boxes, score ≥ {score:.2f}; labels where there is room"
        middle.set_title(room, loc="left", fontsize=10, y=1.0, pad=4)
    counts = {kind: judged["kinds"].count(kind) for kind in KINDS[:-1]}
    counts["missed"] = int(judged["missed"].sum())
    _draw_counts(right, counts, dashed=True)

    before, after, hits = int((scores >= score).sum()), len(judged["kinds"]), counts["right"]
    numbers = {
        "boxes before suppression, and after it": f"{before}, {after}",
        "precision; recall": f"{hits} of {after} boxes; {hits} of {len(became)} objects",
    }
    errors = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    words = f"Picture {picture}: its objects; beside them the model's boxes: {errors}."
    return View(figure, words, numbers)


def shown_kinds(score: float, overlap: float, across: bool, picture: int) -> View:
    """`kinds_view` of the shapes detector on the test pictures."""
    return kinds_view(detector(), pictures_of("test"), score, overlap, picture, across)


def _what_became(judged: dict, objects: int) -> list[str]:
    """For each object the best that a box did for it; "missed" where no box came near."""
    became = ["missed"] * objects
    answers = zip(judged["kinds"], judged["objects"].tolist(), strict=True)
    for kind, number in sorted(answers, key=lambda answer: -KINDS.index(answer[0])):
        if kind not in ("both", "background"):
            became[number] = kind  # "right" comes last
    return became


def _draw_kinds(
    axis: Axes, boxes: dict, kinds: Sequence[str], classes: Sequence[str], objects: np.ndarray
) -> None:
    """Boxes in the color and dashes of their kind; the best ones with words, where these lie over
    no label and no line, and hide little of the objects.
    """
    numbers = [KINDS.index(kind) for kind in kinds]
    looks = {
        "colors": [KIND_COLORS[number] for number in numbers],
        "linestyles": [DASHES[number] for number in numbers],
    }
    places = as_array(boxes["boxes"]).tolist()
    if places:
        draw_outlines(axis, places, "white", linewidths=3.4)
        draw_outlines(axis, places, linewidths=1.8, **looks)
    scores = as_array(boxes["scores"]).tolist() if "scores" in boxes else None
    labels = boxes["labels"][:NAMED].tolist()
    for at, (number, label) in enumerate(zip(numbers[:NAMED], labels, strict=True)):
        name = f"{GLYPHS[number]} {writable(classes[label], label)}"
        score = f" {scores[at]:.2f}" if scores else ""
        wordings = (name + score, name, GLYPHS[number] + score, GLYPHS[number])
        how = {"outside": True, "objects": objects, "lines": places}
        label_where_free(axis, places[at], wordings, KIND_COLORS[number], **how)


def _draw_counts(axis: Axes, counts: dict[str, int], dashed: bool = False) -> None:
    """Counts as bars, each below its words, which are the key to symbols and colors; dashed: with a
    piece of each kind's line, too.
    """
    rows = range(len(counts))
    axis.barh(rows, list(counts.values()), height=0.25, color=KIND_COLORS[: len(counts)])
    for row, (kind, count) in zip(rows, counts.items(), strict=True):
        axis.text(0, row - 0.22, f"{GLYPHS[row]} {kind}: {count}", fontsize=9)
        if dashed:
            line = {"color": KIND_COLORS[row], "linestyle": DASHES[row], "linewidth": 1.8}
            axis.plot(
                (0.84, 0.99),
                (row - 0.3,) * 2,
                transform=axis.get_yaxis_transform(),
                marker="",
                **line,
            )
    axis.set(xlim=(0, max(1, *counts.values())), ylim=(len(counts) - 0.7, -0.8))
    axis.set_axis_off()


class Judged(NamedTuple):
    """Of each detection of a data set, best first, score, label and kind (its number in KINDS); of
    each object, label and the best score of a box that is right, of the wrong class or badly placed
    for it: above, it is missed."""

    scores: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray
    objects: np.ndarray
    settled: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Of each detection, best first, whether it is right."""
        return self.kinds == KINDS.index("right")


def judge_all(detections: Sequence[dict], targets: Sequence[dict]) -> Judged:
    """The kinds of all detections at once: they depend on better boxes only, so they hold at every
    threshold.
    """
    detections, judged = counted(detections, targets)
    settled = []
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

    figure, (curve, bars) = new_panels(8.6, 3.6, (0.08, 0.15, 0.6, 0.8), (0.74, 0.1, 0.24, 0.85))
    # A curve turns only where right and wrong boxes take turns; the rest lies between them.
    turns = np.flatnonzero(np.diff(right, append=True) | np.diff(right, prepend=False))
    best = np.maximum.accumulate(precision[::-1])[::-1]
    curve.plot(recall[turns], precision[turns], marker="", linewidth=1, label="as measured")
    curve.plot(recall[turns], best[turns], marker="", label="best from here on")
    if kept:
        star = {"marker": "*", "markersize": 15, "linestyle": "", "clip_on": False}
        curve.plot(recall[kept - 1], precision[kept - 1], label="this threshold", **star)
    ticks = [0, 0.25, 0.5, 0.75, 1]
    curve.set(xlim=(0, 1.02), ylim=(0, 1.04), xticks=ticks, yticks=ticks)
    curve.set(xlabel="recall", ylabel="precision")
    curve.legend(loc="lower left", fontsize=9)

    tally = np.bincount(judged.kinds[which][:kept], minlength=len(KINDS))
    tally[-1] = (judged.settled[own] < max(score, 1e-9)).sum()  # 0: no box at all
    counts = dict(zip(KINDS, tally.tolist(), strict=True))
    _draw_counts(bars, counts)
    errors = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    hits = recall[kept - 1] if kept else 0
    numbers = {
        "precision": f"{precision[kept - 1]:.3f} of {kept:,} boxes" if kept else "no boxes",
        "recall": f"{hits:.3f} of {own.sum()} objects",
    }
    words = f"The curve of the class {name}, with a star at the score {score:.2f}: {errors}."
    return View(figure, words, numbers)
