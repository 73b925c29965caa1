"""One number for the whole network: what notebook 03 shows of it.

Oracles: torchvision's networks, torch.utils.flop_counter, timm's parameters.
"""

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import macs
from torch.utils.flop_counter import FlopCounterMode

from effdet_lite.efficientnet import EfficientNet
from effdet_lite.scaling import EFFICIENTNETS, PUBLISHED, EfficientNetConfig, efficientnet
from effdet_lite.teach.nb import n03_scaling
from effdet_lite.teach.nb.n03_scaling import LARGEST, SMALLEST, scaling_view


@pytest.mark.parametrize("variant", ["b0", "b3", "b7"])
def test_scaled_to_a_published_size_the_numbers_are_torchvisions(variant):
    """At phi = 1 the three bases are the multiples of B0 themselves."""
    config = EFFICIENTNETS[variant]
    with torch.device("meta"):
        network = torchvision.models.get_model(f"efficientnet_{variant}").eval()
        image = torch.empty(1, 3, config.resolution, config.resolution)
    made = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda layer, inputs, output: made.append(output.numel()))
    with FlopCounterMode(display=False) as counter:
        network(image)
    params = sum(parameter.numel() for parameter in network.parameters())
    numbers = scaling_view(1, config.depth, config.width, config.resolution / 224).numbers
    assert numbers["parameters"] == f"{params:,}"
    assert numbers["MACs"].startswith(f"{counter.get_total_flops() / 2e6:,.1f} million, ")
    assert numbers["weights"] == f"{4 * params / 1e6:,.1f} MB"
    assert numbers["activations, all convolutions, one image"] == f"{4 * sum(made) / 1e6:,.1f} MB"
    assert numbers["blocks"] == str(sum(len(stage) for stage in network.features[1:-1]))
    assert numbers["nearest published"].startswith(
        f"{variant.upper()}: {counter.get_total_flops() / 2e6:,.0f} million"
    )


@pytest.mark.parametrize(("phi", "params"), [(1, 9_109_994), (3, 16_350_296), (7, 68_741_810)])
def test_the_formula_has_the_parameters_that_timm_has(phi, params):
    """Measured with timm's EfficientNet at 1.2^phi depth and 1.1^phi width."""
    assert scaling_view(phi, 1.2, 1.1, 1.15).numbers["parameters"] == f"{params:,}"


@settings(max_examples=15, deadline=None)
@given(st.integers(-12, 28), st.integers(20, 40), st.integers(20, 29), st.integers(20, 29))
def test_every_setting_of_the_scaling_sliders_has_a_view_or_says_why_not(phi, alpha, beta, gamma):
    """On the ranges that the sliders of notebook 03 have: quarters of phi, twentieths of the
    others.
    """
    phi, alpha, beta, gamma = phi / 4, alpha / 20, beta / 20, gamma / 20
    by_formula = (alpha * beta**2 * gamma**2) ** phi
    if by_formula < SMALLEST:
        with pytest.raises(ValueError, match="too small for the drawing"):
            scaling_view(phi, alpha, beta, gamma)
        return
    if by_formula > LARGEST:
        with pytest.raises(
            ValueError, match=r"takes [\d,]+ times B0's MACs, and B7 takes 98 times"
        ):
            scaling_view(phi, alpha, beta, gamma)
        return
    figure, words, numbers, _ = scaling_view(phi, alpha, beta, gamma)
    assert words and numbers["α · β² · γ²"] == f"{alpha * beta**2 * gamma**2:.4f}"
    figure.draw_without_rendering()
    plot = figure.axes[1]
    family, star = (line.get_xydata() for line in plot.lines)
    limits = np.array([plot.get_xlim(), plot.get_ylim()]).T
    for points in (family, star):
        assert (limits[0] <= points).all() and (points <= limits[1]).all()
    assert len(family) == 8


@pytest.mark.parametrize("phi", [1, 2.5, 7])
def test_a_network_of_the_formula_has_one_phi_for_all_three(phi):
    found = n03_scaling.own_phis(efficientnet(phi))
    assert list(found) == ["depth", "width", "resolution"]
    assert list(found.values()) == pytest.approx([phi] * 3, abs=0.02)


@pytest.mark.parametrize(
    ("name", "phi"), [("b1", 0.5), ("b2", 1), ("b3", 2), ("b4", None), ("b5", None), ("b7", None)]
)
def test_up_to_b3_one_phi_gives_all_three_sizes(name, phi):
    """By hand: 1.2^0.5 = 1.10, 1.1^0.5 = 1.05, 224 * 1.15^0.5 = 240; 1.2, 1.1 and 258 for 260 px;
    1.44, 1.21 and 296 for 300 px. B4's depth 1.8 needs ϕ below 3.4, its 380 px one above 3.6.
    """
    assert n03_scaling.shared_phi(EFFICIENTNETS[name]) == phi


def test_the_first_step_of_the_formula_takes_more_than_its_product():
    """torch's count of the network with 1.2 times the depth, 1.1 times the width, at 258 px."""
    counts = []
    for config in (efficientnet(0), efficientnet(1)):
        with torch.device("meta"):
            network = EfficientNet(config).eval()
            image = torch.empty(1, 3, config.resolution, config.resolution)
        counts.append(macs(network, image))
    assert n03_scaling.formula_growths()[1] == pytest.approx(counts[1] / counts[0])
    assert counts[1] / counts[0] > 1.3 * 1.92


def test_networks_follow_the_formula_if_they_are_made_by_it(monkeypatch):
    made = {}
    for number, name in enumerate(EFFICIENTNETS):
        wish = efficientnet(number)
        made[name] = EfficientNetConfig(round(wish.width, 1), round(wish.depth, 1), wish.resolution)
    monkeypatch.setattr(n03_scaling, "EFFICIENTNETS", made)
    assert n03_scaling.follow_the_formula() == list(EFFICIENTNETS)[1:]


def test_the_growths_are_those_of_the_paper():
    """arXiv 1905.11946, table 2, to its rounding: 0.39, 0.70, 1.0 ... 37 billion."""
    told = [one.macs / PUBLISHED["b0"].macs for one in list(PUBLISHED.values())[:8]]
    assert n03_scaling.growths() == pytest.approx(told, rel=0.06)


def test_the_chart_of_the_formula_holds_its_points_and_the_guess():
    figure, words, _, _ = n03_scaling.formula_view(1000)
    figure.draw_without_rendering()
    assert "97.8 times" in words
    for axis in figure.axes:
        for line in axis.lines:
            if line.get_label() != "_guess":
                x, y = line.get_xydata().T
                assert (axis.get_xlim()[0] <= x).all() and (x <= axis.get_xlim()[1]).all()
                assert (axis.get_ylim()[0] <= y).all() and (y <= axis.get_ylim()[1]).all()
