"""From the runs of `same_budget` to a section of RESULTS.md and a figure."""

from collections.abc import Sequence
from statistics import mean

from matplotlib.figure import Figure

from effdet_lite.console import counted
from effdet_lite.teach.kit.plots import line_look, new_figure, styled

HEADING = "## The same minutes, against what people would use"
OURS = "effdet_lite"
TITLES = {
    "effdet_lite": "this package",
    "yolo26n": "YOLO26n",
    "yolox_nano": "YOLOX-nano",
    "ssdlite": "SSDLite320",
}
TRACKS = {"as it comes": "As it comes", "tuned": "Tuned"}
UNSEEN, WHOLE = "test-unseen", "test"

INTRODUCTION = """Made by `python benchmarks/same_budget.py`: {machine}.

Each contestant learns to find blood cells (BCCD) from scratch, with two threads and in the same \
time, with {seeds}; the contestants take turns. One judge scores all: COCO's AP by \
faster-coco-eval, scores from .001 on, 100 boxes a picture, and each package's own suppression. AP \
and AP50 are the mean and, in brackets, the range of the seeds. "Unseen" are the 63 test \
photographs whose scene is in no training photograph, "all" are the 72 of the published list.

- *As it comes*: the documented defaults. Only picture size, batch and time were changed.
- *Tuned*: each contestant had {trials} of {search_seconds:g} s on the training list, scored \
on the validation list, with settings written down before the first run. The best one was then \
trained on both lists.
- Seconds are of training alone: imports, reading the data and the test are left out, and nobody \
validates while it trains. Packages without a limit of time get as many steps or epochs as a timed \
start promises.
- Milliseconds are from a picture's file to its boxes, one picture at a time.
- The blood cells are this course's own example. The settings from which this package's search \
began come from earlier work on them, and the others' from their makers' work on other data. Part \
of a lead in the tuned track is that."""


def section(rows: Sequence[dict]) -> str:
    """The section of RESULTS.md: Markdown that begins with HEADING.

    rows: of `same_budget`; of each contestant the version that ran last counts.
    """
    rows = latest(rows)
    final = [row for row in rows if row["purpose"] == "final"]
    search = [row for row in rows if row["purpose"] == "search"]
    introduction = INTRODUCTION.format(
        machine=f"{rows[-1]['machine']}; {rows[-1]['date']}",
        seeds=counted(len({row["seed"] for row in final}), "seed"),
        trials=counted(max(map(len, _by_contestant(search).values()), default=0), "run"),
        search_seconds=search[0]["seconds"] if search else 0,
    )
    parts = [HEADING, introduction, f"![{in_words(final)}](../assets/same_budget.png)"]
    for track, title in TRACKS.items():
        for seconds in sorted({row["seconds"] for row in final if row["track"] == track}):
            group = [row for row in final if (row["track"], row["seconds"]) == (track, seconds)]
            parts += [f"### {title}, {seconds:g} s", verdict(group), table(group)]
    parts.append(contestants_table(final))
    if search:
        parts += ["### The search", search_table(search)]
    return "\n\n".join(parts) + "\n"


def in_words(rows: Sequence[dict]) -> str:
    """What the figure shows: the mean AP50 on the unseen photographs at each of its points."""
    sentences = []
    for track, title in TRACKS.items():
        for seconds in sorted({row["seconds"] for row in rows if row["track"] == track}):
            group = [row for row in rows if (row["track"], row["seconds"]) == (track, seconds)]
            means = [
                f"{TITLES[name]} {_short(mean(row['scores'][UNSEEN]['ap50'] for row in some))}"
                for name, some in _by_contestant(group).items()
            ]
            sentences.append(f"{title}, {seconds:g} s: {', '.join(means)}.")
    return f"Mean AP50 on the unseen photographs. {' '.join(sentences)}"


def latest(rows: Sequence[dict]) -> list[dict]:
    """Of each contestant, the rows of the version that stands last."""
    last = {row["contestant"]: row["version"] for row in rows}
    return [row for row in rows if row["version"] == last[row["contestant"]]]


def spread(values: Sequence[float]) -> str:
    """The mean and the range, as ".878 (.871–.885)"."""
    low, high = _short(min(values)), _short(max(values))
    return f"{_short(mean(values))} ({low}–{high})"


def table_head(names: Sequence[str]) -> list[str]:
    """The first two lines of a Markdown table."""
    return [f"| {' | '.join(names)} |", "| --- " * len(names) + "|"]


def table(rows: Sequence[dict]) -> str:
    """One line a contestant, the highest mean AP on the unseen photographs first."""
    names = ["contestant", "AP50, unseen", "AP, unseen", "AP50, all", "AP, all"]
    lines = table_head([*names, "seeds", "seconds", "steps"])
    groups = _by_contestant(rows)
    for name in sorted(groups, key=lambda name: -_mean_ap(groups[name])):
        group = groups[name]
        figures = [
            spread([row["scores"][part][figure] for row in group])
            for part in (UNSEEN, WHOLE)
            for figure in ("ap50", "ap")
        ]
        seconds = [row["train_seconds"] for row in group]
        used = f"{min(seconds):.0f}–{max(seconds):.0f}"
        cells = [TITLES[name], *figures, str(len(group)), used, group[0]["steps"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def verdict(rows: Sequence[dict]) -> str:
    """Whom this package beats and who beats it, by AP on the unseen photographs: a win or a loss
    is one of every seed over every seed of the other.
    """
    groups = _by_contestant(rows)
    if OURS not in groups:
        return "This package was not run here."
    ours = _unseen_ap(groups.pop(OURS))
    kinds = {"ahead of": [], "behind": [], "not apart from": []}
    for name, group in groups.items():
        theirs = _unseen_ap(group)
        if min(ours) > max(theirs):
            kinds["ahead of"].append(TITLES[name])
        elif max(ours) < min(theirs):
            kinds["behind"].append(TITLES[name])
        else:
            kinds["not apart from"].append(TITLES[name])
    told = [f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names]
    return f"By AP on the unseen photographs, this package is {'; '.join(told) or 'alone'}."


def contestants_table(rows: Sequence[dict]) -> str:
    """What each contestant is: parameters, speed, lines that a user writes, license."""
    names = ["contestant", "package", "license", "parameters", "ms a picture"]
    lines = ["### The contestants", "", *table_head([*names, "lines a user writes"])]
    for name, group in _by_contestant(rows).items():
        as_it_comes = [row for row in group if row["track"] == "as it comes"] or group
        tuned = [row for row in group if row["track"] == "tuned"]
        parameters, speeds = [], []
        for part in filter(None, (as_it_comes, tuned)):
            parameters.append(f"{part[0]['parameters']:,}")
            speeds.append(f"{min(row['ms'] for row in part):.0f}")
        cells = [
            TITLES[name],
            f"{group[0]['package']} {group[0]['version']}",
            group[0]["license"],
            ", tuned ".join(dict.fromkeys(parameters)),
            ", tuned ".join(dict.fromkeys(speeds)),
            str(group[0]["lines"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def search_table(rows: Sequence[dict]) -> str:
    """Every setting that was tried, with its AP on the validation list; the chosen one is bold."""
    lines = table_head(["contestant", "setting", "AP50, validation", "AP, validation"])
    for name, group in _by_contestant(rows).items():
        best = max(group, key=lambda row: row["scores"]["val"]["ap"])
        for row in group:
            scores = row["scores"]["val"]
            mark = "**" if row is best else ""
            setting = ", ".join(f"{key} {_plain(value)}" for key, value in row["setting"].items())
            setting += f" (failed: {row['failed']})" if "failed" in row else ""
            figures = [f"{mark}{_short(scores[figure])}{mark}" for figure in ("ap50", "ap")]
            lines.append(f"| {' | '.join([TITLES[name], setting, *figures])} |")
    return "\n".join(lines)


@styled
def figure(rows: Sequence[dict]) -> Figure:
    """AP50 on the unseen photographs against the minutes of training, one panel a track: a line
    through the means, a point for each seed.
    """
    final = [row for row in latest(rows) if row["purpose"] == "final"]
    tracks = [track for track in TRACKS if any(row["track"] == track for row in final)]
    whole, axes = new_figure(
        columns=max(1, len(tracks)), width=4.2 * max(1, len(tracks)), height=3.6
    )
    for axis, track in zip(axes[0], tracks, strict=False):
        groups = _by_contestant([row for row in final if row["track"] == track])
        for number, (name, title) in enumerate(TITLES.items()):
            if name not in groups:
                continue
            look, points = line_look(number), {}
            for row in groups[name]:
                points.setdefault(row["seconds"], []).append(row["scores"][UNSEEN]["ap50"])
            seconds = sorted(points)
            axis.plot(seconds, [mean(points[one]) for one in seconds], label=title, **look)
            for one in seconds:
                look_of_seed = look | {"linestyle": "none", "alpha": 0.4}
                axis.plot([one] * len(points[one]), points[one], **look_of_seed)
        budgets = sorted({row["seconds"] for row in final})
        axis.set(title=TRACKS[track], xscale="log", ylim=(0, 1), xlabel="training time (s)")
        axis.set_xlim(budgets[0] / 1.2, budgets[-1] * 1.2)
        axis.set_xticks(budgets, [f"{budget:g}" for budget in budgets])
        axis.minorticks_off()
    axes[0, 0].set_ylabel("AP50 on unseen photographs (0–1)")
    handles = {}
    for axis in axes[0]:
        handles |= {line.get_label(): line for line in axis.get_legend_handles_labels()[0]}
    whole.legend(handles.values(), handles, loc="outside lower center", ncols=len(TITLES))
    return whole


def _by_contestant(rows: Sequence[dict]) -> dict[str, list[dict]]:
    """The rows of each contestant, in the order of TITLES."""
    groups = {name: [row for row in rows if row["contestant"] == name] for name in TITLES}
    return {name: group for name, group in groups.items() if group}


def _unseen_ap(rows: Sequence[dict]) -> list[float]:
    return [row["scores"][UNSEEN]["ap"] for row in rows]


def _mean_ap(rows: Sequence[dict]) -> float:
    return mean(_unseen_ap(rows))


def _short(value: float) -> str:
    """.878 for 0.8781."""
    return f"{value:.3f}".removeprefix("0")


def _plain(value: object) -> str:
    return " × ".join(map(str, value)) if isinstance(value, list) else str(value)
