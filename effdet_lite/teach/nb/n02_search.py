"""The search of notebook 02: play against it, watch it, and judge its winner on fresh pictures."""

import html
import statistics
from collections.abc import Mapping, Sequence

import ipywidgets
from matplotlib.axes import Axes

from effdet_lite.experiments.comparing import spread
from effdet_lite.experiments.search import (
    BY_HAND,
    LONGER,
    RANDOM,
    STEPS,
    Net,
    Run,
    best_so_far,
    finalists,
    gains_of_both_lengths,
    net_of,
    objective,
    score,
    searched,
    trained,
)
from effdet_lite.experiments.search_space import EXPONENT
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import COLORS, MARKERS, PALETTE, new_figure, new_panels, styled
from effdet_lite.teach.kit.shared import one_thread
from effdet_lite.teach.kit.widgets import (
    Explorer,
    View,
    button,
    choice,
    put_on_page,
    slider,
    switch,
)

TARGET = BY_HAND.cost.macs
TRIES = 5  # in the game; then the winner's place is shown
LIGHT = "#999999"


def in_words(net: Net) -> str:
    """What a network is made of, in a line."""
    gate = "with gates" if net.gate else "no gates"
    return (
        f"MBConv{net.expansion}, {net.kernel} × {net.kernel}, {gate}, "
        f"{net.early} + {net.middle} + {net.late} blocks"
    )


def _equal_score(axis: Axes, wanted: float, label: str) -> None:
    """A line on which every network has this score."""
    low, high = axis.get_xlim()
    places = [low + (high - low) * step / 50 for step in range(1, 51)]
    needed = [wanted * (1000 * place / TARGET) ** -EXPONENT for place in places]
    axis.plot(places, needed, color=PALETTE["green"], linestyle="--", marker="", label=label)


class SearchGame:
    """Propose a network, train it, and see its score among those that the search drew by chance.

    rows: of `experiments.search`. `tried` has the accuracy of each network that was trained here.
    """

    def __init__(self, rows: Sequence[Mapping]):
        self.drawn = searched(rows)[:RANDOM]
        self.winner = max(searched(rows), key=score)
        self.best = score(self.winner)
        self.tried: dict[Net, float] = {}
        blocks = {
            name: slider(f"blocks, {name} stage", 1, 4, 2) for name in ("early", "middle", "late")
        }
        self.explorer = Explorer(
            self.view,
            kernel=choice("kernel", {"3 × 3": 3, "5 × 5": 5}),
            expansion=choice("wider inside", {"3 ×": 3, "6 ×": 6}, 6),
            gate=switch("gates", True),
            **blocks,
        )
        self.button = button("Train it")
        self.button.observe(self._press, names="value")

    def proposal(self) -> Net:
        """The network that the controls describe."""
        return Net(**{name: one.value for name, one in self.explorer.controls.items()})

    def train(self, net: Net) -> float:
        """Its validation accuracy, trained as the search trains, and only once."""
        if net not in self.tried:
            with one_thread():
                row = trained(Run(**vars(net), split="val"))
            self.tried[net] = row["accuracy"]
        return self.tried[net]

    @styled
    def view(self, **values: object) -> View:
        """The drawn networks, those that were trained here, and the one that is proposed."""
        net = Net(**values)
        figure, (axis,) = new_panels(7.4, 3.3, (0.1, 0.16, 0.87, 0.74))
        axis.set(xlim=(0, 4500), ylim=(0.6, 1))
        _draw_networks(axis, self.drawn, LIGHT, "o", "drawn by chance")
        _equal_score(axis, self.best, "as good as the search's winner")
        mine = {"color": COLORS[0], "linestyle": ":", "marker": ""}
        axis.axvline(net.cost.macs / 1e3, **mine, label="MACs of your network")
        for number, (one, accuracy) in enumerate(self.tried.items(), 1):
            place = one.cost.macs / 1e3, accuracy
            axis.plot(*place, color=COLORS[1], marker="*", markersize=13)
            axis.annotate(str(number), place, (6, 4), textcoords="offset points", fontsize=9)
        if len(self.tried) >= TRIES:
            look = PALETTE["green"], "D", "the search's winner"
            _draw_networks(axis, [self.winner], *look)
        axis.set(xlabel="thousand MACs", ylabel="validation accuracy (0–1)")
        axis.set_title("Reach the dashed line, and you are as good as the search", fontsize=11)
        axis.legend(loc="lower right", fontsize=9)
        needed = self.best * (net.cost.macs / TARGET) ** -EXPONENT
        numbers = {
            "your network": in_words(net),
            "MACs": f"{net.cost.macs / 1e3:,.0f} thousand",
            "accuracy it needs to be as good as the winner": f"{needed:.3f}",
        }
        told = (
            f"None of the {len(self.drawn)} networks drawn by chance lies above the winner's line."
        )
        return View(figure, told, numbers | self.result(net))

    def result(self, net: Net) -> dict[str, str]:
        """What came out for this network, if it was trained here."""
        if net not in self.tried:
            return {"its score": "not trained yet"}
        own = objective(self.tried[net], net.cost.macs, TARGET)
        better = sum(score(row) > own for row in self.drawn)
        words = f"{own:.3f}; {better} of the {len(self.drawn)} drawn by chance are better"
        if own > self.best:
            words += "; you beat the search"
        return {"its accuracy": f"{self.tried[net]:.3f}", "its score": words}

    def show(self) -> None:
        """Put the game on the page."""
        row = ipywidgets.HBox([self.button])  # else the button would be as wide as the page
        box = ipywidgets.VBox([*self.explorer.controls.values(), row, self.explorer.page])
        rest = "With a kernel you choose a network here and train it."
        still = f"<p><em>{rest}</em></p>{self.explorer.page.value}"
        put_on_page(box, still, "a game: propose a network, train it, and see its score")

    def _press(self, change: object) -> None:
        page, before = self.explorer.page, self.explorer.page.value
        page.value = f"<p><strong>Training, about ten seconds …</strong></p>{before}"
        # An exception in a callback would vanish into JupyterLab's log.
        try:
            self.train(self.proposal())
            page.value = self.explorer.render()
        except Exception as error:
            page.value = f"<pre>{html.escape(f'{type(error).__name__}: {error}')}</pre>{before}"


def play_against_the_search(rows: Sequence[Mapping]) -> None:
    """The game, on the page. rows: of `experiments.search`."""
    SearchGame(rows).show()


def _draw_networks(
    axis: Axes, rows: Sequence[Mapping], color: str, marker: str, label: str
) -> None:
    axis.plot(
        [row["macs"] / 1e3 for row in rows],
        [row["accuracy"] for row in rows],
        color=color,
        marker=marker,
        linestyle="none",
        label=label,
    )


@styled
def show_search(rows: Sequence[Mapping]) -> None:
    """The score of each network of the search in its order, and the best so far."""
    found = [score(row) for row in searched(rows)]
    best = best_so_far(rows)
    figure, axes = new_figure(width=7.4, height=3.4)
    axis = axes[0, 0]
    numbers = range(1, len(found) + 1)
    axis.plot(numbers, found, color=LIGHT, marker="o", linestyle="none", label="one network")
    axis.step(numbers, best, color=COLORS[0], marker="", where="post", label="best so far")
    if len(found) > RANDOM:
        axis.axvline(RANDOM + 0.5, color=PALETTE["black"], linestyle=":", marker="")
        axis.text(RANDOM + 1, min(found), "the five best, changed →", fontsize=9)
    axis.set(xlabel="networks trained", ylabel="score on validation pictures")
    axis.set_ylim(min(found) - 0.06, max(found) + 0.01)  # room for the legend below
    axis.legend(loc="lower left", fontsize=9)
    at = best.index(best[-1]) + 1
    axis.set_title(f"The best of {len(found)} networks was number {at}", fontsize=11)
    show(
        figure,
        f"Scores from {min(found):.3f} to {max(found):.3f}; the best so far rises in steps, for "
        f"the last time at network {at}.",
    )
    winner = finalists(rows)["winner"]
    by_chance = found[:RANDOM]
    middle = f"the middle one, number {(len(by_chance) + 1) // 2} of them by score"
    table(
        ["score on validation pictures", "value"],
        [
            [f"best of {len(by_chance)} drawn by chance", f"{max(by_chance):.3f}"],
            [middle, f"{search_scores(rows)['middle']:.3f}"],
            [f"the winner: {in_words(winner)}", f"{best[-1]:.3f}"],
        ],
    )


def search_scores(rows: Sequence[Mapping]) -> dict[str, float]:
    """{"winner", "middle": its score in the search}, and "by hand" if the search met that one."""
    found = {net_of(row): score(row) for row in searched(rows)}
    return {name: found[net] for name, net in finalists(rows).items() if net in found}


def fresh_scores(rows: Sequence[Mapping], steps: int) -> dict[str, dict[int, float]]:
    """{"winner", "middle", "by hand": {seed: score on test pictures}} after this many steps."""
    found = {}
    for name, net in finalists(rows).items():
        found[name] = {
            row["seed"]: score(row)
            for row in rows
            if row["split"] == "test" and row["steps"] == steps and net_of(row) == net
        }
    return found


NAMES = {
    "winner": "the search's winner",
    "middle": "the middle one of the 40",
    "by hand": "the one made by hand",
}


def order_on_fresh_pictures(rows: Sequence[Mapping], steps: int = LONGER) -> list[str]:
    """The finalists as NAMES has them, the best first, by the mean of the seeds."""
    means = {
        name: statistics.fmean(own.values()) for name, own in fresh_scores(rows, steps).items()
    }
    return [NAMES[name] for name in sorted(means, key=means.get, reverse=True)]


@styled
def show_finalists(rows: Sequence[Mapping]) -> None:
    """Winner, middle one and a network made by hand, trained anew and scored on test pictures; what
    each is made of stands below.
    """
    figure, axes = new_figure(1, 2, width=8.2, height=3.6)
    in_search = search_scores(rows)
    lines = {
        name: [f"{in_search[name]:.3f}" if name in in_search else "–"] for name in finalists(rows)
    }
    told = []
    for axis, steps in zip(axes[0], (STEPS, LONGER), strict=True):
        found = fresh_scores(rows, steps)
        for number, (name, own) in enumerate(found.items()):
            if not own:
                lines[name].append("–")
                continue
            look = {"color": COLORS[number], "marker": MARKERS[number], "linestyle": "none"}
            places = [number + 0.07 * (place - len(own) // 2) for place in range(len(own))]
            axis.plot(places, list(own.values()), **look)
            mean = statistics.fmean(own.values())
            axis.hlines(mean, number - 0.2, number + 0.2, color="black")
            told.append(f"{name} {mean:.3f} after {steps} steps")
            lines[name].append(str(spread(list(own.values()))))
        axis.set(xticks=range(len(found)), xticklabels=list(found), xlim=(-0.5, 2.5))
        axis.set_title(f"{steps} steps", fontsize=10)
        axis.set_ylim(0.82, 1.02)
    axes[0, 0].set_ylabel("score on fresh pictures\n(dots: seeds, bars: means)")
    best = order_on_fresh_pictures(rows)[0]
    figure.suptitle(f"After {LONGER} steps {best} is ahead", fontsize=11)
    show(figure, f"Mean scores on test pictures: {', '.join(told)}.")
    heads = [f"{steps} steps: mean (lowest – highest)" for steps in (STEPS, LONGER)]
    table(["score", "in the search", *heads], [[name, *own] for name, own in lines.items()])
    for name, gains in gains_of_both_lengths(rows).items():
        gain = f"{statistics.fmean(gains):+.3f}" if gains else "–"
        print(f"the winner's score less that of {NAMES[name]}, mean of both trainings: {gain}")
    heads = ["made of", "thousand MACs", *(f"accuracy, {steps} steps" for steps in (STEPS, LONGER))]
    nets = finalists(rows).items()
    table(["network", *heads], [[name, *_in_parts(rows, net)] for name, net in nets])


def _in_parts(rows: Sequence[Mapping], net: Net) -> list[str]:
    """What a finalist is made of, its MACs, and its mean accuracy on test pictures after both
    lengths of training.
    """
    line = [in_words(net), f"{net.cost.macs / 1e3:,.0f}"]
    for steps in (STEPS, LONGER):
        own = [
            row["accuracy"]
            for row in rows
            if row["split"] == "test" and row["steps"] == steps and net_of(row) == net
        ]
        line.append(f"{statistics.fmean(own):.3f}" if own else "–")
    return line
