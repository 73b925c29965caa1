"""Notebook 10's starts: blood cells from scratch, or from weights that were trained before."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from effdet_lite.data import open_dataset
from effdet_lite.download import DownloadError
from effdet_lite.experiments import transfer
from effdet_lite.experiments.run import stored_results
from effdet_lite.places import cache_folder
from effdet_lite.pretrained import published_url
from effdet_lite.settings import TrainConfig
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.plots import line_look, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.training import train

SCRATCH, BACKBONE, WHOLE = transfer.STARTS
SHORT, MIDDLE, LONG = transfer.STEPS
PUBLISHED = {"imagenet": "b0", "coco": "d0"}  # start: the published file
TRIED_STEPS = 20
SMALL = (128, 128)  # px, so that a try takes seconds


def stored_runs() -> list[dict]:
    """The runs that come with the course, those from published weights left out."""
    return [run for run in stored_results("transfer")["runs"] if run["start"] in transfer.STARTS]


def figures(
    runs: Sequence[Mapping], start: str, steps: int, photographs: int = transfer.ALL
) -> list[float]:
    """AP50 of the runs with this setting, one for each seed."""
    wanted = {"start": start, "steps": steps, "photographs": photographs}
    return [run["ap50"] for run in runs if wanted.items() <= run.items()]


def mean_ap50(runs: Sequence[Mapping], start: str, steps: int) -> float:
    """The mean over the seeds."""
    return float(np.mean(figures(runs, start, steps)))


def leads(runs: Sequence[Mapping], start: str) -> dict[int, float]:
    """By steps, how much AP50 this start is ahead of training from scratch; means of the seeds."""
    return {
        steps: mean_ap50(runs, start, steps) - mean_ap50(runs, SCRATCH, steps)
        for steps in transfer.STEPS
    }


def with_spread(values: Sequence[float]) -> str:
    """As "0.301 (0.186 – 0.390)"."""
    return f"{np.mean(values):.3f} ({min(values):.3f} – {max(values):.3f})"


@styled
def starts_view(runs: Sequence[Mapping], guess: float | None = None) -> View:
    """AP50 over steps from each start. guess: AP50 of the whole detector's after the fewest."""
    figure, (axis,) = new_panels(7.4, 3.7, (0.1, 0.15, 0.87, 0.74))
    for number, start in enumerate(transfer.STARTS):
        look = line_look(number)
        at = [steps * 1.04 ** (number - 1) for steps in transfer.STEPS]  # side by side
        every = [figures(runs, start, steps) for steps in transfer.STEPS]
        axis.plot(at, [np.mean(some) for some in every], label=start, **look)
        low, high = zip(*((min(some), max(some)) for some in every), strict=True)
        axis.vlines(at, low, high, color=look["color"])
    axis.set(xscale="log", ylim=(0, 1), xlim=(30, 420), ylabel="AP50 on the 72 test photographs")
    axis.set_xlabel("training steps of 8 photographs (bars: least and most of three seeds)")
    axis.set_xticks(transfer.STEPS, list(map(str, transfer.STEPS)))
    axis.minorticks_off()
    axis.legend(loc="lower right", fontsize=10)
    lead = leads(runs, WHOLE)
    axis.set_title(
        f"The whole detector leads by {lead[SHORT]:.2f} after {SHORT} steps, and by "
        f"{lead[LONG]:.2f} after {LONG}",
        fontsize=11,
    )
    draw_guess(axis, guess, x=SHORT)
    numbers = {
        start: "; ".join(
            f"{steps} steps {with_spread(figures(runs, start, steps))}" for steps in transfer.STEPS
        )
        for start in transfer.STARTS
    }
    told = "; ".join(f"{steps} steps {value:+.3f}" for steps, value in lead.items())
    numbers["lead of the whole detector over scratch"] = told
    ahead = [str(steps) for steps, value in leads(runs, BACKBONE).items() if value > 0]
    where = f"ahead after {' and '.join(ahead)} steps" if ahead else "never ahead"
    words = (
        f"AP50 over steps. The whole detector is ahead of training from scratch: {told}. The "
        f"backbone alone is {where}."
    )
    return View(figure, words, numbers)


def by_seed(values: Sequence[float]) -> str:
    """As "0.19, 0.39, 0.32"."""
    return ", ".join(f"{value:.2f}" for value in values)


def of_all(runs: Sequence[Mapping], start: str, steps: int) -> list[Mapping]:
    """The runs from this start with so many steps and all photographs, seed by seed."""
    wanted = {"start": start, "steps": steps, "photographs": transfer.ALL}
    return sorted(
        (run for run in runs if wanted.items() <= run.items()), key=lambda run: run["seed"]
    )


def losses_table(runs: Sequence[Mapping]) -> None:
    """The loss of the last tenth of each long training, beside its AP50, seed by seed."""
    rows = []
    for start in transfer.STARTS:
        some = of_all(runs, start, LONG)
        rows.append(
            [
                start,
                by_seed([run["losses"][-1] for run in some]),
                by_seed([run["ap50"] for run in some]),
            ]
        )
    table([f"{LONG} steps, seeds 0, 1 and 2", "loss", "AP50"], rows)


def few_table(runs: Sequence[Mapping]) -> None:
    """All photographs and 20 of them, after as many steps; how often each photograph was seen."""
    rows = []
    for start in transfer.STARTS:
        cells = [
            with_spread(figures(runs, start, MIDDLE, number))
            for number in (transfer.ALL, transfer.FEW)
        ]
        rows.append([start, *cells])
    seen = [
        f"AP50, {number} photographs, each seen {MIDDLE * transfer.BATCH / number:.0f} times"
        for number in (transfer.ALL, transfer.FEW)
    ]
    table([f"start, {MIDDLE} steps", *seen], rows)


def classes_table(runs: Sequence[Mapping]) -> None:
    """The loss of the last tenth and AP50 of each class, from each start, seed by seed."""
    rows = []
    for start in transfer.STARTS:
        some = of_all(runs, start, MIDDLE)
        row = [start, by_seed([run["losses"][-1] for run in some])]
        classes = list(some[0]["ap50_per_class"])
        row += [by_seed([run["ap50_per_class"][name] for run in some]) for name in classes]
        rows.append(row)
    heads = [f"AP50 {name}" for name in classes]
    table([f"{MIDDLE} steps, seeds 0, 1 and 2", "loss", *heads], rows)


# --- published weights ---


def missing_files() -> dict[str, str]:
    """Of each published start whose file is not at hand, the file's name."""
    names = {start: published_url(name).rpartition("/")[2] for start, name in PUBLISHED.items()}
    return {start: name for start, name in names.items() if not (cache_folder() / name).is_file()}


def try_published(cells: Path | None, steps: int = TRIED_STEPS) -> None:
    """A few steps on blood cells from each published start that is at hand, beside the same network
    from scratch: the mean loss of the last five. What is missing is said in a sentence.
    """
    missing = missing_files()
    for start, name in missing.items():
        print(f"{start}: not run here, {name} is missing. `effdet-lite prefetch` fetches it.")
    if cells is None:
        print("No blood cells here, so nothing is trained.")
        return
    rows = []
    for start in PUBLISHED:
        if start in missing:
            continue
        try:
            histories = {
                begin or "scratch": _few_steps(cells, begin, start, steps)
                for begin in (start, None)
            }
        except (DownloadError, ValueError) as error:
            print(f"{start}: {error}")
            continue
        for begin in ("scratch", start):
            late = np.mean([row["loss"] for row in histories[begin][-5:]])
            rows.append([PUBLISHED[start].upper(), begin, f"{late:.2f}"])
    if rows:
        table(["network", "start", f"loss after {steps} steps"], rows)


def _few_steps(cells: Path, begin: str | None, network: str, steps: int) -> list[dict]:
    """The history of a short training of the network that this published start fits."""
    config = TrainConfig(
        **({"phi": 0.0} if network == "coco" else transfer.B0),
        size=SMALL,
        start=begin,
        steps=steps,
        warmup=5,
        batch_size=transfer.BATCH,
        test_data="none",
    )
    with warnings.catch_warnings():  # about the two boxes without area
        warnings.simplefilter("ignore")
        some = open_dataset(f"bccd:{cells}", SMALL, train=True, augment=0.2).subset(range(40))
    return train(config, some, progress=False)
