"""Pictures with boxes. Oracles: the boxes that were passed, pixels, the renderer's own frames."""

import io
import itertools
import tracemalloc

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox
from PIL import Image

from effdet_lite.teach.kit.boxes import (
    LARGEST_DRAWN,
    draw_boxes,
    draw_outlines,
    image_grid,
    photo_figure,
)
from effdet_lite.teach.kit.plots import new_figure, png

CLASSES = ("circle", "square")


TARGET = {
    "boxes": torch.tensor([[4.0, 8.0, 20.0, 12.0], [0.0, 0.0, 32.0, 32.0]]),
    "labels": torch.tensor([1, 0]),
}


FOUND = TARGET | {"boxes": TARGET["boxes"] + 1, "scores": torch.tensor([0.9, 0.1])}


def rectangles(axis):
    return [patch for patch in axis.patches if isinstance(patch, Rectangle)]


def test_boxes_stand_where_they_were_told():
    image = torch.zeros(3, 32, 48)
    figure = draw_boxes(image, TARGET["boxes"], TARGET["labels"], CLASSES, scores=[0.875, 0.5])
    (axis,) = figure.axes
    corners = [patch.get_bbox().extents.tolist() for patch in rectangles(axis)]
    assert corners == TARGET["boxes"].tolist()
    assert [text.get_text() for text in axis.texts] == ["square 0.88", "circle 0.50"]
    assert axis.get_xlim() == (0, 48) and axis.get_ylim() == (32, 0)


def test_a_drawn_box_frames_its_object_in_the_pixels():
    """On the rendered picture: an 8 px red block, boxed, has its frame within a pixel around the
    red.
    """
    image = torch.ones(3, 32, 32)
    image[1:, 12:20, 8:16] = 0
    figure = draw_boxes(image, [[8, 12, 16, 20]], [0], CLASSES, words=True)
    for text in figure.axes[0].texts:
        text.remove()
    pixels = np.asarray(Image.open(io.BytesIO(png(figure))).convert("RGB")).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    blue = (pixels[..., 2] > 150) & (pixels[..., 0] < 60)
    scale = red.any(0).sum() / 8
    for across in (0, 1):
        red_at, blue_at = np.flatnonzero(red.any(across)), np.flatnonzero(blue.any(across))
        assert abs(blue_at[0] - red_at[0]) < scale and abs(blue_at[-1] - red_at[-1]) < scale


def test_a_grid_tells_truth_from_detections():
    figure = image_grid(
        torch.zeros(3, 3, 32, 32), [TARGET] * 3, CLASSES, [FOUND] * 3, columns=2, min_score=0.5
    )
    styles = [[patch.get_linestyle() for patch in rectangles(axis)] for axis in figure.axes]
    assert len(figure.axes) == 4 and not rectangles(figure.axes[3])
    for solid_one, solid_two, dashed in styles[:3]:
        assert solid_one == solid_two != dashed
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["circle", "square", "true", "detected (score ≥ 0.5)"]


def overlapping(figure):
    """Pairs of labels that lie over each other in the drawn figure."""
    png(figure)
    renderer = figure.canvas.get_renderer()
    frames = [text.get_window_extent(renderer) for axis in figure.axes for text in axis.texts]
    pairs = itertools.combinations(frames, 2)
    return sum(Bbox.intersection(one, other) is not None for one, other in pairs)


def test_labels_of_objects_beside_each_other_do_not_lie_over_each_other():
    """Five boxes whose upper left corners nearly agree, as a detector gives them."""
    crowd = torch.tensor([[30.0 + 3 * n, 40.0 + 4 * n, 80.0 + 6 * n, 90.0 - n] for n in range(5)])
    scores = [0.9, 0.8, 0.7, 0.6, 0.5]
    figure = draw_boxes(torch.zeros(3, 128, 128), crowd, [0, 1, 0, 1, 0], CLASSES, scores)
    assert len(figure.axes[0].texts) == 5 and overlapping(figure) == 0


def test_symbols_at_one_corner_do_not_lie_over_each_other():
    """Four boxes with one upper left corner: on the drawn figure each symbol has its own place."""
    crowd = [[20, 20, side, side] for side in (100, 90, 70, 60)]
    figure = draw_boxes(torch.zeros(3, 128, 128), crowd, [0, 1, 0, 1], CLASSES, words=False)
    png(figure)
    renderer = figure.canvas.get_renderer()
    frames = [line.get_window_extent(renderer) for line in figure.axes[0].lines]
    corners = [line.get_xydata()[0].tolist() for line in figure.axes[0].lines]
    assert len(frames) == 4
    assert not any(Bbox.intersection(*pair) for pair in itertools.combinations(frames, 2))
    for (x, y), (left, top, right, bottom) in zip(corners, crowd, strict=True):
        assert x in (left, right) and y in (top, bottom)


def test_whole_numbers_of_0_to_255_are_drawn_as_0_to_1():
    fraction = torch.rand(3, 16, 16, generator=torch.manual_seed(0))
    whole = (fraction * 255).round().to(torch.uint8)
    shown = [
        draw_boxes(image, [], [], CLASSES).axes[0].images[0].get_array()
        for image in (fraction, whole, whole.numpy())
    ]
    assert (shown[0] == shown[1]).all() and (shown[1] == shown[2]).all()


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 12_000), st.integers(1, 40))
def test_a_photograph_of_any_shape_is_a_figure_of_a_size_that_fits(longer, shorter):
    for height, width in ((longer, shorter), (shorter, longer)):
        photo = np.broadcast_to(np.uint8(90), (3, height, width))
        figure = photo_figure(photo, [[0, 0, width, height]], [1], CLASSES, [0.5])
        assert all(1 <= inches <= 12 for inches in figure.get_size_inches())
        assert max(figure.axes[0].images[0].get_array().shape) <= LARGEST_DRAWN
        assert png(figure, dpi=20)


def test_a_photograph_of_a_hundred_million_pixels_is_drawn_from_a_small_copy():
    """The box still frames its object: a dark quarter of the photograph."""
    row = np.where(np.arange(10_000) < 5_000, 0, 255).astype(np.uint8)
    photo = np.broadcast_to(row, (3, 10_000, 10_000))  # takes no memory
    tracemalloc.start()
    figure = photo_figure(photo, [[0, 0, 5_000, 10_000]], [0], CLASSES)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    (axis,) = figure.axes
    shown = np.asarray(axis.images[0].get_array())
    assert axis.get_xlim() == (0, 10_000) and abs((shown[..., 0] < 128).mean() - 0.5) < 0.01


def test_many_outlines_are_the_boxes_that_were_given():
    axis = new_figure()[1][0, 0]
    draw_outlines(axis, TARGET["boxes"], "black")
    paths = [path.vertices for path in axis.collections[0].get_paths()]
    assert [[*path.min(0), *path.max(0)] for path in paths] == TARGET["boxes"].tolist()
