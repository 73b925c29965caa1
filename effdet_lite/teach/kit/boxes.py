"""Pictures with boxes: what is there, what a model finds, in the colors of the classes."""

import itertools
import weakref
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, withStroke
from PIL import Image

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
POINTS = 9  # size of the letters
APART = 2  # points, from the corner of a box to its words
HIDDEN = 0.3  # shares of objects, added up: with more of them hidden one looks for another place
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
    a crowd.
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
            _label(axis, box, name if score is None else f"{name} {score:.2f}", color, dashed)
        else:
            corner = (right, bottom) if dashed else (left, top)
            face = "white" if dashed else color
            look = {"marker": MARKERS[label % len(MARKERS)], "markersize": 5.5}
            look |= {"color": color, "markerfacecolor": face, "path_effects": RIM}
            axis.plot(*corner, clip_on=False, **look)
    return axis.figure


class _Place(NamedTuple):
    """Where words would stand: their frame (left, bottom, right, top, in points), the corner of the
    box (x, y, horizontal and vertical alignment), how many square points of them lie over other
    words or outside the picture, and what shares of the objects they hide, added up.
    """

    frame: np.ndarray
    corner: tuple
    covered: float
    hidden: float


# Where labels stand already, by axes: (left, bottom, right, top) in points of the figure.
_TAKEN: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _label(axis: Axes, box, words: str, color: str, dashed: bool) -> None:
    """Words at the corner of the box where they lie over the fewest others and in the picture."""
    place = _best_place(axis, box, words, "below" if dashed else "above")
    _write(axis, place, words, color, opacity=0.85)


def label_where_free(
    axis: Axes,
    box,
    wordings: Sequence[str],
    color: str,
    first: str = "above",
    outside: bool = False,
    objects: Sequence = (),
) -> None:
    """The first of the wordings for which a corner of the box (xyxy, pixels) has room; none where
    all of them would lie over other labels or leave the picture.

    first: the corner that is tried before the others, by its name in `_best_place`. outside: words
    inside the box, on what it is around, only where there is no room outside. objects: boxes that
    the words hide as little as they can; before they hide much of one, a shorter wording is taken.
    """
    places = [_best_place(axis, box, words, first, outside, objects) for words in wordings]
    free = [number for number, place in enumerate(places) if place.covered < 1]
    if free:
        clear = [number for number in free if places[number].hidden < HIDDEN]
        chosen = (clear or free)[0]
        _write(axis, places[chosen], wordings[chosen], color)


def _best_place(
    axis: Axes, box, words: str, first: str, outside: bool = False, objects: Sequence = ()
) -> _Place:
    """Where words at a corner of the box lie over the fewest others, and of such places the one
    that hides least of the objects (boxes in pixels).
    """
    axis.apply_aspect()  # so that pixels of the picture lie where they will be drawn
    taken = _TAKEN.setdefault(axis, [])
    to_points = 72 / axis.figure.dpi
    wide, high = 0.58 * POINTS * len(words) + 3, 1.35 * POINTS
    frame = np.array(axis.bbox.extents) * to_points
    left, top, right, bottom = box
    corners = {  # (x, y, horizontal and vertical alignment, the side to which the words go)
        "above": (left, top, "left", "bottom"),
        "below": (right, bottom, "right", "top"),
        "inside above": (left, top, "left", "top"),
        "inside below": (right, bottom, "right", "bottom"),
        "above, right": (right, top, "right", "bottom"),
        "below, left": (left, bottom, "left", "top"),
        "beside": (right, top, "left", "top"),
        "beside, left": (left, top, "right", "top"),
    }
    names = [first, *(name for name in corners if name != first)]
    if outside:
        names.sort(key=lambda name: "inside" in name)
    order = [corners[name] for name in names]

    around = [_in_points(axis, one, to_points) for one in objects]

    def place(corner: tuple) -> _Place:
        x, y = axis.transData.transform(corner[:2]) * to_points
        x += -wide - APART if corner[2] == "right" else APART
        y += -high - APART if corner[3] == "top" else APART
        here = np.array([x, y, x + wide, y + high])
        beyond = wide * high - _shared(here, frame)
        covered = sum(_shared(here, other) for other in taken) + beyond
        hidden = sum(_shared(here, one) / max(_shared(one, one), 1e-9) for one in around)
        return _Place(here, corner, covered, hidden)

    return min(map(place, order), key=lambda one: (round(one.covered), round(one.hidden, 2)))


def _in_points(axis: Axes, box, to_points: float) -> np.ndarray:
    """A box (xyxy, pixels; y counts downward) as left, bottom, right, top in points."""
    left, top, right, bottom = box
    return axis.transData.transform([(left, bottom), (right, top)]).ravel() * to_points


def _write(axis: Axes, place: _Place, words: str, color: str, opacity: float = 1.0) -> None:
    """The words in a frame of their own: no line of another box shows through at opacity 1."""
    _TAKEN[axis].append(place.frame)
    x, y, horizontal, vertical = place.corner
    text = axis.annotate(
        words,
        (x, y),
        xytext=(
            APART if horizontal == "left" else -APART,
            APART if vertical == "bottom" else -APART,
        ),
        textcoords="offset points",
        horizontalalignment=horizontal,
        verticalalignment=vertical,
        fontsize=POINTS,
        bbox={
            "facecolor": "white",
            "edgecolor": color,
            "linewidth": 0.8,
            "alpha": opacity,
            "pad": 1,
        },
    )
    write_plainly(text)


def _shared(one: np.ndarray, other: np.ndarray) -> float:
    """Area that two rectangles (left, bottom, right, top) share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return float(max(0, width) * max(0, height))


def draw_outlines(axis: Axes, boxes, colors: object, **style: object) -> None:
    """Many thin boxes [n, 4] at once, cut off at the edges of the axes."""
    left, top, right, bottom = as_array(boxes).reshape(-1, 4).T
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    lines = LineCollection(np.array(corners).transpose(2, 0, 1), colors=colors, **style)
    axis.add_collection(lines, autolim=False)


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
    keys = [
        Line2D([], [], linestyle="", marker=marker, color=color, label=name)
        for name, marker, color in zip(
            writable_names(classes), itertools.cycle(MARKERS), itertools.cycle(COLORS)
        )
    ]
    keys.append(Rectangle((0, 0), 1, 1, fill=False, label="true"))
    if detections:
        detected = f"detected (score ≥ {min_score:g})" if min_score else "detected"
        keys.append(Rectangle((0, 0), 1, 1, fill=False, linestyle=DASHED, label=detected))
    lines = -(-len(keys) // (2 * columns))
    names = [key.get_label() for key in keys]
    columns = -(-len(keys) // lines)
    legend = figure.legend(keys, names, loc="outside lower center", ncols=columns)
    write_plainly(*legend.get_texts())
    return figure
