"""Notebook 10's look at annotations: the blood cells' lists and files, counted and drawn."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from effdet_lite.anchors import iou
from effdet_lite.data.bccd import CLASSES, photo_names
from effdet_lite.data.voc import read_voc
from effdet_lite.places import cells_folder, course_folder
from effdet_lite.teach.kit.boxes import class_keys, draw_boxes
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import new_figure, styled
from effdet_lite.teach.nb.n10_scenes import short

PARTS = ("train", "val", "test")
NO_AREA = "boxes without area"
TWICE = "nearly the same box twice (IoU over 0.8)"
PILED = "overlapping pairs of one class (IoU 0.3–0.8)"
CUT = "boxes at the picture's border"
DRAWN = {"no red cells drawn": 2, "a white cell's box, another class": 1, "piles of boxes": 3}


class Note(NamedTuple):
    """An annotation as it stands in its file: size (width, height), boxes xyxy, class names."""

    size: tuple[int, int]
    boxes: list
    names: list[str]


@styled
def show_opening() -> None:
    """Three photographs with what the course's detector found."""
    with Image.open(course_folder() / "assets" / "detections.png") as photo:
        pixels = np.asarray(photo.convert("RGB"))
    margins = {"left": 0, "right": 1, "bottom": 0, "top": 0.9}
    figure, axes = new_figure(width=9, height=2.9, margins=margins)
    axes[0, 0].imshow(pixels)
    axes[0, 0].set_axis_off()
    axes[0, 0].set_title("The course's detector counts blood cells", fontsize=11)
    show(
        figure,
        "Three photographs of blood. The detector finds 14, 15 and 15 red cells, a white cell in "
        "each, and 1, 0 and 3 platelets.",
        photo=True,
    )


def photographs() -> Path | None:
    """The blood cells' folder, or None where they are not at hand."""
    folder = cells_folder()
    folder = folder if (folder / "Annotations").is_dir() else folder / "BCCD"
    return folder if (folder / "Annotations").is_dir() else None


def annotations(folder: Path) -> dict[str, Note]:
    """Each photograph's annotation by its name."""
    files = {path.stem: read_voc(path) for path in sorted(folder.glob("Annotations/*.xml"))}
    return {name: Note(one.size, one.boxes, one.names) for name, one in files.items()}


def splits(folder: Path) -> dict[str, list[str]]:
    """The names of the photographs to train on, to validate on and to test on."""
    return {part: photo_names(folder, part) for part in PARTS}


def splits_table(notes: Mapping[str, Note], names: Mapping[str, Sequence[str]]) -> None:
    """Photographs and boxes of each split."""
    rows = []
    for part, some in names.items():
        counts = Counter(label for name in some for label in notes[name].names)
        rows.append([part, len(some), *(f"{counts[label]:,}" for label in CLASSES)])
    table(["split", "photographs", *CLASSES], rows)


def flaws_of(note: Note) -> Counter:
    """How many suspicious boxes, or pairs of boxes, an annotation has, by kind."""
    boxes = torch.tensor(note.boxes).reshape(-1, 4)
    same = torch.tensor([[one == other for other in note.names] for one in note.names])
    overlaps = torch.triu(iou(boxes, boxes) * same.reshape(len(boxes), len(boxes)), 1)
    first, last = boxes[:, :2], boxes[:, 2:]
    at_border = (first <= 1) | (last >= torch.tensor(note.size) - 1)
    return Counter(
        {
            NO_AREA: int((last <= first).any(1).sum()),
            TWICE: int((overlaps > 0.8).sum()),
            PILED: int(((overlaps > 0.3) & (overlaps <= 0.8)).sum()),
            CUT: int(at_border.any(1).sum()),
        }
    )


def flaws_table(notes: Mapping[str, Note]) -> None:
    """Each kind of flaw: how many boxes, in how many photographs; and classes that are missing."""
    flaws = [flaws_of(note) for note in notes.values()]
    rows = []
    for kind in (NO_AREA, TWICE, PILED, CUT):
        counts = [one[kind] for one in flaws]
        rows.append([kind, f"{sum(counts):,}", sum(count > 0 for count in counts)])
    for label in CLASSES[:2]:
        rows.append([f"no {label} at all", "", without(notes, label)])
    table(["flaw", "boxes, or pairs", "photographs"], rows)


def without(notes: Mapping[str, Note], label: str) -> int:
    """How many photographs have no box of this class."""
    return sum(label not in note.names for note in notes.values())


@styled
def show_flaws(folder: Path, notes: Mapping[str, Note], names: Sequence[str]) -> None:
    """Test photographs with flaws. names: those of the test."""
    piled = sorted(names, key=lambda name: -flaws_of(notes[name])[PILED])
    found = {
        "no red cells drawn": [name for name in names if "RBC" not in notes[name].names],
        "a white cell's box, another class": [
            name for name in names if "WBC" not in notes[name].names and "RBC" in notes[name].names
        ],
        "piles of boxes": piled,
    }
    some = [(kind, name) for kind, number in DRAWN.items() for name in found[kind][:number]]
    figure, axes = new_figure(2, 3, width=9, height=5.3)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (kind, name) in zip(axes.flat, some, strict=False):
        with Image.open(folder / "JPEGImages" / f"{name}.jpg") as photo:
            pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1)
        labels = [CLASSES.index(label) for label in notes[name].names]
        draw_boxes(pixels, notes[name].boxes, labels, CLASSES, axis=axis, words=False)
        axis.set_title(f"{short(name)}: {kind}", fontsize=10)
    keys = class_keys(CLASSES)
    figure.legend(handles=keys, loc="outside lower center", ncols=3, fontsize=10, frameon=False)
    show(
        figure,
        "Test photographs with flaws: red cells without a box; a white cell whose large box says "
        "platelets; piles of boxes on top of each other.",
        photo=True,
    )
