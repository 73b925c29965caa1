"""Layers against timm (which ported TensorFlow's padding), torchvision, and convolutions written
out.
"""

import math

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import lively
from timm.layers import Conv2dSame
from timm.layers.pool2d_same import MaxPool2dSame
from torch import nn
from torch.nn import functional as F

from effdet_lite import layers
from effdet_lite.layers import Conv2d, FusedMBConv, LayerStyle, MBConv, SeparableConv, SqueezeExcite

# --- padding ---


@settings(deadline=None)
@given(st.integers(1, 200), st.sampled_from([1, 2, 3, 5, 7]), st.integers(1, 4))
def test_same_padding_is_the_least_that_gives_each_stride_an_output(size, kernel, stride):
    """TensorFlow: ceil(size / stride) outputs with as little padding as possible, the odd pixel
    after.
    """
    before, after = layers.same_padding(size, kernel, stride)
    wanted = len(range(0, size, stride))

    def outputs(padding):
        return len(range(0, size + padding - kernel + 1, stride))

    assert outputs(before + after) == wanted
    assert before + after == 0 or outputs(before + after - 1) < wanted
    assert after - before in (0, 1)


@settings(deadline=None)
@given(
    st.integers(1, 19),
    st.integers(1, 19),
    st.sampled_from([1, 3, 5, 7]),
    st.sampled_from([1, 2, 3]),
    st.booleans(),
)
def test_same_convolution_equals_timms(height, width, kernel, stride, depthwise):
    groups = 4 if depthwise else 1
    reference = Conv2dSame(4, 8, kernel, stride, groups=groups)
    ours = Conv2d(4, 8, kernel, stride, groups, bias=True)
    ours.load_state_dict(reference.state_dict())
    x = torch.randn(2, 4, height, width)
    torch.testing.assert_close(ours(x), reference(x))


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_symmetric_convolution_equals_torchs(kernel, stride):
    reference = nn.Conv2d(3, 4, kernel, stride, padding=kernel // 2, bias=False)
    ours = Conv2d(3, 4, kernel, stride, padding="symmetric")
    ours.load_state_dict(reference.state_dict())
    x = torch.randn(1, 3, 11, 14)
    assert torch.equal(ours(x), reference(x))


def test_the_two_paddings_differ_in_values_only():
    same, symmetric = (Conv2d(3, 4, 3, 2, padding=padding) for padding in ("same", "symmetric"))
    symmetric.load_state_dict(same.state_dict())
    x = torch.randn(1, 3, 12, 12)
    assert same(x).shape == symmetric(x).shape == (1, 4, 6, 6)
    assert not torch.allclose(same(x), symmetric(x))


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (8, 7), (7, 8), (1, 1), (1, 4), (2, 3), (64, 33)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_max_pool_equals_timms(size, memory_format):
    """Negative maps: a padding of zeros would win along the border."""
    x = (-torch.rand(2, 3, *size) - 1).to(memory_format=memory_format)
    assert torch.equal(layers.max_pool(x), MaxPool2dSame(3, 2)(x))
    assert (layers.max_pool(x) < 0).all()


# --- blocks ---


def test_squeeze_excite_equals_torchvisions():
    reference = torchvision.ops.SqueezeExcitation(12, 3, activation=nn.SiLU)
    ours = SqueezeExcite(12, 3)
    ours.load_state_dict(
        {
            name.replace("fc1", "reduce").replace("fc2", "expand"): x
            for name, x in reference.state_dict().items()
        }
    )
    x = torch.randn(2, 12, 5, 7)
    torch.testing.assert_close(ours(x), reference(x))
    assert ours.gate(x).shape == (2, 12, 1, 1)


def torchvisions_mbconv(c_in, c_out, kernel, stride, ratio):
    config = torchvision.models.efficientnet.MBConvConfig(ratio, kernel, stride, c_in, c_out, 1)
    return torchvision.models.efficientnet.MBConv(config, 0.0, nn.BatchNorm2d)


@pytest.mark.parametrize(
    "shape",
    [(16, 24, 3, 2, 6), (24, 24, 5, 1, 6), (32, 16, 3, 1, 1), (8, 8, 3, 1, 1), (40, 80, 5, 2, 4)],
)
def test_mbconv_equals_torchvisions(shape):
    """Every parameter, in the same order; and the same answer, with torchvision's padding and
    epsilon.
    """
    reference = lively(torchvisions_mbconv(*shape))
    ours = MBConv(*shape, style=LayerStyle("symmetric", 1e-5)).eval()
    theirs = reference.state_dict()
    assert [x.shape for x in ours.state_dict().values()] == [x.shape for x in theirs.values()]
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.values(), strict=True)))
    x = torch.randn(2, shape[0], 9, 12)
    torch.testing.assert_close(ours(x), reference(x))


def test_the_gate_is_squeezed_to_a_quarter_of_the_blocks_input():
    """timm: a quarter of the input channels, at least one."""
    assert [layers.squeezed_channels(c_in) for c_in in (1, 3, 4, 15, 16, 320)] == [
        1,
        1,
        1,
        3,
        4,
        80,
    ]


def test_drop_path_leaves_out_the_block_and_keeps_its_mean():
    x = torch.randn(4000, 8, 1, 1)
    block = lively(MBConv(8, 8, drop_path=0.25))
    with torch.no_grad():
        whole = block(x)
        block.drop_path.train()
        dropped = block(x)
    skipped = (dropped == x).all((1, 2, 3))
    assert 0.2 < skipped.float().mean() < 0.3
    # What is kept is enlarged, so that the expectation stays.
    torch.testing.assert_close(
        dropped[~skipped] - x[~skipped], (whole - x)[~skipped] / 0.75, rtol=1e-3, atol=1e-5
    )


def test_separable_conv_equals_one_dense_convolution():
    """Depthwise and pointwise weights multiply to a dense kernel, since nothing stands between
    them.
    """
    separable = SeparableConv(5, 7)
    dense = (
        separable.pointwise.weight * separable.depthwise.weight[:, 0]
    )  # [7, 5, 1, 1] * [5, 3, 3]
    x = torch.randn(2, 5, 6, 9)
    torch.testing.assert_close(
        separable(x), F.conv2d(x, dense, separable.pointwise.bias, padding=1)
    )


# --- errors ---


def test_unknown_padding_is_refused():
    for call in (LayerStyle, lambda padding: Conv2d(4, 4, 3, padding=padding)):
        with pytest.raises(ValueError, match="padding must be one of same, symmetric, got 'valid'"):
            call("valid")


@pytest.mark.parametrize(
    ("options", "says"),
    [({"norm_epsilon": value}, "must be a positive number") for value in (0, -1e-3, math.nan, "1")]
    + [({"norm_momentum": value}, "must be a number from 0 to 1") for value in (-0.1, 1.1, None)],
)
def test_norms_that_cannot_be(options, says):
    with pytest.raises(ValueError, match=says):
        LayerStyle(**options)


@pytest.mark.parametrize("value", [0, -1, 2.5, "3", None, True])
@pytest.mark.parametrize("name", ["c_in", "c_out", "kernel", "stride", "groups"])
def test_convolutions_that_cannot_be(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1"):
        Conv2d(**{"c_in": 4, "c_out": 4, name: value})


@pytest.mark.parametrize("block", [MBConv, FusedMBConv])
def test_blocks_that_cannot_be(block):
    with pytest.raises(ValueError, match="expand_ratio must be a whole number of at least 1"):
        block(4, 4, expand_ratio=0)
    with pytest.raises(ValueError, match=r"drop_path must be a number from 0 to 1, got 1.5"):
        block(4, 4, drop_path=1.5)
    with pytest.raises(ValueError, match="c_out must be a whole number of at least 1, got 0"):
        block(4, 0)


@pytest.mark.parametrize("sizes", [(0, 1), (4, 0), (4, 1.5)])
def test_gates_that_cannot_be(sizes):
    with pytest.raises(ValueError, match="must be a whole number of at least 1"):
        SqueezeExcite(*sizes)


@pytest.mark.parametrize("kernel", [2, 4])
def test_even_kernels_are_refused(kernel):
    with pytest.raises(ValueError, match="kernel must be odd"):
        Conv2d(3, 4, kernel)
