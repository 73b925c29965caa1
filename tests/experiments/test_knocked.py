"""Edges knocked out, rank correlation, and the agreement of factors over seeds.

Oracles: the same detector with a neck that does not have the edge, textbook formulas, factors that
agree or do not agree by construction.
"""

import itertools

import numpy as np
import pytest
import torch

from effdet_lite.experiments.plain import LEVELS, detector
from effdet_lite.fusion import FusionGraph, Node, bifpn


@pytest.fixture(scope="module")
def knocked(experiment_script):
    return experiment_script("knocked")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = detector(bifpn(LEVELS), 4, "fast").eval()
    for node in model.fusion.cells[0].values():
        torch.nn.init.uniform_(node.weights, 0.5, 2)
    return model


def without_the_edge(model, edge):
    """A second detector whose neck does not have this edge, with the weights of the first."""
    source, name = edge
    nodes = [
        Node(one.name, one.level, tuple(i for i in one.inputs if (i, one.name) != edge))
        for one in model.fusion.graph.nodes
    ]
    other = detector(FusionGraph("one edge less", tuple(nodes)), 4, "fast").eval()
    place = {one.name: one.inputs for one in model.fusion.graph.nodes}[name].index(source)
    values = model.state_dict()
    prefix = f"fusion.cells.0.{name}."
    for key in other.state_dict():
        if key.startswith(f"{prefix}project."):
            number, rest = key.removeprefix(f"{prefix}project.").split(".", 1)
            kept = int(number) + (int(number) >= place)
            values[f"{prefix}project.{number}.{rest}"] = model.state_dict()[
                f"{prefix}project.{kept}.{rest}"
            ]
    weights = model.state_dict()[f"{prefix}weights"]
    values[f"{prefix}weights"] = torch.cat([weights[:place], weights[place + 1 :]])
    other.load_state_dict({key: values[key] for key in other.state_dict()})
    return other


@pytest.mark.parametrize("edge", [("P3_in", "P3_td"), ("P2_td", "P3_out"), ("P6_in", "P6_out")])
def test_a_neck_without_the_edge_gives_the_same_maps(knocked, model, edge):
    image = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        before = model.pyramid(image)
        with knocked.knocked_out(model, edge):
            found = model.pyramid(image)
        after = model.pyramid(image)
        expected = without_the_edge(model, edge).pyramid(image)
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert any(not torch.allclose(*pair) for pair in zip(before, found, strict=True))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_weights_come_back_after_an_error(knocked, model):
    weights = model.fusion.cells[0]["P3_out"].weights
    before = weights.detach().clone()
    with pytest.raises(RuntimeError), knocked.knocked_out(model, ("P3_in", "P3_out")):
        assert not torch.equal(weights, before)
        raise RuntimeError
    assert torch.equal(weights, before)


def test_what_cannot_be_knocked_out_is_named(knocked, model):
    with (
        pytest.raises(ValueError, match="no edge \\('P2_in', 'P6_out'\\)"),
        knocked.knocked_out(model, ("P2_in", "P6_out")),
    ):
        pass
    plain = detector(bifpn(LEVELS), 4, "sum")
    with (
        pytest.raises(ValueError, match="'sum'"),
        knocked.knocked_out(plain, ("P3_in", "P3_td")),
    ):
        pass


def test_rows_tell_the_ap_that_is_gone(knocked, model, monkeypatch):
    scores = {None: 0.75, ("P2_in", "P2_td"): 0.25, ("P3_in", "P3_td"): 0.5}

    def scored(model, test_set, progress):
        for edge in scores:
            if edge and knocked.edge_weights(model)[edge] == 0:
                return {"ap": scores[edge]}
        return {"ap": scores[None]}

    monkeypatch.setattr(knocked, "coco_ap", scored)
    rows = knocked.losses_without(model, None, [("P3_in", "P3_td"), ("P2_in", "P2_td")])
    assert [(row["source"], row["node"], row["lost"], row["inputs"]) for row in rows] == [
        ("P2_in", "P2_td", 0.5, 2),
        ("P3_in", "P3_td", 0.25, 2),
    ]
    assert rows[0]["factor"] == knocked.edge_weights(model)["P2_in", "P2_td"]


def test_rank_correlation_is_spearmans(knocked):
    values, others = [10, 20, 30, 40, 50], [1, 3, 2, 5, 4]
    squares = sum((a - b) ** 2 for a, b in zip([1, 2, 3, 4, 5], others, strict=True))
    textbook = 1 - 6 * squares / (5 * (25 - 1))  # where no two are equal
    assert knocked.rank_correlation(values, others) == pytest.approx(textbook)
    assert knocked.rank_correlation(values, [-value for value in values]) == pytest.approx(-1)
    # Equal values share a rank: (1.5, 1.5, 3) and (1, 2, 3).
    assert knocked.rank_correlation([1, 1, 2], [1, 2, 3]) == pytest.approx(1.5 / np.sqrt(1.5 * 2))
    assert np.isnan(knocked.rank_correlation([1, 1], [1, 2]))


EDGES = [("a", "n"), ("b", "n"), ("c", "m"), ("d", "m"), ("e", "m"), ("f", "k"), ("g", "k")]


def test_agreement_is_the_share_of_the_variance_between_edges(knocked):
    random = np.random.default_rng(0)
    many = random.normal(0, 2, (4000, 1)) + random.normal(0, 1, (4000, 3))
    assert knocked.agreement(many) == pytest.approx(4 / 5, abs=0.02)
    assert knocked.agreement(np.repeat([[1.0], [2.0], [4.0]], 3, 1)) == pytest.approx(1)
    assert knocked.agreement(random.normal(0, 1, (4000, 3))) == pytest.approx(0, abs=0.03)


def test_the_permutation_p_value_is_that_of_all_permutations(knocked):
    """Two inputs in three seeds can be shuffled in eight ways, and two of them agree as much."""
    factors = np.array([[1.5, 1.6, 1.4], [0.5, 0.4, 0.6]])
    edges = [("a", "n"), ("b", "n")]
    every = [
        np.array(
            [
                column[::-1] if flip else column
                for column, flip in zip(factors.T, flips, strict=True)
            ]
        ).T
        for flips in itertools.product((False, True), repeat=3)
    ]
    seen = knocked.agreement(factors)
    share = np.mean([knocked.agreement(one) >= seen - 1e-12 for one in every])
    assert share == 2 / 8
    assert knocked.agreement_p(edges, factors, 2000) == pytest.approx(share, abs=0.04)


def test_factors_that_mean_nothing_agree_by_chance_only(knocked):
    random = np.random.default_rng(1)
    found = [
        knocked.agreement_p(EDGES, random.normal(1, 0.3, (len(EDGES), 3)), 99) for _ in range(60)
    ]
    assert 0.3 < np.mean(found) < 0.7
    agreed = np.repeat(np.linspace(0.3, 2, len(EDGES))[:, None], 3, 1)
    assert knocked.agreement_p(EDGES, agreed, 999) < 0.02


def test_factors_are_multiples_of_an_equal_share(knocked):
    usual = {"task": "shapes", "graph": "BiFPN", "weighting": "fast", "repeats": 1, "channels": 32}
    weights = [
        [["a", "n", 0.5], ["b", "n", 0.5], ["c", "m", 0.25], ["d", "m", 0.75]],
        [["a", "n", 0.4], ["b", "n", 0.6], ["c", "m", 0.25], ["d", "m", 0.75]],
    ]
    rows = [usual | {"seed": 1 - seed, "weights": some} for seed, some in enumerate(weights)]
    rows.append(usual | {"seed": 0, "repeats": 2, "weights": []})
    edges, factors = knocked.relative_factors(rows, "shapes")
    assert edges == [("a", "n"), ("b", "n"), ("c", "m"), ("d", "m")]
    assert factors == pytest.approx(np.array([[0.8, 1], [1.2, 1], [0.5, 0.5], [1.5, 1.5]]))
