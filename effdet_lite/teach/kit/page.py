"""What a cell puts on the notebook's page: a figure with its words, a table, a thing's source."""

import base64
import html
import inspect
import re
from collections.abc import Sequence

from IPython.display import display
from matplotlib.figure import Figure
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from effdet_lite.teach.kit.plots import LARGEST_PNG, jpeg, png, with_palette

SOURCE_STYLE = "xcode"  # each of its colors has a contrast of 4.5 with the card, and more
# The picture stands in the output before the words'.
MOVE_WORDS = """{
const words = document.currentScript.previousElementSibling;
const output = words.closest(".jp-OutputArea-child");
const picture = output?.previousElementSibling?.querySelector("img");
if (picture) { picture.alt = words.lastChild.textContent; output.style.display = "none"; }
}"""
SOURCE_COLORS = "background: #FFFFFF; color: #000000"
CARD = f"{SOURCE_COLORS}; padding: 0.2em 0.8em"


def img(figure: Figure, alt: str, dpi: int = 90) -> str:
    """The figure as an HTML element of fixed size, so that the page does not jump when another
    takes its place.

    A figure with a photograph or a map in it is a JPEG: as a PNG it would take ten times as long to
    encode, and twice the bytes.
    """
    width, height = (round(inches * dpi) for inches in figure.get_size_inches())
    if any(axis.images for axis in figure.axes):
        kind, pixels = "image/jpeg", jpeg(figure, dpi)
    else:
        kind, pixels = "image/png", png(figure, dpi, compression=1)
    data = base64.b64encode(pixels).decode()
    size = f'width="{width}" height="{height}" style="max-width: none"'
    return f'<img {size} alt="{html.escape(alt, quote=True)}" src="data:{kind};base64,{data}">'


def table_html(
    header: Sequence[str], rows: Sequence[Sequence], *, numbers_right: bool = True
) -> str:
    """Rows of words and formatted numbers as an HTML table; numbers stand right, words left, or
    all left. No header: all "".
    """
    right = re.compile(r"[-+−≈]?[\d.]" if numbers_right else "(?!)")

    def row(tag: str, cells: Sequence) -> str:
        sides = ["right" if right.match(str(cell)) else "left" for cell in cells]
        return "".join(
            f'<{tag} style="text-align: {side}">{html.escape(str(cell))}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )

    lines = [row("th", header)] if any(header) else []
    lines += [row("td", cells) for cells in rows]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def table(header: Sequence[str], rows: Sequence[Sequence], *, numbers_right: bool = True) -> None:
    """Put a table on the page; where there is no HTML it is text in columns. numbers_right: as
    `table_html` takes it; False for a column of sentences, some of which begin with a number.
    """
    page = table_html(header, rows, numbers_right=numbers_right)
    display({"text/html": page, "text/plain": text_table(header, rows)}, raw=True)


def folded_table(summary: str, header: Sequence[str], rows: Sequence[Sequence]) -> None:
    """A table that the learner unfolds: an answer that may not be seen before the task is tried."""
    page = f"<details><summary>{html.escape(summary)}</summary>{table_html(header, rows)}</details>"
    display({"text/html": page, "text/plain": text_table(header, rows)}, raw=True)


def text_table(header: Sequence[str], rows: Sequence[Sequence]) -> str:
    """Rows of words and formatted numbers as text in columns."""
    lines = [[str(cell) for cell in cells] for cells in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in lines
    )


def words_of_figure(alt: str) -> str:
    """What a figure shows, as a line of HTML below it that unfolds.

    JupyterLab 4.6 and nbconvert 7 show a picture without its `alt` metadata. So where the page lets
    a script run, the words move into the picture before this line, and the line goes: a screen
    reader says them once, as the picture's. Where it does not (a notebook that was not run yet,
    GitHub), the line stays.
    """
    words = f"<details><summary>Figure in words</summary>{html.escape(alt)}</details>"
    return f"{words}<script>{MOVE_WORDS}</script>"


def show(figure: Figure, alt: str, *, photo: bool = False, dpi: int = 110) -> None:
    """Put a figure on the notebook's page, and what it shows in words (`alt`) for those who cannot
    see it: as the picture's `alt` metadata, as its plain text, and by `words_of_figure`.

    A figure of photographs or noise, which PNG cannot make small, is stored as JPEG. photo: so is
    this one, however small, where a notebook has many of them. dpi: 90 makes it as large as an
    explorer shows it.
    """
    if not alt.strip():
        raise ValueError(
            "the figure has no alt text; say in a sentence what a reader should see in it"
        )
    kind, pixels = "image/png", png(figure, dpi)
    if photo or len(pixels) > LARGEST_PNG:
        kind, pixels = "image/jpeg", jpeg(figure, dpi=90, quality=75)
    else:
        pixels = with_palette(pixels)
    picture = {kind: base64.b64encode(pixels).decode(), "text/plain": alt}
    display(picture, metadata={kind: {"alt": alt}}, raw=True)
    display({"text/html": words_of_figure(alt), "text/plain": ""}, raw=True)


def show_source(thing) -> None:
    """Put the live source of a function or class of the package on the page, highlighted, with
    where it stands.
    """
    code = inspect.getsource(thing)
    # On a light card, as figures are: no colors of letters stand out from a dark page as well.
    # JupyterLab gives each <pre> the page's own colors, so the card's stand there too.
    formatter = HtmlFormatter(
        noclasses=True, nobackground=True, style=SOURCE_STYLE, prestyles=SOURCE_COLORS
    )
    place = f"{thing.__module__.replace('.', '/')}.py"
    listing = highlight(code, PythonLexer(), formatter)
    card = f'<div style="{CARD}">{listing}</div>'
    page = f"<details open><summary>{place}: {thing.__qualname__}</summary>{card}</details>"
    display({"text/html": page, "text/plain": code}, raw=True)
