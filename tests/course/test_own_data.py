"""Section 4 of notebook 10 with a learner's own data: it runs to its end, or its first cell says in
one sentence why it cannot.

Oracles: the folders themselves, made here with what is wrong with each; plain arithmetic.
"""

import contextlib
import io
import json
import re
import shutil
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lessons import ROOT, code_cells, read
from PIL import Image

from effdet_lite.checking import check_folder
from effdet_lite.data.layouts import FolderError
from effdet_lite.data.suspects import TINY, TWICE
from effdet_lite.teach.nb.n10_own_data import (
    detections_agree,
    example_folder,
    same_annotations,
    write_coco,
    write_voc,
)

NOTEBOOK = ROOT / "notebooks" / "10_real_data.ipynb"
CLASSES = ("red $5", "blue")


def boxes_of(number):
    """Two boxes of the picture of this number, xyxy in pixels of 200 x 150."""
    draw = np.random.default_rng(number)
    for _ in range(2):
        width, height = draw.integers(30, 70, 2).tolist()
        left, top = draw.integers(0, 200 - width).item(), draw.integers(0, 150 - height).item()
        yield left, top, left + width, top + height


def write_pictures(folder, names):
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(60, 120, (150, 200, 3)).astype(np.uint8)
        for box, color in zip(boxes_of(number), ((230, 40, 40), (40, 40, 230)), strict=True):
            pixels[box[1] : box[3], box[0] : box[2]] = color
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)


def write_set(
    root, number=12, name="p{}.jpg", with_boxes=None, folder="images", where=".", scale=1
):
    """A COCO set. with_boxes: the pictures that have some; scale: of the boxes' numbers."""
    names = [name.format(index, index % 2) for index in range(number)]
    write_pictures(root / folder, names)
    annotations = [
        {
            "id": 2 * index + label + 1,
            "image_id": index,
            "category_id": label,
            "bbox": [left * scale, top * scale, (right - left) * scale, (bottom - top) * scale],
        }
        for index in (range(number) if with_boxes is None else with_boxes)
        for label, (left, top, right, bottom) in enumerate(boxes_of(index))
    ]
    document = {
        "images": [
            {"id": index, "file_name": file, "width": 200, "height": 150}
            for index, file in enumerate(names)
        ],
        "annotations": annotations,
        "categories": [{"id": label, "name": name} for label, name in enumerate(CLASSES)],
    }
    (root / where).mkdir(exist_ok=True)
    path = root / where / "instances.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return root


def write_lists(root):
    """A VOC folder with the lists train and val, and no trainval and test."""
    pictures = (
        (Image.new("RGB", (200, 150), (9 * index, 90, 90)), list(boxes_of(index)), list(CLASSES))
        for index in range(11)
    )
    write_voc(root / "set", pictures)
    lists = root / "set" / "ImageSets" / "Main"
    (lists / "trainval.txt").rename(lists / "train.txt")
    (lists / "test.txt").rename(lists / "val.txt")
    return root


def write_truncated(root):
    write_set(root)
    picture = root / "images" / "p0.jpg"
    picture.write_bytes(picture.read_bytes()[:700])
    return root


def write_comma(root):
    (root / "a,b").mkdir()
    return write_set(root / "a,b")


# What runs to its end: how many pictures can be used.
RUNNING = {
    "three": (3, lambda root: write_set(root, 3)),
    "two": (2, lambda root: write_set(root, 2)),
    "annotations": (12, lambda root: write_set(root, where="Annotations")),
    "capital letters": (12, lambda root: write_set(root, folder="IMAGES", where="ANNOTATIONS")),
    "subfolders": (12, lambda root: write_set(root, name="s{1}/p{0}.jpg")),
    "truncated": (11, write_truncated),
    "sparse": (24, lambda root: write_set(root, 24, with_boxes=(23,))),
    "comma": (12, write_comma),
    "voc-train-val": (11, write_lists),
}


# --- the notebook's cells ---


@pytest.fixture(scope="module")
def section():
    """(what section 4's cells need, the cells themselves), by the notebook's own code."""
    cells = [cell.source for cell in code_cells(read(NOTEBOOK))]
    begins = next(n for n, source in enumerate(cells) if "my_folder = None" in source)
    ends = next(n for n, source in enumerate(cells) if "export_and_compare(" in source) + 1
    needed = (
        "import n10_flaws",
        "import guess",
        "at_hand = ",
        "import with_guesses",
        "import load_detector",
        "shapes_detector = ",
    )
    before = [next(source for source in cells[:begins] if name in source) for name in needed]
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(NOTEBOOK.parent)
        patch.setenv("EFFDET_LITE_BCCD", "/nowhere")
        for source in before:
            run_cell(source, names)
        yield names, cells[begins:ends]


def run_cell(source, names):
    """What the cell prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(source, "<cell>", "exec"), names)
    plt.close("all")
    return said.getvalue()


@pytest.mark.course
@pytest.mark.slow
@pytest.mark.parametrize("name", RUNNING)
def test_the_section_runs_to_its_end(name, section, tmp_path):
    """With three steps of training for sixty. In a file without PyTorch: one case, for all export
    alike.
    """
    usable, write = RUNNING[name]
    own = write(tmp_path)
    names, cells = dict(section[0]), section[1]
    said = ""
    for source in cells:
        if "my_folder = None" in source:
            source = f"my_folder = {str(own)!r}"
        if "export_and_compare(" in source and name != "comma":
            continue
        if "steps=60" in source:
            source = source.replace("steps=60", "steps=3").replace("warmup=15", "warmup=1")
        said += run_cell(source, names)
    assert len(names["mine"]) == usable
    learned, tested = map(int, re.search(r"(\d+) pictures to learn from, (\d+)", said).groups())
    assert learned + tested == usable and learned > 0 and tested > 0
    assert (names["work"] / "run" / "detector.safetensors").is_file()
    shutil.rmtree(names["work"])


# --- what is refused ---


def without_boxes(root):
    return write_set(root, with_boxes=())


def unreadable(root):
    write_set(root)
    for path in (root / "images").iterdir():
        path.write_bytes(b"not a picture")
    return root


def copies(root):
    write_set(root)
    first, *others = (root / "images").iterdir()
    for path in others:
        shutil.copy(first, path)
    return root


def no_coco(root):
    write_set(root)
    (root / "instances.json").write_text('{"type": "FeatureCollection"}', encoding="utf-8")
    return root


def twice(root):
    write_set(root)
    shutil.copy(root / "instances.json", root / "again.json")
    return root


def yolo(root):
    write_pictures(root / "images", ["p0.jpg"])
    (root / "labels").mkdir()
    (root / "labels" / "p0.txt").write_text("0 0.5 0.5 0.2 0.1\n")
    return root


def loose_voc(root):
    write_pictures(root, ["p0.jpg"])
    (root / "p0.xml").write_text("<annotation/>")
    return root


def pictures_alone(root):
    write_pictures(root, ["p0.jpg", "p1.jpg"])
    return root


REFUSED = {
    "nothing": (without_boxes, "none of the 12 pictures has a box"),
    "one picture": (lambda root: write_set(root, 1), "only one picture can be used"),
    "unreadable": (unreadable, "no image that can be used"),
    "copies": (copies, "the 12 pictures are copies of one"),
    "no COCO file": (no_coco, "has 12 pictures and no labels"),
    "shares": (lambda root: write_set(root, scale=1e-3), "boxes in pixels of the picture"),
    "several files": (twice, 'check_folder(folder, annotations="again.json")'),
    "yolo": (yolo, "export them from your labeling program as COCO or as Pascal VOC"),
    "loose voc": (loose_voc, "put the pictures into JPEGImages"),
    "pictures alone": (pictures_alone, "has 2 pictures and no labels"),
    "empty": (lambda root: root, "is empty"),
    "no such folder": (lambda root: write_set(root) / "birds" / "x", "but no 'birds' in it"),
    "another file": (lambda root: write_set(root) / "images" / "p0.jpg", "name the folder"),
    "Windows": (lambda root: r"C:\Users\me\birds", "that is a path of Windows"),
    "no r before the quotes": (lambda root: "C:\birds\new", "write r before the quotes"),
    "no name": (lambda root: ' "" ', "there is nothing between the quotes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_one_sentence(name, tmp_path):
    write, expected = REFUSED[name]
    with pytest.raises(FolderError) as refused:
        check_folder(write(tmp_path))
    shown = refused.value._render_traceback_()
    assert len(shown) == 1 and "\n" not in shown[0] and shown[0].endswith(".")
    assert expected in shown[0]


def test_a_place_in_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_set(tmp_path / "birds" / "deep")
    assert len(check_folder("~/birds")) == 12


@settings(max_examples=60, deadline=None)
@given(
    st.none()
    | st.text(max_size=12)
    | st.binary(max_size=4)
    | st.integers()
    | st.text(alphabet="~/\\\0\n\"' a", max_size=6)
    | st.sampled_from(["~nobody/x", "\0", "a" * 300])
)
def test_whatever_is_named_is_opened_or_refused_in_one_sentence(tmp_path_factory, place):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(empty)
        if isinstance(place, str):  # and not the whole of this computer
            place = place.replace("/", "").replace("\\", "").replace("..", "").replace("~", "")
        with pytest.raises(FolderError) as refused:
            check_folder(place)
    assert "\n" not in str(refused.value).strip() and str(refused.value).endswith(".")


# --- the folder that stands in, and what the section compares ---


def test_the_two_forms_say_the_same(tmp_path):
    pictures = [
        (Image.new("RGB", (200, 150), (9 * index, 90, 90)), list(boxes_of(index)), ["<a> & b", "c"])
        for index in range(10)
    ]
    write_coco(tmp_path / "coco", pictures, ["<a> & b", "c"])
    write_voc(tmp_path / "voc", pictures[:9])
    coco, voc = check_folder(tmp_path / "coco"), check_folder(tmp_path / "voc")
    assert (coco.layout.kind, voc.layout.kind) == ("coco", "voc")
    assert len(coco) == len(voc) == 9, "the last picture was cut short"
    assert coco.classes == voc.classes == ("<a> & b", "c")
    assert same_annotations(coco.samples, voc.samples)
    assert "1 image that cannot be read" in str(coco)
    expected = np.array(list(boxes_of(4)), np.float32)
    assert np.allclose(coco.samples[4].boxes, expected)
    voc.samples[4].boxes = voc.samples[4].boxes + 1
    assert not same_annotations(coco.samples, voc.samples)
    assert not same_annotations(coco.samples[1:], coco.samples)


def test_what_is_planted_is_found(tmp_path):
    report = check_folder(example_folder(tmp_path / "made", None))
    assert {2, 3} <= {index for _, *pair in report.twins for index in pair}
    found = {(one.picture, one.kind) for one in report.suspects}
    assert (5, TWICE) in found and (8, TINY) in found
    assert "1 image that cannot be read (first: picture_39.jpg)" in report.left_out
    assert "1 box without area (first: picture_00.jpg)" in report.left_out
    assert len({2, 3} & set(report.held_out)) in (0, 2), "twins on one side"


def test_detections_agree_where_number_labels_and_places_do():
    boxes = np.array([[0.0, 0, 10, 10], [5, 5, 9, 9]])
    one = {"boxes": boxes, "labels": np.array([0, 1])}
    assert detections_agree(one, {**one, "boxes": boxes + 1e-3}) == (True, pytest.approx(1e-3))
    assert not detections_agree(one, {**one, "labels": np.array([1, 0])})[0]
    assert not detections_agree(one, {**one, "boxes": boxes + 1})[0]
    assert not detections_agree(one, {"boxes": boxes[:1], "labels": np.array([0])})[0]
    none = {"boxes": boxes[:0], "labels": np.array([], int)}
    assert detections_agree(none, none) == (True, 0.0)
