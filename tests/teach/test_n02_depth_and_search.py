"""What notebook 02 shows of towers and of the search.

Oracles: numpy on random numbers, torch's own gain, gradients of the experiment's tower, rows made
by hand, and the objective by numpy's power.
"""

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from effdet_lite.experiments import towers
from effdet_lite.experiments.classifiers import crops
from effdet_lite.experiments.search import BY_HAND, SPACE, Run
from effdet_lite.teach.nb import n02_depth, n02_search


def tower_rows(accuracies, **changes):
    """accuracies: {depth: [seed 0, seed 1, …]}."""
    return [
        vars(towers.Run("both", depth, seed=seed, **changes))
        | {"accuracy": accuracy, "before": 0.5, "gradients": [0.4, 0.3]}
        for depth, own in accuracies.items()
        for seed, accuracy in enumerate(own)
    ]


def test_the_gain_of_relu_is_torchs_and_of_silu_what_random_numbers_say():
    assert n02_depth.matching_gain(F.relu) == pytest.approx(torch.nn.init.calculate_gain("relu"))
    z = np.random.default_rng(0).standard_normal(2_000_000)
    expected = 1 / math.sqrt(np.mean((z / (1 + np.exp(-z))) ** 2))
    assert n02_depth.matching_gain(F.silu) == pytest.approx(expected, rel=2e-3)


def test_a_fresh_tower_has_weights_of_its_gain_and_leaves_the_random_numbers_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    tower = n02_depth.fresh_tower(8, False, False, 1.5, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    weights = torch.cat([conv.weight.flatten() for conv in tower.convs])
    assert weights.std().item() == pytest.approx(1.5 / math.sqrt(9 * 16), rel=0.03)


def test_the_gradient_is_the_one_of_the_experiments_tower():
    images, labels = crops("train", n02_depth.PICTURES)
    found = []
    for seed in n02_depth.SEEDS:
        tower = n02_depth.fresh_tower(4, True, True, 1.5, seed)
        loss = F.cross_entropy(tower(images[:32]), labels[:32])
        (gradient,) = torch.autograd.grad(loss, [tower.convs[0].weight])
        found.append(gradient.norm().item())
    assert n02_depth.first_gradient(4, "both", 1.5) == pytest.approx(np.median(found), rel=1e-5)


def test_the_title_says_where_accuracy_is_highest():
    falls = tower_rows({2: [0.3, 0.4], 16: [0.7, 0.8], 64: [0.9, 0.5]})
    assert n02_depth.most_accurate_depth(falls) == 16
    assert n02_depth.title_of_depths(falls).endswith("climbs up to 16 layers, and then falls")
    rises = tower_rows({2: [0.3], 64: [0.9]})
    assert n02_depth.title_of_depths(rises).endswith("still climbs at 64 layers")
    view = n02_depth.depth_view(falls + tower_rows({2: [0.5]}, steps=1600), 8)
    assert view.numbers == {
        "most accurate after 400 steps": "16 layers: 0.750, the mean of 2 seeds",
        "most accurate after 1,600 steps": "2 layers: 0.500, one seed",
    }


def test_the_table_of_towers_has_a_line_for_each_depth(monkeypatch):
    shown = []
    monkeypatch.setattr(n02_depth, "table", lambda head, lines: shown.append((head, lines)))
    rows = tower_rows({2: [0.25, 0.75], 4: [0.5]}) + tower_rows({4: [0.875]}, steps=1600)
    n02_depth.towers_table(rows)
    head, lines = shown[0]
    assert len(head) == 3 and head[0] == "tower"
    assert lines == [
        ["2 layers", "0.500 (0.250 – 0.750)", "–"],
        ["4 layers", "0.500 (0.500 – 0.500)", "0.875 (0.875 – 0.875)"],
    ]


def test_the_table_of_gradients_is_of_the_shorter_training(monkeypatch):
    """A median of the seeds before it and in its last tenth, and the mean loss."""
    shown = []
    monkeypatch.setattr(n02_depth, "table", lambda head, lines: shown.append((head, lines)))
    rows = [
        one | {"loss": 1.0 + one["seed"], "before": 0.5 + one["seed"] ** 2}
        for one in tower_rows({2: [0.25, 0.75, 0.5], 4: [0.5]})
    ]
    longer = [one | {"loss": 9.0} for one in tower_rows({4: [0.875]}, steps=1600)]
    n02_depth.gradients_table(rows + longer)
    head, lines = shown[0]
    assert len(head) == 4 and "last 40 of 400 steps" in head[2]
    assert lines == [["2 layers", "1.50", "0.30", "2.00"], ["4 layers", "0.50", "0.30", "1.00"]]


def test_each_seed_has_a_line_of_what_more_layers_add(monkeypatch):
    shown = []
    monkeypatch.setattr(n02_depth, "table", lambda head, lines: shown.append((head, lines)))
    ends = {2: [0.25, 0.5], 4: [0.5, 0.625], 16: [0.75, 1.0], 64: [0.5, 1.0]}
    later = ends | {64: [0.75, 1.0]}
    rows = tower_rows(ends) + tower_rows(later, steps=1600)
    n02_depth.growth_table({"first seeds": rows, "last": [row for row in rows if row["seed"]]})
    assert shown[0][1] == [
        ["0", "+0.500", "+0.250", "-0.125"],
        ["1", "+0.500", "+0.375", "+0.000"],
        ["mean of the first seeds", "+0.500", "+0.312", "-0.062"],
        ["mean of the first seeds, 400 steps alone", "+0.500", "+0.312", "-0.125"],
        ["mean of the first seeds, 1,600 steps alone", "+0.500", "+0.312", "+0.000"],
        ["1", "+0.500", "+0.375", "+0.000"],
        ["mean of the last", "+0.500", "+0.375", "+0.000"],
        ["mean of the last, 400 steps alone", "+0.500", "+0.375", "+0.000"],
        ["mean of the last, 1,600 steps alone", "+0.500", "+0.375", "+0.000"],
    ]
    n02_depth.growth_table({"last": [row for row in rows if row["seed"]]}, ("16 → 64 layers",))
    assert shown[1][1][:2] == [["1", "+0.000"], ["mean of the last", "+0.000"]]
    assert len(shown[1][0]) == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.043, "0.043"),
        (0.0301, "0.030"),
        (0.001, "0.0010"),
        (0.27, "0.27"),
        (1.04, "1.0"),
        (9.96, "10"),
        (11.5, "12"),
        (134.0, "130"),
        (996.0, "1.0 · 10³"),
        (2.3e16, "2.3 · 10¹⁶"),
        (1.64e-12, "1.6 · 10⁻¹²"),
        (0.000996, "0.0010"),
    ],
)
def test_numbers_have_two_digits_and_no_rounded_power_of_ten(value, words):
    """As powers of ten, 0.043 and 0.03 would be 10^-1 and 10^-2, ten times apart."""
    assert n02_depth.in_two_digits(value) == words


def test_each_kind_of_tower_has_a_column(monkeypatch):
    shown = []
    monkeypatch.setattr(n02_depth, "table", lambda head, lines: shown.append((head, lines)))
    alone = [row | {"kind": "skips only"} for row in tower_rows({4: [0.25, 0.75], 8: [1.0]})]
    longer = tower_rows({64: [0.5]}, steps=1600)
    n02_depth.kinds_table(tower_rows({4: [0.5]}) + alone + longer)
    head, lines = shown[0]
    assert head[1:] == ["both", "batch norm only", "skips only", "neither"]
    assert lines == [
        ["4 layers", "0.500 (0.500 – 0.500)", "–", "0.500 (0.250 – 0.750)", "–"],
        ["8 layers", "–", "–", "1.000 (1.000 – 1.000)", "–"],
    ]


def test_the_title_counts_the_powers_of_ten_that_a_wrong_gain_costs(monkeypatch):
    titles = []
    monkeypatch.setattr(n02_depth, "DEPTHS", (2, 64))
    monkeypatch.setattr(
        n02_depth, "_show_gradients", lambda found, title, height: titles.append(title)
    )
    gradients = {(2, 1.0): 0.1, (64, 1.0): 1e-9, (2, 2.0): 0.1, (64, 2.0): 1e-6}
    monkeypatch.setattr(
        n02_depth, "first_gradient", lambda depth, kind, gain, activation: gradients[depth, gain]
    )
    n02_depth.show_mismatch({"wrong": ("silu", 1.0), "own": ("silu", 2.0)})
    assert titles == ["The wrong gain costs about 3 of the 8 powers of ten lost"]


# --- the search ---


def row(net, accuracy, split="val", steps=100, seed=0):
    return asdict(Run(**vars(net), split=split, steps=steps, seed=seed)) | {
        "macs": net.cost.macs,
        "accuracy": accuracy,
    }


BEST, OTHER = SPACE[300], SPACE[100]
FOUND = [row(BEST, 0.9), row(OTHER, 0.5), row(SPACE[0], 0.3)]


def scored(net, accuracy):
    return accuracy * np.power(net.cost.macs / BY_HAND.cost.macs, -0.07)


def test_a_proposal_is_judged_by_the_searchs_own_score(monkeypatch):
    asked = []
    monkeypatch.setattr(n02_search, "trained", lambda run: asked.append(run) or row(BY_HAND, 0.7))
    game = n02_search.SearchGame(FOUND)
    assert game.proposal() == BY_HAND.__class__(3, 6, True, 2, 2, 2) == BY_HAND
    needed = scored(BEST, 0.9)  # the handmade network's MACs are the target
    key = "accuracy it needs to be as good as the winner"
    assert game.view(**vars(BY_HAND)).numbers[key] == f"{needed:.3f}"
    assert game.view(**vars(BY_HAND)).numbers["its score"] == "not trained yet"
    game.button.click()
    game.button.click()
    assert len(asked) == 1 and asked[0] == Run(**vars(BY_HAND), split="val"), "once a network"
    better = sum(scored(net, accuracy) > 0.7 for net, accuracy in ((BEST, 0.9), (OTHER, 0.5)))
    assert game.view(**vars(BY_HAND)).numbers["its score"].startswith(f"0.700; {better} of the 3")
    assert "0.700" in game.explorer.page.value


def test_who_beats_the_search_is_told_so(monkeypatch):
    monkeypatch.setattr(n02_search, "trained", lambda run: row(BY_HAND, 0.99))
    game = n02_search.SearchGame(FOUND)
    game.button.click()
    assert "you beat the search" in game.view(**vars(BY_HAND)).numbers["its score"]


def test_a_training_that_fails_says_so_on_the_page(monkeypatch):
    def broken(run):
        raise ValueError("no <room>")

    monkeypatch.setattr(n02_search, "trained", broken)
    game = n02_search.SearchGame(FOUND)
    game.button.click()
    assert "ValueError: no &lt;room&gt;" in game.explorer.page.value


def test_the_winner_is_shown_after_five_tries(monkeypatch):
    game = n02_search.SearchGame(FOUND)
    shown = []
    for net in SPACE[:6]:
        game.tried[net] = 0.5
        (axis,) = game.view(**vars(net)).figure.axes
        shown.append([line for line in axis.lines if line.get_label() == "the search's winner"])
    assert not any(shown[:4])
    assert [line.get_xydata().tolist() for line in shown[4]] == [[[BEST.cost.macs / 1e3, 0.9]]]


def test_a_finalist_keeps_its_score_in_the_search_and_who_was_not_searched_has_none(
    monkeypatch, capsys
):
    found = n02_search.search_scores(FOUND)
    assert found == {
        name: pytest.approx(scored(net, accuracy))
        for name, net, accuracy in (("winner", BEST, 0.9), ("middle", OTHER, 0.5))
    }
    shown = []
    monkeypatch.setattr(n02_search, "table", lambda head, lines: shown.append((head, lines)))
    monkeypatch.setattr(n02_search, "show", lambda figure, words: None)
    tests = [
        row(net, 0.8, "test", steps, 10) for net in (BEST, OTHER, BY_HAND) for steps in (100, 400)
    ]
    n02_search.show_finalists(FOUND + tests)
    assert [line[:2] for line in shown[0][1]] == [
        ["winner", f"{scored(BEST, 0.9):.3f}"],
        ["middle", f"{scored(OTHER, 0.5):.3f}"],
        ["by hand", "–"],
    ]
    assert all(len(line) == len(shown[0][0]) == 4 for line in shown[0][1])
    ahead = scored(BEST, 0.8) - scored(OTHER, 0.8)
    assert f"middle one of the 40, mean of both trainings: {ahead:+.3f}" in capsys.readouterr().out


def test_fresh_scores_are_of_test_pictures_by_seed(monkeypatch):
    tests = [row(BEST, 0.8, "test", 100, 10), row(BY_HAND, 0.7, "test", 100, 10)]
    tests.append(row(BY_HAND, 0.9, "test", 400, 10))
    found = n02_search.fresh_scores(FOUND + tests, 100)
    assert found["winner"] == {10: pytest.approx(scored(BEST, 0.8))}
    assert found["by hand"] == {10: pytest.approx(0.7)}
    assert n02_search.fresh_scores(FOUND + tests, 400)["winner"] == {}


def test_the_finalists_are_put_in_order_by_their_mean_score():
    """With the network made by hand the target, its accuracy is its score."""
    rows = FOUND + [
        row(net, accuracy, "test", steps, seed)
        for steps, hand in ((100, 0.1), (400, 0.99))
        for seed in (10, 11)
        for net, accuracy in ((BEST, 0.8), (BY_HAND, hand + 0.001 * seed), (OTHER, 0.5))
    ]
    hand, winner, middle = "the one made by hand", "the search's winner", "the middle one of the 40"
    assert n02_search.order_on_fresh_pictures(rows) == [hand, winner, middle]
    assert n02_search.order_on_fresh_pictures(rows, 100) == [winner, middle, hand]
