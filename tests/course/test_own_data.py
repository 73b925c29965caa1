"""Section 5 of notebook 10 with a learner's own data: it runs to its end, or its first cell says in
one sentence why it cannot.

Oracles: the folders themselves, made here with what is wrong with each; plain arithmetic.
"""

import contextlib
import io
import json
import re
import shutil
import subprocess
import warnings
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lessons import ROOT, code_cells, read
from PIL import Image

from effdet_lite import cli
from effdet_lite.teach.nb.n10_own_data import (
    OwnDataError,
    detections_agree,
    open_own,
    same_annotations,
    with_boxes_on_both_sides,
    write_example,
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


def write_coco(
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
    return {"my_pictures": str(root / folder), "my_annotations": str(path)}


def write_voc(root):
    """A VOC folder with the lists train and val, and no trainval and test."""
    pictures = (
        (Image.new("RGB", (200, 150), (9 * index, 90, 90)), list(boxes_of(index)), list(CLASSES))
        for index in range(12)
    )
    write_example(root, pictures, CLASSES)
    lists = root / "ImageSets" / "Main"
    (lists / "trainval.txt").rename(lists / "train.txt")
    (lists / "test.txt").rename(lists / "val.txt")
    return {"my_voc_folder": str(root)}


def write_truncated(root):
    own = write_coco(root)
    picture = root / "images" / "p0.jpg"
    picture.write_bytes(picture.read_bytes()[:700])
    return own


def write_comma(root):
    (root / "a,b").mkdir()
    return write_coco(root / "a,b")


# What runs to its end: how many pictures can be used.
RUNNING = {
    "three": (3, lambda root: write_coco(root, 3)),
    "two": (2, lambda root: write_coco(root, 2)),
    "annotations": (12, lambda root: write_coco(root, where="Annotations")),
    "capital letters": (12, lambda root: write_coco(root, folder="IMAGES", where="ANNOTATIONS")),
    "subfolders": (12, lambda root: write_coco(root, name="s{1}/p{0}.jpg")),
    "truncated": (11, write_truncated),
    "sparse": (24, lambda root: write_coco(root, 24, with_boxes=(23,))),
    "comma": (12, write_comma),
    "voc-train-val": (11, write_voc),
}


# --- the notebook's cells ---


@pytest.fixture(scope="module")
def section():
    """(what section 5's cells need, the cells themselves), by the notebook's own code."""
    cells = [cell.source for cell in code_cells(read(NOTEBOOK))]
    begins = next(n for n, source in enumerate(cells) if "my_voc_folder = None" in source)
    needed = (
        "from effdet_lite.teach.kit.plots import STYLE, new_figure",
        "at_hand = ",
        "import load_detector",
        "import check",
        "shapes_detector = ",
        "def scores(",
        "import numpy as np",
        "gap = ",
        "b0_file = ",
        "import torch",
    )
    before = [next(source for source in cells[:begins] if name in source) for name in needed]
    names = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(NOTEBOOK.parent)
        patch.setenv("EFFDET_LITE_BCCD", "/nowhere")
        for source in before:
            run_cell(source, names)
        yield names, cells[begins:]


def run_cell(source, names):
    """What the cell prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(source, "<cell>", "exec"), names)
    plt.close("all")
    return said.getvalue()


def in_this_process(command, **options):
    """`subprocess.run` of `python -m effdet_lite.cli …`, without a new process."""
    assert command[1:3] == ["-m", "effdet_lite.cli"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        status = cli.main(command[3:])
    assert not status
    return SimpleNamespace(stdout=said.getvalue())


@pytest.mark.course
@pytest.mark.slow
@pytest.mark.parametrize("name", RUNNING)
def test_the_section_runs_to_its_end(name, section, tmp_path, monkeypatch):
    """With three steps of training for sixty. In a file without PyTorch: one case, for all export
    alike.
    """
    usable, write = RUNNING[name]
    own = write(tmp_path)
    names, cells = dict(section[0]), section[1]
    monkeypatch.setattr(subprocess, "run", in_this_process)
    said = ""
    for source in cells:
        if "my_voc_folder = None" in source:
            named = ("my_pictures", "my_annotations", "my_voc_folder")
            source = "\n".join(f"{key} = {own.get(key)!r}" for key in named)
        if "export_onnx" in source and name != "comma":
            continue
        if "steps=60" in source:
            source = source.replace("steps=60", "steps=3").replace("warmup=15", "warmup=1")
        said += run_cell(source, names)
    assert f"{usable} pictures can be used; boxes: " in said
    learned, tested = map(int, re.search(r"(\d+) pictures to learn from, (\d+)", said).groups())
    assert learned + tested == usable and learned > 0 and tested > 0
    assert (names["work"] / "found" / "detections.json").is_file()
    shutil.rmtree(names["work"])


# --- what is refused ---


def without_boxes(root):
    return write_coco(root, with_boxes=())


def unreadable(root):
    own = write_coco(root)
    for path in (root / "images").iterdir():
        path.write_bytes(b"not a picture")
    return own


def copies(root):
    own = write_coco(root)
    first, *others = (root / "images").iterdir()
    for path in others:
        shutil.copy(first, path)
    return own


def no_coco(root):
    own = write_coco(root)
    (root / "instances.json").write_text('{"type": "FeatureCollection"}', encoding="utf-8")
    return own


REFUSED = {
    "nothing": (without_boxes, "none of the 12 pictures has a box"),
    "one picture": (lambda root: write_coco(root, 1), "only one picture can be used"),
    "unreadable": (unreadable, "no image that can be used"),
    "copies": (copies, "the 12 pictures are copies of one"),
    "no COCO file": (no_coco, "instances.json is not a COCO detection file"),
    "shares": (lambda root: write_coco(root, scale=1e-3), "boxes in pixels of the picture"),
    "no such folder": (
        lambda root: write_coco(root) | {"my_pictures": str(root / "birds" / "images")},
        "but no 'birds' in it",
    ),
    "no such file": (
        lambda root: write_coco(root) | {"my_annotations": str(root / "nothing.json")},
        "but no 'nothing.json' in it",
    ),
    "Windows": (
        lambda root: write_coco(root) | {"my_pictures": r"C:\Users\me\birds"},
        "this computer writes paths with /",
    ),
    "pictures alone": (
        lambda root: {"my_pictures": str(root)},
        "name my_annotations, its COCO file, too",
    ),
    "both": (
        lambda root: write_coco(root) | {"my_voc_folder": str(root)},
        "but not both",
    ),
    "no VOC folder": (lambda root: {"my_voc_folder": str(root)}, "there is no folder"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_one_sentence(name, tmp_path):
    write, expected = REFUSED[name]
    own = {key.removeprefix("my_"): value for key, value in write(tmp_path).items()}
    with pytest.raises(OwnDataError) as refused:
        open_own(**own)
    shown = refused.value._render_traceback_()
    assert len(shown) == 1 and "\n" not in shown[0] and shown[0].endswith(".")
    assert expected in shown[0]


def test_a_place_in_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_coco(tmp_path)
    assert len(open_own("~/images", "~/instances.json")) == 12


@settings(max_examples=60, deadline=None)
@given(
    st.none() | st.text(max_size=12) | st.binary(max_size=4) | st.integers(),
    st.none() | st.text(max_size=12) | st.sampled_from(["~nobody/x", "\0", "a" * 300]),
    st.none() | st.just("/") | st.text(alphabet="~/\\.\0 a", max_size=6),
)
def test_whatever_is_named_is_opened_or_refused_in_one_sentence(one, other, third):
    with pytest.raises(OwnDataError) as refused:
        open_own(one, other, third)
    assert "\n" not in str(refused.value).strip() and str(refused.value).endswith(".")


# --- the split, and what the section compares ---


@given(st.data(), st.integers(2, 30))
def test_both_sides_have_pictures_and_boxes_where_there_are_two(data, number):
    some = st.sets(st.integers(0, number - 1), min_size=1, max_size=number)
    with_boxes = sorted(data.draw(some))
    before = data.draw(some.filter(lambda held_out: len(held_out) < number))
    after = set(with_boxes_on_both_sides(before, with_boxes, number))
    assert after <= set(range(number)) and 0 < len(after) < number
    tested, learned = after & set(with_boxes), set(with_boxes) - after
    assert learned and (tested or len(with_boxes) == 1)
    assert len(after ^ before) <= 2, "no more pictures change their side than must"


def test_the_two_forms_of_the_example_say_the_same(tmp_path):
    pictures = [
        (Image.new("RGB", (200, 150), (9 * index, 90, 90)), list(boxes_of(index)), ["<a> & b", "c"])
        for index in range(10)
    ]
    coco = open_own(*write_example(tmp_path / "made", pictures, ["<a> & b", "c"]))
    voc = open_own(voc_folder=tmp_path / "made")
    assert len(coco) == len(voc) == 9, "the last picture was cut short"
    assert coco.classes == voc.classes == ("<a> & b", "c")
    assert same_annotations(coco.samples, voc.samples)
    assert "1 images that cannot be read" in str(coco)
    expected = np.array(list(boxes_of(4)), np.float32)
    assert np.allclose(coco.samples[4].boxes, expected)
    voc.samples[4].boxes = voc.samples[4].boxes + 1
    assert not same_annotations(coco.samples, voc.samples)
    assert not same_annotations(coco.samples[1:], coco.samples)


def test_detections_agree_where_number_labels_and_places_do():
    boxes = np.array([[0.0, 0, 10, 10], [5, 5, 9, 9]])
    one = {"boxes": boxes, "labels": np.array([0, 1])}
    assert detections_agree(one, {**one, "boxes": boxes + 1e-3}) == (True, pytest.approx(1e-3))
    assert not detections_agree(one, {**one, "labels": np.array([1, 0])})[0]
    assert not detections_agree(one, {**one, "boxes": boxes + 1})[0]
    assert not detections_agree(one, {"boxes": boxes[:1], "labels": np.array([0])})[0]
    none = {"boxes": boxes[:0], "labels": np.array([], int)}
    assert detections_agree(none, none) == (True, 0.0)
