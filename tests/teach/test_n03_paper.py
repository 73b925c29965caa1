"""Table 7 of the EfficientNet paper. Oracle: torch.utils.flop_counter on torchvision's blocks."""

import pytest
import torch
from oracles import macs

from effdet_lite.efficientnet import EfficientNet
from effdet_lite.scaling import EfficientNetConfig
from effdet_lite.teach.nb import n03_paper


@pytest.mark.parametrize("name", ["B0", "depth", "compound"])
def test_the_counted_macs_are_torchs(name):
    row = n03_paper.TABLE_7[name]
    side = round(224 * row.resolution)
    with torch.device("meta"):
        network = EfficientNet(EfficientNetConfig(row.width, row.depth, side)).eval()
        assert row.macs == macs(network, torch.empty(1, 3, side, side)) / 1e9


def test_the_bet_is_bold_and_the_best_one_is_the_mixture():
    assert n03_paper.best_bet() == "a little of each"
    figure, words, _, _ = n03_paper.paper_view("more channels")
    figure.draw_without_rendering()
    bold = [text.get_text() for text in figure.axes[0].texts if text.get_weight() == "bold"]
    assert bold == ["width, your bet"]
    assert "compound 81.1 %" in words
    plain = n03_paper.paper_view(None).figure.axes[0].texts
    assert not [text for text in plain if text.get_weight() == "bold"]
