"""Further trainings of notebook 05, drawn: a task for the neck alone, one that a cell cannot solve,
weights at raised rates, and what each rule of weighing takes in time.
"""

from collections.abc import Mapping, Sequence
from statistics import median

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from effdet_lite.data import PatternedMarks
from effdet_lite.experiments import round_trip, stability, way_up, weighting_times
from effdet_lite.teach.kit.boxes import draw_picture
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import COLORS, MARKERS, PALETTE, line_look, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n05_ways import GUESSING, limit_line
from effdet_lite.teach.nb.n05_weights import TITLES, WAYS

Rows = Sequence[Mapping]
NAMES = {"disc": ("", "the\nmark"), "far": ("plain mark", "its pattern")}  # as boxes come
LOOK_OF_RULE = {way: number for number, way in enumerate((*WAYS, "sum"))}  # as in other pictures
TASKS = {"disc": "the disc has its mark's class", "far": "a plain mark has the far one's class"}


@styled
def show_patterns(asks: str, number: int = 0) -> None:
    """A picture of `data.PatternedMarks`, and the same pooled by 2, 4 and 8: the pattern is gone.

    asks: "disc" or "far".
    """
    image, target = PatternedMarks("test", 128, number + 1, seed=1, asks=asks)[number]
    figure, axes = new_panels(8.8, 2.6, *((0.25 * place, 0.02, 0.245, 0.84) for place in range(4)))
    for doublings, axis in enumerate(axes):
        side = 2**doublings
        small = image if not doublings else _pooled(image, side)
        draw_picture(axis, small)
        axis.set_title("as it is" if not doublings else f"pooled by {side}", fontsize=11)
    for box, name in zip(target["boxes"].tolist(), NAMES[asks], strict=True):
        _name_box(axes[0], box, name)
    words = f"{TASKS[asks]}; pooling by 2 turns every pattern into one gray."
    show(figure, f"A picture with patterned marks: {words}")


def _name_box(axis: Axes, box: Sequence[float], name: str) -> None:
    """A box with its name above it."""
    left, top, right, bottom = box
    look = {"fill": False, "edgecolor": PALETTE["orange"], "linewidth": 1.4}
    axis.add_artist(Rectangle((left, top), right - left, bottom - top, **look))
    words = axis.text((left + right) / 2, top - 3, name, ha="center", va="bottom", fontsize=10)
    words.set_path_effects([withStroke(linewidth=3, foreground="white")])


def _pooled(image, side: int):
    *_, height, width = image.shape
    blocks = image.reshape(3, height // side, side, width // side, side)
    return blocks.mean((2, 4))


def _strips(axis: Axes, arms: Mapping[str, Sequence[float]], asked: str) -> dict[str, str]:
    """A row for each arm with a mark for each training; returns who solved the task, in words.

    asked: whose classes are asked for.
    """
    told, labels = {}, []
    for place, (name, values) in enumerate(arms.items()):
        look = {"color": COLORS[place], "marker": MARKERS[place], "linestyle": "none"}
        heights = [place + 0.12 * ((number % 5) - 2) for number in range(len(values))]
        axis.plot(values, heights, **look, markersize=7, alpha=0.8)
        solved = sum(way_up.solved({"asked": value}) for value in values)
        told[name] = f"{solved} of {len(values)}"
        labels.append(f"{name}\n{told[name]}")
    axis.axvline(GUESSING, color="#555555", linestyle=":", marker="")
    low = len(arms) - 0.4
    axis.text(GUESSING + 0.015, low, "guessing", fontsize=9, color="#333333", va="bottom")
    limit_line(axis, low)
    axis.set(yticks=range(len(arms)), yticklabels=labels, ylim=(len(arms) - 0.35, -0.6))
    axis.set(xlim=(0, 1.04), xlabel=f"AP50 of the {asked}, one mark for each training")
    return told


@styled
def way_up_view(rows: Rows, guess: float | None = None) -> View:
    """Each training of `experiments.way_up`, by its neck. rows: all that are planned. guess: how
    many of those with a way up find the pattern.
    """
    figure, (axis,) = new_panels(7.6, 3.4, (0.17, 0.17, 0.81, 0.7))
    told = _strips(axis, dict(reversed(way_up.asked_by_neck(rows).items())), "discs")
    ways, without = way_up.by_way_up(rows)
    axis.set_title(
        f"With a way up {sum(ways)} of {len(ways)} trainings find the pattern, "
        f"without {sum(without)} of {len(without)}",
        fontsize=11,
    )
    numbers = {f"runs that find the pattern, {name}": words for name, words in told.items()}
    if guess is not None:
        numbers["your guess, with a way up"] = f"{guess:g} of {len(ways)}"
    words = "; ".join(f"{name}: {value}" for name, value in numbers.items())
    return View(figure, f"No way up in the backbone. {words}.", numbers)


@styled
def cells_view(rows: Rows, guess: float | None = None) -> View:
    """Each training of `experiments.round_trip`, by its number of cells and steps. guess: how many
    of those with two cells name the plain mark.
    """
    figure, (axis,) = new_panels(7.6, 3.6, (0.24, 0.16, 0.74, 0.68))
    arms = {}
    for (cells, steps), values in sorted(round_trip.asked_by_cells(rows).items()):
        arms[f"{cells} cell{'s' if cells > 1 else ''}, {steps:,} steps"] = values
    told = _strips(axis, arms, "plain marks")
    more, one = round_trip.one_and_more_cells(rows)
    axis.set_title(
        f"In {round_trip.STEPS:,} steps one cell names the plain mark in {sum(one)} of {len(one)} "
        f"trainings,\nmore cells in {sum(more)} of {len(more)}",
        fontsize=11,
    )
    numbers = {f"runs that name the plain mark, {name}": words for name, words in told.items()}
    for name, values in arms.items():
        numbers[f"AP50, {name}"] = ", ".join(f"{value:.2f}" for value in sorted(values))
    if guess is not None:
        numbers["your guess, 2 cells"] = f"{guess:g} of {len(round_trip.SEEDS)}"
    words = "; ".join(f"{name}: {value}" for name, value in numbers.items())
    return View(figure, f"From fine to coarse and back. {words}.", numbers)


def found_with_a_way_up(rows: Rows) -> int:
    """How many trainings of `experiments.way_up` with a way up find the pattern."""
    return sum(way_up.by_way_up(rows)[0])


def found_by_two_cells(rows: Rows) -> int:
    """How many trainings of `experiments.round_trip` with two cells name the plain mark."""
    values = round_trip.asked_by_cells(rows)[2, round_trip.STEPS]
    return sum(way_up.solved({"asked": value}) for value in values)


def setting_told(weighting: str, times: int, norms: bool) -> str:
    """A setting of `experiments.stability`, in words."""
    return f"{weighting}, {'with' if norms else 'without'} norms, {times} × the rate"


def told_of_raised_rates(rows: Rows) -> dict[str, str]:
    """How many trainings of `experiments.stability` diverged, with each rule and in each setting
    where one did; and the largest factor that any edge had with each rule.
    """
    numbers = {}
    own = {way: [row for row in rows if row["weighting"] == way] for way in stability.WEIGHTINGS}
    for way, some in own.items():
        numbers[f"largest factor, {way}"] = f"{max(row['largest_factor'] for row in some):.1f}"
    for way, some in own.items():
        numbers[f"diverged, {way}"] = f"{sum(map(stability.diverged, some))} of {len(some)}"
    for setting, found in stability.by_setting(rows).items():
        if found["diverged"]:
            label = f"diverged, {setting_told(*setting)}"
            numbers[label] = f"{found['diverged']} of {found['runs']}"
    return numbers


@styled
def stability_view(rows: Rows) -> View:
    """How many trainings of `experiments.stability` diverged, and the largest factor of each."""
    figure, axes = new_panels(8.8, 3.6, (0.09, 0.16, 0.4, 0.62), (0.57, 0.16, 0.4, 0.62))
    found = stability.by_setting(rows)
    for axis, norms in zip(axes, (True, False), strict=True):
        for way in stability.WEIGHTINGS:
            some = [found[way, times, norms] for times in stability.TIMES]
            _draw_factors(axis, some, {"label": way, **line_look(LOOK_OF_RULE[way])})
        axis.set(yscale="log", xticks=range(3), xlim=(-0.3, 2.3))
        axis.set_xticklabels([f"{times} ×" for times in stability.TIMES])
        axis.set(xlabel="learning rate of the fusion weights", ylabel="largest factor")
        axis.set_title("with the neck's norms" if norms else "without norms", fontsize=11)
    every = [row["largest_factor"] for row in rows]
    for axis in axes:
        axis.set_ylim(min(every) / 2, 2.5 * max(every))
    axes[0].legend(fontsize=9, loc="upper left")
    numbers = told_of_raised_rates(rows)
    diverged = sum(map(stability.diverged, rows))
    finding = f"{diverged} of {len(rows)} trainings diverge"
    figure.suptitle(f"{finding}; unbounded factors grow with the rate", fontsize=11)
    factors = [f"{numbers[f'largest factor, {way}']} {way}" for way in stability.WEIGHTINGS]
    words = f"Trainings at raised rates. {finding}. The largest factors: {', '.join(factors)}."
    return View(figure, words, numbers)


def _draw_factors(axis: Axes, found: Sequence[Mapping], look: Mapping) -> None:
    """The largest factors of one rule at each rate, with the number of those that diverged."""
    values = [one["largest_factor"] for one in found]
    axis.plot(range(len(values)), values, **look)
    for place, one in enumerate(found):
        if one["diverged"]:
            axis.annotate(
                f"{one['diverged']} of {one['runs']} diverged",
                (place, values[place]),
                xytext=(0, 9),
                textcoords="offset points",
                ha="right" if place else "left",
                fontsize=9,
                color=PALETTE["black"],
            )


@styled
def times_view(rows: Rows) -> View:
    """The time that each way takes over the fast rule's, turn by turn; of
    `experiments.weighting_times`.
    """
    figure, axes = new_panels(8.4, 3.0, (0.14, 0.2, 0.4, 0.64), (0.58, 0.2, 0.4, 0.64))
    numbers = {}
    times = {work: weighting_times.ratios(rows, work) for work in weighting_times.WORK}
    every = [one for ratios in times.values() for values in ratios.values() for one in values]
    for axis, (work, ratios) in zip(axes, times.items(), strict=True):
        for place, (way, values) in enumerate(ratios.items()):
            number = LOOK_OF_RULE[way]
            look = {"color": COLORS[number], "marker": MARKERS[number], "linestyle": "none"}
            axis.plot(values, [place] * len(values), **look, markersize=6, alpha=0.7)
            numbers[f"{work}, {way} over fast"] = f"{median(values):.3f}"
        axis.axvline(1, color="black", linestyle="--", marker="", lw=1)
        axis.set_xlim(min(every) - 0.03, max(every) + 0.03)
        first = work == weighting_times.WORK[0]
        names = [TITLES[way] if first else "" for way in ratios]
        axis.set(yticks=range(len(ratios)), yticklabels=names, ylim=(len(ratios) - 0.5, -0.5))
        axis.set(xlabel="time, as a multiple of the fast rule's")
        axis.set_title(f"a step of {work}" if work == "training" else work, fontsize=11)
    words = "; ".join(f"{name}: {value}" for name, value in numbers.items())
    return View(figure, f"D0 with each rule of weighing, in turns. {words}.", numbers)
