"""What the experiments share: many small trainings, and a file of results that grows run by run."""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tqdm.auto import tqdm

from effdet_lite.files import whole_file
from effdet_lite.places import course_folder, results_file


@dataclass(frozen=True)
class Plan:
    """What an experiment trains.

    runs: frozen dataclasses, all of one kind. train_one(run): the run's row, a dictionary that
    begins with the run's own fields; other processes call it, so it is a function of a module, or
    a `functools.partial` of one. settings: what all runs have in common, as JSON has it.
    follow: of an experiment that learns from its own results; given all rows so far, it names the
    further runs that they ask for, finished ones included.
    """

    runs: Sequence
    train_one: Callable[[object], dict]
    settings: dict
    follow: Callable[[list[dict]], Sequence] | None = None


def load(path: str | Path) -> dict:
    """{"settings": {...}, "runs": [...]} of a file that `run_all` wrote.

    Raises FileNotFoundError, and ValueError for a file that is no such thing.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        found = isinstance(document["settings"], dict) and isinstance(document["runs"], list)
    except (ValueError, KeyError, TypeError, RecursionError):
        found = False
    if not found:
        raise ValueError(f"{path} is not a file of results: move it away, or name another one.")
    return document


def stored_results(name: str) -> dict:
    """The results that come with the course, "necks" for instance; see `load`.

    Raises FileNotFoundError, with the command that makes them, where there are none yet.
    """
    path = results_file(name)
    if not path.exists():
        raise FileNotFoundError(
            f"there are no results in {path} yet: run python -m effdet_lite.experiments.{name}."
        )
    return load(path)


def loss_in_parts(history: Sequence[Mapping], parts: int = 10) -> list[float]:
    """The mean loss of each tenth of a training, in its order; of fewer parts if it has fewer
    steps. history: `training.train`'s rows.
    """
    losses = torch.tensor([row["loss"] for row in history], dtype=torch.float64)
    chunks = losses.tensor_split(min(parts, len(losses))) if len(losses) else []
    return [round(chunk.mean().item(), 4) for chunk in chunks]


def run_all(path: str | Path, plan: Plan, processes: int = 2) -> dict:
    """Train the runs that `path` does not hold yet, and return what it holds then.

    The file is written before the first run and after each one, so that a stop loses the runs
    under way only. processes: runs at a time, each in a process of one thread. Raises ValueError
    where `path` holds runs with other settings, WriteError where it cannot be written, and
    whatever a run raises.
    """
    path = Path(path)
    if processes < 1:
        raise ValueError(f"processes must be at least 1, got {processes}.")
    settings = plan.settings | {"torch": torch.__version__.partition("+")[0]}
    document = load(path) if path.exists() else {"settings": settings, "runs": []}
    if document["settings"] != settings:
        raise ValueError(
            f"{path} holds runs with {document['settings']}, these would have {settings}: "
            "move it away, or name another file."
        )
    runs = _all_runs(plan, document)
    missing = _missing(path, document, runs)
    if missing:
        _write(path, document)
    while missing:
        _train(path, document, runs, missing, plan.train_one, processes)
        runs = _all_runs(plan, document)
        missing = _missing(path, document, runs)
    return document


def _all_runs(plan: Plan, document: dict) -> list:
    """What the plan names, and what follows from the rows that are there."""
    return [*plan.runs, *(plan.follow(document["runs"]) if plan.follow else ())]


def _missing(path: Path, document: dict, runs: Sequence) -> list:
    """The runs that have no row yet. Raises ValueError for rows of another kind of run."""
    fields = list(asdict(runs[0])) if runs else []
    try:
        done = {_values(row, fields) for row in document["runs"]}
    except KeyError as error:
        raise ValueError(f"{path} holds runs without {error}: move it away.") from None
    return [run for run in runs if _values(asdict(run)) not in done]


def _train(
    path: Path,
    document: dict,
    runs: Sequence,
    missing: Sequence,
    train_one: Callable,
    processes: int,
) -> None:
    """Add the rows of the missing runs to the document and to the file, in the order of `runs`."""
    fields = list(asdict(runs[0]))
    place_of = {_values(asdict(run)): place for place, run in enumerate(runs)}
    with tqdm(total=len(runs), initial=len(runs) - len(missing), unit="run") as bar:
        for row in _rows(missing, train_one, processes):
            document["runs"].append(row)
            document["runs"].sort(key=lambda row: place_of.get(_values(row, fields), len(place_of)))
            _write(path, document)
            bar.update()


def _values(row: Mapping, fields: Sequence[str] | None = None) -> tuple:
    return tuple(row[name] for name in (row if fields is None else fields))


def _rows(runs: Sequence, train_one: Callable, processes: int):
    """The row of each run, in the order in which they end."""
    pool = ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=torch.set_num_threads,
        initargs=(1,),
    )
    try:
        for future in as_completed([pool.submit(train_one, run) for run in runs]):
            yield future.result()
    finally:
        # After an error or Ctrl-C nothing new begins.
        pool.shutdown(cancel_futures=True)


def _write(path: Path, document: dict) -> None:
    """One run a line, so that a change of one run is a change of one line."""
    lines = ",\n".join(json.dumps(row) for row in document["runs"])
    with whole_file(path) as temporary:
        temporary.write_text(
            f'{{"settings": {json.dumps(document["settings"])},\n"runs": [\n{lines}\n]}}\n',
            encoding="utf-8",
        )


def main(
    name: str,
    description: str,
    plan: Callable[..., Plan],
    switches: Mapping[str, str] | None = None,
    arguments: Sequence[str] | None = None,
) -> None:
    """The command of an experiment.

    plan(quick=…): what it trains. switches: further options of the plan that are on or off, with
    their help. arguments: of the command line by default.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m effdet_lite.experiments.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a few short runs, to see it work")
    for switch, meaning in (switches or {}).items():
        parser.add_argument(f"--{switch}", action="store_true", help=meaning)
    parser.add_argument(
        "--output",
        type=Path,
        help=f"file of results (default: assets/results/{name}.json of the course, or with "
        f"--quick runs/{name}-quick.json); finished runs in it are kept",
    )
    parser.add_argument(
        "--processes", type=int, default=2, help="runs at a time, each on one thread (default: 2)"
    )
    options = vars(parser.parse_args(arguments))
    output, processes = options.pop("output"), options.pop("processes")
    try:
        if output is None and options["quick"]:
            output = course_folder() / "runs" / f"{name}-quick.json"
        output = output or results_file(name)
        run_all(output, plan(**options), processes)
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, f"stopped; the same command goes on with what {output} holds.\n")
    print(f"{output} holds every run.", file=sys.stderr)
