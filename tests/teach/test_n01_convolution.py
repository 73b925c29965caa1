"""What the explorer of notebook 01 shows. Oracles: torch.nn.Conv2d, torch.utils.flop_counter."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from effdet_lite.teach.nb.n01_convolution import convolution_view


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 24),
    st.sampled_from([1, 3, 5]),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 3),
    st.booleans(),
)
def test_a_convolution_shows_what_torch_counts(
    c_in, c_out, side, kernel, stride, groups, dilation, bias
):
    c_in, c_out = c_in * groups, c_out * groups
    padding = dilation * (kernel // 2)
    layer = torch.nn.Conv2d(c_in, c_out, kernel, stride, padding, dilation, groups, bias)
    image = torch.zeros(1, c_in, side, side)
    with FlopCounterMode(display=False) as counter:
        output = layer(image)
    params = sum(parameter.numel() for parameter in layer.parameters())
    numbers = convolution_view(c_in, c_out, side, kernel, stride, groups, dilation, bias).numbers
    assert numbers["parameters"] == f"{params:,}"
    assert numbers["FLOPs"] == f"{counter.get_total_flops() / 1e6:,.3f} million"
    traffic = 4 * (image.numel() + params + output.numel())
    assert numbers["memory traffic, at least"] == f"{traffic / 1e6:,.3f} MB"
    assert (
        numbers["arithmetic intensity"] == f"{counter.get_total_flops() / traffic:,.2f} FLOP/byte"
    )


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 32),
    st.integers(1, 32),
    st.integers(3, 28),
    st.sampled_from([1, 3, 5, 7]),
    st.integers(1, 3),
    st.integers(0, 8),
    st.integers(1, 3),
    st.booleans(),
)
def test_a_convolution_is_refused_just_where_torch_refuses_it(
    c_in, c_out, side, kernel, stride, power, dilation, bias
):
    """On the ranges that the sliders of notebook 01 have."""
    c_in, c_out, side, groups = 8 * c_in, 8 * c_out, 8 * side, 2**power
    try:
        torch.nn.Conv2d(c_in, c_out, kernel, stride, groups=groups, device="meta")
    except ValueError:
        with pytest.raises(ValueError, match="must divide"):
            convolution_view(c_in, c_out, side, kernel, stride, groups, dilation, bias)
    else:
        assert convolution_view(
            c_in, c_out, side, kernel, stride, groups, dilation, bias
        ).figure.axes


def test_groups_that_do_not_divide_are_refused_in_words():
    with pytest.raises(ValueError, match="groups=3 must divide both c_in=8 and c_out=16"):
        convolution_view(8, 16, 32, 3, groups=3)
