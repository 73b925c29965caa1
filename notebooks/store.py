"""Run notebooks from top to bottom and store them as they are committed: `python notebooks/store.py 01 03`.
Begin a new one: `python notebooks/store.py new 11 "Quantization"`.

Outputs are kept; widget views and progress bars, which mean nothing without a kernel, are not. A notebook that raises
an error is left as it was.
"""

import os
import sys
from pathlib import Path
import nbformat
from nbclient import NotebookClient

from beginning import new_notebook, steps

FOLDER = Path(__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"


def is_progress(output: dict) -> bool:
    """Is this what a tqdm bar leaves behind."""
    return WIDGET in output.get("data", {}) and "%|" in output["data"].get("text/plain", "")


def store(path: Path) -> None:
    """Execute the notebook in place."""
    notebook = nbformat.read(path, 4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(FOLDER)}}).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = [output for output in cell.outputs if not is_progress(output)]
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET, None)
    notebook.metadata.pop("widgets", None)
    nbformat.write(notebook, path)


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


def main(arguments: list[str]) -> None:
    """Begin a notebook, or store those whose numbers are given; without a number, all."""
    if arguments[:1] == ["new"]:
        begin(arguments[1:])
        return
    # As conftest.py has it, so that a fresh run can be compared with what is stored.
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    os.environ.pop("MPLBACKEND", None)
    for number in arguments or ["[0-9]"]:
        for path in sorted(FOLDER.glob(f"{number}*.ipynb")):
            store(path)
            print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
