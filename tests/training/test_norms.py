"""Fused stages cost what torch counts, blocks begin as the identity, and settled norms have the
data's statistics.
"""

from dataclasses import replace

import pytest
import torch
from oracles import macs, parameters
from torch import nn

from effdet_lite import scaling
from effdet_lite.efficientdet import EfficientDet, cost_by_part
from effdet_lite.layers import FusedMBConv
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


def test_settled_norms_have_the_statistics_of_the_images():
    """The oracle is the mean and variance of the images themselves, before the model's first
    norm.
    """
    images = [torch.rand(3, 16, 16) * (1 + index) for index in range(8)]
    model = nn.Sequential(nn.BatchNorm2d(3, momentum=0.01))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    result = recalibrate_norms(model, [(image, {}) for image in images], images=8, batch_size=8)
    everything = torch.stack(images)
    torch.testing.assert_close(result[0].running_mean, everything.mean((0, 2, 3)))
    torch.testing.assert_close(result[0].running_var, everything.var((0, 2, 3)))
    assert result[0].momentum == 0.01 and not result.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


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
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        model(torch.rand(1, 3, 64, 64))
    slow = (True, 5)
    assert kinds.pop(slow) == {torch.float32}
    assert set(kinds) == {(False, 1), (False, 3), (True, 3)}
    assert set.union(*kinds.values()) == {torch.bfloat16}
