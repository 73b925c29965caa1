"""From `--data` to a data set: what is opened, how it is split, and how it is augmented.

Oracles: Pillow's pixels, a hash taken here, and arithmetic on pictures of one block.
"""

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import voc_annotation, voc_object
from PIL import Image

from effdet_lite.beginning import open_sets
from effdet_lite.data import check_datasets, open_dataset, open_datasets, opening, shapes
from effdet_lite.data.shapes import ShapesDetection
from effdet_lite.settings import TrainConfig

SIZE = (64, 64)
BOX = (20, 4, 40, 24)  # in the upper half of a picture of 64 x 64


def block(side=64):
    """A gray picture with a light block in its upper half."""
    pixels = np.full((side, side, 3), 64, np.uint8)
    left, top, right, bottom = (edge * side // 64 for edge in BOX)
    pixels[top:bottom, left:right] = 128
    return Image.fromarray(pixels)


def coco(root, number=20, side=64, names=None):
    """A COCO folder of such pictures, each a little different; the `--data` that names it."""
    names = names or [f"p{index}.png" for index in range(number)]
    (root / "images").mkdir(parents=True, exist_ok=True)
    left, top, right, bottom = (edge * side // 64 for edge in BOX)
    document = {"images": [], "annotations": [], "categories": [{"id": 3, "name": "block"}]}
    for index, name in enumerate(names):
        picture = block(side)
        picture.putpixel((side - 1, side - 1), (index, 0, 0))
        picture.save(root / "images" / name)
        document["images"].append({"id": index, "file_name": name})
        box = [left, top, right - left, bottom - top]
        document["annotations"].append({"image_id": index, "category_id": 3, "bbox": box})
    (root / "a.json").write_text(json.dumps(document))
    return f"coco:{root / 'images'},{root / 'a.json'}"


def voc(root, lists, names=("block",), number=6):
    """A VOC folder of such pictures with these lists of numbers; the `--data` that names it."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for index in range(number):
        picture = block()
        picture.putpixel((63, 63), (index, 0, 0))
        picture.save(root / "JPEGImages" / f"p{index}.png")
        text = voc_annotation(voc_object(names[index % len(names)], *BOX))
        (root / "Annotations" / f"p{index}.xml").write_text(text)
    for name, numbers in lists.items():
        lines = "".join(f"p{index}\n" for index in numbers)
        (root / "ImageSets/Main" / f"{name}.txt").write_text(lines)
    return f"voc:{root}"


def cells(root):
    """Such pictures as a folder of blood cells."""
    voc(root, {"trainval": [0, 1], "test": [2]}, ("RBC", "WBC"))
    return f"bccd:{root}"


def names_of(data):
    return {data.dataset.names[index] for index in data.indices}


def both(spec, **options):
    return [open_dataset(spec, SIZE, train=part, **options) for part in (True, False)]


def test_the_held_out_pictures_are_not_trained_on_and_all_are_used(tmp_path):
    spec = coco(tmp_path, 40)
    train_set, test_set = both(spec)
    every = {f"p{index}.png" for index in range(40)}
    assert names_of(train_set) | names_of(test_set) == every
    assert not names_of(train_set) & names_of(test_set)
    assert len(train_set) + len(test_set) == 40
    assert len(open_dataset(spec, SIZE, train=True, whole=True)) == 40
    assert len(open_dataset(spec, SIZE, train=False, whole=True)) == 40
    held_out = {
        name
        for name in every
        if int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) < 0.2 * 16**12
    }
    assert names_of(test_set) == held_out


def test_a_picture_stays_on_its_side_when_others_are_added_in_front(tmp_path):
    names = [f"photo {index}.png" for index in range(60)]
    before = [names_of(data) for data in both(coco(tmp_path / "a", names=names[20:]))]
    after = [names_of(data) for data in both(coco(tmp_path / "b", names=names))]
    assert before[0] <= after[0] and before[1] <= after[1]


@pytest.mark.parametrize("number", [2, 3, 5])
def test_each_side_has_a_picture_at_least(tmp_path, number):
    for start in range(6):
        names = [f"{start}-{index}.png" for index in range(number)]
        sides = both(coco(tmp_path / str(start), names=names))
        assert all(map(len, sides)) and sum(map(len, sides)) == number
    with pytest.raises(ValueError, match="one image cannot be shared"):
        both(coco(tmp_path / "one", 1))


def test_copies_of_one_picture_are_on_one_side(tmp_path):
    names = [f"p{index}.png" for index in range(20)]
    coco(tmp_path, names=[*names, *(f"copy of {name}" for name in names)])
    for name in names:
        shutil.copy(tmp_path / "images" / name, tmp_path / "images" / f"copy of {name}")
    train_set, test_set = both(f"coco:{tmp_path / 'images'},{tmp_path / 'a.json'}")
    for side in map(names_of, (train_set, test_set)):
        assert {name.removeprefix("copy of ") for name in side} == side & set(names)
        assert len(side) == 2 * len(side & set(names)) > 0


@settings(max_examples=15, deadline=None)
@given(
    copied=st.lists(st.integers(0, 19), min_size=1, max_size=2, unique=True),
    order=st.randoms(use_true_random=False),
)
def test_a_new_copy_brings_nothing_that_was_learned_into_the_test(copied, order):
    """Whatever it is called and wherever the file lists it."""
    with tempfile.TemporaryDirectory() as folder:
        root, names = Path(folder), [f"p{index}.png" for index in range(20)]
        spec = coco(root, names=names)
        train_set, test_set = map(names_of, both(spec))
        assert len(test_set) > len(copied)
        document = json.loads((root / "a.json").read_text())
        for index in copied:
            name = f"{order.random():.9f}.png"
            shutil.copy(root / "images" / names[index], root / "images" / name)
            document["images"].append({"id": 100 + index, "file_name": name})
        order.shuffle(document["images"])
        (root / "a.json").write_text(json.dumps(document))
        assert not train_set & names_of(open_dataset(spec, SIZE, train=False))


def test_a_corrected_spelling_of_a_name_changes_no_split(tmp_path):
    names = [f"sub/p {index}.png" for index in range(12)]
    (tmp_path / "images" / "sub").mkdir(parents=True)
    spec = coco(tmp_path, names=names)
    before = both(spec)
    document = json.loads((tmp_path / "a.json").read_text())
    for change in (
        lambda name: name.replace("/", "\\"),
        lambda name: f"images/{name}",
        lambda name: f"./{name}",
        lambda name: str(tmp_path / "images" / name),
        lambda name: name.replace(" ", "%20").upper(),
    ):
        for image, name in zip(document["images"], names, strict=True):
            image["file_name"] = change(name)
        (tmp_path / "a.json").write_text(json.dumps(document))
        for one, other in zip(before, both(spec), strict=True):
            assert names_of(one) == names_of(other) and one.fingerprint() == other.fingerprint()


@pytest.mark.parametrize("name", ["test", "val"])
def test_a_list_for_testing_alone_is_not_passed_over(tmp_path, name):
    spec = voc(tmp_path, {name: [0, 1]})
    for train in (True, False):
        with pytest.raises(ValueError, match=rf"list for testing \({name}\.txt\) and none for tr"):
            open_dataset(spec, SIZE, train=train)
    assert len(open_dataset(spec, SIZE, train=False, whole=True)) == 2


def test_images_that_are_on_both_sides_are_told(tmp_path):
    sets = open_datasets(voc(tmp_path, {"train": [0, 1, 2], "test": [2, 3]}), SIZE)
    with pytest.warns(UserWarning, match=r"1 of the 2 test images .* \(first: p2\.png\)"):
        check_datasets(*sets)
    spec = coco(tmp_path / "c", 10)
    with pytest.warns(UserWarning, match="10 of the 10 test images"):
        check_datasets(*open_datasets(spec, SIZE, test_data=spec))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_datasets(*open_datasets(spec, SIZE))


@pytest.mark.parametrize("make", [coco, cells, lambda root: voc(root, {"train": [0], "val": [1]})])
def test_the_test_set_is_not_augmented(tmp_path, make):
    """It has the file's own pixels, and every time."""
    data = open_dataset(make(tmp_path), SIZE, train=False)
    whole = getattr(data, "dataset", data)
    number = data.indices[0] if whole is not data else 0
    expected = np.asarray(Image.open(whole.samples[number].path)).transpose(2, 0, 1)
    for _ in range(3):
        image, target = data[0]
        np.testing.assert_array_equal((image * 255).round().numpy(), expected)
        assert target["boxes"].tolist() == [list(BOX)]


def looks(spec, times=60, **options):
    """Whether the block was seen in the lower half, its brightness, and its side, in training."""
    data = open_dataset(spec, SIZE, train=True, **options)
    torch.manual_seed(0)
    lower, light, sides = [], [], []
    for _ in range(times):
        image, target = data[0]
        light.append(image.max().item() * 255 / 128)
        for left, top, right, bottom in target["boxes"].tolist():
            lower.append((top + bottom) / 2 > 32)
            sides.append(max(right - left, bottom - top))
    return np.mean(lower), np.array(light), np.array(sides)


def test_cells_are_turned_upside_down_and_photographs_are_not(tmp_path):
    """At augment=0, where nothing but flips moves a block. 60 flips of a coin: 0.5 ± 0.26."""
    assert 0.2 < looks(cells(tmp_path / "cells"), augment=0)[0] < 0.8
    assert looks(coco(tmp_path / "coco"), augment=0)[0] == 0
    assert looks(voc(tmp_path / "voc", {"train": [0], "val": [1]}), augment=0)[0] == 0


def test_shapes_are_turned_upside_down(monkeypatch):
    pixels = np.asarray(block()).transpose(2, 0, 1)
    item = pixels, np.array([BOX], np.float32), np.zeros(1, np.int64), 0
    monkeypatch.setattr(ShapesDetection, "load", lambda self, index: item)
    assert 0.2 < looks("shapes", length=1)[0] < 0.8
    assert shapes.LENGTHS["test"] == len(open_dataset("shapes", SIZE, train=False))


@pytest.mark.parametrize("strength", [0, 0.4, 1, None])
def test_augmentation_is_as_strong_as_it_says(tmp_path, strength):
    """Brightness within 1 ± 0.3 of the strength, the contrast to a darker mean as much again; zoom
    from 1 - 0.25 to 1 + 0.5 of it.
    """
    _, light, sides = looks(coco(tmp_path), times=300, augment=strength)
    strength = 1 if strength is None else strength
    reach = 1 + 0.3 * strength
    assert light.max() <= reach * reach + 0.02 and light.min() >= (1 - 0.3 * strength) ** 2 - 0.02
    assert light.max() >= 1 + 0.25 * strength and light.min() <= 1 - 0.25 * strength + 0.01
    assert sides.max() <= 20 * (1 + 0.5 * strength) + 1
    assert sides.max() >= 20 * (1 + 0.4 * strength) - 1
    assert 20 * (1 - 0.25 * strength) - 1 <= sides.min() <= 20 * (1 - 0.2 * strength) + 1


@pytest.mark.parametrize("train", [True, False])
def test_pictures_are_kept_at_twice_the_model_s_size(tmp_path, train):
    spec = coco(tmp_path, 4, side=300)
    data = open_dataset(spec, (64, 32), train=train)
    assert data.loaded(0)[0].shape == (3, 128, 128)
    small = open_dataset(spec, (256, 256), train=train)
    assert small.loaded(0)[0].shape == (3, 300, 300)


def test_one_file_is_opened_and_checked_once_for_both(tmp_path, monkeypatch):
    opened = []

    class Counted(opening.CocoFolder):
        def __init__(self, *places, **options):
            opened.append(places)
            super().__init__(*places, **options)

    monkeypatch.setattr(opening, "CocoFolder", Counted)
    spec = coco(tmp_path, 10)
    train_set, test_set = open_datasets(spec, SIZE)
    assert len(opened) == 1 and train_set.dataset is test_set.dataset
    alone = both(spec)
    for one, other in zip((train_set, test_set), alone, strict=True):
        assert names_of(one) == names_of(other) and one.fingerprint() == other.fingerprint()
    assert test_set[0][1]["boxes"].tolist() == [list(BOX)]
    train_set, test_set = open_datasets(spec, SIZE, test_data=coco(tmp_path / "other", 3))
    assert (len(train_set), len(test_set)) == (10, 3)


@pytest.mark.parametrize(
    ("lists", "train", "test"),
    [
        ({"trainval": [0, 1, 2], "train": [0], "test": [3]}, {0, 1, 2}, {3}),
        ({"train": [0, 1], "val": [2, 3]}, {0, 1}, {2, 3}),
        ({"train": [0, 1], "val": [2, 3], "test": [4]}, {0, 1}, {4}),
        ({"trainval": [0, 1], "val": [1]}, None, {0, 1}),
        ({"default": [0, 1, 2]}, None, {0, 1, 2, 3, 4, 5}),
        ({}, None, {0, 1, 2, 3, 4, 5}),
    ],
)
def test_a_voc_folder_is_split_by_its_own_lists_or_a_part_is_held_out(tmp_path, lists, train, test):
    """train is None: `test` are the pictures that are shared out."""
    spec = voc(tmp_path, lists)
    for sets in (both(spec), open_datasets(spec, SIZE)):
        used = []
        for data in sets:
            whole = getattr(data, "dataset", data)
            indices = data.indices if whole is not data else range(len(data))
            used.append({int(whole.samples[index].path.stem[1:]) for index in indices})
        if train is None:
            assert used[0] | used[1] == test and not used[0] & used[1] and all(used)
        else:
            assert used == [train, test]


def test_test_data_that_lack_a_class_take_the_classes_of_the_training_data(tmp_path):
    spec = voc(tmp_path / "a", {"train": [0, 1], "val": [2, 3]}, ("dot", "block", "cross"))
    other = voc(tmp_path / "b", {}, ("cross", "block"))
    train_set, test_set = open_datasets(spec, SIZE, test_data=other)
    check_datasets(train_set, test_set)
    assert test_set.classes == ("block", "cross", "dot") and len(test_set) == 6
    assert test_set[0][1]["labels"].tolist() == [1]
    _, test_set = open_datasets(spec, SIZE, test_data=coco(tmp_path / "c"))
    assert test_set.classes == ("block", "cross", "dot") and test_set[0][1]["labels"] == 0
    with pytest.raises(ValueError, match=r"\['cross', 'dot'\]"):
        open_datasets(coco(tmp_path / "d"), SIZE, test_data=spec)


def test_places_with_a_home_a_comma_and_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    usual = open_dataset(coco(tmp_path / "a,b, c"), SIZE, train=True)
    monkeypatch.chdir(tmp_path)
    for spec in ("coco:~/a,b, c/images,~/a,b, c/a.json", "coco:a,b, c/images,a,b, c/a.json"):
        data = open_dataset(spec, SIZE, train=True)
        assert data.fingerprint() == usual.fingerprint()
    voc(tmp_path / "v", {})
    assert len(open_dataset("voc:~/v", SIZE, train=True, whole=True)) == 6
    cells(tmp_path / "cells")
    assert len(open_dataset("bccd:~/cells", SIZE, train=True)) == 2
    with pytest.raises(ValueError, match="none of them parts a folder"):
        open_dataset("coco:a,b, c/images,b.json", SIZE, train=True)


def test_cells_without_a_folder_are_where_prefetch_puts_them(tmp_path, monkeypatch):
    cells(tmp_path / "elsewhere")
    monkeypatch.setenv("EFFDET_LITE_BCCD", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path)
    assert len(open_dataset("bccd", SIZE, train=True)) == 2
    monkeypatch.setenv("EFFDET_LITE_BCCD", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"no blood cells in .*nowhere.*--data bccd --down"):
        open_dataset("bccd", SIZE, train=True)


def test_another_data_set_is_one_function_and_one_entry(monkeypatch):
    def open_mine(place, request):
        transforms = request.transforms()
        return ShapesDetection("val", request.size[0], int(place), transforms=transforms)

    entry = opening.Source(open_mine, ("mine:NUMBER",))
    monkeypatch.setitem(opening.DATASETS, "mine", entry)
    assert len(open_dataset("mine:12", SIZE, train=True)) == 12
    with pytest.raises(ValueError, match="or mine:NUMBER, got 'mine'"):
        open_dataset("mine", SIZE, train=True)


KINDS = st.sampled_from([*opening.DATASETS, "", "shape", "BCCD"])
PLACES = st.text(max_size=12) | st.sampled_from([".", "..", "~", "~nobody/x", ",", "a,b,c", "/"])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kind=KINDS, colon=st.sampled_from(["", ":", "::"]), place=PLACES)
def test_any_words_are_data_or_one_sentence(tmp_path, monkeypatch, kind, colon, place):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EFFDET_LITE_BCCD", str(tmp_path / "nowhere"))
    if place.startswith("/"):
        place = str(tmp_path / "none")
    try:
        data = open_dataset(f"{kind}{colon}{place}", SIZE, train=False)
    except (ValueError, FileNotFoundError) as error:
        assert "\n" not in str(error).replace(place, "") and str(error)[0] not in "[<"
    else:
        assert len(data)


@pytest.mark.parametrize(
    "spec", ["shapes:x", "voc", "voc:", "coco:a", "coco:", "coco:x y", "cells", ""]
)
def test_half_a_name_is_refused_with_all_that_may_be_said(spec):
    with pytest.raises(ValueError, match="data must be shapes, bccd, bccd:FOLDER, voc:FOLDER or"):
        open_dataset(spec, SIZE, train=True)
    with pytest.raises(ValueError, match="square"):
        open_dataset("shapes", (64, 128), train=True)


def test_sets_that_cannot_be_used_together_are_told(tmp_path):
    train_set, test_set = both(coco(tmp_path))
    check_datasets(train_set)
    check_datasets(train_set, test_set)
    with pytest.raises(ValueError, match="the test set has no images"):
        check_datasets(train_set, test_set.subset([]))
    with pytest.raises(ValueError, match="the same, in the same order"):
        check_datasets(train_set, ShapesDetection("test"))
    document = json.loads((tmp_path / "a.json").read_text()) | {"annotations": []}
    (tmp_path / "b.json").write_text(json.dumps(document))
    empty = open_dataset(f"coco:{tmp_path / 'images'},{tmp_path / 'b.json'}", SIZE, train=False)
    with pytest.warns(UserWarning, match="no AP can be measured"):
        check_datasets(train_set, empty)
    with pytest.warns(UserWarning, match="nothing can be learned"):
        check_datasets(empty)


def test_a_training_keeps_as_much_as_its_configuration_says(tmp_path):
    spec = coco(tmp_path, 4)
    for share in (0, 0.1):
        config = TrainConfig(data=spec, size=SIZE, cache=share)
        for data in open_sets(config, None, None):
            cache = data.dataset._cache
            assert cache is None if share == 0 else cache.share == share


def test_nothing_is_kept_where_that_is_asked_for(tmp_path):
    spec = coco(tmp_path, 4)
    data = open_dataset(spec, SIZE, train=True, whole=True, cache=False)
    data[0]
    Path(data.dataset.samples[0].path).unlink()
    with pytest.raises(FileNotFoundError):
        data[0]
    kept = open_dataset(spec.replace("images,", "images" + os.sep + ","), SIZE, train=True)
    kept[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Path(kept.dataset.samples[kept.indices[0]].path).unlink()
        assert kept[0][0].shape == (3, *SIZE)


# --- validation: settings are chosen without a look at the test pictures ---


def test_validation_of_shapes_uses_their_validation_pictures():
    train_set, test_set = open_datasets("shapes", SIZE, test_data="validation", length=5)
    assert (train_set.split, test_set.split, len(test_set)) == ("train", "val", 200)
    assert open_datasets("shapes", SIZE, length=5)[1].split == "test"


def test_validation_trains_and_tests_on_the_lists_for_that_and_never_opens_the_test(tmp_path):
    lists = {"train": [0, 1], "val": [2, 3], "trainval": [0, 1, 2, 3], "test": [4, 5]}
    voc(tmp_path / "cells", lists, ("RBC", "WBC"))
    for spec in (voc(tmp_path / "voc", lists), f"bccd:{tmp_path / 'cells'}"):
        train_set, test_set = open_datasets(spec, SIZE, test_data="validation")
        assert train_set.names == ["p0.png", "p1.png"] and test_set.names == ["p2.png", "p3.png"]
        train_set, test_set = open_datasets(spec, SIZE)
        assert len(train_set) == 4 and test_set.names == ["p4.png", "p5.png"]


def test_data_without_validation_pictures_say_so(tmp_path):
    for spec, message in (
        (voc(tmp_path / "voc", {"trainval": [0, 1], "test": [2]}), "no train.txt and val.txt"),
        (coco(tmp_path / "coco"), "no pictures for validation of its own: pass test_data"),
    ):
        with pytest.raises(ValueError, match=message):
            open_datasets(spec, SIZE, test_data="validation")
