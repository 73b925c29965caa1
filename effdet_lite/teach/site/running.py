"""The cells of a notebook that its explorers need, run to draw their frames.

`python -m effdet_lite.teach.site.running NOTEBOOK FOLDER MOST` does it for one notebook, in a
process of its own as a kernel would be, and prints a line for each explorer. `draw` does it for
many.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat

from effdet_lite.teach.site.live import is_live
from effdet_lite.teach.site.names import names_of, needed
from effdet_lite.teach.site.pads import pads_of

EXPLORER = re.compile(
    r"<p><em>Without a kernel the controls rest at"
)  # `Explorer.show` without one
DONE = "explorer drawn: "


def explorers_of(notebook: nbformat.NotebookNode) -> list[int]:
    """The places of the cells that show an explorer."""
    return [
        place
        for place, cell in enumerate(notebook.cells)
        if any(map(is_explorer, cell.get("outputs", [])))
    ]


def frames_needed(notebook: nbformat.NotebookNode) -> list[int]:
    """The places of explorers whose frames are drawn: the others compute in the page."""
    return [place for place in explorers_of(notebook) if not is_live(notebook.cells[place])]


def is_explorer(output: nbformat.NotebookNode) -> bool:
    """Is this the still picture of an explorer."""
    return bool(EXPLORER.match(output.get("data", {}).get("text/html", "")))


def frames_file(folder: Path, notebook: Path, place: int) -> Path:
    """Where the frames of the explorer in the cell at this place are written."""
    return folder / f"{notebook.name[:2]}_{place}.json"


def draw(
    notebooks: Sequence[Path], folder: Path, tell: Callable[[int], object], most: int
) -> list[str]:
    """Draw the frames of all explorers of these notebooks into the folder, several notebooks at a
    time. tell: is told of each explorer how many frames it has; most: how many it may have.

    Returns a sentence about each notebook that could not be run.
    """
    with ThreadPoolExecutor(max_workers=min(len(notebooks), os.cpu_count() or 1) or 1) as pool:
        notes = pool.map(lambda path: _draw_one(path, folder, tell, most), notebooks)
        return [note for note in notes if note]


def _draw_one(path: Path, folder: Path, tell: Callable[[int], object], most: int) -> str:
    with tempfile.TemporaryDirectory() as fresh:
        # One thread each, and nobody's guesses.
        ours = {"OMP_NUM_THREADS": "1", "EFFDET_LITE_PROGRESS": str(Path(fresh) / "progress.json")}
        package = str(Path(__file__).parents[3])
        ours["PYTHONPATH"] = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, str(path), str(folder), str(most)],
            cwd=path.parent,
            env=os.environ | ours,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        last = ""
        with process:
            for line in process.stdout:
                last = line.strip() or last
                if line.startswith(DONE):
                    tell(int(line.removeprefix(DONE)))
        if process.returncode:
            return f"The explorers of {path.name} stand still, since it did not run: {last}"
    return ""


def run(path: Path, folder: Path, most: int) -> None:
    """Run the cells that the notebook's explorers need, and write their frames into the folder."""
    from effdet_lite.teach.kit.touch.pad import Pad
    from effdet_lite.teach.kit.widgets import Explorer
    from effdet_lite.teach.site import touched
    from effdet_lite.teach.site.frames import record
    from effdet_lite.teach.site.pads import state_of

    pads_shown: list[Pad] = []  # the pads of a cell, when it has been run
    Pad.show = lambda pad: pads_shown.append(pad)
    notebook = nbformat.read(path, 4)
    code = [place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    names = [names_of(notebook.cells[place].source) for place in code]
    pads = pads_of(notebook)
    wanted = [code.index(place) for place in [*frames_needed(notebook), *pads]]
    namespace = {"__name__": "__main__"}
    for number in needed(names, wanted):
        place = code[number]
        source = notebook.cells[place].source
        shown: list[Explorer] = []
        pads_shown.clear()
        Explorer.shown = shown.append
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(source, f"{path.name}, cell {place}", "exec"), namespace)
        if number in wanted and shown:
            file = frames_file(folder, path, place)
            frames = 0 if touched.record(shown[-1], file) else record(shown[-1], file, most)
            print(f"{DONE}{frames}", flush=True)
        if pads_shown and place in pads:
            data = json.dumps({"pad": state_of(pads_shown[-1])})
            frames_file(folder, path, place).write_text(data, encoding="utf-8")
            print(f"{DONE}0", flush=True)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
