"""Words at boxes: where they stand, so that no label lies over another or hides what a box is
around.
"""

import weakref
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from effdet_lite.teach.kit.words import write_plainly

POINTS = 9  # size of the letters
APART = 2  # points, from the corner of a box to its words
HIDDEN = 0.3  # shares of objects, added up: with more of them hidden one looks for another place
HIDDEN_AT_MOST = 0.1  # the same for words that are rather left out
NEAR = 1.5  # points, from words to a line that they stay off


class _Place(NamedTuple):
    """Where words would stand: their frame (left, bottom, right, top, in points), the corner of the
    box (x, y, horizontal and vertical alignment), how many square points of them lie over other
    words or outside the picture, what shares of the objects they hide, added up, and how many
    points of lines lie below them.
    """

    frame: np.ndarray
    corner: tuple
    covered: float
    hidden: float
    crossed: float


# Where labels stand already, by axes: (left, bottom, right, top) in points of the figure.
_TAKEN: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def write_label(axis: Axes, box, words: str, color: str, dashed: bool = False) -> None:
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
    lines: Sequence = (),
) -> None:
    """The first of the wordings for which a corner of the box (xyxy, pixels) has room; none where
    all of them would lie over other labels or leave the picture.

    first: the corner that is tried before the others, by its name in `_best_place`. outside: words
    inside the box, on what it is around, only where there is no room outside. objects: boxes that
    the words hide as little as they can; before they hide much of one, a shorter wording is taken.
    lines: boxes (in pixels) whose lines the words stay off: here words that lie on a line or hide
    much of an object are left out.
    """
    places = [_best_place(axis, box, words, first, outside, objects, lines) for words in wordings]
    free = [number for number, place in enumerate(places) if place.covered < 1]
    most = HIDDEN_AT_MOST if len(lines) else HIDDEN
    clear = [n for n in free if places[n].hidden < most and places[n].crossed == 0]
    if not len(lines):
        clear = clear or free
    if clear:
        chosen = clear[0]
        _write(axis, places[chosen], wordings[chosen], color)


def _best_place(
    axis: Axes,
    box,
    words: str,
    first: str,
    outside: bool = False,
    objects: Sequence = (),
    lines: Sequence = (),
) -> _Place:
    """Where words at a corner of the box lie over the fewest others, and of such places the one
    that lies on fewest lines and hides least of the objects (boxes in pixels).
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
    if len(lines):
        corners |= {
            "beside, below": (right, bottom, "left", "bottom"),
            "beside, left, below": (left, bottom, "right", "bottom"),
        }
    names = [first, *(name for name in corners if name != first)]
    if outside:
        names.sort(key=lambda name: "inside" in name)
    order = [corners[name] for name in names]

    around = [_in_points(axis, one, to_points) for one in objects]
    frames = np.array([_in_points(axis, one, to_points) for one in lines]).reshape(-1, 4)

    def place(corner: tuple) -> _Place:
        x, y = axis.transData.transform(corner[:2]) * to_points
        x += -wide - APART if corner[2] == "right" else APART
        y += -high - APART if corner[3] == "top" else APART
        here = np.array([x, y, x + wide, y + high])
        beyond = wide * high - _shared(here, frame)
        covered = sum(_shared(here, other) for other in taken) + beyond
        hidden = sum(_shared(here, one) / max(_shared(one, one), 1e-9) for one in around)
        return _Place(here, corner, covered, hidden, _crossed(here, frames))

    def cost(one: _Place) -> tuple:
        return round(one.covered), round(one.crossed), round(one.hidden, 2)

    return min(map(place, order), key=cost)


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


def _crossed(words: np.ndarray, frames: np.ndarray) -> float:
    """How many points of the lines of these frames [n, 4] lie below the words, or very near."""
    left, bottom, right, top = words + np.array([-NEAR, -NEAR, NEAR, NEAR])
    wide = np.minimum(frames[:, 2], right) - np.maximum(frames[:, 0], left)
    high = np.minimum(frames[:, 3], top) - np.maximum(frames[:, 1], bottom)
    upright = ((frames[:, [0, 2]] > left) & (frames[:, [0, 2]] < right)).sum(1)
    level = ((frames[:, [1, 3]] > bottom) & (frames[:, [1, 3]] < top)).sum(1)
    return float((upright * high.clip(min=0) + level * wide.clip(min=0)).sum())


def _shared(one: np.ndarray, other: np.ndarray) -> float:
    """Area that two rectangles (left, bottom, right, top) share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return float(max(0, width) * max(0, height))
