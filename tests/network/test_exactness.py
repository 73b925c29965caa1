"""The small package is the real network: it is compared with effdet, timm's backbones in it, and
torchvision.

A fresh network in evaluation mode answers almost nothing (its features fade away, logits differ by
1e-5), so that wrong models would agree as well. Here norms, their statistics and fusion weights are
random and at a sensible scale first.
"""

import pytest
import torch
import torchvision
from effdet import EfficientDet as ReferenceDetector
from effdet import get_efficientdet_config
from effdet.anchors import Anchors, decode_box_outputs
from torch import nn
from torch.nn import functional as F

from effdet_lite import fusion
from effdet_lite.anchors import decode
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.efficientnet import IMAGENET_MEAN, IMAGENET_STD, EfficientNet
from effdet_lite.layers import Conv2d
from effdet_lite.pretrained import load_effdet, load_torchvision
from effdet_lite.scaling import EFFICIENTDETS, EFFICIENTNETS

TOLERANCE = 1e-4


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def reference_detector(name, size=None):
    config = get_efficientdet_config(f"tf_efficientdet_{name}")
    config.image_size = size or config.image_size
    return ReferenceDetector(config, pretrained_backbone=False), config


def normalise(images):
    return torchvision.transforms.functional.normalize(images, IMAGENET_MEAN, IMAGENET_STD)


def make_lively(model, images, last_layer):
    """Random norms and fusion weights, statistics near those of these images, and logits whose
    deviation is 1.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("edge_weights"):
                parameter.uniform_(0.2, 1.5)
                if ".cell.1." in name and len(parameter) == 3:
                    parameter[1] = -0.2  # which the ReLU takes out
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0, 0.3)
            norm.momentum = 1.0  # the statistics of this one batch
        model.train()(normalise(images))
        for norm in norms:
            norm.running_mean += 0.1 * torch.randn_like(norm.running_mean)
            norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.8, 1.25)
            norm.running_var += 0.1  # two values in a batch may happen to be equal
        answer = model.eval()(normalise(images))
        logits = (
            answer
            if isinstance(answer, torch.Tensor)
            else torch.cat([level.flatten() for level in answer[0]])
        )
        last_layer.weight /= logits.std()


# --- the same number of parameters, and a place for every tensor ---


@pytest.mark.parametrize("name", EFFICIENTDETS)
def test_every_detector_has_effdets_tensors_and_no_other_parameter(name):
    with torch.device("meta"):
        reference, ours = reference_detector(name)[0], EfficientDet.from_name(name)
    assert parameters(ours) == parameters(reference)
    load_effdet(ours, reference.state_dict())


@pytest.mark.parametrize("name", EFFICIENTNETS)
def test_every_classifier_has_torchvisions_tensors_and_no_other_parameter(name):
    with torch.device("meta"):
        reference, ours = (
            torchvision.models.get_model(f"efficientnet_{name}"),
            EfficientNet.from_name(name),
        )
    assert parameters(ours) == parameters(reference)
    load_torchvision(ours, reference.state_dict())


def test_the_published_sizes():
    """The two figures that everybody knows, so that the oracles above are checked too."""
    with torch.device("meta"):
        assert parameters(EfficientDet.from_name("d0")) == 3_880_067
        assert parameters(EfficientNet.from_name("b0")) == 5_288_548


# --- the same answers ---


def lively_pair(name, size):
    """effdet's network, ours with its weights, effdet's anchors, and an image."""
    torch.manual_seed(0)
    reference, config = reference_detector(name, size)
    images = torch.rand(
        2, 3, *size
    )  # two, as a norm in training needs two values per channel, also on a 1 x 1 level
    make_lively(reference, images, reference.class_net.predict.conv_pw)
    ours = EfficientDet.from_name(name).eval()
    load_effdet(ours, reference.state_dict())
    return reference, ours, Anchors.from_config(config).boxes, images[:1]


@torch.no_grad()
def answers(reference, ours, anchors, images):
    """For each level: effdet's logits and boxes, and ours. Boxes are xyxy in pixels."""
    classes, deltas = (
        [level.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, outputs))[0] for level in maps]
        for maps, outputs in zip(reference(normalise(images)), (90, 4), strict=True)
    )
    sizes = [len(level) for level in classes]
    our_classes, our_deltas = ours(images)
    our_boxes = decode(our_deltas, ours.anchors(*images.shape[-2:]))
    for level, (logits, offsets, places) in enumerate(
        zip(classes, deltas, anchors.split(sizes), strict=True)
    ):
        boxes = decode_box_outputs(offsets, places, output_xyxy=True)
        yield logits, boxes, our_classes[0].split(sizes)[level], our_boxes[0].split(sizes)[level]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param("d0", (512, 512), id="D0"),
        pytest.param("d0", (640, 384), id="not square"),
        pytest.param("d6", (128, 256), id="plain sum"),
        pytest.param("d7x", (256, 256), id="with P8", marks=pytest.mark.slow),
    ],
)
def test_logits_and_boxes_equal_effdets_at_every_level(name, size):
    reference, ours, anchors, images = lively_pair(name, size)
    levels = list(answers(reference, ours, anchors, images))
    assert len(levels) == (6 if name == "d7x" else 5)
    for level, (logits, boxes, our_logits, our_boxes) in enumerate(levels, start=3):
        where = f"P{level}"
        assert 0.1 < logits.std() < 3, where
        side = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2).clamp(min=1)
        assert (our_logits - logits).abs().max() < TOLERANCE, where
        assert ((our_boxes - boxes) / side).abs().max() < TOLERANCE, (
            where
        )  # some sides are 2,000 pixels


@pytest.mark.slow
@pytest.mark.parametrize("size", [(512, 512), (640, 384)])
def test_without_rounding_boxes_agree_to_a_ten_thousandth_of_a_pixel(size):
    """In double precision; in single precision 1e-6 of a box 2,000 pixels wide is more than that
    already.
    """
    reference, ours, anchors, images = lively_pair("d0", size)
    for logits, boxes, our_logits, our_boxes in answers(
        reference.double(), ours.double(), anchors, images.double()
    ):
        assert (our_logits - logits).abs().max() < 1e-6
        assert (our_boxes - boxes).abs().max() < TOLERANCE


@pytest.mark.parametrize(("name", "side"), [("b0", 224), ("b3", 224), ("b5", 96)])
def test_logits_equal_torchvisions(name, side):
    """B5 stands for B5-B7, whose norm epsilon is another one. The tolerance is in standard
    deviations of the logits.
    """
    torch.manual_seed(0)
    reference = torchvision.models.get_model(f"efficientnet_{name}")
    images = torch.rand(2, 3, side, side - 31)
    make_lively(reference, images, reference.classifier[1])
    ours = EfficientNet.from_name(name).eval()
    load_torchvision(ours, reference.state_dict())
    with torch.no_grad():
        logits, our_logits = reference(normalise(images)), ours(images)
    assert 0.1 < logits.std() < 3
    assert (our_logits - logits).abs().max() < 1e-5 * logits.std()


# --- and the comparison would notice ---


def post_activation(ours, monkeypatch):
    def forward(node, inputs, size):
        projected = [project(x) for project, x in zip(node.project, inputs, strict=True)]
        return F.silu(node.norm(node.conv(node.fuse(projected, size))))

    monkeypatch.setattr(fusion.FusionNode, "forward", forward)


def symmetric_padding(ours, monkeypatch):
    for module in ours.backbone.modules():
        if isinstance(module, Conv2d):
            module.pads_itself, module.padding = True, (module.kernel_size[0] // 2,) * 2


def shared_laterals(ours, monkeypatch):
    cell = ours.fusion.cells[0]
    for level in (4, 5):
        cell[f"P{level}_out"].project[0] = cell[f"P{level}_td"].project[0]


def one_norm_for_all_levels(ours, monkeypatch):
    for head in (ours.class_head, ours.box_head):
        for norms in head.norms:
            for level in range(len(norms)):
                norms[level] = norms[0]


def zero_padded_pool(ours, monkeypatch):
    monkeypatch.setattr(fusion, "max_pool", lambda x: F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2))


@pytest.fixture(scope="module")
def small_pair():
    return lively_pair("d0", (256, 256))


MISTAKES = [
    None,
    post_activation,
    symmetric_padding,
    shared_laterals,
    one_norm_for_all_levels,
    zero_padded_pool,
]


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=lambda mistake: getattr(mistake, "__name__", "none")
)
def test_each_mistake_breaks_it_by_far(mistake, small_pair, monkeypatch):
    reference, _, anchors, images = small_pair
    ours = EfficientDet.from_name("d0").eval()
    load_effdet(ours, reference.state_dict())
    if mistake:
        mistake(ours, monkeypatch)
    worst_logit, worst_box = 0.0, 0.0
    for logits, boxes, our_logits, our_boxes in answers(reference, ours, anchors, images):
        worst_logit = max(worst_logit, (our_logits - logits).abs().max().item())
        side = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2).clamp(min=1)
        worst_box = max(worst_box, ((our_boxes - boxes) / side).abs().max().item())
    print(f"largest difference: logit {worst_logit:.1e}, box {worst_box:.1e} of its side")
    if mistake:
        assert worst_logit > 1000 * TOLERANCE and worst_box > 100 * TOLERANCE
    else:
        assert worst_logit < TOLERANCE and worst_box < TOLERANCE
