"""Figures: the palette against published color science, boxes where they were told to be, words on
the page.
"""

import itertools
import subprocess
import sys
import threading
import time

import matplotlib
import numpy as np
import pytest
import torch

from effdet_lite.evaluation import precision_recall
from effdet_lite.teach.kit import plots

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
    """The smallest distance between two of the colors, as seen."""
    seen = [
        lightness_and_hue(np.clip(np.array(VISION[vision]) @ linear(color), 0, 1))
        for color in colors
    ]
    return min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2))


def test_the_palette_is_okabe_and_itos():
    for name, color in plots.PALETTE.items():
        assert tuple(int(color[start : start + 2], 16) for start in (1, 3, 5)) == OKABE_ITO[name]


@pytest.mark.parametrize("vision", VISION)
def test_colors_stay_apart_for_color_blind_eyes(vision):
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


@pytest.mark.slow
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


def test_two_threads_draw_in_the_style_and_leave_none_of_it_behind():
    """The first enters before the second, and leaves before it."""
    before = {name: matplotlib.rcParams[name] for name in plots.STYLE}
    inside, seen = threading.Event(), []

    @plots.styled
    def draw(wait):
        inside.set()
        time.sleep(wait)
        seen.append(all(matplotlib.rcParams[name] == plots.STYLE[name] for name in plots.STYLE))

    first = threading.Thread(target=draw, args=(0.05,))
    second = threading.Thread(target=draw, args=(0.1,))
    first.start()
    inside.wait()
    second.start()
    first.join()
    second.join()
    assert seen == [True, True]
    assert {name: matplotlib.rcParams[name] for name in plots.STYLE} == before


def test_a_setting_that_somebody_changes_meanwhile_stays():
    with matplotlib.rc_context():
        with plots.styled, plots.styled:
            matplotlib.rcParams["font.size"] = 17
        assert matplotlib.rcParams["font.size"] == 17


def test_the_style_is_given_back_after_an_error():
    before = matplotlib.rcParams["axes.grid"]
    with pytest.raises(ZeroDivisionError), plots.styled:
        1 / 0  # noqa: B018
    assert matplotlib.rcParams["axes.grid"] == before
