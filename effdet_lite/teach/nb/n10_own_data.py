"""A learner's own pictures in notebook 10: what `check_folder` found, drawn.

And where a learner names none, a small folder with planted flaws that stands in for them.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import torch
from matplotlib.patches import Rectangle
from PIL import Image

from effdet_lite.checking import FolderReport
from effdet_lite.data import ShapesDetection
from effdet_lite.data.bccd import CLASSES, photo_names
from effdet_lite.data.folders import Sample
from effdet_lite.data.pictures import open_picture
from effdet_lite.data.suspects import KINDS, Suspect
from effdet_lite.data.voc import read_voc
from effdet_lite.predict import coco_document
from effdet_lite.teach.kit.boxes import RIM, class_keys, draw_boxes
from effdet_lite.teach.kit.flags import draw_guess
from effdet_lite.teach.kit.page import show, table
from effdet_lite.teach.kit.plots import COLORS, new_figure, new_panels, styled
from effdet_lite.teach.kit.widgets import View
from effdet_lite.teach.kit.words import writable, write_plainly

PANELS = 6  # pictures of a look
LONGEST_NAME = 34  # characters of a file's name above a picture
DRAWN_SIDE = 400  # px; a picture of the look has no more
EXAMPLES = 40  # pictures of the folder that stands in
TWINS = ("BloodImage_00227", "BloodImage_00260")  # one scene
PLANTED = "BloodImage_00338", "BloodImage_00343"  # each has a box without area
Labeled = tuple[Image.Image, list, list[str]]  # picture, boxes xyxy in px, class names


def show_report(report: FolderReport) -> None:
    """All that `check_folder` found: a table, and below it the pictures to look at."""
    table(["", "what check_folder found"], report.rows(), numbers_right=False)
    show_suspects(report)


@styled
def trained_view(history: Sequence[dict], guess: float | None = None) -> View:
    """The loss of each step; beside it AP50 on the held-out pictures. guess: of this AP50."""
    figure, (left, right) = new_panels(8.2, 3.1, (0.08, 0.17, 0.56, 0.7), (0.76, 0.17, 0.22, 0.7))
    losses = [row["loss"] for row in history]
    left.plot(range(1, len(losses) + 1), losses, marker="")
    left.set(xlabel="training step", ylabel="loss", ylim=(0, None), xlim=(0, len(losses) + 1))
    left.set_title(f"The loss falls from {losses[0]:.2f} to {losses[-1]:.2f}", fontsize=11)
    reached = history[-1]["ap50"]
    right.bar([0], [reached], width=0.6, color=COLORS[0])
    right.set(ylim=(0, 1), xlim=(-0.5, 1.2), xticks=[], ylabel="AP50, held-out pictures")
    right.set_title(f"AP50 {reached:.2f}", fontsize=11)
    draw_guess(right, guess, x=0.45)
    words = f"The loss falls from {losses[0]:.2f} to {losses[-1]:.2f}; AP50 is {reached:.2f}."
    seconds = f"{history[-1]['seconds']:.0f} s, {len(history)} steps"
    numbers = {"AP50": f"{reached:.3f}", "AP": f"{history[-1]['ap']:.3f}", "training": seconds}
    return View(figure, words, numbers)


@styled
def show_suspects(report: FolderReport) -> None:
    """Six pictures: a pair of twins and the worst suspects, if there are any; the others are the
    first ones. Each has its file's name, so that it can be mended.
    """
    panels = panels_of(report)
    figure, axes = new_figure(2, 3, width=9.2, height=6)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (index, title, suspect) in zip(axes.flat, panels, strict=False):
        _draw(axis, report, index, suspect)
        axis.set_title(f"{_drawn_name(report.samples[index].path, index)}\n{title}", fontsize=10)
        write_plainly(axis.title)
    keys = class_keys(report.classes)[:12]
    legend = figure.legend(
        handles=keys, loc="outside lower center", ncols=6, fontsize=10, frameon=False
    )
    write_plainly(*legend.get_texts())
    told = "; ".join(f"{report.samples[index].path.name}: {title}" for index, title, _ in panels)
    show(figure, f"Pictures to look at. {told.replace(chr(10), ', ')}.", photo=True)


def _drawn_name(path: Path, number: int) -> str:
    """A file's name as a figure can show it: of a long one both ends, and where no font has its
    letters, "picture 3".
    """
    name = path.name if len(path.name) <= LONGEST_NAME else f"{path.name[:16]}…{path.name[-17:]}"
    drawn = writable(name, number)
    return f"picture {number}" if drawn == f"class {number}" else drawn


def panels_of(report: FolderReport) -> list[tuple[int, str, Suspect | None]]:
    """(number of a picture, what is said above it, the suspect that is marked in it)."""
    panels: list[tuple[int, str, Suspect | None]] = []
    if report.twins:
        correlation, *pair = report.twins[0]
        panels += [(index, f"one scene (correlation {correlation:.2f})", None) for index in pair]
    for suspect in _worst_of_each_kind(report.suspects):
        name = report.classes[report.samples[suspect.picture].labels[suspect.box]]
        panels.append((suspect.picture, f"{name}: {suspect.kind}", suspect))
    shown = {index for index, *_ in panels}
    others = [index for index in range(len(report)) if index not in shown]
    panels += [(index, "every object? every box tight?", None) for index in others]
    return panels[:PANELS]


def _worst_of_each_kind(some: Sequence[Suspect]) -> list[Suspect]:
    """The worst of each kind, then the second of each, and so on."""
    by_kind = [[one for one in some if one.kind == kind] for kind in KINDS]
    most = max(map(len, by_kind))
    return [of_kind[place] for place in range(most) for of_kind in by_kind if place < len(of_kind)]


def _draw(axis, report: FolderReport, index: int, suspect: Suspect | None) -> None:
    sample = report.samples[index]
    scale = min(1.0, DRAWN_SIDE / max(sample.size))
    size = tuple(max(1, round(side * scale)) for side in sample.size)
    photo = open_picture(sample.path, size, upright=sample.upright).resize(size)
    image = np.asarray(photo).transpose(2, 0, 1)
    draw_boxes(image, sample.boxes * scale, sample.labels, report.classes, axis=axis, words=False)
    if suspect is None:
        return
    left, top, right, bottom = sample.boxes[suspect.box] * scale
    grown = 5
    frame = Rectangle(
        (left - grown, top - grown),
        right - left + 2 * grown,
        bottom - top + 2 * grown,
        fill=False,
        edgecolor="black",
        linewidth=3,
    )
    frame.set_path_effects(RIM)
    axis.add_artist(frame)


def detections_agree(ours: dict, theirs: dict, pixels: float = 0.1) -> tuple[bool, float]:
    """Are these the same boxes of the same classes in the same order, and how far are they apart,
    in px (0 without boxes). ours, theirs: {"boxes": [n, 4], "labels": [n]}.
    """
    if len(ours["labels"]) != len(theirs["labels"]):
        return False, 0.0
    apart = np.abs(np.asarray(ours["boxes"]) - np.asarray(theirs["boxes"])).max(initial=0.0)
    same = np.array_equal(np.asarray(ours["labels"]), np.asarray(theirs["labels"]))
    return bool(same and apart < pixels), float(apart)


def same_annotations(one: Sequence[Sample], other: Sequence[Sample]) -> bool:
    """Do two files of annotations say the same of the same pictures, to a thousandth of a pixel."""
    return len(one) == len(other) and all(
        a.path.name == b.path.name
        and len(a.boxes) == len(b.boxes)
        and np.allclose(a.boxes, b.boxes, atol=1e-3)
        for a, b in zip(one, other, strict=True)
    )


# --- a folder for those who have none ---


def example_folder(place: Path, cells: Path | None) -> Path:
    """A small folder as COCO has it: 40 photographs of blood cells, or drawings where `cells`, the
    folder of these, is None. Planted in it: two pictures of one scene, a box that is drawn twice,
    a box that looks like another class or is too small, boxes without area, and a file that was cut
    short.
    """
    pictures = list(_photographs(cells) if cells is not None else _drawings())
    classes = CLASSES if cells is not None else ShapesDetection("train").classes
    _, boxes, names = pictures[5]
    boxes.append([side + 1 for side in boxes[0]])
    names.append(names[0])
    write_coco(place, pictures, classes)
    return place


def _photographs(cells: Path) -> Iterable[Labeled]:
    names = [*PLANTED, *TWINS]
    names += [name for name in photo_names(cells, "train") if name not in names]
    for number, name in enumerate(names[:EXAMPLES]):
        note = read_voc(cells / "Annotations" / f"{name}.xml")
        labels = list(note.names)
        if number == 8:  # a white cell that is called platelets
            labels = ["Platelets" if label == "WBC" else label for label in labels]
        yield Image.open(cells / "JPEGImages" / f"{name}.jpg"), list(note.boxes), labels


def _drawings() -> Iterable[Labeled]:
    drawings = ShapesDetection("train", length=EXAMPLES)
    for number in range(EXAMPLES):
        image, target = drawings[number if number != 3 else 2]  # 2 and 3 are of one scene
        pixels = (image.permute(1, 2, 0) * 255).byte().numpy()
        boxes = target["boxes"].tolist()
        if number == 3:  # moved 8 px to the left
            pixels = np.concatenate([pixels[:, 8:], pixels[:, -8:]], axis=1)
            boxes = [[max(0, x0 - 8), y0, x1 - 8, y1] for x0, y0, x1, y1 in boxes]
        names = [drawings.classes[label] for label in target["labels"]]
        if number == 0:
            boxes.append([40, 40, 40, 60])
            names.append(names[0])
        if number == 8:
            boxes.append([100, 20, 101.5, 21.5])
            names.append(names[0])
        yield Image.fromarray(pixels), boxes, names


def write_coco(folder: Path, pictures: Iterable[Labeled], classes: Sequence[str]) -> None:
    """A small data set as COCO has it, in images/ and labels.json. The last picture's file is cut
    short, as if a copy had failed.
    """
    (folder / "images").mkdir(parents=True)
    files, sizes, found = [], [], []
    for number, (picture, boxes, names) in enumerate(pictures):
        files.append(f"picture_{number:02}.jpg")
        sizes.append(picture.size[::-1])
        picture.save(folder / "images" / files[-1], quality=95)
        labels = torch.tensor([classes.index(name) for name in names], dtype=torch.int64)
        boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        found.append({"boxes": boxes, "labels": labels, "scores": torch.ones(len(labels))})
    document = json.dumps(coco_document(files, sizes, found, classes))
    (folder / "labels.json").write_text(document, encoding="utf-8")
    broken = folder / "images" / files[-1]
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])


def write_voc(folder: Path, pictures: Iterable[Labeled]) -> None:
    """A small data set as Pascal VOC has it; lists for training and for the test."""
    lists = folder / "ImageSets" / "Main"
    for part in (folder / "JPEGImages", folder / "Annotations", lists):
        part.mkdir(parents=True)
    stems = []
    for number, (picture, boxes, names) in enumerate(pictures):
        stems.append(f"picture_{number:02}")
        picture.save(folder / "JPEGImages" / f"{stems[-1]}.jpg", quality=95)
        text = voc_text(picture.size, boxes, names)
        (folder / "Annotations" / f"{stems[-1]}.xml").write_text(text, encoding="utf-8")
    for part, some in {"trainval": stems[8:], "test": stems[:8]}.items():
        (lists / f"{part}.txt").write_text("\n".join(some), encoding="utf-8")


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
