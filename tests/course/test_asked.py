"""The guesses that a notebook asks for: each under the notebook's own number, each answered.

A name that is misspelled would be no guess for ever, and no error. Oracle: the notebooks' code.
"""

import ast
from pathlib import Path

import nbformat
import pytest
from lessons import NOTEBOOKS, code_cells, number, read
from proofreading import asked
from proofreading.pages import Page

USES = {"guessed", "with_guesses", "show_guesses"}


def calls(sources):
    """(function, the names of guesses that it is handed) of each call, in order."""
    for source in sources:
        tree = ast.parse(source)
        found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        mappings = named_mappings(tree)
        for node in sorted(found, key=lambda node: (node.lineno, node.col_offset)):
            function = getattr(node.func, "id", None)
            given = node.args[:1] if function == "guess" else node.args
            given = [mappings.get(getattr(one, "id", None), one) for one in given]
            names = [part for one in given for part in getattr(one, "keys", [one])]
            yield (
                function,
                [
                    name.value
                    for name in names
                    if isinstance(name, ast.Constant) and isinstance(name.value, str)
                ],
            )


def named_mappings(tree):
    """{name: the mapping} of each `name = {...}` in a cell."""
    return {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Dict)
    }


def troubles(own, sources):
    """What is wrong with the guesses in these code cells of notebook `own`, "03"."""
    asked, closed, wrong = [], [], []
    for function, names in calls(sources):
        if function == "guess":
            wrong += [f"{name} is asked in {own}" for name in names if name[:3] != f"{own}."]
            wrong += [f"{name} is asked twice" for name in names if name in asked]
            asked += names
        elif function in USES:
            unknown = [name for name in names if name[:3] == f"{own}." and name not in asked]
            wrong += [f"{name} is used by {function}, and was not asked" for name in unknown]
            closed += names if function == "show_guesses" else []
    return wrong + [f"{name} is not in show_guesses" for name in asked if name not in closed]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_guess_is_asked_once_and_answered_in_the_end(path):
    assert not troubles(number(path), [cell.source for cell in code_cells(read(path))])


FINE = ['guess("03.a", "What?", low=1)', 'with_guesses(view, "03.a")', 'show_guesses({"03.a": 2})']


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (FINE, []),
        ([*FINE[:2], 'answers = {"03.a": 2}\nshow_guesses(answers)'], []),
        (['print(guessed("02.b"))'], []),
        (FINE[:2], ["03.a is not in show_guesses"]),
        (FINE[1:], ["03.a is used by with_guesses, and was not asked"] * 1),
        ([FINE[0], *FINE], ["03.a is asked twice"]),
        (['guess("04.a", "?")\nshow_guesses({"04.a": 2})'], ["04.a is asked in 03"]),
        ([FINE[0], 'guessed("03.b")', FINE[2]], ["03.b is used by guessed, and was not asked"]),
    ],
)
def test_what_is_wrong_is_found(sources, told):
    assert troubles("03", sources)[: len(told) or None] == told


def stored(question, shown, closing):
    """A page with one guess, its stored output, and the table of guesses at its end."""
    code = nbformat.v4.new_code_cell(f'guess("01.a", "{question}", low=0, high=9)')
    table = nbformat.v4.new_code_cell('show_guesses({"01.a": 3})')
    for cell, words in ((code, shown), (table, closing)):
        data = {"text/html": f"<b>Your guess first</b> (01.a): {words}"}
        cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
    return Page(Path("01_costs.ipynb"), nbformat.v4.new_notebook(cells=[code, table]))


@pytest.mark.parametrize(
    ("shown", "closing", "found"),
    [
        ("How many?", "How many?", []),
        ("How much?", "How many?", ["its output"]),
        ("How many?", "How much?", ["the table of guesses"]),
    ],
)
def test_a_question_that_was_edited_after_storing_is_found(shown, closing, found):
    """Notebook 07 once asked in its code what its stored output did not."""
    sentences = list(asked.stale_guesses(stored("How many?", shown, closing)))
    assert len(sentences) == len(found)
    assert all(words in sentence for words, sentence in zip(found, sentences, strict=True))
