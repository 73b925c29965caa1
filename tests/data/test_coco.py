"""COCO files as other programs write them: names, gaps, ids, crowds, turned pictures.

Oracles: pycocotools, Pillow's pixels, what was written.
"""

import contextlib
import copy
import io
import json
import unicodedata
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO

from effdet_lite.data import CocoFolder
from effdet_lite.data.folders import FolderDataset, Sample

quick = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def document(names, box=(2, 3, 5, 4), **image):
    """A COCO document of pictures of 16 x 16, each with one box."""
    return {
        "images": [
            {"id": index, "file_name": name, "width": 16, "height": 16} | image
            for index, name in enumerate(names)
        ],
        "categories": [{"id": 5, "name": "cell"}],
        "annotations": [
            {"id": 10 + index, "image_id": index, "category_id": 5, "bbox": list(box)}
            for index in range(len(names))
        ],
    }


def pictures(root, names):
    for index, name in enumerate(names):
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), index).save(path)


def opened(root, content, **options):
    (root / "a.json").write_text(json.dumps(content), encoding="utf-8")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        data = CocoFolder(root / "images", root / "a.json", **options)
    return data, "; ".join(str(one.message) for one in told)


# --- names ---

ON_DISK = ["Möwe 1.png", "sub/p0.png", "sub/P1.PNG", "100%.png", "deep/er/x.png"]
SPELLINGS = {
    "backslashes": lambda name: name.replace("/", "\\"),
    "upper case": str.upper,
    "composed": lambda name: unicodedata.normalize("NFC", name),
    "decomposed": lambda name: unicodedata.normalize("NFD", name),
    "a blank behind": lambda name: name + " ",
    "%20": lambda name: name.replace(" ", "%20"),
    "the folder again": lambda name: f"images/{name}",
    "a dot in front": lambda name: f"./{name}",
    "of another machine": lambda name: f"D:\\data\\images\\{name}",
    "of a bucket": lambda name: f"s3://bucket/images/{name}",
    "of Label Studio": lambda name: f"/data/local-files/?d=images/{name}",
}


@quick
@given(
    chosen=st.lists(st.sampled_from(ON_DISK), min_size=1, unique=True),
    spelling=st.sampled_from(list(SPELLINGS)),
    on_disk=st.sampled_from(["NFC", "NFD"]),
)
def test_a_name_is_read_where_one_file_alone_can_be_meant(tmp_path, chosen, spelling, on_disk):
    root = tmp_path / on_disk
    there = [unicodedata.normalize(on_disk, name) for name in ON_DISK]
    if not root.is_dir():
        pictures(root, there)
    data, told = opened(root, document([SPELLINGS[spelling](name) for name in chosen]))
    expected = [root / "images" / unicodedata.normalize(on_disk, name) for name in chosen]
    assert [sample.path for sample in data.samples] == expected and told == ""


def test_and_not_where_two_can_be_meant_or_the_file_is_another_name_s(tmp_path):
    pictures(tmp_path, ["a.png", "A.png", "b.png", "other/c.png"])
    data, told = opened(tmp_path, document(["b.png", "B.PNG", "a.PNG", "new/c.png"]))
    assert [sample.path.name for sample in data.samples] == ["b.png"]
    assert data.skipped == {"images missing": 3}
    tried = tmp_path / "images" / "B.PNG"
    assert f"first: {tried}; similar is there: " in told
    with pytest.raises(ValueError, match=r"nowhere/y\.tif; nothing similar is there"):
        opened(tmp_path, document(["nowhere/y.tif"]))


@quick
@given(names=st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4))
def test_any_file_name_is_missing_or_there_and_never_a_traceback(tmp_path, names):
    pictures(tmp_path, ["a.png"])
    content = document(["a.png", *names])
    (tmp_path / "a.json").write_text(json.dumps(content))
    try:
        data, _ = opened(tmp_path, content)
    except ValueError as error:
        assert "file_name must be text" in str(error)
    else:
        assert len(data) == 1


@quick
@given(repeats=st.integers(2, 4), boxes=st.booleans())
def test_a_picture_of_several_ids_is_one_picture_with_all_its_boxes(tmp_path, repeats, boxes):
    pictures(tmp_path, ["a.png", "b.png"])
    content = document(["a.png", "b.png", *["./a.png"] * (repeats - 1)])
    if boxes:  # each id has a box of its own
        for shift, entry in enumerate(content["annotations"]):
            entry["bbox"] = [shift, 3, 5, 4]
    data, told = opened(tmp_path, content)
    assert [sample.image_id for sample in data.samples] == [0, 1]
    assert len(data.samples[0].boxes) == (repeats if boxes else 1)
    assert f"joined {repeats - 1} images that are listed twice (first: a.png)" in told


# --- gaps ---


@pytest.mark.parametrize(
    "change",
    [
        lambda d: [entry.pop("id") for entry in d["annotations"]],
        lambda d: [entry.update(id=None) for entry in d["annotations"]],
        lambda d: [entry.update(width=None, height=None) for entry in d["images"]],
        lambda d: [entry.update(width=0, height=0) for entry in d["images"]],
        lambda d: [entry.update(iscrowd="0") for entry in d["annotations"]],
        lambda d: [entry.update(iscrowd=None) for entry in d["annotations"]],
        lambda d: [entry.update(iscrowd=False) for entry in d["annotations"]],
    ],
)
def test_what_nobody_needs_may_be_missing(tmp_path, change):
    pictures(tmp_path, ["a.png", "b.png"])
    content = document(["a.png", "b.png"])
    usual, _ = opened(tmp_path, content)
    change(content)
    data, told = opened(tmp_path, content)
    assert told == "" and data.fingerprint() == usual.fingerprint()


@pytest.mark.parametrize(
    ("key", "number", "values", "words"),
    [
        ("images", 1, {"file_name": None}, "images[1] has no file_name"),
        ("images", 1, {"file_name": 7}, "images[1]: file_name must be text, not 7"),
        ("images", 0, {"file_name": " "}, "images[0]: file_name must be text"),
        ("images", 0, {"id": "1"}, "images[0]: id must be an integer, not '1'"),
        ("images", 0, {"id": True}, "images[0]: id must be an integer, not True"),
        ("images", 1, {"width": "wide"}, "images[1]: width must be an integer, not 'wide'"),
        ("categories", 0, {"name": None}, "categories[0] has no name"),
        ("categories", 0, {"id": None}, "categories[0] has no id"),
        ("annotations", 1, {"image_id": None}, "annotations[1] has no image_id"),
        ("annotations", 0, {"category_id": 1.5}, "annotations[0]: category_id must be an integer"),
    ],
)
def test_a_sentence_names_the_list_and_the_entry(tmp_path, key, number, values, words):
    pictures(tmp_path, ["a.png", "b.png"])
    content = document(["a.png", "b.png"])
    content[key][number].update(values)
    with pytest.raises(ValueError) as caught:
        opened(tmp_path, content)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("annotations", {}, "annotations must be a list, and is an object"),
        ("images", None, "images must be a list, and is null"),
        ("images", [3], "images[0] must be an object, and is a number"),
        ("categories", "cell", "categories must be a list, and is text"),
    ],
)
def test_a_sentence_says_what_stands_in_a_list_s_place(tmp_path, key, value, words):
    pictures(tmp_path, ["a.png"])
    with pytest.raises(ValueError) as caught:
        opened(tmp_path, document(["a.png"]) | {key: value})
    assert words in str(caught.value) and "object has no attribute" not in str(caught.value)


def test_an_object_without_a_box_gets_its_outline_s(tmp_path):
    pictures(tmp_path, ["a.png"])
    content = document(["a.png"])
    first = content["annotations"][0]
    outlines = [
        [[1, 2, 9, 2, 9, 12], [4, 4, 10, 5, 4, 6]],
        {"counts": "abc", "size": [16, 16]},
        [[1, 2, 3]],
        [],
    ]
    content["annotations"] = [
        {**first, "id": index, "bbox": None, "segmentation": outline}
        for index, outline in enumerate(outlines)
    ]
    data, told = opened(tmp_path, content)
    assert data.samples[0].boxes.tolist() == [[1, 2, 10, 12]] and "took 1 box from" in told
    assert data.skipped == {
        "outlines without a box": 2,
        "boxes that are not four finite numbers": 1,
    }


@pytest.mark.parametrize("text", ["1234", [1, 2, "x", 4], {"a": 1}, [[1], 2, 3, 4]])
def test_a_box_is_four_numbers_and_no_text(tmp_path, text):
    pictures(tmp_path, ["a.png", "b.png"])
    content = document(["a.png", "b.png"])
    content["annotations"][0]["bbox"] = text
    data, _ = opened(tmp_path, content)
    assert data.skipped == {"boxes that are not four finite numbers": 1}


def test_categories_of_one_name_are_one_class(tmp_path):
    pictures(tmp_path, ["a.png", "b.png"])
    content = document(["a.png", "b.png"])
    content["categories"] = [{"id": number, "name": "cell"} for number in (1, 5)]
    data, told = opened(tmp_path, content)
    assert (data.classes, data.category_ids, told) == (("cell",), (5,), "")  # 1 has no object
    content["annotations"][0]["category_id"] = 1
    data, told = opened(tmp_path, content)
    assert (data.classes, data.category_ids) == (("cell",), (1,))
    assert "joined the categories of one name: 'cell'" in told
    assert [data[index][1]["labels"].tolist() for index in (0, 1)] == [[0], [0]]


def test_boxes_in_shares_of_the_picture_are_told(tmp_path):
    pictures(tmp_path, ["a.png"])
    content = document(["a.png"], box=(0.1, 0.2, 0.5, 0.5))
    data, told = opened(tmp_path, content)
    assert "all boxes lie within 0-1" in told and data.vanishing_boxes((16, 16)) == (1, 1)
    content["annotations"].append({"image_id": 0, "category_id": 5, "bbox": [1, 1, 9, 9]})
    assert "0-1" not in opened(tmp_path, content)[1]


def test_crowds_are_handed_on_as_pycocotools_has_them(tmp_path):
    pictures(tmp_path, ["a.png", "b.png"])
    content = document(["a.png", "b.png"])
    content["annotations"].append(
        {"id": 90, "image_id": 1, "category_id": 5, "bbox": [1, 2, 8, 9], "iscrowd": 1}
    )
    for entry in content["annotations"][:2]:
        entry["iscrowd"] = 0
    data, told = opened(tmp_path, content, max_side=8)
    assert "1 crowd region, not" in told and not data.skipped
    with contextlib.redirect_stdout(io.StringIO()):
        oracle = COCO(tmp_path / "a.json")
    ((x, y, width, height),) = [
        entry["bbox"] for entry in oracle.loadAnns(oracle.getAnnIds([1], iscrowd=True))
    ]
    assert set(data[0][1]) == {"boxes", "labels", "image_id"}
    _, target = data[1]
    half = [side / 2 for side in (x, y, x + width, y + height)]
    assert target["crowd_boxes"].tolist() == [half] and len(target["boxes"]) == 1


# --- turned pictures ---


def turned(root, orientations, size=(60, 40)):
    (root / "images").mkdir(parents=True)
    for name, orientation in orientations.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("L", size).save(root / "images" / name, exif=exif)


def test_boxes_that_leave_the_annotated_size_but_fit_the_turned_one_are_evidence(tmp_path):
    """Label Studio writes the stored size and boxes as shown: b's box fits both, a's tells."""
    turned(tmp_path, {"a.png": 6, "b.png": 6})
    content = document(["a.png", "b.png"], width=60, height=40)
    content["annotations"][0]["bbox"] = [5, 30, 10, 29]
    data, told = opened(tmp_path, content)
    assert [sample.size for sample in data.samples] == [(40, 60)] * 2
    assert data.turned == {"shown": 2} and data.clipped == 0
    assert "EXIF turns 2 images (first: a.png): the boxes of 2 were read as shown" in told
    content["annotations"][1]["bbox"] = [30, 5, 29, 10]  # and this one fits the stored size alone
    data, _ = opened(tmp_path, content)
    assert [sample.size for sample in data.samples] == [(40, 60), (60, 40)]


def test_half_turns_are_read_as_the_quarter_turns_of_the_same_data_are(tmp_path):
    turned(tmp_path, {"a.png": 6, "b.png": 3})
    content = document(["a.png", "b.png"], width=60, height=40)
    data, told = opened(tmp_path, content)
    assert data.turned == {"stored": 2} and "no size tells which is right for 1" in told
    content["images"][0] |= {"width": 40, "height": 60}
    assert opened(tmp_path, content)[0].turned == {"shown": 2}


# --- what is the caller's, and what the data are ---


def test_the_caller_s_samples_stay_as_they_were(tmp_path):
    pictures(tmp_path, ["a.png"])
    path = tmp_path / "images" / "a.png"
    samples = [Sample(path, 3, None, [(1, 1, 5, 5), (2, 2, 6, 6)], ["dog", "cat"])]
    before = copy.deepcopy(samples)
    for classes in ({"dog": "dog", "cat": "cat"}, {"cat": "cat", "dog": "dog"}):
        data = FolderDataset(samples, classes)
        names = [data.classes[label] for label in data[0][1]["labels"]]
        assert names == ["dog", "cat"] and samples == before


def test_a_fingerprint_is_of_the_annotations_and_not_of_the_place(tmp_path):
    content = document(["a.png", "b.png"])
    prints = []
    for place in ("here", "there"):
        pictures(tmp_path / place, ["a.png", "b.png"])
        prints.append(opened(tmp_path / place, content)[0].fingerprint())
    assert prints[0] == prints[1]
    changes = [
        lambda d: d["annotations"][0].update(bbox=[2, 3, 5, 5]),
        lambda d: d["annotations"].pop(),
        lambda d: d["images"].pop(),
        lambda d: d["categories"][0].update(name="dot"),
        lambda d: d["images"][0].update(id=77),
        lambda d: d["images"].reverse(),
        lambda d: d["annotations"][0].update(iscrowd=1),
    ]
    for change in changes:
        changed = copy.deepcopy(content)
        change(changed)
        prints.append(opened(tmp_path / "here", changed)[0].fingerprint())
    assert len(set(prints)) == len(prints) - 1
    assert np.unique(prints).size == len(changes) + 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_file_is_read_in_every_encoding_of_unicode(tmp_path, encoding):
    pictures(tmp_path, ["Möwe.png"])
    text = json.dumps(document(["Möwe.png"]), ensure_ascii=False)
    (tmp_path / "a.json").write_bytes(text.encode(encoding))
    assert CocoFolder(tmp_path / "images", tmp_path / "a.json").names == ["Möwe.png"]
