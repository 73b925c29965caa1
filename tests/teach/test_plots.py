"""Figures: the palette against published colour science, boxes where they were told to be, words on
the page.
"""

import io
import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from matplotlib.patches import Rectangle
from PIL import Image
from traitlets.config import Config

from effdet_lite.evaluation import precision_recall
from effdet_lite.teach.kit import boxes, page, plots

# Okabe and Ito, "Color Universal Design", 2008, figure 16: the sRGB values in 0-255.
OKABE_ITO = {
    "black": (0, 0, 0),
    "orange": (230, 159, 0),
    "sky": (86, 180, 233),
    "green": (0, 158, 115),
    "yellow": (240, 228, 66),
    "blue": (0, 114, 178),
    "vermillion": (213, 94, 0),
    "purple": (204, 121, 167),
}
# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
# deficiency", 2009, severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}


def linear(color):
    """Linear RGB of "#RRGGBB" (IEC 61966-2-1)."""
    encoded = np.array([int(color[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def lightness_and_hue(rgb):
    """CIE L*a*b* of linear sRGB under D65."""
    to_xyz = np.array(
        [[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]]
    )
    x, y, z = np.cbrt(np.maximum(to_xyz @ rgb / [0.9505, 1, 1.0888], 0))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def closest(colors, vision):
    """The smallest distance between two of the colours, as seen."""
    seen = [
        lightness_and_hue(np.clip(np.array(VISION[vision]) @ linear(color), 0, 1))
        for color in colors
    ]
    return min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2))


def test_the_palette_is_okabe_and_itos():
    for name, color in plots.PALETTE.items():
        assert tuple(int(color[start : start + 2], 16) for start in (1, 3, 5)) == OKABE_ITO[name]


@pytest.mark.parametrize("vision", VISION)
def test_colors_stay_apart_for_colour_blind_eyes(vision):
    """Every pair is at least 15 apart (2.3 is just noticeable, side by side)."""
    assert closest(plots.COLORS, vision) > 15


def test_the_measure_of_that_has_teeth():
    """Matplotlib's default orange and green are far apart, but not for a protanope."""
    assert (
        closest(["#FF7F0E", "#2CA02C"], "normal")
        > 90
        > 15
        > closest(["#FF7F0E", "#2CA02C"], "protanopia")
    )


def test_the_first_four_colors_stand_out_from_the_background():
    """Contrast of at least 3 : 1 with white, as WCAG 2.2 (1.4.11) asks of graphics."""
    luminance = [
        float(np.dot([0.2126, 0.7152, 0.0722], linear(color))) for color in plots.COLORS[:4]
    ]
    assert all((1 + 0.05) / (value + 0.05) >= 3 for value in luminance)


def test_lines_differ_without_color():
    _, axes = plots.new_figure()
    lines = [axes[0, 0].plot([0, 1], [number, 0])[0] for number in range(len(plots.COLORS))]
    assert len({line.get_marker() for line in lines}) == len(lines)
    assert len({str(line._dash_pattern) for line in lines}) == len(lines)


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
    figure = boxes.draw_boxes(
        image, TARGET["boxes"], TARGET["labels"], CLASSES, scores=[0.875, 0.5]
    )
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
    figure = boxes.draw_boxes(image, [[8, 12, 16, 20]], [0], CLASSES, words=True)
    for text in figure.axes[0].texts:
        text.remove()
    pixels = np.asarray(Image.open(io.BytesIO(plots.png(figure))).convert("RGB")).astype(int)
    red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    blue = (pixels[..., 2] > 150) & (pixels[..., 0] < 60)
    scale = red.any(0).sum() / 8
    for across in (0, 1):
        red_at, blue_at = np.flatnonzero(red.any(across)), np.flatnonzero(blue.any(across))
        assert abs(blue_at[0] - red_at[0]) < scale and abs(blue_at[-1] - red_at[-1]) < scale


def test_a_grid_tells_truth_from_detections():
    figure = boxes.image_grid(
        torch.zeros(3, 3, 32, 32), [TARGET] * 3, CLASSES, [FOUND] * 3, columns=2, min_score=0.5
    )
    styles = [[patch.get_linestyle() for patch in rectangles(axis)] for axis in figure.axes]
    assert len(figure.axes) == 4 and not rectangles(figure.axes[3])
    for solid_one, solid_two, dashed in styles[:3]:
        assert solid_one == solid_two != dashed
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["circle", "square", "true", "detected (score ≥ 0.5)"]


def test_training_curves_take_rows_of_any_kind():
    history = [
        {"step": 1, "seconds": 2.0, "loss": 3.0},
        {"step": 9, "seconds": 4.0, "loss": 1.0, "ap50": 0.5},
    ]
    losses, quality = plots.training_curves(history, against="step").axes
    assert losses.lines[0].get_xydata().tolist() == [[1, 3], [9, 1]]
    assert quality.lines[0].get_xydata().tolist() == [[9, 0.5]]
    assert losses.get_xlabel() == "training steps" and plots.training_curves([]).axes[
        0
    ].get_xlabel().endswith("(s)")


def test_the_precision_recall_plot_carries_ap_and_absent_classes():
    curves = precision_recall(
        [FOUND], [{**FOUND, "labels": torch.tensor([1, 1]), "image_id": 1}], CLASSES
    )
    figure = plots.precision_recall_plot(curves)
    words = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert words[0] == "circle: no object" and words[1].startswith("square: AP 0.5")


def test_alt_text_reaches_the_page(tmp_path, monkeypatch):
    """What a notebook would store: metadata, plain text and a line of HTML, escaped."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    try:
        with capture_output() as captured:
            page.show(plots.new_figure()[0], alt="AP < 0.5 & rising")
    finally:
        InteractiveShell.clear_instance()
    picture, words = captured.outputs
    assert picture.data["text/plain"] == picture.metadata["image/png"]["alt"] == "AP < 0.5 & rising"
    assert picture.data["image/png"].startswith(
        "iVBORw0KGgo"
    )  # a PNG file's first bytes in base 64
    assert "AP &lt; 0.5 &amp; rising" in words.data["text/html"]


def test_no_figure_goes_without_words():
    with pytest.raises(ValueError, match="no alt text"):
        page.show(plots.new_figure()[0], alt=" ")


def test_drawing_leaves_nothing_behind():
    """In a fresh process: pyplot is never loaded, so it holds no figure, and matplotlib's settings
    are as before.
    """
    code = """
import sys, matplotlib
from effdet_lite.teach.kit import boxes, page, plots
names = [name for name in matplotlib.rcParams if name != "backend"]  # to read that one loads pyplot
before = [matplotlib.rcParams[name] for name in names]
plots.png(plots.precision_recall_plot({"a": {"recall": [0, 1], "precision": [1, 0]}}))
assert [matplotlib.rcParams[name] for name in names] == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
