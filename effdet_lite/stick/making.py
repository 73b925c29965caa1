"""Make a kit: bring packages, uv, Python, the course, data and weights into one folder.

What is there already is kept, so that a kit that was stopped goes on with the same command. The
file kit.json is written last: a folder without it is no finished kit.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from tqdm.auto import tqdm

from effdet_lite.download import DownloadError, download
from effdet_lite.files import clear_partial, ensure_writable, whole_file
from effdet_lite.stick import packages, packing
from effdet_lite.stick.packages import Lock, Piece
from effdet_lite.stick.systems import System, chosen_pythons, chosen_systems

PARTS = ("python", "cells", "weights", "site", "runtime")  # what a kit can do without
SCRIPTS = ("install.sh", "install.ps1", "install.py")
ROOM = 1.05  # of what is to be written, free on the disk: file systems take some for themselves
UNKNOWN = 30_000_000  # bytes counted for a file whose size nobody tells
OTHERS = 155_000_000  # bytes counted for the course, data, weights, site and runtime


class Sources(NamedTuple):
    """Where the parts that are no packages come from.

    cells: brings the folder of the blood cells; weights: one for each file of published weights,
    each brings its path; site: the folder of the pages, or None where there is none; runtime:
    brings what runs a detector in a page, or None where a kit goes without.
    """

    course: Path
    cells: Callable[[], Path]
    weights: dict[str, Callable[[], Path]]
    site: Path | None = None
    runtime: Callable[[], Path] | None = None


class Made(NamedTuple):
    """A finished kit. missing: sentences about builds of Python that could not be brought;
    no_runtime: why what runs a detector in a page could not, or "". Neither is essential.
    """

    folder: Path
    size: int
    missing: list[str]
    no_runtime: str = ""


def make_kit(
    folder: str | Path,
    sources: Sources,
    *,
    systems: Sequence[str],
    pythons: Sequence[str],
    torch: str = "cpu",
    without: Sequence[str] = (),
    progress: bool = True,
) -> Made:
    """Bring together in `folder` what laptops with these systems install the course from.

    torch: PyTorch for Linux, "cpu" or "plain". without: parts of PARTS to leave out. Raises
    ValueError for a bad choice, DownloadError for what cannot be fetched, and WriteError where the
    disk refuses; the same call then goes on.
    """
    folder = Path(folder)
    project = packages.read_project(sources.course)
    allowed = SpecifierSet(project.get("project", {}).get("requires-python", ""))
    chosen, versions = chosen_systems(systems), chosen_pythons(pythons, allowed)
    for name, one, known in (("--torch", torch, packages.TORCH), *_each(without)):
        if one not in known:
            raise ValueError(f"{name} {one!r} is not known: choose from {', '.join(known)}.")
    ensure_writable(folder / "kit.json")
    extra = [*packages.build_requirements(project), *packages.export_requirements(project)]
    locks = {
        (system.name, version): packages.locked(sources.course, system, version, torch, extra)
        for system in chosen
        for version in versions
    }
    programs = {
        system: packages.locked_uv(sources.course, system, versions[0]) for system in chosen
    }
    builds, missing = _builds(sources.course, chosen, versions, without)
    needed = [piece for lock in locks.values() for piece in lock.pieces]
    needed = list(dict.fromkeys([*programs.values(), *needed]))
    check_disk(folder, [*needed, *builds])
    missing += _fetch(folder, needed, builds, progress)
    for system, piece in programs.items():
        packing.take_out(
            folder / piece.place, system.program, folder / "uv" / system.name / system.program
        )
    contents = _others(folder, sources, without)
    contents["runtime"], no_runtime = _runtime(folder, sources, without)
    _write(folder, contents, locks, versions, torch)
    return Made(folder, _size(folder), missing, no_runtime)


def _each(without: Sequence[str]) -> list[tuple]:
    return [("--without", one, PARTS) for one in without]


def _builds(
    course: Path, systems: Sequence[System], versions: Sequence[str], without: Sequence[str]
) -> tuple[list[Piece], list[str]]:
    """Python's own builds, and sentences about those that nobody has."""
    builds, missing = [], []
    if "python" in without:
        return builds, missing
    for system in systems:
        for version in versions:
            try:
                builds.append(packages.python_build(course, system, version))
            except DownloadError as error:
                missing.append(str(error))
    return builds, missing


def check_disk(folder: Path, pieces: Sequence[Piece]) -> None:
    """Raise ValueError where the disk has not the room for what is not there yet."""
    absent = [piece for piece in pieces if not (folder / piece.place).is_file()]
    needed = OTHERS + sum(piece.size or UNKNOWN for piece in absent)
    free = shutil.disk_usage(folder).free
    if free < needed * ROOM:
        raise ValueError(
            f"{folder} has {free / 1e9:.1f} GB free, and the kit takes {needed * ROOM / 1e9:.1f} "
            "GB more: choose another folder, or fewer of --systems and --python."
        )


def _fetch(
    folder: Path, needed: Sequence[Piece], builds: Sequence[Piece], progress: bool
) -> list[str]:
    """Bring the files, and say which of Python's builds did not come: laptops may have their own
    Python, and need all the rest.
    """
    missing = []
    total = sum(piece.size or 0 for piece in needed)
    with tqdm(total=total, unit="B", unit_scale=True, desc="kit", disable=not progress) as bar:
        for piece in [*needed, *builds]:
            clear_partial(folder / piece.place)
            bar.set_postfix_str(Path(piece.place).name[:32], refresh=False)
            try:
                download(piece.url, folder / piece.place, piece.sha256, bar=bar)
            except DownloadError as error:
                if piece in needed:
                    raise
                missing.append(f"{Path(piece.place).name}, for {error}")
    return missing


def _others(folder: Path, sources: Sources, without: Sequence[str]) -> dict:
    """Bring course, data, weights and pages; what of them the kit holds, for kit.json."""
    course = sources.course
    packing.pack(packing.course_files(course, without=folder), course, folder / "course.tar.gz")
    contents = {"cells": "cells" not in without, "weights": []}
    if contents["cells"]:
        cells = Path(sources.cells())
        packing.pack(packing.course_files(cells), cells, folder / "cells.tar.gz")
    if "weights" not in without:
        for bring in sources.weights.values():
            path = Path(bring())
            packing.copy_file(path, folder / "weights" / path.name)
            contents["weights"].append(path.name)
    if sources.site is not None and "site" not in without:
        packing.copy_folder(sources.site, folder / "site")
    return contents


def _runtime(folder: Path, sources: Sources, without: Sequence[str]) -> tuple[str, str]:
    """(name of the runtime's file in the kit, why there is none); "" for what is not so."""
    if sources.runtime is None or "runtime" in without:
        return "", ""
    try:
        path = Path(sources.runtime())
    except DownloadError as error:  # one exercise goes without, and the course does not
        return "", str(error)
    packing.copy_file(path, folder / "runtime" / path.name)
    return path.name, ""


def _write(
    folder: Path,
    contents: dict,
    locks: dict[tuple[str, str], Lock],
    versions: Sequence[str],
    torch: str,
) -> None:
    """The lists of packages, the scripts, and last of all kit.json."""
    systems = list(dict.fromkeys(system for system, _ in locks))
    disk = {}
    for (system, version), lock in locks.items():
        _write_text(folder / "pins" / f"{system}-{version}.txt", lock.pins)
        wheels = (folder / piece.place for piece in lock.pieces)
        disk[f"{system}-{version}"] = packing.unpacked_size(wheels)
    names = {"@SYSTEMS@": " ".join(systems), "@PYTHONS@": " ".join(versions)}
    for name in SCRIPTS:
        text = (Path(__file__).parent / name).read_text(encoding="utf-8")
        for mark, words in names.items():
            text = text.replace(mark, words)
        _write_text(folder / name, text)
    about = {"systems": systems, "pythons": list(versions), "torch": torch, "disk": disk}
    _write_text(folder / "kit.json", json.dumps(about | contents, indent=1) + "\n")


def _write_text(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(text.encode())


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
