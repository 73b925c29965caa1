"""Every figure of the course, in one style: functions that take arrays and numbers and return a
matplotlib Figure.

The colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), which colour-blind readers tell
apart; yellow is left out, for it fades on white.  Colour never speaks alone: lines differ in dash
and marker as well, boxes carry their class in words.  The background is white and opaque: on a dark
page the figure stays a light card, where a transparent one would need colours that stand out from
two backgrounds.

Figures are made without pyplot, so nothing is drawn twice and none stays behind in memory; `show`
puts one on the page.
"""

import base64
import html
import inspect
import io
import re
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from cycler import cycler
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import Normal, withStroke
from matplotlib.ticker import LogLocator
from matplotlib.transforms import Bbox, TransformedBbox
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

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
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
}
styled = matplotlib.rc_context(STYLE)  # decorates every function that draws


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


def png(figure: Figure, dpi: int = 110, compression: int = 6) -> bytes:
    """The figure as the bytes of a PNG file; compression 1-9, where 1 is quick and 9 is small."""
    figure.set_dpi(dpi)
    canvas, file = FigureCanvasAgg(figure), io.BytesIO()
    canvas.draw()  # savefig would draw twice, and half of an explorer's time is drawing
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(
        file, "png", compress_level=compression
    )
    return file.getvalue()


def img(figure: Figure, alt: str, dpi: int = 90) -> str:
    """The figure as an HTML element of fixed size, so that the page does not jump when another
    takes its place.
    """
    width, height = (round(inches * dpi) for inches in figure.get_size_inches())
    data = base64.b64encode(png(figure, dpi, compression=1)).decode()
    size = f'width="{width}" height="{height}" style="max-width: none"'
    return f'<img {size} alt="{html.escape(alt, quote=True)}" src="data:image/png;base64,{data}">'


def table_html(header: Sequence[str], rows: Sequence[Sequence]) -> str:
    """Rows of words and formatted numbers as an HTML table; numbers stand right, words left. No
    header: all "".
    """

    def row(tag: str, cells: Sequence) -> str:
        sides = ["right" if re.match(r"[-+−≈]?[\d.]", str(cell)) else "left" for cell in cells]
        return "".join(
            f'<{tag} style="text-align: {side}">{html.escape(str(cell))}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )

    lines = [row("th", header)] if any(header) else []
    lines += [row("td", cells) for cells in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def table(header: Sequence[str], rows: Sequence[Sequence]) -> None:
    """Put a table on the page; where there is no HTML it is text in columns."""
    lines = [[str(cell) for cell in cells] for cells in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in lines
    )
    display({"text/html": table_html(header, rows), "text/plain": text}, raw=True)


def show(figure: Figure, alt: str) -> None:
    """Put a figure on the notebook's page, and what it shows in words (`alt`) beside it.

    The words go three ways, since no single one reaches every reader: as the picture's `alt`
    metadata (which nbconvert takes up, but JupyterLab 4.6 drops), as its plain text, and as a line
    of HTML below that unfolds on any page. A figure of photographs or noise, which PNG cannot make
    small, is stored as JPEG.
    """
    if not alt.strip():
        raise ValueError(
            "the figure has no alt text; say in a sentence what a reader should see in it"
        )
    kind, pixels = "image/png", png(figure)
    if len(pixels) > LARGEST_PNG:
        kind, file = "image/jpeg", io.BytesIO()
        figure.savefig(file, format="jpeg", dpi=90, pil_kwargs={"quality": 75})
        pixels = file.getvalue()
    picture = {kind: base64.b64encode(pixels).decode(), "text/plain": alt}
    display(picture, metadata={kind: {"alt": alt}}, raw=True)
    words = f"<details><summary>Figure in words</summary>{html.escape(alt)}</details>"
    display({"text/html": words, "text/plain": ""}, raw=True)


@styled
def draw_boxes(
    image,
    boxes,
    labels,
    classes: Sequence[str],
    scores=None,
    *,
    axis: Axes | None = None,
    dashed=False,
    words=True,
) -> Figure:
    """Draw an image [3, H, W] (0–1; None: onto the picture that is there) and boxes [n, 4] (xyxy,
    pixels) by class.

    A box has the colour of its class and a white rim to stand out from any picture.  At its top
    (dashed boxes: at the bottom) stands the name, with the score if there is one, or without
    `words` the symbol of the class, for a crowd. Pixel (0, 0) covers the area from 0 to 1, as boxes
    count.
    """
    if image is not None:
        pixels = as_array(image).transpose(1, 2, 0).clip(0, 1)
        height, width = pixels.shape[:2]
        axis = axis or new_figure(width=5.0, height=5.0 * height / width + 0.3)[1][0, 0]
        axis.imshow(pixels, extent=(0, width, height, 0))
        axis.set_axis_off()
        axis.autoscale(False)
    scores = [None] * len(boxes) if scores is None else as_array(scores)
    for (left, top, right, bottom), label, score in zip(
        as_array(boxes), as_array(labels), scores, strict=True
    ):
        color, marker = COLORS[label % len(COLORS)], MARKERS[label % len(MARKERS)]
        style = {"linestyle": DASHED if dashed else "-", "linewidth": 1.4}
        rim = [withStroke(linewidth=2.6, foreground="white"), Normal()]
        axis.add_artist(  # add_patch would first work out limits that are fixed already
            Rectangle(
                (left, top),
                right - left,
                bottom - top,
                fill=False,
                ec=color,
                path_effects=rim,
                **style,
            )
        )
        corner = (right, bottom) if dashed else (left, top)
        if words:
            name = classes[label] if score is None else f"{classes[label]} {score:.2f}"
            axis.annotate(
                name,
                corner,
                xytext=(-2, -2) if dashed else (2, 2),
                textcoords="offset points",
                horizontalalignment="right" if dashed else "left",
                verticalalignment="top" if dashed else "bottom",
                fontsize=7,
                bbox={
                    "facecolor": "white",
                    "edgecolor": color,
                    "linewidth": 0.8,
                    "alpha": 0.85,
                    "pad": 1,
                },
            )
        else:
            face = "white" if dashed else color
            axis.plot(
                *corner,
                marker=marker,
                color=color,
                markerfacecolor=face,
                markersize=5.5,
                path_effects=rim,
                clip_on=False,
            )
    return axis.figure


def draw_outlines(
    axis: Axes, boxes, colors: object, place: int = 0, side: int = 128, **style: object
) -> None:
    """Many thin boxes [n, 4] at once, on the picture whose left edge is at `place`, and cut off at
    its edges.
    """
    left, top, right, bottom = as_array(boxes).reshape(-1, 4).T
    corners = np.stack(
        [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    )  # [5, 2, n]
    lines = LineCollection(
        corners.transpose(2, 0, 1) + np.array([place, 0]), colors=colors, **style
    )
    axis.add_collection(lines, autolim=False)
    lines.set_clip_box(TransformedBbox(Bbox.from_bounds(place, 0, side, side), axis.transData))


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
    colour for each class.

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
        Line2D(
            [],
            [],
            linestyle="",
            marker=MARKERS[number % len(MARKERS)],
            color=COLORS[number % len(COLORS)],
            label=name,
        )
        for number, name in enumerate(classes)
    ]
    keys.append(Rectangle((0, 0), 1, 1, fill=False, label="true"))
    if detections:
        detected = f"detected (score ≥ {min_score:g})" if min_score else "detected"
        keys.append(Rectangle((0, 0), 1, 1, fill=False, linestyle=DASHED, label=detected))
    lines = -(-len(keys) // (2 * columns))
    figure.legend(handles=keys, loc="outside lower center", ncols=-(-len(keys) // lines))
    return figure


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
    for number, (name, curve) in enumerate(curves.items()):
        precision = np.asarray(curve["precision"])
        label = (
            f"{name}: no object"
            if np.isnan(precision).all()
            else f"{name}: AP {precision.mean():.2f}"
        )
        axis.plot(curve["recall"], precision, label=label, markevery=(3 * number % 15, 15))
    axis.set(
        xlabel="recall (share of the objects found)", ylabel="precision (share of the boxes right)"
    )
    axis.set(xlim=(0, 1.01), ylim=(0, 1.02), title=f"a box is right from IoU {iou:g} on")
    axis.legend(loc="lower left")
    return figure


def as_array(values) -> np.ndarray:
    """A NumPy array of a tensor on any device, or of anything array-like."""
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def show_source(thing) -> None:
    """Put the live source of a function or class of the package on the page, highlighted, with
    where it stands.
    """
    code = inspect.getsource(thing)
    formatter = HtmlFormatter(noclasses=True, nobackground=True)
    place = f"{thing.__module__.replace('.', '/')}.py"
    listing = highlight(code, PythonLexer(), formatter)
    page = f"<details open><summary>{place}: {thing.__qualname__}</summary>{listing}</details>"
    display({"text/html": page, "text/plain": code}, raw=True)
