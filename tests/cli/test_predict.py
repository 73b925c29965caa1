"""From photographs to a COCO file: boxes in the photo's pixels, and what cannot be read.

Oracles: EfficientDet.detect on the very tensor, pycocotools reading the file, Pillow's own EXIF
handling.
"""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lessons import ROOT
from PIL import Image
from pycocotools.coco import COCO
from torchvision.ops import box_iou
from torchvision.transforms.v2 import functional as F

from effdet_lite import predict
from effdet_lite.checkpoint import load_detector
from effdet_lite.cli import main
from effdet_lite.data import CocoFolder, ShapesDetection
from effdet_lite.predict import (
    coco_document,
    detect_photo,
    drawing_paths,
    find_photos,
    read_photo,
    write_json,
)

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


def detect(*arguments, status=0, capsys):
    """What `effdet-lite detect` says, on one line, and how it must end."""
    words = ["detect", "--weights", WEIGHTS, *arguments]
    if status:
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in words])
        assert stopped.value.code == status
    else:
        main([str(word) for word in words])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return " ".join((said.err if status else said.out).split())


def written(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_command_writes_pictures_and_a_coco_file(tmp_path, photo, capsys, detector):
    model, about = detector
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / "photo.png", photo)
    output = tmp_path / "found"
    said = detect(tmp_path / "one", tmp_path / "two", "--output", output, capsys=capsys)
    assert written(output) == ["detections.json", "photo-2.png.png", "photo.png.png"]
    expected = detect_photo(model, photo, about["size"], score_threshold=0.3)
    assert f"{2 * len(expected['labels'])} objects on 2 photos" in said
    truth = COCO(output / "detections.json")
    for image_id in truth.getImgIds():
        marks = truth.loadAnns(truth.getAnnIds(image_id))
        boxes = np.array([mark["bbox"] for mark in marks])
        boxes[:, 2:] += boxes[:, :2]
        np.testing.assert_allclose(boxes, expected["boxes"].numpy(), atol=1e-4)
        categories = truth.loadCats([mark["category_id"] for mark in marks])
        names = [category["name"] for category in categories]
        assert names == [about["classes"][label] for label in expected["labels"]]
    results = json.loads((output / "detections.json").read_text())["annotations"]
    assert len(truth.loadRes(results).getAnnIds()) > 0
    assert len(CocoFolder("/", output / "detections.json")) == 2


def test_no_photo_is_written_over_and_none_lacks_its_drawing(tmp_path, photo, capsys):
    for name in ("a.jpg", "a.png", "x.jpg", "x-2.jpg", "deep/x.jpg", "X.jpg", "x.jpg.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save(tmp_path / name, photo)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    said = detect(tmp_path, "--output", tmp_path, status=2, capsys=capsys)
    assert "the drawings cannot go there too: pass another --output" in said
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
    # Named one by one they may go there, each to a name of its own; the same photo counts once.
    said = detect(*before, *before, tmp_path / "deep/../a.jpg", "--output", tmp_path, capsys=capsys)
    assert "on 7 photos" in said
    assert {path: path.read_bytes() for path in before} == before
    drawings = set(written(tmp_path)) - {path.name for path in before} - {"deep"}
    assert len(drawings) == 7 + 1
    assert {"detections.json", "a.jpg.png", "a.png.png", "x.jpg.png.png"} < drawings


part = st.sampled_from(["a", "A", "ä", "a\u0308", "a-2", "photo " * 30, "苹果" * 40, "a.jpg"])
photo_name = st.tuples(
    st.sampled_from(["", "b", "out", "out/in"]), part, st.sampled_from([".jpg", ".png", ".JPG", ""])
)


@settings(max_examples=200, deadline=None)
@given(st.lists(photo_name, max_size=12, unique=True))
def test_any_names_give_one_drawing_each_and_never_a_photo(names):
    """By the rules of file systems: without case, in one normal form, at most 255 bytes."""

    def same(path):
        return unicodedata.normalize("NFD", str(path)).casefold()

    photos = [Path("/nowhere", folder, stem + suffix) for folder, stem, suffix in names]
    drawings = drawing_paths(photos, "/nowhere/out")
    assert len(drawings) == len(photos)
    assert len({same(path) for path in drawings}) == len(photos)
    others = {same(path) for path in photos} | {same("/nowhere/out/detections.json")}
    assert not others & {same(path) for path in drawings}
    assert all(path.suffix == ".png" and path.parent == Path("/nowhere/out") for path in drawings)
    assert all(len(path.name.encode()) <= 230 for path in drawings)


def test_hidden_files_and_folders_are_no_pictures_and_what_is_passed_over_is_told(
    tmp_path, photo, capsys
):
    save(tmp_path / "a.jpg", photo)
    save(tmp_path / "b.jfif", photo, format="JPEG")
    save(tmp_path / "c.gif", photo)
    (tmp_path / "._a.jpg").write_bytes(b"macOS keeps its own things here")
    (tmp_path / "album.jpg").mkdir()
    (tmp_path / "d.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "notes.txt").write_text("x")
    said = detect(tmp_path, "--output", tmp_path / "found", capsys=capsys)
    assert "on 3 photos" in said
    others = [str(tmp_path / name) for name in ("album.jpg", "d.HEIC", "notes.txt")]
    assert said.endswith(f"can be read: {', '.join(others)}.")


def test_a_limit_of_boxes_that_is_reached_is_told(tmp_path, photo, capsys):
    path = save(tmp_path / "photo.png", photo)
    output = ["--output", tmp_path / "found", "--score", "0"]
    said = detect(path, *output, "--max-detections", "7", capsys=capsys)
    assert "7 objects on 1 photo," in said
    assert f"1 photo reached the limit of 7 boxes (first: {path})" in said
    found = json.loads((tmp_path / "found" / "detections.json").read_text())
    assert len(found["annotations"]) == 7
    said = detect(path, *output, "--iou", "1", "--max-detections", "300", capsys=capsys)
    assert "300 objects on 1 photo" in said
    assert "the limit" not in detect(path, "--output", tmp_path / "found", capsys=capsys)


@pytest.mark.parametrize("mode", ["I;16", "F"])
def test_a_deep_picture_is_told_and_not_taken_for_white(tmp_path, capsys, mode):
    """As in training: a sentence, where clipping to 255 would say "0 objects"."""
    ramp = np.add.outer(np.arange(40), np.arange(60)) * 600
    deep = ramp.astype(np.uint16) if mode == "I;16" else (ramp / 65535).astype(np.float32)
    Image.fromarray(deep).save(tmp_path / "deep.tif")
    said = detect(tmp_path / "deep.tif", "--output", tmp_path / "found", status=2, capsys=capsys)
    assert "1 of 1 photo left out" in said and "8 bits" in said


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 300), (4000, 3000)])
def test_photos_of_odd_shapes_are_drawn_small(tmp_path, capsys, size):
    Image.new("RGB", size, (90, 20, 20)).save(tmp_path / "odd.png")
    detect(tmp_path / "odd.png", "--output", tmp_path / "found", capsys=capsys)
    with Image.open(tmp_path / "found" / "odd.png.png") as drawing:
        assert 500 <= max(drawing.size) <= 1200 + 2


def test_boxes_of_a_large_photo_are_drawn_where_they_are(photo):
    large = F.resize(photo, [2560, 3840], antialias=True)
    found = {"boxes": torch.tensor([[384.0, 256.0, 1920.0, 2560.0]]), "labels": torch.tensor([0])}
    small, drawn = predict._for_drawing(large, found)
    assert small.shape == (3, 800, 1200) and small.dtype == torch.uint8
    assert drawn["boxes"].tolist() == [[120.0, 80.0, 600.0, 800.0]]
    assert found["boxes"][0, 0] == 384


def test_a_broken_photo_does_not_take_the_others_with_it(tmp_path, photo, capsys):
    save(tmp_path / "good.png", photo)
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    output = tmp_path / "found"
    assert "1 of 2 photos left out" in detect(tmp_path, "--output", output, status=2, capsys=capsys)
    document = json.loads((output / "detections.json").read_text())
    assert [image["file_name"] for image in document["images"]] == [str(tmp_path / "good.png")]
    assert written(output) == ["detections.json", "good.png.png"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--score", "1.5"], "--score: must lie in 0-1, got 1.5"),
        (["--score", "nan"], "--score: must lie in 0-1, got nan"),
        (["--iou", "-1"], "--iou: must lie in 0-1, got -1"),
        (["--max-detections", "0"], "--max-detections: must be at least 1 and below 2^31, got 0"),
        (["--threads", "0"], "--threads: must be from 1 to 256, got 0"),
        (["--threads", "many"], "invalid"),
        (["--weights", "nowhere.safetensors"], "there is no checkpoint nowhere.safetensors"),
        (["--weights", "~/nowhere.safetensors"], f"no checkpoint {Path.home()}/nowhere"),
        (["--", "~/nowhere.jpg"], f"there is no photo {Path.home()}/nowhere.jpg"),
    ],
)
def test_bad_settings_write_nothing(tmp_path, photo, arguments, sentence, capsys):
    path = save(tmp_path / "photo.png", photo)
    output = tmp_path / "found"
    photos = [] if "--" in arguments else [path]
    said = detect(*photos, "--output", output, *arguments, status=2, capsys=capsys)
    assert sentence in said
    assert not output.exists()


def test_an_output_that_cannot_be_written_is_found_before_the_work(
    tmp_path, photo, capsys, monkeypatch
):
    path = save(tmp_path / "photo.png", photo)
    monkeypatch.setattr(predict, "read_photo", lambda path: pytest.fail("the work has begun"))
    said = detect(path, "--output", path / "found", status=2, capsys=capsys)
    assert "cannot be written" in said and written(tmp_path) == ["photo.png"]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "file.json", coco_document([], [], [], ["a"]))
    with pytest.raises(TypeError):
        write_json(tmp_path / "file.json", {"not": {1, 2}})
    assert written(tmp_path) == ["file.json"]
    assert json.loads((tmp_path / "file.json").read_text())["categories"] == [
        {"id": 1, "name": "a"}
    ]


def test_links_that_lead_nowhere_and_folders_in_a_drawing_s_place_cost_nothing(
    tmp_path, photo, capsys
):
    photos, output = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    (output / "a.png.png").mkdir(parents=True)
    save(photos / "a.png", photo)
    (photos / "itself").symlink_to("itself")
    (photos / "nowhere.jpg").symlink_to("gone")
    main(["detect", str(photos), "--weights", str(WEIGHTS), "--output", str(output)])
    assert "on 1 photo" in (told := capsys.readouterr().out)
    assert "itself" in told and "nowhere.jpg" in told
    assert (output / "a-2.png.png").is_file() and (output / "detections.json").is_file()
