"""VOC folders as other programs write them: lists, names, difficult objects.

Oracles: what was written, and Pascal VOC's own rules.
"""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import voc_annotation, voc_object
from PIL import Image

from effdet_lite.data import VocFolder
from effdet_lite.data.voc import read_voc

OBJECT = voc_object("cell", 2, 2, 9, 9)


def folder(root, names, picture="{}.png", text=None):
    """A VOC folder with an annotation and a picture of each name, which may have folders."""
    for index, name in enumerate(names):
        path = root / "JPEGImages" / picture.format(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), index).save(path, "PNG")
        path = root / "Annotations" / f"{name}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or voc_annotation(OBJECT), encoding="utf-8")
    (root / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
    return root


def write_list(root, data):
    (root / "ImageSets" / "Main" / "train.txt").write_bytes(data)


def opened(root, *arguments, **options):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        data = VocFolder(root, *arguments, **options)
    return data, "; ".join(str(one.message) for one in told)


def stems(data):
    return [Path(name).with_suffix("").as_posix() for name in data.names]


WORDS = [
    "photo",
    "photo (4)",
    "photo (5)",
    "a.b-1.x",
    "Möwe",
    "s1/p2",
    "s1/p 3",
    "p_jpg.rf.0a",
    "7",
]
NAMES = st.lists(st.sampled_from(WORDS), min_size=1, unique=True)
LINES = {
    "as it is": "{}",
    "with a suffix": "{}.jpg",
    "as an annotation": "{}.xml",
    "in the folder": "JPEGImages/{}.PNG",
    "from another machine": "/home/me/voc/JPEGImages/{}.jpg",
    "from Windows": "C:\\voc\\JPEGImages\\{}.jpg",
    "with a column": "{}  1",
    "with a column of -1": "{} -1",
    "with a suffix and a column": "{}.jpg 0",
    "with blanks around": "  {}\t",
}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    names=NAMES,
    form=st.sampled_from(list(LINES)),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_a_list_of_any_system_names_what_it_says(tmp_path, names, form, encoding, end):
    root = folder(tmp_path, WORDS)
    text = "".join(LINES[form].format(name) + end for name in names)
    write_list(root, text.encode(encoding))
    data, told = opened(root, "train", verify=False)
    assert stems(data) == names and told == ""


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=40))
def test_any_bytes_are_a_list_or_one_sentence(tmp_path, data):
    root = folder(tmp_path, ["a"])
    write_list(root, data)
    try:
        assert len(opened(root, "train", verify=False)[0]) == 1
    except ValueError as error:
        assert "train.txt" in str(error) or "no image that can be used" in str(error)


def test_a_list_that_keeps_little_is_told(tmp_path):
    root = folder(tmp_path, ["a", "b"])
    write_list(root, b"a\nc\nd\ne\n")
    data, told = opened(root, "train")
    assert stems(data) == ["a"] and "of the 4 lines of" in told and "only 1 name" in told
    assert data.skipped == {"annotation files missing": 3}
    write_list(root, "Möwe\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"train\.txt is not text in UTF-8 or UTF-16: save it as"):
        opened(root, "train")


def test_the_picture_is_the_one_that_the_annotation_names_and_else_the_one_of_its_name(tmp_path):
    xml = "<annotation><filename>{}</filename>" + OBJECT + "</annotation>"
    root = folder(tmp_path, ["a", "b", "c", "d", "e"])
    for name, filename in {"a": "a.jpg", "b": "x.png", "d": "c.png", "e": ""}.items():
        (root / "Annotations" / f"{name}.xml").write_text(xml.format(filename))
    pictures = root / "JPEGImages"
    Image.new("L", (16, 16)).save(pictures / "a.jpg")  # beside a.png
    (pictures / "b.png").rename(pictures / "x.png")
    (pictures / "e.png").rename(pictures / "e.JFIF")
    data, told = opened(root)
    # d's <filename> was copied from c, as programs do: each has a picture of its own name.
    assert data.names == ["a.jpg", "x.png", "c.png", "d.png", "e.JFIF"] and told == ""
    Image.new("L", (16, 16)).save(pictures / "c.gif")
    data, _ = opened(root)
    assert data.names == ["a.jpg", "x.png", "d.png", "e.JFIF"]
    assert data.skipped == {"annotations with several pictures of their name": 1}


def test_an_object_without_a_name_costs_that_object_alone(tmp_path):
    text = voc_annotation(OBJECT + voc_object(" ", 1, 1, 5, 5))
    data, _ = opened(folder(tmp_path, ["a", "b"], text=text))
    assert data.classes == ("cell",) and data.skipped == {"objects without a name": 2}
    assert [len(sample.boxes) for sample in data.samples] == [1, 1]


def test_difficult_objects_are_used_as_voc_uses_them(tmp_path):
    """Its development kit: they are not learned from, and an evaluation ignores them."""
    hard = OBJECT.replace("</name>", "</name><difficult>1</difficult>").replace("9", "12")
    easy = OBJECT.replace("</name>", "</name><difficult>0</difficult>")
    data, told = opened(folder(tmp_path, ["a"], text=voc_annotation(hard + easy)))
    assert "1 object marked difficult, not counted in training or in a test" in told
    _, target = data[0]
    assert target["boxes"].tolist() == [[2, 2, 9, 9]]
    assert target["crowd_boxes"].tolist() == [[2, 2, 12, 12]]
    assert target["crowd_labels"].tolist() == [0]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    damage=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 40),
)
def test_any_damage_to_an_annotation_is_counted_or_harmless(tmp_path, damage, cut):
    root = folder(tmp_path, ["good", "bad"])
    path = root / "Annotations" / "bad.xml"
    text = bytearray(voc_annotation(OBJECT + OBJECT, (16, 16)).encode())
    for place, value in damage:
        text[place % len(text)] = value
    path.write_bytes(text[: len(text) - cut])
    data, _ = opened(root, verify=False)
    assert len(data) in (1, 2)
    for sample in data.samples:
        assert (sample.boxes >= 0).all() and (sample.boxes <= 16).all()
        assert np.isin(sample.labels, range(len(data.classes))).all()
    assert isinstance(read_voc(path), str) == ("cannot be read" in str(data.skipped))


@pytest.mark.parametrize("suffix", ["XML", "Xml", "xml"])
def test_annotations_are_found_however_their_suffix_is_written(tmp_path, suffix):
    root = folder(tmp_path, ["a", "b"])
    (root / "Annotations" / "a.xml").rename(root / "Annotations" / f"a.{suffix}")
    write_list(root, f"a.{suffix}\nb\n".encode())
    for arguments in ((root,), (root, "train")):
        data, told = opened(*arguments)
        assert stems(data) == ["a", "b"] and not told


def test_names_that_differ_in_capitals_alone_are_two(tmp_path):
    names = ["IMG 1", "img 1", "Img 1"]
    root = folder(tmp_path, names)
    if len(list((root / "Annotations").iterdir())) < 3:
        pytest.skip("this file system takes capitals for small letters")
    write_list(root, b"img 1\nIMG 1 1\nImg 1.jpg -1\n")
    data, told = opened(root, "train")
    assert stems(data) == ["img 1", "IMG 1", "Img 1"] and not told


def test_a_folder_is_no_picture(tmp_path):
    root = folder(tmp_path, ["a"])
    (root / "JPEGImages" / "a.jpg").mkdir()
    data, told = opened(root)
    assert [sample.path.name for sample in data.samples] == ["a.png"] and not told
