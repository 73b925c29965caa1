"""What the explorers of notebook 06 show: anchors and what they can answer for, and who wins an
anchor; and what the shipped detector says of a picture before NMS.
"""

import functools

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from effdet_lite.anchors import ANCHORS_PER_POSITION, OCTAVES, decode, iou, match
from effdet_lite.data.fitting import best_overlaps
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.suppression import postprocess
from effdet_lite.teach.kit.boxes import RIM, draw_outlines, draw_picture
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import (
    COLORS,
    DASHED,
    PALETTE,
    as_array,
    line_look,
    new_figure,
    new_panels,
    styled,
)
from effdet_lite.teach.kit.shared import shipped, unseen_pictures
from effdet_lite.teach.kit.typed import in_percent
from effdet_lite.teach.kit.widgets import View

SIDE, LEVELS = 128, (2, 3, 4, 5, 6)
ENOUGH = 0.5  # the IoU from which an anchor answers for an object
BINS = np.geomspace(8, 96, 9)  # sides of objects, px


@functools.cache
def objects() -> Tensor:
    """All true boxes of the first 100 test pictures, [n, 4]."""
    return torch.cat([boxes for boxes, _ in _targets()])


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
    boxes = target["boxes"].as_subclass(Tensor)
    answered = overlaps(boxes, (level,), scale, ratio) >= ENOUGH
    own = overlaps(every, (level,), scale, ratio) >= ENOUGH
    together = overlaps(every, LEVELS, scale, ratio) >= ENOUGH

    figure, (left, right) = new_panels(8.0, 3.7, (0.01, 0.02, 0.42, 0.9), (0.54, 0.16, 0.44, 0.66))
    draw_picture(left, image)
    left.set_title(f"P{level}: nine anchors every {2**level} px", fontsize=10, y=1.0, pad=4)
    sides = shapes_of(level, scale, ratio)
    _draw_positions(left, 2**level, sides)
    for some, color, line in ((answered, "blue", "-"), (~answered, "vermillion", DASHED)):
        look = {"linewidths": 1.8, "linestyles": [line], "path_effects": RIM}
        draw_outlines(left, boxes[some], PALETTE[color], **look)  # over the anchors
    _draw_shares(right, {f"P{level} alone": own, "P2 to P6 together": together})

    small = (every[:, 2:] - every[:, :2]).amax(1) < 16
    anchors = (SIDE // 2**level) ** 2 * ANCHORS_PER_POSITION
    numbers = {
        "anchors of this level": f"{anchors:,}",
        "their sides": f"{sides.min():.1f} to {sides.max():.1f} px",
        f"of {len(every)} objects, those with a fitting anchor on P{level}": in_percent(
            own.float().mean()
        ),
        "with a fitting anchor on P2 to P6": in_percent(together.float().mean()),
        "with one on P2 to P6, of those under 16 px": in_percent(together[small].float().mean()),
    }
    words = (
        f"Nine anchors around the middle; {int(answered.sum())} of {len(boxes)} objects have a "
        f"fitting anchor on P{level}."
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
    for number, (name, has) in enumerate(having.items()):
        share = np.histogram(longer[as_array(has)], BINS)[0] / count
        axis.plot(np.log2(middles), 100 * share, label=name, **line_look(number))
    powers = [3, 4, 5, 6]
    axis.set(xticks=powers, xticklabels=[2**power for power in powers], xlim=(2.9, 6.6))
    axis.set(yticks=[0, 25, 50, 75, 100], ylim=(-3, 103))
    axis.set(xlabel="longer side of the object (px)", ylabel="objects with a fitting anchor (%)")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=9)


@functools.cache
def detector() -> tuple[EfficientDet, Tensor]:
    """The shipped detector of shapes, and its anchors."""
    model, _ = shipped("shapes")
    return model, model.anchors(SIDE, SIDE)


@styled
def match_view(threshold: float, picture: int = 0) -> View:
    """The objects of a picture, by number from 0, and the centers of the anchors that `match` gives
    them; dashed: anchors below the threshold, which win as an object's best.
    """
    pictures, (_, anchors) = unseen_pictures(), detector()
    image, target = pictures[picture % len(pictures)]
    boxes, labels = target["boxes"].as_subclass(Tensor), target["labels"]
    matched = match(anchors, [boxes], [labels], threshold)
    won = matched.labels[0] >= 0
    owner = iou(boxes, decode(matched.deltas[0], anchors)[won]).argmax(0)
    forced = iou(boxes, anchors[won])[owner, torch.arange(len(owner))] < threshold

    figure, (axis,) = new_panels(4.2, 4.5, (0.01, 0.01, 0.98, 0.91))
    draw_picture(axis, image)
    axis.set_title(f"centers of the anchors that win, threshold {threshold:.2f}", fontsize=10)
    for box, label in zip(boxes, labels.tolist(), strict=True):
        draw_outlines(axis, box[None], COLORS[label], linewidths=1.4, path_effects=RIM)
    style = {"linewidths": 1.8, "linestyles": "--", "path_effects": RIM}
    draw_outlines(axis, anchors[won][forced], "black", **style)
    look = {"path_effects": RIM, "color": "black", "linestyle": ""}
    for number, box in enumerate(boxes):  # over all outlines
        look["marker"] = f"${number}$"
        mine = anchors[won][owner == number]
        axis.plot(*((mine[:, :2] + mine[:, 2:]) / 2).T, markersize=5, **look)
        axis.plot(*box[:2], markersize=9, clip_on=False, **look)

    each, winners = torch.bincount(owner, minlength=len(boxes)), int(won.sum())
    numbers = {
        "anchors in all": f"{len(anchors):,}",
        "that answer for an object": f"{winners}, one in {len(anchors) / max(winners, 1):,.0f}",
        "objects for which no anchor reaches it": f"{int(forced.sum())} of {len(boxes)}",
        "anchors an object": f"{each.min()} to {each.max()}",
    }
    words = f"{len(boxes)} objects, and {winners} anchors that win one of them."
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
def show_scales(scales: tuple[float, ...] = (1.0, 2.0, 4.0)) -> None:
    """The share of the objects that an anchor of P2 to P6 fits, by their longer side, for several
    scales.
    """
    figure, axes = new_figure(width=6.0, height=3.1)
    found = {
        f"scale {scale:g}": overlaps(objects(), LEVELS, scale, 2.0) >= ENOUGH for scale in scales
    }
    _draw_shares(axes[0, 0], found)
    axes[0, 0].legend(loc="lower right", fontsize=9)
    axes[0, 0].set_title("Only with scale 2 nearly every object has a fitting anchor", fontsize=11)
    small = (objects()[:, 2:] - objects()[:, :2]).amax(1) < 16
    told = [
        f"{name}: {in_percent(has.float().mean())} of all objects and "
        f"{in_percent(has[small].float().mean())} of those under 16 px"
        for name, has in found.items()
    ]
    show(figure, f"Objects with an anchor of an IoU of at least 0.5. {'; '.join(told)}.")
    rows = [
        [name, in_percent(has.float().mean()), in_percent(has[small].float().mean())]
        for name, has in found.items()
    ]
    table(["anchors of P2 to P6", "objects with a fitting anchor", "of those under 16 px"], rows)


@styled
def show_winners(thresholds: tuple[float, ...] = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)) -> None:
    """Anchors for each object, and the objects for which no anchor reaches the threshold of
    matching, over 100 pictures, by that threshold.
    """
    _, anchors = detector()
    best = torch.cat([iou(boxes, anchors).amax(1) for boxes, _ in _targets()])
    boxes, labels = zip(*_targets(), strict=True)
    rows = []
    for threshold in thresholds:
        won = int((match(anchors, boxes, labels, threshold).labels >= 0).sum())
        rows.append((threshold, won / len(best), float((best < threshold).float().mean())))
    figure, axes = new_figure(1, 2, width=7.4, height=2.9)
    axes[0, 0].plot(thresholds, [row[1] for row in rows])
    axes[0, 0].set(
        yscale="log", ylabel="anchors for each object (log scale)", yticks=[1, 3, 10, 30, 100]
    )
    axes[0, 0].set_yticklabels(["1", "3", "10", "30", "100"])
    axes[0, 0].minorticks_off()
    axes[0, 1].plot(thresholds, [100 * row[2] for row in rows])
    axes[0, 1].set(ylabel="objects not reached (%)", ylim=(-3, 103))
    for axis in axes[0]:
        axis.set(xlabel="matching threshold", xlim=(0.25, 0.95))
    axes[0, 0].set_title("A higher threshold: fewer anchors win", fontsize=10)
    axes[0, 1].set_title("… and more objects are not reached", fontsize=10)
    words = [f"{each:.1f} anchors at {threshold}" for threshold, each, _ in rows]
    show(figure, f"The higher the threshold, the fewer anchors win an object: {', '.join(words)}.")
    header = ["threshold", "anchors for each object", "objects for which no anchor reaches it"]
    table(header, [[f"{at}", f"{each:.1f}", in_percent(only)] for at, each, only in rows])


@functools.cache
def _targets() -> list[tuple[Tensor, Tensor]]:
    """Boxes [n, 4] and labels [n] of the first 100 test pictures."""
    targets = [unseen_pictures()[index][1] for index in range(100)]
    return [(target["boxes"].as_subclass(Tensor), target["labels"]) for target in targets]
