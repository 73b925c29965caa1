"""Which anchors fit the shapes, for notebook 08: how many an object gets, and how well they fit."""

from typing import NamedTuple

import torch

from effdet_lite.anchors import anchor_grid, iou
from effdet_lite.matching import fast_match
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.typed import in_percent
from effdet_lite.teach.nb.n08_small import SIDE, batch_of, pictures

PICTURES = 200  # of the training pictures
SMALL_SIDE = 16  # px; an object is small if its longer side is shorter
CHOICES = (((3, 7), 4.0), ((3, 7), 2.0), ((2, 6), 2.0))


class Fit(NamedTuple):
    """How a choice of levels and scale fits the objects.

    objects: how many there are. matched: how many have an anchor that answers for them. anchors:
    how many each of them has, in the mean. well: share of objects whose best IoU is 0.5 or more.
    """

    objects: int
    matched: int
    anchors: float
    well: float


def fits(levels: tuple[int, int], scale: float) -> tuple[Fit, Fit]:
    """(of the small objects, of the others) among the first training pictures."""
    _, targets = batch_of(pictures("train"), range(PICTURES))
    first, last = levels
    grid = anchor_grid(SIDE, SIDE, tuple(range(first, last + 1)), scale, torch.device("cpu"))
    counts, best, sides = [], [], []
    for target in targets:
        boxes = target["boxes"]
        numbers = torch.arange(len(boxes))  # in place of classes: which object an anchor has
        matches = fast_match(grid, [boxes], [numbers])
        counts.append(torch.bincount(matches.labels[matches.labels >= 0], minlength=len(boxes)))
        best.append(iou(boxes, grid).amax(1))
        sides.append((boxes[:, 2:] - boxes[:, :2]).amax(1))
    counts, best, sides = torch.cat(counts), torch.cat(best), torch.cat(sides)
    return tuple(
        Fit(
            int(some.sum()),
            int((counts[some] > 0).sum()),
            counts[some].float().mean().item(),
            (best[some] >= 0.5).float().mean().item(),
        )
        for some in (sides < SMALL_SIDE, sides >= SMALL_SIDE)
    )


def show_fits() -> None:
    """A table: for each choice of levels and scale, what small objects get, and what others do."""
    rows = []
    for levels, scale in CHOICES:
        small, others = fits(levels, scale)
        rows.append(
            [
                f"P{levels[0]} to P{levels[1]}, scale {scale:g}",
                f"{small.matched} of {small.objects}",
                in_percent(small.well),
                f"{small.anchors:.1f}",
                f"{others.anchors:.1f}",
            ]
        )
    header = [
        "anchors",
        f"objects under {SMALL_SIDE} px with an anchor",
        "with one of IoU ≥ 0.5",
        "anchors for each of them",
        "anchors for each larger one",
    ]
    table(header, rows)
