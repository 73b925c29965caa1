"""Folders as one file each, for a laptop to unpack, and copies of files that are written whole."""

import filecmp
import gzip
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from effdet_lite.files import whole_file

# What a copy of the course does without: environments, caches, data, trainings, and whatever names
# the package index of whoever made the kit.
LEFT_OUT = {
    "__pycache__",
    "build",
    "data",
    "dist",
    "runs",
    "shared",
    "uv.lock",
}
KEPT = {".ci", ".devcontainer", ".github", ".gitignore", "binder"}


def course_files(course: Path, without: Path | None = None) -> Iterator[Path]:
    """The files of the course that belong to it, sorted. without: a folder to leave out."""
    for entry in sorted(course.iterdir()):
        hidden = entry.name.startswith(".") and entry.name not in KEPT
        if hidden or entry.name in LEFT_OUT or entry.name.endswith(".egg-info"):
            continue
        yield from _files_below(entry, without)


def _files_below(entry: Path, without: Path | None) -> Iterator[Path]:
    if entry.is_symlink() or entry.name == "__pycache__" or entry.name == ".ipynb_checkpoints":
        return
    if without is not None and entry.resolve() == without.resolve():
        return
    if entry.is_file():
        yield entry
    elif entry.is_dir():
        for inner in sorted(entry.iterdir()):
            yield from _files_below(inner, without)


def pack(files: Iterator[Path], root: Path, destination: Path) -> None:
    """Write these files as a .tar.gz with their places below `root`.

    The same files give the same bytes: no times, and nobody's name.
    """

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
        entry.mode = 0o755 if entry.mode & 0o100 else 0o644
        return entry

    with (
        whole_file(destination) as temporary,
        open(temporary, "wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in files:
            archive.add(path, path.relative_to(root).as_posix(), recursive=False, filter=plain)


def take_out(wheel: Path, name: str, destination: Path) -> None:
    """Write the one file called `name` in a wheel, a program for instance, to `destination`.

    Raises ValueError where the wheel has none.
    """
    with zipfile.ZipFile(wheel) as archive:
        inside = [one for one in archive.infolist() if one.filename.rpartition("/")[2] == name]
        if not inside:
            raise ValueError(f"{wheel.name} does not hold {name}.")
        if destination.is_file() and destination.stat().st_size == inside[0].file_size:
            return
        with (
            whole_file(destination) as temporary,
            archive.open(inside[0]) as source,
            open(temporary, "wb") as target,
        ):
            shutil.copyfileobj(source, target)
    os.chmod(destination, 0o755)


def unpacked_size(wheels: Iterator[Path]) -> int:
    """The bytes that these wheels fill once they are installed."""
    total = 0
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            total += sum(one.file_size for one in archive.infolist())
    return total


def copy_file(source: Path, destination: Path) -> None:
    """Copy a file whole; one of the same size and content that is there already is kept."""
    if destination.is_file() and filecmp.cmp(source, destination, shallow=False):
        return
    with whole_file(destination) as temporary:
        shutil.copyfile(source, temporary)


def copy_folder(source: Path, destination: Path) -> None:
    """Copy each file of a folder whole; what is there already is kept."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            copy_file(path, destination / path.relative_to(source))
