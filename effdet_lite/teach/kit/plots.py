"""Every figure of the course, in one style: functions that take arrays and numbers and return a
matplotlib Figure.

The colors are Okabe and Ito's (https://jfly.uni-koeln.de/color/), which color-blind readers tell
apart; yellow is left out, for it fades on white. Color never speaks alone: lines differ in dash
and marker as well, boxes carry their class in words. The background is white and opaque: on a dark
page the figure stays a light card, where a transparent one would need colors that stand out from
two backgrounds.

Figures are made without pyplot, so nothing is drawn twice and none stays behind in memory; `show`
puts one on the page.
"""

import contextlib
import io
import threading
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from PIL import Image

from effdet_lite.teach.kit.words import writable, write_plainly

PALETTE = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
}
COLORS = tuple(PALETTE.values())
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
DASHED = (0, (4, 2))
LARGEST_PNG = 120_000  # bytes: a notebook holds a dozen figures and stays under 1.5 MB
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLE = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=COLORS) + cycler(linestyle=DASHES) + cycler(marker=MARKERS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "white",
    "font.size": 10,
    "grid.color": "#DDDDDD",
    "legend.edgecolor": "#CCCCCC",
    "legend.fancybox": False,
    "legend.framealpha": 0.9,  # a frame, so that its signs are not taken for data
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    # Letters as they are, not fitted to pixels: a quarter less time for a figure, much alike.
    "text.hinting": "none",
}


class Styled(contextlib.ContextDecorator):
    """The course's style while a function draws: matplotlib's settings are global, so one thread
    draws at a time, and afterwards each setting is what it was.
    """

    def __init__(self):
        self._lock, self._depth, self._before = threading.RLock(), 0, {}

    def __enter__(self):
        self._lock.acquire()
        if self._depth == 0:
            self._before = {name: matplotlib.rcParams[name] for name in STYLE}
            matplotlib.rcParams.update(STYLE)
        self._depth += 1

    def __exit__(self, *error):
        self._depth -= 1
        if self._depth == 0:
            for name, value in self._before.items():
                if matplotlib.rcParams[name] == STYLE[name]:  # else somebody has set it meanwhile
                    matplotlib.rcParams[name] = value
        self._lock.release()


styled = Styled()  # decorates every function that draws


@styled
def new_figure(
    rows: int = 1,
    columns: int = 1,
    width: float = 7.0,
    height: float = 3.6,
    margins: Mapping[str, float] | None = None,
) -> tuple[Figure, np.ndarray]:
    """An empty figure of width × height inches and its axes, an array [rows, columns].

    margins: left, right, bottom, top, wspace, hspace as in `Figure.subplots_adjust`, for an
    explorer: margins that are computed from the labels take as long as the drawing, and move.
    """
    figure = Figure(figsize=(width, height), layout="constrained" if margins is None else None)
    axes = figure.subplots(rows, columns, squeeze=False)
    if margins is not None:
        figure.subplots_adjust(**margins)
    return figure, axes


@styled
def new_panels(
    width: float, height: float, *places: tuple[float, float, float, float]
) -> tuple[Figure, list[Axes]]:
    """An empty figure of width × height inches, and axes at places (left, bottom, width, height) in
    0-1 of it: what an explorer draws must stay where it is when the labels change.
    """
    figure = Figure(figsize=(width, height))
    return figure, [figure.add_axes(place) for place in places]


def line_look(number: int) -> dict[str, object]:
    """Color, dashes and marker of the course's line number 0, 1, …, which differ all three."""
    number %= len(COLORS)
    return {"color": COLORS[number], "linestyle": DASHES[number], "marker": MARKERS[number]}


@styled
def png(figure: Figure, dpi: int = 110, compression: int = 6) -> bytes:
    """The figure as the bytes of a PNG file; compression 1-9, where 1 is quick and 9 is small."""
    return _encoded(figure, dpi, format="png", compress_level=compression)


@styled
def jpeg(figure: Figure, dpi: int = 90, quality: int = 88) -> bytes:
    """The figure as the bytes of a JPEG file.

    quality: 1-95; at 88 letters and lines look as they do in a PNG file.
    """
    return _encoded(figure, dpi, format="jpeg", quality=quality)


def with_palette(exact: bytes) -> bytes:
    """The bytes of a PNG file with a palette of 256 colors, less than half as many for a drawing of
    lines and letters; `exact` itself where one would see the difference, as in a photograph.
    """
    picture = Image.open(io.BytesIO(exact)).convert("RGB")
    method = Image.Quantize.MEDIANCUT
    few = picture.quantize(256, method=method, kmeans=2, dither=Image.Dither.NONE)
    difference = np.abs(np.asarray(few.convert("RGB"), int) - np.asarray(picture, int)).max(-1)
    if (difference > 16).mean() > 0.001:
        return exact
    file = io.BytesIO()
    few.save(file, format="png", optimize=True)
    return min(exact, file.getvalue(), key=len)


def _encoded(figure: Figure, dpi: int, **options: object) -> bytes:
    figure.set_dpi(dpi)
    canvas, file = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()  # savefig would draw twice, and half of an explorer's time is drawing
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(file, **options)
    return file.getvalue()


@styled
def training_curves(history: Sequence[Mapping], against: str = "seconds") -> Figure:
    """Losses on the left (logarithmic), AP on the right, against "seconds" or "step".

    history: one mapping a report, with `against` and whichever it has of "loss", "class_loss",
    "box_loss", "ap" and "ap50".
    """
    figure, axes = new_figure(columns=2, width=8.5, height=3.2)
    panels = [
        (axes[0, 0], {"loss": "total", "class_loss": "class", "box_loss": "box"}, "training loss"),
        (
            axes[0, 1],
            {"ap50": "AP at IoU 0.5", "ap": "AP, mean over IoU 0.5–0.95"},
            "average precision (0–1)",
        ),
    ]
    for axis, names, quantity in panels:
        for key, name in names.items():
            rows = [row for row in history if row.get(key) is not None]
            if rows:
                every = max(1, len(rows) // 10)
                axis.plot(
                    [row[against] for row in rows],
                    [row[key] for row in rows],
                    label=name,
                    markevery=every,
                )
        axis.set(
            xlabel="training time (s)" if against == "seconds" else "training steps",
            ylabel=quantity,
        )
        if axis.has_data():
            axis.legend()
    axes[0, 0].set_yscale("log")
    axes[0, 0].yaxis.set(
        major_formatter="{x:g}", minor_formatter="{x:g}", minor_locator=LogLocator(subs=(2, 5))
    )
    axes[0, 1].set_ylim(0, 1)
    return figure


@styled
def precision_recall_plot(curves: Mapping[str, Mapping], iou: float = 0.5) -> Figure:
    """`evaluation.precision_recall` drawn: one line a class with its AP, the area below it."""
    figure, axes = new_figure(width=5.0, height=4.0)
    axis = axes[0, 0]
    labels = []
    for number, (name, curve) in enumerate(curves.items()):
        precision = np.asarray(curve["precision"])
        found = "no object" if np.isnan(precision).all() else f"AP {precision.mean():.2f}"
        labels.append(f"{writable(name, number)}: {found}")
        axis.plot(curve["recall"], precision, markevery=(3 * number % 15, 15))
    axis.set(
        xlabel="recall (share of the objects found)", ylabel="precision (share of the boxes right)"
    )
    axis.set(xlim=(0, 1.01), ylim=(0, 1.02), title=f"a box is right from IoU {iou:g} on")
    # Handed over, since matplotlib keeps a line whose own label begins with "_" out of the legend.
    write_plainly(*axis.legend(axis.lines, labels, loc="lower left").get_texts())
    return figure


def as_array(values) -> np.ndarray:
    """A NumPy array of a tensor on any device, or of anything array-like."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
