"""Explorers as frames: which settings are drawn, and in which order.

Oracles: the controls' own values, and the view.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effdet_lite.teach.kit.plots import new_figure
from effdet_lite.teach.kit.touch import DrawPad
from effdet_lite.teach.kit.widgets import Explorer, View, button, choice, slider, switch
from effdet_lite.teach.site.frames import axes_of, frames_of, record
from effdet_lite.teach.site.names import names_of, needed
from effdet_lite.teach.site.running import draw


def told(**values):
    """A view that says its settings."""
    if values.get("side") == 3:
        raise ValueError("a side of 3 is not legal")
    return View(new_figure(width=1, height=1)[0], str(values), {"sum": str(len(values))})


def test_every_kind_of_control_is_listed_whole_where_there_is_room():
    explorer = Explorer(
        told,
        side=slider("side", 1, 4, 2),
        share=slider("share", 0, 0.3, 0.1, 0.1),
        name=choice("name", {"one": 1, "two": 2}, 2),
        is_on=switch("on", True),
    )
    side, share, name, is_on = axes_of(explorer, 64)
    assert (side.kind, side.values, side.rest) == ("range", [1, 2, 3, 4], 1)
    assert (share.values, share.words) == ([0, 0.1, 0.2, 0.3], ["0", "0.1", "0.2", "0.3"])
    assert (name.kind, name.values, name.words, name.rest) == ("select", [1, 2], ["one", "two"], 1)
    assert (is_on.kind, is_on.values, is_on.rest) == ("tick", [False, True], 1)


def test_the_last_control_moves_fastest_and_what_is_not_legal_is_said():
    explorer = Explorer(told, side=slider("side", 2, 3, 2), is_on=switch("on"))
    frames = frames_of(explorer, axes_of(explorer))
    assert [("not legal" in one, "<img" in one) for one in frames] == [
        (False, True),
        (False, True),
        (True, False),
        (True, False),
    ]
    assert "&#x27;is_on&#x27;: False" in frames[0] and "&#x27;is_on&#x27;: True" in frames[1]


@given(
    steps=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    rests=st.lists(st.integers(0, 60), min_size=6, max_size=6),
    most=st.integers(8, 100),
)
def test_thinned_sliders_keep_their_ends_and_where_they_rest(steps, rests, most):
    controls = {
        f"c{place}": slider("c", 0, last, min(rests[place], last))
        for place, last in enumerate(steps)
    }
    explorer = Explorer.__new__(Explorer)  # nothing is drawn
    explorer.controls = controls
    product = 1
    for axis, last, control in zip(axes_of(explorer, most), steps, controls.values(), strict=True):
        assert axis.values == sorted(set(axis.values)) and set(axis.values) <= set(range(last + 1))
        assert {0, last, control.value} <= set(axis.values)
        assert axis.values[axis.rest] == control.value and axis.whole == last + 1
        product *= len(axis.values)
    assert product <= max(most, 3 ** len(steps)) * 1.5 ** len(steps)


def test_a_pad_that_is_drawn_on_cannot_be_listed(tmp_path):
    explorer = Explorer.__new__(Explorer)
    explorer.controls = {"sheet": DrawPad("sheet"), "side": slider("side", 1, 2, 1)}
    assert axes_of(explorer) is None
    assert record(explorer, tmp_path / "frames.json") == 0 and not list(tmp_path.iterdir())


def test_a_record_says_where_controls_rest_and_which_are_coarse(tmp_path):
    explorer = Explorer(
        told, side=slider("side", 10, 60, 20), next=button("next"), is_on=switch("on", True)
    )
    assert record(explorer, tmp_path / "frames.json", 12) == len(
        json.loads((tmp_path / "frames.json").read_text())["frames"]
    )
    side, following, is_on = json.loads((tmp_path / "frames.json").read_text())["controls"]
    assert side["words"][side["rest"]] == "20" and side["isCoarse"]
    assert (following["kind"], following["words"][0], following["rest"]) == ("button", "0", 0)
    assert (is_on["words"], is_on["rest"], is_on["isCoarse"]) == (["off", "on"], 1, False)


def test_what_an_explorer_needs_is_run_and_no_more():
    cells = ["import a", "b = a.c", "d = slow()", "e = b", "Explorer(e)"]
    assert needed([names_of(one) for one in cells], [4]) == [0, 1, 3, 4]


@pytest.mark.slow
def test_a_notebook_that_does_not_run_is_one_sentence(tmp_path):
    import nbformat

    still = "<p><em>Without a kernel the controls rest at: x = 1</em></p>"
    output = nbformat.v4.new_output("display_data", {"text/html": still})
    cell = nbformat.v4.new_code_cell("raise OSError('no disk')", outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "00_bad.ipynb")
    (note,) = draw([tmp_path / "00_bad.ipynb"], tmp_path, print, 8)
    assert note.startswith("The explorers of 00_bad.ipynb stand still") and "no disk" in note
