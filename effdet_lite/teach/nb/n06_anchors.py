"""What the explorers of notebook 06 show: anchors and what they can answer for, who wins an anchor,
what NMS keeps.
"""

import functools

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.ops import batched_nms

from effdet_lite.anchors import ANCHORS_PER_POSITION, OCTAVES, decode, iou, match
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import error_kinds
from effdet_lite.suppression import postprocess
from effdet_lite.teach.kit.plots import (
    COLORS,
    as_array,
    draw_boxes,
    draw_outlines,
    new_figure,
    styled,
)
from effdet_lite.teach.kit.shared import best_overlaps, shipped, unseen_pictures
from effdet_lite.teach.kit.widgets import View

ASIDE, NAMED = (
    136,
    3,
)  # where a second picture begins, px; how many boxes are named, for words take time
SIDE, LEVELS = 128, (2, 3, 4, 5, 6)
ENOUGH = 0.5  # the IoU from which an anchor answers for an object
BINS = np.geomspace(8, 96, 9)  # sides of objects, px


@functools.cache
def objects() -> Tensor:
    """All true boxes of the first 100 test pictures, [n, 4]."""
    return torch.cat(
        [unseen_pictures()[index][1]["boxes"].as_subclass(Tensor) for index in range(100)]
    )


def shapes_of(level: int, scale: float, ratio: float) -> Tensor:
    """(width, height) of the nine anchors at each position of a level, [9, 2] px: square, wide,
    tall at each octave.

    Wide and tall ones have sides of that ratio and the square's area; the package rounds them, to
    1.4 and 0.7 for 2.
    """
    aspects = torch.tensor([(1.0, 1.0), (ratio**0.5, ratio**-0.5), (ratio**-0.5, ratio**0.5)])
    return (scale * 2**level * 2 ** torch.tensor(OCTAVES)[:, None, None] * aspects).reshape(-1, 2)


def overlaps(boxes: Tensor, levels: tuple[int, ...], scale: float, ratio: float) -> Tensor:
    """IoU of each box [n, 4] with the anchor of these levels that overlaps it most, [n]."""
    shapes = {level: shapes_of(level, scale, ratio) for level in levels}
    return best_overlaps(boxes, (SIDE, SIDE), shapes)


def pair(image: Tensor, second: Tensor, *titles: str) -> tuple[Figure, Axes]:
    """Two pictures side by side on one axis, which is quicker than two, with titles above."""
    pictures = unseen_pictures()
    figure, axes = new_figure(
        height=3.7, margins={"left": 0.01, "right": 0.99, "bottom": 0.02, "top": 0.91}
    )
    gap = image.new_ones(3, SIDE, ASIDE - SIDE)
    draw_boxes(torch.cat([image, gap, second], 2), [], [], pictures.classes, axis=axes[0, 0])
    axes[0, 0].images[0].set_interpolation("nearest")
    for x, title in zip((0, ASIDE), titles, strict=True):
        axes[0, 0].text(x, -SIDE / 20, title)
    return figure, axes[0, 0]


@styled
def anchors_view(level: int, scale: float, ratio: float, picture: int = 0) -> View:
    """A level's positions, nine of its anchors, the objects that have one (IoU >= 0.5: solid),
    their share by size.
    """
    pictures = unseen_pictures()
    stride, sides = 2**level, shapes_of(level, scale, ratio)
    image, target = pictures[picture % len(pictures)]
    boxes, labels, every = target["boxes"].as_subclass(Tensor), target["labels"], objects()
    answered = overlaps(boxes, (level,), scale, ratio) >= ENOUGH
    titles = f"P{level}: nine anchors every {stride} px", "objects with an anchor"
    figure, axis = pair(image, torch.ones_like(image), *titles)
    for some, dashed in ((answered, False), (~answered, True)):
        draw_boxes(
            None, boxes[some], labels[some], pictures.classes, axis=axis, words=False, dashed=dashed
        )
    places = (np.arange(SIDE // stride) + 0.5) * stride
    axis.plot(
        np.tile(places, len(places)), places.repeat(len(places)), ".k", linestyle="", markersize=2
    )
    middle = float(places[len(places) // 2])
    draw_outlines(
        axis, torch.cat([middle - sides / 2, middle + sides / 2], 1), "black", linewidths=0.9
    )
    own = overlaps(every, (level,), scale, ratio) >= ENOUGH
    together = overlaps(every, LEVELS, scale, ratio) >= ENOUGH
    longer = as_array((every[:, 2:] - every[:, :2]).amax(1))
    # The plot by hand: axes of its own would take as long as all the rest.
    low, high, x = 108, 88, ASIDE + 14 + np.arange(len(BINS)) * 14
    axis.plot(
        [x[0], x[0], x[-1]], [low - high, low, low], color="black", linestyle="-", marker="", lw=0.8
    )
    for name, has, style, y in (
        (f"P{level} alone", own, "--s", 6),
        ("P2 to P6 together", together, "-o", 12),
    ):
        shares = np.histogram(longer[as_array(has)], BINS)[0] / np.histogram(longer, BINS)[0]
        axis.plot((x[:-1] + x[1:]) / 2, low - high * shares, style, color=COLORS[style == "--s"])
        axis.plot(x[4] - np.array([16, 10, 4]), [y] * 3, style, color=COLORS[style == "--s"])
        axis.text(x[4], y, name, fontsize=8, va="center")
    words = [(place, low + 4, f"{side:.0f}") for place, side in zip(x[::2], BINS[::2], strict=True)]
    words += [(x[0] - 6, low - high * share, f"{share:.0%}") for share in (0, 0.5, 1)]
    for across, down, word in [*words, (x[4], low + 12, "longer side of the object, px")]:
        axis.text(across, down, word, fontsize=8, ha="center", va="center")
    numbers = {
        "anchors of this level": f"{len(places) ** 2 * ANCHORS_PER_POSITION:,}",
        "their sides": f"{sides.min():.1f} to {sides.max():.1f} px",
        f"of {len(every)} objects, those with an anchor on P{level}": f"{own.float().mean():.0%}",
        "with an anchor on P2 to P6": f"{together.float().mean():.0%}",
        "with one on P2 to P6, of those under 16 px": f"{together[longer < 16].float().mean():.0%}",
    }
    told = f"Nine anchors around the middle; {int(answered.sum())} of {len(boxes)} objects have an anchor on P{level}."
    return View(figure, told, numbers)


@functools.cache
def detector() -> tuple[EfficientDet, Tensor]:
    """The shipped detector of shapes, and its anchors."""
    model, _ = shipped("shapes")
    return model, model.anchors(SIDE, SIDE)


@styled
def match_view(threshold: float, picture: int = 0) -> View:
    """The objects of a picture, and beside them the anchors that `match` gives them; dashed: those
    below threshold.
    """
    pictures = unseen_pictures()
    anchors, (image, target) = detector()[1], pictures[picture % len(pictures)]
    boxes, labels = target["boxes"].as_subclass(Tensor), target["labels"]
    matched = match(anchors, [boxes], [labels], threshold)
    won = matched.labels[0] >= 0
    owner = iou(boxes, decode(matched.deltas[0], anchors)[won]).argmax(0)
    forced = iou(boxes, anchors[won])[owner, torch.arange(len(owner))] < threshold
    figure, axis = pair(
        image, image, "objects", f"anchors that answer for them, threshold {threshold:.2f}"
    )
    draw_boxes(None, boxes, labels, pictures.classes, axis=axis)
    colors = np.array(COLORS)[as_array(labels[owner])]
    for some, style in (
        (~forced, {"linewidths": 0.8}),
        (forced, {"linewidths": 1.8, "linestyles": "--"}),
    ):
        draw_outlines(axis, anchors[won][some], colors[as_array(some)], ASIDE, **style)
    each = torch.bincount(owner, minlength=len(boxes))
    numbers = {
        "anchors in all": f"{len(anchors):,}",
        "that answer for an object": f"{int(won.sum())}, one in {len(anchors) / max(int(won.sum()), 1):,.0f}",
        "objects with only the one they overlap most": f"{int(forced.sum())} of {len(boxes)}",
        "anchors an object": f"{each.min()} to {each.max()}",
    }
    return View(
        figure,
        f"{len(boxes)} objects; beside them the {int(won.sum())} anchors that won one.",
        numbers,
    )


@functools.lru_cache(maxsize=32)
def candidates(picture: int) -> dict[str, Tensor]:
    """What the detector says of a picture before NMS: "boxes", "scores" (0.05 and more), "labels";
    best first.
    """
    pictures = unseen_pictures()
    model, anchors = detector()
    with torch.no_grad():
        answers = model(pictures[picture][0].as_subclass(Tensor)[None])
    return postprocess(*answers, anchors, (SIDE, SIDE), iou_threshold=1.0, max_detections=5000)[0]


@styled
def nms_view(threshold: float, score: float, picture: int = 0) -> View:
    """The detector's boxes from this score on (0.05-1); beside them those that NMS at this
    threshold (0-1) keeps.
    """
    pictures = unseen_pictures()
    image, target = pictures[picture := picture % len(pictures)]
    found = {
        name: value[candidates(picture)["scores"] >= score]
        for name, value in candidates(picture).items()
    }
    kept = {name: value[batched_nms(*found.values(), threshold)] for name, value in found.items()}
    (judged,) = error_kinds([kept], [target])
    titles = (
        f"{len(found['boxes'])} boxes, score ≥ {score:.2f}",
        f"{len(kept['boxes'])} left by NMS at {threshold:.2f}",
    )
    figure, axis = pair(image, image, *titles)
    for some, place, style in ((found, 0, {"linewidths": 0.8}), (kept, ASIDE, {"linewidths": 1.4})):
        draw_outlines(
            axis, some["boxes"], np.array(COLORS)[as_array(some["labels"])], place, **style
        )
    best = [kept[name][:NAMED] for name in ("boxes", "labels", "scores")]
    draw_boxes(
        None, best[0] + torch.tensor([ASIDE, 0] * 2), best[1], pictures.classes, best[2], axis=axis
    )
    numbers = {
        "objects": f"{len(target['labels'])}",
        "objects missed": f"{int(judged['missed'].sum())}",
    }
    numbers |= {
        f"boxes left: {kind}": f"{judged['kinds'].count(kind)}" for kind in ("right", "double")
    }
    numbers["boxes left: other"] = (
        f"{sum(kind not in ('right', 'double') for kind in judged['kinds'])}"
    )
    return View(
        figure,
        f"{len(found['boxes'])} boxes crowd the objects; NMS leaves {len(kept['boxes'])}.",
        numbers,
    )
