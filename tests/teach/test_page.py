"""What a cell puts on the page. Oracles: the stored bundle itself, WCAG's contrast."""

import base64
import io
import re

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from PIL import Image
from traitlets.config import Config

from effdet_lite.teach.kit import page, plots


def test_tables_escape_what_they_show():
    assert "&lt;b&gt;" in page.table_html(["x"], [["<b>"]]) and "<th" not in page.table_html(
        ["", ""], [["a", "1"]]
    )


def test_alt_text_reaches_the_page(tmp_path, monkeypatch):
    """What a notebook would store: metadata, plain text and a line of HTML, escaped."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    try:
        with capture_output() as captured:
            page.show(plots.new_figure()[0], alt="AP < 0.5 & rising")
    finally:
        InteractiveShell.clear_instance()
    picture, words = captured.outputs
    assert picture.data["text/plain"] == picture.metadata["image/png"]["alt"] == "AP < 0.5 & rising"
    assert picture.data["image/png"].startswith(
        "iVBORw0KGgo"
    )  # a PNG file's first bytes in base 64
    assert "AP &lt; 0.5 &amp; rising" in words.data["text/html"]


def test_an_explorer_s_picture_is_a_jpeg_where_it_holds_a_photograph_and_looks_the_same():
    """Oracle: Pillow's decoder, and matplotlib's own pixels."""
    figure, axes = plots.new_figure(width=3, height=2, margins={"left": 0.2})
    axes[0, 0].plot([0, 1], [0, 1], label="a line")
    line = decoded(page.img(figure, "a line"))
    assert line.format == "PNG" and line.size == (270, 180)

    ramp = np.linspace(0, 1, 64)
    colors = np.stack(np.broadcast_arrays(ramp, ramp[:, None], 0.5), -1)
    axes[0, 0].imshow(colors, extent=(0, 1, 0, 1), interpolation="bilinear")
    photograph = decoded(page.img(figure, "colors"))
    assert photograph.format == "JPEG" and photograph.size == (270, 180)
    exact = Image.open(io.BytesIO(plots.png(figure, dpi=90)))
    difference = np.abs(np.asarray(photograph, float) - np.asarray(exact, float))
    assert 0 < difference.mean() < 2  # of 255 steps


def test_a_figure_can_stand_on_the_page_as_large_as_an_explorer_s(monkeypatch):
    """Oracle: Pillow's decoder."""
    seen = []
    monkeypatch.setattr(page, "display", lambda data, **_: seen.append(data))
    figure, axes = plots.new_figure(width=3, height=2, margins={"left": 0.2})
    axes[0, 0].plot([0, 1], [0, 1])
    page.show(figure, "a line", dpi=90)
    shown = Image.open(io.BytesIO(base64.b64decode(seen[0]["image/png"])))
    assert shown.size == decoded(page.img(figure, "a line")).size == (270, 180)


def decoded(element):
    """The picture of an <img> element."""
    return Image.open(io.BytesIO(base64.b64decode(re.search('base64,([^"]+)', element)[1])))


def test_a_drawing_is_stored_with_a_palette_and_looks_the_same():
    """Oracle: Pillow's decoder, and matplotlib's own pixels."""
    figure, axes = plots.new_figure(width=6, height=3)
    for number in range(5):
        axes[0, 0].plot([0, 1, 2], [0, number, 1], label=f"line {number}")
    axes[0, 0].legend()
    exact = plots.png(figure)
    stored = plots.with_palette(exact)
    assert len(stored) < 0.6 * len(exact)
    pictures = [Image.open(io.BytesIO(one)).convert("RGB") for one in (exact, stored)]
    first, second = (np.asarray(picture, float) for picture in pictures)
    assert np.abs(first - second).mean() < 0.2  # of 255 steps
    assert (np.abs(first - second).max(-1) > 32).mean() < 0.0005


def test_a_picture_of_many_colors_keeps_them_all():
    colors = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(colors).save(file, format="png")
    stored = Image.open(io.BytesIO(plots.with_palette(file.getvalue()))).convert("RGB")
    assert (np.asarray(stored) == colors).all()


def test_no_figure_goes_without_words():
    with pytest.raises(ValueError, match="no alt text"):
        page.show(plots.new_figure()[0], alt=" ")


def luminance(color):
    """Of "#RRGGBB", as WCAG 2.2 defines it."""
    encoded = np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    parts = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return float(np.dot([0.2126, 0.7152, 0.0722], parts))


def test_every_word_of_a_source_can_be_read_on_light_and_dark_pages(monkeypatch):
    """It stands on a card of its own color, with a contrast of 4.5 : 1 (WCAG 2.2, 1.4.3)."""
    shown = []
    monkeypatch.setattr(page, "display", lambda data, raw: shown.append(data))
    page.show_source(page.show_source)
    page.show_source(page.table_html)
    for bundle in shown:
        card, letters = re.findall("#[0-9A-Fa-f]{6}", page.CARD)
        assert page.CARD in bundle["text/html"]
        # JupyterLab's own rule for <pre> would put the page's background behind the letters.
        assert f'<pre style="background: {card}; color: {letters};' in bundle["text/html"]
        used = re.findall("color: (#[0-9A-Fa-f]{6})", bundle["text/html"])
        assert len(set(used)) >= 3
        for color in {letters, *used} - {card}:
            assert (luminance(card) + 0.05) / (luminance(color) + 0.05) >= 4.5, color
