"""No picture of notebook 09 has data outside of its axes. Oracles: the limits that matplotlib draws
with, and figures cut off on purpose.
"""

import numpy as np
import pytest
from axes import cut_off

from effdet_lite.teach.kit.plots import new_figure
from effdet_lite.teach.nb import n09_bootstrap as bootstrap
from effdet_lite.teach.nb import n09_calibration as calibration
from effdet_lite.teach.nb import n09_errors as errors
from effdet_lite.teach.nb import n09_game as game
from effdet_lite.teach.nb import n09_opening as opening
from effdet_lite.teach.nb import n09_rotation as rotation
from effdet_lite.teach.nb import n09_rules as rules
from effdet_lite.teach.nb import n09_speed as speed
from effdet_lite.teach.nb import n09_threshold as threshold

GUESSES = [None, -5.0, 0.0, 50.0, 1000.0]


@pytest.fixture
def shown(monkeypatch):
    """Every figure that is shown."""
    figures = []
    for module in (bootstrap, calibration, errors, game, opening, rotation, rules, speed):
        monkeypatch.setattr(module, "show", lambda figure, alt, **how: figures.append(figure))
    for module in (bootstrap, opening, rules, speed, threshold):
        monkeypatch.setattr(module, "table", lambda *of: None)
    return figures


@pytest.mark.parametrize("kind", ["line", "dot", "bar", "upright lines"])
def test_what_is_cut_off_is_noticed(kind):
    figure, ((axis,),) = new_figure()
    draw = {
        "line": lambda: axis.plot([0, 1], [0.2, 0.74]),
        "dot": lambda: axis.scatter([0.5], [0.74]),
        "bar": lambda: axis.bar([0], [0.74]),
        "upright lines": lambda: axis.vlines([0.5], 0, 0.74),
    }
    draw[kind]()
    axis.axvline(0.5)
    axis.set(xlim=(-1, 2), ylim=(0, 0.8))
    assert not cut_off(figure)
    axis.set_ylim(0, 0.7)
    assert len(cut_off(figure)) == 1


@pytest.mark.parametrize("best", [0.3, 0.742, 0.99])
def test_each_detector_is_in_the_picture_of_speed(best):
    """However well they do: once the best two lay above the axes."""
    took = {-3: 40.0, -2: 41.5, -1: 54.1, 0: 300.0}
    aps = dict(zip(took, np.linspace(0.1, best, 4), strict=True))
    figure = speed.speed_figure(took, aps)
    assert len(figure.axes[0].lines) == 4
    assert not cut_off(figure)


def test_no_picture_of_the_game_is_cut_off(shown):
    game.show_area()
    boxes = game.ap_pad("six boxes").value
    for some in ([], boxes, boxes[:1], [box | {"score": 0.0} for box in boxes]):
        shown.append(game.ap_view(some).figure)
    for guess in (None, *game.CHANGES):
        shown.append(game.changes_view({"09.b": guess}).figure)
    for guess in GUESSES:
        shown.append(game.right_view({"09.a": guess}).figure)
    assert not [words for figure in shown for words in cut_off(figure)]


def test_no_picture_of_draws_is_cut_off(shown):
    rng = np.random.default_rng(0)
    for shift in (-0.2, 0.0, 0.2):
        paired, unpaired = rng.normal(shift, 0.01, 50), rng.normal(shift, 0.05, 50)
        for guess in GUESSES:
            shown.append(bootstrap.gains_view(paired, unpaired, {"09.e": guess}).figure)
    bootstrap.show_one_draw()
    scores = rng.uniform(0.001, 0.999, 500)
    calibration.show_reliability(scores, scores**2, rng.uniform(size=500) < scores)
    assert not [words for figure in shown for words in cut_off(figure)]


@pytest.mark.slow
def test_no_picture_of_the_detector_is_cut_off(shown):
    opening.show_four_grades()
    rules.show_demands()
    errors.show_prices(dict.fromkeys(errors.ERRORS, 0.01) | {"double": -0.02})
    shown.append(errors.across_view({"09.d": "rises"}).figure)
    for guess in GUESSES:
        shown.append(threshold.rates_view({"09.c": guess}).figure)
    assert len(shown) == 9
    assert not [words for figure in shown for words in cut_off(figure)]


def test_no_bar_of_the_turned_pictures_is_cut_off(monkeypatch):
    monkeypatch.setattr(rotation, "ap50s_at", lambda angle: (0.0, 0.5, 1.0))
    for guess in GUESSES:
        assert not cut_off(rotation.rotation_view({"09.f": guess}).figure)
