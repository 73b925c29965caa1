"""Exercises that check themselves: `check("01.2", answer)` says not tried yet, not yet with a hint,
or correct.

An exercise knows the right answer and the wrong ones that people give, each with the hint that
helps. The course's exercises stand in `notebooks/exercises/NN.py` as EXERCISES, a mapping from
"NN.n" to Exercise; the solutions in `notebooks/solutions/NN.py`.
"""

import copy
import html
import re
import runpy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from IPython.display import display

from effdet_lite.places import course_folder
from effdet_lite.teach.kit import progress
from effdet_lite.teach.kit.plots import as_array

KEPT_AS = {"not yet": "tried", "correct": "correct"}  # in the learner's progress
LOOKS = {
    "not tried yet": ("○", "#666666"),
    "not yet": ("✗", "#B34700"),
    "correct": ("✓", "#007A59"),
}


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    right: the answer: a number, an array, a string, a sequence of these, or a function.
    mistakes: (wrong answer of the same kind, the hint for whoever gives it); functions are told by
    what they return.
    otherwise: the hint for any other wrong answer.
    cases: the arguments, a tuple for each call, that a function is tried on.
    tolerance: relative; by default 1e-4 for floating-point numbers, and whole numbers are exact.
    accept: for a question with many right answers, in place of comparing: returns None, or the hint
    for this answer.
    """

    right: object
    mistakes: Sequence[tuple[object, str]]
    otherwise: str
    cases: Sequence[tuple] = ()
    tolerance: float | None = None
    accept: Callable[[object], str | None] | None = None


def judge(exercise: Exercise, answer: object) -> tuple[str, str]:
    """("not tried yet" | "not yet" | "correct", hint).

    Where a number is asked for, 49,152 counts as it was meant, and the hint says how to write it.
    """
    if _is_empty(answer):
        return "not tried yet", ""
    if _is_number(exercise.right) and not exercise.cases and not exercise.accept:
        meant, note = _meant(answer)
        # (3, 128, 128) may be the number 3,128,128, or a mistake that is known: a shape.
        is_known = any(isinstance(one, tuple) and one == answer for one, _ in exercise.mistakes)
        if note and not is_known:
            verdict, hint = judge(exercise, meant)
            return verdict, f"{hint} {note}".strip()
    if exercise.cases and not callable(answer):
        return "not yet", "pass the function itself, without calling it."
    try:
        given = _results(exercise, answer)
        if exercise.cases and all(map(_is_empty, given)):
            return (
                ("not tried yet", "")
                if _is_stub(answer)
                else ("not yet", "it gives nothing back: end with `return`.")
            )
        if exercise.accept:
            hint = exercise.accept(answer)
            return ("not yet", hint) if hint else ("correct", "")
    except Exception as error:  # a learner's: it belongs on the page, not in a traceback of ours
        return "not yet", f"it raised {type(error).__name__}: {error}"
    right = _results(exercise, exercise.right)
    if _same(given, right, exercise.tolerance):
        return "correct", ""
    for mistake, hint in exercise.mistakes:
        if _same(given, _results(exercise, mistake), exercise.tolerance):
            return "not yet", hint
    return "not yet", _form(given, right) or exercise.otherwise


def check(name: str, answer: object) -> None:
    """Put on the page what `judge` says of this answer to the exercise `name`, "01.2" for
    instance, and keep in the learner's progress whether it is tried or correct.
    """
    exercises = load_exercises(name.partition(".")[0])
    if name not in exercises:
        raise ValueError(
            f"there is no exercise {name!r}; this notebook has {', '.join(exercises)}."
        )
    verdict, hint = judge(exercises[name], answer)
    symbol, color = LOOKS[verdict]
    words = f"{symbol} {name} {verdict}" + (f": {hint}" if hint else "")
    style = f"border-left: 4px solid {color}; padding: 0.3em 0.8em; margin: 0.3em 0"
    page = f'<div style="{style}">{html.escape(words)}</div>'
    note = progress.keep_result(name, KEPT_AS[verdict]) if verdict in KEPT_AS else ""
    if note:
        words += f"\n{note}"
        page += f"<p>{html.escape(note)}</p>"
    display({"text/html": page, "text/plain": words}, raw=True)


def load_exercises(notebook: str) -> dict[str, Exercise]:
    """The exercises of notebook "01"."""
    path = course_folder() / "notebooks" / "exercises" / f"{notebook}.py"
    if not path.exists():
        raise ValueError(f"there are no exercises for notebook {notebook!r}: {path} is missing.")
    return runpy.run_path(str(path))["EXERCISES"]


def _is_empty(answer: object) -> bool:
    return answer is None or answer is Ellipsis or (isinstance(answer, str) and not answer.strip())


def _is_stub(function: object) -> bool:
    """Does this function do no more than the `def answer(): ...` that stood there."""
    code = getattr(function, "__code__", None)
    return code is not None and len(code.co_code) <= len((lambda: None).__code__.co_code)


def _results(exercise: Exercise, answer: object) -> list:
    """What a function gives for each case, which it may use up; any other answer as it stands."""
    return [answer(*copy.deepcopy(case)) for case in exercise.cases] if exercise.cases else [answer]


def _is_number(value: object) -> bool:
    """A number by itself: of Python, NumPy or torch."""
    return not isinstance(value, (bool, str, list, tuple)) and np.ndim(as_array(value)) == 0


def _meant(answer: object) -> tuple[object, str]:
    """The number that was typed with commas, which Python makes a tuple, and a note that says so;
    any other answer as it is, and "".

    49,152 and 1,234.5 have commas between thousands; 3,54 has one in place of the point.
    """
    if not isinstance(answer, tuple) or len(answer) < 2:
        return answer, ""
    *whole, last = answer
    if not all(type(part) is int for part in whole) or type(last) not in (int, float):
        return answer, ""
    first, *rest = answer
    if abs(first) < 1000 and all(part == 0 or 100 <= part < 1000 for part in rest):
        meant = abs(first)
        for part in rest:
            meant = 1000 * meant + part
    elif len(answer) == 2 and type(last) is int and last > 0:
        meant = float(f"{abs(first)}.{last}")
    else:
        return answer, ""
    meant = -meant if first < 0 else meant
    return meant, f"Python makes {len(answer)} numbers of that: write {meant}, without a comma."


def _form(given: object, expected: object) -> str | None:
    """What to say when an answer is not even of the kind that is asked for."""
    if isinstance(given, str) and not isinstance(expected, str):
        commas = " and the commas" if re.search(r"\d,\d", given) else ""
        return f"that is text; leave the quotation marks{commas} out."
    if not isinstance(expected, (list, tuple)):
        return None
    length = (len(given),) if isinstance(given, (list, tuple)) else np.shape(given)[:1]
    if length != (len(expected),):
        return f"{len(expected)} answers are asked for, as a list."
    return next(filter(None, map(_form, given, expected)), None)


def _same(given: object, expected: object, tolerance: float | None) -> bool:
    """Equal in structure, and in numbers within the tolerance; a number may come as a list of one,
    and a word in capitals.
    """
    if isinstance(given, str) and isinstance(expected, str):
        return given.strip().casefold() == expected.strip().casefold()
    if isinstance(expected, (list, tuple)) and isinstance(given, (list, tuple)):
        return len(given) == len(expected) and all(
            _same(one, other, tolerance) for one, other in zip(given, expected, strict=True)
        )
    try:
        given, expected = as_array(given), as_array(expected)
        if given.size == 1 and expected.ndim == 0:
            given = given.reshape(())
        if given.dtype.kind in "OUS" or expected.dtype.kind in "OUS":
            return bool(given.shape == expected.shape and (given == expected).all())
        if tolerance is None:  # 1e-7 is what float32 leaves of a whole number
            tolerance = 1e-4 if expected.dtype.kind in "fc" else 1e-7
        return given.shape == expected.shape and bool(
            np.allclose(given, expected, rtol=tolerance, atol=1e-12, equal_nan=True)
        )
    except (TypeError, ValueError):
        return False
