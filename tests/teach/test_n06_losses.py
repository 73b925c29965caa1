"""The seesaw and the first loss of notebook 06.

Oracles: torchvision's focal loss, torch's huber_loss and cross-entropy, plain arithmetic.
"""

import math

import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from effdet_lite.teach.kit.shared import shipped
from effdet_lite.teach.nb import n06_losses as losses
from effdet_lite.teach.nb.n06_losses import SURE_NO, UNSURE, YES


@pytest.fixture(scope="module")
def questions():
    """(logits, 1 for "yes") of all questions of the batch."""
    images, matches = losses.batch()
    with torch.no_grad():
        logits, _ = shipped("shapes")[0](images)
    yes = torch.zeros_like(logits)
    for image, anchor in (matches.labels >= 0).nonzero().tolist():
        yes[image, anchor, matches.labels[image, anchor]] = 1.0
    return logits.double(), yes.double()


@pytest.mark.parametrize(("gamma", "alpha"), [(0.0, 0.5), (1.5, 0.5), (1.5, 0.25), (2.0, 0.75)])
def test_shares_are_those_of_torchvisions_focal_loss(questions, gamma, alpha):
    logits, yes = questions
    each = sigmoid_focal_loss(logits, yes, alpha=alpha, gamma=gamma)
    p = torch.where(yes > 0, logits.sigmoid(), 1 - logits.sigmoid())
    kinds = {YES: yes > 0, UNSURE: (yes == 0) & (p <= 0.9), SURE_NO: (yes == 0) & (p > 0.9)}
    found = losses.shares(gamma, alpha)
    for name, mask in kinds.items():
        expected = float(each[mask].sum() / each.sum())
        assert found[name] == pytest.approx(expected, rel=1e-3, abs=1e-5)
        assert losses.right_answers()[name].numel() == int(mask.sum())
    assert sum(found.values()) == pytest.approx(1)


def test_the_seesaw_says_which_side_is_heavier():
    assert "“no” weighs more: 87 %" in losses.seesaw_view(0.0, 0.5).figure.axes[0].get_title()
    assert "“yes” weighs more" in losses.seesaw_view(1.5, 0.95).figure.axes[0].get_title()
    levels = [losses.shares(1.5, alpha / 100)[YES] for alpha in range(5, 96)]
    assert min(abs(level - 0.5) for level in levels) < 0.01  # so the task can be solved


def test_words_of_the_seesaw_lie_apart():
    for settings in ((0.0, 0.5), (1.5, 0.25), (3.0, 0.5), (0.0, 0.05), (3.0, 0.95)):
        figure = losses.seesaw_view(*settings).figure
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
        assert len(boxes) == 3
        for number, one in enumerate(boxes):
            assert figure.bbox.contains(one.x0, one.y0) and figure.bbox.contains(one.x1, one.y1)
            assert not any(one.overlaps(other) for other in boxes[number + 1 :]), settings


def test_settings_at_which_nothing_weighs_anything_are_refused():
    with pytest.raises(ValueError, match="no answer weighs anything"):
        losses.shares(1e12, 0.5)


def test_fresh_detectors_have_the_loss_that_torchvision_computes():
    """With a bias of 0 all answers lie near ½, with the prior near 0.01; both exceed the formula,
    since random weights spread them.
    """
    measured = losses.first_losses_measured()
    _, matches = losses.batch()
    winners = int((matches.labels >= 0).sum())
    for score, value in measured.items():
        logits = torch.full((8, 12_276, 4), math.log(score / (1 - score)))
        yes = torch.zeros_like(logits)
        yes[matches.labels >= 0, matches.labels[matches.labels >= 0]] = 1.0
        floor = sigmoid_focal_loss(logits, yes, 0.25, 1.5, reduction="sum") / (winners + 1)
        assert 1 < value / float(floor) < 1.5


def test_the_first_loss_stands_with_its_guess():
    formula = {"without the prior": 236.6, "with the prior": 1.14}
    view = losses.first_loss_view(formula, 50)
    assert view.numbers["without the prior"].startswith("formula 236.60, measured 2")
    assert "your guess" in [text.get_text() for text in view.figure.axes[0].texts]


def test_hubers_curve_is_torchs(monkeypatch):
    figures = []
    monkeypatch.setattr(losses, "show", lambda figure, alt: figures.append(figure))
    losses.show_huber(0.1)
    line = figures[0].axes[0].lines[2]
    errors = torch.tensor(line.get_xdata())
    expected = torch.where(errors.abs() <= 0.1, errors**2 / 2, 0.1 * (errors.abs() - 0.05))
    torch.testing.assert_close(torch.tensor(line.get_ydata()), expected, atol=1e-6, rtol=1e-5)


def test_a_focus_of_0_is_cross_entropy(monkeypatch):
    figures = []
    monkeypatch.setattr(losses, "show", lambda figure, alt: figures.append(figure))
    losses.show_focal_curves((0, 1.5))
    plain = figures[0].axes[0].lines[0]
    p = torch.tensor(plain.get_xdata())
    expected = F.binary_cross_entropy(p, torch.ones_like(p), reduction="none")
    torch.testing.assert_close(torch.tensor(plain.get_ydata()), expected)
