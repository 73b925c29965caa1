"""Fused stages cost what torch counts, blocks begin as the identity, and recalibrated norms
have the data's statistics.
"""

from dataclasses import replace

import pytest
import torch
from oracles import macs, parameters
from torch import nn

from effdet_lite import scaling
from effdet_lite.efficientdet import EfficientDet, cost_by_part
from effdet_lite.layers import FusedMBConv
from effdet_lite.modes import half_precision
from effdet_lite.norms import recalibrate_norms
from effdet_lite.starting import zero_init_residual


@pytest.mark.parametrize("stages", [0, 1, 2, 4, 6])
def test_cost_of_fused_stages_is_torchs_count(stages):
    config = scaling.efficientdet(-3)
    config = replace(config, backbone=replace(config.backbone, fused_stages=stages))
    with torch.device("meta"):
        model = EfficientDet(config, num_classes=4).eval()
        images = torch.empty(1, 3, 128, 128)
    total = sum(cost_by_part(config, num_classes=4).values())
    assert total.macs == macs(model, images)
    assert total.params == parameters(model)
    assert sum(isinstance(module, FusedMBConv) for module in model.modules()) == sum(
        [0, 2, 2, 2, 2, 3, 1][: stages + 1]
    )


def test_blocks_with_a_skip_begin_as_the_identity():
    model = EfficientDet.from_phi(-3, num_classes=2)
    zero_init_residual(model)
    blocks = [block for stage in model.backbone.stages for block in stage if block.has_skip]
    assert blocks
    for block in blocks:
        x = torch.rand(2, block.project.conv.out_channels, 8, 8)
        assert torch.equal(block(x), x)


def dark(number: int, seed: int = 0) -> list[tuple[torch.Tensor, dict]]:
    """Pictures of noise that get brighter with their number."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.rand(3, 16, 16, generator=generator) * (1 + index) / number, {})
        for index in range(number)
    ]


@pytest.mark.parametrize(
    ("number", "batch_size"), [(8, 8), (65, 64), (129, 64), (130, 128), (7, 2), (3, 2), (5, 1)]
)
def test_recalibrated_norms_have_the_statistics_of_the_images(number, batch_size):
    """The oracle is the mean and variance of the images themselves, before the model's first
    norm; a last image alone weighs as much as any other.
    """
    images = [*dark(number - 1), (torch.full((3, 16, 16), 9.0), {})]
    model = nn.Sequential(nn.BatchNorm2d(3, momentum=0.01))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    result = recalibrate_norms(model, images, images=number, batch_size=batch_size)
    everything = torch.stack([image for image, _ in images])
    torch.testing.assert_close(result[0].running_mean, everything.mean((0, 2, 3)))
    torch.testing.assert_close(result[0].running_var, everything.var((0, 2, 3)))
    assert result[0].momentum == 0.01 and not result.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_the_images_are_drawn_from_the_whole_set():
    """Of a set in order of brightness, 64 images have about the brightness of all."""
    images = dark(400)
    everything = torch.stack([image for image, _ in images])
    found = recalibrate_norms(nn.Sequential(nn.BatchNorm2d(3)), images, images=64)[0]
    torch.testing.assert_close(found.running_mean, everything.mean((0, 2, 3)), rtol=0.15, atol=0)
    torch.testing.assert_close(found.running_var, everything.var((0, 2, 3)), rtol=0.3, atol=0)


@pytest.mark.parametrize("number", [1, 2, 65])
def test_a_coarsest_map_of_one_position_does_no_harm(number):
    """There, a batch of one picture would be one value a channel."""
    torch.manual_seed(0)
    model = EfficientDet.from_phi(-3, num_classes=2)
    images = [(torch.rand(3, 64, 64), {}) for _ in range(number)]
    state = recalibrate_norms(model, images).state_dict()
    assert all(tensor.isfinite().all() for tensor in state.values())


def test_a_transform_that_draws_leaves_the_callers_numbers(one_thread):
    class Noisy(list):
        def __getitem__(self, index):
            return super().__getitem__(index)[0] + torch.rand(3, 16, 16), {}

    torch.manual_seed(0)
    before = torch.get_rng_state()
    model = nn.Sequential(nn.BatchNorm2d(3))
    first, again = (recalibrate_norms(model, Noisy(dark(9))).state_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_5x5_depthwise_convolutions_alone_stay_in_float32_under_bf16_on_a_cpu():
    model = EfficientDet.from_phi(-3, num_classes=2).eval()
    kinds = {}
    for module in model.backbone.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda module, _, out: kinds.setdefault(
                    (module.groups > 1, module.kernel_size[0]), set()
                ).add(out.dtype)
            )
    with torch.no_grad(), half_precision("cpu"):
        model(torch.rand(1, 3, 64, 64))
    slow = (True, 5)
    assert kinds.pop(slow) == {torch.float32}
    assert set(kinds) == {(False, 1), (False, 3), (True, 3)}
    assert set.union(*kinds.values()) == {torch.bfloat16}
