"""From a detector to a folder that a browser opens from the disk.

A page that was opened by double click may load scripts and styles that lie beside it, and fetches
nothing: so the network and the runtime are written as scripts that hold them as text.
"""

import json
import shutil
import string
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.export import export_onnx
from effdet_lite.files import whole_folder
from effdet_lite.page.halving import halve_weights
from effdet_lite.page.packing import write_packed
from effdet_lite.page.runtime import VERSION, runtime_files

PARTS = Path(__file__).parent / "parts"
LOWEST_SCORE = 0.05  # what the page's control begins at; boxes below it are never shown
MOST_BYTES = 12_000_000  # of a page: it is to be mailed, and opened on a telephone


def build_page(
    model: EfficientDet,
    about: dict,
    folder: str | Path,
    *,
    title: str,
    colors: Sequence[str],
    score_threshold: float = 0.3,
    iou_threshold: float = 0.5,
    max_detections: int = 100,
) -> int:
    """Write a page in which the detector runs to a new or empty folder, whole or not at all.

    Returns its size in bytes.

    model, about: of `load_detector`. title: what the page is called. colors: of the classes, in
    turn. score_threshold: where the page's control stands at first. Raises ImportError without the
    packages of the extra `page`, DownloadError without the runtime, ValueError for a detector whose
    page would have more than MOST_BYTES, and WriteError for a folder that cannot be written or is
    not empty.
    """
    shown = {
        "classes": list(about["classes"]),
        "size": list(about["size"]),
        "score": max(LOWEST_SCORE, score_threshold),
        "colors": list(colors),
    }
    with whole_folder(folder) as temporary:  # before the work, for it may refuse
        glue, wasm = runtime_files()
        network = network_of(model, about, iou_threshold, max_detections)
        for part in PARTS.iterdir():
            shutil.copyfile(part, temporary / part.name)
        text = string.Template((PARTS / "index.html").read_text(encoding="utf-8")).substitute(
            title=escape(title), about=json.dumps(shown).replace("<", "\\u003c"), runtime=VERSION
        )
        (temporary / "index.html").write_text(text, encoding="utf-8")
        write_packed(temporary / "runtime.js", {"glue": glue, "wasm": wasm})
        write_packed(temporary / "network.js", {"network": network})
        size = sum(path.stat().st_size for path in temporary.iterdir())
        if size > MOST_BYTES:
            raise ValueError(
                f"the page of this detector would weigh {size / 1e6:.1f} MB, and a page has at "
                f"most {MOST_BYTES / 1e6:.0f} MB: train a smaller network, with a lower --phi."
            )
        return size


def network_of(
    model: EfficientDet, about: dict, iou_threshold: float = 0.5, max_detections: int = 100
) -> bytes:
    """The exported network, as the bytes of an ONNX file. model, about: of `load_detector`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.onnx"
        export_onnx(
            model,
            about["size"],
            path,
            classes=about["classes"],
            score_threshold=LOWEST_SCORE,
            iou_threshold=iou_threshold,
            max_detections=max_detections,
        )
        import onnx  # after the export, which says what to install where it is missing

        network = onnx.load(path)
    halve_weights(network, (tensor.cpu().numpy() for tensor in model.state_dict().values()))
    onnx.checker.check_model(network)
    return network.SerializeToString()
