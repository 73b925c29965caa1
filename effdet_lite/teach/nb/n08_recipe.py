"""Warm-up, moving average and augmentation, each taken out of a recipe: notebook 08's drawing of
the stored runs.
"""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from effdet_lite.experiments import recipe
from effdet_lite.experiments.run import stored_results
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import PALETTE, new_figure, styled

TOP = 0.36  # of every panel, so that a height means the same in all
APART = 0.07  # from one seed's dot to the next, so that equal values do not cover each other
QUESTIONS = {
    "warm-up": recipe.WARMUP,
    "average of the weights": recipe.AVERAGE,
    "augmentation": recipe.AUGMENTATION,
}
FOUND = {
    "warm-up": "Warm-up: it pays at four times the usual rate",
    "average of the weights": "The average of the weights: it changes next to nothing",
    "augmentation": "Augmentation: flips gain nothing in 300 steps, and pay in 900",
}


def runs_of(wanted) -> list[Mapping]:
    """The stored runs of a setting, one for each seed."""
    names = [name for name in vars(wanted) if name != "seed"]
    return [
        row
        for row in stored_results("recipe")["runs"]
        if all(row[name] == getattr(wanted, name) for name in names)
    ]


def in_words(question: str, run) -> str:
    """What a setting changes, for the axis."""
    if question == "warm-up":
        return f"{run.warmup} steps,\nrate {run.learning_rate:g}"
    if question == "average of the weights":
        return f"decay up to {run.decay:g}" if run.decay else "no average"
    name = run.augmentation.replace("zoom, ", "zoom,\n")
    return f"{name}\n{run.pictures:,} pictures,\n{run.steps} steps"


@styled
def show_recipe() -> None:
    """AP50 of the seeds of each setting, a panel for each question; then the numbers."""
    figure, axes = new_figure(3, 1, width=9.4, height=8.6)
    rows = []
    for axis, (question, settings) in zip(axes[:, 0], QUESTIONS.items(), strict=True):
        rows += _draw_question(axis, question, settings)
        axis.set_title(FOUND[question], loc="left")
    axes[0, 0].legend(handles=_key(), loc="upper left", ncols=3, fontsize=9)
    alt = "AP50 of three seeds for each setting. " + "; ".join(
        f"{question}, {setting}: {mean}" for question, setting, mean, *_ in rows
    )
    show(figure, alt)
    header = ["question", "setting", "mean AP50", "three seeds", "training loss at the end"]
    table(header, rows)


def _key() -> list[Line2D]:
    """What the signs mean."""
    looks = {
        "the usual recipe": {"marker": "s", "color": PALETTE["vermillion"], "linestyle": ""},
        "another": {"marker": "o", "color": PALETTE["blue"], "linestyle": ""},
        "mean of three seeds": {"marker": "", "color": "black", "linestyle": "-"},
    }
    return [Line2D([], [], label=name, **look) for name, look in looks.items()]


def _draw_question(axis: Axes, question: str, settings: Sequence) -> list[list[str]]:
    """Draw one panel; its rows of the table."""
    rows, names = [], []
    for place, run in enumerate(settings):
        own = runs_of(run)
        found = [row["ap50"] for row in own]
        mean = sum(found) / len(found)
        usual = run == recipe.USUAL
        color = PALETTE["vermillion"] if usual else PALETTE["blue"]
        across = [place + APART * (number - 1) for number in range(len(found))]
        axis.plot(across, found, "s" if usual else "o", color=color)
        axis.plot([place - 0.2, place + 0.2], [mean, mean], "-", marker="", color="black")
        words = in_words(question, run)
        names.append(words)
        losses = [row["losses"][-1] for row in own]
        rows.append(
            [
                question,
                words.replace(",\n", ", ").replace("\n", ", "),
                f"{mean:.2f}",
                f"{min(found):.2f} – {max(found):.2f}",
                f"{sum(losses) / len(losses):.2f}",
            ]
        )
    axis.set_xticks(range(len(settings)), names, fontsize=9)
    axis.set(ylim=(0, TOP), xlim=(-0.5, len(settings) - 0.5))
    axis.set(ylabel="AP50, test pictures")
    return rows
