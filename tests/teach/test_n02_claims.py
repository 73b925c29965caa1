"""What notebook 02 says of claims 4, 6 and 9. Oracles: rows made by hand, torchvision's B0."""

import pytest
import torchvision
from torch import nn

from effdet_lite.experiments import search, towers
from effdet_lite.experiments.search import BY_HAND, SPACE
from effdet_lite.teach.nb import n02_claims
from effdet_lite.teach.nb.n02_build import parts_of


def tower_rows(accuracies, steps=400):
    """accuracies: {depth: five, one a seed}; the other depths have .3."""
    return [
        vars(towers.Run("both", depth, steps, seed=seed)) | {"accuracy": accuracy}
        for depth in towers.DEPTHS
        for seed, accuracy in enumerate(accuracies.get(depth, [0.3] * 5))
    ]


LOW, HIGH = [0.3, 0.35, 0.3, 0.4, 0.3], [0.7, 0.65, 0.7, 0.75, 0.7]


def both_lengths(accuracies):
    return tower_rows(accuracies) + tower_rows(accuracies, steps=1600)


def test_depth_that_helps_up_to_a_level_is_confirmed_for_these_towers():
    helps = both_lengths({2: LOW, 16: HIGH, 64: LOW})
    claim = n02_claims.claim_on_depth(helps, helps)
    assert claim.verdict == "confirmed, with care"
    ends = {
        "2": "0.330 (0.300 – 0.400)",
        "16": "0.700 (0.650 – 0.750)",
        "64": "0.330 (0.300 – 0.400)",
    }
    assert claim.measured == {
        f"accuracy after {steps} steps › {depth} layers": told
        for steps in ("400", "1,600")
        for depth, told in ends.items()
    } | {
        "mean of the fresh seeds › 2 → 16 layers": "+0.370",
        "mean of the fresh seeds › 4 → 16 layers": "+0.400",
        "mean of the fresh seeds › 16 → 64 layers": "-0.370",
    }
    rises = both_lengths({2: LOW, 64: HIGH})
    rising = n02_claims.claim_on_depth(rises, rises)
    assert rising.verdict == "not seen at this scale"
    assert n02_claims.claim_on_depth(helps, rises).verdict == rising.verdict, "fresh seeds decide"
    assert list(rising.measured)[:2] == [
        "accuracy after 400 steps › 2 layers",
        "accuracy after 400 steps › 64 layers",
    ]


def test_repetitions_are_counted_in_the_network_itself():
    reference = torchvision.models.efficientnet_b0()
    claim = n02_claims.claim_on_repetition(nn.Sequential(*parts_of(reference)))
    assert list(claim.measured.items()) == [
        ("213 tensors › parameters", "5,288,548"),
        ("first blocks", "7"),
        ("second blocks, another F", "5"),
        ("repetitions of the F before them", "4"),
    ]
    assert claim.verdict == "confirmed, with care"
    assert claim.why.endswith("; 5 second blocks differ from their first")


def row(net, accuracy, split, steps=100, seed=0):
    run = search.Run(**vars(net), split=split, steps=steps, seed=seed)
    return vars(run) | {"macs": net.cost.macs, "accuracy": accuracy}


@pytest.mark.parametrize(
    ("median", "told"), [(0.2, "confirmed, with care"), (0.99, "not seen at this scale")]
)
def test_a_search_has_to_beat_chance_and_hand(median, told):
    """Against one of two parts, five seeds give at best 2 / 32 by Holm: too little for "not so"."""
    best, middle = SPACE[300], SPACE[100]
    rows = [row(net, score, "val") for net, score in ((best, 0.9), (middle, 0.4), (SPACE[0], 0.1))]
    for seed in search.SEEDS:
        for steps in (100, 400):
            for net, accuracy in ((best, 0.8), (middle, median), (BY_HAND, 0.3)):
                rows.append(row(net, accuracy, "test", steps, seed))
    history, method = n02_claims.claims_on_search(rows)
    assert history.verdict == "the paper's word"
    assert history.measured == {
        "2 × the MACs › accuracy must grow by": f"{100 * (2**0.07 - 1):.1f} %"
    }
    assert method.verdict == told
    assert method.measured["score › by hand › 400 steps"] == "0.300 (0.300 – 0.300)"
    assert len(method.measured) == 6
