"""Learning rates of notebook 08: the climb that shows which ones are possible, and thirty steps at
a chosen one.
"""

import html
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import ipywidgets
from matplotlib.figure import Figure

from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.keys import own_keys
from effdet_lite.teach.kit.page import img, table_html
from effdet_lite.teach.kit.plots import COLORS, DASHES, PALETTE, new_figure, styled
from effdet_lite.teach.kit.typed import number_text
from effdet_lite.teach.kit.widgets import LABEL, WIDE, View, button, put_on_page
from effdet_lite.teach.nb.n08_small import Batch, fresh_detector, training_batches

STEPS = 30
LOWEST, HIGHEST = -4, 0  # powers of ten that the slider goes over
SHOWN = 6  # runs that are drawn
RESTS = (0.01, 0.1, 0.32)  # one that learns, one near the lowest point, one that breaks
TOP = 100.0  # of the plots; what is above is drawn at their edge
OVER = 2  # steps over which the climb is smoothed, to each side


# --- the climb ---


def smoothed(losses: Sequence[float], over: int = OVER) -> list[float]:
    """The geometric mean of each loss and of its neighbors, `over` to each side: one loss of 1,000
    does not hide what stands beside it.
    """
    around = [losses[max(0, place - over) : place + over + 1] for place in range(len(losses))]
    return [math.exp(sum(map(math.log, some)) / len(some)) for some in around]


def read_climb(rates: Sequence[float], losses: Sequence[float]) -> dict[str, float]:
    """What one reads from a climb: the rate and loss where the smoothed loss is lowest, and the
    first rate whose loss is above that of the first step, never to come back (nan: none).
    """
    smooth = smoothed(losses)
    place = smooth.index(min(smooth))
    above = len(losses)
    while above > place + 1 and losses[above - 1] > losses[0]:
        above -= 1
    breaks = rates[above] if above < len(losses) else float("nan")
    return {"lowest at": rates[place], "lowest": smooth[place], "breaks at": breaks}


@styled
def climb_view(rates: Sequence[float], losses: Sequence[float], guesses: Mapping) -> View:
    """The loss of each step against its rate. guesses: "08.d", at which rate the loss breaks."""
    read = read_climb(rates, losses)
    figure, axes = new_figure(width=8.6, height=3.6)
    axis = axes[0, 0]
    dots = [min(loss, TOP) for loss in losses]
    line = [min(loss, TOP) for loss in smoothed(losses)]
    axis.plot(rates, dots, linestyle="", marker=".", color="#777777", label="each step")
    axis.plot(rates, line, marker="", color=PALETTE["blue"], label="mean of five")
    lowest, breaks = read["lowest at"], read["breaks at"]
    axis.axvspan(lowest / 10, lowest / 3, color=PALETTE["green"], alpha=0.2, label="to choose from")
    axis.plot([lowest], [read["lowest"]], "o", color=PALETTE["vermillion"], markersize=8)
    axis.annotate("lowest", (lowest, read["lowest"]), xytext=(0, -15), **_BELOW)
    axis.set(xscale="log", yscale="log", ylim=(0.8, 1.25 * TOP), ylabel="loss (log axis)")
    axis.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "over 100"])
    axis.yaxis.minorticks_off()
    ticks = [10.0**power for power in range(-4, 2)]
    axis.set_xticks(ticks, [number_text(tick) for tick in ticks])
    axis.set(xlim=(rates[0] / 1.2, max(10.0, rates[-1] * 1.2)))
    axis.set(xlabel="learning rate, a little higher with each step (log axis)")
    axis.set_title("Low rates hardly learn, high rates break the training", loc="left")
    axis.legend(loc="upper left")
    draw_guess(axis, guesses["08.d"])
    numbers = {
        "the smoothed loss is lowest": f"{read['lowest']:.2f} at a rate of {lowest:.2g}",
        "a tenth to a third of that rate": f"{lowest / 10:.2g} to {lowest / 3:.2g}",
        "from here on every loss is higher than at step 1": f"a rate of {breaks:.2g}",
    }
    words = (
        f"With a climbing rate the loss falls to {read['lowest']:.2f} at {lowest:.2g}, and breaks "
        f"from {breaks:.2g} on."
    )
    return View(figure, words, numbers)


_BELOW = {"textcoords": "offset points", "ha": "center", "fontsize": 9}


# --- thirty steps at a rate ---


class RateTrials:
    """A slider for a rate and a button: thirty steps of a fresh small detector, always the same
    pictures. `RateTrials(my_train).show()` as the last line of a cell.

    train: called with (model, batches, rate_at), gives the loss of each step. rates: of the first
    runs; the slider rests at the first of them.
    """

    def __init__(self, train: Callable, rates: Sequence[float] = RESTS, steps: int = STEPS):
        self.train, self.steps, self.rates = train, steps, rates
        self.runs: dict[float, list[float]] = {}
        self.slider = ipywidgets.FloatLogSlider(
            rates[0], base=10, min=LOWEST, max=HIGHEST, step=0.25, **_SLIDER
        )
        self.button = button(f"Start {steps} steps")
        self.status, self.page = ipywidgets.HTML(), ipywidgets.HTML()
        self.button.observe(lambda change: self.start(), names="value")
        self.box = ipywidgets.VBox([self.slider, self.button, self.status, self.page, own_keys()])

    def start(self, rate: float | None = None) -> None:
        """Train at this rate, by default the slider's, and draw the run beside those before it."""
        rate = float(f"{self.slider.value if rate is None else rate:.2g}")
        self.button.disabled = True
        # An exception in a callback would vanish into JupyterLab's log.
        try:
            losses = self.train(fresh_detector(), self._told(rate), lambda step: rate)
            self.runs.pop(rate, None)  # the newest run comes last
            self.runs[rate] = [float(loss) for loss in losses]
            self.status.value = f"{len(losses)} steps at {number_text(rate)}: done"
            self.page.value = self.render()
        except Exception as error:
            self.status.value = f"<pre>{html.escape(f'{type(error).__name__}: {error}')}</pre>"
        finally:
            self.button.disabled = False

    def show(self) -> None:
        """Train at the first rates, and put it on the page: alive with a kernel, and these runs
        without.
        """
        for rate in self.rates:
            self.start(rate)
        rest = "Without a kernel it shows three rates: " + ", ".join(map(number_text, self.runs))
        put_on_page(self.box, f"<p><em>{rest}</em></p>{self.page.value}", f"thirty steps; {rest}")

    def render(self) -> str:
        """The page with the last runs, as HTML."""
        some = dict(list(self.runs.items())[-SHOWN:])
        rows = [
            [f"rate {number_text(rate)}", f"{losses[0]:.2f}", _loss(sum(losses[-5:]) / 5)]
            for rate, losses in some.items()
        ]
        header = ["", "loss at step 1", "mean of the last five"]
        words = "; ".join(f"{name}: {first}, then {last}" for name, first, last in rows)
        picture = img(trials_figure(some), f"Loss of {self.steps} steps. {words}.")
        return picture + table_html(header, rows)

    def _told(self, rate: float) -> Iterator[Batch]:
        """The batches; with every fifth the page says how far it is."""
        for step, batch in enumerate(training_batches(self.steps)):
            if step % 5 == 0:
                self.status.value = f"step {step} of {self.steps} at {number_text(rate)} …"
            yield batch


_SLIDER = {
    "description": "learning rate",
    "readout_format": ".2g",
    "style": LABEL,
    "layout": WIDE,
}


@styled
def trials_figure(runs: Mapping[float, Sequence[float]]) -> Figure:
    """The loss of each step, a line for each rate."""
    figure, axes = new_figure(width=7.6, height=3.2, margins=_MARGINS)
    axis = axes[0, 0]
    for number, (rate, losses) in enumerate(runs.items()):
        look = {"color": COLORS[number % len(COLORS)], "linestyle": DASHES[number % len(DASHES)]}
        shown = [min(loss, TOP) if loss == loss else TOP for loss in losses]  # nan: at the edge
        axis.plot(range(1, len(losses) + 1), shown, marker="", label=number_text(rate), **look)
    axis.set(yscale="log", ylim=(0.8, 1.25 * TOP), xlabel="training step", ylabel="loss (log axis)")
    axis.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "over 100"])
    axis.yaxis.minorticks_off()
    axis.set_title("A fresh detector, the same batches for every rate", loc="left", fontsize=11)
    axis.legend(title="rate", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


_MARGINS = {"left": 0.15, "right": 0.82, "bottom": 0.17, "top": 0.89}


def _loss(value: float) -> str:
    return f"{value:.2f}" if value < TOP else f"over {TOP:g}"
