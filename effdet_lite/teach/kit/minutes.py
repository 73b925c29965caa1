"""The minutes that notebooks print: at their top for their core path, and at each exercise."""

import functools
import json
import re

from effdet_lite.places import course_folder

# *35 minutes · builds on 01 (MACs) · no GPU, no network*; or the table of the first edition.
LINE = re.compile(r"^(\*?)(\d+)( minutes?\b.*·)", re.MULTILINE)
TABLE = re.compile(r"^(\| minutes \|.*\n\|.*\n\| *)(\d+)( \|)", re.MULTILINE)
EXERCISE = re.compile(r"^\*\*(\d\d\.\d)\*\* \((\d+) minutes?\b", re.MULTILINE)


def printed_minutes(opening: str) -> int | None:
    """The minutes that this text, from a notebook's top, prints; None if it prints none."""
    found = LINE.search(opening) or TABLE.search(opening)
    return int(found[2]) if found else None


def with_minutes(opening: str, minutes: int) -> str:
    """The text with these minutes in the place of those that it prints."""
    pattern = LINE if LINE.search(opening) else TABLE
    return pattern.sub(rf"\g<1>{minutes}\3", opening, count=1)


def exercise_minutes(text: str) -> dict[str, int]:
    """The minutes of each exercise, `**01.2** (3 minutes) ...`, by its name."""
    return {name: int(minutes) for name, minutes in EXERCISE.findall(text)}


@functools.cache
def minutes_of_course() -> dict[str, tuple[int, int]]:
    """(minutes of the core path, minutes of the exercises) of each notebook that is there, by its
    number. They are read from the notebooks, so that a map of the course says what they say.
    """
    found = {}
    for path in sorted((course_folder() / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        own = next(filter(None, map(printed_minutes, texts)), 0)
        exercises = sum(exercise_minutes("\n\n".join(texts)).values())
        found[path.name.partition("_")[0]] = own, exercises
    return found
