"""Pictures on disk with their boxes, checked when the dataset is made and not in mid-epoch.

What cannot be used is left out, counted in `skipped` by reason, and told in one warning; what makes
the whole dataset doubtful (unknown classes, repeated ids, a file that is not what it should be) is
a ValueError. `coco` and `voc` read the two formats.
"""

import hashlib
import json
import math
import os
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from effdet_lite.data.dataset import DetectionDataset, Loaded
from effdet_lite.data.pictures import MISSING, Look, look_at, open_picture
from effdet_lite.data.telling import numbered
from effdet_lite.data.turning import SHOWN, STORED, ways

MANY = 2000  # images from which on the check shows a progress bar


@dataclass
class Sample:
    """One image as annotated. boxes: [n, 4] xyxy; labels: [n] class keys as in the file, later
    int64 labels. crowd: for each box, whether nothing is to be learned from it (later those boxes
    and labels stand apart). name: the file's, from the folder of the images on.
    """

    path: Path
    image_id: int
    size: tuple[int, int] | None  # width, height; None where the annotation gives none
    boxes: list | np.ndarray = field(default_factory=list)
    labels: list | np.ndarray = field(default_factory=list)
    upright: bool = True  # whether the EXIF orientation is applied
    crowd: list = field(default_factory=list)
    crowd_boxes: np.ndarray | None = None
    crowd_labels: np.ndarray | None = None
    name: str = ""


class FolderDataset(DetectionDataset):
    """Samples on disk, checked. classes: class key in the annotations -> name, in the order of the
    labels; keys of one name have one label.

    order: the names in the order of the labels, where some have no key here.
    problems: (reason, where) of what the reader of the annotations has left out already. notes:
    what else is to be told. hint: called with the name of a missing image, says what is there.
    `skipped` counts what was left out, by reason; `clipped` the boxes that were cut at their
    image's border; `turned` the images that EXIF turns, by how their boxes were read.
    verify: decode every image once now, JPEG at an eighth of its size (about 1 ms for 640 x 480),
    which finds truncated files; without it only the headers are read. max_side: shrink larger
    images, and their boxes, to this side when they are loaded: decodes faster and caches smaller.
    transforms, cache: see DetectionDataset.
    """

    CROWD = "crowd regions"  # what this format calls what nothing learns from

    def __init__(
        self,
        samples: list[Sample],
        classes: dict[object, str],
        problems: Iterable[tuple[str, str]] = (),
        transforms: Callable | None = None,
        *,
        cache: bool | float = False,
        max_side: int | None = None,
        verify: bool = True,
        order: Iterable[str] | None = None,
        notes: Iterable[str] = (),
        hint: Callable[[str], str] | None = None,
    ):
        super().__init__(order or dict.fromkeys(classes.values()), transforms, cache)
        label_of = {key: self.classes.index(name) for key, name in classes.items()}
        unknown = {key for sample in samples for key in sample.labels} - label_of.keys()
        if unknown:
            known = list(label_of)[:100]
            raise ValueError(
                f"the annotations use classes {sorted(unknown)[:10]}, which are not among {known}."
            )
        problems, notes = list(problems), list(notes)
        self.max_side, self.clipped = max_side, 0
        # Copies, since the caller's samples are the caller's.
        samples, repeated = _joined([_labeled(sample, label_of) for sample in samples])
        if repeated:
            notes.append(
                f"joined {len(repeated)} images that are listed twice (first: {repeated[0]})"
            )
        self.samples, looks = _usable(samples, verify, problems, hint)
        if _are_shares(self.samples):
            notes.append(
                "all boxes lie within 0-1: are they shares of the picture? Pixels are expected"
            )
        self.turned = _turn(self.samples, looks, notes)
        for sample in self.samples:
            self._clean_boxes(sample, problems)
        self.skipped = Counter(reason for reason, _ in problems)
        self._tell(problems, notes)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def names(self) -> list[str]:
        """Of each image, its file below the folder of the images, spelled alike on all systems."""
        return [unicodedata.normalize("NFC", sample.name) for sample in self.samples]

    def load(self, index: int) -> Loaded:
        sample = self.samples[index]
        size, scale = self._loaded_size(sample)
        image = open_picture(sample.path, size, upright=sample.upright)
        pixels = np.array(image.resize(size)).transpose(2, 0, 1)
        return pixels, sample.boxes * scale, sample.labels, sample.image_id

    def crowds(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        sample = self.samples[index]
        return sample.crowd_boxes * self._loaded_size(sample)[1], sample.crowd_labels

    def annotations(self) -> list[tuple[tuple[int, int], np.ndarray]]:
        return [(sample.size, sample.boxes) for sample in self.samples]

    def describe(self) -> dict:
        digest = hashlib.sha256()
        for name, sample in zip(self.names, self.samples, strict=True):
            about = [name, sample.image_id, sample.size, sample.upright, len(sample.boxes)]
            digest.update(json.dumps(about).encode())
            for array in (sample.boxes, sample.labels, sample.crowd_boxes, sample.crowd_labels):
                digest.update(array.tobytes())
        return super().describe() | {"max_side": self.max_side, "items": digest.hexdigest()}

    def _loaded_size(self, sample: Sample) -> tuple[tuple[int, int], np.ndarray]:
        """(width, height) that `load` gives, over the annotated ones: for x, y, x, y."""
        shrink = min(1, (self.max_side or math.inf) / max(sample.size))
        size = tuple(max(1, round(side * shrink)) for side in sample.size)
        return size, np.array(size * 2, np.float32) / np.array(sample.size * 2, np.float32)

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
        crowd = np.array(sample.crowd, bool)
        labels, inside = np.array(sample.labels, np.int64), inside.astype(np.float32)
        sample.boxes, sample.labels = inside[kept & ~crowd], labels[kept & ~crowd]
        sample.crowd_boxes, sample.crowd_labels = inside[kept & crowd], labels[kept & crowd]

    def _tell(self, problems: list[tuple[str, str]], notes: list[str]) -> None:
        """One warning with all that was not as it should be; ValueError if nothing is left."""
        first = dict(reversed(problems))
        left_out = ", ".join(
            f"{numbered(count, reason)} (first: {first[reason]})"
            for reason, count in self.skipped.items()
        )
        if not self.samples:
            why = "; ".join([left_out or "none is listed", *notes])
            raise ValueError(f"{type(self).__name__} has no image that can be used: {why}.")
        told = [f"left out {left_out}"] if left_out else []
        crowds = sum(len(sample.crowd_labels) for sample in self.samples)
        if crowds:
            told.append(f"{numbered(crowds, self.CROWD)}, not counted in training or in a test")
        if self.clipped:
            told.append(f"clipped {numbered(self.clipped, 'boxes')} to the image")
        told += notes
        if told:
            warnings.warn(f"{type(self).__name__}: {'; '.join(told)}.", stacklevel=4)


def four_numbers(values: object) -> list[float]:
    """values as four floats; four NaN, which the check of the boxes counts, where they are anything
    else.
    """
    try:
        if isinstance(values, (str, bytes)):
            raise TypeError
        x0, y0, x1, y1 = (float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        return [math.nan] * 4
    return [x0, y0, x1, y1]


def is_yes(value: object) -> bool:
    """Whether a flag is set: 1 and true in any spelling; not so 0, "0", null and the rest."""
    return str(value).strip().lower() in ("1", "1.0", "true", "yes")


def _labeled(sample: Sample, label_of: dict) -> Sample:
    labels = [label_of[key] for key in sample.labels]
    crowd = list(sample.crowd) or [False] * len(labels)
    name = sample.name or sample.path.name
    return replace(sample, boxes=list(sample.boxes), labels=labels, crowd=crowd, name=name)


def _joined(samples: list[Sample]) -> tuple[list[Sample], list[str]]:
    """One sample for each file, with the boxes of all that name it; and the names that came again.

    Otherwise a picture could be learned from under one id, and tested on under another.
    """
    by_path, repeated = {}, []
    for sample in samples:
        kept = by_path.setdefault(os.path.normpath(sample.path), sample)
        if kept is sample:
            continue
        repeated.append(sample.path.name)
        kept.size = kept.size or sample.size
        there = set(zip(map(tuple, kept.boxes), kept.labels, strict=True))
        for box, label, crowd in zip(sample.boxes, sample.labels, sample.crowd, strict=True):
            if (tuple(box), label) not in there:
                kept.boxes.append(box)
                kept.labels.append(label)
                kept.crowd.append(crowd)
    return list(by_path.values()), repeated


def _usable(
    samples: list[Sample],
    verify: bool,
    problems: list[tuple[str, str]],
    hint: Callable[[str], str] | None,
) -> tuple[list[Sample], list[Look]]:
    """The samples whose pictures can be read and are as large as annotated, and what each says."""
    usable, looks = [], []
    with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter's lock
        found = pool.map(lambda sample: look_at(sample.path, verify), samples)
        found = tqdm(found, "checking images", len(samples), disable=len(samples) < MANY)
        for sample, look in zip(samples, found, strict=True):
            problem, where = look.problem, sample.path.name
            if problem == MISSING:
                where = str(sample.path)
                if hint is not None:  # once, since it looks at the whole folder
                    where, hint = f"{where}; {hint(sample.name)}", None
            elif not problem and sample.size not in (None, look.stored, look.shown):
                problem = "images of another size than annotated"
            if problem:
                problems.append((problem, where))
            else:
                usable.append(sample)
                looks.append(look)
    return usable, looks


def _turn(samples: list[Sample], looks: list[Look], notes: list[str]) -> Counter:
    """Decide how the boxes of turned pictures are read, say so, and give each sample its size."""
    for sample, look in zip(samples, looks, strict=True):
        sample.size = sample.size or look.shown
    turned = [number for number, look in enumerate(looks) if look.orientation != 1]
    chosen = ways(
        [samples[number].size for number in turned],
        [_finite(samples[number].boxes) for number in turned],
        [looks[number] for number in turned],
    )
    for number, way in zip(turned, chosen, strict=True):
        samples[number].upright = way == SHOWN
        samples[number].size = looks[number].shown if way == SHOWN else looks[number].stored
    counts = Counter(chosen)
    if turned:
        unsure = sum(looks[number].shown == looks[number].stored for number in turned)
        first = samples[turned[0]].path.name
        notes.append(
            f"EXIF turns {numbered(len(turned), 'images')} (first: {first}): the boxes "
            f"of {counts[SHOWN]} were read as shown, of {counts[STORED]} as stored"
            + (f"; no size tells which is right for {unsure}: look at them" if unsure else "")
        )
    return counts


def _are_shares(samples: list[Sample]) -> bool:
    """Whether no box leaves the first pixel; of usual data the first box says no."""
    boxes = (box for sample in samples for box in sample.boxes if all(map(math.isfinite, box)))
    first = next(boxes, None)
    return first is not None and max(first) <= 1 and all(max(box) <= 1 for box in boxes)


def _finite(boxes: list) -> np.ndarray:
    boxes = np.array(boxes, np.float64).reshape(-1, 4)
    return boxes[np.isfinite(boxes).all(1)]
