"""Counting cells in notebook 10: thresholds, errors of the count, and what they are made of."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from effdet_lite.teach.kit.boxes import image_grid
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import new_figure, styled
from effdet_lite.teach.nb.n10_flaws import PILED, Note, flaws_of
from effdet_lite.teach.nb.n10_scenes import short

THRESHOLDS = np.arange(0.1, 0.9, 0.01)
OTHER_RULE = 50  # photographs numbered below it were labeled by another rule
Found = tuple[Sequence[Mapping], Sequence[Mapping]]  # detections, targets


class Count(NamedTuple):
    """Objects of one class on each photograph of the test. least: the threshold; usual: the median
    of the validation photographs.
    """

    name: str
    least: float
    counted: np.ndarray
    annotated: np.ndarray
    usual: float

    @property
    def error(self) -> np.ndarray:
        """Counted minus annotated."""
        return self.counted - self.annotated


def tallied(detections: Sequence[Mapping], label: int, least: float) -> np.ndarray:
    """Boxes of a class with at least this score, on each photograph."""
    return np.array(
        [int(((one["labels"] == label) & (one["scores"] >= least)).sum()) for one in detections]
    )


def annotated(targets: Sequence[Mapping], label: int) -> np.ndarray:
    """Objects of a class on each photograph."""
    return np.array([int((one["labels"] == label).sum()) for one in targets])


def mean_errors(found: Found, label: int) -> np.ndarray:
    """The mean absolute error of the count at each of THRESHOLDS."""
    true = annotated(found[1], label)
    return np.array([np.abs(tallied(found[0], label, one) - true).mean() for one in THRESHOLDS])


def counts(found: Mapping[str, Found], classes: Sequence[str]) -> list[Count]:
    """Each class, counted on the test with the threshold that is best on validation; of equal ones
    the middle one. found: "val" and "test".
    """
    every = []
    for label, name in enumerate(classes):
        errors = mean_errors(found["val"], label)
        valley = np.flatnonzero(np.isclose(errors, errors.min()))
        least = float(THRESHOLDS[valley[len(valley) // 2]])
        detections, targets = found["test"]
        usual = float(np.median(annotated(found["val"][1], label)))
        every.append(
            Count(name, least, tallied(detections, label, least), annotated(targets, label), usual)
        )
    return every


def counts_table(every: Sequence[Count]) -> None:
    """How far off the counts are, beside an opponent that looks at no photograph."""
    rows = [
        [
            one.name,
            f"{one.least:.2f}",
            f"{one.annotated.mean():.1f}",
            f"{np.abs(one.error).mean():.2f}",
            f"{one.error.mean():+.2f}",
            f"{np.abs(one.usual - one.annotated).mean():.2f}",
        ]
        for one in every
    ]
    heads = ["", "score at least", "drawn a photograph", "mean absolute error", "bias"]
    table([*heads, "error of “always the median”"], rows)


@styled
def show_counts(every: Sequence[Count]) -> None:
    """Counted over annotated, a dot for each photograph."""
    figure, axes = new_figure(columns=3, width=9, height=3.3)
    jitter = np.random.default_rng(0)
    for axis, one in zip(axes[0], every, strict=True):
        moved = (
            some + jitter.uniform(-0.2, 0.2, len(some)) for some in (one.annotated, one.counted)
        )
        axis.plot(*moved, ".", markersize=6, linestyle="")
        most = max(one.counted.max(), one.annotated.max()) + 1
        axis.plot([0, most], [0, most], color="black", marker="", linewidth=1)
        step = 5 if most > 8 else 1
        ticks = range(0, int(most) + 1, step)
        axis.set(xticks=ticks, yticks=ticks, xlabel="drawn by people")
        axis.set_title(f"{one.name}: {np.abs(one.error).mean():.2f} off", fontsize=11)
    axes[0, 0].set_ylabel("counted by the detector")
    off = ", ".join(f"{one.name} {np.abs(one.error).mean():.2f}" for one in every)
    show(
        figure,
        "Counted over annotated, a dot for each test photograph, moved a little at random so that "
        f"dots do not cover each other. Mean absolute error: {off}.",
    )


def groups_table(red: Count, stems: Sequence[str], notes: Mapping[str, Note]) -> None:
    """The error of the count of red cells, by kind of photograph. stems: names of the test's."""
    piles = np.array([flaws_of(notes[name])[PILED] for name in stems]) > 0
    low = np.array([int(name[-5:]) < OTHER_RULE for name in stems])
    drawn = red.annotated > 0
    groups = {
        "all": drawn | True,
        "red labels missing": ~drawn,
        f"numbered below {OTHER_RULE}": low,
        f"from {OTHER_RULE} on, with red labels": ~low & drawn,
        f"from {OTHER_RULE} on, with overlapping boxes": ~low & piles,
    }
    rows = []
    for name, which in groups.items():
        some, constant = red.error[which], red.usual - red.annotated[which]
        rows.append(
            [
                name,
                int(which.sum()),
                f"{red.annotated[which].mean():.1f}",
                f"{np.abs(some).mean():.2f}",
                f"{some.mean():+.2f}",
                f"{np.abs(constant).mean():.2f}",
            ]
        )
    heads = ["test photographs", "number", "red cells drawn", "mean absolute error", "bias"]
    table([*heads, "the median's error"], rows)


def rule_table(notes: Mapping[str, Note], splits: Mapping[str, Sequence[str]]) -> None:
    """Red boxes a photograph, below and from OTHER_RULE on, in each split: what the test showed
    must be seen in the others, too. Photographs without a red box are left out.
    """
    rows = []
    for part, names in splits.items():
        groups: dict[bool, list[int]] = {True: [], False: []}
        for name in names:
            red = notes[name].names.count("RBC")
            if red:
                groups[int(name[-5:]) < OTHER_RULE].append(red)
        rows.append([part, *(f"{np.mean(groups[low]):.1f}" for low in (True, False))])
    table(["red boxes a photograph", f"numbered below {OTHER_RULE}", f"from {OTHER_RULE} on"], rows)


def show_worst(every: Sequence[Count], test_set: Dataset, found: Found, classes) -> None:
    """Four photographs: two with the most red cells too many, two with the most too few."""
    red = every[0]
    worst = [*np.argsort(-red.error)[:2], *np.argsort(red.error)[:2]]
    lowest = torch.tensor([one.least for one in every])
    shown = [
        {key: value[one["scores"] >= lowest[one["labels"]]] for key, value in one.items()}
        for one in (found[0][number] for number in worst)
    ]
    pictures = [test_set[int(number)][0] for number in worst]
    targets = [found[1][number] for number in worst]
    figure = image_grid(pictures, targets, classes, shown, columns=2, min_score=0)
    figure.set_size_inches(9, 9 * figure.get_figheight() / figure.get_figwidth())
    told = []
    for axis, number in zip(figure.axes, worst, strict=False):
        name = short(test_set.samples[int(number)].path.stem)
        told.append(f"{name}: RBC {red.error[number]:+d}")
        axis.set_title(told[-1], fontsize=10)
    show(figure, f"Where counts and annotations differ most. {'; '.join(told)}.", photo=True)
