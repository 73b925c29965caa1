"""Exercises: untried in the stored notebook, a hint for each mistake, and every notebook run again
with its solutions put in.

Oracles: the answers that notebooks/exercises/NN.py computes, and notebooks/solutions/NN.py, written
apart from them.
"""

import pytest
from lessons import NOTEBOOKS, ROOT, exercise_cells, number, put_in, read, said, solutions
from nbclient import NotebookClient
from solved import cells_to_run_again

from effdet_lite.teach.kit.checks import judge, load_exercises

LESSONS = [
    path for path in NOTEBOOKS if (path.parent / "exercises" / f"{number(path)}.py").exists()
]
# A test that names its notebook goes to the worker that has the notebook's cells (conftest.py).
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)


def verdicts(notebook):
    """What each exercise's check put on the page."""
    return {name: (said(cell) or [""])[-1] for name, cell in exercise_cells(notebook)}


@each_lesson
def test_a_notebook_is_stored_with_its_exercises_untried(path):
    assert verdicts(read(path)) == {
        name: f"○ {name} not tried yet" for name in load_exercises(number(path))
    }


@each_lesson
def test_right_answers_are_correct_and_each_mistake_gets_its_hint(path):
    for name, exercise in load_exercises(number(path)).items():
        if not exercise.accept:
            assert judge(exercise, exercise.right) == ("correct", ""), name
            assert exercise.otherwise.strip(), f"{name} has no hint for any other answer"
        assert len(exercise.mistakes) >= 3, name
        for mistake, hint in exercise.mistakes:
            verdict, told = judge(exercise, mistake)
            assert (verdict, bool(hint.strip() and told.strip())) == ("not yet", True), (
                f"{name}, {mistake}: {told}"
            )
            # A hint that is given for an earlier mistake would never be read; an exception is no
            # hint.
            assert not told.startswith("it raised"), f"{name}, {mistake}: {told}"
            assert exercise.accept or told == hint, f"{name} says {told!r} and not {hint!r}"


@each_lesson
def test_with_the_solutions_put_in_every_check_says_correct(path, pytestconfig):
    """And no cell raises, for a later cell may not depend on what an exercise left undone or did.

    What neither needs nor uses a solution has run in nbval's hands already (solved.py).
    """
    notebook = read(path)
    put_in(notebook, solutions(path))
    if not pytestconfig.getoption("every_cell"):
        notebook.cells = cells_to_run_again(notebook)
    NotebookClient(
        notebook, timeout=180, resources={"metadata": {"path": str(ROOT / "notebooks")}}
    ).execute()
    assert verdicts(notebook) == {
        name: f"✓ {name} correct" for name in load_exercises(number(path))
    }
