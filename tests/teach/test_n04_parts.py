"""What each part of an FPN is worth: drawings and claims, of rows made by hand.

Oracles: plain means, what matplotlib draws.
"""

import pytest

from effdet_lite.experiments import fpn_parts, one_level
from effdet_lite.teach.nb import n04_claims as claims
from effdet_lite.teach.nb import n04_parts as parts

BOXES = {"both": 0.98, "no path down": 0.97, "no laterals": 0.02, "neither": 0.01}
NAMED = {"both": 0.96, "no path down": 0.35, "no laterals": 0.01, "neither": 0.01}
KINDS = {"1x1": (0.9, 1.5), "none": (0.6, 2.5)}


def made_up(named=NAMED):
    rows = []
    for seed in range(5):
        off = 0.002 * (seed - 2)  # the mean stays
        for name, boxes in BOXES.items():
            row = {"parts": name, "convolution": "3x3", "seed": seed}
            row |= {"asked_boxes": boxes + off, "asked": named[name] + off}
            rows.append(row | {"block_ratios": [0.9, 1.0, 1.1]})
        for kind, (asked, ratio) in KINDS.items():
            row = {"parts": "both", "convolution": kind, "seed": seed}
            row |= {"asked_boxes": asked, "asked": asked + off}
            rows.append(row | {"block_ratios": [ratio, ratio + 1, ratio + 2]})
    return rows


def heights(axis):
    return [bar.get_height() for bar in axis.patches]


def test_names_are_those_of_the_experiment():
    assert list(parts.PARTS) == ["both", "no path down", "no laterals", "neither"]
    assert set(parts.PARTS) == set(fpn_parts.GRAPHS)
    assert tuple(parts.KINDS) == fpn_parts.CONVOLUTIONS
    assert tuple(parts.ARMS) == one_level.ARMS


@pytest.mark.parametrize("guesses", [(None, None), (0.5, 0.2), (0.0, 1.0)])
def test_bars_are_means_and_points_are_seeds(guesses):
    view = parts.parts_view(made_up(), *guesses)
    view.figure.draw_without_rendering()
    boxes, named = view.figure.axes
    assert heights(boxes) == pytest.approx(list(BOXES.values()))
    assert heights(named) == pytest.approx(list(NAMED.values()))
    assert [len(line.get_ydata()) for line in boxes.lines[:4]] == [5] * 4
    assert "(0.970)" in view.words and "(0.350)" in view.words and "(0.020)" in view.words
    assert view.numbers == {"trained": "200 steps, 5 seeds: mean (lowest – highest)"}


def test_convolutions_have_their_scores_and_blocks():
    view = parts.convolutions_view(made_up(), 0.5)
    view.figure.draw_without_rendering()
    scores, blocks = view.figure.axes
    assert heights(scores) == pytest.approx([0.96, 0.9, 0.6])
    assert heights(blocks) == pytest.approx([0.9, 1.5, 2.5])
    assert "none: 0.600" in view.words and "none: 2.50" in view.words


def test_tables_have_means_and_ranges(monkeypatch):
    tables = []
    monkeypatch.setattr(parts, "table", lambda head, rows: tables.append(rows))
    whole = {"task": "top-down", "graph": "FPN", "repeats": 1, "weighting": "sum", "channels": 32}
    longer = [whole | {"asked": 0.9, "asked_boxes": 0.95}]
    longer += [whole | {"repeats": 3} | {"asked": 0.1, "asked_boxes": 0.1}]
    parts.parts_table(made_up(), longer)
    parts.convolutions_table(made_up())
    assert tables[0][4][0] == "both, 400 steps (1 seeds)"
    assert [cell[:5] for cell in tables[0][4][1:]] == ["0.950", "0.900"]
    assert tables[0][1] == ["laterals only", "0.970 (0.966 – 0.974)", "0.350 (0.346 – 0.354)"]
    assert tables[1][2] == ["none", "0.600 (0.596 – 0.604)", "2.50", "3.50", "4.50"]


def sizes(alone=0.1):
    """All levels find 0.3 of each size; alone, P2 finds the small ones and P6 the large ones."""
    rows = []
    for seed in range(5):
        off = 0.001 * (seed - 2)
        for neck, level in one_level.ARMS:
            found = [0.3] * 3 if (neck, level) == ("no fusion", 0) else [alone] * 3
            if level == 2:
                found[0] = 0.29
            row = {"neck": neck, "level": level, "seed": seed}
            figures = ("ap_small", "ap_medium", "ap_large")
            rows.append(row | {name: x + off for name, x in zip(figures, found, strict=True)})
    return rows


def test_lines_by_size_are_means(monkeypatch):
    view = parts.sizes_view(sizes(), "P2 alone")
    view.figure.draw_without_rendering()
    (axis,) = view.figure.axes
    labels = axis.get_legend_handles_labels()[1]
    assert "P2 alone (your guess)" in labels and len(labels) == 5
    assert "P2 alone: 0.29, 0.10, 0.10" in view.words
    tables = []
    monkeypatch.setattr(parts, "table", lambda head, rows: tables.append(rows))
    parts.sizes_table(sizes())
    assert tables[0][0][1] == "0.300 (0.298 – 0.302)"


# --- claims ---


def test_laterals_and_way_down_are_confirmed_with_care_where_both_gain():
    claim = claims.claim_on_laterals(made_up())
    assert claim.verdict == "confirmed, with care"
    assert claim.measured["laterals only › AP50, box and class"] == "0.350 (0.346 – 0.354)"
    assert "(0.35)" in claim.says


def test_a_way_down_that_gains_nothing_is_not_confirmed():
    """Five losses have p = 1/32, and of two parts that is not enough to call it wrong."""
    worse = NAMED | {"no path down": 0.97}
    assert claims.claim_on_laterals(made_up(worse)).verdict == "not seen at this scale"


def test_every_node_has_its_3x3():
    assert claims.three_by_threes() == (5, 5)
    assert claims.claim_on_convolution(made_up()).verdict == "confirmed, with care"


def test_maps_come_from_one_run():
    claim = claims.claim_on_maps()
    assert claim.verdict == "confirmed"
    assert claim.measured["five images"] == "1.33 ×"


def test_sizes_are_open_until_they_are_trained():
    claim = claims.claim_on_sizes(sizes())
    assert claim.verdict == "confirmed, with care"
    assert claim.measured["P2 alone › AP, small"] == "0.290 (0.288 – 0.292)"
    assert claims.claim_on_sizes(sizes(alone=0.4)).verdict == "not so"
