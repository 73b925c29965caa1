"""How a guess is marked in a figure: a small flag, the same in every notebook."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.path import Path
from matplotlib.patheffects import withStroke

from effdet_lite.teach.kit.plots import PALETTE, styled
from effdet_lite.teach.kit.typed import number_text

COLOR = PALETTE["purple"]
HEIGHT = 24  # points, of the pole
FONT = 9
# A pole with a pennant, from the point that it stands on.
POLE = [(0, 0), (0, 1), (0.62, 0.8), (0, 0.6), (0, 0)]
NEAR = 0.82  # of the axes' height or width: beyond it the flag hangs down, or points left


@styled
def draw_guess(
    axis: Axes,
    value: float | Sequence[float] | None,
    *,
    x: float | None = None,
    y: float | None = None,
    label: str = "your guess",
) -> None:
    """Mark a guess by a small flag; where there is none, nothing is drawn.

    value: a number, which stands at the height `value` over `x`, or `value` to the right at height
    `y`, or without both at the x axis as a line over the full height; or a pair (x, y). Draw it
    last: a guess outside the axes' limits stands at their edge, with its number. label: "" for a
    flag without words. Raises ValueError for a guess in words, which has no place in a plot.
    """
    if value is None:
        return
    if isinstance(value, str):
        raise ValueError(f"a flag marks a number or a point, and the guess is {value!r}.")
    limits = axis.get_xlim(), axis.get_ylim()
    if isinstance(value, Sequence):
        place = tuple(value)
    elif x is not None:
        place = (float(axis.convert_xunits(x)), value)
    elif y is not None:
        place = (value, float(axis.convert_yunits(y)))
    else:
        place = (value, limits[1][1])
        axis.axvline(_within(value, limits[0]), color=COLOR, linestyle="--", marker="")
    inside = tuple(_within(one, ends) for one, ends in zip(place, limits, strict=True))
    if label and inside != place:
        numbers = value if isinstance(value, Sequence) else [value]
        label = f"{label}: {', '.join(map(number_text, numbers))}"
    _flag(axis, inside, label)
    axis.set(xlim=limits[0], ylim=limits[1])


def _within(value: float, ends: Sequence[float]) -> float:
    return min(max(value, min(ends)), max(ends))


def _flag(axis: Axes, place: Sequence[float], label: str) -> None:
    # Where it stands in the axes, 0-1 from the left and from below.
    across, up = axis.transAxes.inverted().transform(axis.transData.transform(place))
    side, rise = (-1 if across > NEAR else 1), (-1 if up > NEAR else 1)
    flag = Path(np.array(POLE) * (side, rise))
    axis.plot(
        *np.reshape(place, (2, 1)),
        marker=flag,
        markersize=2 * HEIGHT,
        markerfacecolor=COLOR,
        markeredgecolor=PALETTE["black"],
        markeredgewidth=1.2,
        linestyle="",
        clip_on=False,
        zorder=10,
        label="_guess",
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )
    if label:
        words = axis.annotate(
            label,
            place,
            xytext=(side * 0.7 * HEIGHT, rise * 0.8 * HEIGHT),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=FONT,
            zorder=11,
            annotation_clip=False,
        )
        words.set_path_effects([withStroke(linewidth=3, foreground="white")])
