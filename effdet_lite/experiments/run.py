"""What the experiments of this folder share: many small trainings, whose results are kept as they
come.
"""

import json
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm.auto import tqdm

from effdet_lite.course import course_folder


def results(name: str) -> Path:
    """Where the results of the experiment `name` stand: assets/results/NAME.json of the course."""
    return course_folder(Path(__file__)) / "assets" / "results" / f"{name}.json"


def load(path: Path) -> dict:
    """{"settings": …, "runs": [...]} as `run_all` wrote it."""
    return json.loads(path.read_text(encoding="utf-8"))


def run_all(
    path: Path, runs: Sequence, train_one: Callable, settings: dict, processes: int = 2
) -> dict:
    """Train what `path` does not hold yet, and write it after each run: being stopped loses the
    runs under way only.

    runs: frozen dataclasses, all of one kind. train_one(run): its row, a dictionary that begins
    with the run's own fields; it is called in `processes` processes of one thread each. settings:
    what all runs have in common; a file with others is refused. Returns what the file holds then.
    """
    settings = settings | {"torch": torch.__version__.partition("+")[0]}
    document = load(path) if path.exists() else {"settings": settings, "runs": []}
    if document["settings"] != settings:
        raise ValueError(
            f"{path} holds runs with {document['settings']}, these would have {settings}; move it away."
        )
    places = {tuple(asdict(run).values()): place for place, run in enumerate(runs)}
    names = list(asdict(runs[0])) if runs else []

    def key(row: dict) -> tuple:
        return tuple(row[name] for name in names)

    done = {key(row) for row in document["runs"]}
    missing = [run for run in runs if tuple(asdict(run).values()) not in done]
    context = multiprocessing.get_context("spawn")
    bar = tqdm(total=len(runs), initial=len(runs) - len(missing), unit="run")
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        for future in as_completed([pool.submit(train_one, run) for run in missing]):
            document["runs"].append(future.result())
            document["runs"].sort(key=lambda row: places.get(key(row), len(places)))
            partial = path.with_suffix(".partial")
            lines = ",\n".join(json.dumps(row) for row in document["runs"])
            partial.write_text(
                f'{{"settings": {json.dumps(settings)},\n"runs": [\n{lines}\n]}}\n',
                encoding="utf-8",
            )
            os.replace(partial, path)
            bar.update()
    bar.close()
    return document
