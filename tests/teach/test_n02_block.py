"""MBConv's switches and gates in notebook 02, and the comparison with torchvision.

Oracles: torch.utils.flop_counter on blocks that are built, torchvision's B0, the layer itself.
"""

import itertools

import pytest
import torch
import torchvision
from oracles import macs, parameters
from torch import nn

from effdet_lite.efficientnet import normalized
from effdet_lite.layers import ConvNorm, LayerStyle, MBConv
from effdet_lite.teach.kit.shared import shipped
from effdet_lite.teach.nb import n02_block, n02_build
from effdet_lite.teach.nb.n02_block import CHANNELS, SIDE, Switches

STYLE = LayerStyle("symmetric", norm_epsilon=1e-5)


def built(block):
    """The block of these switches, as a module."""
    layer = MBConv(CHANNELS, CHANNELS, block.kernel, 1, block.widen)
    if not block.gate:
        layer.squeeze_excite = nn.Identity()
    if not block.is_depthwise:
        wide = CHANNELS * block.widen
        layer.depthwise = ConvNorm(wide, wide, block.kernel, activation=True)
    return layer.eval()


@pytest.mark.parametrize(
    "block",
    [
        Switches(*values)
        for values in itertools.product((1, 3, 6), (True,), (3, 5), (True, False), (True, False))
    ]
    + [Switches(is_depthwise=False, widen=2)],
)
def test_the_switches_cost_what_torch_counts(block):
    layer, written = built(block), []
    for convolution in layer.modules():
        if isinstance(convolution, nn.Conv2d):
            convolution.register_forward_hook(
                lambda module, inputs, output: written.append(output.numel())
            )
    image = torch.zeros(1, CHANNELS, SIDE, SIDE)
    counted = macs(layer, image)
    written.clear()
    with torch.no_grad():
        layer(image)
    assert n02_block.totals_of(block) == {
        "MACs": counted,
        "parameters": parameters(layer),
        "numbers written": sum(written),
    }


def test_a_view_names_the_parts_that_are_there():
    assert list(n02_block.switches_view(6, True, 5, True, True).numbers) == [
        "widen",
        "filter",
        "gate",
        "narrow",
        "skip",
    ]
    assert list(n02_block.switches_view(1, False, 3, False, False).numbers) == ["filter", "narrow"]


def test_a_block_that_leaves_something_out_does_not_match():
    style = STYLE
    package, other = (MBConv(16, 16, 3, 1, 4, style=style).eval() for _ in range(2))
    images = torch.randn(2, 16, 6, 6)
    assert n02_block.by_hand_matches(other, package, images)
    other.has_skip = False
    assert not n02_block.by_hand_matches(other, package, images)
    assert not n02_block.by_hand_matches(MBConv(16, 16, 5, 1, 4), package, images)


def test_the_gates_are_what_the_layer_multiplies_with():
    found = n02_block.gated(5)
    torch.testing.assert_close(found.after, found.before * found.gates[:, None, None])
    assert ((found.gates > 0) & (found.gates < 1)).all()
    assert not torch.equal(found.gates, n02_block.gated(6).gates)
    torch.testing.assert_close(n02_block.many_gates()[5], found.gates)


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    return torchvision.models.efficientnet_b0(dropout=0.0, stochastic_depth_prob=0.0)


def test_the_parts_of_torchvisions_network_are_all_of_it(theirs):
    images = torch.rand(2, 3, 64, 64)
    parts = nn.Sequential(*n02_build.parts_of(theirs))
    with torch.no_grad():
        torch.testing.assert_close(parts(images), theirs(images))
    assert parameters(parts) == parameters(theirs) == 5_288_548


def test_one_weight_that_differs_is_found_in_its_part(theirs):
    images = torch.rand(2, 3, 64, 64)
    mine = nn.Sequential(*n02_build.parts_of(theirs))
    assert n02_build.same_outputs(mine, theirs, images) == [True] * 9
    other = torchvision.models.efficientnet_b0(dropout=0.0, stochastic_depth_prob=0.0)
    other.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        other.features[3][0].block[0][0].weight[0] += 1.0
    changed = nn.Sequential(*n02_build.parts_of(other))
    found = n02_build.same_outputs(changed, theirs, images)
    assert found == [number != 3 for number in range(9)]
    with pytest.raises(AssertionError, match="something else than torchvision's"):
        n02_build.compare_part_by_part(changed, theirs, images)


def test_a_difference_that_four_decimals_cannot_say_is_never_called_zero():
    found = [n02_build.in_bound(value) for value in (0.0, 4e-5, 9e-5, 1e-4, 0.25)]
    assert found == ["less than 0.0001"] * 3 + ["0.0001", "0.2500"]


def test_the_gate_that_changes_most_nearly_shuts_on_red():
    """The notebook says so. By plain pictures, through the layers as they stand in the file."""
    most = int(n02_block.many_gates().std(0).argmax())
    detector, _ = shipped("shapes")
    first, found = detector.backbone.stages[0][0], {}
    for name, color in {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}.items():
        picture = torch.tensor(color, dtype=torch.float32)[:, None, None].expand(3, 128, 128)
        with torch.no_grad():
            maps = first.depthwise(first.expand(detector.backbone.stem(normalized(picture[None]))))
            gates = first.squeeze_excite(maps)[0].sum((1, 2)) / maps[0].sum((1, 2))
        torch.testing.assert_close(gates, n02_block.gates_of_color(*color), atol=1e-3, rtol=1e-2)
        found[name] = float(gates[most])
    assert found["red"] < 0.1
    assert min(found["green"], found["blue"]) > 0.3


def test_pictures_red_all_over_shut_it_and_blue_ones_open_it():
    """Of the 40: the picture with the lowest gate is red, the one with the highest is blue."""
    gates = n02_block.many_gates()
    own = gates[:, int(gates.std(0).argmax())]
    for index, color in ((own.argmin(), 0), (own.argmax(), 2)):
        means = n02_block.gated(int(index)).picture.mean((1, 2))
        assert int(means.argmax()) == color
    assert int(own.argmin()) == 0, "section 2 shows picture 0"


def test_the_line_at_the_top_of_channel_2_comes_from_padding():
    """The notebook says so of picture 16. A plain picture has no edge of its own, so only what
    stands beyond it can make one."""
    assert 2 in n02_block.gated(16).gates.topk(2).indices, "the notebook shows this channel"
    detector, _ = shipped("shapes")
    plain = n02_block.gated(16).picture.mean((1, 2), keepdim=True).expand(3, 128, 128)
    with torch.no_grad():
        stem = detector.backbone.stem(normalized(plain[None]))
        map_2 = detector.backbone.stages[0][0].depthwise(stem)[0, 2]
    inner = map_2[2:-2, 2:-2]
    assert inner.std() < 1e-4
    assert map_2[:2, 2:-2].amax(0).min() > inner.mean() + 0.5


def test_the_title_says_by_how_much_a_dense_block_is_more_expensive(monkeypatch):
    figures = []
    monkeypatch.setattr(n02_block, "show", lambda figure, words: figures.append(figure))
    n02_block.show_each_switch()
    image = torch.zeros(1, CHANNELS, SIDE, SIDE)
    dense = macs(built(Switches(is_depthwise=False)), image) / macs(built(Switches()), image)
    assert f" {dense:.0f} times " in figures[0].axes[0].get_title()
