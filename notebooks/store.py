"""Run notebooks from top to bottom and store them as they are committed: `python notebooks/store.py 01 03`.

Outputs are kept; widget views and progress bars, which mean nothing without a kernel, are not. A notebook that raises
an error is left as it was.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

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


if __name__ == "__main__":
    # As conftest.py has it, so that a fresh run can be compared with what is stored.
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    os.environ.pop("MPLBACKEND", None)
    for number in sys.argv[1:] or ["[0-9]"]:
        for path in sorted(FOLDER.glob(f"{number}*.ipynb")):
            store(path)
            print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
