"""What the explorer of notebook 03 shows.

Oracles: torchvision's networks, torch.utils.flop_counter, timm's parameters.
"""

import re

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from effdet_lite.scaling import EFFICIENTNETS
from effdet_lite.teach.nb.n03_scaling import scaling_view


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
def test_every_setting_of_the_scaling_sliders_has_a_view(phi, alpha, beta, gamma):
    """On the ranges that the sliders of notebook 03 have: quarters of phi, twentieths of the
    others.
    """
    phi, alpha, beta, gamma = phi / 4, alpha / 20, beta / 20, gamma / 20
    figure, words, numbers, _ = scaling_view(phi, alpha, beta, gamma)
    assert words and numbers["α · β² · γ²"] == f"{alpha * beta**2 * gamma**2:.4f}"
    figure.draw_without_rendering()
    shares = [float(share) for share in re.findall(r"(\d+) ?%", numbers["MACs by part"])]
    assert sum(shares) == pytest.approx(100, abs=2)
    plot = figure.axes[1]
    family, star = (line.get_xydata() for line in plot.lines)
    limits = np.array([plot.get_xlim(), plot.get_ylim()]).T
    for points in (family, star):
        assert (limits[0] <= points).all() and (points <= limits[1]).all()
    assert len(family) == 8
