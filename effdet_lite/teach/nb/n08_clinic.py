"""The clinic of notebook 08: six sick trainings, in an order that a seed draws, tests to order, and
a bill.
"""

import random
from typing import NamedTuple

from matplotlib.figure import Figure

from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import new_figure, styled
from effdet_lite.teach.kit.widgets import Explorer, View, choice
from effdet_lite.teach.nb.n08_examined import (
    batches,
    chart,
    draw_losses,
    found,
    graded,
    gradients,
    parts,
    statistics,
    weights,
)
from effdet_lite.teach.nb.n08_sick import FAULTS, Patient, trained_with

LETTERS = "ABCDEF"
FREE = "the chart: its loss"
PRICES = {
    FREE: 0,
    "class loss and box loss": 1,
    "length of the gradient": 1,
    "AP50 on its own pictures": 1,
    "how far the weights moved": 1,
    "how far the running statistics moved": 1,
    "two batches, as they were trained on": 2,
    "the boxes that it finds": 2,
}


class Told(NamedTuple):
    """A learner's diagnosis of the clinic of this seed."""

    seed: int
    answer: object


def admitted(seed: int) -> dict[str, str]:
    """The fault of each letter; every seed draws six of all faults, in another order."""
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"a seed is a whole number of at least 0, not {seed!r}.")
    return dict(zip(LETTERS, random.Random(seed).sample(list(FAULTS), len(LETTERS)), strict=True))


class Clinic:
    """Six sick trainings, A to F. Their charts are free; other tests cost points, each once.

    Raises ValueError for a seed that is not a whole number.
    """

    def __init__(self, seed: int = 0):
        self.seed, self._faults = seed, admitted(seed)
        self.ordered: set[tuple[str, str]] = set()
        self._results: dict[tuple[str, str], View] = {}

    def patient(self, letter: str) -> Patient:
        """The training of this letter; "sound" for one without a fault."""
        return trained_with(self._faults.get(letter, ""), self.seed)

    def told(self, answer: object) -> Told | None:
        """The diagnosis with the clinic that it is for; None where there is none yet."""
        return None if answer is None else Told(self.seed, answer)

    def bill(self) -> int:
        """What the ordered tests cost so far."""
        return sum(PRICES[test] for _, test in self.ordered)

    def show_faults(self) -> None:
        """A table of the ten faults, of which six are here."""
        table(
            ["name", "the fault"],
            [[f'"{name}"', one.meaning] for name, one in FAULTS.items()],
        )

    def show_charts(self) -> None:
        """The loss of each patient beside that of a sound training."""
        show(charts_figure(self), f"Losses of six sick trainings. {self._in_words()}.")

    def open(self) -> None:
        """The tests, to be ordered: for one patient at a time."""
        Explorer(
            self.view,
            letter=choice("patient", list(LETTERS)),
            test=choice("test", {_priced(test): test for test in PRICES}),
        ).show()

    def view(self, letter: str, test: str) -> View:
        """What this test says of this patient; it goes onto the bill when it is first asked for."""
        self.ordered.add((letter, test))
        if (letter, test) not in self._results:
            self._results[letter, test] = RESULTS[test](
                self.patient(letter), self.patient("sound"), letter
            )
        result = self._results[letter, test]
        bill = {"your bill so far": f"{self.bill()} points"}
        return View(result.figure, result.words, {**result.numbers, **bill})

    def reveal(self, really: bool = False) -> None:
        """The diagnoses, if they are really wanted."""
        if not really:
            print("The diagnoses stay hidden. With really=True this cell shows them.")
            return
        rows = [[letter, name, FAULTS[name].meaning] for letter, name in self._faults.items()]
        table(["patient", "fault", "in words"], rows)

    def _in_words(self) -> str:
        first_last = {
            letter: (
                self.patient(letter).losses[0][0],
                self.patient(letter).losses[-1][0],
            )
            for letter in ("sound", *LETTERS)
        }
        return "; ".join(f"{name}: {a:.2f}, then {b:.2f}" for name, (a, b) in first_last.items())


def _priced(test: str) -> str:
    points = PRICES[test]
    return f"{test} (free)" if not points else f"{test} ({points} point{'s' * (points > 1)})"


# --- the charts ---


@styled
def charts_figure(clinic: Clinic) -> Figure:
    """Six small plots, each with the sound training's loss as a thin line."""
    figure, axes = new_figure(2, 3, width=9.6, height=4.6)
    for axis, letter in zip(axes.flat, LETTERS, strict=True):
        draw_losses(axis, clinic.patient(letter), clinic.patient("sound"))
        axis.set_title(f"patient {letter}", loc="left", fontsize=11)
    for axis in axes[:, 0]:
        axis.set_ylabel("loss (log axis)")
    for axis in axes[1]:
        axis.set_xlabel("training step")
    axes[0, 0].legend(loc="lower left", fontsize=9)
    return figure


RESULTS = dict(
    zip(
        PRICES,
        (chart, parts, gradients, graded, weights, statistics, batches, found),
        strict=True,
    )
)
