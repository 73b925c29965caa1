"""This package against what people would use instead: blood cells from scratch, the same minutes.

    python benchmarks/same_budget.py             # every run that same_budget.json does not hold yet
    python benchmarks/same_budget.py --report    # the section of RESULTS.md and the figure alone
    python benchmarks/same_budget.py --quick     # a second of each contestant; writes to runs/ only

Each contestant is a script in contestants/, run in a process and an environment of its own, which
this command makes with uv where it is missing (in runs/same_budget/). It needs an idle machine:
seconds count. Stopped at any moment, the same command goes on with the next run.

Two tracks. "as it comes": the documented defaults. "tuned": each contestant tries the eight
settings of its script on the training list, scored on the validation list; the best one is used.
Test photographs are read when a final run is scored, and not before.
"""

import argparse
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

from budget_data import export, judged
from budget_report import figure, section
from contestants.common import Task
from results_page import describe_machine, write_section
from tqdm.auto import tqdm

from effdet_lite.data.bccd import UNSEEN
from effdet_lite.files import whole_file
from effdet_lite.places import cells_folder
from effdet_lite.teach.kit.plots import png

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "same_budget.json"
PICTURE = ROOT / "assets" / "same_budget.png"
WORK = ROOT / "runs" / "same_budget"
CONTESTANTS = ("effdet_lite", "yolo26n", "yolox_nano", "ssdlite")
TRACKS = ("as it comes", "tuned")
BUDGETS = (150, 600)  # seconds
SEARCH_SECONDS = 150
SEEDS = (0, 1, 2)
THREADS = 2
# With --quick: small pictures, few of them, and a second each.
QUICK_PICTURES = 4
QUICK_SETTINGS = {
    "effdet_lite": {"size": [64, 64], "phi": -3.0},
    "yolo26n": {"imgsz": 64, "batch": 4},
    "yolox_nano": {"imgsz": [64, 96], "batch": 4},
    "ssdlite": {"size": [64, 96], "batch": 2, "learning_rate": 0.01},
}


@dataclass(frozen=True)
class Run:
    """One training. purpose: "search" (on train, scored on val) or "final" (on trainval, scored on
    both test lists). setting: the contestant's options.
    """

    contestant: str
    version: str
    track: str
    purpose: str
    seconds: float
    seed: int
    setting: dict


def contestant(name: str):
    """The script of a contestant as a module: its NAME, PACKAGE, PINNED, LICENSE, AS_IT_COMES and
    SEARCH. What it trains with is imported by its own process only.
    """
    return importlib.import_module(f"contestants.{name}")


# --- environments ---


def python_of(name: str, work: Path) -> str:
    """The Python that runs a contestant: this one, or one of an environment, made where missing."""
    script = contestant(name)
    if script.PINNED is None:
        return sys.executable
    folder = work / f"env-{script.PACKAGE}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        if shutil.which("uv") is None:
            raise ValueError(f"{script.PACKAGE} needs an environment of its own: install uv.")
        # The same torch for all, so that the packages are compared and not its versions.
        wanted = [f"{script.PACKAGE}=={script.PINNED}"]
        wanted += [f"{one}=={version(one).partition('+')[0]}" for one in ("torch", "torchvision")]
        subprocess.run(["uv", "venv", "--python", sys.executable, str(folder)], check=True)
        install = ["uv", "pip", "install", "--python", str(python), *wanted]
        subprocess.run(install, check=True)
    return str(python)


def version_of(name: str, python: str) -> str:
    """The version of a contestant's package in the environment of `python`."""
    ask = f"from importlib.metadata import version; print(version({contestant(name).PACKAGE!r}))"
    done = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True)
    return done.stdout.strip().partition("+")[0]


# --- which runs, and in which order ---


@dataclass(frozen=True)
class Plan:
    """What is run. settings, searched: of each contestant, the setting as it comes, and those that
    it may try. search_seconds: of each of these.
    """

    settings: dict[str, dict]
    searched: dict[str, list[dict]]
    tracks: Sequence[str] = TRACKS
    budgets: Sequence[float] = BUDGETS
    seeds: Sequence[int] = SEEDS
    search_seconds: float = SEARCH_SECONDS

    def __len__(self) -> int:
        finals = len(self.settings) * len(self.tracks) * len(self.budgets) * len(self.seeds)
        return finals + ("tuned" in self.tracks) * sum(map(len, self.searched.values()))

    def search(self, versions: dict[str, str]) -> list[Run]:
        """Every setting that is tried, the contestants in turns."""
        runs = []
        for number in range(max(map(len, self.searched.values()))):
            for name in turned(list(self.searched), number):
                for setting in self.searched[name][number : number + 1]:
                    run = Run(
                        name, versions[name], "tuned", "search", self.search_seconds, 0, setting
                    )
                    runs.append(run)
        return runs

    def finals(self, versions: dict[str, str], track: str, settings: dict[str, dict]) -> list[Run]:
        """Every budget and seed of a track, the contestants in turns."""
        return [
            Run(name, versions[name], track, "final", seconds, seed, settings[name])
            for seconds in self.budgets
            for seed in self.seeds
            for name in turned(list(settings), seed)
        ]


def full_plan(names: Sequence[str], tracks: Sequence[str]) -> Plan:
    """What the benchmark is."""
    scripts = {name: contestant(name) for name in names}
    settings = {name: script.AS_IT_COMES for name, script in scripts.items()}
    searched = {name: script.SEARCH for name, script in scripts.items()}
    return Plan(settings, searched, tracks)


def quick_plan(names: Sequence[str], tracks: Sequence[str]) -> Plan:
    """One run of each kind, a second long."""
    settings = {name: QUICK_SETTINGS[name] for name in names}
    searched = {name: [setting] for name, setting in settings.items()}
    return Plan(settings, searched, tracks, budgets=(1,), seeds=(0,), search_seconds=1)


def turned(names: Sequence[str], number: int) -> Sequence[str]:
    """The names in their order, and every second time the other way round."""
    return names if number % 2 == 0 else names[::-1]


def best_setting(rows: Sequence[dict], name: str, version: str) -> dict:
    """The setting of the search with the highest AP on the validation list.

    Raises ValueError where every one of them failed.
    """
    wanted = {"contestant": name, "version": version, "purpose": "search"}
    tried = [row for row in rows if wanted.items() <= row.items()]
    if all("failed" in row for row in tried):
        raise ValueError(f"no setting of {name} could be trained: {tried[-1]['failed']}")
    return max(tried, key=lambda row: row["scores"]["val"]["ap"])["setting"]


# --- running ---


class Book:
    """The file of results, which grows run by run."""

    def __init__(self, path: Path):
        self.path = path
        self.rows = json.loads(path.read_text(encoding="utf-8"))["runs"] if path.exists() else []

    def has(self, run: Run) -> bool:
        """Whether this very run is finished."""
        wanted = asdict(run)
        return any(wanted.items() <= row.items() for row in self.rows)

    def add(self, row: dict) -> None:
        """One row more, written at once; a run a line."""
        self.rows.append(row)
        lines = ",\n".join(json.dumps(one) for one in self.rows)
        with whole_file(self.path) as temporary:
            temporary.write_text(f'{{"runs": [\n{lines}\n]}}\n', encoding="utf-8")


def play(plan: Plan, book: Book, work: Path, data: Path) -> None:
    """Do all runs of the plan that the book does not hold."""
    pythons = {name: python_of(name, work) for name in plan.settings}
    versions = {name: version_of(name, python) for name, python in pythons.items()}
    with tqdm(total=len(plan), unit="run") as bar:
        if "as it comes" in plan.tracks:
            runs = plan.finals(versions, "as it comes", plan.settings)
            finish(runs, book, pythons, data, bar)
        if "tuned" in plan.tracks:
            finish(plan.search(versions), book, pythons, data, bar)
            best = {name: best_setting(book.rows, name, versions[name]) for name in plan.settings}
            finish(plan.finals(versions, "tuned", best), book, pythons, data, bar)


def finish(runs: Sequence[Run], book: Book, pythons: dict[str, str], data: Path, bar: tqdm) -> None:
    """Do the runs that the book does not hold."""
    for run in runs:
        if not book.has(run):
            bar.set_postfix_str(
                f"{run.contestant}, {run.track}, {run.seconds:g} s, seed {run.seed}"
            )
            book.add(row_of(run, pythons[run.contestant], data))
        bar.update()


def row_of(run: Run, python: str, data: Path) -> dict:
    """Train and score a contestant in a process of its own; its row."""
    is_search = run.purpose == "search"
    output = data.parent / "now"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    task = Task(
        data=str(data.resolve()),
        train="train" if is_search else "trainval",
        score="val" if is_search else "test",
        seconds=run.seconds,
        seed=run.seed,
        setting=run.setting,
        output=str(output.resolve()),
    )
    (output / "task.json").write_text(json.dumps(asdict(task)), encoding="utf-8")
    script = contestant(run.contestant)
    row = asdict(run) | {
        "package": script.PACKAGE,
        "license": script.LICENSE,
        "lines": lines_a_user_writes(script.__doc__),
        "torch": torch_of(python),
        "machine": describe_machine(),
        "date": str(date.today()),
    }
    try:
        start(run.contestant, python, output)
    except ValueError as error:
        if not is_search:
            raise
        # A setting that breaks its training is a bad setting.
        return row | {"scores": {"val": {"ap": 0.0, "ap50": 0.0}}, "failed": str(error)}
    answers = json.loads((output / "detections.json").read_text(encoding="utf-8"))
    scores = {}
    for name in ("val",) if is_search else ("test", UNSEEN):
        truth = json.loads((data / f"{name}.json").read_text(encoding="utf-8"))
        scores[name] = judged(answers, truth)
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    return row | {"scores": scores} | report


def start(name: str, python: str, output: Path) -> None:
    """Run a contestant on output/task.json; what it says goes to output/log.txt.

    Raises ValueError with the last of it where the contestant fails.
    """
    environment = os.environ | {
        "OMP_NUM_THREADS": str(THREADS),
        "MKL_NUM_THREADS": str(THREADS),
        "YOLO_OFFLINE": "1",
        "YOLO_AUTOINSTALL": "false",
        # This package for its own script; another environment must not see ours.
        "PYTHONPATH": str(ROOT) if python == sys.executable else "",
    }
    command = [python, "-m", f"contestants.{name}", str(output.resolve() / "task.json")]
    with (output / "log.txt").open("w") as log:
        done = subprocess.run(
            command, cwd=HERE, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        said = (output / "log.txt").read_text(errors="replace").strip().splitlines()
        raise ValueError(f"{name} ended with status {done.returncode}: {said[-1] if said else ''}")


def torch_of(python: str) -> str:
    """The version of torch in an environment."""
    ask = "from importlib.metadata import version; print(version('torch'))"
    done = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def lines_a_user_writes(docstring: str) -> int:
    """The lines of the example in a script's docstring: those that are indented."""
    return sum(line.startswith("    ") for line in docstring.splitlines())


# --- the command ---


def report(book: Book) -> str:
    """Write the section of RESULTS.md and the figure; the section."""
    text = section(book.rows)
    write_section(text)
    with whole_file(PICTURE) as temporary:
        temporary.write_bytes(png(figure(book.rows), dpi=150))
    return text


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a second each, to see it work")
    parser.add_argument("--report", action="store_true", help="no run, the section and the figure")
    parser.add_argument(
        "--only", action="append", choices=CONTESTANTS, help="this contestant; may be repeated"
    )
    parser.add_argument("--track", choices=TRACKS, help="this track alone")
    parser.add_argument("--work", type=Path, default=WORK, help=f"folder (default: {WORK})")
    options = parser.parse_args(arguments)
    names = options.only or CONTESTANTS
    # "tuned" does all that "as it comes" does.
    tracks = [options.track] if options.track else TRACKS[1:] if options.quick else TRACKS
    folder = options.work / "quick" if options.quick else options.work
    book = Book(folder / "same_budget.json" if options.quick else RESULTS)
    try:
        if not options.report:
            data = folder / "data"
            export(cells_folder(), data, QUICK_PICTURES if options.quick else None)
            plan = (quick_plan if options.quick else full_plan)(names, tracks)
            play(plan, book, options.work, data)
        print(section(book.rows) if options.quick else report(book))
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, f"stopped; the same command goes on with what {book.path} holds.\n")


if __name__ == "__main__":
    main()
