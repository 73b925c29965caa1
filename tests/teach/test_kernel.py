"""The sliding kernel. Oracle: torch's own convolution. What the page computes:
tests/course/browser/test_kernel.py.
"""

import functools
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from effdet_lite.teach.kit.touch import KernelPad

CHOICES = {"stride": [1, 2, 3], "padding": [0, 1, 2], "dilation": [1, 2], "groups": [1, 2, 4]}


def tensors(channels_in=4, channels_out=8, side=7, kernel=3):
    numbers = torch.Generator().manual_seed(0)
    draw = functools.partial(torch.randn, generator=numbers)
    return draw(channels_in, side, side), draw(channels_out, channels_in, kernel, kernel)


@settings(max_examples=30, deadline=None)
@given(*(st.sampled_from(options) for options in CHOICES.values()), st.integers(0, 2000))
def test_the_counter_counts_what_torchs_convolution_needs(stride, padding, dilation, groups, made):
    image, weight = tensors()
    arguments = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    pad = KernelPad(image, weight, made, **arguments)
    layer = torch.nn.Conv2d(4, 8, 3, bias=False, **arguments)
    total, products = layer(image).numel(), layer.weight[0].numel()
    done = min(made, total)
    assert pad.in_words() == (
        f"{done:,} of {total:,} output numbers made, "
        f"{done:,} × {products} = {done * products:,} multiplications"
    )
    assert pad.output().shape == layer(image).shape


@settings(max_examples=20, deadline=None)
@given(*(st.sampled_from(options) for options in CHOICES.values()), st.data())
def test_the_marked_places_are_those_that_the_number_depends_on(
    stride, padding, dilation, groups, data
):
    """By the gradient of that one output number."""
    image, weight = tensors()
    arguments = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    pad = KernelPad(image, weight, **arguments)
    place = tuple(data.draw(st.integers(0, size - 1)) for size in pad.output().shape)
    padded = F.pad(image, (padding,) * 4).requires_grad_()
    output = F.conv2d(padded, weight[:, : 4 // groups], None, stride, 0, dilation, groups)
    (gradient,) = torch.autograd.grad(output[place], padded)
    assert sorted(pad._taps(*place)) == sorted(map(tuple, gradient.nonzero().tolist()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": torch.zeros(3, 4, 5)}, "the image has the shape"),
        ({"image": torch.zeros(4, 4)}, "the image has the shape"),
        ({"weight": torch.zeros(8, 3, 3, 3)}, "the weight has the shape [C₂, 4, K, K], not"),
        ({"weight": torch.zeros(8, 4, 3, 2)}, "the weight has the shape"),
        ({"groups": 3}, "groups=3 must divide both 4 and 8 channels"),
        ({"choices": {"groups": [1, 8]}}, "groups=8 must divide both 4 and 8 channels"),
        ({"dilation": 4}, "a kernel that reaches over 9 positions does not fit in"),
        ({"bias": 1}, "a convolution has stride, padding, dilation, groups, not 'bias'"),
        ({"made": -1}, "value is how many output numbers are made, not -1"),
        ({"made": 1.5}, "value is how many output numbers are made, not 1.5"),
    ],
)
def test_what_makes_no_convolution_is_refused_in_words(changes, words):
    image, weight = tensors()
    with pytest.raises(ValueError, match=re.escape(words)):
        KernelPad(**{"image": image, "weight": weight, **changes})


def test_the_still_has_its_words():
    still = KernelPad(*tensors(), made=30, padding=1).still("thirty numbers")
    assert 'alt="thirty numbers"' in still
