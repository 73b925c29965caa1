"""The search of notebook 02: its space, its steps and its result file.

Oracles: torch.utils.flop_counter; numpy's power; the rules of the search, checked on scores made
by hand; a run that is stored.
"""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from oracles import macs, parameters

from effdet_lite.experiments import search
from effdet_lite.experiments.run import run_all, stored_results
from effdet_lite.experiments.search import BY_HAND, Net, Run
from effdet_lite.layers import MBConv, SqueezeExcite


def test_the_space_has_512_networks_and_each_is_what_it_says():
    assert len(set(search.SPACE)) == len(search.SPACE) == 512 and BY_HAND in search.SPACE
    net = Net(kernel=5, expansion=3, gate=False, early=1, middle=3, late=2)
    blocks = [layer for layer in search.network(net) if isinstance(layer, MBConv)]
    kernels = [block.depthwise.conv.kernel_size for block in blocks]
    assert kernels == [(5, 5)] * 6
    assert [block.expand.conv.in_channels for block in blocks] == [16, 24, 24, 24, 24, 40]
    assert all(
        block.expand.conv.out_channels == 3 * block.expand.conv.in_channels for block in blocks
    )
    assert [block.depthwise.conv.stride[0] for block in blocks] == [2, 1, 1, 1, 2, 1]
    gates = [one for one in search.network(BY_HAND).modules() if isinstance(one, SqueezeExcite)]
    assert len(gates) == 6
    assert not [one for one in search.network(net).modules() if isinstance(one, SqueezeExcite)]


@pytest.mark.parametrize("net", [search.SPACE[0], search.SPACE[-1], BY_HAND])
def test_the_costs_are_what_torch_counts(net):
    network = search.network(net).eval()
    assert net.cost.macs == macs(network, torch.zeros(1, 3, 24, 24))
    assert net.cost.params == parameters(network)


def test_the_objective_is_the_papers():
    for accuracy, factor in ((0.5, 1), (0.8, 2), (0.9, 0.25)):
        expected = accuracy * np.power(factor, -0.07)
        assert search.objective(accuracy, 1000 * factor, 1000) == pytest.approx(expected)


def row(net, accuracy, split="val", steps=search.STEPS, seed=0):
    return asdict(Run(**asdict(net), split=split, steps=steps, seed=seed)) | {
        "macs": net.cost.macs,
        "accuracy": accuracy,
    }


def judged(run):
    """A row whose accuracy makes its score known: the later in the space, the better."""
    net = search.net_of(asdict(run))
    score = search.SPACE.index(net) / 1000
    accuracy = score * (net.cost.macs / BY_HAND.cost.macs) ** 0.07
    return row(net, accuracy, run.split, run.steps, run.seed)


@pytest.mark.slow
def test_the_search_draws_once_and_then_changes_one_choice_of_the_five_best():
    drawn = search.first_runs()
    assert len(set(drawn)) == 40 and drawn == search.first_runs()
    rows = [judged(run) for run in drawn]
    assert search.further_runs(rows[:-1]) == [], "the search is not at its end"
    for generation in (1, 2):
        runs = search.further_runs(rows)
        assert search.further_runs(rows) == runs and len(runs) == 10 * generation
        known = {search.net_of(one) for one in rows}
        best = sorted(known, key=search.SPACE.index)[-5:]
        for run in runs[-10:]:
            child = search.net_of(asdict(run))
            assert child not in known and child in search.SPACE
            known.add(child)
            changes = [
                sum(value != getattr(child, name) for name, value in vars(parent).items())
                for parent in best
            ]
            assert 1 in changes
        rows += [judged(run) for run in runs[-10:]]
    finals = search.further_runs(rows)[20:]
    assert {run.split for run in finals} == {"test"} and len(finals) == len(set(finals))
    assert {run.seed for run in finals}.isdisjoint({run.seed for run in drawn})
    found = search.finalists(rows)
    assert {search.net_of(asdict(run)) for run in finals} == set(found.values())
    assert found["winner"] == max(map(search.net_of, rows), key=search.SPACE.index)
    first = sorted(map(search.net_of, rows[:40]), key=search.SPACE.index)
    assert found["middle"] == first[20], "19 are better and 20 are not"


def test_gains_are_differences_of_scores_within_a_seed_and_a_length():
    other = search.SPACE[100]
    searched = [row(search.SPACE[300], 0.9), row(other, 0.4), row(search.SPACE[0], 0.3)]
    tests = [
        row(net, accuracy, "test", seed=seed)
        for net, accuracy, seed in (
            (search.SPACE[300], 0.8, 10),
            (search.SPACE[300], 0.7, 11),
            (other, 0.6, 10),
            (BY_HAND, 0.5, 11),
            (BY_HAND, 0.9, 12),
        )
    ]
    tests.append(row(BY_HAND, 0.1, "test", search.LONGER, 10))
    gains = search.gains_of_the_winner(searched + tests, drawn=3)
    scores = [0.8, 0.7, 0.6, 0.5]
    nets = [search.SPACE[300], search.SPACE[300], other, BY_HAND]
    one, two, three, four = (
        accuracy * (net.cost.macs / BY_HAND.cost.macs) ** -0.07
        for accuracy, net in zip(scores, nets, strict=True)
    )
    assert gains == {
        "middle": {10: pytest.approx(one - three)},
        "by hand": {11: pytest.approx(two - four)},
    }
    best = search.best_so_far(searched + tests)
    assert best == [max(best)] * 3


def test_a_search_that_finds_something_better_is_seen_in_five_seeds_and_one_that_does_not_is_not():
    winner, middle = search.SPACE[300], search.SPACE[100]
    searched = [row(winner, 0.9), row(middle, 0.4), row(search.SPACE[0], 0.2)]
    accuracies = {winner: 0.8, middle: 0.6, BY_HAND: 0.8}
    tests = []
    for seed in search.SEEDS:
        for net, accuracy in accuracies.items():
            # The same score as the winner's, now a little above it and now below it.
            if net == BY_HAND:
                accuracy *= (net.cost.macs / winner.cost.macs) ** 0.07
                accuracy += 0.01 * (-1) ** seed
            for steps in (search.STEPS, search.LONGER):
                tests.append(row(net, accuracy, "test", steps, seed))
    found = search.findings(searched + tests, drawn=3)
    # One number a seed: two lengths do not make it 1 / 2^10.
    assert found["middle"].p_for == 1 / 32 and found["middle"].is_seen
    assert not found["by hand"].is_seen
    short = [one for one in searched + tests if one["steps"] == search.STEPS]
    for too_few in (searched, short):
        with pytest.raises(ValueError, match="at least 1"):
            search.findings(too_few, drawn=3)


def test_a_seeds_gain_is_the_mean_of_both_lengths():
    """The winner gains .2 after the shorter training and loses .3 after the longer one."""
    winner, middle = search.SPACE[300], search.SPACE[100]
    rows = [row(winner, 0.9), row(middle, 0.4), row(search.SPACE[0], 0.2)]
    for seed in search.SEEDS:
        for steps, gain in ((search.STEPS, 0.2), (search.LONGER, -0.3)):
            # Accuracies that give the scores .5 + gain, .5 and .1.
            for net, score in ((winner, 0.5 + gain), (middle, 0.5), (BY_HAND, 0.1)):
                accuracy = score * (net.cost.macs / BY_HAND.cost.macs) ** 0.07
                rows.append(row(net, accuracy, "test", steps, seed))
    found = search.findings(rows, drawn=3)["middle"]
    assert (found.p_for, found.p_against) == (1, 1 / 32)
    assert found.exception == "no gain: winner over middle; the mean gain, -0.05, is below 0"


@pytest.mark.slow
def test_the_quick_search_ends_and_goes_on_where_it_stopped(tmp_path):
    plan = replace(search.plan(quick=True), train_one=judged)
    document = run_all(tmp_path / "quick.json", plan, processes=1)
    splits = [one["split"] for one in document["runs"]]
    assert splits.count("val") == 10 and 1 <= splits.count("test") <= 3
    assert run_all(tmp_path / "quick.json", plan) == document


# --- The stored rows ---


def test_the_stored_search_followed_its_own_rules():
    document = stored_results("search")
    assert document["settings"] | search.settings() == document["settings"]
    rows = document["runs"]
    fields = Run.__dataclass_fields__
    stored = [Run(**{name: one[name] for name in fields}) for one in rows]
    allowed = [*search.first_runs(), *search.further_runs(rows)]
    assert stored == [run for run in allowed if run in set(stored)]
    for one in rows:
        net = search.net_of(one)
        assert (one["macs"], one["params"]) == (net.cost.macs, net.cost.params)
        assert 0 < one["accuracy"] < 1 and one["seconds"] > 0


@pytest.mark.slow
def test_a_stored_network_trains_to_its_stored_row(one_thread):
    """The cheapest of the search. On another processor, accuracies differ by some hundredths."""
    rows = search.searched(stored_results("search")["runs"])
    stored = min(rows, key=lambda one: one["macs"])
    again = search.trained(Run(**{name: stored[name] for name in Run.__dataclass_fields__}))
    assert again["accuracy"] == pytest.approx(stored["accuracy"], abs=0.06)
    assert again["loss"] == pytest.approx(stored["loss"], abs=0.1)
