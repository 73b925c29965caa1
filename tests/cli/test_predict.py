"""From photographs to a COCO file: boxes in the photo's pixels, and what cannot be read.

Oracles: EfficientDet.detect on the very tensor, pycocotools reading the file, Pillow's own EXIF
handling.
"""

import json

import numpy as np
import pytest
import torch
from lessons import ROOT
from PIL import Image
from pycocotools.coco import COCO
from torchvision.ops import box_iou
from torchvision.transforms.v2 import functional as F

from effdet_lite.checkpoint import load_detector
from effdet_lite.cli import main
from effdet_lite.data import CocoFolder, ShapesDetection
from effdet_lite.predict import coco_document, detect_photo, find_photos, read_photo, write_json

WEIGHTS = ROOT / "assets" / "checkpoints" / "shapes.safetensors"


@pytest.fixture(scope="module")
def detector():
    return load_detector(WEIGHTS)


@pytest.fixture
def photo():
    return torch.from_numpy(ShapesDetection("test").load(3)[0])


def save(path, photo, **options):
    Image.fromarray(photo.permute(1, 2, 0).numpy()).save(path, **options)
    return path


def test_a_photo_of_the_models_size_is_what_detect_answers(detector, photo):
    model, about = detector
    (expected,) = model.detect(photo[None] / 255, score_threshold=0.3)
    found = detect_photo(model, photo, about["size"], score_threshold=0.3)
    assert len(found["boxes"]) > 0
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize("size", [(256, 256), (128, 200), (391, 391)])
def test_boxes_are_in_the_photos_own_pixels(detector, photo, size):
    """The same picture larger, or with a border on the right: the confident boxes stand where they
    stood.
    """
    model, about = detector
    scale = size[0] / 128
    larger = F.resize(photo, [size[0], size[0]], antialias=True)
    larger = F.pad(larger, [0, 0, size[1] - size[0], 0])
    before = detect_photo(model, photo, about["size"], score_threshold=0.6)
    after = detect_photo(model, larger, about["size"], score_threshold=0.3)
    assert len(before["boxes"]) > 0
    overlap = box_iou(before["boxes"] * scale, after["boxes"])
    overlap[before["labels"][:, None] != after["labels"]] = 0
    if size[0] == size[1]:  # a wide photo is fitted smaller, so its objects are seen smaller
        assert (overlap.amax(1) > 0.7).all()
    assert (after["boxes"] >= 0).all()
    assert (after["boxes"] <= torch.tensor([size[1], size[0]] * 2)).all()


def test_no_box_lies_in_the_border_that_fitting_adds(detector):
    model, about = detector
    wide = (torch.rand(3, 20, 640, generator=torch.Generator().manual_seed(0)) * 255).to(
        torch.uint8
    )
    found = detect_photo(model, wide, about["size"], score_threshold=0.001)
    assert (found["boxes"][:, 3] <= 20).all() and (found["boxes"][:, 2] <= 640).all()
    assert (found["boxes"][:, 2:] > found["boxes"][:, :2]).all()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_pictures_of_every_mode_are_read(tmp_path, photo, mode):
    path = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
    Image.fromarray(photo.permute(1, 2, 0).numpy()).convert(mode).save(path)
    assert read_photo(path).shape == photo.shape and read_photo(path).dtype == torch.uint8


def test_a_photo_is_turned_upright(tmp_path, photo):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter, clockwise
    path = save(tmp_path / "turned.png", photo[:, :60], exif=exif)
    assert torch.equal(read_photo(path), torch.rot90(photo[:, :60], -1, (1, 2)))


def test_what_is_no_picture_is_said(tmp_path, photo):
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    whole = save(tmp_path / "whole.png", photo).read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    for name in ("notes.txt", "half.png"):
        with pytest.raises(ValueError, match=f"{name} is not a picture that can be read"):
            read_photo(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="there is no photo"):
        find_photos([tmp_path / "whole.png", tmp_path / "missing.png"])
    with pytest.raises(FileNotFoundError, match="there is no picture in"):
        find_photos([tmp_path / "empty"])
    assert [path.name for path in find_photos([tmp_path])] == ["half.png", "whole.png"]


def test_the_command_writes_pictures_and_a_coco_file(tmp_path, photo, capsys, detector):
    model, about = detector
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / "photo.png", photo)
    output = tmp_path / "found"
    main(
        [
            "detect",
            str(tmp_path / "one"),
            str(tmp_path / "two"),
            "--weights",
            str(WEIGHTS),
            "--output",
            str(output),
        ]
    )
    assert sorted(path.name for path in output.iterdir()) == [
        "detections.json",
        "photo-2.png",
        "photo.png",
    ]
    expected = detect_photo(model, photo, about["size"], score_threshold=0.3)
    assert f"{2 * len(expected['labels'])} objects on 2 photos" in capsys.readouterr().out
    truth = COCO(output / "detections.json")
    for image_id in truth.getImgIds():
        marks = truth.loadAnns(truth.getAnnIds(image_id))
        boxes = np.array([mark["bbox"] for mark in marks])
        boxes[:, 2:] += boxes[:, :2]
        np.testing.assert_allclose(boxes, expected["boxes"].numpy(), atol=1e-4)
        names = [
            category["name"] for category in truth.loadCats([mark["category_id"] for mark in marks])
        ]
        assert names == [about["classes"][label] for label in expected["labels"]]
    assert (
        len(
            truth.loadRes(
                json.loads((output / "detections.json").read_text())["annotations"]
            ).getAnnIds()
        )
        > 0
    )
    assert len(CocoFolder("/", output / "detections.json")) == 2


def test_a_broken_photo_does_not_take_the_others_with_it(tmp_path, photo, capsys):
    save(tmp_path / "good.png", photo)
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    output = tmp_path / "found"
    with pytest.raises(SystemExit) as stopped:
        main(["detect", str(tmp_path), "--weights", str(WEIGHTS), "--output", str(output)])
    assert stopped.value.code == 2 and "1 of 2 photos were left out" in capsys.readouterr().err
    assert [
        image["file_name"]
        for image in json.loads((output / "detections.json").read_text())["images"]
    ] == [str(tmp_path / "good.png")]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--score", "1.5"], "--score must lie in 0-1, got 1.5"),
        (["--iou", "-1"], "--iou must lie in 0-1, got -1.0"),
        (["--weights", "nowhere.safetensors"], "there is no checkpoint nowhere.safetensors"),
    ],
)
def test_bad_settings_write_nothing(tmp_path, photo, arguments, sentence, capsys):
    path = save(tmp_path / "photo.png", photo)
    output = tmp_path / "found"
    with pytest.raises(SystemExit) as stopped:
        main(["detect", str(path), "--weights", str(WEIGHTS), "--output", str(output), *arguments])
    assert stopped.value.code == 2 and sentence in capsys.readouterr().err
    assert not output.exists()


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "file.json", coco_document([], [], [], ["a"]))
    with pytest.raises(TypeError):
        write_json(tmp_path / "file.json", {"not": {1, 2}})
    assert json.loads((tmp_path / "file.json").read_text())["categories"] == [
        {"id": 1, "name": "a"}
    ]
