"""The score from which on boxes are believed, for notebook 09: chosen on validation pictures, for a
price.
"""

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n09_evaluation import Judged, judge_all
from effdet_lite.teach.nb.n09_results import found_in

SCORES = np.arange(1, 100) / 100  # thresholds that are tried
ASKED = 0.5


@functools.cache
def judged(split: str) -> Judged:
    """All boxes of the shapes detector in the pictures of "val" or "test", judged."""
    return judge_all(*found_in(split))


def rates(of: Judged, score: float) -> tuple[float, float]:
    """(precision, recall) of the boxes from this score on, all classes together; precision is nan
    without boxes.
    """
    kept = of.scores >= score
    hits = (of.right & kept).sum()
    return hits / kept.sum() if kept.any() else np.nan, hits / len(of.objects)


def f1(of: Judged, score: float) -> float:
    """Twice the product of precision and recall over their sum."""
    precision, recall = rates(of, score)
    return 2 * precision * recall / (precision + recall)


@styled
def rates_view(guesses: Mapping) -> View:
    """Precision and recall over the threshold, on the validation pictures. guesses: "09.c", the
    precision from ASKED on, in percent.
    """
    val = judged("val")
    every = np.array([rates(val, score) for score in SCORES])
    figure, (axis,) = new_panels(7.0, 3.7, (0.1, 0.15, 0.87, 0.72))
    lines = {"precision: boxes that are right": "-", "recall: objects that are found": "--"}
    for values, (words, dashes), color in zip(
        every.T, lines.items(), (PALETTE["blue"], PALETTE["vermillion"]), strict=True
    ):
        axis.plot(SCORES, 100 * values, dashes, color=color, marker="", label=words)
    axis.axvline(ASKED, color="black", linestyle=":", linewidth=1, marker="")
    axis.text(ASKED + 0.01, 3, f"threshold {ASKED}", fontsize=9)
    axis.set(
        xlim=(0, 1),
        ylim=(-2, 124),
        yticks=range(0, 101, 20),
        xlabel="threshold: the lowest score that you believe",
    )
    axis.set(ylabel="%", xticks=np.arange(0, 1.01, 0.1))
    axis.set_title("Precision and recall pull in opposite directions", fontsize=11)
    axis.legend(loc="upper center", ncols=2, fontsize=9)
    draw_guess(axis, guesses["09.c"], x=ASKED)
    numbers = {}
    for score in (0.1, ASKED, 0.7):
        precision, recall = rates(val, score)
        kept = int((val.scores >= score).sum())
        right, there = f"{100 * precision:.0f} %", f"{100 * recall:.0f} %"
        told = f"{right} of {kept:,} boxes are right, {there} of the objects are found"
        numbers[f"score ≥ {score}"] = told
    words = "; ".join(f"{name}: {told}" for name, told in numbers.items())
    return View(figure, f"On the validation pictures. {words}.", numbers)


def bill(of: Judged, score: float, missed: float, wrong: float) -> float:
    """What all errors cost together: an object without a right box `missed`, a box that is not
    right `wrong`.
    """
    kept = of.scores >= score
    hits = (of.right & kept).sum()
    return missed * (len(of.objects) - hits) + wrong * (kept.sum() - hits)


def cheapest(of: Judged, missed: float, wrong: float) -> float:
    """The threshold of SCORES with the smallest bill."""
    return float(SCORES[np.argmin([bill(of, score, missed, wrong) for score in SCORES])])


def show_bills(prices: Sequence[tuple[float, float]]) -> None:
    """A table: for each (price of an object not found, of a wrong box) the threshold that is
    cheapest on the validation pictures, and its bill on the test pictures; beside it the smallest
    one.
    """
    val, test, rows = judged("val"), judged("test"), []
    for missed, wrong in prices:
        chosen, peeked = cheapest(val, missed, wrong), cheapest(test, missed, wrong)
        bills = [f"{bill(test, score, missed, wrong):,.0f}" for score in (chosen, peeked)]
        rows.append([f"{missed:g} and {wrong:g}", f"{chosen:.2f}", bills[0], bills[1]])
    heads = ["price of an object not found, and of a wrong box", "cheapest on validation: score ≥"]
    heads += ["its bill on test", "smallest bill on test"]
    table(heads, rows)


def show_f1(scores: Sequence[float] = (0.1, 0.3, 0.4, 0.5, 0.6, 0.7)) -> None:
    """A table: precision, recall and F1 on the validation pictures by threshold."""
    val, rows = judged("val"), []
    for score in scores:
        precision, recall = rates(val, score)
        rows.append([f"{score:.1f}", f"{precision:.2f}", f"{recall:.2f}", f"{f1(val, score):.2f}"])
    table(["score at least", "precision", "recall", "F1"], rows)
