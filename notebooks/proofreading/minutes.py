"""How long a notebook takes to read, and where it says so.

The minutes that it prints pay for its core path: words, visible code, guesses and the machine. Exercises say their own
minutes, and what stands under "Deeper:" is counted apart.
"""

from effdet_lite.teach.kit.minutes import printed_minutes, with_minutes

import math
import re
from typing import NamedTuple

from proofreading.pages import Page
from proofreading.words import count_words

WORDS_A_MINUTE = 150
SECONDS_A_LINE = 6
MINUTES_A_GUESS = 1
TOLERANCE = 5  # minutes, or a tenth where that is more: nobody reads to the minute
ROUNDED_TO = 5
GUESS = re.compile(r"(?<![\w.])guess\(")
KEPT = "machine_minutes"  # in the notebook's metadata


class Reading(NamedTuple):
    """What one part of a notebook holds."""

    words: int = 0
    lines: int = 0
    guesses: int = 0
    machine: int = 0  # minutes

    @property
    def minutes(self) -> float:
        """How long all this takes."""
        reading = self.words / WORDS_A_MINUTE + self.lines * SECONDS_A_LINE / 60
        return reading + self.guesses * MINUTES_A_GUESS + self.machine

    def __str__(self):
        return (
            f"{self.words} words, {self.lines} lines of code, {self.guesses} guesses, {self.machine} min of machine: "
            f"{self.minutes:.0f} min"
        )


def reading(page: Page, part: str = "core") -> Reading:
    """What a part of this notebook holds: "core" or "deeper".

    Code that JupyterLab hides, empty lines and the learner's own cells are not counted.
    """
    words = sum(count_words(sentence.text) for sentence, section in page.sentences() if section.part == part)
    parts = page.parts()
    sources = [cell.source for place, cell in page.code() if parts[place] == part]
    lines = sum(bool(line.strip()) for source in sources for line in source.splitlines())
    guesses = sum(len(GUESS.findall(source)) for source in sources)
    return Reading(words, lines, guesses, page.notebook.metadata.get(KEPT, {}).get(part, 0))


def stated_minutes(page: Page) -> int | None:
    """The minutes that the notebook prints at its top; None if it prints none."""
    opening = _opening(page)
    return printed_minutes(opening[1]) if opening else None


def rounded(minutes: float) -> int:
    """As they are printed: to five minutes, and at least five."""
    return max(ROUNDED_TO, ROUNDED_TO * round(minutes / ROUNDED_TO))


def wrong_minutes(page: Page) -> str | None:
    """A sentence where the printed minutes are not the counted ones, give or take TOLERANCE."""
    stated, core = stated_minutes(page), reading(page)
    if stated is None:
        return f"{page.path.name}: its opening has no line such as *35 minutes · builds on 01 (MACs) · no GPU*"
    if abs(stated - core.minutes) > max(TOLERANCE, core.minutes / 10):
        return f"{page.path.name}: prints {stated} minutes; its core path has {core}"
    return None


def write_minutes(page: Page) -> None:
    """Print the counted minutes at the notebook's top, unless those that stand there are still true."""
    if stated_minutes(page) is not None and wrong_minutes(page):
        place, source = _opening(page)
        page.notebook.cells[place].source = with_minutes(source, rounded(reading(page).minutes))


def keep_machine_minutes(page: Page, seconds: dict[int, float]) -> None:
    """Note the machine's minutes of each part, rounded up, in the notebook's metadata.

    seconds: of each cell, by its place. What is there stays while it is not a minute wrong, so that a machine that
    is a little slower changes nothing.
    """
    parts, before = page.parts(), page.notebook.metadata.get(KEPT, {})
    kept = {}
    for part in ("core", "deeper"):
        minutes = sum(time for place, time in seconds.items() if parts[place] == part) / 60
        old = before.get(part, 0)
        is_still_true = old and old - 1.5 < minutes < old + 0.5
        kept[part] = old if is_still_true else math.ceil(minutes)
    page.notebook.metadata[KEPT] = kept


def _opening(page: Page) -> tuple[int, str] | None:
    """(place, source) of the text before the first section that prints the minutes."""
    for place, source in page.markdown():
        head, section, _ = source.partition("\n## ")
        if printed_minutes(head) is not None:
            return place, source
        if section or source.startswith("## "):
            return None
    return None
