"""Your own pictures: a COCO file or a Pascal VOC folder, checked when the dataset is made and not
in mid-epoch.

What cannot be used is left out, counted in `skipped` by reason, and told in one warning; what makes
the whole dataset doubtful (unknown classes, repeated ids, a file that is not what it should be) is
a ValueError.
Formats: https://cocodataset.org/#format-data and the PASCAL VOC 2012 development kit, section 4.1.
"""

import json
import math
import warnings
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from effdet_lite.data.dataset import DetectionDataset

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
ORIENTATION = 0x0112  # the EXIF tag; its values 5 to 8 turn the picture by a quarter
MANY = 2000  # images from which on the check shows a progress bar


@dataclass
class Sample:
    """One image as annotated. boxes: [n, 4] xyxy; labels: [n] class keys as in the file, later
    int64 labels.
    """

    path: Path
    image_id: int
    size: tuple[int, int] | None  # width, height; None where the annotation gives none
    boxes: list | np.ndarray = field(default_factory=list)
    labels: list | np.ndarray = field(default_factory=list)
    upright: bool = True  # whether the EXIF orientation is applied


class FolderDataset(DetectionDataset):
    """Samples on disk, checked. classes: class key in the annotations -> name, in the order of the
    labels.

    `skipped` counts what was left out, by reason; `clipped` the boxes that were cut at their
    image's border.
    verify: decode every image once now, JPEG at an eighth of its size (about 1 ms for 640 x 480),
    which finds truncated files; without it only the headers are read. max_side: shrink larger
    images, and their boxes, to this
    side when they are loaded: decodes faster and caches smaller. transforms, cache: see
    DetectionDataset.
    """

    def __init__(
        self,
        samples: list[Sample],
        classes: dict[object, str],
        problems: list[tuple[str, str]],
        transforms: Callable | None = None,
        *,
        cache: bool = False,
        max_side: int | None = None,
        verify: bool = True,
    ):
        super().__init__(classes.values(), transforms, cache)
        label_of = {key: label for label, key in enumerate(classes)}
        unknown = {key for sample in samples for key in sample.labels} - label_of.keys()
        if unknown:
            known = list(label_of)[:100]
            raise ValueError(
                f"the annotations use classes {sorted(unknown)[:10]}, which are not among {known}."
            )
        self.max_side, self.clipped, self.samples = max_side, 0, []
        with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter's lock
            found = pool.map(lambda sample: _inspect(sample.path, verify), samples)
            found = tqdm(found, "checking images", len(samples), disable=len(samples) < MANY)
            for sample, (problem, stored, shown) in zip(samples, found, strict=True):
                if not problem and sample.size not in (None, stored, shown):
                    problem = "images of another size than annotated"
                if problem:
                    problems.append((problem, sample.path.name))
                    continue
                sample.upright = sample.size in (None, shown)
                sample.size = sample.size or shown
                sample.labels = np.array([label_of[key] for key in sample.labels], np.int64)
                self._clean_boxes(sample, problems)
                self.samples.append(sample)
        self.skipped = Counter(reason for reason, _ in problems)
        first = dict(reversed(problems))
        told = ", ".join(
            f"{count} {reason} (first: {first[reason]})" for reason, count in self.skipped.items()
        )
        if not self.samples:
            raise ValueError(
                f"{type(self).__name__} has no image that can be used: {told or 'none is listed'}."
            )
        if self.clipped:
            told = f"{told or 'nothing'}; clipped {self.clipped} boxes to their image"
        if told:
            warnings.warn(f"{type(self).__name__}: left out {told}.", stacklevel=3)

    def __len__(self) -> int:
        return len(self.samples)

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        sample = self.samples[index]
        shrink = min(1, (self.max_side or math.inf) / max(sample.size))
        size = tuple(max(1, round(side * shrink)) for side in sample.size)
        with Image.open(sample.path) as image:
            image.draft("RGB", size)  # a JPEG decodes faster at a half, quarter or eighth
            upright = ImageOps.exif_transpose(image) if sample.upright else image
            pixels = np.array(upright.convert("RGB").resize(size))
        scale = np.array(size * 2, np.float32) / np.array(sample.size * 2, np.float32)
        return pixels.transpose(2, 0, 1), sample.boxes * scale, sample.labels, sample.image_id

    def _clean_boxes(self, sample: Sample, problems: list[tuple[str, str]]) -> None:
        boxes = np.array(sample.boxes, np.float64).reshape(-1, 4)
        inside = boxes.clip(0, [*sample.size, *sample.size])
        finite = np.isfinite(boxes).all(1)
        proper = finite & (boxes[:, 2:] > boxes[:, :2]).all(1)
        kept = proper & (inside[:, 2:] > inside[:, :2]).all(1)
        for reason, lost in (
            ("boxes that are not four finite numbers", ~finite),
            ("boxes without area", finite & ~proper),
            ("boxes outside their image", proper & ~kept),
        ):
            problems += [(reason, sample.path.name)] * int(lost.sum())
        self.clipped += int((kept & (boxes != inside).any(1)).sum())
        sample.boxes, sample.labels = inside[kept].astype(np.float32), sample.labels[kept]


class CocoFolder(FolderDataset):
    """Images of a folder with a COCO "instances" JSON file.

    Labels are 0 … K-1 in the order of the category ids, which may have gaps; `category_ids[label]`
    is the file's own id, and image_id is the file's. Crowd annotations are left out. options:
    cache, max_side, verify (FolderDataset). Raises FileNotFoundError without the folder or file;
    ValueError for a file that is no such JSON, for repeated image, category or annotation ids, and
    for annotations of an unknown category.
    """

    def __init__(
        self,
        images: str | Path,
        annotations: str | Path,
        transforms: Callable | None = None,
        **options,
    ):
        images, annotations = _existing(images), Path(annotations)
        if not annotations.is_file():
            raise FileNotFoundError(f"there is no annotation file {annotations}.")
        problems = []
        try:
            document = json.loads(annotations.read_text(encoding="utf-8-sig"))
            listed, categories, objects = (
                _by_id(document, key) for key in ("images", "categories", "annotations")
            )
            classes = {number: str(categories[number]["name"]) for number in sorted(categories)}
            samples = {}
            for number, entry in listed.items():
                size = _integer(entry, "width", 0), _integer(entry, "height", 0)
                samples[number] = Sample(
                    images / entry["file_name"], number, size if all(size) else None
                )
            for entry in objects.values():
                sample, category = (
                    samples.get(_integer(entry, "image_id")),
                    _integer(entry, "category_id"),
                )
                if sample is None:
                    problems.append(
                        ("annotations of unlisted images", f"image {entry['image_id']}")
                    )
                elif entry.get("iscrowd"):
                    problems.append(("crowd annotations", sample.path.name))
                else:
                    x, y, width, height = _four_numbers(entry.get("bbox"))
                    sample.boxes.append((x, y, x + width, y + height))
                    sample.labels.append(category)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else error
            raise ValueError(f"{annotations} is not a COCO detection file: {reason}.") from error
        self.category_ids = tuple(classes)
        super().__init__(list(samples.values()), classes, problems, transforms, **options)


class VocFolder(FolderDataset):
    """A folder in the layout of Pascal VOC: JPEGImages/, Annotations/NAME.xml and
    ImageSets/Main/SPLIT.txt.

    split: the list to read (None: every annotation). classes: the names in the order of the labels;
    None takes all names in Annotations/, sorted. Coordinates are used as they stand in the file;
    image_id counts from 0 in the order of the list. options: cache, max_side, verify
    (FolderDataset). Raises FileNotFoundError for a folder or list that is not there, ValueError for
    an object of another class.
    """

    def __init__(
        self,
        root: str | Path,
        split: str | None = None,
        classes: Iterable[str] | None = None,
        transforms: Callable | None = None,
        **options,
    ):
        root = _existing(root)
        files = sorted(_existing(root / "JPEGImages").iterdir())
        pictures = {path.stem: path for path in files if path.suffix.lower() in IMAGE_SUFFIXES}
        annotations = {
            path.stem: read_voc(path)
            for path in sorted(_existing(root / "Annotations").glob("*.xml"))
        }
        samples, problems = [], []
        for stem in annotations if split is None else _read_list(root, split):
            annotation = annotations.get(stem, "annotation files missing")
            if isinstance(annotation, str):
                problems.append((annotation, f"{stem}.xml"))
            else:
                path = pictures.get(stem, root / "JPEGImages" / f"{stem}.jpg")
                samples.append(Sample(path, len(samples), *annotation))
        if classes is None:
            readable = (
                annotation for annotation in annotations.values() if not isinstance(annotation, str)
            )
            classes = sorted({name for _, _, names in readable for name in names if name})
        super().__init__(samples, {name: name for name in classes}, problems, transforms, **options)


def read_voc(path: Path) -> tuple[tuple[int, int] | None, list[list[float]], list[str]] | str:
    """Size (width, height) or None, boxes (xyxy) and class names of one VOC annotation; or why it
    cannot be read.
    """
    try:
        tree = ElementTree.parse(path).getroot()
        size = tuple(int(float(tree.findtext(f"size/{side}") or 0)) for side in ("width", "height"))
    except (ElementTree.ParseError, ValueError, OverflowError, OSError):
        return "annotation files that cannot be read"
    boxes, names = [], []
    for thing in tree.iter("object"):
        names.append((thing.findtext("name") or "").strip())
        boxes.append(
            _four_numbers(
                [thing.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")]
            )
        )
    return (size if all(size) else None), boxes, names


def _inspect(path: Path, verify: bool) -> tuple[str, tuple[int, int], tuple[int, int]]:
    """Why the image cannot be used ("" if it can), and its (width, height) as stored and as shown
    by its EXIF.
    """
    try:
        with Image.open(path) as image:
            quarter_turn = image.getexif().get(ORIENTATION) in (5, 6, 7, 8)
            stored = image.size
            if verify:
                image.draft("RGB", (1, 1))
                image.convert("RGB")
            if image.mode[0] in "IF":  # Pillow would clip them to white
                return "images of more than 8 bits a channel", stored, stored
            return "", stored, stored[::-1] if quarter_turn else stored
    except FileNotFoundError:
        return "images missing", (0, 0), (0, 0)
    except (
        Exception
    ):  # Pillow raises a dozen kinds, SyntaxError among them, for files that are broken
        return "images that cannot be read", (0, 0), (0, 0)


def _read_list(root: Path, split: str) -> list[str]:
    path = root / "ImageSets" / "Main" / f"{split}.txt"
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.txt"))) or "none"
        raise FileNotFoundError(
            f"there is no list {path} for split {split!r}; splits there: {known}."
        )
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return list(dict.fromkeys(words[0] for words in lines if words))  # each name once


def _existing(folder: str | Path) -> Path:
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"there is no folder {folder}.")
    return Path(folder)


def _four_numbers(values: object) -> list[float]:
    """values as four floats; four NaN, which the check of the boxes counts, where they are anything
    else.
    """
    try:
        x0, y0, x1, y1 = (float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        return [float("nan")] * 4
    return [x0, y0, x1, y1]


def _integer(entry: dict, key: str, default: int | None = None) -> int:
    value = entry.get(key, default)
    if not isinstance(value, (int, float)) or value != value // 1:
        raise ValueError(f"{key} must be an integer, not {value!r}")
    return int(value)


def _by_id(document: dict, key: str) -> dict[int, dict]:
    entries = {}
    for entry in document[key]:
        number = _integer(entry, "id")
        if number in entries:
            raise ValueError(f"id {number} appears more than once in {key}")
        entries[number] = entry
    return entries
