"""How far a dot's ring lies, and how far P2 sees.

Oracles: autograd through the small detector, the pixels of the pictures, the result file.
"""

import json

import numpy as np
import pytest
import torch
from lessons import ROOT

from effdet_lite.experiments import reach as experiment_reach
from effdet_lite.teach.nb import n04_reach as reach
from effdet_lite.teach.nb.n04_reach import RINGS, SIDE, reach_view, scene, window

RUNS = json.loads((ROOT / "assets" / "results" / "reach.json").read_text(encoding="utf-8"))["runs"]


@pytest.fixture
def experiment(experiment_script):
    """effdet_lite/experiments/necks.py, as the notebook imports it."""
    return experiment_script("necks")


@pytest.mark.parametrize(("row", "column"), [(16, 16), (9, 20)])
def test_the_window_is_where_gradients_of_the_detector_come_from(experiment, row, column):
    """Of an answer at P2 without fusion; and with FPN it is no limit."""
    torch.manual_seed(0)
    image = torch.rand(1, 3, SIDE, SIDE, requires_grad=True)
    seen = {}
    for name in ("no fusion", "FPN"):
        model = experiment.detector(experiment.GRAPHS[name], 6).eval()
        logits, _ = model(image)
        answers = logits[0, : 9 * 32 * 32].view(32, 32, -1)  # P2 comes first
        (gradient,) = torch.autograd.grad(answers[row, column].sum(), image)
        rows, columns = (
            gradient[0].abs().sum(0).sum(dim).nonzero().flatten().tolist() for dim in (1, 0)
        )
        seen[name] = ((columns[0], columns[-1]), (rows[0], rows[-1]))
    assert seen["no fusion"] == (window(4 * column + 1.7, 3), window(4 * row + 2.2, 3))
    assert seen["FPN"] == ((0, SIDE - 1), (0, SIDE - 1))


def share_by_pixels(ring, convolutions):
    """Of the dots whose window holds a colored pixel, and how many dots there are."""
    holds = []
    for picture in range(16):
        _, dots, colored = scene(ring, picture)
        for x, y in dots:
            (left, right), (top, bottom) = window(x, convolutions), window(y, convolutions)
            holds.append(colored[max(top, 0) : bottom + 1, max(left, 0) : right + 1].any())
    return np.mean(holds), len(holds)


@pytest.mark.parametrize("convolutions", [0, 3, 7])
@pytest.mark.parametrize("ring", [40, 56, 72, 120])
def test_the_share_of_dots_that_see_their_ring_is_that_of_windows_with_colored_pixels(
    ring, convolutions
):
    share, dots = share_by_pixels(ring, convolutions)
    told = reach_view(ring, convolutions).numbers["dots that see their ring"]
    assert told == f"{share:.0%} of {dots}"


def test_only_the_ring_is_colored():
    for picture in range(8):
        _, dots, colored = scene(80, picture)
        rows, columns = np.nonzero(colored)
        assert 78 <= np.ptp(rows) + 1 <= 82 and 78 <= np.ptp(columns) + 1 <= 82
        assert not any(colored[int(y), int(x)] for x, y in dots)


def test_one_convolution_fewer_is_not_enough():
    needed = reach.convolutions_needed(112)
    assert share_by_pixels(112, needed)[0] == 1 > share_by_pixels(112, needed - 1)[0]


def test_the_measured_points_are_those_of_the_file_and_every_setting_can_be_drawn():
    points = sorted((run["ring"], run["asked"]) for run in RUNS)
    for ring in RINGS:
        figure, words, numbers, _ = reach_view(ring, ring // 8, ring // 4 % 8)
        figure.draw_without_rendering()
        assert f"A ring of {ring} px" in words and len(numbers) == 4
        shares, scores = figure.axes[1:]
        assert sorted(map(tuple, scores.lines[0].get_xydata())) == points
        at_ring = dict(map(tuple, shares.lines[0].get_xydata()))[ring]
        assert f"{at_ring:.0f}%" == numbers["dots that see their ring"].split()[0]


def pixels_by_masks(ring):
    """Of each dot in the pictures by which the experiment grades: its ring's pixels within
    15 px of the middle of its window, along both axes. Rings alone are colored there.
    """
    pictures = experiment_reach.pictures(ring, "test", 300)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    seen = []
    for number in range(300):
        image, target = pictures[number]
        colored = (image.max(0).values - image.min(0).values).numpy() > reach.COLORED
        for left, top, right, bottom in target["boxes"][1:].tolist():
            x, y = 4 * ((left + right) // 8), 4 * ((top + bottom) // 8)
            near = (abs(columns - x) <= 15) & (abs(rows - y) <= 15)
            seen.append(np.count_nonzero(colored & near))
    return seen


def test_the_table_and_the_still_picture_tell_the_files_means(monkeypatch):
    shown, said = [], []
    monkeypatch.setattr(reach, "table", lambda head, rows: shown.extend(rows))
    monkeypatch.setattr(reach, "show", lambda figure, alt: said.append(alt))
    reach.reach_table()
    reach.show_reach()
    means = {
        ring: np.mean([run["asked"] for run in RUNS if run["ring"] == ring])
        for ring in sorted({run["ring"] for run in RUNS})
    }
    assert [row[0] for row in shown] == [f"{ring} px" for ring in means]
    for row, mean in zip(shown, means.values(), strict=True):
        assert row[3].startswith(f"{mean:.3f} (")
        seen = pixels_by_masks(int(row[0].removesuffix(" px")))
        assert row[1] == f"{np.mean([some > 0 for some in seen]):.0%} of {len(seen)}"
        assert row[2] == f"{np.median(seen):.0f}"
    assert f"from {means[40]:.2f} to {means[112]:.2f}" in said[0]
