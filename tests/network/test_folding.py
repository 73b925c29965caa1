"""A folded network answers as it did before it was folded: the oracle is the network itself."""

import copy
import dataclasses

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import lively, lively_detector
from torch import nn

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.efficientnet import EfficientNet
from effdet_lite.folding import fold, folded
from effdet_lite.fusion import FusionNetwork, panet
from effdet_lite.graphs import WEIGHTINGS
from effdet_lite.layers import ConvNorm, LayerStyle
from effdet_lite.scaling import EfficientDetConfig, EfficientNetConfig

SMALL = EfficientDetConfig(
    64,
    EfficientNetConfig(0.3, 0.3),
    fusion_channels=16,
    fusion_repeats=2,
    head_repeats=2,
    min_level=2,
    max_level=6,
    anchor_scale=2.0,
)


def has_norms(module):
    return any(isinstance(child, nn.BatchNorm2d) for child in module.modules())


@pytest.mark.parametrize("padding", ["same", "symmetric"])
@pytest.mark.parametrize(
    ("kernel", "stride", "groups"), [(1, 1, 1), (3, 1, 6), (3, 2, 1), (5, 2, 6), (5, 1, 2)]
)
def test_a_convolution(padding, kernel, stride, groups):
    module = lively(
        ConvNorm(6, 12, kernel, stride, groups, activation=True, style=LayerStyle(padding))
    )
    fast = copy.deepcopy(module)
    fold(fast)
    fold(fast)  # a second time changes nothing
    assert not has_norms(fast)
    x = torch.randn(2, 6, 8, 14)
    torch.testing.assert_close(fast(x), module(x))


@pytest.mark.parametrize("size", [(9, 8), (8, 9), (15, 15)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_folded_padding_refuses_odd_sizes(size, kernel):
    """There it would answer for other places, or fewer of them."""
    module = lively(ConvNorm(3, 4, kernel, 2))
    fold(module)
    with pytest.raises(ValueError, match="folded network takes even sizes"):
        module(torch.randn(1, 3, *size))


@given(st.integers(2, 40), st.integers(2, 40))
@settings(deadline=None, max_examples=25)
def test_folded_symmetric_padding_takes_any_size(height, width):
    assume(height % 2 or width % 2)
    module = lively(ConvNorm(2, 2, 5, 2, style=LayerStyle("symmetric")))
    x = torch.randn(1, 2, height, width)
    expected = module(x)
    fold(module)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_a_feature_network(weighting):
    """With nodes of one input, PANet's coarsest, which leave the caller's maps as they were."""
    torch.manual_seed(0)
    network = FusionNetwork(panet((3, 4, 5)), (4, 6), 8, 2, weighting)
    for name, parameter in network.named_parameters():
        if name.endswith(".weights"):
            parameter.data.uniform_(-0.3, 1.5)
    lively(network)
    maps = [torch.randn(2, 4, 8, 8), torch.randn(2, 6, 4, 4)]
    copies = [x.clone() for x in maps]
    with torch.no_grad():
        expected = network(maps)
        fold(network)
        torch.testing.assert_close(network(maps), expected, rtol=1e-4, atol=1e-5)
    assert not has_norms(network)
    assert all(torch.equal(x, y) for x, y in zip(maps, copies, strict=True))


def test_a_classifier():
    torch.manual_seed(0)
    model = lively(EfficientNet(EfficientNetConfig(0.4, 0.4), num_classes=7))
    fast = copy.deepcopy(model)
    fold(fast)
    images = torch.rand(2, 3, 128, 96)
    with torch.no_grad():
        torch.testing.assert_close(fast(images), model(images), rtol=1e-4, atol=1e-5)
        with pytest.raises(ValueError, match="multiple of 32"):
            fast(torch.rand(1, 3, 240, 240))  # the size of B1: its fifth halving begins at 15


@pytest.mark.parametrize("fused_stages", [0, 3])
@pytest.mark.parametrize("weighting", ["fast", "sum"])
def test_a_detector(weighting, fused_stages):
    torch.manual_seed(0)
    backbone = dataclasses.replace(SMALL.backbone, fused_stages=fused_stages)
    config = dataclasses.replace(SMALL, weighting=weighting, backbone=backbone)
    model = lively_detector(EfficientDet(config, 3), torch.rand(8, 3, 64, 128)).train()
    fast = folded(model)
    assert model.training and not fast.training and not has_norms(fast)
    images = torch.rand(2, 3, 128, 64)
    with torch.no_grad():
        for ours, expected in zip(folded(fast)(images), model.eval()(images), strict=True):
            assert (ours - expected).abs().max() < 1e-5 * expected.abs().max()


def test_only_what_is_folded_overwrites_its_maps():
    """Who looks at a network's maps sees them whole: SiLU's least value is -0.28, a norm's not."""
    torch.manual_seed(0)
    model = lively_detector(EfficientDet(SMALL, 3), torch.rand(8, 3, 64, 128)).eval()
    seen = []
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        model(torch.rand(1, 3, 64, 64))
        without_gradients = [x.min() for x in seen]
    seen.clear()
    model(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    assert len(without_gradients) == len(seen)
    assert min(without_gradients) < -1 and sum(low < -0.3 for low in without_gradients) > 10
