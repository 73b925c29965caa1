"""Why the three belong together. Oracles: rows made by hand, and B0's field as notebook 01 has it
(Araujo, Norris and Sim, Distill 2019).
"""

import pytest
import torch

from effdet_lite.experiments import window
from effdet_lite.teach.nb import n03_why


def rows_of(accuracy):
    """A row for each run of `window`. accuracy: of (resolution, blocks)."""
    return [
        vars(run) | {"accuracy": accuracy(run.resolution, run.blocks)} for run in window.planned()
    ]


def test_the_window_of_b0_and_of_b7():
    assert n03_why.field_of(1) == 851
    assert n03_why.field_of(3.1) == 3079


def test_the_answer_is_the_mean_with_one_block_at_96_px():
    rows = rows_of(lambda resolution, blocks: 0.5 if (resolution, blocks) == (96, 1) else 0.9)
    assert n03_why.accuracy_with_one_block(rows) == pytest.approx(50)
    figure, words, _, _ = n03_why.window_view(rows, 100)
    figure.draw_without_rendering()
    assert "right in 50 % with the same blocks, and in 90 % with more" in words
    axis = figure.axes[0]
    for line in axis.lines:
        if line.get_label() != "_guess":
            y = line.get_ydata()
            assert axis.get_ylim()[0] <= min(y) and max(y) <= axis.get_ylim()[1]


def test_the_slot_that_is_enlarged_is_the_one_with_the_stripes():
    picture = torch.full((1, n03_why.SIDE, n03_why.SIDE), 128, dtype=torch.uint8)
    picture[0, 50:60:2, 80:90] = 255  # third row of slots, last column
    assert n03_why._busiest(picture) == (2, 3)
