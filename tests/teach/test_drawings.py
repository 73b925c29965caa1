"""Drawings to scale. Oracles: the graph's own edges, the sizes that were passed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import FancyArrowPatch

from effdet_lite import fusion
from effdet_lite.teach.kit.drawings import Map, block, conv_drawing, network_drawing
from effdet_lite.teach.kit.graphs import graph_drawing
from effdet_lite.teach.kit.plots import as_array, new_figure, png


@pytest.mark.parametrize(
    "graph", [fusion.fpn(range(3, 8)), fusion.panet(range(3, 8)), fusion.bifpn(range(2, 7))]
)
def test_a_graph_is_drawn_with_each_of_its_edges_as_wide_as_its_weight(graph):
    weights = {edge: number / len(graph.edges) for number, edge in enumerate(graph.edges)}
    arrows = [
        patch
        for patch in graph_drawing(graph, weights).axes[0].patches
        if isinstance(patch, FancyArrowPatch)
    ]
    assert len(arrows) == len(graph.edges)
    widths = [arrow.get_linewidth() for arrow in arrows]
    assert widths == sorted(widths) and len(set(widths)) == len(widths)


def test_a_block_is_to_scale():
    front, top, side = block(1, 2, 3, 4, 5)
    assert (front.max(0) - front.min(0)).tolist() == [3, 4]
    assert top[2, 1] == side[2, 1] > front.max(0)[1]


def test_slabs_have_the_proportions_of_the_maps():
    maps = [Map("a", 64, 16, 1, 0.2), Map("b", 32, 48, 2, 0.8)]
    axis = new_figure()[1][0, 0]
    network_drawing(axis, maps)
    fronts = [as_array(path.vertices[:4]) for path in axis.collections[0].get_paths()[::3]]
    (first, second, third) = [front.max(0) - front.min(0) for front in fronts]
    assert first[1] / second[1] == pytest.approx(64 / 32) and second[0] / first[0] == pytest.approx(
        48 / 16
    )
    assert second.tolist() == pytest.approx(third.tolist())


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 64),
    st.integers(1, 64),
    st.integers(1, 512),
    st.integers(1, 512),
    st.sampled_from([1, 3, 5, 7]),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_any_convolution_can_be_drawn(c_in, c_out, height, width, kernel, stride, dilation):
    figure, axes = new_figure(width=3, height=2, margins={})
    conv_drawing(axes[0, 0], c_in, c_out, height, width, kernel, stride, 1, dilation)
    words = " ".join(text.get_text() for text in axes[0, 0].texts)
    assert f"{-(-height // stride)} × {-(-width // stride)} × {c_out}" in words and png(
        figure, dpi=30
    )
