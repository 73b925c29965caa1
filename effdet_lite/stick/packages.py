"""What a kit consists of, asked of uv: which packages a system needs, and where each file is.

uv looks them up for another system than this one. It answers with a file in the format of
https://packaging.python.org/specifications/pylock-toml, in which each package has its addresses,
sizes and hashes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from effdet_lite.download import DownloadError
from effdet_lite.stick.systems import System

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TORCH = ("cpu", "plain")  # PyTorch for Linux: without the libraries for graphics cards, or with
# What an editable installation takes besides the build backend's own requirements.
EDITABLE = {"hatchling.build": ["editables"]}


class Piece(NamedTuple):
    """One file of a kit: its place there, where it comes from, its SHA-256 and its size in bytes;
    "" and None where they are not known before.
    """

    place: str
    url: str
    sha256: str
    size: int | None


class Lock(NamedTuple):
    """What one system needs with one version of Python: pins for uv, and the files they name."""

    pins: str
    pieces: list[Piece]


def find_uv() -> str:
    """The program uv: the one that runs this command, or else the one that a shell would find."""
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        raise ValueError("a kit is put together by uv, which is not installed: `pip install uv`.")
    return found


def ask_uv(arguments: Sequence[str], *, course: Path, environment: dict[str, str]) -> str:
    """What uv prints. Raises DownloadError with its own reason where it fails."""
    done = subprocess.run(
        [find_uv(), *arguments],
        cwd=course,
        env=os.environ | environment | {"NO_COLOR": "1", "UV_NO_PROGRESS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        reason = " ".join(done.stderr.split())
        raise DownloadError(f"uv {arguments[0]} failed: {reason or done.returncode}")
    return done.stdout


def read_project(course: Path) -> dict:
    """The course's pyproject.toml. Raises FileNotFoundError where there is none."""
    try:
        return tomllib.loads((course / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{course} has no pyproject.toml: run this in the course."
        ) from None


def build_requirements(project: dict) -> list[str]:
    """What the laptop needs to install the course itself from its folder."""
    system = project.get("build-system", {})
    backend = system.get("build-backend", "")
    return [*system.get("requires", []), *EDITABLE.get(backend, [])]


def export_requirements(project: dict) -> list[str]:
    """What writes a detector for other programs: a laptop without a network cannot add it later."""
    return project.get("project", {}).get("optional-dependencies", {}).get("export", [])


def locked(course: Path, system: System, python: str, torch: str, extra: Iterable[str]) -> Lock:
    """What the course, and what `extra` names, need on this system with this Python, from wheels.

    torch: one of TORCH. Raises DownloadError where uv cannot tell.
    """
    options = ["pyproject.toml", "--only-binary", ":all:"]
    if system.name == "linux" and torch == "cpu":
        options += ["--torch-backend", "cpu"]
    try:
        return _compiled(course, system, python, options, extra)
    except DownloadError as error:
        hint = ""
        if "--torch-backend" in options and "pytorch" in str(error):
            hint = " (with --torch plain, packages of 3.1 GB come from elsewhere)"
        told = f"the packages for {system.name} with Python {python} cannot be looked up{hint}"
        raise DownloadError(f"{told}: {error}") from error


def locked_uv(course: Path, system: System, python: str) -> Piece:
    """The wheel of uv for this system, of the version that is at work here."""
    version = ask_uv(["--version"], course=course, environment={}).split()[1]
    lock = _compiled(course, system, python, ["--no-deps"], [f"uv=={version}"])
    (piece,) = lock.pieces
    return piece._replace(place=f"uv/{Path(piece.place).name}")


def _compiled(
    course: Path, system: System, python: str, options: Sequence[str], extra: Iterable[str]
) -> Lock:
    with tempfile.TemporaryDirectory() as folder:
        lines, output = Path(folder, "extra.in"), Path(folder, "pylock.toml")
        lines.write_text("\n".join(extra), encoding="utf-8")
        target = ["--python-platform", system.target, "--python-version", python]
        written = ["--format", "pylock.toml", "--output-file", str(output), "--quiet"]
        ask_uv(
            ["pip", "compile", *options, str(lines), *target, *written],
            course=course,
            environment=dict(system.environment),
        )
        return read_lock(output.read_text(encoding="utf-8"), output.parent)


def read_lock(text: str, folder: Path) -> Lock:
    """A pylock file as pins and pieces; folder: where it lies, for the paths in it.

    Of several wheels for one package the first is taken: uv lists those that fit, and the
    wheel for any system last. Raises ValueError for a package without a wheel.
    """
    pins, pieces = [], []
    for package in tomllib.loads(text).get("packages", []):
        if not package.get("wheels"):
            raise ValueError(f"{package['name']} has no wheel, so a kit cannot carry it.")
        wheel = package["wheels"][0]
        url = wheel.get("url") or (folder / wheel["path"]).resolve().as_uri()
        name = wheel.get("name") or unquote(urlsplit(url).path).rpartition("/")[2]
        digest = wheel["hashes"]["sha256"]
        pieces.append(Piece(f"wheels/{name}", url, digest, wheel.get("size")))
        pins.append(f"{package['name']}=={package['version']} --hash=sha256:{digest}\n")
    return Lock("".join(pins), pieces)


def python_build(course: Path, system: System, python: str) -> Piece:
    """The newest build of this Python that uv would fetch on this system, at the place where it
    looks for it when a folder stands for its publisher.
    """
    listed = ["python", "list", "--all-platforms", "--all-arches", "--only-downloads"]
    answer = ask_uv([*listed, "--output-format", "json", python], course=course, environment={})
    wanted = (*system.build, "cpython", "default")
    parts = ("os", "arch", "libc", "implementation", "variant")
    builds = [one for one in json.loads(answer) if tuple(map(one.get, parts)) == wanted]
    if not builds:
        raise DownloadError(f"uv knows no build of Python {python} for {system.name}.")
    newest = max(builds, key=lambda one: one["version_parts"]["patch"])
    release, name = unquote(newest["url"]).split("/")[-2:]
    return Piece(f"python/{release}/{name}", newest["url"], "", None)
