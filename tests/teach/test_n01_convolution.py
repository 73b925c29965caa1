"""What notebook 01 shows of convolutions. Oracles: torch.nn.Conv2d, torch.utils.flop_counter, and
the libraries that count.
"""

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from effdet_lite.efficientnet import EfficientNet
from effdet_lite.teach.nb.n01_convolution import (
    convolution_view,
    counts_of_libraries,
    four_convolutions,
    layers_with_groups,
    layers_with_positions,
    numbers_from_norms,
    price_of_one_argument,
    separable,
    tables_of_filters,
    times_cheaper,
    without_groups,
)


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


def flops(network, *shape):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(shape))
    return counter.get_total_flops()


def test_groups_are_taken_out_of_every_convolution():
    """A network with depthwise layers then costs what one costs that was built without them."""

    def layers(groups):
        return torch.nn.Sequential(
            torch.nn.Conv2d(4, 8, 1, bias=False),
            torch.nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=groups, bias=False),
        )

    changed, dense = without_groups(layers(8)), layers(1)
    assert [one.shape for one in changed.parameters()] == [one.shape for one in dense.parameters()]
    changed.load_state_dict(dense.state_dict(), assign=True)
    assert flops(changed, 1, 4, 9, 9) == flops(dense, 1, 4, 9, 9)
    image = torch.randn(1, 4, 9, 9)
    assert torch.equal(changed(image), dense(image))


def test_the_first_picture_has_the_networks_as_torch_counts_them():
    axis = price_of_one_argument().axes[0]
    widths = {
        label.get_text(): bar.get_width()
        for label, bar in zip(axis.get_yticklabels(), axis.patches, strict=True)
    }
    b0 = EfficientNet.from_name("b0").eval()
    assert widths["EfficientNet-B0"] == flops(b0, 1, 3, 224, 224) / 2e9
    resnet = torchvision.models.resnet50().eval()
    assert widths["ResNet-50"] == flops(resnet, 1, 3, 224, 224) / 2e9
    assert 39.5 < widths["EfficientNet-B0,\ngroups = 1"] / widths["EfficientNet-B0"] < 40.5


def small_network():
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.SiLU()
    ).eval()


def test_libraries_count_as_they_do_alone():
    torchinfo = pytest.importorskip("torchinfo")
    fvcore = pytest.importorskip("fvcore.nn")
    network, image = small_network(), torch.zeros(1, 3, 6, 6)
    counts = {tool: count.number for tool, count in counts_of_libraries(network, image).items()}
    alone = fvcore.FlopCountAnalysis(network, image).unsupported_ops_warnings(False)
    assert counts == {
        "torch.utils.flop_counter": 2 * 27 * 4 * 36,
        "torchinfo": torchinfo.summary(network, (1, 3, 6, 6), verbose=0).total_mult_adds,
        "fvcore": alone.total(),
    }


def test_the_numbers_from_norms_are_those_that_they_put_out():
    network = torch.nn.Sequential(small_network(), torch.nn.MaxPool2d(2), torch.nn.BatchNorm2d(4))
    assert numbers_from_norms(network, torch.zeros(1, 3, 6, 6)) == 4 * 36 + 4 * 9


def test_the_part_with_groups_is_what_torch_counts_of_it():
    """The whole network without what its other layers take."""
    around = [torch.nn.Conv2d(3, 8, 1), torch.nn.Conv2d(8, 4, 1)]
    inside = torch.nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=4)
    network = torch.nn.Sequential(around[0], inside, around[1])
    others = flops(around[0], 1, 3, 9, 9) + flops(around[1], 1, 8, 5, 5)
    image = torch.zeros(1, 3, 9, 9)
    ((layer, positions),) = layers_with_groups(network, image)
    assert layer is inside
    macs = layer.weight.numel() * positions
    assert 2 * macs == flops(network, 1, 3, 9, 9) - others


def multiplied(network, side):
    """Weights × positions over the layers of a network, for a photograph of side × side."""
    found = layers_with_positions(network, torch.zeros(1, 3, side, side))
    return sum(layer.weight.numel() * positions for layer, positions in found)


def without_what_adds(network):
    """The network with no norms and no biases: of these torchinfo counts parameters."""
    for layer in list(network.modules()):
        if getattr(layer, "bias", None) is not None:
            layer.bias = None
        for name, part in layer.named_children():
            if isinstance(part, torch.nn.BatchNorm2d):
                setattr(layer, name, torch.nn.Identity())
    return network.eval()


def all_arguments():
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2),
        torch.nn.BatchNorm2d(8),
        torch.nn.Conv2d(8, 12, (1, 5), padding=(0, 4), dilation=2, groups=4),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(12, 5),
    )


@pytest.mark.parametrize(
    "build",
    [all_arguments, lambda: EfficientNet.from_name("b0"), torchvision.models.resnet18],
    ids=["all arguments", "B0", "ResNet-18"],
)
def test_weights_times_positions_are_the_mult_adds_of_torchinfo(build):
    """torchinfo looks at each layer's output, and asks no counter of torch's."""
    torchinfo = pytest.importorskip("torchinfo")
    network = without_what_adds(build())
    info = torchinfo.summary(network, (1, 3, 96, 96), verbose=0)
    assert multiplied(network, 96) == info.total_mult_adds


def test_a_layer_counts_as_often_as_it_runs():
    """Twice on 6 × 6 and 4 × 4 positions, with 27 × 3 weights."""
    twice = torch.nn.Conv2d(3, 3, 3)
    assert multiplied(torch.nn.Sequential(twice, twice), 8) == 81 * 36 + 81 * 16


def test_each_table_has_a_filter_for_each_pair_of_channels():
    """As many as the weights of torch's layer, by 9."""
    figure = tables_of_filters(4)
    layers = {
        "dense, 4 → 4 channels": torch.nn.Conv2d(4, 4, 3),
        "twice the kernels, 4 → 8": torch.nn.Conv2d(4, 8, 3),
        "twice on both sides, 8 → 8": torch.nn.Conv2d(8, 8, 3),
        "depthwise, 4 channels": torch.nn.Conv2d(4, 4, 3, groups=4),
        "depthwise, 8 channels": torch.nn.Conv2d(8, 8, 3, groups=8),
    }
    for axis, (name, layer) in zip(figure.axes, layers.items(), strict=False):
        squares = axis.collections[0].get_paths()
        assert len(squares) == layer.weight.numel()
        assert axis.get_title() == f"{name}: {layer.weight.numel() // 9} filters"
    assert "your guess: 4 ×" in figure.get_suptitle()
    assert "guess" not in tables_of_filters().get_suptitle()


@pytest.mark.parametrize("kernel", [3, 5])
def test_a_separable_convolution_costs_what_its_two_layers_do(kernel):
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(6, 6, kernel, padding=kernel // 2, groups=6, bias=False),
        torch.nn.Conv2d(6, 6, 1, bias=False),
    )
    assert separable(6, kernel, 10).flops == flops(layers, 1, 6, 10, 10)


def test_lines_stay_below_their_limit_and_a_guess_is_marked():
    lines = times_cheaper(channels=[8, 4096]).axes[0].lines[::2]
    for line, kernel in zip(lines, (3, 5, 7), strict=True):
        low, high = line.get_ydata()
        assert low < high < kernel**2 < 1.02 * high
    guessed = len(times_cheaper(5).axes[0].lines) - len(times_cheaper().axes[0].lines)
    assert guessed == 1


def test_four_drawings_say_what_torch_counts():
    told = [axis.get_title().split("\n")[1] for axis in four_convolutions().axes]
    counted = []
    for arguments in (
        {"padding": 1},
        {"padding": 1, "stride": 2},
        {"padding": 3, "dilation": 3},
        {"padding": 1, "groups": 16},
    ):
        layer = torch.nn.Conv2d(16, 16, 3, bias=False, **arguments)
        counted.append(f"{flops(layer, 1, 16, 24, 24) // 2:,} multiplications")
    assert told == counted
