"""The folder of slides and handouts: made whole, or not at all."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from effdet_lite.files import whole_folder
from effdet_lite.places import course_folder
from effdet_lite.teach.deck import reading
from effdet_lite.teach.deck.pages import RUNTIME, TEMPLATES

LOOKS = ("deck.css", "deck.js", "handout.css", "handout.js")


def make(
    output: Path, notebooks: Sequence[str] = (), tell: Callable[[str], object] = str
) -> list[str]:
    """Write a deck and a handout for each of these notebooks, by default all, into a new folder.

    output: a folder that is empty, or not there yet. tell: is told each notebook's name as it is
    begun. Returns the names of the notebooks. Raises ValueError for an unknown or broken notebook,
    WriteError for another output and where the disk refuses, and NoRuntime where reveal.js cannot
    be had.
    """
    from effdet_lite.teach.deck.runtime import runtime

    paths = chosen(notebooks)
    with whole_folder(output) as folder:
        _write(folder, paths, runtime(), tell)
    return [path.stem for path in paths]


def chosen(notebooks: Sequence[str]) -> list[Path]:
    """The notebooks with these numbers, in the course's order. Raises ValueError for another."""
    folder = course_folder() / "notebooks"
    found = {path.name[:2]: path for path in sorted(folder.glob("[0-9][0-9]_*.ipynb"))}
    if not found:
        raise ValueError(f"there is no notebook in {folder}.")
    wanted = {found_in(written): written for written in notebooks}
    for number, written in wanted.items():
        if number not in found:
            numbers = ", ".join(found)
            raise ValueError(f"there is no notebook {written!r}: their numbers are {numbers}.")
    return [path for number, path in found.items() if number in (wanted or found)]


def found_in(written: str) -> str:
    """The number of a notebook that is called 1, 01 or 01_convolution_cost.ipynb."""
    number = written.strip().partition("_")[0]
    return number.zfill(2) if number else written


def _write(made: Path, paths: Sequence[Path], program: dict[str, Path], tell: Callable) -> None:
    from effdet_lite.teach.deck.handout import handout
    from effdet_lite.teach.deck.pages import deck, index

    beside = made / RUNTIME
    beside.mkdir(parents=True)
    for name, path in program.items():
        shutil.copyfile(path, beside / name)
    for name in LOOKS:
        shutil.copyfile(TEMPLATES / name, beside / name)
    lessons = []
    for path in paths:
        tell(path.stem)
        lesson = reading.read(path)
        (made / f"{lesson.name}.slides.html").write_text(deck(lesson), encoding="utf-8")
        (made / f"{lesson.name}.handout.html").write_text(handout(lesson), encoding="utf-8")
        lessons.append(lesson)
    (made / "index.html").write_text(index(lessons), encoding="utf-8")
