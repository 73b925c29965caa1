"""Heads, rule, ladder and claims of notebook 07.

Oracles: a head that runs, the paper's table 1 typed off, plain arithmetic, effdet's settings, rows
made by hand, what matplotlib draws.
"""

import pytest
import torch
from effdet import get_efficientdet_config

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.scaling import EFFICIENTDETS
from effdet_lite.teach.kit.shared import shipped, unseen_pictures
from effdet_lite.teach.nb import n07_claims as claims
from effdet_lite.teach.nb import n07_heads as heads
from effdet_lite.teach.nb import n07_ladder as ladder
from effdet_lite.teach.nb import n07_opened as opened
from effdet_lite.teach.nb import n07_parts as parts
from effdet_lite.teach.nb import n07_rule as rule

# EfficientDet, arXiv 1911.09070v7, table 1: input size, BiFPN channels, BiFPN layers, box and class
# layers.
TABLE_1 = [
    (512, 64, 3, 3),
    (640, 88, 4, 3),
    (768, 112, 5, 3),
    (896, 160, 6, 4),
    (1024, 224, 7, 4),
    (1280, 288, 7, 4),
    (1280, 384, 8, 5),
    (1536, 384, 8, 5),
]


def by_hand(phi):
    """Equations 1 to 3; the width to the nearest 8."""
    width = 8 * int(64 * 1.35**phi / 8 + 0.5)
    return 512 + 128 * phi, width, 3 + phi, 3 + phi // 3


# --- heads ---


def test_a_head_puts_out_so_many_numbers_at_a_position():
    model = EfficientDet.from_name("d0").eval()
    for part, told in heads.outputs_at_a_position().items():
        head = getattr(model, part)
        out = head.predict(torch.zeros(1, 64, 1, 1))
        assert out.numel() == told
    assert heads.positions() * 9 == len(model.anchors(512, 512))


@pytest.mark.parametrize("guess", [None, 0, 810, 1000])
def test_the_columns_of_a_position_are_as_high_as_their_numbers(guess):
    view = heads.position_view({"07.a": guess})
    view.figure.draw_without_rendering()
    for axis, answer in zip(view.figure.axes, (810, 36), strict=True):
        heights = [patch.get_height() for patch in axis.patches[:4]]
        assert heights == [64] * 4
        assert sum(one.get_height() for one in axis.artists or axis.patches[4:13]) == answer


def test_norms_of_one_level_stand_on_all_levels_of_a_copy():
    model, _ = shipped("shapes-phi0")
    before = model.class_head.norms[0][0]
    changed = heads.with_norms_of(model, 4)
    norms = changed.box_head.norms[1]
    assert all(norm is norms[4] for norm in norms)
    assert model.class_head.norms[0][0] is before
    image = unseen_pictures()[0][0][None]
    with torch.no_grad():
        ours, theirs = model.eval()(image)[0], changed.eval()(image)[0]
    coarsest = (128 // 64) ** 2 * 9  # whose own norms they are
    assert torch.equal(ours[:, -coarsest:], theirs[:, -coarsest:])
    assert not torch.allclose(ours[:, :-coarsest], theirs[:, :-coarsest], atol=0.1)


def test_a_part_of_a_norm_is_taken_from_one_level_and_the_rest_stays():
    """Oracle: a norm's formula, written out."""
    model, _ = shipped("shapes-phi0")
    changed = heads.with_parts_of_norms(model, 4, ["running_mean", "bias"])
    own, coarsest = (model.box_head.norms[1][level] for level in (0, 4))
    x = torch.randn(2, len(own.bias), 3, 3)
    column = (slice(None), None, None)
    deviation = (own.running_var + own.eps).sqrt()[column]
    expected = (x - coarsest.running_mean[column]) / deviation
    expected = expected * own.weight[column] + coarsest.bias[column]
    found = changed.box_head.norms[1][0].eval()(x)
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(own.eval()(x), expected, atol=0.1)


def test_all_parts_of_a_norm_are_the_norm():
    model, _ = shipped("shapes-phi0")
    parts = [name for names in heads.PARTS.values() for name in names]
    image = unseen_pictures()[0][0][None]
    every, whole = heads.with_parts_of_norms(model, 4, parts), heads.with_norms_of(model, 4)
    with torch.no_grad():
        assert torch.equal(every.eval()(image)[0], whole.eval()(image)[0])


# --- the rule ---


def test_the_entries_are_the_papers_and_the_rules():
    told = {(one.phi, one.size): one for one in rule.entries()}
    for phi, row in enumerate(TABLE_1):
        for size, paper, formula in zip(rule.SIZES, row, by_hand(phi), strict=True):
            assert (told[phi, size].told, told[phi, size].rule) == (paper, formula)
    assert len(told) == 32


def test_six_entries_depart_and_two_are_rounded():
    assert len(rule.departures()) == 6
    apart = {(one.phi, one.size) for one in rule.departures()}
    differing = {
        (phi, size)
        for phi, row in enumerate(TABLE_1)
        for size, paper, formula in zip(rule.SIZES, row, by_hand(phi), strict=True)
        if paper != formula
    }
    rounded = {(2, "fusion_channels"), (4, "fusion_channels")}
    assert apart == differing - rounded


@pytest.mark.parametrize("guess", [None, 0, 6, 32])
def test_each_published_size_is_drawn_inside_its_axes(guess):
    figure = rule.rule_view({"07.d": guess}).figure
    figure.draw_without_rendering()
    for axis, size in zip(figure.axes, rule.SIZES, strict=False):
        dots = [line.get_xydata()[0] for line in axis.lines if len(line.get_xydata()) == 1]
        column = list(rule.SIZES).index(size)
        assert [tuple(dot) for dot in dots] == [
            (phi, row[column]) for phi, row in enumerate(TABLE_1)
        ]
        low, high = axis.get_ylim()
        assert all(low < y < high for _, y in dots)


def test_the_largest_add_without_weights_as_the_official_settings_say():
    for name, config in EFFICIENTDETS.items():
        official = get_efficientdet_config(f"tf_efficientdet_{name}").fpn_name
        assert (config.weighting == "sum") == (official is not None and "sum" in official)


# --- the ladder ---


def test_without_a_file_the_ladder_is_the_shipped_four_with_one_seed(monkeypatch):
    def missing(name):
        raise FileNotFoundError

    monkeypatch.setattr(ladder, "stored_results", missing)
    ladder.aps_by_seed.cache_clear()
    found = ladder.aps_by_seed()
    told = {phi: shipped(f"shapes-phi{phi}")[1]["result"]["ap"] for phi in (-3, -2, -1, 0)}
    assert found == {phi: {0: ap} for phi, ap in told.items()}
    view = ladder.ladder_view({"07.e": 0.7})
    assert view.numbers["ϕ = 0"] == f"{told[0]:.3f}, one seed"
    assert "one seed each" in view.figure.axes[0].get_title()
    ladder.aps_by_seed.cache_clear()


def test_the_guess_stands_over_the_phi_that_is_asked_for(monkeypatch):
    places = []
    monkeypatch.setattr(ladder, "draw_guess", lambda axis, value, x: places.append((x, value)))
    ladder.ladder_view({"07.e": 0.6})
    assert places == [(-3, 0.6)]


def test_with_more_seeds_the_ladder_shows_each_and_the_mean(monkeypatch):
    rows = [
        {"phi": phi, "seed": seed, "steps": 1500, "ap": 0.7 + 0.01 * seed + 0.02 * phi}
        for phi in (-3, -2, -1, 0)
        for seed in range(3)
    ]
    monkeypatch.setattr(ladder, "stored_results", lambda name: {"runs": rows})
    ladder.aps_by_seed.cache_clear()
    view = ladder.ladder_view({"07.e": None})
    assert view.numbers["ϕ = 0"] == "0.710 (0.700 – 0.720), 3 seeds"
    axis = view.figure.axes[0]
    assert axis.get_title().endswith(": 3 seeds each")
    assert view.numbers["mean AP from step to step"] == "+0.020, +0.020, +0.020"
    assert view.numbers["from ϕ = −3 to 0"] == "+0.060"
    assert view.numbers["seeds of one ϕ lie apart by"] == "0.020 to 0.020"
    dots = [tuple(point) for line in axis.lines[:4] for point in line.get_xydata().round(4)]
    assert sorted(dots) == sorted((row["phi"], round(row["ap"], 4)) for row in rows)
    assert axis.lines[4].get_ydata() == pytest.approx([0.65, 0.67, 0.69, 0.71])
    ladder.aps_by_seed.cache_clear()


def test_a_ladder_that_dips_is_drawn_inside_its_axes_and_not_called_a_rise_at_each_step(
    monkeypatch,
):
    aps = {-3: 0.41, -2: 0.37, -1: 0.56, 0: 0.86}
    rows = [{"phi": phi, "seed": 0, "steps": 1500, "ap": ap} for phi, ap in aps.items()]
    monkeypatch.setattr(ladder, "stored_results", lambda name: {"runs": rows})
    ladder.aps_by_seed.cache_clear()
    view = ladder.ladder_view({"07.e": None})
    ladder.aps_by_seed.cache_clear()
    low, high = view.figure.axes[0].get_ylim()
    assert low < min(aps.values()) and max(aps.values()) < high
    assert "every step" not in view.words


def test_what_section_7_says_of_the_twelve_long_runs():
    """Plain arithmetic on the file."""
    aps = {phi: list(own.values()) for phi, own in ladder.aps_by_seed().items()}
    assert all(len(own) == 3 for own in aps.values())
    assert max(aps[-3]) > min(aps[-2]) and max(aps[-2]) > min(aps[-1])
    assert sum(one < max(aps[-3]) for one in aps[-2]) == 2
    assert max(aps[-1]) < min(aps[0]) and max(aps[-3]) < min(aps[0])


def test_the_gain_is_that_of_the_means_and_the_largest_is_compared(monkeypatch, capsys):
    rows = [
        {"phi": phi, "seed": seed, "steps": steps, "ap": base + 0.1 * phi * scale + 0.01 * seed}
        | {"seconds": 100 + seed}
        for phi in (-3, -2, -1, 0)
        for seed in range(3)
        for steps, base, scale in ((600, 0.5, 1), (1500, 0.7, 0.5))
    ]
    tables = []
    monkeypatch.setattr(ladder, "stored_results", lambda name: {"runs": rows})
    monkeypatch.setattr(ladder, "table", lambda heads, rows: tables.append(rows))
    ladder.aps_by_seed.cache_clear()
    ladder.show_lengths()
    ladder.aps_by_seed.cache_clear()
    assert [row[3:] for row in tables[0]] == [
        ["+0.350", "101"],
        ["+0.300", "101"],
        ["+0.250", "101"],
        ["+0.200", "101"],
    ]
    assert str(tables[0][0][1]) == "0.210 (0.200 – 0.220)"
    said = capsys.readouterr().out.splitlines()
    assert "of ϕ = −3 by 0.300 after the shorter, by 0.150 after" in said[0]
    assert "of ϕ = −1 by 0.100 after the shorter, by 0.050 after" in said[1]


# --- drawings, parts and claims ---


def test_the_opened_detector_is_shown_with_photographs_or_without(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("EFFDET_LITE_BCCD", str(tmp_path / "nowhere"))
    opened.show_opened()
    assert "circle" in capsys.readouterr().out


def test_shares_of_the_parts_are_of_all():
    from effdet_lite.costs import cost_by_part

    counted = cost_by_part(EFFICIENTDETS["d0"])
    for kind in parts.KINDS:
        assert sum(parts.share(counted, part, kind) for part in counted) == pytest.approx(1)
    # effdet's D0, counted by torch: 1,901,490,688 of 2,492,331,520 MACs.
    assert parts.share(counted, "backbone", "macs") == pytest.approx(1901490688 / 2492331520)


def test_the_rule_is_no_secret_and_is_left_six_times():
    heuristic, growth = claims.claims_on_rule()
    assert heuristic.verdict == "not so" and growth.verdict == "confirmed, with care"
    assert "6 of 32 depart" in growth.why
    assert list(heuristic.measured.values()) == ["26 of 32"]


def test_a_table_that_no_equation_gives_would_have_no_rule(monkeypatch):
    monkeypatch.setattr(claims, "departures", claims.entries)
    heuristic, growth = claims.claims_on_rule()
    assert heuristic.verdict == "confirmed" and growth.verdict == "not so"


def test_no_word_of_the_drawings_leaves_its_figure(monkeypatch):
    shown = []
    monkeypatch.setattr(opened, "show", lambda figure, alt: shown.append(figure))
    opened.show_d0_to_scale()
    opened.show_three_sizes()
    opened.show_opened()
    for figure in shown:
        figure.draw_without_rendering()
        page = figure.bbox
        for axis in figure.axes:
            for text in [*axis.texts, axis.title]:
                place = text.get_window_extent()
                assert page.x0 <= place.x0 and place.x1 <= page.x1, text
                assert page.y0 <= place.y0 and place.y1 <= page.y1, text
