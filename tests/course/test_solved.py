"""Which cells run again with the solutions put in. Oracle: small notebooks, followed by hand."""

import nbformat
import pytest
from nbclient import NotebookClient
from solved import cells_to_run_again, names_of

CHECK = 'check("01.1", answer)'


def notebook(*sources):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in sources])


def chosen(*sources):
    """The places of the cells that run again, counted from 0."""
    made = notebook(*sources)
    again = cells_to_run_again(made)
    return [place for place, cell in enumerate(made.cells) if any(cell is one for one in again)]


def test_what_no_exercise_needs_or_changes_runs_once():
    cells = ["x = 1", "y = x", f"answer = x\n{CHECK}", "print(y)", "y = 2"]
    assert chosen(*cells) == [0, 2]


def test_what_an_exercise_needs_is_made_again_from_the_start():
    cells = ["import a", "x = a.b", "y = x", "x = 2", f"answer = y\n{CHECK}", "z = y"]
    assert chosen(*cells) == [0, 1, 2, 4]


@pytest.mark.parametrize(
    "change",
    [
        "rows.append(1)",
        "extend(rows)",
        "extend(to=rows)",
        "rows[0] = 1",
        "rows.name = 1",
        "rows += [1]",
        "if some:\n    rows = [1]",
        "del rows",
        "def grow():\n    rows.append(1)",
    ],
)
def test_what_was_changed_in_place_is_changed_again(change):
    assert chosen("rows = []", change, "other = 1", f"answer = rows\n{CHECK}") == [0, 1, 3]


def test_a_cell_that_uses_what_a_solution_sets_runs_again_and_whatever_follows_from_it():
    solved = f"side = 3\nanswer = side\n{CHECK}"
    assert chosen("side = 1", solved, "area = side**2", "print(area)") == [1, 2, 3]
    assert chosen("side = 1", solved, "side = 2", "print(side)") == [1]
    assert chosen("side = 1", solved, "f = lambda: side", "g = lambda side: side") == [1, 2]


def test_a_cell_that_uses_what_a_solution_changes_in_place_runs_again():
    cells = ["import torch", f"torch.manual_seed(1)\nanswer = 1\n{CHECK}", "torch.rand(1)", "2"]
    assert chosen(*cells) == [0, 1, 2]


def test_a_solution_that_breaks_a_later_cell_is_found():
    made = notebook("side = 1", f"side = '1'\ncheck = print\nanswer = 1\n{CHECK}", "side + 1")
    made.cells = cells_to_run_again(made)
    with pytest.raises(Exception, match="TypeError"):
        NotebookClient(made, timeout=60).execute()


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("x = x + 1", {"x"}),
        ("x += 1", {"x"}),
        ("x = 1\nx += 1", set()),
        ("[a * b for a in c if a]", {"b", "c"}),
        ("{a: b for a, b in c}", {"c"}),
        ("def f(a, *b, c=d, **e):\n    return a, b, c, e, g", {"d", "g"}),
        ("def f():\n    return later\nlater = 1", {"later"}),
        ("class A(B):\n    c = d", {"B", "d"}),
        ("@a\ndef f(): pass", {"a"}),
        ("import a.b as c, d.e\nc, d, a", {"a"}),
        ("if a:\n    b = 1\nelse:\n    b = c = 2\nb, c", {"a", "c"}),
        ("with a as b:\n    b", {"a"}),
        ("for a in b:\n    a, c", {"b", "c"}),
        ("(a := 1) + a", set()),
        ("await a.b()", {"a"}),
    ],
)
def test_names_that_a_cell_has_from_elsewhere(source, read):
    assert names_of(source).read == read
