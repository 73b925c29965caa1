"""Explorers, exercise checks and drawings: what a learner moves, answers and sees.

Oracles: the graph's own edges, the sizes that were passed, Python's and torch's arithmetic.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import FancyArrowPatch

from effdet_lite import fusion
from effdet_lite.teach.kit.checks import Exercise, judge
from effdet_lite.teach.kit.drawings import Map, block, conv_drawing, graph_drawing, network_drawing
from effdet_lite.teach.kit.page import table_html
from effdet_lite.teach.kit.plots import as_array, new_figure, png
from effdet_lite.teach.kit.widgets import Explorer, View, button, choice, slider, switch

# --- explorers ---


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


@pytest.fixture
def explorer():
    return Explorer(
        view,
        number=slider("number", 0, 5, 1),
        name=choice("name", ["a", "b"]),
        on=switch("on"),
        pressed=button("new"),
    )


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


def test_tables_escape_what_they_show():
    assert "&lt;b&gt;" in table_html(["x"], [["<b>"]]) and "<th" not in table_html(
        ["", ""], [["a", "1"]]
    )


# --- exercises ---

NUMBER = Exercise(12, [(24, "that counts FLOPs"), (6, "half"), (144, "squared")], "count again")
FUNCTION = Exercise(
    lambda a, b: a * b,
    [
        (lambda a, b: a + b, "that adds"),
        (lambda a, b: a**b, "that raises"),
        (lambda a, b: a - b, "that subtracts"),
    ],
    "try 2 and 3 by hand",
    cases=[(2, 3), (4, 5)],
)


def stub(a, b):
    """Nothing yet."""


@pytest.mark.parametrize("answer", [None, ..., "", " "])
def test_no_answer_is_no_mistake(answer):
    assert judge(NUMBER, answer)[0] == "not tried yet"


@pytest.mark.parametrize(
    "answer",
    [
        12,
        12.0,
        torch.tensor(12),
        torch.tensor(12.0, requires_grad=True),
        [12],
        (12.0,),
        np.array([12]),
    ],
)
def test_a_right_number_of_any_type(answer):
    assert judge(NUMBER, answer) == ("correct", "")


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (24, "that counts FLOPs"),
        (13, "count again"),
        ([12, 12], "count again"),
        ("12", "that is text; leave the quotation marks out."),
        (math.nan, "count again"),
    ],
)
def test_a_hint_fits_the_mistake(answer, hint):
    assert judge(NUMBER, answer) == ("not yet", hint)


def test_whole_numbers_are_exact_and_others_nearly():
    exact, near = Exercise(49152, [], "count again"), Exercise(49152.0, [], "count again")
    assert judge(exact, 49151)[0] == "not yet" and judge(near, 49151)[0] == "correct"
    assert judge(exact, torch.tensor(49152.0))[0] == judge(exact, 3 * 0.1 * 163840)[0] == "correct"
    assert judge(Exercise(49152, [], "", tolerance=0.01), 49000)[0] == "correct"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((1, 0.5), ""),
        (torch.tensor([1, 0.5]), ""),
        (np.array([1, 0.5]), ""),
        ([[1], torch.tensor(0.5)], ""),
        (1, "2 answers are asked for, as a list."),
        (torch.tensor(1), "2 answers are asked for, as a list."),
        ([1], "2 answers are asked for, as a list."),
        ({"a": 1, "b": 0.5}, "2 answers are asked for, as a list."),
        (["1", "0.5"], "that is text; leave the quotation marks out."),
        ([1, 0.25], "count again"),
    ],
)
def test_two_numbers_in_any_form_and_what_is_wrong_with_other_forms(answer, hint):
    assert judge(Exercise([1.0, 0.5], [], "count again"), answer) == (
        "not yet" if hint else "correct",
        hint,
    )


@pytest.mark.parametrize(
    ("answer", "verdict", "hint"),
    [
        (lambda a, b: b * a, "correct", ""),
        (lambda a, b: None, "not tried yet", ""),
        (stub, "not tried yet", ""),
        (lambda a, b: print(a * b), "not yet", "it gives nothing back: end with `return`."),
        (lambda a, b: f"{a * b}", "not yet", "that is text; leave the quotation marks out."),
        (lambda a, b: b + a, "not yet", "that adds"),
        (lambda a, b: a, "not yet", "try 2 and 3 by hand"),
        (lambda a, b: a / 0, "not yet", "it raised ZeroDivisionError: division by zero"),
        (6, "not yet", "pass the function itself, without calling it."),
    ],
)
def test_functions_are_told_by_what_they_return(answer, verdict, hint):
    assert judge(FUNCTION, answer) == (verdict, hint)


def test_a_function_may_use_up_what_it_is_given():
    """The right answer is then still asked about the whole list."""
    last = Exercise(lambda numbers: numbers[-1], [], "", cases=[([3, 5],)])
    assert judge(last, lambda numbers: numbers.pop()) == ("correct", "")
    assert judge(last, lambda numbers: numbers.pop() + numbers.pop())[0] == "not yet"


def test_a_question_with_many_answers():
    even = Exercise(None, [], "", accept=lambda answer: None if answer % 2 == 0 else "that is odd")
    assert judge(even, 4) == ("correct", "") and judge(even, 5) == ("not yet", "that is odd")
    assert judge(even, "x")[0] == "not yet"


# --- drawings ---


@pytest.mark.parametrize(
    "graph", [fusion.fpn(range(3, 8)), fusion.panet(range(3, 8)), fusion.bifpn(range(2, 7))]
)
def test_a_graph_is_drawn_with_each_of_its_edges_as_wide_as_its_weight(graph):
    weights = {edge: number / len(graph.edges) for number, edge in enumerate(graph.edges)}
    arrows = [
        patch
        for patch in graph_drawing(graph, weights).axes[0].patches
        if isinstance(patch, FancyArrowPatch)
    ]
    assert len(arrows) == len(graph.edges)
    widths = [arrow.get_linewidth() for arrow in arrows]
    assert widths == sorted(widths) and len(set(widths)) == len(widths)


def test_a_block_is_to_scale():
    front, top, side = block(1, 2, 3, 4, 5)
    assert (front.max(0) - front.min(0)).tolist() == [3, 4]
    assert top[2, 1] == side[2, 1] > front.max(0)[1]


def test_slabs_have_the_proportions_of_the_maps():
    maps = [Map("a", 64, 16, 1, 0.2), Map("b", 32, 48, 2, 0.8)]
    axis = new_figure()[1][0, 0]
    network_drawing(axis, maps)
    fronts = [as_array(path.vertices[:4]) for path in axis.collections[0].get_paths()[::3]]
    (first, second, third) = [front.max(0) - front.min(0) for front in fronts]
    assert first[1] / second[1] == pytest.approx(64 / 32) and second[0] / first[0] == pytest.approx(
        48 / 16
    )
    assert second.tolist() == pytest.approx(third.tolist())


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 64),
    st.integers(1, 64),
    st.integers(1, 512),
    st.integers(1, 512),
    st.sampled_from([1, 3, 5, 7]),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_any_convolution_can_be_drawn(c_in, c_out, height, width, kernel, stride, dilation):
    figure, axes = new_figure(width=3, height=2, margins={})
    conv_drawing(axes[0, 0], c_in, c_out, height, width, kernel, stride, 1, dilation)
    words = " ".join(text.get_text() for text in axes[0, 0].texts)
    assert f"{-(-height // stride)} × {-(-width // stride)} × {c_out}" in words and png(
        figure, dpi=30
    )
