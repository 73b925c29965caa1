"""A learner's own pictures in notebook 10: opened once, or refused in one sentence.

And where a learner names none, a small folder that stands in for them.
"""

import json
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import torch
from PIL import Image

from effdet_lite.data import CocoFolder, VocFolder, eval_transforms, train_transforms
from effdet_lite.data.dataset import DetectionDataset
from effdet_lite.data.folders import FolderDataset, Sample
from effdet_lite.data.splitting import hold_out
from effdet_lite.places import expanded
from effdet_lite.predict import coco_document
from effdet_lite.teach.nb.n10_real_data import boxes_at

LONGER = 256  # longer side in px that the section trains at
STEP = 64  # sides are multiples of it: the coarsest level is P6


class OwnDataError(ValueError):
    """Pictures that cannot be used, in one sentence; a notebook shows that sentence alone."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for it
        return [str(self)]


@dataclass(frozen=True)
class OwnData:
    """A learner's pictures.

    dataset: those that can be used, as they are annotated. held_out: the indices of those to test
    on, about a fifth. left_out: what opening them said. name: as `effdet-lite train --data` takes
    it.
    """

    dataset: FolderDataset
    held_out: list[int]
    left_out: str
    name: str

    @property
    def samples(self) -> list[Sample]:
        """The pictures with their boxes."""
        return self.dataset.samples

    @property
    def classes(self) -> tuple[str, ...]:
        """Names in the order of the labels."""
        return self.dataset.classes

    def __len__(self) -> int:
        return len(self.dataset)

    def __str__(self) -> str:
        """What was found, in a few lines."""
        counts = Counter(
            self.classes[label] for one in self.samples for label in one.labels.tolist()
        )
        boxes = ", ".join(f"{counts[name]:,} {name}" for name in self.classes)
        empty = sum(not len(one.labels) for one in self.samples)
        sizes = Counter(one.size for one in self.samples).most_common(3)
        lines = [
            f"{len(self)} pictures can be used; boxes: {boxes}",
            f"pictures without a box: {empty}; most frequent sizes (px): "
            + ", ".join(f"{width} × {height} ({count})" for (width, height), count in sizes),
        ]
        if len(self) - empty == 1:
            lines.append("one picture has boxes and is learned from, so AP will be nan")
        return "\n".join([self.left_out, *lines] if self.left_out else lines)

    def first(self, number: int) -> tuple[list[torch.Tensor], list[dict]]:
        """Images and targets of the first pictures, of fewer where there are fewer."""
        items = [self.dataset[index] for index in range(min(number, len(self)))]
        return [image for image, _ in items], [target for _, target in items]

    def photos(self, number: int) -> list[Path]:
        """The files of the first pictures."""
        return [sample.path for sample in self.samples[:number]]

    def size_near(self, longer: int = LONGER, step: int = STEP) -> tuple[int, int]:
        """(height, width) of about this longer side, in multiples of `step`, with the shape that
        most pictures have.
        """
        width, height = np.median([one.size for one in self.samples], axis=0)
        scale = longer / max(height, width) / step
        return tuple(max(1, round(side * scale)) * step for side in (height, width))

    def split(
        self, size: tuple[int, int], augment: float
    ) -> tuple[DetectionDataset, DetectionDataset]:
        """Pictures to learn from, and the held-out ones, at size (height, width). augment: strength
        of the random zoom and color, 0-1.
        """
        held_out = set(self.held_out)
        train_set = self.dataset.subset(
            index for index in range(len(self)) if index not in held_out
        )
        train_set.transforms = train_transforms(
            size, zoom=(1 - 0.25 * augment, 1 + 0.5 * augment), color=0.3 * augment
        )
        test_set = self.dataset.subset(self.held_out)
        test_set.transforms = eval_transforms(size)
        return train_set, test_set


def with_boxes_on_both_sides(
    held_out: Iterable[int], with_boxes: Sequence[int], number: int
) -> list[int]:
    """The held-out ones of `number` pictures, changed where boxes would stand on one side alone.

    Both sides have a picture with boxes where there are two; the only one is learned from.
    """
    held_out = set(held_out)
    tested = [index for index in with_boxes if index in held_out]
    learned = [index for index in with_boxes if index not in held_out]
    if not tested and len(learned) > 1:
        held_out.add(learned[0])
    elif not learned:
        held_out.remove(tested[0])
        if not held_out:  # it was the only one to test on
            held_out.add(next(index for index in range(number) if index != tested[0]))
    return sorted(held_out)


def open_own(
    pictures: str | Path | None = None,
    annotations: str | Path | None = None,
    voc_folder: str | Path | None = None,
) -> OwnData:
    """A folder of pictures with one COCO file, or a folder in the layout of Pascal VOC, checked.

    Raises OwnDataError where the section could not run to its end.
    """
    if voc_folder and (pictures or annotations):
        raise OwnDataError("name my_pictures with my_annotations, or my_voc_folder, but not both.")
    if not voc_folder and not (pictures and annotations):
        other = "my_annotations, its COCO file" if pictures else "my_pictures, the folder"
        raise OwnDataError(f"name {other}, too, or my_voc_folder in place of both.")
    named = (voc_folder,) if voc_folder else (pictures, annotations)
    places = [_there(place) for place in named]
    dataset, left_out = _opened(places)
    kind = "voc" if voc_folder else "coco"
    name = f"{kind}:{','.join(map(str, places))}"
    own = OwnData(dataset, [], left_out, name)
    _check(own)
    with_boxes = [index for index, one in enumerate(own.samples) if len(one.labels)]
    try:
        held_out = hold_out(dataset)
    except ValueError:
        raise OwnDataError(
            f"the {len(own)} pictures are copies of one, so there is none to test on."
        ) from None
    return replace(own, held_out=with_boxes_on_both_sides(held_out, with_boxes, len(own)))


def _opened(places: list[Path]) -> tuple[FolderDataset, str]:
    """The data set of a VOC folder, or of pictures and a COCO file, and what opening it said."""
    options = {"cache": True, "max_side": 2 * LONGER}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            make = VocFolder if len(places) == 1 else CocoFolder
            dataset = make(*places, **options)
        except OSError as error:
            reason = error.strerror if error.errno else error
            raise OwnDataError(_sentence(f"your data cannot be opened: {reason}")) from error
        except ValueError as error:
            raise OwnDataError(_sentence(str(error))) from error
    return dataset, " ".join(str(one.message) for one in told)


def _there(place: str | Path) -> Path:
    """The absolute path of a file or folder that is there."""
    if not isinstance(place, str | os.PathLike):
        raise OwnDataError(f"name a folder or file as text in quotes, not {place!r}.")
    try:
        path = expanded(os.fspath(place).strip()).absolute()
        exists = path.exists()
    except (OSError, ValueError) as error:
        raise OwnDataError(_sentence(f"{place!r} names no folder or file: {error}")) from error
    if exists:
        return path
    nearest = next(parent for parent in path.parents if parent.exists())
    hint = f"there is a folder {nearest}, but no {path.relative_to(nearest).parts[0]!r} in it"
    if "\\" in str(place) and os.sep == "/":
        hint = "this computer writes paths with /, not with \\"
    raise OwnDataError(f"there is no folder or file {path}: {hint}.")


def _check(own: OwnData) -> None:
    """Raise OwnDataError where there is too little to train and test on."""
    left_out = f" ({_without_stop(own.left_out)})" if own.left_out else ""
    if len(own) < 2:
        raise OwnDataError(
            "only one picture can be used, and two are needed, one to learn from and one to test "
            f"on{left_out}."
        )
    if not any(len(one.labels) for one in own.samples):
        raise OwnDataError(
            f"none of the {len(own)} pictures has a box, so there is nothing to learn{left_out}."
        )
    height, width = own.size_near()
    boxes = boxes_at(own.samples, (height, width))
    if ((boxes[:, 2:] - boxes[:, :2]) < 1).any(1).all():
        raise OwnDataError(
            f"every box is smaller than a pixel once its picture is {width} × {height} px: give "
            "boxes in pixels of the picture, not in shares of it, or cut large pictures into parts."
        )


def _sentence(text: str) -> str:
    """One line with a full stop."""
    return f"{_without_stop(text)}."


def _without_stop(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def detections_agree(ours: dict, theirs: dict, pixels: float = 0.1) -> tuple[bool, float]:
    """Are these the same boxes of the same classes in the same order, and how far are they apart,
    in px (0 without boxes). ours, theirs: {"boxes": [n, 4], "labels": [n]}.
    """
    if len(ours["labels"]) != len(theirs["labels"]):
        return False, 0.0
    apart = np.abs(np.asarray(ours["boxes"]) - np.asarray(theirs["boxes"])).max(initial=0.0)
    same = np.array_equal(np.asarray(ours["labels"]), np.asarray(theirs["labels"]))
    return bool(same and apart < pixels), float(apart)


# --- a folder for those who have none ---


def write_example(
    folder: Path,
    pictures: Iterable[tuple[Image.Image, list, list[str]]],
    classes: Sequence[str],
) -> tuple[Path, Path]:
    """A small data set as COCO *and* as Pascal VOC has it; returns its pictures' folder and the
    COCO file.

    pictures: (picture, boxes xyxy in px, class names) each. The last picture's file is cut short,
    as if a copy had failed.
    """
    lists = folder / "ImageSets" / "Main"
    for part in (folder / "JPEGImages", folder / "Annotations", lists):
        part.mkdir(parents=True)
    files, sizes, found = [], [], []
    for number, (picture, boxes, names) in enumerate(pictures):
        files.append(f"picture_{number:02}.jpg")
        sizes.append(picture.size[::-1])
        picture.save(folder / "JPEGImages" / files[-1], quality=95)
        text = voc_text(picture.size, boxes, names)
        (folder / "Annotations" / f"picture_{number:02}.xml").write_text(text, encoding="utf-8")
        labels = torch.tensor([classes.index(name) for name in names], dtype=torch.int64)
        boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        found.append({"boxes": boxes, "labels": labels, "scores": torch.ones(len(labels))})
    document = json.dumps(coco_document(files, sizes, found, classes))
    (folder / "coco.json").write_text(document, encoding="utf-8")
    stems = [Path(name).stem for name in files]
    for part, some in {"trainval": stems[8:], "test": stems[:8]}.items():
        (lists / f"{part}.txt").write_text("\n".join(some), encoding="utf-8")
    broken = folder / "JPEGImages" / files[-1]
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    return folder / "JPEGImages", folder / "coco.json"


def voc_text(size: tuple[int, int], boxes: list, names: list[str]) -> str:
    """One picture's annotation as Pascal VOC has it, in XML. size: (width, height) in px."""
    objects = ""
    for box, name in zip(boxes, names, strict=True):
        sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        corners = "".join(f"<{side}>{value:g}</{side}>" for side, value in sides)
        objects += f"<object><name>{escape(name)}</name><bndbox>{corners}</bndbox></object>"
    width, height = size
    shape = f"<size><width>{width}</width><height>{height}</height></size>"
    return f"<annotation>{shape}{objects}</annotation>"


def same_annotations(one: Sequence[Sample], other: Sequence[Sample]) -> bool:
    """Do two files of annotations say the same of the same pictures, to a thousandth of a pixel."""
    return len(one) == len(other) and all(
        a.path == b.path
        and len(a.boxes) == len(b.boxes)
        and np.allclose(a.boxes, b.boxes, atol=1e-3)
        for a, b in zip(one, other, strict=True)
    )
