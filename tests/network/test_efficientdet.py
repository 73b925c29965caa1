"""The detector: boxes against a loop over images and classes."""

import copy
import dataclasses
import json
import math

import numpy as np
import pytest
import torch
import torchvision
from oracles import lively_detector
from torchvision.models.detection._utils import BoxCoder
from torchvision.transforms import v2

from effdet_lite import efficientdet, efficientnet, suppression
from effdet_lite.anchors import match
from effdet_lite.efficientdet import EfficientDet, Head
from effdet_lite.layers import LayerStyle
from effdet_lite.losses import detection_loss
from effdet_lite.scaling import EfficientDetConfig, EfficientNetConfig
from effdet_lite.scaling import efficientdet as by_formula
from effdet_lite.suppression import postprocess

SMALL = EfficientDetConfig(
    64,
    EfficientNetConfig(0.3, 0.3),
    fusion_channels=16,
    fusion_repeats=1,
    head_repeats=1,
    min_level=2,
    max_level=6,
    anchor_scale=2.0,
)


def make_lively(model):
    return lively_detector(model, torch.rand(8, 3, 64, 128))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return make_lively(EfficientDet(SMALL, 3))


@pytest.fixture
def images():
    return torch.rand(3, 3, 64, 128, generator=torch.Generator().manual_seed(1))


# --- heads ---


@pytest.mark.parametrize("outputs", [1, 4, 7])
def test_heads_answer_in_the_order_of_the_anchors(outputs):
    """Level, row, column, shape; in the checkpoints channel `shape * outputs + output` of the last
    convolution.
    """
    head = efficientdet.Head(8, 1, 2, outputs, LayerStyle()).eval()
    maps = [torch.randn(2, 8, 3, 4), torch.randn(2, 8, 2, 2)]
    seen = []
    head.predict.register_forward_hook(lambda module, arguments, answer: seen.append(answer))
    answers = head(maps)
    assert answers.shape == (2, (3 * 4 + 2 * 2) * 9, outputs)
    row = iter(answers.unbind(1))
    for answer in seen:
        for y in range(answer.shape[2]):
            for x in range(answer.shape[3]):
                for shape in range(9):
                    expected = answer[:, shape * outputs : (shape + 1) * outputs, y, x]
                    assert torch.equal(next(row), expected)


def test_heads_share_convolutions_and_not_norms():
    """effdet, D0: three depthwise and pointwise convolutions, fifteen norms."""
    with torch.device("meta"):
        head = EfficientDet.from_name("d0").class_head
    assert len(head.convs) == 3 and [len(norms) for norms in head.norms] == [5, 5, 5]


def test_a_fresh_model_gives_each_class_one_percent():
    torch.manual_seed(0)
    fresh = EfficientDet(SMALL, 3)
    assert fresh.class_head.predict.pointwise.bias.detach().sigmoid() == pytest.approx(0.01)
    assert not fresh.box_head.predict.pointwise.bias.any()
    assert math.isclose(
        fresh(torch.rand(2, 3, 64, 64))[0].sigmoid().mean().item(), 0.01, rel_tol=0.3
    )


def test_shapes_and_anchors(model, images):
    """64 x 128 pixels at P2-P6: 16 x 32 + 8 x 16 + 4 x 8 + 2 x 4 + 1 x 2 positions of nine
    shapes.
    """
    number = 9 * (16 * 32 + 8 * 16 + 4 * 8 + 2 * 4 + 1 * 2)
    logits, deltas = model(images)
    assert logits.shape == (3, number, 3) and deltas.shape == (3, number, 4)
    assert model.anchors(64, 128).shape == (number, 4)


def test_every_parameter_has_a_gradient():
    torch.manual_seed(0)
    config = dataclasses.replace(SMALL, backbone=EfficientNetConfig(0.3, 0.3, stochastic_depth=0.0))
    model = EfficientDet(config, 2).train()
    logits, deltas = model(torch.rand(2, 3, 64, 64))
    (logits.square().sum() + deltas.square().sum()).backward()
    without = {
        name
        for name, p in model.named_parameters()
        if p.grad is None or not p.grad.isfinite().all()
    }
    assert not without


# --- detection ---


def naive_detections(
    logits, deltas, anchors, size, score_threshold, iou_threshold, max_detections, candidates
):
    """One image and one class after the other, with torchvision's box coder and its nms."""
    results = []
    for image_logits, image_deltas in zip(logits, deltas, strict=True):
        scores = image_logits.sigmoid()
        least = scores.flatten().sort(descending=True).values[:candidates][-1]
        boxes = BoxCoder((1.0, 1.0, 1.0, 1.0)).decode_single(image_deltas, anchors)
        boxes = torchvision.ops.clip_boxes_to_image(boxes, size)
        found = []
        for label in range(scores.shape[1]):
            mine = ((scores[:, label] >= score_threshold) & (scores[:, label] >= least)).nonzero()[
                :, 0
            ]
            kept = mine[torchvision.ops.nms(boxes[mine], scores[mine, label], iou_threshold)]
            found += [(scores[index, label].item(), label, boxes[index]) for index in kept]
        results.append(sorted(found, key=lambda one: -one[0])[:max_detections])
    return results


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"score_threshold": 0.0, "max_detections": 1000},
        {"score_threshold": 0.3, "iou_threshold": 0.2},
        {"iou_threshold": 0.9, "max_detections": 7},
        {"score_threshold": 0.9999},
    ],
)
@pytest.mark.parametrize("candidates", [5000, 300])
def test_detections_equal_a_loop_over_images_and_classes(
    model, images, options, candidates, monkeypatch
):
    monkeypatch.setattr(suppression, "CANDIDATES", candidates)
    options = {"score_threshold": 0.05, "iou_threshold": 0.5, "max_detections": 100} | options
    detections = model.detect(images, **options)
    with torch.no_grad():
        logits, deltas = model.eval()(images)
    expected = naive_detections(
        logits, deltas, model.anchors(64, 128), (64, 128), **options, candidates=candidates
    )
    assert (sum(map(len, expected)) == 0) == (options["score_threshold"] == 0.9999)
    for ours, naive in zip(detections, expected, strict=True):
        torch.testing.assert_close(ours["scores"], torch.tensor([score for score, *_ in naive]))
        for label in range(3):  # each by itself, for two classes may have the same score
            boxes = torch.tensor(
                [box.tolist() for _, other, box in naive if other == label]
            ).reshape(-1, 4)
            torch.testing.assert_close(
                ours["boxes"][ours["labels"] == label], boxes, rtol=1e-4, atol=1e-4
            )


def test_an_image_is_answered_alike_in_any_batch():
    """Boxes of which one overlaps the other by almost exactly the threshold, for many images and
    classes.
    """
    torch.manual_seed(0)
    corner, side = torch.rand(50, 2) * 460, torch.rand(50, 2) * 40 + 10
    boxes = torch.cat([corner, corner + side], 1)
    moved = boxes.clone()
    moved[:, ::2] += (
        side[:, :1] / 3 * (1 + 1e-4 * torch.randn(50, 1))
    )  # a third of the width: an IoU of a half
    logits = torch.full((100, 90), -20.0)
    logits[torch.arange(100), torch.arange(100) % 50 + 40] = torch.randn(100)
    places, nothing = torch.cat([boxes, moved]), torch.zeros(100, 4)
    alone = postprocess(logits[None], nothing[None], places, (512, 512))[0]
    assert 50 < len(alone["boxes"]) < 100
    for together in postprocess(
        logits.expand(16, -1, -1), nothing.expand(16, -1, -1), places, (512, 512)
    ):
        assert torch.equal(together["boxes"], alone["boxes"]) and torch.equal(
            together["labels"], alone["labels"]
        )


def test_boxes_lie_inside_the_image_and_come_best_first(model, images):
    for found in model.detect(images, score_threshold=0):
        boxes, scores = found["boxes"], found["scores"]
        assert (boxes >= 0).all() and (boxes[:, ::2] <= 128).all() and (boxes[:, 1::2] <= 64).all()
        assert (scores.diff() <= 0).all() and len(boxes) == 100


def test_one_class(images):
    found = make_lively(EfficientDet(SMALL, 1)).detect(images, score_threshold=0)
    assert all((one["labels"] == 0).all() and len(one["boxes"]) == 100 for one in found)


@pytest.mark.parametrize("number", [0, 1])
def test_small_batches(model, images, number):
    whole = model.detect(images)
    found = model.detect(images[:number])
    assert len(found) == number
    for one, other in zip(found, whole, strict=False):
        assert torch.equal(one["labels"], other["labels"])
        torch.testing.assert_close(one["boxes"], other["boxes"], rtol=1e-3, atol=1e-3)
    logits, deltas = model(images[:number])
    assert logits.shape[::2] == (number, 3) and deltas.shape[::2] == (number, 4)


@pytest.mark.parametrize("fails", [False, True])
def test_detect_leaves_every_training_flag_as_it_was(model, images, fails):
    """A frozen backbone stays frozen, also when the images are refused."""
    model = copy.deepcopy(model).train()
    model.backbone.eval()
    flags = [module.training for module in model.modules()]
    try:
        model.detect(images[..., :50] if fails else images)
    except ValueError:
        assert fails
    assert [module.training for module in model.modules()] == flags
    model.train()
    in_evaluation = copy.deepcopy(model).eval().detect(images)
    assert torch.equal(model.detect(images)[0]["boxes"], in_evaluation[0]["boxes"])


def test_what_detect_returns_may_be_written_into(model, images):
    """Rescaling boxes in place is what callers do first."""
    found = model.detect(images)[0]
    doubled = found["boxes"] * 2
    found["boxes"] *= 2
    found["labels"] += 1
    assert torch.equal(found["boxes"], doubled) and not found["boxes"].requires_grad


def test_the_same_images_in_another_layout_or_type(model, images, lay_out):
    for ours, expected in zip(model.eval()(lay_out(images)), model(images), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(model, images, dtype):
    expected = model.eval()(images)
    half = copy.deepcopy(model).to(dtype)
    for images_ in (images, images.to(dtype)):
        for ours, reference in zip(half(images_), expected, strict=True):
            assert ours.dtype == dtype and (ours - reference).abs().max() < 0.3 * reference.std()
    found = half.detect(images.to(dtype))[0]
    assert found["boxes"].dtype == found["scores"].dtype == torch.float32 and len(found["boxes"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (model(images)[0] - expected[0]).abs().max() < 0.3 * expected[0].std()


def test_the_same_backbone_is_built_for_classification(model):
    """Features of the detector's backbone are EfficientNet's, in names and shapes, but for head and
    classifier.
    """
    with torch.device("meta"):
        names = set(efficientdet.EfficientNet(SMALL.backbone, 10).state_dict())
    ours = set(model.backbone.state_dict())
    assert ours < names and {name.split(".")[0] for name in names - ours} == {"head", "classifier"}


# --- what is refused ---


@pytest.mark.parametrize(
    ("height", "width", "says"),
    [
        (100, 128, "height must be a multiple of 64 for levels up to P6, got 100: use 64 or 128"),
        (64, 200, "width must be a multiple of 64 for levels up to P6, got 200: use 192 or 256"),
        (32, 64, "height must be a multiple of 64 .* got 32: use 64"),
        (64, 0, "width must be a multiple of 64 .* got 0: use 64"),
    ],
)
def test_sizes_that_do_not_divide(model, height, width, says):
    for attempt in (
        lambda: model(torch.rand(1, 3, height, width)),
        lambda: model.detect(torch.rand(1, 3, height, width)),
        lambda: model.anchors(height, width),
    ):
        with pytest.raises(ValueError, match=says):
            attempt()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (torch.rand(3, 64, 64), r"must be \[N, 3, H, W\], got \[3, 64, 64\]; image\[None\]"),
        (torch.rand(1, 64, 64, 3), r"must be \[N, 3, H, W\]"),
        (torch.rand(1, 1, 64, 64), r"must be \[N, 3, H, W\]"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "floats in 0-1, got torch.uint8; divide"),
        ([torch.rand(3, 64, 64)], "one tensor .* got list"),
        (torch.rand(1, 3, 64, 64).numpy(), "one tensor .* got ndarray"),
    ],
)
def test_what_is_no_batch_of_images(model, wrong, says):
    for attempt in (model, model.detect):
        with pytest.raises(ValueError, match=says):
            attempt(wrong)


def test_images_in_0_to_255_are_refused_and_a_little_above_1_is_not(model, images):
    with pytest.raises(ValueError, match=r"must be in 0-1, got values from .* to 25.*divide 0-255"):
        model.detect(images * 255)
    model.detect(images * 1.2 - 0.1)


@pytest.mark.parametrize("seed", range(5))
def test_images_that_were_normalized_already_are_refused(model, seed):
    """By torchvision, as the model would do it once more; pictures bright and dark."""
    generator = torch.Generator().manual_seed(seed)
    picture = torch.rand(3, 64, 64, generator=generator) ** (1 + seed)
    normalized = v2.functional.normalize(
        picture, efficientnet.IMAGENET_MEAN, efficientnet.IMAGENET_STD
    )
    with pytest.raises(ValueError, match="leave the normalization to the model"):
        model.detect(normalized[None])


def test_images_that_are_not_numbers_are_refused(model):
    with pytest.raises(ValueError, match="got values from nan to nan"):
        model.detect(torch.full((1, 3, 64, 64), torch.nan))


@pytest.mark.parametrize("name", ["D0", "d8", "efficientdet_d0", "b0", "", None])
def test_unknown_names(name):
    with pytest.raises(
        ValueError, match=r"there is no EfficientDet .*choose one of d0, d1, .* d7x"
    ):
        EfficientDet.from_name(name)


@pytest.mark.parametrize("classes", [0, -1, 2.0, True, ("cat", "dog"), None])
def test_impossible_numbers_of_classes(classes):
    with pytest.raises(ValueError, match="num_classes must be a whole number of at least 1"):
        EfficientDet(SMALL, classes)


@pytest.mark.parametrize("config", ["d0", None, SMALL.backbone])
def test_what_is_no_configuration(config):
    with pytest.raises(ValueError, match=r"config must be an EfficientDetConfig, got .*from_name"):
        EfficientDet(config)


@pytest.mark.parametrize("name", ["channels", "repeats", "levels", "outputs"])
def test_heads_that_cannot_be(name):
    sizes = {"channels": 8, "repeats": 1, "levels": 3, "outputs": 4, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, got 0"):
        Head(**sizes, style=LayerStyle())


@pytest.mark.parametrize("side", ["64", 64.0, None, -64])
def test_anchors_of_sizes_that_are_none(model, side):
    for size in ((64, side), (side, 64)):
        with pytest.raises(ValueError, match="must be a whole number of at least 0"):
            model.anchors(*size)


def test_limits_are_refused_before_the_network_runs(model, monkeypatch):
    monkeypatch.setattr(model, "forward", None)
    with pytest.raises(ValueError, match="max_detections must be a whole number"):
        model.detect(torch.rand(1, 3, 64, 64), max_detections=0)


def test_impossible_weighting():
    with pytest.raises(ValueError, match="weighting must be one of fast"):
        EfficientDet(dataclasses.replace(SMALL, weighting="max"))


def test_from_phi_is_the_formula():
    with torch.device("meta"):
        assert EfficientDet.from_phi(-1.5, 4).config == by_formula(-1.5)
    with pytest.raises(ValueError, match="phi must be"):
        EfficientDet.from_phi(9)


# --- what a detector is built and made of ---


@pytest.mark.parametrize("number", [np.int64(3), np.int32(3), np.uint8(3)])
def test_numbers_of_numpy_are_numbers(number):
    with torch.device("meta"):
        model = EfficientDet(dataclasses.replace(SMALL, fusion_repeats=number), number)
    assert type(model.num_classes) is int and len(model.fusion.cells) == 3
    assert json.dumps(model.config.to_dict())


def test_a_model_built_without_memory_and_loaded_later_is_the_same(model, images):
    with torch.device("meta"):
        other = EfficientDet(SMALL, 3)
    other.to_empty(device="cpu")
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        for ours, theirs in zip(other.eval()(images), model.eval()(images), strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("side", [512, 1536])
def test_which_boxes_stay_does_not_depend_on_the_number_of_their_class(side):
    """torchvision's nms is the oracle; many overlap by almost exactly the threshold."""
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(300, 2, generator=generator) * (side - 60)
    sides = torch.rand(300, 2, generator=generator) * 40 + 10
    boxes = torch.cat([corner, corner + sides], 1)
    moved = boxes.clone()
    # A third of the width: an IoU of a half.
    moved[:, ::2] += sides[:, :1] / 3 * (1 + 1e-7 * torch.randn(300, 1, generator=generator))
    boxes = torch.cat([boxes, moved])
    scores = torch.rand(600, generator=generator).sort(descending=True).values
    expected = torchvision.ops.nms(boxes, scores, 0.5)
    for label in (0, 1, 45, 89):
        labels = torch.full((600,), label)
        kept = suppression.nms_by_class(boxes, scores, labels, 0.5)
        assert torch.equal(kept, expected)
    labels = torch.randint(90, (600,), generator=generator)
    kept = suppression.nms_by_class(boxes, scores, labels, 0.5)
    for label in range(90):
        mine = (labels == label).nonzero()[:, 0]
        alone = mine[torchvision.ops.nms(boxes[mine], scores[mine], 0.5)]
        assert set(alone.tolist()) == {index for index in kept.tolist() if labels[index] == label}
    assert (kept.diff() > 0).all()


def test_the_loss_is_that_of_its_parts(model, images):
    """`detection_loss` on what `match`, the plain one, assigns."""
    targets = [
        {"boxes": torch.tensor([[4.0, 4, 40, 40]]), "labels": torch.tensor([2])},
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long)},
        {"boxes": torch.tensor([[60.0, 8, 100, 60], [0, 0, 9, 9]]), "labels": torch.tensor([0, 1])},
    ]
    outputs = model.eval()(images)
    boxes, labels = [one["boxes"] for one in targets], [one["labels"] for one in targets]
    matches = match(model.anchors(64, 128), boxes, labels)
    expected = detection_loss(*outputs, matches, alpha=0.5)
    for ours, theirs in zip(
        model.loss(outputs, targets, (64, 128), alpha=0.5), expected, strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    # Two processes with the same batch: the count is doubled, and each has half of the loss.
    halved = model.loss(outputs, targets, (64, 128), alpha=0.5, reduce=lambda count: 2 * count + 1)
    torch.testing.assert_close(halved.box_loss, expected.box_loss / 2)


def test_detect_is_decode_of_what_the_model_answers(model, images):
    with torch.no_grad():
        outputs = model.eval()(images)
    for ours, found in zip(
        model.detect(images, 0.2, 0.4, 9),
        model.decode(outputs, (64, 128), 0.2, 0.4, 9),
        strict=True,
    ):
        torch.testing.assert_close(ours, found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("max_detections", value) for value in (-1, 0, 2.5, "7", True, math.nan)],
        *[("iou_threshold", value) for value in (-1, 7, math.nan, "a", None)],
        *[("score_threshold", value) for value in (-0.1, 1.1, math.inf, math.nan, "a")],
    ],
)
def test_a_limit_that_cannot_be_meant_is_refused_in_a_sentence(name, value):
    """A negative number of detections would cut from the end."""
    found = suppression.Candidates(torch.rand(1, 3, 4), torch.rand(1, 3), torch.zeros(1, 3).long())
    limits = {"score_threshold": 0.05, "iou_threshold": 0.5, "max_detections": 100}
    with pytest.raises(ValueError, match=rf"^{name} must be a .*, got .*\.$"):
        suppression.suppress(found, **limits | {name: value})


def test_limits_may_come_from_numpy_and_lie_on_the_border():
    found = suppression.Candidates(torch.rand(1, 3, 4), torch.rand(1, 3), torch.zeros(1, 3).long())
    (kept,) = suppression.suppress(found, np.float32(0), 1, np.int64(1))
    assert len(kept["scores"]) == 1
