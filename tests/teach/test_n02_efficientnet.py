"""What notebook 02 shows of all of B0, and the famous curve.

Oracles: torchvision's networks, torch.utils.flop_counter, gradients.
"""

import re

import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

from effdet_lite.efficientnet import EfficientNet
from effdet_lite.layers import SqueezeExcite
from effdet_lite.scaling import EFFICIENTNETS
from effdet_lite.teach.kit.famous import OTHERS, efficientnets
from effdet_lite.teach.nb.n02_efficientnet import stage_view


@pytest.mark.parametrize("variant", ["b0", "b3", "b7"])
def test_a_stage_shows_what_torchvision_has_there(variant):
    side = EFFICIENTNETS[variant].resolution
    with torch.device("meta"):
        network = torchvision.models.get_model(f"efficientnet_{variant}").eval()
        x = torch.empty(1, 3, side, side)
    everything = sum(parameter.numel() for parameter in network.parameters())
    for stage, part in enumerate(network.features):
        before = x
        with FlopCounterMode(display=False) as counter:
            x = part(x)
            if stage == 8:
                network.classifier(x.mean((2, 3)))
        params = sum(parameter.numel() for parameter in part.parameters())
        params += (
            sum(parameter.numel() for parameter in network.classifier.parameters())
            if stage == 8
            else 0
        )
        numbers = stage_view(stage, variant).numbers
        assert numbers["in"] == f"{before.shape[2]} × {before.shape[3]} × {before.shape[1]}"
        assert numbers["out"] == f"{x.shape[2]} × {x.shape[3]} × {x.shape[1]}"
        assert numbers["parameters"] == f"{params:,} ({100 * params / everything:.1f} %)"
        assert numbers["MACs"].startswith(f"{counter.get_total_flops() / 2e6:,.1f} million (")
        if 1 <= stage <= 7:
            first = part[0].block[-3][0]
            kernel, stride = first.kernel_size[0], first.stride[0]
            assert numbers["blocks"].startswith(f"{len(part)} × MBConv")
            only_the_first = " of the first" if len(part) > 1 else ""
            assert (
                f"kernel {kernel} × {kernel}, stride{only_the_first} {stride}" in numbers["blocks"]
            )
            assert all(block.block[-3][0].stride == (1, 1) for block in part[1:])


@pytest.mark.parametrize(("stage", "height"), [(0, 64), (3, 256), (5, 1024), (8, 2048)])
def test_the_receptive_field_of_a_stage_is_what_gradients_reach(stage, height):
    """Through the convolutions alone: squeeze-and-excitation looks at all of the image."""
    network = EfficientNet.from_name("b0").eval().double()
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(
                module.weight, 1 / module.weight[0].numel()
            )  # so that no path cancels another
        elif isinstance(module, SqueezeExcite):
            module.forward = lambda x: x
    image = torch.ones(1, 3, height, 32, dtype=torch.float64, requires_grad=True)
    x = image
    for part in [network.stem, *network.stages, network.head][: stage + 1]:
        for block in part if isinstance(part, torch.nn.ModuleList) else [part]:
            x = block(x)
    (gradient,) = torch.autograd.grad(x[0, :, x.shape[2] // 2].sum(), image)
    reached = int((gradient.sum((0, 1, 3)) != 0).sum())
    assert (
        stage_view(stage, "b0").numbers["receptive field of its convolutions"]
        == f"{reached:,} px; the image has 224"
    )


@pytest.mark.parametrize("variant", EFFICIENTNETS)
def test_every_stage_of_every_variant_has_a_view(variant):
    shares = []
    for stage in range(9):
        view = stage_view(stage, variant)
        assert view.words and view.figure.axes
        shares.append(float(re.search(r"\((.*) %\)", view.numbers["MACs"])[1]))
    assert sum(shares) == pytest.approx(100, abs=0.5)


def test_the_famous_networks_cost_what_torchvisions_do():
    """In the paper's rounding, and B0 to B7 as well. Accuracies are the paper's word."""
    assert list(efficientnets()) == [f"B{number}" for number in range(8)]
    assert efficientnets()["B0"] == (0.39, 77.1) and efficientnets()["B7"] == (37, 84.3)
    for name, builder in (("ResNet-50", "resnet50"), ("DenseNet-169", "densenet169")):
        with torch.device("meta"):
            network = getattr(torchvision.models, builder)().eval()
            image = torch.empty(1, 3, 224, 224)
        with FlopCounterMode(display=False) as counter:
            network(image)
        assert counter.get_total_flops() / 2e9 == pytest.approx(OTHERS[name].macs, rel=0.05)


def test_the_curve_is_left_of_all_others():
    """What the figure says: for each other network one of B0-B7 is more accurate for less."""
    for name, other in OTHERS.items():
        better = [one for one in efficientnets().values() if one.top1 >= other.top1]
        assert min(one.macs for one in better) < other.macs, name
