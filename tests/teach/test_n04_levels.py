"""The opening of notebook 04, and what each level sees.

Oracles: the pictures' labels and pixels, gradients of the small detector's backbone.
"""

import numpy as np
import pytest
import torch
from matplotlib.patches import Circle, Rectangle

from effdet_lite.experiments import necks
from effdet_lite.experiments.plain import detector
from effdet_lite.teach.nb import n04_dots as dots
from effdet_lite.teach.nb import n04_drawing as drawing
from effdet_lite.teach.nb import n04_levels as levels


@pytest.fixture
def shown(monkeypatch):
    """(figure, alt text) of everything that is shown."""
    figures = []
    for module in (levels, drawing, dots):
        monkeypatch.setattr(
            module, "show", lambda figure, alt, **how: figures.append((figure, alt))
        )
    return figures


def test_the_line_up_has_one_ring_of_each_color():
    colors = {levels.ring_of(index) for index in levels.LINEUP.values()}
    assert colors == set(levels.COLOR_NAMES)
    for color in colors:
        assert levels.ring_of(levels.LINEUP[levels.letter_of(color)]) == color


def test_a_close_up_has_its_dot_in_the_middle_and_no_color():
    for index in levels.LINEUP.values():
        pixels = levels.close_up(index)
        assert pixels.shape == (3, 31, 31)
        assert (
            np.ptp(pixels, axis=0).max()
            < 0.45
            < np.ptp(levels.test_pictures()[index][0].numpy(), axis=0).max()
        )
        x, y = levels.dots_of(index)[0]
        middle = levels.test_pictures()[index][0].numpy()[:, int(y), int(x)]
        assert np.array_equal(pixels[:, 15, 15], middle)


@pytest.fixture(scope="module")
def backbone():
    torch.manual_seed(0)
    return detector(necks.GRAPHS["FPN"], 6).eval()


@pytest.mark.parametrize("level", levels.LEVELS)
def test_the_windows_are_where_gradients_come_from(backbone, level):
    """Of the position whose window is said to lie around the middle of the picture."""
    image = torch.rand(1, 3, 128, 128, requires_grad=True)
    maps = backbone.fusion.extend(list(backbone.backbone.features(image)[1:]))
    position, middle = levels.middle_of(level, 64)
    x = maps[level - 2][0, :, position, position]
    (gradient,) = torch.autograd.grad((x * torch.rand(len(x))).sum(), image)
    rows = gradient[0].abs().sum((0, 2)).nonzero().flatten()
    field = levels.field_of(level)
    first, last = middle - field / 2, middle + field / 2 - 1
    assert max(0, first) <= rows[0] and rows[-1] <= last
    if level < 6:  # of a max pool only the largest number has a gradient
        assert (rows[0], rows[-1]) == (max(0, first), last)


def test_the_picture_of_levels_outlines_these_windows_and_marks_the_dot_on_each_grid(shown):
    levels.show_levels()
    figure, alt = shown[0]
    figure.draw_without_rendering()
    above, below = figure.axes[:5], figure.axes[5:]
    dots = levels.dots_of(levels.CENTERED)
    for wide, grid, level in zip(above, below, levels.LEVELS, strict=True):
        (frame,) = [one for one in wide.get_children() if isinstance(one, Rectangle)][:1]
        assert frame.get_width() == levels.field_of(level)
        (circle,) = [one for one in grid.get_children() if isinstance(one, Circle)]
        marked = np.array(circle.center) * 2**level  # px of the picture
        assert abs(dots - marked).max(1).min() < 1e-4
        assert grid.get_xlim() == (0, 128 // 2**level)
    assert "7 px" in alt and "127 px" in alt


def test_every_still_can_be_drawn(shown):
    levels.show_close_ups()
    levels.show_pictures()
    drawing.show_fpn()
    for figure, alt in shown:
        figure.draw_without_rendering()
        assert alt.endswith(".")


def test_the_table_counts_positions_as_the_network_does(backbone):
    with torch.no_grad():
        maps = backbone.pyramid(torch.zeros(1, 3, 128, 128))
    for row, x in zip(levels.levels_rows(), maps, strict=True):
        side = x.shape[-1]
        assert row[:3] == [row[0], 128 // side, f"{side} × {side}"]
        assert float(row[3]) == 8 * side / 128 and float(row[4]) == 112 * side / 128


# --- what the detectors find ---


def test_answers_in_a_row_are_the_packages(backbone):
    with torch.no_grad():
        maps = backbone.pyramid(torch.rand(2, 3, 128, 128))
        head = backbone.class_head
        answers = []
        for x, norm in zip(maps, head.norms[0], strict=True):
            answers.append(head.predict(torch.nn.functional.silu(norm(head.convs[0](x)))))
        assert torch.allclose(dots.in_a_row(answers), head(maps))


def test_boxes_of_a_fresh_detector_are_drawn_or_there_are_none(shown, backbone):
    dots.show_dots({"fresh": backbone})
    figure, alt = shown[0]
    figure.draw_without_rendering()
    assert "of 7 with fresh" in alt


def test_the_table_of_shapes_takes_only_plain_runs(monkeypatch):
    lines = []
    monkeypatch.setattr(dots, "table", lambda head, rows: lines.extend(rows))
    plain = {"task": "shapes", "repeats": 1, "channels": 32, "weighting": "sum"}
    scores = {"ap": 0.1, "ap_small": 0.2, "ap_medium": 0.3, "ap_large": 0.4}
    better = {name: value + 0.05 for name, value in scores.items()}
    rows = [
        plain | {"graph": "no fusion"} | scores,
        plain | {"graph": "FPN"} | better,
        plain | {"graph": "FPN", "repeats": 3} | dict.fromkeys(scores, 0.9),
        plain | {"graph": "FPN", "task": "top-down"} | dict.fromkeys(scores, 0.9),
    ]
    dots.shapes_table(rows)
    assert [row[-1].split()[0] for row in lines] == ["0.150", "0.250", "0.350", "0.450"]
    assert [row[1].split()[0] for row in lines] == ["0.100", "0.200", "0.300", "0.400"]


def test_labels_of_dots_are_placed_in_the_part_that_is_shown(monkeypatch, shown, backbone):
    """Close dots: the words of one would lie on the words of the other in the whole picture."""
    shifts = torch.tensor([[0.0, 0.0], [2.0, 9.0]])
    corner = torch.tensor(dots.dots_of(2).mean(0)).float() - torch.tensor([4.0, 12.0])
    boxes = torch.cat([corner + shifts, corner + shifts + 8], 1)
    found = boxes, np.array([0, 1]), np.array([0.9, 0.8])
    monkeypatch.setattr(dots, "_best_dots", lambda model, index: found)
    dots.show_dots({"close": backbone})
    ((figure, _),) = shown
    figure.draw_without_rendering()
    axis = figure.axes[0]
    for words, box in zip(axis.texts, boxes, strict=True):
        assert words.xy == (box[0].item(), box[1].item())  # above the box, where there is room
