"""The clinic of notebook 08: who is admitted, what each fault does, what tests cost.

Oracles: torchvision's flip, torch's batch norm, arithmetic, and a training without a fault.
"""

import pytest
import torch
from axes import cut_off
from matplotlib.figure import Figure
from torchvision.transforms.v2 import functional as transform

from effdet_lite.teach.nb import n08_clinic as clinic
from effdet_lite.teach.nb import n08_examined as examined
from effdet_lite.teach.nb import n08_sick as sick
from effdet_lite.teach.nb.n08_clinic import LETTERS, TESTS, Clinic, Told, admitted
from effdet_lite.teach.nb.n08_sick import FAULTS
from effdet_lite.teach.nb.n08_small import fresh_detector


def a_batch():
    numbers = torch.Generator().manual_seed(0)
    images = torch.rand(3, 3, 64, 64, generator=numbers)
    boxes = torch.tensor([[4.0, 8.0, 30.0, 40.0], [20.0, 2.0, 60.0, 50.0]])
    return images, [{"boxes": boxes + n, "labels": torch.tensor([n, 3])} for n in range(3)]


def a_patient(steps=sick.STEPS):
    """A training without a training: numbers made by hand."""
    losses = [[5.0 / (step + 1), 2.0, 0.06 / (step + 1)] for step in range(steps)]
    losses[3][0] = 1e6
    model = fresh_detector()
    batch = a_batch()
    return sick.Patient(losses, [1.0] * steps, model, model, [batch, batch], 0)


# --- who is admitted ---


def test_six_different_faults_in_an_order_that_the_seed_draws():
    wards = [admitted(seed) for seed in range(60)]
    for one in wards:
        assert list(one) == list(LETTERS)
        assert len(set(one.values())) == 6
    assert {name for one in wards for name in one.values()} == set(FAULTS)
    assert len({tuple(one.values()) for one in wards}) > 50
    assert admitted(7) == admitted(7)


@pytest.mark.parametrize("seed", [None, "0", 1.5, True, -1])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="a seed is a whole number"):
        admitted(seed)


def test_a_diagnosis_goes_with_its_clinic():
    assert Clinic(3).told(None) is None
    assert Clinic(3).told({"A": "flu"}) == Told(3, {"A": "flu"})


def test_the_diagnoses_stay_hidden_until_they_are_really_wanted(capsys):
    Clinic(0).reveal()
    out = capsys.readouterr().out
    assert "stay hidden" in out and not any(name in out for name in FAULTS)


# --- what the faults do ---


def test_pictures_are_flipped_as_torchvision_does_and_boxes_stay():
    images, targets = a_batch()
    for step, expected in ((0, images), (1, transform.horizontal_flip(images))):
        flipped, same = sick.flipped_pictures((images, targets), step)
        assert torch.equal(flipped, expected)
        assert same is targets


def test_one_picture_takes_the_place_of_all():
    images, targets = sick.one_picture(a_batch(), 5)
    assert all(torch.equal(image, a_batch()[0][0]) for image in images)
    assert all(torch.equal(one["labels"], torch.tensor([0, 3])) for one in targets)


def test_labels_are_drawn_anew_and_boxes_stay():
    batch = a_batch()
    seen = [sick.other_labels(batch, step)[1] for step in range(20)]
    for targets in seen:
        for one, old in zip(targets, batch[1], strict=True):
            assert torch.equal(one["boxes"], old["boxes"])
    labels = torch.stack([torch.cat([one["labels"] for one in targets]) for targets in seen])
    assert set(labels.flatten().tolist()) == {0, 1, 2, 3}
    assert len(torch.unique(labels, dim=0)) > 15


def test_without_prior_everything_is_as_likely_as_not():
    model = fresh_detector()
    sick.without_prior(model)
    bias = model.class_head.predict.pointwise.bias
    assert torch.equal(torch.sigmoid(bias), torch.full_like(bias, 0.5))


def test_slow_statistics_follow_by_a_thousandth():
    norm = torch.nn.BatchNorm2d(3).train()
    sick.slow_statistics(norm)
    images, _ = a_batch()
    norm(images)
    torch.testing.assert_close(norm.running_mean, 0.001 * images.mean((0, 2, 3)))


# --- tests and bill ---


def test_each_test_is_paid_once_and_charts_are_free(monkeypatch):
    patient = a_patient()
    monkeypatch.setattr(clinic, "trained_with", lambda name, seed: patient)
    one = Clinic(0)
    free, *others = TESTS
    assert one.view("A", free).numbers["your bill so far"] == "0 points"
    asked = others[:2]
    for letter in ("A", "B", "A"):
        for test in asked:
            view = one.view(letter, test)
    assert [TESTS[test].points for test in asked] == [1, 1]
    assert one.bill() == 4
    assert view.numbers["your bill so far"] == "4 points"


def test_a_bill_of_one_is_one_point(monkeypatch):
    patient = a_patient()
    monkeypatch.setattr(clinic, "trained_with", lambda name, seed: patient)
    view = Clinic(0).view("A", "length of the gradient")
    assert view.numbers["your bill so far"] == "1 point"
    offered = [clinic._priced(test) for test in TESTS]
    assert offered[0].endswith("(free)")
    assert offered[1].endswith("(1 point)")
    assert offered[-1].endswith("(2 points)")
    # JupyterLab's list shows 33 letters; this one fills it, and one of 35 was cut off.
    assert max(map(len, offered)) <= len("class loss and box loss (1 point)")


def test_a_loss_beyond_the_chart_is_drawn_at_its_top():
    one, figure = a_patient(), Figure()
    axis = figure.add_subplot()
    examined.draw_losses(axis, one, one)
    drawn = axis.get_lines()[-1].get_ydata()
    assert max(row[0] for row in one.losses) == 1e6
    assert max(drawn) == 100
    assert axis.get_yticklabels()[-1].get_text() == "over 100"


def test_no_picture_of_the_clinic_is_cut_off(monkeypatch):
    patient = a_patient()
    monkeypatch.setattr(clinic, "trained_with", lambda name, seed: patient)
    monkeypatch.setattr(examined, "grades", lambda patient: (1.0, 0.0))
    one = Clinic(0)
    figures = [clinic.charts_figure(one)]
    figures += [one.view("A", test).figure for test in TESTS]
    assert not [words for figure in figures for words in cut_off(figure)]


@pytest.mark.slow
def test_a_sound_training_learns_and_each_fault_of_the_first_clinic_leaves_its_trace():
    sound = sick.trained_with("", 0)
    assert sick.grades(sound)[1] > 0.95
    for name in admitted(0).values():
        assert max(sick.grades(sick.trained_with(name, 0))) < 0.7, name
    still = sick.trained_with("evaluation mode", 0)
    assert sick.statistics_moved(still) == 0 < sick.statistics_moved(sound)
    far, near = (sick.moved(one)["backbone"] for one in (sick.trained_with("high rate", 0), sound))
    assert far > 10 * near
    assert sick.moved(sick.trained_with("no box loss", 0))["box_head"] < 0.01


@pytest.mark.slow
def test_slow_statistics_are_healed_by_recalibration():
    before, after = sick.grades(sick.trained_with("slow statistics", 0))
    assert before < 0.5 and after > 0.95
