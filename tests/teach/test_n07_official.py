"""The learner's detector of notebook 07 beside torchvision's backbone and effdet's detector.

Oracles: torchvision and effdet themselves, and mistakes that are made on purpose.
"""

import numpy as np
import torch
import torchvision
from effdet import EfficientDet as ReferenceDetector
from effdet import get_efficientdet_config

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.pretrained import effdet_state, load_effdet
from effdet_lite.scaling import EFFICIENTDETS
from effdet_lite.teach.kit.shared import shipped, unseen_pictures
from effdet_lite.teach.nb import n07_backbone as backbone
from effdet_lite.teach.nb import n07_claims as claims
from effdet_lite.teach.nb import n07_official as official


def test_effdet_takes_our_tensors_by_its_names_and_gives_them_back():
    torch.manual_seed(0)
    ours, again = (EfficientDet.from_name("d0") for _ in range(2))
    state = effdet_state(ours)
    reference = ReferenceDetector(
        get_efficientdet_config("tf_efficientdet_d0"), pretrained_backbone=False
    )
    reference.load_state_dict(state)  # strict
    load_effdet(again, reference.state_dict())
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_what_moves_is_torchvisions_b0_without_its_head():
    moved = backbone.move_classifier_into(EfficientDet.from_name("d0").backbone)
    theirs = torchvision.models.efficientnet_b0()
    whole = sum(p.numel() for p in theirs.parameters())
    head = sum(
        p.numel() for part in (theirs.features[8], theirs.classifier) for p in part.parameters()
    )
    assert (moved.params, moved.of_params) == (whole - head, whole)
    assert moved.params == claims.B0_WITHOUT_HEAD
    assert max(moved.apart) < 5e-5 and len(moved.shapes) == 5
    assert claims.claim_on_backbone(moved).verdict == "confirmed"


def test_another_backbone_takes_no_classifier():
    narrow = EfficientDet.from_phi(-1).backbone
    try:
        backbone.move_classifier_into(narrow)
    except RuntimeError as error:
        assert "size mismatch" in str(error) or "Missing" in str(error)
    else:
        raise AssertionError("a narrower backbone took B0's weights")


def test_a_difference_is_no_longer_confirmed():
    moved = backbone.Moved(
        claims.B0_WITHOUT_HEAD, 5_288_548, 352, 360, [[1]] * 5, [0.0] * 4 + [0.3]
    )
    assert claims.claim_on_backbone(moved).verdict == "confirmed, with care"
    other = moved._replace(params=1_000_000)
    assert claims.claim_on_backbone(other).verdict == "not so"


def test_the_comparison_notices_a_mistake():
    ours = EfficientDet(EFFICIENTDETS["d0"], 90)
    reference = official.official_d0()
    assert official.compare(ours, reference).apart < 1e-4
    ours.fusion.cells[0]["P4_td"].weights = torch.nn.Parameter(torch.tensor([1.0, 0.2]))
    with torch.no_grad():
        image = torch.rand(1, 3, 512, 512)
        theirs = official.answers_of(reference, image)
        assert official.farthest_apart(ours.eval()(image), theirs) > 0.01


def test_both_detectors_find_the_same_boxes_and_a_changed_one_does_not():
    model, _ = shipped("shapes")
    image = unseen_pictures()[4][0].as_subclass(torch.Tensor)
    pair = official.both_detectors(model, model, image)
    assert len(pair.mine["boxes"]) >= 3 and pair.farthest() < 1e-3
    assert torch.allclose(
        pair.mine["scores"].sort().values, pair.official["scores"].sort().values, atol=1e-4
    )
    found = pair.mine["boxes"]
    moved = official.Pair(pair.mine | {"boxes": found + 2}, pair.official)
    assert abs(moved.farthest() - 2) < 1e-3


def test_without_effdet_a_sentence_says_so(monkeypatch, capsys):
    def missing():
        raise ImportError

    monkeypatch.setattr(official, "_effdet", missing)
    model, _ = shipped("shapes")
    official.compare_with_official(model)
    official.show_both_detectors(model, model, unseen_pictures()[0][0])
    official.show_that_a_mistake_is_noticed(model)
    assert capsys.readouterr().out.count("effdet is not installed here") == 3


def test_what_differs_is_counted_one_by_one():
    """Oracle: numpy's isclose."""
    one, other = torch.zeros(1000), torch.linspace(0, 2e-4, 1000)
    expected = (~np.isclose(one.numpy(), other.numpy(), rtol=0, atol=1e-4)).sum()
    assert official.differing(one, other) == expected > 1
