"""What the explorers of notebook 06 show: anchors and what they can answer for, who wins an anchor,
what NMS keeps.
"""

import functools

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor
from torchvision.ops import batched_nms

from effdet_lite.anchors import ANCHORS_PER_POSITION, OCTAVES, decode, iou, match
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.evaluation import error_kinds
from effdet_lite.suppression import postprocess
from effdet_lite.teach.kit.boxes import draw_boxes, draw_outlines, draw_picture, picture_pair
from effdet_lite.teach.kit.plots import COLORS, as_array, line_look, new_panels, styled
from effdet_lite.teach.kit.shared import best_overlaps, shipped, unseen_pictures
from effdet_lite.teach.kit.widgets import View

NAMED = 3  # boxes with words; more could not be read
SIDE, LEVELS = 128, (2, 3, 4, 5, 6)
ENOUGH = 0.5  # the IoU from which an anchor answers for an object
BINS = np.geomspace(8, 96, 9)  # sides of objects, px


@functools.cache
def objects() -> Tensor:
    """All true boxes of the first 100 test pictures, [n, 4]."""
    targets = [unseen_pictures()[index][1] for index in range(100)]
    return torch.cat([target["boxes"].as_subclass(Tensor) for target in targets])


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


@styled
def anchors_view(level: int, scale: float, ratio: float, picture: int = 0) -> View:
    """A level's positions, nine of its anchors, the objects that have one (IoU >= 0.5: solid),
    their share by size.
    """
    pictures, every = unseen_pictures(), objects()
    image, target = pictures[picture % len(pictures)]
    boxes, labels = target["boxes"].as_subclass(Tensor), target["labels"]
    answered = overlaps(boxes, (level,), scale, ratio) >= ENOUGH
    own = overlaps(every, (level,), scale, ratio) >= ENOUGH
    together = overlaps(every, LEVELS, scale, ratio) >= ENOUGH

    figure, (left, right) = new_panels(8.0, 3.7, (0.01, 0.02, 0.42, 0.9), (0.54, 0.16, 0.44, 0.66))
    draw_picture(left, image)
    left.set_title(f"P{level}: nine anchors every {2**level} px", fontsize=10, y=1.0, pad=4)
    for some, dashed in ((answered, False), (~answered, True)):
        style = {"axis": left, "words": False, "dashed": dashed}
        draw_boxes(None, boxes[some], labels[some], pictures.classes, **style)
    sides = shapes_of(level, scale, ratio)
    _draw_positions(left, 2**level, sides)
    _draw_shares(right, {f"P{level} alone": own, "P2 to P6 together": together})

    small = (every[:, 2:] - every[:, :2]).amax(1) < 16
    anchors = (SIDE // 2**level) ** 2 * ANCHORS_PER_POSITION
    numbers = {
        "anchors of this level": f"{anchors:,}",
        "their sides": f"{sides.min():.1f} to {sides.max():.1f} px",
        f"of {len(every)} objects, those with an anchor on P{level}": f"{own.float().mean():.0%}",
        "with an anchor on P2 to P6": f"{together.float().mean():.0%}",
        "with one on P2 to P6, of those under 16 px": f"{together[small].float().mean():.0%}",
    }
    words = (
        f"Nine anchors around the middle; {int(answered.sum())} of {len(boxes)} objects have an "
        f"anchor on P{level}."
    )
    return View(figure, words, numbers)


def _draw_positions(axis: Axes, stride: int, sides: Tensor) -> None:
    """All positions of a level as dots, and the anchors of the one in the middle."""
    places = (np.arange(SIDE // stride) + 0.5) * stride
    x, y = np.meshgrid(places, places)
    axis.plot(x.ravel(), y.ravel(), ".k", linestyle="", markersize=2)
    middle = float(places[len(places) // 2])
    anchors = torch.cat([middle - sides / 2, middle + sides / 2], 1)
    draw_outlines(axis, anchors, "black", linewidths=0.9)


def _draw_shares(axis: Axes, having: dict[str, Tensor]) -> None:
    """The share of the objects that have an anchor, by their longer side."""
    every = objects()
    longer = as_array((every[:, 2:] - every[:, :2]).amax(1))
    middles = np.sqrt(BINS[:-1] * BINS[1:])
    count = np.histogram(longer, BINS)[0]
    for (name, has), number in zip(having.items(), (1, 0), strict=True):
        share = np.histogram(longer[as_array(has)], BINS)[0] / count
        axis.plot(np.log2(middles), 100 * share, label=name, **line_look(number))
    powers = [3, 4, 5, 6]
    axis.set(xticks=powers, xticklabels=[2**power for power in powers], xlim=(2.9, 6.6))
    axis.set(yticks=[0, 25, 50, 75, 100], ylim=(-3, 103))
    axis.set(xlabel="longer side of the object (px)", ylabel="objects with an anchor (%)")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=9)


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
    pictures, (_, anchors) = unseen_pictures(), detector()
    image, target = pictures[picture % len(pictures)]
    boxes, labels = target["boxes"].as_subclass(Tensor), target["labels"]
    matched = match(anchors, [boxes], [labels], threshold)
    won = matched.labels[0] >= 0
    owner = iou(boxes, decode(matched.deltas[0], anchors)[won]).argmax(0)
    forced = iou(boxes, anchors[won])[owner, torch.arange(len(owner))] < threshold

    titles = ("objects", f"anchors that answer for them, threshold {threshold:.2f}")
    figure, (left, right) = picture_pair(image, image, titles)
    draw_boxes(None, boxes, labels, pictures.classes, axis=left)
    colors = np.array(COLORS)[as_array(labels[owner])]
    plain, dashed = {"linewidths": 0.8}, {"linewidths": 1.8, "linestyles": "--"}
    for some, style in ((~forced, plain), (forced, dashed)):
        draw_outlines(right, anchors[won][some], colors[as_array(some)], **style)

    each, winners = torch.bincount(owner, minlength=len(boxes)), int(won.sum())
    numbers = {
        "anchors in all": f"{len(anchors):,}",
        "that answer for an object": f"{winners}, one in {len(anchors) / max(winners, 1):,.0f}",
        "objects with only the one they overlap most": f"{int(forced.sum())} of {len(boxes)}",
        "anchors an object": f"{each.min()} to {each.max()}",
    }
    words = f"{len(boxes)} objects; beside them the {winners} anchors that won one."
    return View(figure, words, numbers)


@functools.lru_cache(maxsize=128)
def candidates(picture: int) -> dict[str, Tensor]:
    """What the detector says of a picture before NMS: "boxes", "scores" (0.05 and more), "labels";
    best first.
    """
    model, anchors = detector()
    image, _ = unseen_pictures()[picture]
    with torch.no_grad():
        answers = model(image.as_subclass(Tensor)[None])
    return postprocess(*answers, anchors, (SIDE, SIDE), iou_threshold=1.0, max_detections=5000)[0]


@styled
def nms_view(threshold: float, score: float, picture: int = 0) -> View:
    """The detector's boxes from this score on (0.05-1); beside them those that NMS at this
    threshold (0-1) keeps.
    """
    pictures = unseen_pictures()
    picture = picture % len(pictures)
    image, target = pictures[picture]
    everything = candidates(picture)
    sure = everything["scores"] >= score
    found = {name: value[sure] for name, value in everything.items()}
    left_over = batched_nms(found["boxes"], found["scores"], found["labels"], threshold)
    kept = {name: value[left_over] for name, value in found.items()}
    before, after = len(found["boxes"]), len(kept["boxes"])

    titles = (f"{before} boxes, score ≥ {score:.2f}", f"{after} left by NMS at {threshold:.2f}")
    figure, axes = picture_pair(image, image, titles)
    for axis, some, width in zip(axes, (found, kept), (0.8, 1.4), strict=True):
        colors = np.array(COLORS)[as_array(some["labels"])]
        draw_outlines(axis, some["boxes"], colors, linewidths=width)
    best = {name: value[:NAMED] for name, value in kept.items()}
    names = pictures.classes
    draw_boxes(None, best["boxes"], best["labels"], names, best["scores"], axis=axes[1])

    (judged,) = error_kinds([kept], [target])
    kinds = judged["kinds"]
    right, double = kinds.count("right"), kinds.count("double")
    numbers = {
        "objects": f"{len(target['labels'])}",
        "objects missed": f"{int(judged['missed'].sum())}",
        "boxes left: right": f"{right}",
        "boxes left: double": f"{double}",
        "boxes left: other": f"{len(kinds) - right - double}",
    }
    words = f"{before} boxes crowd the objects; NMS leaves {after}."
    return View(figure, words, numbers)
