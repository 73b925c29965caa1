"""What depth, width and resolution cost. Oracle: torchvision's B0 with torch.utils.flop_counter."""

import pytest
import torch
import torchvision
from oracles import macs

from effdet_lite.cost import Cost
from effdet_lite.efficientnet import EfficientNet
from effdet_lite.scaling import EfficientNetConfig
from effdet_lite.teach.nb.n03_costs import doubled_view, macs_by_kind, rule_and_count


def test_the_kinds_of_layers_are_all_that_torch_counts():
    kinds = macs_by_kind(1, 1, 224)
    with torch.device("meta"):
        network = torchvision.models.efficientnet_b0().eval()
        image = torch.empty(1, 3, 224, 224)
    assert sum(kinds.values()) == macs(network, image)
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    depthwise = []
    for layer in convolutions:
        if layer.groups > 1:
            layer.register_forward_hook(
                lambda one, inputs, out: depthwise.append(one.weight[0].numel() * out.numel())
            )
    with torch.no_grad():
        network(image)
    assert kinds["depthwise"] == sum(depthwise)
    assert kinds["classifier"] == 1280 * 1000
    assert kinds["stem"] == 112 * 112 * 27 * 32


def test_the_rule_is_beside_the_count_of_the_same_network():
    found = rule_and_count()
    assert len(found) == 6**3
    assert found[0] == (1, 1, 1)
    depth, rule, counted = found[-1]
    assert (depth, rule) == (2, 2 * 2**2 * 2**2)
    with torch.device("meta"):
        networks = [
            EfficientNet(EfficientNetConfig(times, times, 224 * times)).eval() for times in (1, 2)
        ]
        one, eight = (
            macs(network, torch.empty(1, 3, side, side))
            for network, side in zip(networks, (224, 448), strict=True)
        )
    assert counted == pytest.approx(eight / one, rel=1e-9)


def test_the_guess_stands_at_the_bar_for_width():
    b0, doubled = Cost(1, 100), {"depth × 2": Cost(1, 200), "width × 2": Cost(1, 400)}
    figure, words, _, _ = doubled_view(b0, doubled, 3)
    assert words == "MACs in those of B0. depth × 2: 2.00 times, width × 2: 4.00 times."
    (flag,) = [line for line in figure.axes[0].lines if line.get_label() == "_guess"]
    assert flag.get_ydata()[0] == 3
    assert flag.get_xdata()[0] == pytest.approx(1.33)
