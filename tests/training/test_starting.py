"""Trainings that begin from trained weights. Oracles: the tensors of the file or of the published
model itself.
"""

import re

import pytest
import torch
import torchvision
from lessons import ROOT

from effdet_lite import pretrained, starting
from effdet_lite.beginning import new_model
from effdet_lite.checkpoint import load_detector, load_tensors, save_detector
from effdet_lite.cli import main
from effdet_lite.data import ShapesDetection
from effdet_lite.download import DownloadError
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.scaling import efficientdet
from effdet_lite.starting import transfer_weights
from effdet_lite.training import TrainConfig, train

SHIPPED = ROOT / "assets" / "checkpoints" / "shapes.safetensors"
FITTING = {"phi": -0.5, "width": 0.564, "depth": 0.25, "fused_stages": 6}
CLASSES = ("circle", "square", "triangle", "cross")
CELLS = ("RBC", "WBC", "Platelets")


@pytest.fixture(scope="module")
def tensors():
    return load_tensors(SHIPPED)[0]


def as_random(config, number):
    torch.manual_seed(1)
    return EfficientDet(config, number)


def test_of_other_classes_all_but_the_last_layer_of_the_class_head_is_taken(tensors):
    model = as_random(TrainConfig(**FITTING).model_config, 3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    left = transfer_weights(model, SHIPPED, CELLS)
    assert left and all(name.startswith("class_head.predict.") for name in left)
    for name, tensor in model.state_dict().items():
        assert torch.equal(
            tensor, before[name] if name in left else tensors[name].to(tensor.dtype)
        ), name


def test_of_the_same_classes_everything_is_taken_and_it_detects_alike():
    trained, about = load_detector(SHIPPED)
    model = as_random(TrainConfig(**FITTING).model_config, 4)
    assert transfer_weights(model, SHIPPED, about["classes"]) == []
    image = ShapesDetection("test", length=1)[0][0].as_subclass(torch.Tensor)
    for ours, theirs in zip(model.detect(image[None]), trained.detect(image[None]), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("classes", [(), ("a", "b", "c", "d"), CLASSES[::-1]])
def test_as_many_classes_are_not_the_same_classes(classes):
    left = transfer_weights(as_random(TrainConfig(**FITTING).model_config, 4), SHIPPED, classes)
    assert left and all(name.startswith("class_head.predict.") for name in left)


def test_with_other_levels_the_backbone_alone_is_taken(tensors):
    """A norm of the heads, or a node of the neck, would be another level's under the same name."""
    model = as_random(TrainConfig(**FITTING, levels=(3, 5)).model_config, 4)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    left = transfer_weights(model, SHIPPED, CLASSES)
    for name, tensor in model.state_dict().items():
        if name.startswith("backbone."):
            assert torch.equal(tensor, tensors[name].to(tensor.dtype)), name
        else:
            assert torch.equal(tensor, before[name]), name
            assert name in left or name.endswith("num_batches_tracked")


def test_a_detector_that_does_not_fit_is_refused_whole_and_says_what_would():
    model = as_random(TrainConfig(phi=-2).model_config, 3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(
        ValueError,
        match=r"nothing was taken: it needs width 0\.564, depth 0\.25 and fused_stages 6",
    ) as caught:
        transfer_weights(model, SHIPPED, CELLS)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("content", [None, b"", b"not a detector"])
def test_a_bad_source_is_one_sentence(tmp_path, content, capsys):
    path = tmp_path / "start.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit) as caught:
        main(
            [
                "train",
                "--size",
                "64",
                "64",
                "--steps",
                "1",
                "--output",
                str(tmp_path / "run"),
                "--start",
                str(path),
            ]
        )
    assert caught.value.code == 2
    assert re.fullmatch(
        rf"effdet-lite: .*{re.escape(str(path))}.*\n", capsys.readouterr().err.splitlines(True)[-1]
    )


# --- Published weights ---


def b0(phi=-3.0):
    return TrainConfig(phi=phi, width=1.0, depth=1.0).model_config


@pytest.fixture
def published(monkeypatch, tmp_path):
    """What a cache would hold after `effdet-lite prefetch`, without its hashes: random weights of
    torchvision's B0.
    """
    torch.manual_seed(0)
    state = torchvision.models.efficientnet_b0().state_dict()
    torch.save(state, tmp_path / "b0.pth")
    monkeypatch.setattr(
        pretrained, "published_url", lambda name: (tmp_path / f"{name}.pth").as_uri()
    )
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path / "cache"))
    return state


def test_imagenet_fills_the_backbone_with_its_padding_and_epsilon(published, tmp_path):
    model = as_random(b0(), 3)
    left = transfer_weights(model, "imagenet")
    assert not [name for name in left if name.startswith("backbone.")]
    oracle = torchvision.models.efficientnet_b0()
    oracle.load_state_dict(published)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, deviation = (
        torch.tensor(some)[:, None, None] for some in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    with torch.no_grad():
        ours = model.eval().backbone.features(images)[-1]
        theirs = oracle.eval().features[:8](
            (images - mean) / deviation
        )  # all but the head's 1 x 1 convolution
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    # A file of this model is a model with the same answers: padding and epsilon stand in its
    # configuration.
    save_detector(tmp_path / "d.safetensors", model, CELLS, (64, 64))
    again = load_detector(tmp_path / "d.safetensors")[0]
    model.load_state_dict({name: x.half().float() for name, x in model.state_dict().items()})
    with torch.no_grad():
        for mine, other in zip(model.eval()(images), again(images), strict=True):
            torch.testing.assert_close(mine, other)


def test_coco_takes_what_the_published_detector_has(monkeypatch):
    torch.manual_seed(0)
    d0 = EfficientDet(efficientdet(0), 90)
    monkeypatch.setattr(starting, "from_pretrained", lambda name, progress: {"d0": d0}[name])
    model = as_random(TrainConfig(phi=0).model_config, 3)
    left = transfer_weights(model, "coco")
    assert left and all(name.startswith("class_head.predict.") for name in left)
    oracle = d0.state_dict()
    assert all(
        torch.equal(tensor, oracle[name])
        for name, tensor in model.state_dict().items()
        if name not in left
    )


@pytest.mark.parametrize(
    ("source", "config", "message"),
    [
        (
            "imagenet",
            efficientdet(-2),
            "no published imagenet weights .* width 0.826.* width 1, depth 1",
        ),
        ("coco", b0(), "no published coco weights for a detector of this size: phi 0 alone"),
        ("coco", TrainConfig(phi=0, levels=(3, 6)).model_config, "no published coco weights"),
    ],
)
def test_a_size_without_published_weights_is_refused_before_anything_is_fetched(
    source, config, message, monkeypatch
):
    monkeypatch.setattr(starting, "from_pretrained", None)
    with pytest.raises(ValueError, match=message):
        transfer_weights(EfficientDet(config, 3), source)


@pytest.mark.parametrize(("source", "config"), [("imagenet", b0()), ("coco", efficientdet(0))])
def test_offline_it_says_what_is_missing_and_what_to_do(source, config, monkeypatch, tmp_path):
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        pretrained, "published_url", lambda name: (tmp_path / "nowhere.pth").as_uri()
    )
    with pytest.raises(
        DownloadError,
        match=rf"the {source} weights of .0 are not in .*cache.* `effdet-lite prefetch`",
    ):
        transfer_weights(EfficientDet(config, 3), source)


# --- In a training ---


def test_a_training_begins_from_it_and_not_as_the_identity():
    """With the detector of blood cells: its backbone has skips, that of shapes has none."""
    path = SHIPPED.with_stem("bccd")
    tensors = load_tensors(path)[0]
    fitting = {"phi": -2.0, "levels": (3, 5), "fused_stages": 4}
    begun = new_model(TrainConfig(**fitting, start=str(path)), CELLS).state_dict()
    assert all(
        torch.equal(tensor, tensors[name].to(tensor.dtype))
        for name, tensor in begun.items()
        if name.startswith("backbone.")
    )
    fresh = new_model(TrainConfig(**fitting), CELLS)
    scales = [
        module.project.norm.weight
        for module in fresh.modules()
        if getattr(module, "has_skip", False)
    ]
    assert scales and not any(scale.any() for scale in scales)


def test_it_begins_where_the_other_ended_is_kept_and_names_no_folder(tmp_path):
    pictures = ShapesDetection("test", length=8, cache=True)
    settings = {
        **FITTING,
        "size": (128, 128),
        "steps": 1,
        "batch_size": 8,
        "learning_rate": 1e-4,
        "warmup": 1,
    }
    fresh, begun = (
        train(
            TrainConfig(**settings, start=start, output=str(tmp_path / str(index))),
            pictures,
            pictures,
            progress=False,
        )[0]
        for index, start in enumerate((None, str(SHIPPED)))
    )
    assert begun["loss"] < 0.5 * fresh["loss"]
    assert (
        load_detector(tmp_path / "1" / "detector.safetensors")[1]["training"]["start"]
        == SHIPPED.name
    )
