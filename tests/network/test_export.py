"""The detector as an ONNX file. Oracle: onnxruntime, which shares no code with torch, must find
what torch finds.
"""

import builtins
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors

from effdet_lite.checkpoint import load_detector
from effdet_lite.cli import main
from effdet_lite.data import BCCDDetection, ShapesDetection, eval_transforms
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.export import export_onnx
from effdet_lite.places import cells_folder
from effdet_lite.predict import read_photo
from effdet_lite.scaling import efficientdet

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

ROOT = Path(__file__).parents[2]
# A low score, so that suppression has much to do; fewer detections than there are by default.
OPTIONS = {"score_threshold": 0.05, "max_detections": 30}


pytestmark = pytest.mark.usefixtures("one_thread")


def pictures(name: str, size: tuple[int, int]) -> list[Tensor]:
    """Some [3, H, W] with objects, and then noise and gray, which are without."""
    if name == "shapes":
        dataset = ShapesDetection("test", size[0], 8, transforms=eval_transforms(size))
        found = [dataset[index][0] for index in range(8)]
    else:  # photographs of blood, of which one is always here: a picture of results
        photo = tv_tensors.Image(read_photo(ROOT / "assets" / "detections.png"))
        found = [eval_transforms(size)(photo)]
        if cells_folder().is_dir():
            dataset = BCCDDetection(cells_folder(), "test", transforms=eval_transforms(size))
            found += [dataset[index][0] for index in range(8)]
    bare = [
        torch.rand(3, *size, generator=torch.Generator().manual_seed(0)),
        torch.full((3, *size), 0.5),
    ]
    return [picture.as_subclass(Tensor) for picture in found] + bare


# To export a detector takes seconds.
SHIPPED = [pytest.param(name, marks=pytest.mark.slow) for name in ("shapes", "bccd")]


@pytest.fixture(scope="module", params=SHIPPED)
def exported(request, tmp_path_factory, one_thread):
    """(the detector, its header, its ONNX file, pictures)."""
    model, about = load_detector(ROOT / "assets" / "checkpoints" / f"{request.param}.safetensors")
    path = tmp_path_factory.mktemp("onnx") / "detector.onnx"
    export_onnx(model, about["size"], path, classes=about["classes"], **OPTIONS)
    return model, about, path, pictures(request.param, about["size"])


def session(file: Path | bytes):
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def assert_finds_what_torch_finds(
    file: Path | bytes, model: EfficientDet, images: list[Tensor], **options
) -> int:
    """The same boxes, scores and labels in the same order; returns how many there were."""
    ours, objects = session(file), 0
    for image in images:
        (expected,) = model.detect(image[None], **OPTIONS | options)
        found = dict(
            zip(
                ("boxes", "scores", "labels"),
                ours.run(None, {"images": image[None].numpy()}),
                strict=True,
            )
        )
        assert [found[name].shape for name in found] == [
            tuple(expected[name].shape) for name in found
        ]
        np.testing.assert_array_equal(found["labels"], expected["labels"])
        np.testing.assert_allclose(found["scores"], expected["scores"], rtol=0, atol=1e-4)
        np.testing.assert_allclose(found["boxes"], expected["boxes"], rtol=0, atol=1e-2)
        objects += len(found["labels"])
    return objects


def test_it_finds_what_detect_finds(exported):
    model, _, path, images = exported
    assert assert_finds_what_torch_finds(path, model, images) > 20


def test_the_scores_of_all_candidates_are_torchs(exported):
    """Before suppression and threshold, so that every part of the network is seen."""
    model, about, path, images = exported
    document = onnx.load(path)
    document.graph.output.append(onnx.ValueInfoProto(name="candidate_scores"))
    ours = session(document.SerializeToString())
    for image in [*images, torch.zeros_like(images[0])]:
        with torch.no_grad():
            expected = model.candidates(model(image[None]), about["size"]).scores[0]
        (scores,) = ours.run(["candidate_scores"], {"images": image[None].numpy()})
        # On black onnxruntime is 1.4e-3 from the logits in float64, where torch is 2e-5 from them.
        # That is enough to decide which of two near-equal boxes stays, so black is compared here
        # only.
        tolerance = 5e-4 if image.median() == 0 else 1e-4
        np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=tolerance)


def initializer(name: str, value):
    def plant(document) -> None:
        for entry in document.graph.initializer:
            if entry.name == name:
                entry.CopyFrom(onnx.numpy_helper.from_array(np.asarray(value), name))
                return
        raise KeyError(name)

    return plant


def test_a_picture_without_objects_gives_none(exported):
    """In the same file with stricter numbers; test_the_command exports such a file."""
    model, _, path, images = exported
    document = onnx.load(path)
    initializer("lowest", np.float32([0.5]))(document)
    initializer("overlap", np.float32([0.3]))(document)
    initializer("most", np.int64([3]))(document)
    file = document.SerializeToString()
    options = {"score_threshold": 0.5, "iou_threshold": 0.3, "max_detections": 3}
    bare = [images[-1], torch.zeros_like(images[0])]
    assert assert_finds_what_torch_finds(file, model, bare, **options) == 0
    assert assert_finds_what_torch_finds(file, model, images, **options) > 2


def wired(operator: str, place: int, source: str):
    """One input of the last such operator comes from somewhere else."""

    def plant(document) -> None:
        node = [node for node in document.graph.node if node.op_type == operator][-1]
        node.input[place] = source

    return plant


def boxes_by_place(document) -> None:
    (node,) = [node for node in document.graph.node if list(node.output) == ["boxes"]]
    node.input[1] = "place"


def worst_first(document) -> None:
    node = [node for node in document.graph.node if node.op_type == "TopK"][-1]
    (largest,) = [entry for entry in node.attribute if entry.name == "largest"]
    largest.i = 1


MISTAKES = {
    "boxes overlap more": initializer("overlap", np.float32([0.95])),
    "boxes overlap less": initializer("overlap", np.float32([0.2])),
    "other score": initializer("lowest", np.float32([0.2])),
    "too few": initializer("most", np.int64([3])),
    "classes for candidates": initializer("column", np.int64(1)),
    "worst first": worst_first,
    "boxes by another index": boxes_by_place,
    "one label for all": wired("Gather", 1, "place"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_file_would_be_seen(exported, mistake):
    model, _, path, images = exported
    document = onnx.load(path)
    MISTAKES[mistake](document)
    with pytest.raises(AssertionError):
        assert_finds_what_torch_finds(document.SerializeToString(), model, images)


def test_the_file_says_what_it_is(exported):
    _, about, path, _ = exported
    described = session(path)
    metadata = described.get_modelmeta().custom_metadata_map
    assert tuple(json.loads(metadata["classes"])) == about["classes"]
    assert tuple(json.loads(metadata["size"])) == about["size"]
    assert [(entry.name, entry.type) for entry in described.get_outputs()] == [
        ("boxes", "tensor(float)"),
        ("scores", "tensor(float)"),
        ("labels", "tensor(int64)"),
    ]
    assert described.get_inputs()[0].shape == [1, 3, *about["size"]]
    assert os.listdir(path.parent) == [path.name]  # one file, no weights beside it
    assert str(ROOT).encode() not in path.read_bytes(), (
        "a file that is given away names no folder of whoever made it"
    )


@pytest.mark.slow
def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = str(ROOT / "assets" / "checkpoints" / "shapes.safetensors")
    model, about = load_detector(weights)
    images = pictures("shapes", about["size"])
    main(["export", weights, "--output", "d.onnx", "--score", "0.4", "--iou", "0.6"])
    assert "d.onnx takes one image [1, 3, " in capsys.readouterr().out
    assert assert_finds_what_torch_finds(
        tmp_path / "d.onnx",
        model,
        images,
        score_threshold=0.4,
        iou_threshold=0.6,
        max_detections=100,
    )


# --- What cannot be ---

TINY = efficientdet(-3.0)


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        ((100, 128), {}, "height must be a multiple of 64 .* use 64 or 128"),
        ((128, 128), {"score_threshold": 1.5}, "_threshold must be a number from 0 to 1"),
        ((128, 128), {"iou_threshold": float("nan")}, "_threshold must be a number from 0 to 1"),
        ((128, 128), {"max_detections": 0}, "max_detections must be a whole number of at least 1"),
        ((128, 128), {"classes": ("a", "b")}, "has 4 classes, but 2 names"),
    ],
)
def test_bad_input_is_one_sentence_and_no_file(tmp_path, size, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        export_onnx(EfficientDet(TINY, 4), size, tmp_path / "x.onnx", **options)
    assert "\n" not in str(caught.value) and not os.listdir(tmp_path)


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    weights = str(ROOT / "assets" / "checkpoints" / "shapes.safetensors")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SystemExit) as caught:
        main(["export", weights, "--output", str(tmp_path / "file" / "x.onnx")])
    assert caught.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert f"{tmp_path}/file/x.onnx cannot be written: File exists" in said
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.slow
def test_a_write_that_fails_leaves_the_former_file_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "x.onnx").write_bytes(b"former")

    def full(model, path):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(onnx, "save", full)
    with pytest.raises(OSError, match=r"x\.onnx could not be written: No space left on device\."):
        export_onnx(EfficientDet(TINY, 4), (128, 128), tmp_path / "x.onnx")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [
        ("x.onnx", b"former")
    ]


def test_without_the_packages_it_says_which(tmp_path, monkeypatch, capsys):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "onnxscript":
            raise ModuleNotFoundError("No module named 'onnxscript'", name="onnxscript")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="takes onnxscript: type `uv pip install onnx "):
        export_onnx(EfficientDet(TINY, 4), (128, 128), tmp_path / "x.onnx")
    assert not os.listdir(tmp_path)
