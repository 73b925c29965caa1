"""Pictures with boxes: what is there, what a model finds, in the colors of the classes."""

import itertools
import math
import weakref
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, withStroke
from PIL import Image

from effdet_lite.teach.kit.labels import write_label
from effdet_lite.teach.kit.plots import (
    COLORS,
    DASHED,
    MARKERS,
    as_array,
    new_figure,
    new_panels,
    styled,
)
from effdet_lite.teach.kit.words import writable, writable_names, write_plainly

LARGEST_DRAWN = 1600  # px on the longer side; a figure has no more
SIGN = 5.5  # points, of the symbol of a class
RIM = (withStroke(linewidth=2.6, foreground="white"), Normal())  # stands out from any picture


def draw_picture(axis: Axes, image) -> None:
    """An image [3, H, W], 0–1 or uint8, in pixels of its own: pixel (0, 0) covers 0 to 1, as boxes
    count. A large one is drawn from a shrunken copy.
    """
    pixels = as_array(image)
    height, width = pixels.shape[-2:]
    # Small pictures are shown with their pixels, which is quick, and few bytes to send.
    how = "nearest" if max(height, width) <= 256 else "antialiased"
    axis.imshow(shrunken_pixels(pixels), extent=(0, width, height, 0), interpolation=how)
    axis.set_axis_off()
    axis.autoscale(False)


def shrunken_pixels(pixels: np.ndarray) -> np.ndarray:
    """[3, H, W] of 0–1 or uint8 as [h, w, 3] uint8, the longer side at most LARGEST_DRAWN."""
    longest = max(pixels.shape[-2:])
    # First without a copy of the whole, then by areas: a photograph may have 100 million pixels.
    step = max(1, longest // (2 * LARGEST_DRAWN))
    some = pixels[:, ::step, ::step].transpose(1, 2, 0)
    if some.dtype != np.uint8:
        some = (some.clip(0, 1) * 255).round().astype(np.uint8)
    if longest > LARGEST_DRAWN:
        scale = LARGEST_DRAWN / longest
        height, width = (max(1, round(side * scale)) for side in pixels.shape[-2:])
        image = Image.fromarray(np.ascontiguousarray(some))
        some = np.asarray(image.resize((width, height), Image.Resampling.BOX))
    return some


@styled
def draw_boxes(
    image,
    boxes,
    labels,
    classes: Sequence[str] | Mapping[int, str],
    scores=None,
    *,
    axis: Axes | None = None,
    dashed: bool = False,
    words: bool = True,
    colors: Sequence[str] = COLORS,
) -> Figure:
    """Draw an image [3, H, W] (0–1 or uint8; None: onto the picture that is there) and boxes
    [n, 4] (xyxy, pixels) by class.

    A box has the color of its class (of `colors`, in turn) and a white rim. At one of its corners
    stands the name, with the score if there is one, or without `words` the symbol of the class, for
    a crowd. No name and no symbol lies over another, where the box has a corner without one.
    """
    if image is not None:
        height, width = image.shape[-2:]
        axis = axis or new_figure(width=5.0, height=5.0 * height / width + 0.3)[1][0, 0]
        draw_picture(axis, image)
    scores = [None] * len(boxes) if scores is None else as_array(scores)
    rows = zip(as_array(boxes), as_array(labels), scores, strict=True)
    for box, label, score in rows:
        left, top, right, bottom = box
        color = colors[label % len(colors)]
        line = {"linestyle": DASHED if dashed else "-", "linewidth": 1.4, "edgecolor": color}
        frame = Rectangle((left, top), right - left, bottom - top, fill=False, **line)
        frame.set_path_effects(RIM)
        axis.add_artist(frame)  # add_patch would first work out limits that are fixed already
        if words:
            name = writable(classes[label], label)
            write_label(axis, box, name if score is None else f"{name} {score:.2f}", color, dashed)
        else:
            face = "white" if dashed else color
            look = {"marker": MARKERS[label % len(MARKERS)], "markersize": SIGN}
            look |= {"color": color, "markerfacecolor": face, "path_effects": RIM}
            axis.plot(*_free_corner(axis, box, dashed), clip_on=False, **look)
    return axis.figure


# Where symbols stand already, by axes: in pixels of the figure.
_SIGNED: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _free_corner(axis: Axes, box, dashed: bool) -> tuple[float, float]:
    """The first corner of the box at which no symbol stands; where all are taken, the usual one."""
    left, top, right, bottom = box
    corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
    if dashed:
        corners.reverse()
    axis.apply_aspect()  # so that pixels of the picture lie where they will be drawn
    taken = _SIGNED.setdefault(axis, [])
    apart = 1.5 * SIGN * axis.figure.dpi / 72
    places = [axis.transData.transform(corner) for corner in corners]
    free = (
        number
        for number, place in enumerate(places)
        if all(math.dist(place, other) >= apart for other in taken)
    )
    number = next(free, 0)
    taken.append(places[number])
    return corners[number]


def draw_outlines(axis: Axes, boxes, colors: object, **style: object) -> None:
    """Many thin boxes [n, 4] at once, cut off at the edges of the axes."""
    left, top, right, bottom = as_array(boxes).reshape(-1, 4).T
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    lines = LineCollection(np.array(corners).transpose(2, 0, 1), colors=colors, **style)
    axis.add_collection(lines, autolim=False)


def class_keys(classes: Sequence[str]) -> list:
    """For a legend: each class with the symbol and the color that `draw_boxes` gives it."""
    looks = zip(writable_names(classes), itertools.cycle(MARKERS), itertools.cycle(COLORS))
    return [
        Line2D([], [], linestyle="", marker=marker, color=color, label=name)
        for name, marker, color in looks
    ]


@styled
def picture_pair(first, second, titles: tuple[str, str]) -> tuple[Figure, list[Axes]]:
    """Two pictures [3, H, W] side by side, with titles above."""
    ratio = first.shape[-2] / first.shape[-1]
    width, title = 3.4, 0.3  # inches
    height = width * ratio + title
    places = [(left, 0.0, 0.485, width * ratio / height) for left in (0.01, 0.505)]
    figure, axes = new_panels(2 * width / 0.97, height, *places)
    for axis, image, words in zip(axes, (first, second), titles, strict=True):
        draw_picture(axis, image)
        axis.set_title(words, loc="left", fontsize=10, y=1.0, pad=4)
    return figure, axes


@styled
def photo_figure(photo, boxes, labels, classes: Sequence[str], scores=None) -> Figure:
    """A photograph [3, H, W] (0–1 or uint8) of any size with its boxes, as a figure without margins
    of at most 12 × 12 inches.
    """
    height, width = photo.shape[-2:]
    inches = np.array([width, height]) / max(width, height) * min(12, max(5, width / 100))
    across, down = inches.clip(1, 12)  # a strip gets a white rim, for words need room
    margins = {"left": 0, "right": 1, "bottom": 0, "top": 1}
    _, axes = new_figure(width=across, height=down, margins=margins)
    return draw_boxes(photo, boxes, labels, classes, scores, axis=axes[0, 0])


@styled
def image_grid(
    images,
    targets: Sequence[Mapping],
    classes: Sequence[str],
    detections: Sequence[Mapping] = (),
    *,
    columns: int = 4,
    min_score: float = 0.3,
) -> Figure:
    """Images side by side: true boxes solid, detections from `min_score` on dashed; a symbol and
    color for each class.

    images: [N, 3, H, W] or N images; targets and detections as in evaluation.py.
    """
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    shape = images[0].shape[-2:]
    figure, axes = new_figure(
        rows, columns, width=2.8 * columns, height=(2.8 * shape[0] / shape[1] + 0.1) * rows + 0.4
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, target in zip(axes.flat, images, targets, strict=False):
        draw_boxes(image, target["boxes"], target["labels"], classes, axis=axis, words=False)
    for axis, found in zip(axes.flat, detections, strict=False):
        keep = found["scores"] >= min_score
        draw_boxes(
            None,
            found["boxes"][keep],
            found["labels"][keep],
            classes,
            axis=axis,
            dashed=True,
            words=False,
        )
    keys = class_keys(classes)
    keys.append(Rectangle((0, 0), 1, 1, fill=False, label="true"))
    if detections:
        detected = f"detected (score ≥ {min_score:g})" if min_score else "detected"
        keys.append(Rectangle((0, 0), 1, 1, fill=False, linestyle=DASHED, label=detected))
    lines = -(-len(keys) // (2 * columns))
    names = [key.get_label() for key in keys]
    columns = -(-len(keys) // lines)
    legend = figure.legend(keys, names, loc="outside lower center", ncols=columns, frameon=False)
    write_plainly(*legend.get_texts())
    return figure
