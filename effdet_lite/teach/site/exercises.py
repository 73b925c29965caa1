"""Exercises whose answer is a number, a word, or a few of them, check themselves in the page.

The page has what `checks.judge` has: the right answer, the wrong ones that are known with their
hints, and how far off a number may be. `static/answers.js` compares as `judge` does.
"""

import html
import json
import re
from numbers import Integral, Real

import nbformat

from effdet_lite.teach.kit.checks import Exercise, load_exercises

CHECK = re.compile(r'^check\("([^"]+)", .+\)$')
FLOAT, WHOLE = 1e-4, 1e-7  # relative, as `checks` has them


def add_forms(notebook: nbformat.NotebookNode) -> None:
    """Put a form behind each cell whose exercise can be checked in the page, in the place of the
    check's stored output.
    """
    exercises: dict[str, Exercise] = {}
    for cell in notebook.cells:
        name = exercise_of(cell)
        if not name:
            continue
        if name not in exercises:
            exercises = load_exercises(name.partition(".")[0])
        task = task_of(exercises[name])
        if task:
            cell.outputs = []
            cell.metadata["site_after"] = form(name, task)


def exercise_of(cell: nbformat.NotebookNode) -> str:
    """The exercise that a cell ends with a check of; "" for other cells."""
    last = cell.source.rstrip().rpartition("\n")[2] if cell.cell_type == "code" else ""
    found = CHECK.match(last)
    return found[1] if found else ""


def task_of(exercise: Exercise) -> dict | None:
    """What the page has to know of an exercise; None where only Python can check it.

    answers: (value, hint) for the right one, whose hint is "", and for each mistake. In a value
    each number stands as [number, how far off it may be, relative].
    """
    if exercise.cases or exercise.accept:
        return None
    right = _told(exercise.right, exercise.tolerance)
    if right is None:
        return None
    answers = [[right, ""]]
    for mistake, hint in exercise.mistakes:
        value = _told(mistake, exercise.tolerance)
        if value is not None:  # another kind cannot be typed
            answers.append([value, hint])
    return {"answers": answers, "otherwise": exercise.otherwise}


def form(name: str, task: dict) -> str:
    """The fields for an answer, a button, and a place for what is said of it."""
    right = task["answers"][0][0]
    number = len(right["list"]) if "list" in right else 1
    fields = "".join(
        f'<label class="field">{_label(name, place, number)}<input autocomplete="off" '
        'spellcheck="false"></label>'
        for place in range(number)
    )
    data = json.dumps(task, ensure_ascii=False).replace("</", "<\\/")
    return (
        f'<section class="answer" aria-label="Exercise {name}" data-name="{name}">'
        f'<form>{fields}<button>Check</button></form><p role="status"></p>'
        f'<script type="application/json">{data}</script></section>'
    )


def _label(name: str, place: int, number: int) -> str:
    which = f", {place + 1} of {number}" if number > 1 else ""
    return html.escape(f"Your answer to {name}{which}")


def _told(value: object, tolerance: float | None) -> dict | None:
    """A value as the page has it: {"word": …}, {"number": [value, tolerance]} or {"list": […]}."""
    if isinstance(value, str):
        return {"word": value}
    if isinstance(value, (list, tuple)):
        parts = [_told(part, tolerance) for part in value]
        return None if None in parts or not parts else {"list": parts}
    if isinstance(value, Real) and not isinstance(value, bool):  # also NumPy's
        is_whole = isinstance(value, Integral)
        default = WHOLE if is_whole else FLOAT
        number = int(value) if is_whole else float(value)
        return {"number": [number, default if tolerance is None else tolerance]}
    return None
