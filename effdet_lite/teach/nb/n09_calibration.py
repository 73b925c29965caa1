"""Do scores mean what they say? For notebook 09: a reliability diagram before and after Platt
scaling.
"""

import numpy as np

from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import PALETTE, new_panels, styled

BINS = 10
LEAST = 0.05  # below it are most boxes, and hardly one is right


def logit(scores: np.ndarray) -> np.ndarray:
    """The number of which the sigmoid gives the score."""
    return np.log(scores / (1 - scores))


def sigmoid(numbers: np.ndarray) -> np.ndarray:
    """From any number to 0–1."""
    return 1 / (1 + np.exp(-numbers))


def reliability(scores: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, float]:
    """(mean score, share right, boxes) of each bin that holds a box, [bins, 3]; and the expected
    calibration error.
    """
    number = np.minimum((scores * BINS).astype(int), BINS - 1)
    rows = np.array(
        [
            (scores[number == n].mean(), right[number == n].mean(), (number == n).sum())
            for n in np.unique(number)
        ]
    )
    means, shares, counts = rows.T
    return rows, float((counts * np.abs(shares - means)).sum() / len(scores))


@styled
def show_reliability(before: np.ndarray, after: np.ndarray, right: np.ndarray) -> None:
    """The share of right boxes over their score, as given and rescaled."""
    figure, (axis,) = new_panels(5.4, 4.6, (0.14, 0.12, 0.82, 0.79))
    axis.plot([0, 1], [0, 1], color="black", linestyle=":", marker="", label="a probability")
    told = []
    ends = [reliability(scores, right)[1] for scores in (before, after)]
    kinds = (("as given", before, "vermillion", "s"), ("after Platt scaling", after, "blue", "o"))
    for name, scores, color, marker in kinds:
        rows, error = reliability(scores, right)
        look = {"color": PALETTE[color], "marker": marker, "markersize": 8}
        dashes = "--" if marker == "s" else "-"
        axis.plot(
            rows[:, 0], rows[:, 1], linestyle=dashes, label=f"{name}: ECE {error:.3f}", **look
        )
        told.append(f"{name} the expected calibration error is {error:.3f}")
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="mean score of the boxes in a bin")
    axis.set(ylabel="share of them that are right")
    axis.set_title(
        f"Two fitted numbers bring the error from {ends[0]:.3f} to {ends[1]:.3f}", fontsize=11
    )
    axis.legend(loc="upper left", fontsize=9)
    show(figure, f"Share right over score: {'; '.join(told)}.")
