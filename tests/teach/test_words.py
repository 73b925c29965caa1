"""Names from data in figures. Oracles: matplotlib's own warnings, a font made by fontTools."""

import string
import warnings

import matplotlib.font_manager
import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from hypothesis import example, given, settings
from hypothesis import strategies as st

from effdet_lite.teach.kit import words
from effdet_lite.teach.kit.boxes import draw_boxes, image_grid
from effdet_lite.teach.kit.plots import png, precision_recall_plot
from effdet_lite.teach.kit.words import LONGEST, with_minus, writable

NAMES = [
    "US$ 5 $",
    "$\\foo$",
    "$x_",
    r"\$",
    "苹果",
    "사과",
    "りんご",
    "🦄 horse",
    "a\nb",
    "\x07",
    "x" * 99,
]
BOXES = torch.tensor([[2.0, 2.0, 20.0, 20.0]])


def figures(names):
    """Every figure that shows names of classes."""
    image, classes = torch.zeros(3, 32, 32), tuple(names)
    label = torch.tensor([len(names) - 1])
    target, found = {"boxes": BOXES, "labels": label}, {"boxes": BOXES, "labels": label}
    found["scores"] = torch.tensor([0.9])
    curve = {"recall": [0, 1], "precision": [1, 0.5]}
    return [
        draw_boxes(image, BOXES, label, classes, [0.9]),
        image_grid([image], [target], classes, [found]),
        precision_recall_plot(dict.fromkeys(classes, curve)),
    ]


def drawn_without_a_warning(names):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [png(figure, dpi=30) for figure in figures(names)]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_drawn_without_a_formula_and_without_a_warning(name):
    assert all(drawn_without_a_warning(["dog", name]))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@example("Ꚙ")  # a system's DejaVu Sans may have it, where matplotlib's, of the same name, has not
@given(st.text(max_size=30))
def test_whatever_a_data_set_calls_its_classes(name):
    assert all(drawn_without_a_warning([name]))


@pytest.mark.parametrize("name", ["US$ 5 $", "$\\foo$", r"a\$b", "Café", "100 %", ""])
def test_a_name_that_the_font_has_stays_as_it_is(name):
    assert writable(name, 3) == name
    (text,) = draw_boxes(torch.zeros(3, 32, 32), BOXES, [0], [name]).axes[0].texts
    assert text.get_text() == name and not text.get_parse_math()


def test_a_name_is_on_one_line_and_not_longer_than_a_figure_is():
    assert writable(" a\n\tb ", 0) == "a b"
    assert writable("x" * 99, 0) == "x" * (LONGEST - 1) + "…"


def test_a_name_that_no_font_has_is_its_number(monkeypatch):
    own = [font for font in matplotlib.font_manager.fontManager.ttflist if "DejaVu" in font.name]
    monkeypatch.setattr(matplotlib.font_manager.fontManager, "ttflist", own)
    words._family_with.cache_clear()
    assert [writable(name, 7) for name in ("苹果", "사과", "dog")] == ["class 7", "class 7", "dog"]
    words._family_with.cache_clear()


def test_a_font_of_the_system_that_has_the_characters_is_used(tmp_path, monkeypatch):
    """A font whose only characters are 苹 and 果, as filled squares."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0)), pen.lineTo((0, 900)), pen.lineTo((900, 900)), pen.lineTo((900, 0))
    pen.closePath()
    square, names = pen.glyph(), [".notdef", "one", "two"]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord("苹"): "one", ord("果"): "two"})
    builder.setupGlyf(dict.fromkeys(names, square))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Two Fruits", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "fruits.ttf")
    fonts = matplotlib.font_manager.fontManager
    monkeypatch.setattr(fonts, "ttflist", list(fonts.ttflist))
    fonts.addfont(tmp_path / "fruits.ttf")
    words._family_with.cache_clear()
    assert writable("苹果", 3) == "苹果" and writable("사과", 3) == "class 3"
    (text,) = draw_boxes(torch.zeros(3, 32, 32), BOXES, [0], ["苹果"]).axes[0].texts
    assert "Two Fruits" in text.get_fontfamily()
    drawn_without_a_warning(["苹果"])
    words._family_with.cache_clear()


def test_letters_and_digits_need_no_other_font():
    assert {words._family_with(letter) for letter in string.printable[:95]} == {words.OWN_FAMILY}
    assert np.isfinite(len(png(figures(["dog"])[0])))


def test_a_number_below_zero_has_a_minus_and_no_hyphen():
    assert [with_minus(number) for number in (-3, -0.25, 0, 1.5)] == ["−3", "−0.25", "0", "1.5"]
