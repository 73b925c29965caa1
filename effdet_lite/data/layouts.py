"""One folder, as people have it: which annotations are in it, and which pictures they are for.

What is read: a folder in the layout of Pascal VOC, and a COCO file with its pictures somewhere in
the same folder, as CVAT, Label Studio and Roboflow export both.
"""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from effdet_lite.data.finding import is_file
from effdet_lite.data.pictures import SUFFIXES
from effdet_lite.places import expanded

WRITTEN = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
WRITTEN |= {"\v": r"\v", "\0": r"\0"}
MOST_FILES = 100_000  # in a folder that is looked through
TRIED = 20  # names


class FolderError(ValueError):
    """A folder that cannot be used, in one sentence; a notebook shows that sentence alone."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [str(self)]


class Layout(NamedTuple):
    """What a folder holds. kind: "voc" or "coco"; places: of VOC its folder, of COCO the folder of
    the pictures and the file.
    """

    kind: str
    places: tuple[Path, ...]

    @property
    def name(self) -> str:
        """As `effdet-lite train --data` takes it."""
        return f"{self.kind}:{','.join(map(str, self.places))}"


def named_place(place: str | Path, windows: bool = os.name == "nt") -> Path:
    """The absolute path of a file or folder that is there, however a person wrote it down: with
    quotes around it, as Windows copies a path, or with backslashes.

    FolderError where there is none; its sentence says what is there instead. windows: whether this
    computer writes paths with backslashes.
    """
    if not isinstance(place, str | os.PathLike):
        raise FolderError(f"name a folder or file as text in quotes, not {place!r}.")
    text = os.fspath(place)
    if not isinstance(text, str):
        raise FolderError(f"name a folder or file as text in quotes, not {place!r}.")
    _no_escapes(text)
    text = text.strip().strip("\"'").strip()
    if not text:
        raise FolderError("name a folder: there is nothing between the quotes.")
    try:
        path = expanded(text).absolute()
        if not path.exists() and not windows and "\\" in text:
            path = expanded(text.replace("\\", "/")).absolute()
        if path.exists():
            return path
        nearest = next(parent for parent in path.parents if parent.exists())
    except (OSError, ValueError) as error:
        raise FolderError(sentence(f"{place!r} names no folder or file: {error}")) from error
    if not windows and PureWindowsPath(text).drive:
        hint = "that is a path of Windows, and this computer writes paths with / (WSL: /mnt/c/…)"
    else:
        missing = path.relative_to(nearest).parts[0]
        hint = f"there is a folder {nearest}, but no {missing!r} in it"
    raise FolderError(f"there is no folder or file {text}: {hint}.")


def _no_escapes(text: str) -> None:
    r"""Refuse "C:\new", whose \n Python has read as the end of a line."""
    for character, written in WRITTEN.items():
        if character in text.strip("\n\r\t "):
            raise FolderError(
                f"Python reads the {written} in your path as one special character: "
                'write r before the quotes, as in r"C:\\Users\\me\\birds".'
            )


def layout_of(folder: Path, annotations: Path | None = None) -> Layout:
    """Which annotations a folder holds. annotations: its COCO file, where it has several.

    FolderError where there are none, or more than one may be meant.
    """
    if not folder.is_dir():
        if folder.suffix.lower() != ".json":
            raise FolderError(f"{folder} is a file: name the folder that it is in.")
        folder, annotations = folder.parent, folder
        if not any(_files(folder, SUFFIXES)):  # annotations/ beside images/
            folder = folder.parent
    if annotations is None:
        roots = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
        voc = next((root for root in roots if _is_voc(root)), None)
        if voc is not None and not list(_coco_files(folder)):
            return Layout("voc", (voc,))
        annotations = _only_coco_file(folder, voc)
    return Layout("coco", (_pictures_of(annotations, folder), annotations))


def _is_voc(folder: Path) -> bool:
    return (folder / "JPEGImages").is_dir() and (folder / "Annotations").is_dir()


def _only_coco_file(folder: Path, voc: Path | None) -> Path:
    files = sorted(_coco_files(folder))
    if len(files) == 1 and voc is None:
        return files[0]
    if not files:
        raise FolderError(_nothing_found(folder))
    names = [path.relative_to(folder).as_posix() for path in files]
    names += [f"the folder {voc.name} in the layout of Pascal VOC"] if voc else []
    raise FolderError(
        f"{folder} has annotations more than once ({', '.join(names[:4])}): name one of them, as "
        f'in check_folder(folder, annotations="{names[0]}").'
    )


def _coco_files(folder: Path) -> Iterable[Path]:
    """The COCO files of pictures with boxes in a folder and below."""
    for path in _files(folder, {".json"}):
        try:
            document = json.loads(path.read_bytes())
        except (ValueError, OSError, RecursionError):
            continue
        if isinstance(document, dict) and {"images", "annotations"} <= document.keys():
            yield path


def _pictures_of(annotations: Path, folder: Path) -> Path:
    """The folder that the file's names start from: of those with most of the pictures below them
    the one where the names are files as they stand, and else one beside the annotations.
    """
    try:
        document = json.loads(annotations.read_bytes())
        names = [str(one["file_name"]).replace("\\", "/") for one in document["images"]]
    except (ValueError, OSError, RecursionError, TypeError, KeyError):
        return folder  # the reader of COCO files says what is wrong
    wanted = {name.rpartition("/")[2].casefold() for name in names}
    below: dict[Path, set[str]] = {}
    for path in _files(folder, SUFFIXES):
        if (name := path.name.casefold()) in wanted:
            for parent in path.parents:
                if not parent.is_relative_to(folder):
                    break
                below.setdefault(parent, set()).add(name)

    def rank(one: Path) -> tuple[int, int, bool, int]:
        as_they_stand = sum(is_file(one / name) for name in names[:TRIED])
        beside = one.is_relative_to(annotations.parent)
        return len(below[one]), as_they_stand, beside, len(one.parts)

    return max(below, key=rank, default=folder)


def _nothing_found(folder: Path) -> str:
    """Why a folder without annotations cannot be used."""
    pictures = len(list(_files(folder, SUFFIXES)))
    if not any(folder.iterdir()):
        return f"the folder {folder} is empty."
    ask = "label them, and export the labels as COCO or as Pascal VOC"
    if _looks_like_yolo(folder):
        return (
            f"{folder} has labels in YOLO's form, which are not read here: export them from your "
            "labeling program as COCO or as Pascal VOC."
        )
    if list(_files(folder, {".xml"})):
        return (
            f"{folder} has XML files, but not Pascal VOC's folders: put the pictures into "
            "JPEGImages and the XML files into Annotations."
        )
    if pictures:
        return f"{folder} has {pictures} pictures and no labels: {ask}."
    return f"{folder} has neither pictures nor labels that are known here: {ask}."


def _looks_like_yolo(folder: Path) -> bool:
    """Whether text files hold lines of a class's number and four shares of the picture."""
    line = re.compile(r"\d+( [\d.eE-]+){4,}\s*$")
    for path in list(_files(folder, {".txt"}))[:50]:
        try:
            first = path.read_text(encoding="utf-8").partition("\n")[0]
        except (OSError, UnicodeDecodeError):
            continue
        if line.match(first.strip()):
            return True
    return False


def _files(folder: Path, suffixes: Iterable[str]) -> Iterable[Path]:
    """The files of a folder and below with one of these suffixes; hidden ones are none."""
    for number, path in enumerate(sorted(folder.rglob("*"))):
        if number == MOST_FILES:
            return
        if path.suffix.lower() in suffixes and path.name[0] != "." and path.is_file():
            yield path


def sentence(text: str) -> str:
    """One line with a full stop."""
    return f"{' '.join(text.split()).rstrip('.')}."
