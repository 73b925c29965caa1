"""Run notebooks from top to bottom and store them as they are committed: `python notebooks/store.py 01 03`.
Look at their text without running them: `python notebooks/store.py --look 01`.
Begin a new one: `python notebooks/store.py new 11 "Quantization"`.

Outputs are kept; widget views and progress bars, which mean nothing without a kernel, are not. A notebook that raises
an error is left as it was, and so is one while it runs: its file is written whole, at the end.
"""

from effdet_lite.files import whole_file

import os
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from beginning import new_notebook, steps
from guide import write_guide
from proofreading import REWRITTEN, look
from proofreading.minutes import keep_machine_minutes, reading, write_minutes
from proofreading.pages import Page, read

FOLDER = Path(__file__).resolve().parent
WIDGET = "application/vnd.jupyter.widget-view+json"
SECONDS = 600  # that a cell may take


class StoreError(Exception):
    """Why a notebook was not stored, in one sentence."""


def environment(fresh: str) -> dict[str, str]:
    """What a kernel finds, as conftest.py has it, so that a fresh run can be compared with what is stored.

    fresh: a folder without anybody's start-up files, and without anybody's answers and guesses.
    """
    path = os.pathsep.join(filter(None, [str(FOLDER.parent), os.environ.get("PYTHONPATH")]))
    ours = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONPATH": path, "IPYTHONDIR": fresh}
    ours["EFFDET_LITE_PROGRESS"] = str(Path(fresh) / "progress.json")
    # Agg would take the figures out of the outputs.
    return {name: value for name, value in os.environ.items() if name != "MPLBACKEND"} | ours


def is_progress(output: dict) -> bool:
    """Is this what a tqdm bar leaves behind."""
    return WIDGET in output.get("data", {}) and "%|" in output["data"].get("text/plain", "")


def execute(notebook: nbformat.NotebookNode, name: str) -> None:
    """Run every cell in a fresh kernel. Raises StoreError."""
    resources = {"metadata": {"path": str(FOLDER)}}
    client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources)
    try:
        with tempfile.TemporaryDirectory(prefix="ipython-", ignore_cleanup_errors=True) as fresh:
            client.execute(env=environment(fresh))
    except CellExecutionError as error:
        reason = " ".join(f"{error.ename}: {error.evalue}".split())
    except CellTimeoutError:
        reason = f"a cell took more than {SECONDS} s"
    except DeadKernelError:
        reason = "its kernel died"
    else:
        return
    ran = sum(cell.cell_type == "code" and cell.execution_count is not None for cell in notebook.cells)
    raise StoreError(f"{name} was left as it was, since it stopped in code cell {ran}: {reason}")


def seconds_of(cell: nbformat.NotebookNode) -> float:
    """How long the cell ran, by the times that its kernel noted; 0 if there are none."""
    times = cell.metadata.get("execution", {})
    begun, ended = (times.get(name) for name in ("iopub.execute_input", "shell.execute_reply"))
    if not (begun and ended):
        return 0.0
    return (datetime.fromisoformat(ended[:26]) - datetime.fromisoformat(begun[:26])).total_seconds()


def store(path: Path) -> None:
    """Execute the notebook, and write it in its place. Raises StoreError where it does not run to its end."""
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = None, []
    execute(notebook, path.name)
    seconds = {place: seconds_of(cell) for place, cell in enumerate(notebook.cells) if cell.cell_type == "code"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = [output for output in cell.outputs if not is_progress(output)]
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET, None)
    notebook.metadata.pop("widgets", None)
    page = Page(path, notebook)
    if page.number in REWRITTEN:
        keep_machine_minutes(page, seconds)
        write_minutes(page)
    with whole_file(path) as temporary:
        nbformat.write(notebook, temporary)
    if page.number in REWRITTEN:
        write_guide(FOLDER / "INSTRUCTOR.md", page)


def chosen(numbers: list[str]) -> list[Path]:
    """The notebooks of these numbers, or all. Raises StoreError for a number that none has."""
    every = {path.name.partition("_")[0]: path for path in sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))}
    unknown = [number for number in numbers if number.zfill(2) not in every]
    if unknown:
        raise StoreError(f"there is no notebook {unknown[0]!r}: their numbers are {', '.join(every)}.")
    return [every[number.zfill(2)] for number in numbers] or list(every.values())


def begin(arguments: list[str]) -> None:
    """Make the files of a new notebook, and say what is left to do."""
    if len(arguments) != 2 or not arguments[0].isdecimal():
        sys.exit('say its number and its title: python notebooks/store.py new 11 "Quantization"')
    try:
        for path in new_notebook(FOLDER, int(arguments[0]), arguments[1]):
            print(f"made {path.relative_to(FOLDER.parent)}")
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    print("What is left (notebooks/README.md):")
    for number, step in enumerate(steps(FOLDER), 2):
        print(f"{number:2}. {step}")


def show_findings(numbers: list[str]) -> None:
    """Print what is found in these notebooks' text, and what it takes to read them."""
    try:
        paths = chosen(numbers)
    except StoreError as error:
        sys.exit(str(error))
    for path in paths:
        page = read(path)
        found = look(path)
        print(f"{path.name}: {reading(page)}; deeper: {reading(page, 'deeper').minutes:.0f} min")
        print(*found, f"{len(found)} findings", sep="\n")


def main(arguments: list[str]) -> None:
    """Begin a notebook, look at some, or store those whose numbers are given; without a number, all."""
    if arguments[:1] == ["new"]:
        begin(arguments[1:])
        return
    if arguments[:1] == ["--look"]:
        show_findings(arguments[1:])
        return
    failed = []
    try:
        for path in chosen(arguments):
            try:
                store(path)
                print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {reading(read(path))}", flush=True)
            except StoreError as error:
                failed.append(str(error))
                print(error, file=sys.stderr, flush=True)
    except (StoreError, OSError) as error:
        sys.exit(str(error))
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
