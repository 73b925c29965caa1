"""The page of the site with detectors in it: four sizes of one, phi = -3 ... 0, and a slider to
move between them.

Its network and runtime are packed as those of `effdet-lite page`, whose scripts it shares.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import nbformat

from effdet_lite import cost
from effdet_lite.checkpoint import load_detector
from effdet_lite.page.building import LOWEST_SCORE, PARTS, network_of
from effdet_lite.page.packing import write_packed
from effdet_lite.page.runtime import VERSION, runtime_files
from effdet_lite.places import shipped_detector
from effdet_lite.teach.kit.plots import COLORS
from effdet_lite.teach.kit.shared import unseen_pictures
from effdet_lite.teach.kit.words import with_minus
from effdet_lite.teach.site.live import picture_as_text

PHIS = (-3, -2, -1, 0)
SOURCE = PurePosixPath("detectors.md")
LIVE = PurePosixPath("live")  # the folder of its scripts
SHARED = ("unpack", "resize", "png", "picture", "labels", "drawing", "detector")
DRAWINGS = 12  # that can be looked at, of the pictures that no detector has seen
SCORE = 0.3

TEXT = """# Four sizes of one detector

Here the networks of [notebook 07](notebooks/07_efficientdet.ipynb) run in this page. One number,
ϕ, makes the detector wider and deeper. All four learned from 24,000 drawings of circles, squares,
triangles and crosses, and each drawing below is new to them.

Move ϕ from −3 to 0. Which drawing needs the larger detectors? Then lower the score: more objects
are found, and more boxes are wrong.

{controls}

A box is right (✓) if it overlaps an object of its class by an IoU of 0.5 or more. ✗ is wrong, 2× a
second box for one object, ? an object that was missed. AP is that of 200 test drawings, measured
in Python when the detector was trained. Parameters and MACs are counted by `cost.count` on the
network itself; MACs are of one picture of {size} pixels.

A picture of your own is fitted to {size} pixels, and no network here has seen a photograph. Nothing
is sent anywhere. The networks run in onnxruntime-web {runtime}, whose license is in
<a href="live/licenses.txt">licenses.txt</a>.
"""
CONTROLS = """<section class="live" id="detectors" aria-label="Detectors">
<fieldset><legend class="hidden">Controls</legend></fieldset>
<div class="stage"><canvas aria-hidden="true"></canvas>
<svg role="img" aria-label="Nothing yet"></svg></div>
<p role="status">The detectors need scripts to run.</p>
<div class="scroll"><table><thead></thead><tbody></tbody></table></div>
<input type="file" accept="image/*" hidden aria-label="A picture">
<script type="application/json">{about}</script>
</section>
"""


def write_detectors(
    folder: Path, phis: Sequence[int] = PHIS, tell: Callable[[], object] = lambda: None
) -> tuple[nbformat.NotebookNode, list[str]]:
    """Write the detectors of these phi and what runs them into a site's folder; tell: is told of
    each. Returns their page, and the scripts that it needs.

    Raises ImportError without the packages of the extra `page`, and DownloadError without the
    runtime.
    """
    glue, wasm = runtime_files()
    live = folder / LIVE
    live.mkdir()
    networks = []
    for phi in phis:
        networks.append(_write_network(live, phi))
        tell()
    write_packed(live / "runtime.js", {"glue": glue, "wasm": wasm})
    for name in (*(f"{name}.js" for name in SHARED), "licenses.txt"):
        shutil.copyfile(PARTS / name, live / name)
    pictures = unseen_pictures()
    about = {
        "networks": networks,
        "classes": list(pictures.classes),
        "colors": list(COLORS),
        "drawings": [_drawing(*pictures[number]) for number in range(DRAWINGS)],
        "score": SCORE,
        "lowest": LOWEST_SCORE,
    }
    data = json.dumps(about, ensure_ascii=False).replace("<", "\\u003c")
    high, wide = networks[0]["size"]
    text = TEXT.format(
        controls=CONTROLS.format(about=data), size=f"{wide} × {high}", runtime=VERSION
    )
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    scripts = [str(LIVE / f"{name}.js") for name in (*SHARED, "runtime")]
    return page, [*scripts, "static/detectors.js"]


def _write_network(live: Path, phi: int) -> dict:
    """Pack one detector; what the page has to know of it."""
    model, about = load_detector(shipped_detector(f"shapes-phi{phi}"))
    name = f"network{phi}"
    write_packed(live / f"{name}.js", {name: network_of(model, about)})
    counted = cost.count(model, 1, 3, *about["size"])
    return {
        "name": name,
        "script": str(LIVE / f"{name}.js"),
        "phi": with_minus(phi),
        "size": list(about["size"]),
        "parameters": f"{counted.params:,}",
        "macs": f"{counted.macs / 1e6:,.1f}",
        "ap": f"{about['result']['ap']:.3f}",
    }


def _drawing(image, target) -> dict:
    """A drawing as a PNG in text, and what is on it."""
    boxes, labels = target["boxes"].tolist(), target["labels"].tolist()
    objects = [{"box": box, "label": label} for box, label in zip(boxes, labels, strict=True)]
    return {"png": picture_as_text(image), "objects": objects}
