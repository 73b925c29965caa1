"""The exercises of notebook 10: right answers, the wrong ones that people give, and the hint for each."""

from effdet_lite.anchors import ANCHORS_PER_POSITION
from effdet_lite.teach.kit.checks import Exercise

import numpy as np

LABELED, UNLABELED = 800, 50

CHANNELS, CLASSES = 56, 5
DEPTHWISE = 9 * CHANNELS
OUTPUTS = CLASSES * ANCHORS_PER_POSITION
FRESH = DEPTHWISE + CHANNELS * OUTPUTS + OUTPUTS

COUNTED, ANNOTATED = np.array([12, 9, 15, 8, 10]), np.array([10, 11, 15, 12, 10])
ERROR = COUNTED - ANNOTATED
MEAN_ABSOLUTE, BIAS = float(np.abs(ERROR).mean()), float(ERROR.mean())


def last_of_the_best(scores, counts, thresholds):
    """Takes the last of equal ones in the list, which is the highest only in a sorted one."""
    errors = {}
    for least in thresholds:
        found = [sum(one >= least for one in some) for some in scores]
        errors[least] = float(np.abs(np.array(found) - np.array(counts)).mean())
    return [least for least in thresholds if errors[least] == min(errors.values())][-1]


def chosen(strict=False, first=False, error=lambda difference: np.abs(difference).mean(), answer=True):
    """A way to choose a threshold; strict: above it only; first: of equal ones the lowest."""

    def threshold(scores, counts, thresholds):
        errors = {}
        for least in sorted(thresholds, reverse=not first):
            found = [sum(one > least if strict else one >= least for one in some) for some in scores]
            errors[least] = round(float(error(np.array(found) - np.array(counts))), 9)
        best = min(errors, key=errors.get)
        return best if answer else errors[best]

    return threshold


PHOTOGRAPHS = [[0.9, 0.8, 0.4, 0.3], [0.9, 0.5, 0.4], [0.8, 0.7, 0.6, 0.5, 0.2], []]

# Boxes that the shapes detector finds in the drawing, at these lowest scores; the drawing has five
# shapes.
AT_030, AT_060, AT_005 = 7, 5, 18
SQUARES = 4, 3

EXERCISES = {
    "10.1": Exercise(
        LABELED / (LABELED + UNLABELED),
        [
            (1.0, "it is perfect, but its judge is not: a box without a label beside it counts as wrong."),
            (UNLABELED / LABELED, "that compares the two kinds; precision is right boxes over all boxes."),
            (UNLABELED / (LABELED + UNLABELED), "that is the share of wrong boxes."),
            ((LABELED - UNLABELED) / LABELED, "no label is lost: 800 boxes are right, of 850 that it gives."),
            ((LABELED + UNLABELED) / LABELED, "a share is not above 1: right boxes over all boxes."),
        ],
        "precision: boxes that are right by the labels, over all boxes that it gives.",
        tolerance=2e-3,
    ),
    "10.2": Exercise(
        FRESH,
        [
            (FRESH - OUTPUTS, "the pointwise convolution has a bias for each of its outputs."),
            (FRESH - DEPTHWISE, "the depthwise convolution is part of this layer, and fresh too: 9 numbers a channel."),
            (FRESH - DEPTHWISE - OUTPUTS, "besides, there is the depthwise convolution, and a bias for each output."),
            (DEPTHWISE + CHANNELS * CLASSES + CLASSES, "each position has nine anchors, and each has its own scores."),
            (DEPTHWISE + CHANNELS * 36 + 36, "that is for the four classes of shapes; yours are five."),
            (9 * CHANNELS * OUTPUTS + OUTPUTS, "that would be one dense 3 × 3 convolution; this one is separable."),
            (FRESH + CHANNELS, "the depthwise convolution has no bias."),
        ],
        "56 · 3 · 3 for the depthwise one; for the pointwise one 56 · outputs, and a bias for each; outputs: 5 · 9.",
    ),
    "10.3": Exercise(
        [MEAN_ABSOLUTE, BIAS],
        [
            ([MEAN_ABSOLUTE, -BIAS], "bias is counted minus annotated; here too few are counted."),
            ([MEAN_ABSOLUTE, MEAN_ABSOLUTE], "for the bias the signs stay: too many and too few cancel."),
            ([abs(BIAS), BIAS], "for the mean absolute error the signs go first, then the mean."),
            ([float(np.sqrt((ERROR**2).mean())), BIAS], "that is the root of the mean square, not asked for."),
            ([float(np.abs(ERROR).sum()), float(ERROR.sum())], "those are sums; divide by the number of photographs."),
            ([BIAS, MEAN_ABSOLUTE], "the other way round: first the mean absolute error, then the bias."),
        ],
        "the errors are +2, −2, 0, −4, 0: the mean of their sizes, and the mean of themselves.",
    ),
    "10.4": Exercise(
        chosen(),
        [
            (
                chosen(error=lambda difference: abs(difference.mean())),
                "that is the least bias: too many here and too few there cancel. Take sizes before the mean.",
            ),
            (
                chosen(error=lambda difference: difference.mean()),
                "the smallest mean with signs is that of the highest threshold, which counts least.",
            ),
            (chosen(strict=True), "a box whose score equals the threshold counts: at least, not above."),
            (chosen(first=True), "of equal ones the highest is asked for."),
            (last_of_the_best, "of equal ones the highest, wherever it stands in the list."),
            (chosen(answer=False), "that is the error; return the threshold."),
        ],
        "count the scores from each threshold on, photograph by photograph; the least mean of |count − annotated|.",
        cases=[
            (PHOTOGRAPHS, [2, 1, 4, 0], [0.1, 0.3, 0.45, 0.5, 0.75]),
            (PHOTOGRAPHS, [4, 1, 3, 0], [0.1, 0.35, 0.55, 0.85, 0.95]),
            # At 0.4 one too many and one too few cancel; at 0.6 one is missing, and the sizes say it is better.
            ([[0.9, 0.5], [0.8]], [1, 2], [0.4, 0.6]),
            # The score 0.5 counts at the threshold 0.5.
            ([[0.6, 0.5], [0.5]], [2, 1], [0.4, 0.5]),
            ([[0.9, 0.2], [0.8]], [1, 1], [0.3, 0.5, 0.7]),
            # All four are as good; the highest stands neither first nor last.
            ([[0.9, 0.2], [0.8]], [1, 1], [0.5, 0.7, 0.3, 0.6]),
        ],
    ),
    "10.5": Exercise(
        [AT_030, AT_060],
        [
            ([AT_060, AT_060], "five shapes are drawn, but at 0.30 the page draws more boxes than that."),
            ([AT_060, AT_030], "the other way round: first at 0.30, then at 0.60."),
            ([AT_030, AT_030], "that is twice the number at 0.30: move the lowest score to 0.60."),
            ([AT_030, AT_030 - AT_060], "so many went away; how many stay?"),
            ([AT_005, AT_060], "18 boxes are there at 0.05, where the control ends; put it at 0.30."),
            ([AT_005, AT_030], "you moved the lowest score to 0.05 and 0.30; 0.30 and 0.60 are asked for."),
            ([*SQUARES], "those are the squares alone; the last line of the table has all classes."),
        ],
        "read the last line of “Count by class” with the lowest score at 0.30, and again at 0.60.",
    ),
}
