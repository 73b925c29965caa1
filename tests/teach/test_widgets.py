"""Explorers: what a learner moves, and sees. Oracle: the values that were set."""

import pytest

from effdet_lite.teach.kit import widgets
from effdet_lite.teach.kit.keys import OwnKeys
from effdet_lite.teach.kit.plots import new_figure
from effdet_lite.teach.kit.widgets import Explorer, View, button, choice, slider, switch


def view(number=1, name="a", on=False, pressed=0):
    if number == 3:
        raise ValueError("3 does not divide <8>")
    if number == 4:
        raise RuntimeError("a bug")
    figure, axes = new_figure(width=1, height=1, margins={"left": 0.1})
    axes[0, 0].plot([0, number], [0, 1])
    return View(
        figure,
        "a line",
        {"number": f"{number}", "name": name, "on": str(on), "pressed": str(pressed)},
    )


def test_further_pictures_stand_between_the_figure_and_the_numbers():
    explorer = Explorer(lambda n: view()._replace(below='<img alt="kept">'), n=slider("n", 0, 1, 0))
    page = explorer.page.value
    assert page.index('alt="a line"') < page.index('alt="kept"') < page.index("<table")


def test_a_view_where_nothing_moves_has_its_words_and_its_numbers(monkeypatch):
    seen = []
    monkeypatch.setattr(widgets, "show", lambda figure, words: seen.append(words))
    monkeypatch.setattr(widgets, "table", lambda head, rows: seen.append(rows))
    widgets.show_view(view(2))
    assert seen[0] == "a line"
    assert seen[1][0] == ("number", "2")
    widgets.show_view(view()._replace(numbers={}))
    assert seen[2:] == ["a line"]


@pytest.fixture
def explorer():
    return Explorer(
        view,
        number=slider("number", 0, 5, 1),
        name=choice("name", ["a", "b"]),
        on=switch("on"),
        pressed=button("new"),
    )


def test_all_boxes_share_the_widget_that_keeps_the_keyboard(explorer):
    """Each further one is a module that the browser has to load within two seconds."""
    other = Explorer(view, number=slider("number", 0, 5, 1))
    keepers = {
        child.model_id
        for one in (explorer, other)
        for child in one.box.children
        if isinstance(child, OwnKeys)
    }
    assert len(keepers) == 1


def test_every_control_moves_the_page(explorer):
    explorer.controls["number"].value = 2
    explorer.controls["name"].value = "b"
    explorer.controls["on"].value = True
    explorer.controls["pressed"].click()
    explorer.controls["pressed"].click()
    for words in (">2</td>", ">b</td>", ">True</td>", 'alt="a line"'):
        assert words in explorer.page.value
    assert explorer.controls["pressed"].value == 2


def test_what_is_not_possible_and_what_is_a_bug_is_said_on_the_page(explorer):
    explorer.controls["number"].value = 3
    assert (
        "Not possible: 3 does not divide &lt;8&gt;" in explorer.page.value
        and "<img" not in explorer.page.value
    )
    explorer.controls["number"].value = 4
    assert "RuntimeError: a bug" in explorer.page.value
    explorer.controls["number"].value = 5
    assert "<img" in explorer.page.value


def test_the_page_keeps_a_picture_for_readers_without_a_kernel(explorer, monkeypatch):
    shown = []
    monkeypatch.setattr(
        "effdet_lite.teach.kit.widgets.display", lambda data, raw: shown.append(data)
    )
    explorer.show()
    (bundle,) = shown
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert (
        "number = 1" in bundle["text/plain"]
        and "<img" in bundle["text/html"]
        and 'alt="a line"' in bundle["text/html"]
    )


def test_a_slider_is_of_whole_numbers_when_its_steps_are():
    assert isinstance(slider("n", 1, 8, 2).value, int)
    assert slider("phi", -3, 7, 0, 0.25).value == 0.0 and isinstance(
        slider("phi", -3, 7, 0, 0.25).value, float
    )
