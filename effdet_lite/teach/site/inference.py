"""Networks that run in the pages of a site: they, and what runs them, as scripts in a folder.

They are packed as that of `effdet-lite page`, whose scripts a site shares. A network's script and
the runtime's are fetched when a page first asks for them: `static/running.js`.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from effdet_lite.page.building import PARTS, network_of
from effdet_lite.page.packing import write_packed
from effdet_lite.page.runtime import runtime_files
from effdet_lite.teach.kit.shared import shipped

LIVE = PurePosixPath("live")  # the folder of its scripts
SHARED = ("unpack", "resize", "png", "picture", "labels", "drawing", "detector")
LICENSES = "licenses.txt"
SCRIPTS = (  # of a page in which networks run
    *(str(LIVE / f"{name}.js") for name in SHARED),
    "static/numbers.js",
    "static/running.js",
)


def write_networks(
    folder: Path, names: Sequence[str], tell: Callable[[], object] = lambda: None
) -> None:
    """Write these shipped detectors, and what runs them, into a site's folder; tell: is told of
    each detector.

    Raises ImportError without the packages of the extra `page`, and DownloadError without the
    runtime.
    """
    glue, wasm = runtime_files()
    live = folder / LIVE
    live.mkdir()
    for name in names:
        write_packed(folder / known(name)["script"], {name: network_of(*shipped(name))})
        tell()
    write_packed(live / "runtime.js", {"glue": glue, "wasm": wasm})
    for name in (*(f"{name}.js" for name in SHARED), LICENSES):
        shutil.copyfile(PARTS / name, live / name)


def known(name: str) -> dict:
    """What a page has to know of a shipped detector to run it."""
    _, about = shipped(name)
    return {
        "name": name,
        "script": str(LIVE / f"network-{name}.js"),
        "size": list(about["size"]),
        "classes": list(about["classes"]),
    }
