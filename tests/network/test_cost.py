"""Costs against torch's own convolutions and `torch.utils.flop_counter`, and against published and
measured figures.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import macs, parameters
from torch import nn
from torch.nn import functional as F

from effdet_lite import cost
from effdet_lite.cost import Cost, ReceptiveField
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.efficientnet import B0_STAGES, EfficientNet
from effdet_lite.layers import Conv2d
from effdet_lite.scaling import EFFICIENTDETS, EFFICIENTNETS

# MACs of the published networks at their own resolution, counted on timm's and effdet's
# implementations by FlopCounterMode. They lie within 5 % of what the papers print (EfficientNet,
# table 2; EfficientDet, table 2).
MACS = {
    "b0": 385_814_752,
    "b1": 686_802_832,
    "b2": 993_561_872,
    "b3": 1_827_141_392,
    "b4": 4_393_771_024,
    "b5": 10_266_384_752,
    "b6": 19_067_593_536,
    "b7": 37_745_884_192,
    "d0": 2_492_331_520,
    "d1": 6_003_416_880,
    "d2": 10_832_466_688,
    "d3": 24_568_753_664,
    "d4": 54_583_712_096,
    "d5": 134_133_865_152,
    "d6": 224_121_477_984,
    "d7": 322_731_636_576,
    "d7x": 407_628_345_344,
}


def flop_counter(module, *shape):
    """Multiply-adds by torch's own instrument, on the meta device."""
    return macs(module, torch.empty(shape, device="meta"))


# --- closed form ---


@st.composite
def convolutions(draw):
    number = st.integers(1, 7)
    groups = draw(st.sampled_from([1, 1, 2, 3, 8]))
    one_or_two = st.one_of(number, st.tuples(number, number))
    return {
        "c_in": groups * draw(number),
        "c_out": groups * draw(number),
        "kernel": draw(one_or_two),
        "height": draw(st.integers(1, 70)),
        "width": draw(st.integers(1, 70)),
        "stride": draw(one_or_two),
        "groups": groups,
        "bias": draw(st.booleans()),
    }


@settings(max_examples=150, deadline=None)
@given(convolutions())
def test_closed_form_equals_torchs_convolution(arguments):
    """Any kernel, stride, groups, bias and size: parameters of nn.Conv2d, and what torch counts
    when it runs.
    """
    kernel, stride = (
        value if isinstance(value, tuple) else (value, value)
        for value in (arguments["kernel"], arguments["stride"])
    )
    conv = nn.Conv2d(
        arguments["c_in"],
        arguments["c_out"],
        kernel,
        stride,
        groups=arguments["groups"],
        bias=arguments["bias"],
        device="meta",
    )
    # With padding "same" the output has ceil(size / stride) positions; pad by as much as that
    # takes.
    sizes = arguments["height"], arguments["width"]
    rows, columns = (
        (-(-size // step) - 1) * step + window - size
        for size, step, window in zip(sizes, stride, kernel, strict=True)
    )
    padded = 1, arguments["c_in"], sizes[0] + rows, sizes[1] + columns
    ours = cost.conv2d(**arguments)
    assert ours.params == parameters(conv)
    assert ours.macs == flop_counter(conv, *padded)
    assert ours.flops == 2 * ours.macs


@pytest.mark.parametrize("bias", [True, False])
def test_linear_and_norm_have_torchs_parameters(bias):
    layer = nn.Linear(7, 5, bias=bias, device="meta")
    assert cost.linear(7, 5, bias=bias) == Cost(parameters(layer), flop_counter(layer, 1, 7))
    assert cost.norm(13) == Cost(parameters(nn.BatchNorm2d(13)), 0)


def test_costs_add_and_repeat():
    one, two = Cost(3, 50), Cost(1, 7)
    assert one + two == Cost(4, 57) and 3 * one == one * 3 == Cost(9, 150)
    assert sum([one, two]) == one + two and sum([]) == 0 and sum([], Cost()) == Cost()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kernel": 0}, "kernel must be a whole number of at least 1, got 0"),
        ({"kernel": (3, 0)}, "kernel's width"),
        ({"kernel": (3, 3, 3)}, "one number or two"),
        ({"kernel": None}, "kernel must be a whole number"),
        ({"stride": "2"}, "stride must be a whole number of at least 1, got '2'"),
        ({"stride": -1}, "stride"),
        ({"c_in": 3.0}, "c_in"),
        ({"c_in": float("nan")}, "c_in"),
        ({"height": float("inf")}, "height"),
        ({"width": -5}, "width"),
        ({"groups": 3}, "groups=3 must divide both c_in=4 and c_out=8"),
        ({"groups": 0}, "groups"),
    ],
)
def test_conv2d_refuses_what_is_no_convolution(change, says):
    with pytest.raises(ValueError, match=says):
        cost.conv2d(**{"c_in": 4, "c_out": 8, "kernel": 3, "height": 9, "width": 9} | change)


def test_kernel_may_be_a_list():
    assert cost.conv2d(4, 8, [3, 5], 9, 9, stride=[1, 2]) == cost.conv2d(
        4, 8, (3, 5), 9, 9, stride=(1, 2)
    )


# --- counting a module ---


@pytest.mark.parametrize("name", MACS)
def test_count_equals_what_was_counted_on_every_published_network(name, monkeypatch):
    # Batch norms have no MACs, and on the meta device they take most of the time.
    monkeypatch.setattr(nn.BatchNorm2d, "forward", lambda self, x: x)
    kind, config = (
        (EfficientDet, EFFICIENTDETS[name])
        if name in EFFICIENTDETS
        else (EfficientNet, EFFICIENTNETS[name])
    )
    with torch.device("meta"):
        model = kind.from_name(name)
    shape = 1, 3, config.resolution, config.resolution
    assert cost.count(model, *shape) == Cost(parameters(model), MACS[name])


class Assorted(nn.Module):
    """Functional calls, a transposed convolution, 1-D and 3-D ones, a matrix product, a batched
    one, linear layers.
    """

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(6)
        self.up = nn.ConvTranspose2d(6, 4, 3, stride=2, output_padding=1, groups=2)
        self.kernel = nn.Parameter(torch.randn(5, 4, 1, 3))
        self.line = nn.Conv1d(5, 3, 3, dilation=2)
        self.volume = nn.Conv3d(1, 2, (1, 2, 2))
        self.linear = nn.Linear(7, 5)
        self.dropout = nn.Dropout()
        self.tied = self.linear

    def forward(self, x):
        x = F.conv2d(self.up(self.norm(x)), self.kernel, stride=(2, 1))
        self.volume(x[:, None])
        line = self.line(x.mean(2))
        line @ line.mT
        line[0] @ line[0].T
        return self.tied(self.dropout(self.linear(x[..., :7]))[..., :1].expand(-1, -1, -1, 7))


@pytest.mark.parametrize("grad", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_count_sees_every_kind_of_product_and_leaves_the_module_as_it_was(grad):
    module = Assorted()
    module.norm.eval()
    modes = [child.training for child in module.modules()]
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    tensors = [id(tensor) for tensor in (*module.parameters(), *module.buffers())]
    expected = macs(Assorted().eval(), torch.randn(2, 6, 9, 11))
    with grad():
        counted = cost.count(module, 2, 6, 9, 11)
    assert counted.macs == expected > 0
    assert counted.params == parameters(module)
    assert [child.training for child in module.modules()] == modes and any(modes) and not all(modes)
    assert [id(tensor) for tensor in (*module.parameters(), *module.buffers())] == tensors
    assert all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())


def test_count_restores_the_flags_when_the_module_fails():
    module = nn.Sequential(nn.Dropout(), nn.Linear(3, 2))
    with pytest.raises(RuntimeError):
        cost.count(module, 1, 4)
    assert module.training and module[0].training


def test_count_allocates_nothing():
    """A convolution with four terabytes of weights, with a map of eight terabytes."""
    giant = nn.Conv2d(1_000_000, 1_000_000, 1, bias=False, device="meta")
    assert cost.count(giant, 1, 1_000_000, 1_000, 2_000) == Cost(10**12, 2 * 10**18)


# --- receptive field ---


def backbone_layers(stages):
    """(kernel, stride) of B0's stem and stages; 1x1 convolutions see nothing new."""
    layers = [(3, 2)]
    for stage in stages:
        layers += [(stage.kernel, stage.stride)] + [(stage.kernel, 1)] * (stage.blocks - 1)
    return layers


@pytest.mark.parametrize(("stages", "size", "stride"), [(3, 67, 8), (5, 339, 16), (7, 851, 32)])
def test_receptive_field_of_b0(stages, size, stride):
    """At P3, P4 and P5; measured on timm's B0."""
    assert cost.receptive_field(backbone_layers(B0_STAGES[:stages])) == ReceptiveField(size, stride)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([1, 3, 5]), st.integers(1, 3), st.integers(1, 3)), max_size=4
    )
)
def test_receptive_field_equals_the_reach_of_gradients(layers):
    """The first output of all-ones convolutions has gradients in just this window, the second one
    `stride` further.
    """
    field = cost.receptive_field(layers)
    x = torch.ones(1, 1, field.size + field.stride, dtype=torch.float64, requires_grad=True)
    y = x
    for kernel, stride, dilation in layers:
        y = F.conv1d(
            y, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride, dilation=dilation
        )
    first, second = (
        torch.autograd.grad(y[0, 0, i], x, retain_graph=True)[0][0, 0].nonzero() for i in (0, 1)
    )
    assert (first.min(), first.max()) == (0, field.size - 1)
    assert second.min() == field.stride


def test_padding_styles_cost_the_same():
    conv = [Conv2d(4, 6, 5, 2, padding=padding) for padding in ("same", "symmetric")]
    assert (
        cost.count(conv[0], 1, 4, 15, 18)
        == cost.count(conv[1], 1, 4, 15, 18)
        == Cost(600, 8 * 9 * 600)
    )


@pytest.mark.parametrize("channels", [0, -3, 2.5, "8", None, True])
def test_channels_that_are_none_have_no_cost(channels):
    for call in (cost.norm, lambda c: cost.linear(c, 8), lambda c: cost.linear(8, c)):
        with pytest.raises(ValueError, match="must be a whole number of at least 1, got"):
            call(channels)


@pytest.mark.parametrize("times", [1.5, -1, "2", None, True, Cost(1, 2)])
def test_a_cost_repeats_a_whole_number_of_times(times):
    with pytest.raises(ValueError, match="factor of a cost must be a whole number of at least 0"):
        Cost(3, 4) * times


@pytest.mark.parametrize("amount", [1.5, -1, "2", None, float("nan")])
def test_a_cost_is_of_whole_numbers(amount):
    with pytest.raises(ValueError, match="params must be a whole number of at least 0"):
        Cost(params=amount)
    with pytest.raises(ValueError, match="macs must be a whole number of at least 0"):
        Cost(macs=amount)


@pytest.mark.parametrize("side", [-1, 2.5, "8", None, True])
def test_an_input_shape_that_is_none_has_no_count(side):
    with pytest.raises(ValueError, match="each of input_shape must be a whole number"):
        cost.count(nn.Conv2d(3, 4, 1), 1, 3, 8, side)


def test_count_of_a_tensor_that_two_layers_share():
    """The oracle is a network whose layers have a kernel each: the same MACs."""
    shared = nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3))
    macs_of_two = cost.count(shared, 1, 4, 9, 9).macs
    shared[1].weight = shared[0].weight
    kernel = shared[0].weight
    assert cost.count(shared, 1, 4, 9, 9) == Cost(4 * 4 * 9 + 2 * 4, macs_of_two)
    assert shared[0].weight is shared[1].weight is kernel and kernel.device.type == "cpu"


@pytest.mark.parametrize("number", [0, -3, 2.5, "3", None, True, float("nan")])
@pytest.mark.parametrize("place", range(3))
def test_layers_whose_numbers_see_nothing(number, place):
    layer = [3, 2, 1]
    layer[place] = number
    name = ("kernel", "stride", "dilation")[place]
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, got"):
        cost.receptive_field([(3, 1), tuple(layer)])


@pytest.mark.parametrize("layer", [(), (3,), (3, 2, 1, 1), 3, "32", None, {3: 2}])
def test_layers_of_another_form(layer):
    with pytest.raises(ValueError, match=r"a layer must be \(kernel, stride\) or"):
        cost.receptive_field([(3, 1), layer])
