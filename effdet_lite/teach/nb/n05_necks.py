"""All necks of the experiment on its three tasks, for notebook 05, as one map."""

from collections.abc import Mapping, Sequence

from effdet_lite.experiments import necks, way_up
from effdet_lite.experiments.comparing import sign_flip_p, spread
from effdet_lite.teach.kit.page import folded_table, table
from effdet_lite.teach.kit.plots import new_panels, styled
from effdet_lite.teach.kit.widgets import View

Rows = Sequence[Mapping]
TASKS = {"top-down": "dots\nAP50", "bottom-up": "discs\nAP50", "shapes": "shapes\nAP"}
MOST = {"top-down": 1.0, "bottom-up": 1.0, "shapes": 0.2}  # of the colors
# arXiv 1911.09070v7, table 5: COCO AP (%), parameters and MACs over those of the first row.
PAPER = {
    "repeated top-down FPN": (42.29, 1.0, 1.0),
    "repeated FPN + PANet": (44.08, 1.0, 1.0),
    "BiFPN, no weights": (43.94, 0.88, 0.67),
    "BiFPN, weighted": (44.39, 0.88, 0.68),
}
ALL = {"no fusion": ("no fusion", "sum", 1)} | {
    f"{name}, {cells} cell{'s' if cells > 1 else ''}": (*neck, cells)
    for name, neck in necks.NECKS.items()
    for cells in necks.REPEATS
}


def seeds_of(rows: Rows, task: str, neck: tuple[str, str, int]) -> list[float]:
    """AP50 of what is asked for, one a seed, of a neck with 32 channels; on shapes AP.

    neck: (graph, weighting, cells).
    """
    figure = "ap" if task == "shapes" else "asked"
    wanted = dict(zip(("graph", "weighting", "repeats"), neck, strict=True))
    wanted |= {"task": task, "channels": necks.CHANNELS}
    return [row[figure] for row in rows if all(row[key] == one for key, one in wanted.items())]


@styled
def map_view(rows: Rows) -> View:
    """Necks down, tasks across: the mean as a shade, and as a number with the count of the seeds
    that learned what is asked for.
    """
    figure, (axis,) = new_panels(5.6, 6.6, (0.33, 0.02, 0.63, 0.84))
    told = {}
    for row, (name, neck) in enumerate(ALL.items()):
        for column, task in enumerate(TASKS):
            values = seeds_of(rows, task, neck)
            mean = spread(values).mean
            shade = min(1.0, mean / MOST[task])
            blue = (1 - 0.7 * shade, 1 - 0.38 * shade, 1)
            axis.barh(row, 0.96, 0.92, left=column - 0.48, color=blue)
            solved = sum(way_up.solved({"asked": value}) for value in values)
            words = (
                f"{mean:.3f}" if task == "shapes" else f"{mean:.3f}  ({solved} of {len(values)})"
            )
            axis.text(column, row, words, ha="center", va="center", fontsize=10)
            told[f"{name} › {TASKS[task].replace(chr(10), ', ')}"] = str(spread(values))
    axis.set(xlim=(-0.5, 2.5), ylim=(len(ALL) - 0.5, -0.5))
    axis.set(xticks=range(len(TASKS)), xticklabels=list(TASKS.values()))
    axis.set(yticks=range(len(ALL)), yticklabels=list(ALL))
    axis.tick_params(length=0, labelsize=10, top=True, labeltop=True, bottom=False)
    axis.tick_params(labelbottom=False)
    axis.grid(False)
    for side in axis.spines.values():
        side.set_visible(False)
    figure.suptitle("With one cell, only BiFPN names dots and discs every time", fontsize=11)
    words = "; ".join(f"{name} {value}" for name, value in told.items())
    return View(figure, f"Each neck on each task, mean (lowest – highest). {words}.", {})


def spread_table(rows: Rows) -> None:
    """The same numbers with their spread, to unfold."""
    lines = [
        [name, *(str(spread(seeds_of(rows, task, neck))) for task in TASKS)]
        for name, neck in ALL.items()
    ]
    heads = [words.replace("\n", ", ") for words in TASKS.values()]
    folded_table("All means, with the lowest and the highest seed", ["neck", *heads], lines)


def weights_gain(rows: Rows) -> dict[str, tuple[float, float]]:
    """For each task, by what it asks for: the mean gain of fast weights over the plain sum in
    BiFPN, over cells, widths and seeds; and the two-sided p-value.
    """
    found = {}
    for task, words in TASKS.items():
        figure = "ap" if task == "shapes" else "asked"
        arms = {}
        for row in rows:
            if (row["task"], row["graph"]) == (task, "BiFPN"):
                key = row["repeats"], row["channels"], row["seed"]
                arms.setdefault(row["weighting"], {})[key] = row[figure]
        shared = sorted(set(arms["fast"]) & set(arms["sum"]))
        gains = [arms["fast"][key] - arms["sum"][key] for key in shared]
        asked = words.partition("\n")[0]
        found[asked] = spread(gains).mean, sign_flip_p(gains, "two-sided")
    return found


def paper_table() -> None:
    """A line for each neck of the paper's table 5, with its distance in AP to weighted BiFPN."""
    best = PAPER["BiFPN, weighted"][0]
    rows = [
        [name, f"{ap:.2f}", f"{ap - best:+.2f}", f"{params:.2f}", f"{macs:.2f}"]
        for name, (ap, params, macs) in PAPER.items()
    ]
    head = "the paper's table 5"
    table([head, "COCO AP (%)", "to weighted BiFPN", "parameters, ratio", "MACs, ratio"], rows)
