"""The page of the site with detectors in it: four sizes of one, phi = -3 ... 0, and a slider to
move between them.
"""

import json
from collections.abc import Sequence
from pathlib import PurePosixPath

import nbformat

from effdet_lite import cost
from effdet_lite.page.building import LOWEST_SCORE
from effdet_lite.page.runtime import VERSION
from effdet_lite.teach.kit.plots import COLORS
from effdet_lite.teach.kit.shared import shipped, unseen_pictures
from effdet_lite.teach.kit.words import with_minus
from effdet_lite.teach.site.inference import SCRIPTS, known
from effdet_lite.teach.site.live import picture_as_text

PHIS = (-3, -2, -1, 0)
SOURCE = PurePosixPath("detectors.md")
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
<div class="stage" role="img" aria-label="Nothing yet"></div>
<p role="status">The detectors need scripts to run.</p>
<div class="scroll"><table><thead></thead><tbody></tbody></table></div>
<input type="file" accept="image/*" hidden aria-label="A picture">
<script type="application/json">{about}</script>
</section>
"""


def name_of(phi: int) -> str:
    """The shipped detector of this size."""
    return f"shapes-phi{phi}"


def page_with_detectors(phis: Sequence[int]) -> tuple[nbformat.NotebookNode, list[str]]:
    """The page, for the detectors of these phi, and the scripts that it needs beside the networks
    themselves.
    """
    networks = [_network(phi) for phi in phis]
    pictures = unseen_pictures()
    about = {
        "networks": networks,
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
    return page, [*SCRIPTS, "static/detectors.js"]


def _network(phi: int) -> dict:
    """What the page has to know of one detector."""
    model, about = shipped(name_of(phi))
    counted = cost.count(model, 1, 3, *about["size"])
    return {
        **known(name_of(phi)),
        "phi": with_minus(phi),
        "parameters": f"{counted.params:,}",
        "macs": f"{counted.macs / 1e6:,.1f}",
        "ap": f"{about['result']['ap']:.3f}",
    }


def _drawing(image, target) -> dict:
    """A drawing as a PNG in text, and what is on it."""
    boxes, labels = target["boxes"].tolist(), target["labels"].tolist()
    objects = [{"box": box, "label": label} for box, label in zip(boxes, labels, strict=True)]
    return {"png": picture_as_text(image), "objects": objects}
