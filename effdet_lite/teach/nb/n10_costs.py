"""What the blood cells' flaws cost one detector in notebook 10: scores on parts of the test."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torchvision.ops import batched_nms

from effdet_lite.data import BCCDDetection, eval_transforms
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import coco_ap_from_detections, detect_dataset
from effdet_lite.experiments.scenes import Pair
from effdet_lite.folding import folded
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.plots import COLORS, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n10_flaws import Note

RED = 0  # the label of red cells
ALL, UNSEEN, SEEN, LABELED = "all", "without the twins", "the twins alone", "with red labels"
OF_TWINS = (ALL, UNSEEN, SEEN)


def photographs_of(folder: Path, split: str, size: tuple[int, int]) -> BCCDDetection:
    """A split, each photograph fitted into size (height, width)."""
    with warnings.catch_warnings():  # of the boxes without area, which the notebook has counted
        warnings.simplefilter("ignore")
        return BCCDDetection(folder, split, transforms=eval_transforms(size))


def detected(
    model: EfficientDet, folder: Path, size: tuple[int, int]
) -> tuple[dict[str, BCCDDetection], dict[str, tuple]]:
    """The photographs of val and of the test, and (what the detector finds, what is annotated)."""
    fast = folded(model)
    sets = {split: photographs_of(folder, split, size) for split in ("val", "test")}
    return sets, {split: detect_dataset(fast, some, progress=False) for split, some in sets.items()}


def test_parts(
    names: Sequence[str], notes: Mapping[str, Note], twins: Sequence[Pair]
) -> dict[str, list[int]]:
    """Parts of the test by name, as the numbers of their photographs. names: of the test."""
    seen = {pair.first for pair in twins}
    numbers = range(len(names))
    return {
        ALL: list(numbers),
        UNSEEN: [number for number in numbers if names[number] not in seen],
        SEEN: [number for number in numbers if names[number] in seen],
        LABELED: [number for number in numbers if "RBC" in notes[names[number]].names],
    }


test_parts.__test__ = False  # pytest would take it for a test


@styled
def unlabeled_view(scores: Mapping[str, Mapping], guess: float | None = None) -> View:
    """AP50 of red cells with and without the photographs that have no red labels."""
    figure, (axis,) = new_panels(6.8, 2.4, (0.26, 0.26, 0.7, 0.56))
    values = [scores[part]["ap50_per_class"]["RBC"] for part in (ALL, LABELED)]
    axis.plot(values, [1, 0], linestyle="", marker="D", markersize=9, color=COLORS[0])
    for value, row in zip(values, (1, 0), strict=True):
        axis.annotate(f"{value:.3f}", (value, row), (0, 8), textcoords="offset points", ha="center")
    axis.set(xlim=(0.84, 0.95), ylim=(-0.6, 1.7), xlabel="AP50 of red cells")
    axis.set_yticks([1, 0], ["all 72 photographs", "without the three"])
    gain = values[1] - values[0]
    axis.set_title(f"Three photographs cost {gain:.3f}", fontsize=11, y=1.0)
    draw_guess(axis, guess, y=0)
    words = f"AP50 of red cells: {values[0]:.3f} on all, {values[1]:.3f} without the three."
    of_all = [scores[part]["ap"] for part in (ALL, LABELED)]
    numbers = {
        "difference": f"{gain:+.3f}",
        "AP of all classes, with and without": " and ".join(f"{ap:.3f}" for ap in of_all),
    }
    return View(figure, words, numbers)


def wrong_red_boxes(detections: Sequence[Mapping], targets: Sequence[Mapping], least: float) -> str:
    """How many red boxes from a score on count as errors since nobody drew a red cell there."""
    count = sum(
        int(((one["labels"] == RED) & (one["scores"] >= least)).sum())
        for one, target in zip(detections, targets, strict=True)
        if not (target["labels"] == RED).any()
    )
    return (
        f"red boxes with a score of at least {least:g} in the three: {count}, each counted as wrong"
    )


def ceiling_table(targets: Sequence[Mapping], classes: Sequence[str]) -> None:
    """The annotations as a perfect detector's boxes, behind NMS at several thresholds: how many are
    lost, and which AP50 is left.
    """
    rows = []
    for overlap in (0.3, 0.5, 0.7):
        kept = [_through_nms(target, overlap) for target in targets]
        lost = sum(len(target["labels"]) for target in targets)
        lost -= sum(len(one["labels"]) for one in kept)
        best = coco_ap_from_detections(kept, targets, classes)
        rows.append(
            [f"{overlap:g}", lost, f"{best['ap50_per_class']['RBC']:.3f}", f"{best['ap50']:.3f}"]
        )
    table(["NMS from IoU", "true boxes lost", "AP50 of RBC, at most", "AP50, at most"], rows)


def _through_nms(target: Mapping, overlap: float) -> dict[str, torch.Tensor]:
    boxes, labels = target["boxes"].as_subclass(torch.Tensor), target["labels"]
    kept = batched_nms(boxes, torch.ones(len(boxes)), labels, overlap)
    return {"boxes": boxes[kept], "labels": labels[kept], "scores": torch.ones(len(kept))}
