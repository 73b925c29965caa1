"""Explorers on a page of the site: where the controls go, and the script with the frames."""

import json
from pathlib import Path, PurePosixPath

import nbformat

from effdet_lite.teach.site.export import pictures_to_files
from effdet_lite.teach.site.inference import SCRIPTS as NETWORK_SCRIPTS
from effdet_lite.teach.site.live import SCRIPTS as LIVE_SCRIPTS
from effdet_lite.teach.site.live import TABLES, live_explorer
from effdet_lite.teach.site.pads import SCRIPT as MODULES_SCRIPT
from effdet_lite.teach.site.pads import is_pad, pads_of, section
from effdet_lite.teach.site.running import (
    EXPLORER,
    explorers_of,
    frames_file,
    frames_needed,
    is_explorer,
)

FEWEST = 2  # frames: with one there is nothing to move
SCRIPTS = PurePosixPath("frames")
PAD_SCRIPTS = (MODULES_SCRIPT, PurePosixPath("static/pads.js"))


def add_explorers(
    notebook: nbformat.NotebookNode, page: PurePosixPath, drawn: Path, folder: Path
) -> list[PurePosixPath]:
    """Put a place for controls around each explorer whose frames were drawn, and write its frames
    into the site's folder. Returns the scripts that the page needs for them.

    drawn: the folder with the frames, as `running.draw` left it. page: where the page will lie.
    """
    scripts, live = _add_pads(notebook, page, drawn), False
    for place in explorers_of(notebook):
        cell = notebook.cells[place]
        if found := live_explorer(cell.source):
            for output in filter(is_explorer, cell.outputs):
                output.data["text/html"] = _live(*found, output.data["text/html"])
            live = True
    for place in frames_needed(notebook):
        path = frames_file(drawn, Path(page.name), place)
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"frames": []}
        if touched := found.get("touched"):
            networks = touched["table"].get("networks", {}).values()
            if not all((folder / network["script"]).is_file() for network in networks):
                continue  # nothing could run them: the explorer stands still
            for output in filter(is_explorer, notebook.cells[place].outputs):
                output.data["text/html"] = _live(**touched, still=output.data["text/html"])
            live = True
            scripts += [*PAD_SCRIPTS, *map(PurePosixPath, NETWORK_SCRIPTS if networks else ())]
            continue
        if len(found["frames"]) < FEWEST:
            continue
        for output in notebook.cells[place].outputs:
            if is_explorer(output):
                output.data["text/html"] = _with_place(path.stem, output.data["text/html"])
        found["frames"] = [pictures_to_files(one, page, folder) for one in found["frames"]]
        name = SCRIPTS / f"{path.stem}.js"
        (folder / SCRIPTS).mkdir(exist_ok=True)
        data = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
        text = f'window.course.frames("{path.stem}", {data});\n'
        (folder / name).write_text(text, encoding="utf-8")
        scripts.append(name)
    if live:
        scripts += [TABLES, *(PurePosixPath(f"static/{name}.js") for name in LIVE_SCRIPTS)]
    return scripts


def _add_pads(
    notebook: nbformat.NotebookNode, page: PurePosixPath, drawn: Path
) -> list[PurePosixPath]:
    """Put the pads whose state was recorded into their places. Returns the scripts for them."""
    scripts = []
    for place in pads_of(notebook):
        path = frames_file(drawn, Path(page.name), place)
        if path.is_file():
            pad = json.loads(path.read_text(encoding="utf-8"))["pad"]
            for output in filter(is_pad, notebook.cells[place].outputs):
                output.data["text/html"] = section(pad, output.data["text/html"])
            scripts = [*PAD_SCRIPTS]
    return scripts


def _live(view: str, controls: list[dict], still: str, table: dict | None = None) -> str:
    """The explorer as it is without a script, with what the script has to know of it. table: its
    own, where it has no share in that of all pages.
    """
    about = {"view": view, "controls": controls} | ({"table": table} if table else {})
    data = json.dumps(about, ensure_ascii=False, separators=(",", ":"))
    data = data.replace("<", "\\u003c")
    about = f'<script type="application/json">{data}</script>'
    return _section(f'data-view="{view}"', still, about)


def _with_place(name: str, still: str) -> str:
    """The explorer as it is without a script, with a place for controls and one for words."""
    return _section(f'data-name="{name}"', still, "")


def _section(about: str, still: str, data: str) -> str:
    rest, _, picture = still.partition("</p>")
    rest = EXPLORER.sub('<p class="rest"><em>Without scripts the controls rest at', rest)
    return (
        f'<section class="explorer" aria-label="Explorer" {about}>{rest}</p>'
        f'<div class="shown">{picture}</div><p class="told" role="status"></p>{data}</section>'
    )
