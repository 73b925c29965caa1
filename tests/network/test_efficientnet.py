"""The backbone against counts of timm's and torchvision's, and its costs against
`torch.utils.flop_counter`.
"""

import copy

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from effdet_lite import cost
from effdet_lite.cost import Cost
from effdet_lite.costs import cost_by_stage
from effdet_lite.efficientnet import (
    B0_STAGES,
    IMAGENET_MEAN,
    IMAGENET_STD,
    LEVEL_STAGES,
    EfficientNet,
    level_channels,
    scaled_stages,
)
from effdet_lite.scaling import EFFICIENTNETS, EfficientNetConfig

# Counted on timm's tf_efficientnet_b0 ... b7: channels of the seven stages, their blocks, and the
# width of the head.
STAGES = {
    "b0": ([16, 24, 40, 80, 112, 192, 320], [1, 2, 2, 3, 3, 4, 1], 1280),
    "b1": ([16, 24, 40, 80, 112, 192, 320], [2, 3, 3, 4, 4, 5, 2], 1280),
    "b2": ([16, 24, 48, 88, 120, 208, 352], [2, 3, 3, 4, 4, 5, 2], 1408),
    "b3": ([24, 32, 48, 96, 136, 232, 384], [2, 3, 3, 5, 5, 6, 2], 1536),
    "b4": ([24, 32, 56, 112, 160, 272, 448], [2, 4, 4, 6, 6, 8, 2], 1792),
    "b5": ([24, 40, 64, 128, 176, 304, 512], [3, 5, 5, 7, 7, 9, 3], 2048),
    "b6": ([32, 40, 72, 144, 200, 344, 576], [3, 6, 6, 8, 8, 11, 3], 2304),
    "b7": ([32, 48, 80, 160, 224, 384, 640], [4, 7, 7, 10, 10, 13, 4], 2560),
}
# Parameters and MACs at the network's own resolution: all of it, and without head and classifier.
# Same source.
COSTS = {
    "b0": ((5288548, 385814752), (3595388, 364464352)),
    "b1": ((7794184, 686802832), (6101024, 659308432)),
    "b2": ((9109994, 993561872), (7202562, 952008976)),
    "b3": ((12233232, 1827141392), (10103336, 1766622992)),
    "b4": ((19341616, 4393771024), (16742216, 4276373520)),
    "b5": ((30389784, 10266384752), (27288112, 10028407152)),
    "b6": ((43040704, 19067593536), (39403992, 18681756480)),
    "b7": ((66347960, 37745884192), (62143440, 37151861792)),
}


@pytest.fixture(scope="module")
def b0():
    """B0 with seven classes, in evaluation mode, with norms that let something through."""
    torch.manual_seed(0)
    model = EfficientNet.from_name("b0", num_classes=7)
    with torch.no_grad():
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.momentum = 1.0
        model.train()(torch.rand(4, 3, 96, 96))
    return model.eval()


# --- the table ---


@pytest.mark.parametrize("name", STAGES)
def test_stages_of_b0_to_b7(name):
    channels, blocks, head = STAGES[name]
    with torch.device("meta"):
        model = EfficientNet.from_name(name)
    table = scaled_stages(EFFICIENTNETS[name].width, EFFICIENTNETS[name].depth)
    assert [stage.channels for stage in table] == channels
    assert [len(stage) for stage in model.stages] == [stage.blocks for stage in table] == blocks
    assert model.classifier[1].in_features == head
    assert model.level_channels == tuple(channels[stage] for stage in (0, 1, 2, 4, 6))
    assert model.level_channels == level_channels(EFFICIENTNETS[name].width)


def test_b0_is_the_papers_table_1():
    """Operator, kernel and input resolution of each row at 224 pixels, the resolution being that of
    the input.
    """
    rows, resolution = [], 112
    for stage in B0_STAGES:
        rows.append((stage.expand_ratio, stage.kernel, resolution))
        resolution //= stage.stride
    assert rows == [
        (1, 3, 112),
        (6, 3, 112),
        (6, 5, 56),
        (6, 3, 28),
        (6, 5, 14),
        (6, 5, 14),
        (6, 3, 7),
    ]


# --- costs ---


def flops_by_stage(model, height, width):
    """MACs of stem, each stage and the rest, by torch's instrument."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(1, 3, height, width, device="meta"))
    by_module = {
        name: sum(counts.values()) // 2 for name, counts in counter.get_flop_counts().items()
    }

    def part(prefix):
        return sum(
            flops
            for name, flops in by_module.items()
            if name.rpartition(".")[0] == f"EfficientNet.{prefix}"
        )

    stages = [part(f"stages.{index}") for index in range(7)]
    return [
        by_module["EfficientNet.stem"],
        *stages,
        by_module["EfficientNet"] - by_module["EfficientNet.stem"] - sum(stages),
    ]


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (EfficientNetConfig(), (224, 224)),
        (EfficientNetConfig(), (97, 181)),
        (EfficientNetConfig(), (1, 33)),
        (EfficientNetConfig(0.6, 0.5), (127, 64)),
        (EfficientNetConfig(1.37, 1.73, padding="symmetric"), (250, 131)),
    ],
)
def test_cost_by_stage_equals_flop_counter(config, size, monkeypatch):
    monkeypatch.setattr(
        nn.BatchNorm2d, "forward", lambda self, x: x
    )  # slow on the meta device, and without MACs
    with torch.device("meta"):
        model = EfficientNet(config, num_classes=10)
    costs = cost_by_stage(config.width, config.depth, size, num_classes=10)
    assert [part.macs for part in costs] == flops_by_stage(model, *size)
    assert sum(costs) == cost.count(model, 1, 3, *size)
    parts = [model.stem, *model.stages, nn.ModuleList([model.head, model.classifier])]
    assert [part.params for part in costs] == [
        sum(p.numel() for p in part.parameters()) for part in parts
    ]


@pytest.mark.parametrize("name", COSTS)
def test_cost_by_stage_of_b0_to_b7(name):
    config = EFFICIENTNETS[name]
    whole, backbone = (Cost(*figures) for figures in COSTS[name])
    assert sum(cost_by_stage(config.width, config.depth, config.resolution)) == whole
    assert (
        sum(cost_by_stage(config.width, config.depth, config.resolution, num_classes=None))
        == backbone
    )


@pytest.mark.parametrize(
    ("factor", "growth"), [((2, 1, 224), 3.758), ((1, 2, 224), 2.028), ((1, 1, 448), 3.985)]
)
def test_one_dimension_alone(factor, growth):
    """Twice the width, depth or resolution of B0; measured on timm's by FlopCounterMode."""
    base = sum(cost_by_stage(1, 1, 224)).macs
    assert sum(cost_by_stage(*factor)).macs / base == pytest.approx(growth, abs=6e-4)


# --- the module ---


@pytest.mark.parametrize("size", [(64, 64), (97, 65), (33, 160)])
def test_features_halve_and_round_up(b0, size):
    with torch.no_grad():
        maps = b0.features(torch.rand(2, 3, *size))
    sizes = [tuple(-(-side // 2**level) for side in size) for level in range(1, 6)]
    expected = [
        (2, channels, *size) for channels, size in zip((16, 24, 40, 112, 320), sizes, strict=True)
    ]
    assert [tuple(x.shape) for x in maps] == expected


def test_images_are_normalized_inside(b0):
    """The stem sees what torchvision's normalization makes of the images."""
    images, seen = torch.rand(2, 3, 32, 32), []
    hook = b0.stem.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    b0.features(images)
    hook.remove()
    torch.testing.assert_close(
        seen[0], torchvision.transforms.functional.normalize(images, IMAGENET_MEAN, IMAGENET_STD)
    )


def test_stochastic_depth_is_torchvisions():
    def rates(model):
        return [m.p for m in model.modules() if isinstance(m, torchvision.ops.StochasticDepth)]

    with torch.device("meta"):
        ours, reference = EfficientNet.from_name("b2"), torchvision.models.efficientnet_b2()
    assert rates(ours) == pytest.approx(rates(reference)) and max(rates(ours)) > 0.15


def test_a_fresh_convolution_keeps_the_variance_backwards():
    """He's rule over the fan-out, which for a depthwise convolution is that of one channel
    (TensorFlow's code).
    """
    torch.manual_seed(0)
    block = EfficientNet.from_name("b0").stages[5][1]
    for conv, fan_out in (
        (block.expand.conv, 1152),
        (block.depthwise.conv, 25),
        (block.project.conv, 192),
    ):
        assert conv.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.02)
    assert (block.squeeze_excite.expand.bias == 0).all()


def test_the_same_images_in_another_layout_or_type(b0, lay_out):
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(b0(lay_out(images)), b0(images))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(b0, dtype):
    """Half a model takes whole images, and a whole model half images."""
    images, model = torch.rand(1, 3, 64, 64), copy.deepcopy(b0).to(dtype)
    with torch.no_grad():
        expected = b0(images)
        assert model(images).dtype == model(images.to(dtype)).dtype == dtype
        assert (model(images) - expected).abs().max() < 0.15 * expected.std()
        assert (b0(images.to(dtype)) - expected).abs().max() < 0.15 * expected.std()


def test_every_parameter_has_a_gradient():
    model = EfficientNet(EfficientNetConfig(0.5, 0.5, stochastic_depth=0.0), num_classes=3)
    model(torch.rand(2, 3, 64, 64)).square().sum().backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters()
    )


# --- what is refused ---


def test_without_classifier_only_features():
    model = EfficientNet.from_name("b0", num_classes=None)
    assert model.head is model.classifier is None
    with pytest.raises(ValueError, match="without a classifier"):
        model(torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize("name", ["B0", "b8", "", "efficientnet_b0", None])
def test_unknown_names(name):
    with pytest.raises(ValueError, match=r"there is no EfficientNet .*choose one of b0, b1"):
        EfficientNet.from_name(name)


@pytest.mark.parametrize("config", ["b0", None, 1.0])
def test_what_is_no_configuration(config):
    with pytest.raises(ValueError, match=r"config must be an EfficientNetConfig, got .*from_name"):
        EfficientNet(config)


@pytest.mark.parametrize("factor", [0, -1, float("nan"), "1", None])
def test_tables_that_cannot_be(factor):
    for call in (lambda x: scaled_stages(x, 1), lambda x: scaled_stages(1, x), level_channels):
        with pytest.raises(ValueError, match=r"(width|depth) must be a positive number"):
            call(factor)
    with pytest.raises(ValueError, match="fused_stages must be a whole number from 0 to 6"):
        scaled_stages(1, 1, 7)


def test_p1_to_p5_leave_the_last_stage_of_each_resolution():
    strides = [stage.stride for stage in B0_STAGES]
    last = [n for n in range(len(strides)) if strides[n + 1 : n + 2] in ([2], [])]
    assert list(LEVEL_STAGES) == last


@pytest.mark.parametrize("classes", [0, -1])
def test_impossible_numbers_of_classes(classes):
    with pytest.raises(ValueError, match="num_classes must be a whole number of at least 1"):
        EfficientNet.from_name("b0", num_classes=classes)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (torch.rand(3, 64, 64), r"must be \[N, 3, H, W\], got \[3, 64, 64\]; image\[None\]"),
        (torch.rand(1, 64, 64, 3), r"must be \[N, 3, H, W\]"),
        (torch.rand(1, 1, 64, 64), r"must be \[N, 3, H, W\]"),
        (torch.rand(1, 4, 64, 64), r"must be \[N, 3, H, W\]"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "floats in 0-1, got torch.uint8; divide"),
        ([torch.rand(3, 64, 64)], "one tensor .* got list"),
        (torch.rand(1, 3, 64, 64).numpy(), "one tensor .* got ndarray"),
    ],
)
def test_what_is_no_batch_of_images(b0, images, says):
    with pytest.raises(ValueError, match=says):
        b0(images)
