"""What a figure's axes cut off: data that lie outside of their limits, which nobody sees."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

SLACK = 1e-6  # of the axes' width and height


def cut_off(figure: Figure) -> list[str]:
    """A sentence for each line, dot or bar of the figure that leaves its axes.

    What hangs on the axes and not on data (a line over the full height) is let through, and so is
    what is drawn over an image, whose edges cut boxes off.
    """
    return [words for axis in figure.axes if not axis.images for words in _cut_off(axis)]


def _cut_off(axis: Axes) -> Iterator[str]:
    ends = np.sort([axis.get_xlim(), axis.get_ylim()], axis=1)
    slack = SLACK * np.ptp(ends, axis=1)
    for name, points in _drawn(axis):
        points = points[np.isfinite(points).all(axis=1)]
        outside = (points < ends[:, 0] - slack) | (points > ends[:, 1] + slack)
        if outside.any():
            first = points[outside.any(axis=1)][0].tolist()
            yield f"{axis.get_title()!r}: {name} at {first}, and the axes end at {ends.tolist()}"


def _drawn(axis: Axes) -> Iterator[tuple[str, np.ndarray]]:
    """(what it is, its points [n, 2] in data coordinates)."""
    for line in axis.lines:
        if line.get_transform() == axis.transData:
            yield f"line {line.get_label()!r}", line.get_xydata().astype(float)
    for patch in axis.patches:
        if isinstance(patch, Rectangle) and patch.get_data_transform() == axis.transData:
            yield "bar", patch.get_bbox().get_points()
    for some in axis.collections:
        if isinstance(some, PathCollection):
            yield "dots", np.asarray(some.get_offsets(), float)
        elif isinstance(some, LineCollection):
            yield "lines", np.concatenate([np.zeros((0, 2)), *some.get_segments()])
