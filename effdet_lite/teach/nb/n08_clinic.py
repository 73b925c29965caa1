"""The clinic of notebook 08: six sick trainings, in an order that a seed draws, tests to order, and
a bill.
"""

import random
from collections.abc import Callable
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


class Offer(NamedTuple):
    """A test that can be ordered: what it costs, and what shows it, from the patient, a sound
    training, and the patient's letter.
    """

    points: int
    result: Callable[[Patient, Patient, str], View]


TESTS = {
    "the chart: its loss": Offer(0, chart),
    "class loss and box loss": Offer(1, parts),
    "length of the gradient": Offer(1, gradients),
    "AP50 on its pictures": Offer(1, graded),
    "how far weights moved": Offer(1, weights),
    "running statistics": Offer(1, statistics),
    "two of its batches": Offer(2, batches),
    "boxes that it finds": Offer(2, found),
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
        return sum(TESTS[test].points for _, test in self.ordered)

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
            test=choice("test", {_priced(test): test for test in TESTS}),
        ).show()

    def view(self, letter: str, test: str) -> View:
        """What this test says of this patient; it goes onto the bill when it is first asked for."""
        self.ordered.add((letter, test))
        if (letter, test) not in self._results:
            self._results[letter, test] = TESTS[test].result(
                self.patient(letter), self.patient("sound"), letter
            )
        result = self._results[letter, test]
        bill = {"your bill so far": _points(self.bill())}
        return View(result.figure, result.words, {**result.numbers, **bill})

    def reveal(self, really: bool = False) -> None:
        """The diagnoses, if they are really wanted."""
        if not really:
            print("The diagnoses stay hidden. With really=True this cell shows them.")
            return
        rows = [[letter, name, FAULTS[name].meaning] for letter, name in self._faults.items()]
        table(["patient", "fault", "in words"], rows)

    def _in_words(self) -> str:
        told = []
        for letter in ("sound", *LETTERS):
            losses = self.patient(letter).losses
            told.append(f"{letter}: {losses[0][0]:.2f}, then {losses[-1][0]:.2f}")
        return "; ".join(told)


def _priced(test: str) -> str:
    points = TESTS[test].points
    return f"{test} ({_points(points) if points else 'free'})"


def _points(number: int) -> str:
    return "1 point" if number == 1 else f"{number} points"


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
    lines = axes[0, 0].get_lines()
    figure.legend(handles=lines, loc="outside upper right", ncols=2, fontsize=9, frameon=False)
    return figure
