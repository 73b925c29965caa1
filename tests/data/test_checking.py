"""A folder looked at by `check_folder`, and its parts.

Oracles: pictures cut from a larger one, `correlations`, boxes made by hand, folders as CVAT, Label
Studio and Roboflow write them.
"""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from effdet_lite.checking import check_folder
from effdet_lite.data import suspects as kinds
from effdet_lite.data import twins
from effdet_lite.data.folders import Sample
from effdet_lite.data.layouts import FolderError, layout_of, named_place
from effdet_lite.data.pictures import ORIENTATION
from effdet_lite.data.splitting import is_one_scene, with_boxes_on_both_sides
from effdet_lite.data.suspects import suspects

# --- twins ---


def test_the_fast_way_finds_what_correlations_finds():
    random = np.random.default_rng(0)
    slide = random.random((60, 80))
    pictures = np.stack(
        [slide[:30, :40], slide[6:36, 4:44], random.random((30, 40)), slide[28:58, 38:78]]
    )
    found = {(i, j): value for value, i, j in twins.similar_pairs(pictures, least=-1)}
    assert set(found) == {(i, j) for i in range(4) for j in range(i + 1, 4)}
    for (first, second), value in found.items():
        plain = twins.correlations(pictures[first], pictures[second][None]).max()
        assert value == pytest.approx(plain, abs=1e-9)
    assert [pair[1:] for pair in twins.similar_pairs(pictures)] == [(0, 1)]


def test_of_many_pictures_each_is_compared_with_those_that_follow():
    picture = np.random.default_rng(0).random((6, 8))
    found = twins.similar_pairs(np.stack([picture] * 5), most_pairs=10)
    assert {(i, j) for _, i, j in found} == {(i, j) for i in range(5) for j in (i + 1, i + 2)} - {
        (4, 5),
        (4, 6),
        (3, 5),
    }


def test_a_twin_of_a_twin_is_in_its_group():
    pairs = [(1.0, 0, 4), (0.9, 2, 3), (0.9, 4, 7), (0.9, 7, 0)]
    assert twins.groups_of(pairs) == [[0, 4, 7], [2, 3]]
    assert not is_one_scene(pairs, 6) and is_one_scene(pairs, 5)
    assert twins.groups_of([]) == []


# --- suspects ---


def samples_of(*boxes_of_pictures, size=(100, 100), labels=None):
    samples = []
    for number, boxes in enumerate(boxes_of_pictures):
        own = np.zeros(len(boxes), int) if labels is None else np.array(labels[number])
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        samples.append(Sample(f"{number}.jpg", number, size, boxes, own))
    return samples


def found_in(samples, longer=None):
    return {(one.picture, one.box, one.kind) for one in suspects(samples, ("a", "b"), longer)}


def test_a_box_drawn_twice_and_an_object_with_two_classes():
    two = [[10, 10, 50, 50], [11, 11, 50, 50]]
    assert found_in(samples_of(two)) == {(0, 1, kinds.TWICE)}
    assert found_in(samples_of(two, labels=[[0, 1]])) == {(0, 1, kinds.TWO_CLASSES)}
    assert not found_in(samples_of([[10, 10, 50, 50], [30, 30, 70, 70]]))


def test_a_size_is_unusual_among_those_of_its_class():
    usual = [[[0, 0, 10 + n, 10 + n]] for n in range(9)]
    large = [[0, 0, 90, 90]]
    assert found_in(samples_of(*usual, large)) == {(9, 0, kinds.UNUSUAL)}
    labels = [*([[0]] * 9), [1]]
    assert not found_in(samples_of(*usual, large, labels=labels)), "of its class it is the only one"


def test_thin_tiny_and_whole():
    boxes = [[0, 0, 50, 2], [10, 10, 13, 13], [0, 0, 100, 99]]
    assert found_in(samples_of(boxes), longer=50) == {
        (0, 0, kinds.THIN),
        (0, 1, kinds.TINY),
        (0, 2, kinds.WHOLE),
    }
    assert (0, 1, kinds.TINY) not in found_in(samples_of(boxes))
    assert not found_in(samples_of([]))


# --- places and layouts ---


def test_a_place_is_read_however_it_is_written(tmp_path, monkeypatch):
    folder = tmp_path / "my birds"
    folder.mkdir()
    assert named_place(f'  "{folder}" ') == named_place(folder) == folder
    monkeypatch.chdir(tmp_path)
    assert named_place("'my birds'") == folder
    (folder / "old").mkdir()
    assert named_place(r"my birds\old", windows=False) == folder / "old"


@pytest.mark.parametrize("letter", "abfnrtv0")
def test_a_path_that_python_has_read_otherwise_is_explained(letter):
    """As somebody would write it without r."""
    text = eval(f'"C:\\{letter}irds"')
    with pytest.raises(FolderError, match="write r before the quotes"):
        named_place(text)


def test_a_path_of_windows_is_taken_as_it_is_on_windows():
    with pytest.raises(FolderError) as refused:
        named_place(r"C:\Users\me\birds", windows=True)
    assert "that is a path of Windows" not in str(refused.value)


def picture(path, size=(64, 48), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 255, (*size[::-1], 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path, **options)


def coco_file(path, names):
    document = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(names)],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 1, "bbox": [2, 2, 20, 20]}
            for n in range(len(names))
        ],
        "categories": [{"id": 1, "name": "bird"}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


LAYOUTS = {  # file of annotations, names in it, where the pictures are
    "CVAT": ("annotations/instances_default.json", "{}", "images/default/{}"),
    "Label Studio": ("result.json", "images/{}", "images/{}"),
    "Label Studio on Windows": ("result.json", r"images\{}", "images/{}"),
    "Roboflow": ("train/_annotations.coco.json", "{}", "train/{}"),
    "flat": ("labels.json", "{}", "{}"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_exports_are_found_as_programs_write_them(name, tmp_path):
    file, said, there = LAYOUTS[name]
    names = ["one.jpg", "another.jpg"]
    for one in names:
        picture(tmp_path / there.format(one))
    coco_file(tmp_path / file, [said.format(one) for one in names])
    (tmp_path / "notes.json").write_text('{"images": 3}')
    report = check_folder(tmp_path)
    assert (report.layout.kind, len(report), report.classes) == ("coco", 2, ("bird",))
    assert report.layout.places[1] == tmp_path / file
    assert check_folder(tmp_path / file).layout == report.layout


def test_of_several_files_one_is_named(tmp_path):
    for part in ("train", "valid"):
        for one in ("one.jpg", "another.jpg"):
            picture(tmp_path / part / one)
        coco_file(tmp_path / part / "_annotations.coco.json", ["one.jpg", "another.jpg"])
    with pytest.raises(FolderError, match=r"train/_annotations\.coco\.json, valid"):
        check_folder(tmp_path)
    chosen = check_folder(tmp_path, tmp_path / "valid" / "_annotations.coco.json")
    assert {sample.path.parent.name for sample in chosen.samples} == {"valid"}
    assert len(check_folder(tmp_path / "train")) == 2


def test_turned_pictures_are_told_of(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    picture(tmp_path / "a.jpg", (64, 48), exif=exif)
    picture(tmp_path / "another.jpg", (64, 48))
    coco_file(tmp_path / "labels.json", ["a.jpg", "another.jpg"])
    report = check_folder(tmp_path)
    assert report.samples[0].size == (48, 64)
    assert "EXIF turns 1 image (first" in dict(report.rows())["on opening"]


def test_layout_of_a_voc_folder_one_level_down(tmp_path):
    for part in ("JPEGImages", "Annotations"):
        (tmp_path / "VOC2012" / part).mkdir(parents=True)
    assert layout_of(tmp_path).places == (tmp_path / "VOC2012",)


def test_classes_that_differ_in_spelling_or_are_rare_are_told(tmp_path):
    for one in ("one.jpg", "another.jpg"):
        picture(tmp_path / one)
    coco_file(tmp_path / "labels.json", ["one.jpg", "another.jpg"])
    document = json.loads((tmp_path / "labels.json").read_text())
    document["categories"] += [{"id": 2, "name": "Bird "}, {"id": 3, "name": "nest"}]
    document["annotations"][0]["category_id"] = 2
    (tmp_path / "labels.json").write_text(json.dumps(document))
    told = dict(check_folder(tmp_path).rows())["classes"]
    assert "are 'bird' and 'Bird' one class" in told
    assert "fewer than 20 boxes: bird, Bird" in told and "without a box: nest" in told


# --- the two sides ---


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


def test_twins_stand_on_one_side(tmp_path):
    random = np.random.default_rng(0)
    names = []
    for scene in range(6):
        slide = random.integers(0, 255, (9, 12, 3)).astype(np.uint8)
        large = np.asarray(Image.fromarray(slide).resize((160, 120), Image.Resampling.BICUBIC))
        for step in range(2):
            names.append(f"{scene}-{step}.png")
            Image.fromarray(large[: 100 - step, 8 * step : 132 + 8 * step]).save(
                tmp_path / names[-1]
            )
    coco_file(tmp_path / "labels.json", names)
    report = check_folder(tmp_path)
    groups = twins.groups_of(report.twins)
    assert [[names[n][0] for n in group] for group in groups] == [[str(n)] * 2 for n in range(6)]
    assert 0 < len(report.held_out) < 12
    for group in groups:
        assert len(set(group) & set(report.held_out)) in (0, 2)
