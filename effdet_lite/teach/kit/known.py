"""What this kernel knows of the guesses: which were asked, what they are, and who watches them."""

from collections.abc import Callable

import traitlets
from IPython import get_ipython

from effdet_lite.teach.kit import progress
from effdet_lite.teach.kit.questions import Question

NO_GUESS = "no guess yet"


class Guess(traitlets.HasTraits):
    """What this kernel knows of one guess: its question, once it was asked, and its value, which
    may be watched.
    """

    value = traitlets.Any(None)

    def __init__(self):
        super().__init__()
        self.question: Question | None = None

    def take(self, kept: object) -> None:
        """Take over what the file has; a guess that does not fit the question is none."""
        if self.question is not None:
            kept = self.question.kept(kept) if self.question.fits(kept) else None
        elif isinstance(kept, list):
            kept = tuple(kept)
        if type(kept) is not type(self.value) or kept != self.value:
            self.value = kept

    def text(self) -> str:
        """The guess in words."""
        if self.value is None:
            return NO_GUESS
        return self.question.text(self.value) if self.question else str(self.value)


GUESSES: dict[str, Guess] = {}


def refresh(*names: str) -> str:
    """Take over what the progress file has of these guesses; returns its note, as `progress.read`
    has it.
    """
    kept = progress.read()
    for name in names:
        GUESSES.setdefault(name, Guess()).take(kept.guesses.get(name))
    return kept.note


# What watches a guess, by the cell that shows it: (the run of the cell, how to stop watching).
_WATCHING: dict[str, tuple[str, list[Callable[[], None]]]] = {}


def watch(state: Guess, call: Callable[[object], None]) -> None:
    """Call when the guess changes, until its cell is run again: what an earlier run showed is gone
    from the page, and would only be drawn for nothing.
    """
    state.observe(call, names="value")
    cell, run = _this_cell()
    if cell is None:
        return
    last_run, stops = _WATCHING.get(cell, (run, []))
    if last_run != run:
        for stop in stops:
            stop()
        stops = []
    stops.append(lambda: state.unobserve(call, names="value"))
    _WATCHING[cell] = (run, stops)


def _this_cell() -> tuple[str | None, str]:
    """The notebook's cell that runs now, and this run of it; None where nobody says so."""
    message = getattr(get_ipython(), "get_parent", dict)() or {}
    cell = message.get("metadata", {}).get("cellId")
    return cell, message.get("header", {}).get("msg_id", "")
