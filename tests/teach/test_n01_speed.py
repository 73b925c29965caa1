"""Layers and roofs of notebook 01. Oracles: torch's layers and counter, and plain arithmetic. No
time is tested.
"""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch.utils.flop_counter import FlopCounterMode

from effdet_lite.teach.nb import n01_speed
from effdet_lite.teach.nb.n01_speed import (
    EXAMPLES,
    Layer,
    Limits,
    live_layer_view,
    macs_and_time,
    milliseconds,
    roofline_figure,
    roofline_words,
    smaller_maps_figure,
)

LIMITS = Limits(peak=100e9, memory=25e9)


@pytest.mark.parametrize("layer", EXAMPLES, ids=str)
def test_a_layer_does_and_moves_what_torchs_does(layer):
    module = torch.nn.Conv2d(
        layer.c_in,
        layer.c_out,
        layer.kernel,
        padding=layer.kernel // 2,
        groups=layer.groups,
        bias=False,
    )
    image = torch.zeros(1, layer.c_in, layer.side, layer.side)
    with FlopCounterMode(display=False) as counter:
        output = module(image)
    traffic = 4 * (image.numel() + module.weight.numel() + output.numel())
    assert layer.cost.flops == counter.get_total_flops()
    assert layer.traffic == traffic
    assert layer.intensity == counter.get_total_flops() / traffic


def test_the_roof_rises_with_the_memory_and_then_is_flat():
    assert [LIMITS.roof(intensity) for intensity in (1, 4, 100)] == [25e9, 100e9, 100e9]


def test_the_fastest_run_counts(monkeypatch):
    clock = iter([0.0, 5.0, 10.0, 11.0, 20.0, 23.0])  # runs of 5, 1 and 3 seconds
    monkeypatch.setattr(n01_speed.time, "perf_counter", lambda: next(clock))
    assert milliseconds(lambda: None, repeats=3) == 1000


def test_titles_say_what_was_measured():
    times = {"dense": 2.0, "depthwise": 0.3, "pointwise": 0.2}
    figure = macs_and_time(times)
    assert figure.get_suptitle() == "7.9 times fewer MACs, 4.0 times less time"
    told = [[text.get_text() for text in axis.texts] for axis in figure.axes]
    assert told == [[" 115.6", " 14.7"], [" 2.000", " 0.500"]]
    speeds = {layer: LIMITS.roof(layer.intensity) / 2 for layer in EXAMPLES}
    title = roofline_figure(LIMITS, speeds).axes[0].get_title()
    assert title == "Here depthwise layers reach at most 50% of their roof"


def test_the_roofs_words_have_the_share_of_each_layer():
    """Half the flat part, 100 GFLOP/s, and a quarter of the slope: 25 GB/s × FLOP/byte."""
    flat, slope = EXAMPLES[0], EXAMPLES[4]
    speeds = {flat: 50e9, slope: 25e9 * slope.intensity / 4}
    words = roofline_words(LIMITS, speeds)
    assert words.endswith(": dense 64 → 64, 3×3, 56×56 50%; depthwise 64 → 64, 3×3, 56×56 25%.")


def ink(figure, artist):
    """Where this artist alone darkens the drawn figure, a pixel around it included."""
    seen = []
    for visible in (False, True):
        artist.set_visible(visible)
        figure.canvas.draw()
        seen.append(np.asarray(figure.canvas.buffer_rgba()).astype(int))
    artist.set_visible(False)
    marked = np.pad((seen[0] != seen[1]).any(2), 1)
    wide = marked.copy()
    for axis in (0, 1):
        wide |= np.roll(wide, 1, axis) | np.roll(wide, -1, axis)
    return wide


@pytest.mark.parametrize("limits", [LIMITS, Limits(231e9, 111e9), Limits(60e9, 8e9)], ids=str)
@pytest.mark.parametrize("is_live", [True, False], ids=["live", "six layers"])
def test_the_memorys_label_stands_free_of_its_line(monkeypatch, is_live, limits):
    if is_live:
        monkeypatch.setattr(n01_speed, "milliseconds", lambda *inputs, repeats: 0.1)
        figure = live_layer_view(limits, "depthwise", 64, 56).figure
    else:
        speeds = {layer: limits.roof(layer.intensity) / 2 for layer in EXAMPLES}
        figure = roofline_figure(limits, speeds)
    FigureCanvasAgg(figure)
    figure.dpi = 110
    axis = figure.axes[0]
    label = next(text for text in axis.texts if text.get_text().startswith("memory"))
    roof = axis.lines[0]
    for artist in (*axis.lines, *axis.texts):
        artist.set_visible(False)
    on_label, on_roof = ink(figure, label), ink(figure, roof)
    assert on_label.any() and on_roof.any()
    assert not (on_label & on_roof).any()


def test_smaller_maps_are_told_with_their_macs():
    """9 weights for each of 64 channels at each position."""
    axis = smaller_maps_figure({56: 0.2, 7: 0.05}).axes[0]
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == [f"56 × 56: {9 * 64 * 56**2:,} MACs", f"7 × 7: {9 * 64 * 7**2:,} MACs"]
    assert [text.get_text() for text in axis.texts] == [" 0.200 ms, 100%", " 0.050 ms, 25%"]
    assert axis.get_title() == "64 times fewer MACs still take 25% of the time"


def test_a_live_layer_is_told_beside_the_copy_of_its_map(monkeypatch):
    """With a clock on which the layer takes 1 ms, and then the copy 0.25 ms."""
    took = iter([1.0, 0.25])
    monkeypatch.setattr(n01_speed, "milliseconds", lambda *inputs, repeats: next(took))
    numbers = live_layer_view(LIMITS, "depthwise", 64, 56).numbers
    layer = Layer("depthwise", 64, 64, 3, 56)
    assert numbers["a copy of the map takes"] == "0.250 ms, so the layer takes 4.0 ×"
    reached = layer.cost.flops / 1e-3 / (25e9 * layer.intensity)
    assert numbers["of what its roof allows"] == f"{reached:.0%}"


@pytest.mark.parametrize("kind", ["depthwise", "dense", "pointwise"])
def test_the_smallest_layer_is_still_in_the_picture(monkeypatch, kind):
    """Where a call takes 0.2 ms, which is slow."""
    monkeypatch.setattr(n01_speed, "milliseconds", lambda *inputs, repeats: 0.2)
    axis = live_layer_view(LIMITS, kind, 8, 7).figure.axes[0]
    ((x,), (y,)) = axis.lines[-1].get_data()
    assert axis.get_xlim()[0] < x < axis.get_xlim()[1]
    assert axis.get_ylim()[0] < y < axis.get_ylim()[1]
