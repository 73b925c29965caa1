"""Pads that live in a page: what their front ends need, where these need no Python.

`KernelPad` computes its convolution in the page, so it does there all that it does in JupyterLab;
what the matcher's pad holds is answered by the explorer below it (`touched`). The state of such a
pad is recorded where the notebook's cells run; another pad stands still.
"""

import json
from pathlib import Path, PurePosixPath

import nbformat

from effdet_lite.teach.kit.touch.modules import module_text
from effdet_lite.teach.kit.touch.pad import Pad

STILL = "<p><em>Without a kernel this rests at:"  # `Pad.show` without one
ALIVE = ("KernelPad(", "matcher_pad(")  # how their cells make them
MODULES = ("boxes", "drawing", "edges", "kernel", "pick", "picture", "window")
SCRIPT = PurePosixPath("static/modules.js")


def pads_of(notebook: nbformat.NotebookNode) -> list[int]:
    """The places of the cells that show a pad which lives in a page."""
    return [
        place
        for place, cell in enumerate(notebook.cells)
        if any(name in cell.source for name in ALIVE) and any(map(is_pad, cell.get("outputs", [])))
    ]


def is_pad(output: nbformat.NotebookNode) -> bool:
    """Is this the still picture of a pad."""
    return output.get("data", {}).get("text/html", "").startswith(STILL)


def state_of(pad: Pad) -> dict:
    """A pad's module, its name in this run, by which explorers find it, and its state as far as
    JSON can hold it, which is all that a page reads.
    """
    state = {}
    for name in pad.get_state():
        try:
            state[name] = json.loads(json.dumps(getattr(pad, name)))
        except TypeError:  # a layout, a style
            continue
    shown = {name: value for name, value in state.items() if not name.startswith("_")}
    return {"id": pad.model_id, "module": pad.module, "state": shown}


def section(pad: dict, still: str) -> str:
    """A pad's place on a page; the still picture is there until the pad is."""
    data = json.dumps(pad, ensure_ascii=False).replace("<", "\\u003c")
    return (
        f'<section class="pad" aria-label="Pad"><div>{still}</div>'
        f'<script type="application/json">{data}</script></section>'
    )


def write_modules(folder: Path) -> None:
    """Write the script with the front ends of the pads, and their style, into a site's folder."""
    modules = {name: module_text(name) for name in MODULES}
    data = json.dumps({"style": Pad._css, "modules": modules}, ensure_ascii=False)
    (folder / SCRIPT).write_text(f"window.course.touch = {data};\n", encoding="utf-8")
