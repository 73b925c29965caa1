"""Who won the bet of notebook 03: the results of `experiments.directions`, drawn and in tables."""

from collections.abc import Mapping, Sequence

from effdet_lite.experiments import longer
from effdet_lite.experiments.arms import arms
from effdet_lite.experiments.balance import EXAMPLE
from effdet_lite.experiments.bottlenecks import TASKS
from effdet_lite.experiments.comparing import Spread, spread
from effdet_lite.experiments.learning import STEPS, STILL_LEARNING
from effdet_lite.experiments.regret import (
    arm_spread,
    by_seed,
    choice_gain,
    gains,
    in_base_times,
    interaction,
    regrets,
    regrets_at,
    shared_time,
    still_learning,
    worst_regret,
)
from effdet_lite.experiments.scaling_findings import WIDER
from effdet_lite.experiments.sizes import DIRECTIONS, FACTORS
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.plots import COLORS, MARKERS, line_look, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.nb.n03_paper import BETS
from effdet_lite.teach.nb.n03_tasks import in_words

Rows = Sequence[Mapping]
MOST = FACTORS[-1]


def scored_on_test(rows: Rows) -> list[Mapping]:
    """The rows that nothing was chosen by."""
    return [row for row in rows if row["draw"] == "test"]


def gain_text(found: Spread) -> str:
    """A mean gain with its standard error, and no minus before a zero."""
    return f"{round(found.mean, 3) + 0:+.3f} ± {found.standard_error:.3f}"


def mean_by_task(rows: Rows, direction: str, factor: int) -> dict[str, float]:
    """The mean accuracy of a direction on each task."""
    return {task: arm_spread(rows, (task, direction, factor)).mean for task in TASKS}


def safest(validation: Rows, rows: Rows) -> str:
    """The direction with the smallest regret where it does worst."""
    worst = worst_regret(validation, rows, list(TASKS), MOST, DIRECTIONS)
    return min(worst, key=lambda direction: worst[direction][1].mean)


def safest_bet(validation: Rows, rows: Rows) -> str:
    """What `safest` names, in the words of the bets."""
    words = {direction: bet for bet, direction in BETS.items()}
    return words[safest(validation, rows)]


@styled
def accuracy_view(rows: Rows, bet: str | None) -> View:
    """Accuracy against MACs on each task; small marks are seeds. The bet is drawn thicker.

    rows: of `experiments.directions`, scored on test pictures. bet: one of BETS.
    """
    figure, axes = new_panels(
        8.8, 3.4, *((0.065 + 0.32 * place, 0.15, 0.28, 0.72) for place in range(len(TASKS)))
    )
    mine = BETS.get(bet)
    told = []
    for axis, task in zip(axes, TASKS, strict=True):
        for number, direction in enumerate(DIRECTIONS):
            look = line_look(number) | ({"linewidth": 4} if direction == mine else {})
            _draw_seeds(axis, rows, task, direction, look)
        best = max(DIRECTIONS, key=lambda name, task=task: mean_by_task(rows, name, MOST)[task])
        axis.set_title(f"{task}: {best} is ahead", fontsize=10)
        axis.set(xscale="log", xlabel="MACs in those of the base", ylim=(0, 1.04), xlim=(0.9, 9))
        chance = 1 / TASKS[task].classes
        axis.axhline(chance, color="black", linestyle=":", marker="", label="chance")
        axis.set_xticks([1, *FACTORS], [str(factor) for factor in (1, *FACTORS)])
        axis.minorticks_off()
        told.append(f"{task}: {best} {mean_by_task(rows, best, MOST)[task]:.3f}")
    axes[0].set_ylabel("accuracy (0–1); pale: a seed")
    # Nothing is drawn there but chance, which lies below.
    axes[1].legend(loc="lower right", bbox_to_anchor=(1, 0.06), fontsize=9)
    words = f"Most accurate at {MOST} times the MACs. {'; '.join(told)}."
    return View(figure, words, {"your bet": f"{bet}: {mine}"} if mine else {})


def _draw_seeds(axis, rows: Rows, task: str, direction: str, look: Mapping) -> None:
    """The means of a direction as a line, and each seed as a small mark."""
    arms = [(task, "base", 1), *((task, direction, factor) for factor in FACTORS)]
    places = [1, *FACTORS]
    means = [arm_spread(rows, arm).mean for arm in arms]
    axis.plot(places, means, **look, label=direction)
    seeds = look | {"linestyle": "none", "markersize": 3, "alpha": 0.4}
    for place, arm in zip(places, arms, strict=True):
        own = list(by_seed(rows, arm).values())
        axis.plot([place] * len(own), own, **seeds)


def accuracy_table(rows: Rows) -> None:
    """A line for each direction at the most MACs: its accuracy on each task, the mean of the three,
    and its network; the base stands first.
    """
    sizes = {(arm.direction, arm.factor): arm.size for arm in arms(EXAMPLE)}
    lines = []
    for name, factor in [("base", 1), *((name, MOST) for name in DIRECTIONS)]:
        own = [arm_spread(rows, (task, name, factor)) for task in TASKS]
        mean = over_tasks(rows, name, factor)
        label = "base (1 ×)" if factor == 1 else name
        lines.append([label, *map(str, own), str(mean), in_words(sizes[name, factor])])
    print("mean of five seeds (the lowest – the highest)")
    table([f"{MOST} × the MACs, accuracy", *TASKS, "mean of the three", "network"], lines)


def over_tasks(rows: Rows, direction: str, factor: int) -> Spread:
    """The mean accuracy over the tasks, for each seed."""
    found = [by_seed(rows, (task, direction, factor)) for task in TASKS]
    return spread([sum(own[seed] for own in found) / len(found) for seed in found[0]])


@styled
def regret_view(validation: Rows, rows: Rows, bet: str | None) -> View:
    """What each direction loses against the best one on each task, at the most MACs.

    The best one is chosen on validation pictures, and the loss is on test pictures. bet: one of
    BETS.
    """
    figure, (axis,) = new_panels(7.8, 3.6, (0.1, 0.16, 0.88, 0.73))
    worst = worst_regret(validation, rows, list(TASKS), MOST, DIRECTIONS)
    for number, task in enumerate(TASKS):
        own = regrets(validation, rows, task, MOST, DIRECTIONS)
        look = {"marker": MARKERS[number], "color": COLORS[number], "linestyle": "none"}
        for place, direction in enumerate(DIRECTIONS):
            at = place + 0.22 * (number - 1)
            axis.plot([at] * len(own[direction]), own[direction], **look, alpha=0.35)
            label = task if place == 0 else "_other"
            mean = spread(own[direction]).mean
            axis.plot([at], [mean], **look, markersize=9, label=label)
    for place, direction in enumerate(DIRECTIONS):
        label = "its worst task" if place == 0 else "_other"
        ends = place - 0.35, place + 0.35
        axis.hlines(worst[direction][1].mean, *ends, color="black", label=label)
    axis.axhline(0, color="#777777", linestyle=":", marker="")
    mine = BETS.get(bet)
    names = [f"{name}\n(your bet)" if name == mine else name for name in DIRECTIONS]
    axis.set(xticks=range(len(DIRECTIONS)), xticklabels=names, xlim=(-0.5, 3.5))
    axis.set_ylabel("accuracy lost; pale: a seed")
    best = safest(validation, rows)
    axis.set_title(
        f"The worst task of {best} costs {worst[best][1].mean:.3f}, the least of the four",
        fontsize=11,
    )
    axis.set_ylim(top=1.3 * axis.get_ylim()[1])  # room for the legend
    axis.legend(loc="upper center", ncols=len(TASKS) + 1, fontsize=9)
    told = ", ".join(f"{name} {loss.mean:.3f} on {task}" for name, (task, loss) in worst.items())
    return View(figure, f"The largest mean loss of each direction: {told}.", {})


def regret_table(validation: Rows, rows: Rows) -> None:
    """A line for each direction: its regret on each task, and the worst of them."""
    worst = worst_regret(validation, rows, list(TASKS), MOST, DIRECTIONS)
    lines = []
    for direction in DIRECTIONS:
        own = [
            spread(regrets(validation, rows, task, MOST, DIRECTIONS)[direction]) for task in TASKS
        ]
        task, loss = worst[direction]
        cells = [f"{one.mean:.3f}" for one in own]
        lines.append([direction, *cells, f"{loss.mean:.3f} ({task})"])
    table([f"regret at {MOST} × the MACs", *TASKS, "worst"], lines)


def time_table(validation: Rows, rows: Rows) -> None:
    """A line for each direction: how long its largest network trains, and its regret on each task
    where all directions train for the same time.
    """
    by_validation, timed = in_base_times(validation), in_base_times(rows)
    time = min(shared_time(some, DIRECTIONS, MOST) for some in (by_validation, timed))
    own = {task: regrets_at(by_validation, timed, task, time, DIRECTIONS) for task in TASKS}
    lines = []
    for direction in DIRECTIONS:
        times = [arm_spread(timed, (task, direction, MOST), "seconds").mean for task in TASKS]
        means = {task: spread(own[task][direction]).mean for task in TASKS}
        worst = max(means, key=means.__getitem__)
        cells = [f"{mean:.3f}" for mean in means.values()]
        longest = f"{spread(times).mean:.1f}"
        lines.append([direction, longest, *cells, f"{means[worst]:.3f} ({worst})"])
    heads = [f"regret at {time:.1f} × the time: {task}" for task in TASKS]
    table(["direction", f"{MOST} × the MACs: × the time", *heads, "worst"], lines)


def gains_table(rows: Rows) -> None:
    """A line for each direction and task: what each doubling of the MACs adds to the accuracy."""
    lines = []
    for direction in DIRECTIONS:
        for task in TASKS:
            steps = gains(rows, task, direction)
            cells = [gain_text(step) for step in steps.values()]
            lines.append([direction, task, *cells])
    factors = [1, *FACTORS]
    heads = [f"{a} → {b} × the MACs" for a, b in zip(factors, FACTORS, strict=False)]
    table(["gain in accuracy", "task", *heads], lines)


def learning_left(rows: Rows) -> str:
    """How many of the runs of the base and the four directions still got better when their training
    ended.
    """
    own = [row for row in rows if row["direction"] in ("base", *DIRECTIONS)]
    late = len(still_learning(own, STILL_LEARNING))
    return (
        f"{late} of {len(own)} runs were still learning after {STEPS:,} steps: the last fifth "
        f"lowered their loss by {STILL_LEARNING} or more"
    )


def longer_table(long_rows: Rows, rows: Rows) -> None:
    """A line for each network: its accuracy on each task, and that after four times the steps; and
    what it then loses at most against the best direction of a task.

    long_rows: of `experiments.longer`, one seed. rows: of `directions`; the same seed is read.
    """
    gained = longer.gains(long_rows, rows)
    accuracy = {(row["task"], row["direction"]): row["accuracy"] for row in long_rows}
    best = {task: max(accuracy[task, one] for one in DIRECTIONS) for task in TASKS}
    lines = []
    for direction, factor in [("base", 1), *((direction, MOST) for direction in DIRECTIONS)]:
        cells = []
        for task in TASKS:
            after = accuracy[task, direction]
            cells.append(f"{after - gained[task, direction, factor]:.2f} → {after:.2f}")
        worst = max(best[task] - accuracy[task, direction] for task in TASKS)
        lines.append([direction, *cells, f"{worst:.2f}"])
    table(["one seed, four times the steps", *TASKS, "loses at most"], lines)


def width_table(rows: Rows) -> None:
    """A line for each task: how much more width is worth after depth and resolution have grown."""
    (grown,) = [arm.size for arm in arms(EXAMPLE, ("span",)) if arm.key == ("span", "grown", 1)]
    print(f"the grown network: {in_words(grown)}")
    lines = []
    for task in TASKS:
        found = spread(interaction(rows, task, WIDER))
        lines.append([task, gain_text(found)])
    table(["task", "what more width is worth in the grown network"], lines)


def choice_table(validation: Rows, rows: Rows) -> None:
    """A line for each task: the direction that validation chooses, and what it gains over
    compound.
    """
    lines = []
    for task in TASKS:
        best, gain = choice_gain(validation, rows, task, MOST, DIRECTIONS)
        found = spread(gain)
        lines.append([task, best, gain_text(found)])
    table(["task", "chosen", "what a choice for this task gains"], lines)
