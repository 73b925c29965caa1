"""What was hard for a class, from copies of its learners' progress files. No name is asked for.

A learner's file is theirs: whoever wants to takes part by giving the teacher a copy of it
(`effdet-lite progress` says where it lies). Nothing is sent, and no file is changed here.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from effdet_lite.teach.kit.progress import Kept, exercises_by_notebook, parsed


class Tally(NamedTuple):
    """One exercise in a class: how many have it correct, and how many have tried it so far."""

    name: str
    correct: int
    tried: int

    @property
    def begun(self) -> int:
        """How many have given an answer."""
        return self.correct + self.tried


def files(places: Iterable[str | Path]) -> list[Path]:
    """The files that are named, and every .json file of the folders that are, each of them once.

    Subfolders are read too: every learner's file is called progress.json, so that the copies lie in
    a folder each. Raises ValueError for a place that is not there, and where nothing is left.
    """
    found = {}
    for place in map(Path, places):
        if not place.exists():
            raise ValueError(f"there is no {place}: name progress files, or a folder of them.")
        some = sorted(place.rglob("*.json")) if place.is_dir() else [place]
        found |= {path.resolve(): path for path in some}
    if not found:
        raise ValueError("there is no .json file in these folders: copy progress files there.")
    return list(found.values())


def read_files(paths: Sequence[Path]) -> tuple[list[Kept], list[str]]:
    """(what the progress files among these hold, a sentence about each other one)."""
    kept, notes = [], []
    for path in paths:
        try:
            kept.append(parsed(path.read_bytes()))
        except (OSError, ValueError, RecursionError):
            notes.append(f"{path} is no progress file of this course, and is left out.")
    return kept, notes


def tallies(kept: Sequence[Kept]) -> list[Tally]:
    """Each exercise that somebody has begun, the one first that most of those have not solved.

    Of equal ones the one comes first that more people have begun, then the earlier one.
    """
    counts = []
    for name in (name for names in exercises_by_notebook().values() for name in names):
        results = [one.results.get(name) for one in kept]
        counts.append(Tally(name, results.count("correct"), results.count("tried")))
    begun = [tally for tally in counts if tally.begun]
    return sorted(begun, key=lambda tally: (-tally.tried / tally.begun, -tally.begun))


def report(places: Iterable[str | Path]) -> tuple[list[str], list[str]]:
    """(the lines of a table over these files, sentences about files that were left out).

    Raises ValueError where no progress file is among them.
    """
    kept, notes = read_files(files(places))
    if not kept:
        raise ValueError("none of these files is a progress file of this course.")
    lines = ["exercise  correct  tried, not yet correct  not begun"]
    for name, correct, tried in tallies(kept):
        untouched = len(kept) - correct - tried
        lines.append(f"{name:8}  {correct:7}  {tried:22}  {untouched:9}")
    return lines, notes
