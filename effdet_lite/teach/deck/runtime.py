"""reveal.js, the program that turns slides: a copy in the cache, checked, and never in the course.

It comes in a Python package that carries it, by the same installer that brought the course. Each
file is compared with the SHA-256 of reveal.js's own release before it is used.
"""

import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from effdet_lite.download import file_sha256
from effdet_lite.files import whole_file
from effdet_lite.places import cache_folder

VERSION = "5.2.1"
CARRIER = "sphinx-revealjs"
CARRIER_VERSION = "3.2.1"
INSIDE = "sphinx_revealjs/_static/revealjs"
FILES = {
    "dist/reveal.js": "46538b52db48724192f59bf46f5e851a18e302777c46f4a34c32709d010d6a29",
    "dist/reveal.css": "68f915a11ebf7203c0446576b7e952ff61c5dd02134a8a226ffaf62ed42136d2",
    "plugin/notes/notes.js": "df1201d19d03241a2897d39c3d38768177df1cbd4bde06327b321cb83461ae89",
    "LICENSE": "34014800f4126ac2525e224166f099f26628612e95c41f76d70841b63138c989",
}
PATIENCE = 180  # seconds for an installer


class NoRuntime(OSError):
    """reveal.js is not here, and could not be brought."""


def runtime() -> dict[str, Path]:
    """The files of reveal.js by name, "reveal.js" for instance.

    From the cache; or from an installed package that carries it; or brought by uv or pip, and then
    kept in the cache. Raises NoRuntime, with a sentence on what to do.
    """
    kept = cache_folder() / f"reveal.js-{VERSION}"
    found = {place: kept / Path(place).name for place in FILES}
    if not is_whole(found):
        with tempfile.TemporaryDirectory() as folder:
            source = installed() or brought(Path(folder), kept)
            if not is_whole(source):
                raise NoRuntime(
                    f"{CARRIER} {CARRIER_VERSION} does not carry the files of reveal.js {VERSION}: "
                    "it is damaged or was changed, so no slides were made."
                )
            for place, path in source.items():
                with whole_file(found[place]) as temporary:
                    shutil.copyfile(path, temporary)
    return {path.name: path for path in found.values()}


def is_whole(found: dict[str, Path]) -> bool:
    """Whether each file is there and is the one that was released."""
    return bool(found) and all(
        path.is_file() and file_sha256(path) == FILES[place] for place, path in found.items()
    )


def installed() -> dict[str, Path]:
    """The files in an installed package that carries them; {} where there is none."""
    try:
        package = importlib.metadata.distribution(CARRIER)
    except importlib.metadata.PackageNotFoundError:
        return {}
    found = {place: Path(package.locate_file(f"{INSIDE}/{place}")) for place in FILES}
    return found if is_whole(found) else {}


def brought(folder: Path, kept: Path) -> dict[str, Path]:
    """The files, fetched into this folder by the first installer that can."""
    reasons = []
    wanted = ["--no-deps", "--only-binary", ":all:", "--target", str(folder)]
    for installer in installers():
        command = [*installer, *wanted, f"{CARRIER}=={CARRIER_VERSION}"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reasons.append(type(error).__name__)
            continue
        if done.returncode == 0:
            return {place: folder / INSIDE / place for place in FILES}
        lines = (done.stderr or done.stdout).strip().splitlines()
        reasons.append(lines[-1].strip() if lines else f"status {done.returncode}")
    raise NoRuntime(
        f"slides need reveal.js {VERSION}, which is not in {kept} and could not be fetched "
        f"({'; '.join(reasons)}): run the same command once where there is a network, and it stays "
        "there for the next time."
    )


def installers() -> list[list[str]]:
    """The commands that install Python packages here."""
    found = []
    if uv := shutil.which("uv"):
        found.append([uv, "pip", "install", "--quiet", "--python", sys.executable])
    return [*found, [sys.executable, "-m", "pip", "install", "--quiet"]]
