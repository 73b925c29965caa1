"""Every exercise knows its right answer and rejects the wrong ones; every notebook runs with the solutions put in.

Oracle of the second half: the solutions, written down apart from the answers that the checks compute.
"""

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from effdet_lite.teach.checks import judge, load_exercises

FOLDER = Path(__file__).parents[1] / "notebooks"
NUMBERS = sorted(path.stem for path in (FOLDER / "exercises").glob("[0-9]*.py"))
EXERCISES = [(number, name) for number in NUMBERS for name in load_exercises(number)]
CHECK = re.compile(r'^check\("([\d.]+)"', re.MULTILINE)


def solutions(number: str) -> dict[str, str]:
    """The code of each section `# %% NN.n` of a solutions file."""
    parts = re.split(
        r"^# %% ([\d.]+)\n", (FOLDER / "solutions" / f"{number}.py").read_text("utf-8"), flags=re.MULTILINE
    )
    return {name: code.strip() for name, code in zip(parts[1::2], parts[2::2], strict=True)}


def notebook(number: str) -> nbformat.NotebookNode:
    (path,) = FOLDER.glob(f"{number}_*.ipynb")
    return nbformat.read(path, 4)


def verdicts(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """What each check says, by exercise."""
    texts = [
        output["data"]["text/plain"]
        for cell in notebook.cells
        if cell.cell_type == "code" and CHECK.search(cell.source)
        for output in cell.outputs
        if output.output_type == "display_data"
    ]
    return {text.split()[1]: " ".join(text.split()[2:]) for text in texts}


@pytest.mark.parametrize(("number", "name"), EXERCISES)
def test_plausible_wrong_answers_are_rejected_with_a_hint(number, name):
    exercise = load_exercises(number)[name]
    assert len(exercise.mistakes) >= 3
    for mistake, hint in exercise.mistakes:
        verdict, said = judge(exercise, mistake)
        assert verdict == "not yet" and said
        assert exercise.accept or said == hint


@pytest.mark.parametrize("number", NUMBERS)
def test_unsolved_exercises_say_so(number):
    assert verdicts(notebook(number)) == dict.fromkeys(load_exercises(number), "not tried yet")


@pytest.mark.parametrize("number", NUMBERS)
def test_with_the_solutions_put_in_the_whole_notebook_runs_and_every_check_says_correct(number, monkeypatch):
    answers, lesson = solutions(number), notebook(number)
    assert answers.keys() == load_exercises(number).keys()
    for cell in lesson.cells:
        if cell.cell_type == "code" and (found := CHECK.search(cell.source)):
            cell.source = f"{answers[found[1]]}\n{cell.source[found.start() :]}"
    monkeypatch.setitem(os.environ, "MPLBACKEND", "module://matplotlib_inline.backend_inline")
    NotebookClient(lesson, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()
    assert verdicts(lesson) == dict.fromkeys(answers, "correct")
