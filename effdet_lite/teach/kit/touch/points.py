"""Points dragged on a plot: a guess where a curve ends, or where it bends."""

import base64
import math
from collections.abc import Sequence

import traitlets
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from effdet_lite.teach.kit.boxes import RIM
from effdet_lite.teach.kit.page import img
from effdet_lite.teach.kit.plots import COLORS, new_figure, png, styled
from effdet_lite.teach.kit.touch.modules import module_text
from effdet_lite.teach.kit.touch.pad import BadValueError, Pad, as_list, finite
from effdet_lite.teach.kit.words import write_plainly

DPI = 90  # of a figure on the page; a pad's picture has twice as many, for fine screens
STEPS = 200  # about as many steps of the arrow keys cross an axis
LOG_DIGITS = 3  # of a number on a logarithmic axis
ALONG = {"x": [0], "y": [1], "both": [0, 1]}


class PointPad(Pad):
    """One or several points on a plot; `value`: a list of [x, y] in the plot's own units.

    plot: matplotlib's axes with whatever is drawn on them, linear or logarithmic; `blank_axes`
    makes empty ones. names: of the points, shown beside them. start: where they stand first. By
    default that is the middle, and `placed` is False until somebody has moved one: so a guess can
    be told from none. along: "x", "y" or "both", the directions in which they move. x_step, y_step:
    what values are rounded to; by default a round number, about a 200th of the axis. Raises
    ValueError for points outside the axes.
    """

    module = "points"
    _esm = module_text(module)

    placed = traitlets.Bool(False).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    along = traitlets.List(traitlets.Int()).tag(sync=True)
    axes = traitlets.List(traitlets.Dict()).tag(sync=True)

    def __init__(
        self,
        plot: Axes,
        description: str = "your guess",
        *,
        names: Sequence[str] = ("your guess",),
        start: Sequence[Sequence[float]] | None = None,
        along: str = "both",
        x_step: float | None = None,
        y_step: float | None = None,
    ):
        if along not in ALONG:
            raise ValueError(f"along is one of {', '.join(ALONG)}, not {along!r}.")
        if not names:
            raise ValueError("a pad of points needs a name for each, and there is none.")
        self.plot = plot
        picture = base64.b64encode(png(plot.figure, 2 * DPI)).decode()
        width, height = (DPI * float(inches) for inches in plot.figure.get_size_inches())
        axes = [_axis(plot, 0, x_step, width), _axis(plot, 1, y_step, height)]
        middle = [_rounded(axis, _middle(axis)) for axis in axes]
        super().__init__(
            description=description,
            picture=f"data:image/png;base64,{picture}",
            size=[width, height],
            shown=width,
            names=list(names),
            along=ALONG[along],
            axes=axes,
            value=[list(middle) for _ in names] if start is None else start,
            placed=start is not None,
        )

    def checked(self, value: object) -> list[list[float]]:
        """As many points as the pad has, all on the axes; BadValueError for any others."""
        what = f"the value of this pad is {len(self.names)} × [x, y] in units of the plot"
        points = [finite(point, 2, what) for point in as_list(value, what)]
        if len(points) != len(self.names):
            raise BadValueError(f"{what}, not {len(points)} of them.")
        for point in points:
            for axis, number in zip(self.axes, point, strict=True):
                low, high = sorted(axis["range"])
                if not low <= number <= high:
                    name = axis["label"]
                    raise BadValueError(f"{name} {number:g} is not on the axis, {low:g}–{high:g}.")
        return points

    def in_words(self) -> str:
        """Each point's name and numbers, as "your guess: GMACs 2.5, AP 0.34"."""
        parts = []
        for name, point in zip(self.names, self.value, strict=True):
            numbers = [(self.axes[index], point[index]) for index in self.along]
            told = ", ".join(f"{axis['label']} {_told(axis, number)}" for axis, number in numbers)
            parts.append(f"{name}: {told}")
        return ("" if self.placed else "not placed yet; ") + "; ".join(parts)

    def still(self, words: str) -> str:
        """The plot with its points; the plot itself stays as it is."""
        artists = draw_points(self.plot, self.value, self.names, hollow=not self.placed)
        try:
            return img(self.plot.figure, words, DPI)
        finally:
            for artist in artists:
                artist.remove()


@styled
def blank_axes(
    x: tuple[float, float],
    y: tuple[float, float],
    x_label: str = "x",
    y_label: str = "y",
    *,
    title: str = "",
    width: float = 5.5,
    height: float = 3.4,
) -> Axes:
    """Empty axes with these ranges and labels, in a figure of width × height inches of their
    own.
    """
    _, panels = new_figure(width=width, height=height)
    panels[0, 0].set(xlim=x, ylim=y, xlabel=x_label, ylabel=y_label, title=title)
    return panels[0, 0]


@styled
def draw_points(
    axis: Axes, points: Sequence, names: Sequence[str], *, hollow: bool = False
) -> list[Artist]:
    """Points [x, y] with their names on axes whose ranges stay; returns what was drawn."""
    artists = []
    for number, ((x, y), name) in enumerate(zip(points, names, strict=True)):
        color = COLORS[(number + 1) % len(COLORS)]
        look = {"color": color, "marker": "o", "markersize": 10, "path_effects": RIM}
        look["markerfacecolor"] = "white" if hollow else color
        artists.append(axis.add_artist(Line2D([x], [y], **look)))
        is_right = axis.transAxes.inverted().transform(axis.transData.transform((x, y)))[0] > 0.7
        place = {"xytext": (-9 if is_right else 9, 6), "textcoords": "offset points"}
        place["horizontalalignment"] = "right" if is_right else "left"
        text = axis.annotate(name, (x, y), **place, color=color, fontsize=9, path_effects=RIM)
        write_plainly(text)
        artists.append(text)
    return artists


def _axis(plot: Axes, index: int, step: float | None, length: float) -> dict[str, object]:
    """What the page has to know of an axis (0: x, 1: y) of a plot that was just drawn; length: the
    figure's, in units of the drawing.
    """
    low, high = (plot.get_xlim, plot.get_ylim)[index]()
    scale = (plot.get_xscale, plot.get_yscale)[index]()
    name = (plot.get_xlabel, plot.get_ylabel)[index]() or "xy"[index]
    if scale not in ("linear", "log"):
        raise ValueError(f"the axis {name} is neither linear nor logarithmic, but {scale}.")
    place = plot.bbox.transformed(plot.figure.transFigure.inverted())
    start, end = ((place.x0, place.x1), (1 - place.y0, 1 - place.y1))[index]
    is_log = scale == "log"
    step = 0 if is_log else _checked_step(step, name) or _round_step(abs(high - low) / STEPS)
    return {
        "label": name,
        "range": [float(low), float(high)],
        "span": [float(start) * length, float(end) * length],
        "step": step,
        "decimals": 0 if is_log else _decimals(step),
        "is_log": is_log,
    }


def _checked_step(step: float | None, name: str) -> float | None:
    if step is not None and not (math.isfinite(step) and step > 0):
        raise ValueError(f"the step along {name} is a number above 0, not {step!r}.")
    return step


def _round_step(step: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above step."""
    power = 10.0 ** math.floor(math.log10(step))
    factor = max(factor for factor in (1, 2, 5) if factor * power <= step * (1 + 1e-9))
    return float(f"{factor * power:.6g}")


def _decimals(step: float) -> int:
    """How many decimals a multiple of step needs, six at most."""
    return next((count for count in range(6) if math.isclose(round(step, count), step)), 6)


def _middle(axis: dict) -> float:
    low, high = axis["range"]
    return math.sqrt(low * high) if axis["is_log"] else (low + high) / 2


def _rounded(axis: dict, number: float) -> float:
    if axis["is_log"]:
        return float(f"{number:.{LOG_DIGITS}g}")
    return float(f"{round(number / axis['step']) * axis['step']:.12g}")


def _told(axis: dict, number: float) -> str:
    if axis["is_log"]:
        plain = float(f"{number:.{LOG_DIGITS}g}")
        return f"{plain:.10f}".rstrip("0").rstrip(".")
    return f"{number:.{axis['decimals']}f}"
