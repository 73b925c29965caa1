"""The learner's own progress: which exercises are correct, and what was guessed, in one local file.

`check` and `guess` write to it, `done` and `effdet-lite progress` read it. It is never sent
anywhere. Nothing here fails for the state of the file: one that is broken, or of another kind, is
set aside, and where nothing can be written the answers last as long as the kernel does. Both are
told in a sentence.
"""

import ast
import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from effdet_lite.files import whole_file
from effdet_lite.places import course_folder, progress_file

FORMAT = "effdet_lite progress, version 1"
RESULTS = ("tried", "correct")  # the later one is kept
PATIENCE = 3  # seconds to wait for another notebook that is writing


@dataclass
class Kept:
    """What the file holds.

    results: "tried" or "correct" by exercise, "08.1". guesses: by name, "08.a", as JSON has them.
    note: what was wrong with the file, in a sentence; "" where nothing was.
    """

    results: dict[str, str] = field(default_factory=dict)
    guesses: dict[str, object] = field(default_factory=dict)
    note: str = ""

    def add(self, other: "Kept") -> None:
        """Take over what `other` knows: its guesses, and results that are not worse."""
        self.guesses |= other.guesses
        for name, result in other.results.items():
            self.results[name] = max(result, self.results.get(name, result), key=RESULTS.index)


class Done(NamedTuple):
    """What is done of one notebook: of `total` exercises `correct` are, and `tried` are begun."""

    correct: int
    total: int
    guesses: int
    tried: int


# What could not be written: it lasts as long as this kernel.
_UNWRITTEN = Kept()


def read() -> Kept:
    """Everything that is kept."""
    try:
        kept = _read_alone(_place())
    except OSError as error:
        kept = Kept(note=_unkept(error))
    kept.add(_UNWRITTEN)
    return kept


def keep_result(name: str, result: str) -> str:
    """Keep "tried" or "correct" for an exercise; one that was correct stays so.

    Returns a sentence for the learner where something was wrong with the file, and else "".
    """
    return _keep(Kept(results={name: result}))


def keep_guess(name: str, value: object) -> str:
    """Keep a guess, a value that JSON can hold, in place of an earlier one. Returns as
    `keep_result`.
    """
    return _keep(Kept(guesses={name: value}))


def clear() -> tuple[Kept, Path | None]:
    """Forget everything. Returns what was there, and where a copy of it lies: beside the file, in
    place of an earlier copy. Where nothing was kept no copy is made. Raises OSError where the
    folder refuses.
    """
    path = _place()
    copy = path.with_name(f"{path.stem}-before-clear{path.suffix}")
    kept = _read_alone(path)
    found = bool(kept.results or kept.guesses)
    if found:
        with _alone(path):
            os.replace(path, copy)
    _UNWRITTEN.results.clear()
    _UNWRITTEN.guesses.clear()
    return kept, copy if found else None


# --- what is done ---


def done(notebook: str | None = None) -> Done | dict[str, Done]:
    """What is done of notebook "08"; without one, of each, by its number.

    Raises ValueError for a notebook that the course does not have.
    """
    kept = read()
    exercises = exercises_by_notebook()
    if notebook is None:
        return {number: _done(kept, number, names) for number, names in exercises.items()}
    number = str(notebook).zfill(2)
    if number not in exercises:
        raise ValueError(
            f"there is no notebook {str(notebook)!r}: their numbers are {', '.join(exercises)}."
        )
    return _done(kept, number, exercises[number])


def paste_line(notebook: str) -> str:
    """The line with which a learner tells a class how far they are: "08: 3 of 5 ✓". Where nothing
    is correct yet there is no tick, which would look like "finished": "08: 0 of 5".
    """
    state = done(notebook)
    tick = " ✓" if state.correct else ""
    return f"{str(notebook).zfill(2)}: {state.correct} of {state.total}{tick}"


def report() -> list[str]:
    """What is done of each notebook and in all, as lines of a table."""
    every = done()
    states = {**every, "all": Done(*map(sum, zip(*every.values(), strict=True)))}
    lines = ["notebook  correct  tried  guesses"]
    for name, (correct, total, guesses, tried) in states.items():
        lines.append(f"{name:8}  {f'{correct} of {total}':>8}  {tried:4}  {guesses:6}")
    return lines


def exercises_by_notebook() -> dict[str, list[str]]:
    """The names of the exercises of each notebook, by its number, as notebooks/exercises/ has them.

    The files are read and not run, for to run them takes torch and seconds.
    """
    folder = course_folder() / "notebooks" / "exercises"
    return {path.stem: _exercises(path) for path in sorted(folder.glob("[0-9][0-9].py"))}


def _exercises(path: Path) -> list[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXERCISES":
            return [ast.literal_eval(key) for key in node.value.keys]
    return []


def _done(kept: Kept, number: str, names: list[str]) -> Done:
    results = [kept.results.get(name) for name in names]
    guesses = sum(name.partition(".")[0] == number for name in kept.guesses)
    return Done(results.count("correct"), len(names), guesses, results.count("tried"))


# --- the file ---


def _keep(new: Kept) -> str:
    try:
        path = _place()
        with _alone(path):
            kept = _read(path)
            kept.add(_UNWRITTEN)
            kept.add(new)
            _write(path, kept)
    except OSError as error:
        _UNWRITTEN.add(new)
        return _unkept(error)
    _UNWRITTEN.results.clear()
    _UNWRITTEN.guesses.clear()
    return kept.note


def _unkept(error: OSError) -> str:
    reason = f"{error.filename}: {error.strerror}" if error.strerror else str(error).rstrip(".")
    return f"Your answers are kept only until this notebook's kernel stops, since {reason}."


def _place() -> Path:
    """The file itself where a link leads to it, so that the link stays."""
    return Path(os.path.realpath(progress_file()))


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Inside the `with` block no other notebook reads or writes the file.

    Some file systems know no locks; and a lock that somebody holds for seconds is stuck. Then
    we go on without it: the file is written whole in any case.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=PATIENCE)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, NotImplementedError):  # a Timeout is an OSError too
            stack.enter_context(lock)
        yield


def _read_alone(path: Path) -> Kept:
    """As `_read`; where there is no file, none is waited for and no folder is made."""
    if not path.exists():
        return Kept()
    with _alone(path):
        return _read(path)


def _read(path: Path) -> Kept:
    """What the file holds; one that is not ours, or not whole, is set aside."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return Kept()
    try:
        return parsed(text)
    except (ValueError, RecursionError):
        aside = _free_name(path)
        os.replace(path, aside)
        return Kept(
            note=f"The file {path.name} could not be read as your progress, so it was set aside as "
            f"{aside}, and a new one begins."
        )


def parsed(text: bytes) -> Kept:
    """What the bytes of a progress file hold. Raises ValueError for anything that is not kept
    here.
    """
    found = json.loads(text.decode("utf-8-sig"))  # some editors put a mark before the text
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError("another kind of file")
    kept = Kept(found.get("results"), found.get("guesses"))
    if not isinstance(kept.results, dict) or not isinstance(kept.guesses, dict):
        raise ValueError("a part is missing")
    if not all(result in RESULTS for result in kept.results.values()):
        raise ValueError("a result that there is not")
    return kept


def _write(path: Path, kept: Kept) -> None:
    content = {
        "format": FORMAT,
        "results": dict(sorted(kept.results.items())),
        "guesses": dict(sorted(kept.guesses.items())),
    }
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _free_name(path: Path) -> Path:
    number = 1
    while True:
        aside = path.with_name(f"{path.stem}-set-aside-{number}{path.suffix}")
        if not aside.exists():
            return aside
        number += 1
