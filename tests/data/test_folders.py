"""COCO and VOC folders against pycocotools and ElementTree, and against everything that goes wrong
in real folders.
"""

import copy
import json
import warnings
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import voc_annotation, voc_object
from PIL import Image
from pycocotools.coco import COCO

from effdet_lite.data import CocoFolder, VocFolder, collate, eval_transforms
from effdet_lite.data.telling import numbered

IDS = (7, 3, 90)  # category ids with gaps and out of order


@pytest.fixture
def coco(tmp_path):
    """Five images of different sizes with random boxes: (document, save) where save writes it and
    opens the folder.
    """
    rng = np.random.default_rng(0)
    document = {
        "images": [],
        "annotations": [],
        "categories": [{"id": i, "name": f"class{i}"} for i in IDS],
    }
    for image_id in (11, 4, 25, 8, 1):
        width, height = (int(side) for side in rng.integers(40, 90, 2))
        Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)).save(
            tmp_path / f"{image_id}.jpg"
        )
        document["images"].append(
            {"id": image_id, "file_name": f"{image_id}.jpg", "width": width, "height": height}
        )
        for _ in range(image_id % 4):
            corner, size = rng.random(2) * 20, 1 + rng.random(2) * 19
            box = {"bbox": [*corner, *size], "area": float(size.prod()), "iscrowd": 0}
            numbers = {
                "id": 100 + len(document["annotations"]),
                "image_id": image_id,
                "category_id": int(rng.choice(IDS)),
            }
            document["annotations"].append(box | numbers)

    def save(changed=document, **options):
        text = changed if isinstance(changed, str) else json.dumps(changed)
        (tmp_path / "instances.json").write_text(text)
        return CocoFolder(tmp_path, tmp_path / "instances.json", **options)

    return document, save


def everything(data):
    """Read every item: the contract holds, and nothing raises."""
    for image, target in data:
        boxes = target["boxes"]
        assert (
            image.dtype == torch.float32
            and image.shape == (3, *boxes.canvas_size)
            and boxes.shape[1] == 4
        )
        limit = torch.tensor([image.shape[2], image.shape[1]] * 2)
        assert (boxes >= 0).all() and (boxes <= limit).all() and (boxes[:, 2:] > boxes[:, :2]).all()
        assert len(target["labels"]) == len(boxes) and all(
            0 <= label < len(data.classes) for label in target["labels"]
        )


def test_coco_equals_pycocotools(coco, tmp_path):
    _, save = coco
    data, oracle = save(), COCO(tmp_path / "instances.json")
    assert data.category_ids == (3, 7, 90) and data.classes == ("class3", "class7", "class90")
    assert [target["image_id"] for _, target in data] == list(oracle.imgs) == [11, 4, 25, 8, 1]
    for image, target in data:
        entries = oracle.loadAnns(oracle.getAnnIds([target["image_id"]]))
        expected = [[x, y, x + w, y + h] for x, y, w, h in (entry["bbox"] for entry in entries)]
        np.testing.assert_allclose(
            target["boxes"].numpy(), np.reshape(expected, (-1, 4)), rtol=1e-6
        )
        assert [data.category_ids[label] for label in target["labels"]] == [
            entry["category_id"] for entry in entries
        ]
        pixels = (
            np.asarray(Image.open(tmp_path / f"{target['image_id']}.jpg")).transpose(2, 0, 1) / 255
        )
        np.testing.assert_allclose(image.numpy(), pixels, atol=1e-6)
    assert not data.skipped and not data.clipped


def test_what_cannot_be_used_is_left_out_and_counted(coco, tmp_path):
    document, save = coco
    whole = (tmp_path / "25.jpg").read_bytes()
    (tmp_path / "25.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "8.jpg").unlink()
    (tmp_path / "1.jpg").write_bytes(b"no image")
    document["images"][1] |= {"width": 1000}
    bad = [
        [-5, 5, 20, 20],
        [5, 5, 0, 9],
        [5, 5, 9, -9],
        [500, 5, 5, 5],
        [1, 2, 3],
        None,
        "12",
        [1, 2, float("nan"), 4],
    ]
    for number, box in enumerate(bad):
        document["annotations"].append(
            {"id": number, "image_id": 11, "category_id": 3, "bbox": box}
        )
    document["annotations"] += [
        {"id": 50, "image_id": 11, "category_id": 3, "bbox": [1, 1, 5, 5], "iscrowd": 1},
        {"id": 51, "image_id": 999, "category_id": 3, "bbox": [1, 1, 5, 5]},
    ]
    with pytest.warns(UserWarning, match=r"2 images that cannot be read \(first: 25.jpg\)") as told:
        data = save()
    assert len(told) == 1 and "\n" not in str(told[0].message)
    assert data.skipped == {
        "images that cannot be read": 2,
        "images missing": 1,
        "images of another size than annotated": 1,
        "boxes without area": 2,
        "boxes outside their image": 1,
        "boxes that are not four finite numbers": 4,
        "annotations of unlisted images": 1,
    }
    assert "1 crowd region, not counted" in str(told[0].message)
    assert data.clipped == 1 and len(data) == 1
    assert [0, 5, 15, 25] in data[0][1]["boxes"].tolist()
    everything(data)


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda d: "{", "is not a COCO detection file"),
        (lambda d: "[1, 2]", "is not a COCO detection file"),
        (lambda d: d["annotations"], "is not a COCO detection file"),  # a file of results
        (lambda d: "[" * 100_000, "is not a COCO detection file"),
        (lambda d: d.__delitem__("categories"), "it has no 'categories'"),
        (lambda d: d["images"].append(d["images"][0]), "id 11 appears more than once in images"),
        (
            lambda d: d["categories"].append(d["categories"][0]),
            "id 7 appears more than once in categories",
        ),
        (
            lambda d: d["annotations"].append(d["annotations"][0]),
            "id 100 appears more than once in annotations",
        ),
        (lambda d: d["annotations"][0].update(category_id=5), r"classes \[5\]"),
        (
            lambda d: d["annotations"][0].update(category_id="cat"),
            "category_id must be an integer, not 'cat'",
        ),
        (lambda d: d["images"][0].update(id=1.5), "id must be an integer, not 1.5"),
        (lambda d: d["images"][0].__delitem__("file_name"), r"images\[0\] has no file_name"),
        (lambda d: d.update(images=[]), "no image that can be used"),
    ],
)
def test_a_doubtful_coco_file_is_refused_in_one_sentence(coco, change, sentence):
    document, save = coco
    changed = change(document)
    with pytest.raises(ValueError, match=sentence) as caught:
        save(changed if isinstance(changed, (str, list)) and changed is not document else document)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=JSON, choice=st.data())
def test_any_damage_to_a_coco_file_is_an_error_now_or_no_error_later(coco, value, choice):
    document, save = coco
    document = copy.deepcopy(document)
    node = document
    for _ in range(
        choice.draw(st.integers(1, 4))
    ):  # walk down to a random place, and put value there
        keys = sorted(node) if isinstance(node, dict) else range(len(node))
        key = choice.draw(st.sampled_from(keys))
        if not isinstance(node[key], (dict, list)) or not node[key]:
            break
        parent, node = node, node[key]
    else:
        node = parent
    node[key] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = save(document)
        except ValueError:
            return
        everything(data)


def odd_images(folder):
    rng = np.random.default_rng(0)
    color = Image.fromarray(rng.integers(0, 255, (30, 50, 3), np.uint8))
    quarter, half = Image.Exif(), Image.Exif()
    quarter[0x0112], half[0x0112] = 6, 3
    color.convert("L").save(folder / "gray.jpg")
    color.convert("CMYK").save(folder / "cmyk.jpg")
    color.convert("RGBA").save(folder / "rgba.png")
    color.convert("P").save(folder / "palette.png")
    color.convert("1").save(folder / "bits.png")
    color.save(folder / "progressive.jpg", progressive=True)
    color.save(folder / "quarter.jpg", exif=quarter)
    color.save(folder / "half.jpg", exif=half)
    Image.fromarray(rng.integers(0, 65535, (30, 50), np.uint16)).save(folder / "deep.png")
    (folder / "empty.jpg").touch()
    for name in ("gray.jpg", "progressive.jpg", "rgba.png"):
        whole = (folder / name).read_bytes()
        (folder / f"cut-{name}").write_bytes(whole[:-40])
    return sorted(path.name for path in folder.iterdir())


def voc(root, stems, xml):
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for stem in stems:
        (root / "Annotations" / f"{stem}.xml").write_text(xml)


@pytest.mark.parametrize("max_side", [None, 25])
def test_every_kind_of_image_becomes_rgb_or_a_counted_skip(tmp_path, max_side):
    voc(tmp_path, [], "")
    names = odd_images(tmp_path / "JPEGImages")
    voc(
        tmp_path,
        [name.split(".")[0] for name in names],
        voc_annotation(voc_object("cell", 5, 5, 15, 25)),
    )
    for cut in ("cut-gray", "cut-progressive", "cut-rgba", "empty"):
        assert any(name.startswith(cut) for name in names)
    with pytest.warns(UserWarning, match="cannot be read"):
        data = VocFolder(tmp_path, max_side=max_side)
    assert data.skipped == {
        "images that cannot be read": 4,
        "images of more than 8 bits a channel": 1,
    }
    assert len(data) == 8
    everything(data)
    sizes = {data.samples[index].path.stem: tuple(data[index][0].shape[1:]) for index in range(8)}
    small = (30, 50) if max_side is None else (15, 25)
    assert sizes == dict.fromkeys(sizes, small) | {"quarter": small[::-1]}
    data.transforms = eval_transforms((64, 64))
    assert collate([data[index] for index in range(8)])[0].shape == (8, 3, 64, 64)


def test_the_annotated_size_says_whether_exif_turns_the_picture(tmp_path):
    """A white block drawn in the stored picture lies under its box, annotated as shown or as
    stored.
    """
    exif, stored = Image.Exif(), np.zeros((40, 60, 3), np.uint8)
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise: (x, y) goes to (height - y, x)
    stored[5:15, 20:50] = 255
    for kind, size, box in (
        ("stored", (60, 40), (20, 5, 50, 15)),
        ("shown", (40, 60), (25, 20, 35, 50)),
    ):
        root = tmp_path / kind
        voc(root, ["a"], voc_annotation(voc_object("block", *box), size))
        Image.fromarray(stored).save(root / "JPEGImages" / "a.jpg", exif=exif, quality=95)
        image, target = VocFolder(root)[0]
        assert image.shape[1:] == size[::-1]
        rows, columns = (
            (image[0] > 0.5).any(1).nonzero().ravel(),
            (image[0] > 0.5).any(0).nonzero().ravel(),
        )
        assert target["boxes"].tolist() == [[columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]]


def test_max_side_shrinks_boxes_with_the_pixels_and_cache_reads_once(coco, tmp_path):
    document, save = coco
    full, small = save(), save(max_side=30, cache=True)
    for (_, a), (image, b), entry in zip(full, small, document["images"], strict=True):
        assert max(image.shape) == 30
        scale = torch.tensor(
            [image.shape[2] / entry["width"], image.shape[1] / entry["height"]]
        ).repeat(2)
        torch.testing.assert_close(
            b["boxes"].as_subclass(torch.Tensor), a["boxes"].as_subclass(torch.Tensor) * scale
        )
    for path in tmp_path.glob("*.jpg"):
        path.unlink()
    everything(small)
    with pytest.raises(FileNotFoundError):
        full[0]


def test_voc_equals_a_reading_by_hand(tmp_path):
    objects = (
        voc_object("cat", 1, 2, 30, 40)
        + voc_object("dog", 3.5, 4, 500, 20)
        + voc_object("cat", 9, 9, 9, 30)
    )
    voc(
        tmp_path,
        ["a", "b", "c"],
        voc_annotation(objects, (60, 50)),
    )
    (tmp_path / "Annotations" / "broken.xml").write_text("<annotation><object>")
    for name in ("a.PNG", "b.jpeg", "c.jpg", "broken.jpg"):
        Image.new("RGB", (60, 50)).save(tmp_path / "JPEGImages" / name)
    (tmp_path / "ImageSets/Main/val.txt").write_text("b  1\na -1\n\nbroken\nabsent\nb\n")
    with pytest.warns(UserWarning):
        data = VocFolder(tmp_path, "val")
    assert data.classes == ("cat", "dog") and [sample.path.name for sample in data.samples] == [
        "b.jpeg",
        "a.PNG",
    ]
    limits = {"xmin": 60, "ymin": 50, "xmax": 60, "ymax": 50}
    boxes = ElementTree.parse(tmp_path / "Annotations" / "a.xml").findall("object/bndbox")
    expected = [
        [min(float(box.findtext(side)), limit) for side, limit in limits.items()] for box in boxes
    ]
    assert data[0][1]["boxes"].tolist() == expected[:2] and data[0][1]["labels"].tolist() == [0, 1]
    assert data.skipped == {
        "annotation files that cannot be read": 1,
        "annotation files missing": 1,
        "boxes without area": 2,
    }
    assert data.clipped == 2
    with pytest.warns(UserWarning):
        assert len(VocFolder(tmp_path)) == 3 and VocFolder(tmp_path, classes=["dog", "cat"])[0][1][
            "labels"
        ].tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"\['dog'\]"):
        VocFolder(tmp_path, "val", classes=["cat"])
    with pytest.raises(FileNotFoundError, match="splits there: val"):
        VocFolder(tmp_path, "test")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        VocFolder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("things", "thing"),
    [
        ("images that cannot be read", "image that cannot be read"),
        ("images of more than 8 bits a channel", "image of more than 8 bits a channel"),
        ("boxes that are not four finite numbers", "box that is not four finite numbers"),
        ("annotations of unlisted images", "annotation of unlisted images"),
        ("annotation files missing", "annotation file missing"),
        ("objects marked difficult", "object marked difficult"),
    ],
)
def test_one_thing_is_told_as_one(things, thing):
    """Oracle: English."""
    assert numbered(1, things) == f"1 {thing}"
    assert numbered(0, things) == f"0 {things}" and numbered(12, things) == f"12 {things}"


def test_missing_coco_paths(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder"):
        CocoFolder(tmp_path / "none", tmp_path / "x.json")
    with pytest.raises(FileNotFoundError, match="annotation file"):
        CocoFolder(tmp_path, tmp_path / "x.json")
