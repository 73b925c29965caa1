"""Guesses that are kept: `guess("03.a", "Depth × 2: how many times the MACs?", low=1, high=8)`.

The learner's guess stays in their own progress file (`progress`), is drawn in the figure that
answers the question (`with_guesses`, `draw_guess`), and stands beside the answer at the notebook's
end (`show_guesses`). Not to guess is legal: everything is shown without it, and that is how the
notebooks are stored.
"""

import html
from collections.abc import Callable, Mapping, Sequence

import ipywidgets
from matplotlib.axes import Axes

from effdet_lite.teach.kit import progress
from effdet_lite.teach.kit.answering import control_for
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.keys import own_keys
from effdet_lite.teach.kit.known import GUESSES, NO_GUESS, Guess, refresh, watch
from effdet_lite.teach.kit.page import table_html, text_table
from effdet_lite.teach.kit.plots import PALETTE
from effdet_lite.teach.kit.questions import (
    ANSWER_DIGITS,
    Choice,
    Number,
    Order,
    Point,
    Question,
    plain,
)
from effdet_lite.teach.kit.widgets import Explorer, View, put_on_page

__all__ = ["draw_guess", "guess", "guessed", "show_guesses", "with_guesses"]

EDGE = f"4px solid {PALETTE['blue']}"
ROW = ipywidgets.Layout(flex_flow="row wrap", align_items="flex-end")
CARD = f"border-left: {EDGE}; padding: 0.3em 0.8em; margin: 0.3em 0"


def guess(
    name: str,
    question: str,
    *,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
    options: Sequence | None = None,
    order: Sequence | None = None,
    point: Mapping[str, tuple[float, float]] | Axes | None = None,
) -> None:
    """Ask for a guess, and show the one that was made before.

    name: "03.a", by which it is kept. A number in `unit` from `low` to `high`; or one of `options`;
    or the things in `order`, which are shown in that order and put in another; or a `point`, with
    the ranges of x and y by their names, {"MACs (billions)": (0, 10), "AP (%)": (20, 60)}, or with
    matplotlib's axes on which it is placed.
    Raises ValueError for a question that cannot be asked.
    """
    asked = _question(name, question, (low, high, unit), options, order, point)
    state = GUESSES.setdefault(name, Guess())
    state.question = asked
    note = refresh(name)
    _Panel(state, note).show()


def guessed(name: str) -> object:
    """The guess of this name: a number, an option, a tuple for an order or a point; None where
    there is none.
    """
    refresh(name)
    return GUESSES[name].value


def with_guesses(view: Callable[..., View], *names: str, **controls: ipywidgets.Widget) -> None:
    """Show `view(guesses)`, which answers as an explorer's does; guesses: by name, None where there
    is none. As soon as one of these guesses changes it is drawn again, in its place.

    controls: as an Explorer has them; the view gets their values by name.
    """
    if not names or not all(isinstance(name, str) for name in names):
        raise ValueError('name the guesses that the figure shows: with_guesses(view, "03.a").')
    _GuessedExplorer(view, names, controls).show()


def show_guesses(answers: Mapping[str, object]) -> None:
    """A table for the end of a notebook: each question, the guess, the answer, and how far apart
    they are. It is drawn again when a guess changes.

    answers: by name; a number, an option, the things in their order, a point. For a question that
    asks for a number it may also be words, "2.0 to 2.1". Raises ValueError for an answer that could
    not have been guessed.
    """
    answers = {name: _checked(name, answer) for name, answer in answers.items()}
    refresh(*answers)

    def render() -> str:
        return table_html(*_rows(answers), numbers_right=False)

    def update(change: object) -> None:
        page.value = render()

    page = ipywidgets.HTML(render())

    for name in answers:
        watch(GUESSES[name], update)
    put_on_page(page, page.value, text_table(*_rows(answers)))


# --- what is asked ---


def _question(name, words, number, options, order, point) -> Question:
    low, high, unit = number
    kinds = [kind is not None for kind in (options, order, point)]
    if sum(kinds) > 1 or (any(kinds) and (low, high, unit) != (None, None, "")):
        raise ValueError(
            f"the guess {name} is a number (low, high, unit), or has options, or an order, or a "
            "point: one of these."
        )
    if options is not None:
        return Choice(name, words, options)
    if order is not None:
        return Order(name, words, order)
    if isinstance(point, Axes):
        return Point(name, words, plot=point)
    if point is not None:
        return Point(name, words, point)
    return Number(name, words, low, high, unit)


def _checked(name: str, answer: object) -> object:
    """The answer as plain Python."""
    answer = plain(answer)
    question = GUESSES[name].question if name in GUESSES else None
    in_words = isinstance(question, Number) and isinstance(answer, str)
    if question is None or in_words:
        return answer
    if not question.fits(answer):
        raise ValueError(
            f"the answer to {name}, {answer!r}, is none that could be guessed: {question.asks()}."
        )
    return question.kept(answer)


def _rows(answers: Mapping[str, object]) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of the closing table."""
    rows = []
    for name, answer in answers.items():
        state = GUESSES[name]
        question = state.question
        if question is None:
            rows.append([name, state.text(), str(answer), ""])
            continue
        apart = "" if state.value is None else question.distance(state.value, answer)
        told = question.text(answer, ANSWER_DIGITS)
        rows.append([question.words, state.text(), told, apart])
    return ["question", "your guess", "the answer", "your guess is"], rows


# --- what is shown ---


class _Panel:
    """A question with its control, a button that locks the guess in, and what is locked in."""

    def __init__(self, state: Guess, note: str):
        self.state, self.question = state, state.question
        self.control = control_for(self.question, self.lock)
        self.status = ipywidgets.HTML()
        button = ipywidgets.Button(
            description="Lock in my guess", layout=ipywidgets.Layout(width="auto")
        )
        button.on_click(lambda button: self.lock())
        words = (
            f"<b>Your guess first</b> ({self.question.name}): {html.escape(self.question.words)}"
        )
        row = ipywidgets.HBox([self.control.box, button], layout=ROW)
        self.box = ipywidgets.VBox(
            [ipywidgets.HTML(words), row, self.status, own_keys()],
            layout=ipywidgets.Layout(border_left=EDGE, padding="0.3em 0.8em", margin="0.3em 0"),
        )
        self._changed(note)
        watch(state, lambda change: self._changed())

    def lock(self) -> None:
        """Keep what the control says."""
        # An exception in a callback would vanish into JupyterLab's log.
        try:
            value = self.control.read()
            note = progress.keep_guess(self.question.name, value)
            self.state.take(value)
            self._say(note)
        except ValueError as error:
            kept = self.state.value is not None
            stays = f" Your guess stays {self.state.text()}." if kept else ""
            self.status.value = html.escape(f"{error}{stays}")
        except Exception as error:
            self.status.value = f"<pre>{html.escape(f'{type(error).__name__}: {error}')}</pre>"

    def show(self) -> None:
        """Put it on the page: alive with a kernel, and in words without."""
        asks, told = self.question.asks(), self.state.text()
        still = (
            f'<div style="{CARD}"><b>Your guess first</b> ({self.question.name}): '
            f"{html.escape(self.question.words)}<br>{html.escape(asks)}<br>"
            f"<em>{html.escape(told)}</em>{self.control.still()}</div>"
        )
        put_on_page(
            self.box,
            still,
            f"guess {self.question.name}: {self.question.words} ({asks}): {told}",
        )

    def _changed(self, note: str = "") -> None:
        if self.state.value is not None:
            self.control.set(self.state.value)
        self._say(note)

    def _say(self, note: str) -> None:
        told = NO_GUESS if self.state.value is None else f"✓ Your guess: {self.state.text()}"
        self.status.value = html.escape(told) + (f"<br>{html.escape(note)}" if note else "")


class _GuessedExplorer(Explorer):
    """An explorer that is also moved by guesses."""

    def __init__(self, view, names: Sequence[str], controls: Mapping[str, ipywidgets.Widget]):
        self.names = names
        refresh(*names)
        super().__init__(lambda **values: view(self.guesses(), **values), **controls)
        for name in names:
            watch(GUESSES[name], self._update)

    def guesses(self) -> dict[str, object]:
        """The guesses as they are now, by name."""
        return {name: GUESSES[name].value for name in self.names}

    def show(self) -> None:
        """Put it on the page, as an explorer."""
        settings = [f"{one.description} = {one.value}" for one in self.controls.values()]
        settings += [f"guess {name}: {GUESSES[name].text()}" for name in self.names]
        put_on_page(self.box, self.page.value, f"figure with {', '.join(settings)}")
