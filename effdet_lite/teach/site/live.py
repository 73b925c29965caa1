"""Explorers that compute in the page: their controls, read from the cell, and the tables that their
arithmetic needs.

`static/views.js` has a function for each name in LIVE. It answers with the numbers and words that
the view of this name answers with in Python, and tests hold the two together.
"""

import ast
import base64
import functools
import io
import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import nbformat
import numpy as np
from PIL import Image

SCRIPTS = (
    "networks",
    "numbers",
    "drawings",
    "views",
    "plots",
    "necks",
    "touched",
    "sheet",
    "finding",
    "live",
)
LEFT_OUT = {"detector_view": {"picture"}}  # controls that choose among pictures of Python's
TABLES = PurePosixPath("static/tables.js")


def live_explorer(source: str) -> tuple[str, list[dict]] | None:
    """The view and the controls of a cell that ends with an explorer which computes in the page;
    None for other cells.

    A control: its kind, name, label and rest; low, high and step, or its options.
    """
    try:
        last = ast.parse(source).body[-1]
    except (SyntaxError, IndexError):
        return None
    calls = [node for node in ast.walk(last) if isinstance(node, ast.Call)]
    for call in calls:
        is_explorer = isinstance(call.func, ast.Name) and call.func.id == "Explorer"
        if is_explorer and isinstance(call.args[0], ast.Name) and call.args[0].id in LIVE:
            view = call.args[0].id
            wanted = [one for one in call.keywords if one.arg not in LEFT_OUT.get(view, ())]
            controls = [_control(one.arg, one.value) for one in wanted]
            return None if None in controls else (view, controls)
    return None


def _control(name: str, call: ast.expr) -> dict | None:
    """A control as the page has it; None where it is not written out in the cell."""
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.keywords:
        return None
    try:
        label, *values = map(ast.literal_eval, call.args)
    except ValueError:
        return None
    if call.func.id == "slider":
        low, high, rest, step = (*values, 1)[:4]
        ends = {"low": low, "high": high, "step": step, "rest": rest}
        return {"kind": "range", "name": name, "label": label, **ends}
    if call.func.id == "choice" and isinstance(values[0], list):
        rest = values[0].index(values[1]) if len(values) > 1 else 0
        options = {"options": values[0], "rest": rest}
        return {"kind": "select", "name": name, "label": label, **options}
    return None


def is_live(cell: nbformat.NotebookNode) -> bool:
    """Does the explorer of this cell compute in the page."""
    return cell.cell_type == "code" and live_explorer(cell.source) is not None


def write_tables(folder: Path) -> None:
    """Write the script with the tables of every view into a site's folder."""
    tables = {view: make() for view, make in LIVE.items()}
    data = json.dumps(tables, ensure_ascii=False, separators=(",", ":"))
    (folder / TABLES).write_text(f"window.course.tables = {data};\n", encoding="utf-8")


# --- the tables ---


@functools.cache
def _networks() -> dict:
    """What the arithmetic of whole networks needs."""
    from effdet_lite.anchors import ANCHORS_PER_POSITION
    from effdet_lite.efficientnet import B0_HEAD, B0_STAGES, B0_STEM, LEVEL_STAGES
    from effdet_lite.graphs import bifpn

    stages = [
        {
            "expand": stage.expand_ratio,
            "channels": stage.channels,
            "blocks": stage.blocks,
            "kernel": stage.kernel,
            "stride": stage.stride,
        }
        for stage in B0_STAGES
    ]
    cells = {first: bifpn(range(first, first + 5)).to_dict()["nodes"] for first in (2, 3)}
    return {
        "stem": B0_STEM,
        "head": B0_HEAD,
        "stages": stages,
        "levelStages": list(LEVEL_STAGES),
        "anchors": ANCHORS_PER_POSITION,
        "bifpn": cells,
    }


def _bet() -> dict:
    from effdet_lite.teach.nb.n03_bet import BUDGET, MOST, NEAR, STRIDE

    return {**_networks(), "bet": {"budget": BUDGET, "most": MOST, "near": NEAR, "stride": STRIDE}}


def _scaling() -> dict:
    from effdet_lite.scaling import EFFICIENTNETS
    from effdet_lite.teach.nb.n03_scaling import LARGEST, SMALLEST, published_costs

    published = [
        {
            "name": name,
            "params": one.params,
            "macs": one.macs,
            "resolution": EFFICIENTNETS[name.lower()].resolution,
        }
        for name, one in published_costs().items()
    ]
    ends = {"smallest": SMALLEST, "largest": LARGEST, "published": published}
    return {**_networks(), "scaling": ends}


def _weighting() -> dict:
    from effdet_lite.teach.nb.n05_weights import INPUTS

    return {"inputs": list(INPUTS)}


def _steps() -> dict:
    """The boxes of one picture, as the detector of notebook 06 gives them."""
    from effdet_lite.teach.kit.shared import unseen_pictures
    from effdet_lite.teach.nb.n06_nms import PICTURE, ZOOM, sure_boxes

    found, pictures = sure_boxes(), unseen_pictures()
    image, _ = pictures[PICTURE]
    left, right, bottom, top = ZOOM
    return {
        **{name: found[name].tolist() for name in ("boxes", "labels", "scores")},
        "classes": list(pictures.classes),
        "picture": picture_as_text(image),
        "size": image.shape[-1],
        "shown": [left, top, right, bottom],
    }


def _detector() -> dict:
    from effdet_lite.scaling import PUBLISHED
    from effdet_lite.teach.nb.n07_ladder import NAMES, aps_by_seed, rungs, told

    trained = [
        {
            "phi": phi,
            "told": f"AP {told(aps_by_seed()[phi])}; "
            f"{one.cost.macs / 1e6:.0f} million MACs at 128 px",
        }
        for phi, one in sorted(rungs().items())
    ]
    paper = {
        "macs": [PUBLISHED[name].macs for name in NAMES],
        "ap": [PUBLISHED[name].accuracy for name in NAMES],
    }
    return {**_networks(), "trained": trained, "paper": paper}


def picture_as_text(image) -> str:
    """A picture, [3, H, W] in 0-1, as the address of a PNG that it holds itself."""
    pixels = (image.numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


LIVE: dict[str, Callable[[], dict]] = {
    "convolution_view": dict,
    "bet_view": _bet,
    "scaling_view": _scaling,
    "weighting_view": _weighting,
    "step_view": _steps,
    "detector_view": _detector,
}
