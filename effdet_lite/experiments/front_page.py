"""The three commands of the README: their settings chosen on validation pictures, then three seeds.

Each command has a time, on two cores, and some settings that were worth a try. Every setting is
trained with as many steps as fit into that time, and scored on pictures that are neither trained
on nor tested on; the best AP is the command's. Only then are the test pictures opened: the chosen
setting learns from the training and the validation pictures together, with three seeds.

    python -m effdet_lite.experiments.front_page            every run; finished ones are kept
    python -m effdet_lite.experiments.front_page --quick    4 steps of two settings each
"""

import functools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean

from effdet_lite.beginning import new_model, open_sets
from effdet_lite.data import BCCDDetection, eval_transforms
from effdet_lite.data.bccd import UNSEEN
from effdet_lite.experiments.run import Plan, loss_in_parts, main
from effdet_lite.milestones import evaluate
from effdet_lite.places import cells_folder
from effdet_lite.settings import TrainConfig
from effdet_lite.training import train

SEARCH_SEED = 10
SEEDS = (0, 1, 2)
QUICK_STEPS = 4
FIGURES = ("ap", "ap50")
NAMES = {"ap": "AP", "ap50": "AP50"}

SHAPES = {
    "data": "shapes",
    "size": (128, 128),
    "phi": -1.0,
    "width": 0.564,
    "depth": 0.25,
    "fused_stages": 6,
    "precision": "bf16",
    "batch_size": 16,
    "learning_rate": 0.02,
    "warmup": 60,
}
CELLS = {
    "data": "bccd",
    "size": (192, 256),
    "phi": -2.5,
    "levels": (3, 5),
    "fused_stages": 4,
    "precision": "bf16",
    "augment": 0.2,
    "learning_rate": 0.014,
    "warmup": 60,
}
LARGE_CELLS = CELLS | {
    "size": (288, 384),
    "anchor_scale": 3.0,
    "learning_rate": 0.02,
    "decay": 0.999,
}
# The settings tried for each command. Their steps are those that two cores of the machine of
# assets/results/README.md, with nothing else to do, take in the command's time.
SETTINGS = {
    "shapes": {
        "as it was": SHAPES | {"steps": 1360},
        "higher rate": SHAPES | {"learning_rate": 0.03, "steps": 1360},
        "lower rate": SHAPES | {"learning_rate": 0.014, "steps": 1360},
        "wider neck": SHAPES | {"phi": -0.5, "steps": 1200},
        "augmented": SHAPES | {"augment": 0.3, "steps": 1320},
        "without P2": SHAPES | {"levels": (3, 6), "steps": 1920},
        "batches of 8": SHAPES | {"batch_size": 8, "learning_rate": 0.014, "steps": 2100},
    },
    "cells": {
        "as it was": CELLS | {"steps": 1060},
        "higher rate": CELLS | {"learning_rate": 0.02, "steps": 1060},
        "smaller anchors": CELLS | {"anchor_scale": 3.0, "steps": 1060},
        "more augmented": CELLS | {"augment": 0.5, "steps": 1060},
        "wider neck": CELLS | {"phi": -2.0, "steps": 990},
        "larger pictures": LARGE_CELLS | {"size": (256, 352), "decay": 0.998, "steps": 690},
        "largest pictures": LARGE_CELLS | {"decay": 0.998, "steps": 530},
    },
    "cells, ten minutes": {
        "as it was": LARGE_CELLS | {"steps": 2120},
        "lower rate": LARGE_CELLS | {"learning_rate": 0.014, "steps": 2120},
        "more augmented": LARGE_CELLS | {"augment": 0.5, "steps": 2120},
        "wider neck": LARGE_CELLS | {"phi": -2.0, "steps": 1860},
    },
}


# What each command is to reach on its test pictures, by the mean of the seeds.
AIMS = {
    "shapes": {"ap50": 0.90},
    "cells": {"ap50": 0.88},
    "cells, ten minutes": {"ap50": 0.91, "ap": 0.60},
}
TESTS = {
    "shapes": "shapes, 200 drawn pictures",
    "cells": "blood cells, all 72 test photographs",
    "cells, ten minutes": "the same, ten minutes",
}
UNSEEN_TEST = "of these the 63 whose scene it never saw"


@dataclass(frozen=True)
class Run:
    """One training. command, setting: keys of SETTINGS. split: "validation" to choose a setting,
    "test" for the figures of the chosen one.
    """

    command: str
    setting: str
    split: str
    seed: int


def searched(command: str) -> list[Run]:
    """Every setting of a command, once."""
    return [Run(command, name, "validation", SEARCH_SEED) for name in SETTINGS[command]]


def finals(command: str, setting: str) -> list[Run]:
    """The chosen setting with each seed."""
    return [Run(command, setting, "test", seed) for seed in SEEDS]


def chosen(rows: Sequence[Mapping], command: str) -> str | None:
    """The setting with the highest AP on validation pictures; None while one of them is missing."""
    scores = {
        row["setting"]: row["ap"]
        for row in rows
        if row["command"] == command and row["split"] == "validation"
    }
    return max(scores, key=scores.get) if set(scores) == set(SETTINGS[command]) else None


def following(rows: Sequence[Mapping]) -> list[Run]:
    """What the rows so far allow: the seeds of a command whose setting is chosen, and the search of
    the next command.
    """
    runs = []
    for command in SETTINGS:
        runs += searched(command)
        setting = chosen(rows, command)
        if setting is None:
            break
        runs += finals(command, setting)
    return runs


def recipe(run: Run, steps: int | None = None) -> TrainConfig:
    """The run as `effdet-lite train` would have it. steps: fewer, to try."""
    config = TrainConfig(
        **SETTINGS[run.command][run.setting],
        test_data="validation" if run.split == "validation" else None,
        seed=run.seed,
        save_every=0,
    )
    return config if steps is None else replace(config, steps=steps, warmup=0)


def trained(run: Run, steps: int | None = None) -> dict:
    """Train this run, and return its row. steps: fewer, to try.

    The row: the run, AP and AP50 of its split; of a final run on blood cells the same on the
    photographs whose scene was never trained on, else None; the mean loss of each tenth, and
    processor seconds.
    """
    started = time.process_time()
    config = recipe(run, steps)
    train_set, test_set = open_sets(config, None, None)
    model = new_model(config, train_set.classes)
    history = train(config, train_set, test_set, model=model, progress=False)
    row = asdict(run) | rounded(history[-1])
    row["unseen"] = None
    if run.split == "test" and config.data == "bccd":
        row["unseen"] = rounded(evaluate(model, unseen(config), progress=False))
    row["losses"] = loss_in_parts(history)
    row["seconds"] = round(time.process_time() - started, 1)
    return row


def unseen(config: TrainConfig) -> BCCDDetection:
    """The test photographs whose scene is in no training photograph, at the run's size."""
    transforms = eval_transforms(config.image_size)
    return BCCDDetection(cells_folder(), UNSEEN, transforms=transforms)


def rounded(figures: Mapping) -> dict[str, float]:
    """AP and AP50 with four decimals."""
    return {name: round(figures[name], 4) for name in FIGURES}


def figures(rows: Sequence[Mapping], command: str, *, only_unseen: bool = False) -> list[dict]:
    """AP and AP50 of a command's final runs, seed by seed; on the unseen scenes alone if asked."""
    found = [row for row in rows if (row["command"], row["split"]) == (command, "test")]
    found.sort(key=lambda row: row["seed"])
    return [row["unseen"] if only_unseen else row for row in found]


def reached(rows: Sequence[Mapping], command: str) -> bool:
    """Whether the mean of the seeds, on all test pictures, is up to every aim."""
    found = figures(rows, command)
    return all(fmean(one[name] for one in found) >= aim for name, aim in AIMS[command].items())


def readme_table(rows: Sequence[Mapping]) -> str:
    """The README's table, in Markdown, of every command whose seeds are all there: the mean of the
    seeds, and in brackets the lowest and the highest.
    """
    lines = ["| test pictures | AP50 | AP | aim, by the mean |", "| --- | --- | --- | --- |"]
    for command in SETTINGS:
        if len(figures(rows, command)) < len(SEEDS):
            continue
        aim = " and ".join(f"{NAMES[name]} {value:.2f}" for name, value in AIMS[command].items())
        verdict = "reached" if reached(rows, command) else "not reached"
        lines.append(_line(TESTS[command], figures(rows, command), f"{aim}: {verdict}"))
        if figures(rows, command)[0]["unseen"]:
            lines.append(_line(UNSEEN_TEST, figures(rows, command, only_unseen=True), ""))
    return "\n".join(lines)


def as_command(options: Mapping) -> str:
    """The command that trains with these options of `TrainConfig`."""
    words = []
    for name, value in options.items():
        values = value if isinstance(value, list | tuple) else [value]
        words.append(f"--{name.replace('_', '-')} {' '.join(f'{one}' for one in values)}")
    command = f"uv run effdet-lite train {' '.join(words)}"
    return command.replace("--data bccd", "--data bccd --download")


def _line(name: str, found: Sequence[Mapping], aim: str) -> str:
    cells = [name]
    for figure in ("ap50", "ap"):
        values = [one[figure] for one in found]
        cells.append(f"{no_zero(fmean(values))} ({no_zero(min(values))} – {no_zero(max(values))})")
    return f"| {' | '.join([*cells, aim])} |"


def no_zero(value: float) -> str:
    """Three decimals without the zero before the point: .915."""
    return f"{value:.3f}".removeprefix("0")


def plan(quick: bool = False) -> Plan:
    """What the command trains."""
    if quick:
        runs = [run for command in SETTINGS for run in searched(command)[:2]]
        return Plan(runs, functools.partial(trained, steps=QUICK_STEPS), {"steps": QUICK_STEPS})
    as_json_has_them = json.loads(json.dumps(SETTINGS))
    return Plan([], trained, {"tried": as_json_has_them}, following)


if __name__ == "__main__":
    main("front_page", __doc__, plan)
