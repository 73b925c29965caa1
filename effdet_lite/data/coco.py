"""Your own pictures with a COCO "instances" file.

Format: https://cocodataset.org/#format-data
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from effdet_lite.data.finding import Finder, existing_folder, is_file
from effdet_lite.data.folders import FolderDataset, Sample, four_numbers, is_yes
from effdet_lite.data.telling import numbered
from effdet_lite.places import expanded


class CocoFolder(FolderDataset):
    """Images of a folder with a COCO "instances" JSON file.

    Labels are 0 … K-1 in the order of the category ids, which may have gaps; `category_ids[label]`
    is the file's own id, and image_id is the file's. Categories of one name are one class.
    classes: names in the order of the labels, where they are set already (of a test set, by its
    training set). Nothing learns from crowd annotations, and a test counts what is found there
    neither as right nor as wrong. An object without a box gets the one of its outline. options:
    cache, max_side, verify (FolderDataset). Raises FileNotFoundError without the folder or file;
    ValueError for a file that is no such JSON, for repeated image, category or annotation ids, and
    for annotations of an unknown category.
    """

    def __init__(
        self,
        images: str | Path,
        annotations: str | Path,
        transforms: Callable | None = None,
        *,
        classes: Iterable[str] | None = None,
        **options,
    ):
        images, annotations = existing_folder(images), expanded(annotations)
        if not annotations.is_file():
            raise FileNotFoundError(f"there is no annotation file {annotations}.")
        problems, notes = [], []
        try:
            document = json.loads(annotations.read_bytes())  # in UTF-8, UTF-16 or UTF-32
            names = _categories(document)
            samples = _images(document)
            _annotations(document, samples, problems, notes)
        except (ValueError, RecursionError) as error:
            reason = str(error).rstrip(".")
            raise ValueError(f"{annotations} is not a COCO detection file: {reason}.") from error
        used = {category for sample in samples.values() for category in sample.labels}
        joined = _joined_names(names, used, notes)
        if classes is not None:
            names = _in_order(names, used, tuple(classes))
            joined = list(classes)
        by_name = {}
        for number, name in names.items():
            if name not in by_name or (number in used and by_name[name] not in used):
                by_name[name] = number
        self.category_ids = tuple(by_name.get(name) for name in joined)
        finder = Finder(images)
        paths = finder.find(sample.name for sample in samples.values())
        for sample in samples.values():
            sample.path = paths[sample.name]
            if is_file(sample.path) and sample.path.is_relative_to(images):
                # However the file spells it, so that a corrected spelling changes no split.
                sample.name = sample.path.relative_to(images).as_posix()
        super().__init__(
            list(samples.values()),
            names,
            problems,
            transforms,
            order=joined,
            notes=notes,
            hint=finder.hint,
            **options,
        )


def _categories(document: object) -> dict[int, str]:
    """Category id -> name, in the order of the ids."""
    names = {}
    for where, entry in _entries(document, "categories"):
        number = _new_id(entry, names, "categories", where)
        name = entry.get("name")
        if name is None or isinstance(name, (dict, list)) or not str(name).strip():
            raise ValueError(f"{where} has no name")
        names[number] = str(name).strip()
    return {number: names[number] for number in sorted(names)}


def _images(document: object) -> dict[int, Sample]:
    """Image id -> sample without a box; its path is found later."""
    samples = {}
    for where, entry in _entries(document, "images"):
        number = _new_id(entry, samples, "images", where)
        name = entry.get("file_name")
        if name is None:
            raise ValueError(f"{where} has no file_name")
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"{where}: file_name must be text, not {name!r}")
        size = tuple(_integer(entry, side, where, 0) for side in ("width", "height"))
        samples[number] = Sample(Path(name), number, size if min(size) > 0 else None, name=name)
    return samples


def _annotations(
    document: object,
    samples: dict[int, Sample],
    problems: list[tuple[str, str]],
    notes: list[str],
) -> None:
    """Give each sample its boxes."""
    ids, from_outline = set(), 0
    for where, entry in _entries(document, "annotations"):
        number = entry.get("id")
        if isinstance(number, (int, str)):  # not needed, but twice it means a file gone wrong
            if number in ids:
                raise ValueError(f"id {number} appears more than once in annotations")
            ids.add(number)
        image_id = _integer(entry, "image_id", where)
        category = _integer(entry, "category_id", where)
        sample = samples.get(image_id)
        if sample is None:
            problems.append(("annotations of unlisted images", f"image {image_id}"))
            continue
        if entry.get("bbox") is None and entry.get("segmentation"):
            box = _box_of_outline(entry["segmentation"])
            if box is None:
                problems.append(("outlines without a box", sample.name))
                continue
            from_outline += 1
        else:
            x, y, width, height = four_numbers(entry.get("bbox"))
            box = x, y, x + width, y + height
        sample.boxes.append(box)
        sample.labels.append(category)
        sample.crowd.append(is_yes(entry.get("iscrowd")))
    if from_outline:
        notes.append(f"took {numbered(from_outline, 'boxes')} from outlines")


def _box_of_outline(outline: object) -> tuple[float, float, float, float] | None:
    """The box around polygons, each a list x, y, x, y …; None for any other outline."""
    try:
        points = [float(value) for polygon in outline for value in polygon]
        even = all(len(polygon) % 2 == 0 for polygon in outline)
    except (TypeError, ValueError, OverflowError):
        return None
    if isinstance(outline, dict) or not points or not even or not all(map(math.isfinite, points)):
        return None
    x, y = points[::2], points[1::2]
    return min(x), min(y), max(x), max(y)


def _joined_names(names: dict[int, str], used: set[int], notes: list[str]) -> list[str]:
    """The class names in order; told where several used categories have one name."""
    counts = Counter(name for number, name in names.items() if number in used)
    several = [name for name, count in counts.items() if count > 1]
    if several:
        notes.append(f"joined the categories of one name: {', '.join(map(repr, several))}")
    return list(dict.fromkeys(names.values()))


def _in_order(names: dict[int, str], used: set[int], classes: tuple[str, ...]) -> dict[int, str]:
    """The categories that are among `classes`; ValueError where one is used that is not."""
    unknown = {names[number] for number in used if number in names} - set(classes)
    if unknown:
        raise ValueError(
            f"the annotations use classes {sorted(unknown)[:10]}, which are not among "
            f"{list(classes)[:100]}."
        )
    return {number: name for number, name in names.items() if name in classes}


def _entries(document: object, key: str) -> Iterable[tuple[str, dict]]:
    """(where, entry) of one of the file's lists; ValueError where there is no such list."""
    if not isinstance(document, dict):
        raise ValueError("it is not an object with images, categories and annotations")
    if key not in document:
        raise ValueError(f"it has no {key!r}")
    if not isinstance(document[key], list):
        raise ValueError(f"{key} must be a list, and is {_kind(document[key])}")
    for number, entry in enumerate(document[key]):
        if not isinstance(entry, dict):
            raise ValueError(f"{key}[{number}] must be an object, and is {_kind(entry)}")
        yield f"{key}[{number}]", entry


def _new_id(entry: dict, known: dict, key: str, where: str) -> int:
    number = _integer(entry, "id", where)
    if number in known:
        raise ValueError(f"id {number} appears more than once in {key}")
    return number


def _integer(entry: dict, key: str, where: str, default: int | None = None) -> int:
    """A whole number; null is as good as missing, for which `default` stands in."""
    value = entry.get(key)
    if value is None:
        value = default
    if value is None:
        raise ValueError(f"{where} has no {key}")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or value != value // 1:
        raise ValueError(f"{where}: {key} must be an integer, not {value!r}")
    return int(value)


def _kind(value: object) -> str:
    """What JSON calls a value of this type."""
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return "null" if value is None else kinds.get(type(value), "a number")
