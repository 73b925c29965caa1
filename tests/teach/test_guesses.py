"""Guesses: locked in, kept, drawn beside the answer. Oracles: what was typed, chosen and moved."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import ipywidgets
import numpy as np
import pytest
import torch

from effdet_lite.teach.kit import guesses, known, progress
from effdet_lite.teach.kit.guesses import guess, guessed, show_guesses, with_guesses
from effdet_lite.teach.kit.plots import new_figure
from effdet_lite.teach.kit.touch import PointPad
from effdet_lite.teach.kit.widgets import View, slider

COST = "Depth × 2: how many times the MACs?"


def new_kernel(monkeypatch):
    """A kernel that knows no question yet; the progress file stays."""
    monkeypatch.setattr(known, "_WATCHING", {})
    known.GUESSES.clear()


class Shown(NamedTuple):
    """What was put on the page."""

    widget: ipywidgets.Widget
    still: str
    words: str

    def parts(self, kind):
        """The widgets of a kind in it, in their order."""

        def inside(widget):
            yield widget
            for child in getattr(widget, "children", ()):
                yield from inside(child)

        return [part for part in inside(self.widget) if isinstance(part, kind)]

    def part(self, kind):
        (part,) = self.parts(kind)
        return part

    def press(self, words):
        (button,) = [one for one in self.parts(ipywidgets.Button) if words in one.description]
        button.click()

    def status(self):
        return self.parts(ipywidgets.HTML)[-1].value


@pytest.fixture(autouse=True)
def page(monkeypatch):
    """What was put on the page, in its order, by a kernel that knew no question before."""
    new_kernel(monkeypatch)
    shown = []
    monkeypatch.setattr(guesses, "put_on_page", lambda *what: shown.append(Shown(*what)))
    return shown


def kept():
    """The guesses in the learner's file."""
    return json.loads(Path(os.environ["EFFDET_LITE_PROGRESS"]).read_text())["guesses"]


def ask_cost(page, **options):
    guess("03.a", COST, low=1, high=8, unit="×", **options)
    return page[-1]


# --- the four kinds ---


def test_a_typed_number_is_locked_in_and_kept(page):
    panel = ask_cost(page)
    assert guessed("03.a") is None
    panel.part(ipywidgets.Text).value = "2,5"  # as Enter tells it
    assert guessed("03.a") == 2.5 and kept() == {"03.a": 2.5}
    assert "Your guess: 2.5 ×" in panel.status()


def test_a_number_that_cannot_be_is_refused_in_a_sentence_and_the_old_one_stays(page):
    panel = ask_cost(page)
    field = panel.part(ipywidgets.Text)
    field.value = "many"
    assert guessed("03.a") is None and "Type a number (in ×), like 3" in panel.status()
    field.value = "4"
    field.value = "9"
    assert guessed("03.a") == 4
    assert panel.status() == (
        "That reads as 9 ×. Pick a number from 1 to 8 ×. Your guess stays 4 ×."
    )
    field.value = "4"
    assert panel.status() == "✓ Your guess: 4 ×"


def test_an_empty_field_is_no_guess(page):
    panel = ask_cost(page)
    panel.press("Lock in")
    assert guessed("03.a") is None and "Type a number first." in panel.status()


def test_a_choice_is_locked_in_by_the_button(page):
    guess("03.b", "Which costs least?", options=["depth", "width"])
    panel = page[-1]
    panel.press("Lock in")
    assert "Choose one first." in panel.status()
    panel.part(ipywidgets.RadioButtons).index = 1
    assert guessed("03.b") is None
    panel.press("Lock in")
    assert guessed("03.b") == "width" and kept() == {"03.b": "width"}


def test_an_order_is_made_by_moving_what_is_selected(page):
    guess("03.c", "Cheapest first?", order=["width", "depth", "resolution"])
    panel = page[-1]
    things = panel.part(ipywidgets.Select)
    things.index = 1
    panel.press("up")
    panel.press("up")  # it is the first already
    assert things.options == ("1. depth", "2. width", "3. resolution") and things.index == 0
    panel.press("down")
    panel.press("down")
    assert guessed("03.c") is None
    panel.press("Lock in")
    assert guessed("03.c") == ("width", "resolution", "depth")
    assert things.index == 2, "what is selected stays selected"


def test_a_point_by_two_fields(page):
    guess("03.d", "Where is B3?", point={"MACs (billions)": (0, 10), "top-1 (%)": (70, 90)})
    panel = page[-1]
    x, y = panel.parts(ipywidgets.Text)
    x.value = "2"
    assert panel.status() == "no guess yet", "it waits for the second one"
    y.value = "81,5"
    assert guessed("03.d") == (2, 81.5) and kept() == {"03.d": [2, 81.5]}
    x.value = "11"
    assert guessed("03.d") == (2, 81.5) and "That reads as 11 billions" in panel.status()


def test_a_point_is_dragged_and_the_fields_follow(page):
    guess("03.d", "Where?", point={"x": (0, 10), "y": (1, 5)})
    panel = page[-1]
    pad = panel.part(PointPad)
    panel.press("Lock in")
    assert "Drag the point first" in panel.status() and not pad.placed
    pad.value = [[2.5, 4]]  # as the page tells it
    assert [field.value for field in panel.parts(ipywidgets.Text)] == ["2.5", "4"]
    assert guessed("03.d") is None
    panel.press("Lock in")
    assert guessed("03.d") == (2.5, 4)
    panel.parts(ipywidgets.Text)[0].value = "3"
    assert pad.value == [[3, 4]] and pad.placed and guessed("03.d") == (3, 4)


def test_a_point_is_placed_on_a_plot_of_ones_own(page):
    _, axes = new_figure()
    axes[0, 0].set(xscale="log", xlim=(1, 1000), ylim=(5, 0), xlabel="MACs (M)")
    guess("03.d", "Where?", point=axes[0, 0])
    page[-1].part(PointPad).value = [[100, 3]]
    page[-1].press("Lock in")
    assert guessed("03.d") == (100, 3) and "MACs (M): 100, y: 3" in page[-1].status()
    assert page[-1].still.count("<img") == 1


# --- kept ---


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ({"low": 0}, 1.23456789),
        ({"options": [1, 2, "many"]}, 2),
        ({"options": np.array([0.5, 1.5])}, 1.5),
        ({"options": (one for one in "ab")}, "b"),
        ({"order": ["a", "b", "c"]}, ("c", "a", "b")),
        ({"point": {"x": (0, 1), "y": (0, 1)}}, (0.123456789, 1.0)),
    ],
)
def test_a_guess_is_there_again_in_another_kernel_just_as_it_was(page, monkeypatch, kind, value):
    progress.keep_guess("03.a", value)
    new_kernel(monkeypatch)
    assert guessed("03.a") == value
    guess("03.a", "What?", **kind)
    assert guessed("03.a") == value
    assert "✓ Your guess: " in page[-1].status()
    page[-1].press("Lock in")
    assert guessed("03.a") == value


def test_a_guess_that_does_not_fit_its_question_any_more_is_none(page):
    for wrong in ("width", 9, [1], None, True, {"a": 1}, float("nan"), 10**400):
        progress.keep_guess("03.a", wrong)
        assert "no guess yet" in ask_cost(page).status()
        assert guessed("03.a") is None


def test_a_file_that_is_set_aside_is_told_where_the_guess_is_asked(page):
    Path(os.environ["EFFDET_LITE_PROGRESS"]).write_text("{")
    assert "no guess yet<br>The file" in ask_cost(page).status()


# --- shown ---


def figure_of(found):
    """A view that tells what it was given."""

    def view(guessed, **settings):
        found.append((guessed, settings))
        figure, _ = new_figure(width=1, height=1)
        return View(figure, "bars", {"guess": str(guessed["03.a"])})

    return view


def test_a_figure_is_drawn_again_in_its_place_when_its_guess_changes(page):
    found = []
    with_guesses(figure_of(found), "03.a", n=slider("n", 0, 5, 1))  # before it was asked
    figure = page[-1]
    assert found == [({"03.a": None}, {"n": 1})]
    assert ">None</td>" in figure.still and figure.words == (
        "figure with n = 1, guess 03.a: no guess yet"
    )
    field = ask_cost(page).part(ipywidgets.Text)
    field.value = "2"
    assert ">2.0</td>" in figure.part(ipywidgets.HTML).value
    figure.part(ipywidgets.IntSlider).value = 3
    assert found[1:] == [({"03.a": 2.0}, {"n": 1}), ({"03.a": 2.0}, {"n": 3})]
    field.value = "2.0"
    assert len(found) == 3, "the same guess changes nothing"


def test_what_an_earlier_run_of_the_cell_showed_is_not_drawn_any_more(page, monkeypatch):
    found, runs = [], iter("12")

    class Shell:
        def get_parent(self):
            return {"metadata": {"cellId": "x"}, "header": {"msg_id": next(runs)}}

    for _ in range(2):
        monkeypatch.setattr(known, "get_ipython", Shell)
        with_guesses(figure_of(found), "03.a")
    monkeypatch.setattr(known, "get_ipython", lambda: None)
    ask_cost(page).part(ipywidgets.Text).value = "2"
    assert len(found) == 3


def test_the_closing_table_is_neutral_without_guesses(page):
    ask_cost(page)
    guess("03.b", "Which costs least?", options=["depth", "width"])
    show_guesses({"03.a": 2.0346, "03.b": "depth"})
    assert page[-1].words.splitlines()[1:] == [
        f"{COST}  no guess yet  2.035 ×",
        "Which costs least?                   no guess yet  depth",
    ]
    assert page[-1].still.count("no guess yet") == 2


@pytest.mark.parametrize(
    ("kind", "value", "answer", "told"),
    [
        ({"unit": "×"}, 1.0, 2.03, ["1 ×", "2.03 ×", "2× too low"]),
        ({"unit": "×"}, 2.0, "2.0 to 2.1", ["2 ×", "2.0 to 2.1", ""]),
        ({"unit": "%"}, 40.0, 28.0, ["40 %", "28 %", "12 points too high"]),
        ({"options": ["a", "b"]}, "a", "a", ["a", "a", "the same"]),
        ({"options": ["a", "b"]}, "a", "b", ["a", "b", ""]),
        ({"order": list("abc")}, tuple("acb"), tuple("abc"), ["the same in 1 of 3 places"]),
        ({"point": {"x": (0, 9), "y": (0, 9)}}, (4, 5), (2, 5), ["x: 2× too high, y: the same"]),
    ],
)
def test_the_closing_table_has_guess_and_answer_side_by_side(page, kind, value, answer, told):
    guess("03.a", "What?", **kind)
    show_guesses({"03.a": answer})
    table = page[-1].part(ipywidgets.HTML)
    assert "no guess yet" in table.value
    progress.keep_guess("03.a", value)
    assert guessed("03.a") == value
    for words in told:
        assert f">{words}</td>" in table.value


# --- what cannot be asked ---


@pytest.mark.parametrize(
    ("name", "kind", "sentence"),
    [
        ("3.a", {}, 'named like "03.a"'),
        ("03.1", {}, 'named like "03.a"'),
        (3, {}, 'named like "03.a"'),
        ("03.a", {"low": 8, "high": 1}, "low < high"),
        ("03.a", {"options": ["a"]}, "two options or more"),
        ("03.a", {"options": "ab"}, "options as a list"),
        ("03.a", {"options": 3}, "options as a list"),
        ("03.a", {"order": []}, "two options or more"),
        ("03.a", {"options": [1, 1.0]}, "an option twice"),
        ("03.a", {"options": [1, True]}, "an option twice"),
        ("03.a", {"options": ["1", 1]}, "an option twice"),
        ("03.a", {"options": [[1], [2]]}, "words or numbers"),
        ("03.a", {"options": ["a", "b"], "order": ["a", "b"]}, "one of these"),
        ("03.a", {"options": ["a", "b"], "unit": "px"}, "one of these"),
        ("03.a", {"point": {"x": (0, 1)}}, "ranges of x and y"),
        ("03.a", {"point": {"x": (0, 1), "y": (1, 1)}}, "low < high"),
        ("03.a", {"point": {"x": (0, 1), "y": 1}}, "both ends of y"),
        ("03.a", {"point": {"x": (0, None), "y": (0, 1)}}, "both ends of x"),
        ("03.a", {"point": [(0, 1), (0, 1)]}, "ranges of x and y"),
        ("03.a", {"low": float("nan"), "high": 1}, "low < high"),
    ],
)
def test_a_question_that_cannot_be_asked_says_why(name, kind, sentence):
    with pytest.raises(ValueError, match=sentence):
        guess(name, "What?", **kind)


def test_an_answer_that_could_not_have_been_guessed_is_refused(page):
    ask_cost(page)
    with pytest.raises(ValueError, match=r"answer to 03.a, 9.3, is none .* from 1 to 8"):
        show_guesses({"03.a": 9.3})
    with pytest.raises(ValueError, match="asks nothing"):
        guess("03.b", " ")
    for names in ([], [["03.a"]]):
        with pytest.raises(ValueError, match="name the guesses"):
            with_guesses(lambda guessed: None, *names)


def test_words_of_a_question_are_never_markup(page):
    guess("03.a", "a < b & <b>c</b>?", unit="<i>", options=None)
    guess("03.b", "<script>", options=["<b>", "&"])
    show_guesses({"03.a": "<u>", "03.b": "<b>"})
    for shown in page:
        pages = [shown.still, *(part.value for part in shown.parts(ipywidgets.HTML))]
        for tag in ("<b>c", "<i>", "<script>", "<u>"):
            assert not any(tag in text for text in pages)


def test_an_answer_of_numpys_or_torchs_is_a_number(page):
    ask_cost(page)
    progress.keep_guess("03.a", 2)
    show_guesses({"03.a": torch.tensor(2.5)})
    assert ">20 % too low</td>" in page[-1].still
    show_guesses({"03.a": np.float32(2)})
    assert ">the same</td>" in page[-1].still
