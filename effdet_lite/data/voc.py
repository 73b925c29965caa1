"""Your own pictures in the layout of Pascal VOC.

Format: the PASCAL VOC 2012 development kit, section 4.1.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from effdet_lite.data.finding import Finder, existing_folder, is_file, key_of
from effdet_lite.data.folders import FolderDataset, Sample, four_numbers, is_yes
from effdet_lite.data.pictures import OTHER_SUFFIXES, SUFFIXES

SIDES = ("xmin", "ymin", "xmax", "ymax")
MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
DOUBTFUL = 0.5  # share of a list's lines that must be found, or it is told


@dataclass(frozen=True)
class Annotation:
    """One XML file. size: (width, height) or None; boxes: xyxy; difficult: a flag for each box;
    filename: the picture's, or "".
    """

    size: tuple[int, int] | None
    boxes: list[list[float]]
    names: list[str]
    difficult: list[bool]
    filename: str


class VocFolder(FolderDataset):
    """A folder in the layout of Pascal VOC: JPEGImages/, Annotations/NAME.xml and
    ImageSets/Main/SPLIT.txt.

    split: the list to read (None: every annotation). classes: the names in the order of the labels;
    None takes all names in Annotations/, sorted. An annotation's picture is the one that its
    <filename> says, or else the one of its own name. Coordinates are used as they stand in the
    file; image_id counts from 0 in the order of the list. Objects marked difficult are used as
    Pascal VOC uses them: nothing learns from them, and a test counts what is found there neither as
    right nor as wrong. options: cache, max_side, verify (FolderDataset). Raises FileNotFoundError
    for a folder or list that is not there, ValueError for an object of another class.
    """

    CROWD = "objects marked difficult"

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        classes: Iterable[str] | None = None,
        transforms: Callable | None = None,
        **options,
    ):
        root = existing_folder(root)
        pictures = _Pictures(existing_folder(root / "JPEGImages"))
        folder = existing_folder(root / "Annotations")
        annotations = {
            path.relative_to(folder).with_suffix("").as_posix(): read_voc(path)
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() == ".xml" and path.name[0] != "."
        }
        problems, notes = [], []
        names = list(annotations) if split is None else _listed(root, split, annotations, notes)
        samples = []
        for name in names:
            annotation = annotations.get(name, "annotation files missing")
            if isinstance(annotation, str):
                problems.append((annotation, f"{name}.xml"))
                continue
            path = pictures.of(name, annotation.filename, annotations)
            if isinstance(path, str):
                problems.append((path, f"{name}.xml"))
                continue
            samples.append(_sample(path, len(samples), annotation, pictures.folder, problems))
        if classes is None:
            readable = (one for one in annotations.values() if isinstance(one, Annotation))
            classes = sorted({name for one in readable for name in one.names if name})
        classes = tuple(classes)
        super().__init__(
            samples,
            {name: name for name in classes},
            problems,
            transforms,
            order=classes,
            notes=notes,
            hint=pictures.finder.hint,
            **options,
        )


def voc_lists(root: str | Path) -> list[str]:
    """The splits that a folder in VOC's layout has lists for."""
    return sorted(path.stem for path in (Path(root) / "ImageSets" / "Main").glob("*.txt"))


def read_voc(path: Path) -> Annotation | str:
    """What one XML file says; or why it cannot be read."""
    try:
        tree = ElementTree.parse(path).getroot()
        size = tuple(int(float(tree.findtext(f"size/{side}") or 0)) for side in ("width", "height"))
    except (ElementTree.ParseError, ValueError, LookupError, OverflowError, OSError):
        return "annotation files that cannot be read"
    things = list(tree.iter("object"))
    return Annotation(
        size if min(size) > 0 else None,
        [four_numbers([thing.findtext(f"bndbox/{side}") for side in SIDES]) for thing in things],
        [(thing.findtext("name") or "").strip() for thing in things],
        [is_yes(thing.findtext("difficult")) for thing in things],
        (tree.findtext("filename") or "").strip(),
    )


def _sample(
    path: Path,
    number: int,
    annotation: Annotation,
    folder: Path,
    problems: list[tuple[str, str]],
) -> Sample:
    name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
    sample = Sample(path, number, annotation.size, name=name)
    objects = zip(annotation.boxes, annotation.names, annotation.difficult, strict=True)
    for box, label, difficult in objects:
        if label:
            sample.boxes.append(box)
            sample.labels.append(label)
            sample.crowd.append(difficult)
        else:
            problems.append(("objects without a name", path.name))
    return sample


class _Pictures:
    """Finds the picture of an annotation."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.finder = Finder(folder)
        self.by_stem = {}
        for path in sorted(folder.rglob("*")):
            is_picture = path.suffix.lower() in SUFFIXES | OTHER_SUFFIXES and path.name[0] != "."
            if is_picture and is_file(path):
                self.by_stem.setdefault(key_of(self._stem(path)), []).append(path)

    def of(self, name: str, filename: str, annotations: dict) -> Path | str:
        """The picture's path, where it is or else should be; or why it is not known.

        <filename> decides, unless it is another annotation's picture while this one has its own:
        tools that copy annotations leave it as it was.
        """
        own = self.by_stem.get(key_of(name), [])
        # Of names that differ in capitals alone, the very one.
        own = [path for path in own if self._stem(path) == name] or own
        named = self._named(name, filename)
        if named is not None and (named in own or not own or self._stem(named) not in annotations):
            return named
        if len(own) > 1:
            return "annotations with several pictures of their name"
        return own[0] if own else self.folder / (filename or f"{name}.jpg")

    def _stem(self, path: Path) -> str:
        return path.relative_to(self.folder).with_suffix("").as_posix()

    def _named(self, name: str, filename: str) -> Path | None:
        if not filename:
            return None
        beside = (PurePosixPath(name).parent / filename).as_posix()
        for candidate in (beside, filename):
            path = self.finder.find([candidate])[candidate]
            if is_file(path) and path.is_relative_to(self.folder):
                return path
        return None


def _listed(root: Path, split: str, annotations: dict, notes: list[str]) -> list[str]:
    """The names of annotations that a list means, each once, and what is not found as it stands."""
    path = root / "ImageSets" / "Main" / f"{split}.txt"
    if not path.is_file():
        known = ", ".join(voc_lists(root)) or "none"
        raise FileNotFoundError(
            f"there is no list {path} for split {split!r}; splits there: {known}."
        )
    lines = [line.strip() for line in _text(path).splitlines() if line.strip()]
    by_key = {key_of(name): name for name in annotations}
    names = list(dict.fromkeys(_name_of(line, annotations, by_key) for line in lines))
    found = sum(name in annotations for name in names)
    if found < DOUBTFUL * len(lines):
        notes.append(f"of the {len(lines)} lines of {path} only {found} name an annotation")
    return names


def _name_of(line: str, annotations: dict, by_key: dict[tuple, str]) -> str:
    """The annotation that a line means: a name, which may have blanks, a suffix, folders in front,
    and behind it a column with 1, 0 or -1; the line as it stands where there is none.
    """
    without_column = re.sub(r"\s+(-1|0|1)$", "", line)
    for text in (line, without_column):
        for exact in _with_and_without_suffix(text):
            if exact in annotations:
                return exact
        parts = key_of(text)
        if not parts:
            continue
        for last in _with_and_without_suffix(parts[-1]):
            whole = (*parts[:-1], last)
            for folder in ("jpegimages", "annotations"):
                if folder in whole[:-1] and whole not in by_key:
                    whole = whole[len(whole) - whole[::-1].index(folder) :]
            if whole in by_key:
                return by_key[whole]
    return without_column


def _with_and_without_suffix(name: str) -> tuple[str, ...]:
    """The name, and what is left of it without the suffix of a picture or an annotation."""
    stem, dot, suffix = name.rpartition(".")
    is_known = f".{suffix.lower()}" in SUFFIXES | OTHER_SUFFIXES | {".xml"}
    return (name, stem) if dot and is_known else (name,)


def _text(path: Path) -> str:
    """A text file of any system: in UTF-8, or in UTF-16 if it begins as that does."""
    data = path.read_bytes()
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and data[1:2] == b"\0":
        encoding = "utf-16-le"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not text in UTF-8 or UTF-16: save it as UTF-8, without other characters "
            f"than names need (byte {error.start} does not fit)."
        ) from error
