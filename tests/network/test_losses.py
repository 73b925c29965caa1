"""Losses against effdet's `loss_fn`, torchvision's focal loss, and figures worked out on paper."""

import math

import pytest
import torch
from effdet.loss import loss_fn
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from effdet_lite.anchors import Matches
from effdet_lite.losses import box_loss, detection_loss, focal_loss

CONSTANTS = {"alpha": 0.25, "gamma": 1.5, "delta": 0.1}


def example(images=3, anchors=72, classes=5, positives=0.2, spread=3.0, seed=0):
    """Logits, deltas and matches at random; no target coordinate is exactly 0 by chance."""
    torch.manual_seed(seed)
    logits, deltas = torch.randn(images, anchors, classes) * spread, torch.randn(images, anchors, 4)
    labels = torch.randint(classes, (images, anchors))
    labels[torch.rand(images, anchors) >= positives] = -1
    targets = torch.randn(images, anchors, 4) * (labels >= 0)[..., None]
    return logits, deltas, Matches(labels, targets)


def reference_loss(logits, deltas, matches, **constants):
    """effdet takes maps [N, 9 * K, H, W] for each level: one level of one row will do."""
    images, anchors, classes = logits.shape
    rows = anchors // 9

    def as_map(answers):
        return answers.reshape(images, 1, rows, -1).permute(0, 3, 1, 2)

    total, class_part, box_part = loss_fn(
        [as_map(logits)],
        [as_map(deltas)],
        [matches.labels.reshape(images, 1, rows, 9)],
        [matches.deltas.reshape(images, 1, rows, 36)],
        (matches.labels >= 0).sum(1).float(),
        classes,
        box_loss_weight=50.0,
        **(CONSTANTS | constants),
    )
    return total, class_part, box_part


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("constants", [{}, {"alpha": 0.6, "gamma": 2.0, "delta": 0.5}])
def test_loss_equals_effdets(seed, constants):
    arguments = example(classes=1 + 3 * seed, spread=1 + 2 * seed, seed=seed)
    ours = detection_loss(*arguments, **constants)
    for value, reference in zip(ours, reference_loss(*arguments, **constants), strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-6, atol=0)


def test_no_objects_at_all():
    """Boxes cost nothing, and the class loss is divided by 1."""
    logits, deltas, matches = example(positives=0)
    ours = detection_loss(logits, deltas, matches)
    assert ours.box_loss == 0 and ours.total == ours.class_loss
    torch.testing.assert_close(
        ours.class_loss, reference_loss(logits, deltas, matches)[1], rtol=1e-6, atol=0
    )


def test_no_images_at_all():
    assert detection_loss(*example(images=0)).total == 0


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.25, 1.5), (0.9, 0.0), (0.5, 1.0)])
def test_focal_loss_equals_torchvisions(alpha, gamma):
    logits, _, matches = example()
    answers = F.one_hot(matches.labels.clamp(min=0), 5) * (matches.labels >= 0)[..., None]
    expected = sigmoid_focal_loss(logits, answers.float(), alpha, gamma, reduction="sum")
    torch.testing.assert_close(
        focal_loss(logits, matches.labels, alpha, gamma), expected, rtol=1e-5, atol=0
    )


@pytest.mark.parametrize(
    ("bias", "figure", "with_objects"), [(0.0, 38_680, 38_680), (-math.log(99), 1.59, 2.67)]
)
def test_why_a_fresh_detector_doubts(bias, figure, with_objects):
    """D0 at 512 pixels, 49,104 anchors and 90 classes: without the prior, "no" alone costs
    thousands.

    The figures divide by 20 matched anchors plus 1. Those 20 "yes" add 20 / 21 * 0.25 * 0.99^1.5 *
    log(100) = 1.08.
    """
    logits, nothing = torch.full((1, 49_104, 90), bias), torch.zeros(1, 49_104, 4)
    labels = torch.full((1, 49_104), -1)
    loss = detection_loss(logits, nothing, Matches(labels, nothing), normalizer=21)
    assert loss.class_loss.item() == pytest.approx(figure, rel=3e-3)
    labels[0, :20] = 7
    loss = detection_loss(logits, nothing, Matches(labels, nothing))
    assert loss.class_loss.item() == pytest.approx(with_objects, rel=3e-3)


def test_a_perfect_anchor_counts_where_effdet_leaves_it_out():
    """Targets that are exactly 0: effdet takes each such coordinate for background, whatever the
    model says.
    """
    labels, targets = torch.full((1, 9), -1), torch.zeros(1, 9, 4)
    labels[0, 0], targets[0, 0, 1] = 2, 0.7
    deltas = torch.full((1, 9, 4), 0.5)
    arguments = torch.zeros(1, 9, 3), deltas, Matches(labels, targets)
    huber = [0.1 * (abs(0.5 - target) - 0.05) for target in (0, 0.7, 0, 0)]
    assert detection_loss(*arguments).box_loss.item() == pytest.approx(sum(huber) / (4 * 2))
    assert reference_loss(*arguments)[2].item() == pytest.approx(huber[1] / (4 * 2))


def test_box_loss_ignores_what_background_says():
    _, deltas, matches = example()
    expected = box_loss(deltas, matches)
    deltas[matches.labels < 0] = torch.nan
    assert box_loss(deltas, matches) == expected


def test_parts_add_up_and_the_normalizer_divides_both():
    arguments = example()
    losses = detection_loss(*arguments)
    torch.testing.assert_close(losses.total, losses.class_loss + 50 * losses.box_loss)
    positives = (arguments[2].labels >= 0).sum()
    other = detection_loss(*arguments, normalizer=2 * (positives + 1), box_weight=3.0)
    torch.testing.assert_close(other.class_loss, losses.class_loss / 2)
    torch.testing.assert_close(other.total, losses.class_loss / 2 + 3 * losses.box_loss / 2)


@pytest.mark.parametrize("logit", [-100.0, 100.0, -1000.0, 1000.0])
def test_gradients_are_finite_at_extreme_logits(logit):
    logits = torch.full((1, 2, 3), logit, requires_grad=True)
    deltas = torch.full((1, 2, 4), logit, requires_grad=True)
    loss = detection_loss(logits, deltas, Matches(torch.tensor([[1, -1]]), torch.zeros(1, 2, 4)))
    loss.total.backward()
    assert loss.total.isfinite() and logits.grad.isfinite().all() and deltas.grad.isfinite().all()
    # What is wrong by far has the gradient of plain cross-entropy, what is right by far has none.
    wrong = -0.25 / 2 if logit < 0 else 0.0, 0.75 / 2 if logit > 0 else 0.0
    assert (logits.grad[0, 0, 1].item(), logits.grad[0, 1, 0].item()) == pytest.approx(
        wrong, abs=1e-6
    )


def test_gradients_equal_finite_differences():
    logits, deltas, matches = example(images=1, anchors=9, classes=3, positives=0.5)
    matches = Matches(matches.labels, matches.deltas.double())
    assert torch.autograd.gradcheck(
        lambda x: focal_loss(x, matches.labels), logits.double().requires_grad_()
    )
    assert torch.autograd.gradcheck(
        lambda x: box_loss(x, matches), deltas.double().requires_grad_()
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_single(dtype):
    """Half a million terms of 0.18 would overflow float16."""
    logits, deltas, matches = example(images=1, anchors=99_999, spread=0.1)
    logits, deltas = logits.to(dtype), deltas.to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = detection_loss(logits, deltas, matches, normalizer=1)
    expected = detection_loss(logits.float(), deltas.float(), matches, normalizer=1)
    assert losses == expected and losses.total.dtype == torch.float32


@pytest.mark.parametrize("label", [3, 90])
def test_labels_beyond_the_models_classes(label):
    """COCO's ids begin at 1: the likely mistake."""
    with pytest.raises(
        ValueError, match=rf"labels must be 0 to 2, one of the model's classes, got {label}"
    ):
        focal_loss(torch.zeros(1, 4, 3), torch.tensor([[0, -1, label, 2]]))


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 0.99, 1.0, 1.5])
def test_gradients_stay_numbers_however_sure_the_model_is(gamma):
    """For a power below 1 the formula's own gradient is infinity times 0 there. Where float64 can
    tell the numbers apart the oracle is the formula, by autograd in float64.
    """
    values = [-300.0, -200.0, -120.0, -30.0, 0.0, 30.0, 120.0, 200.0, 300.0]
    logits = torch.tensor(values)[None, :, None].repeat(1, 1, 2).requires_grad_()
    labels = torch.tensor([[-1, 0, 1] * 3])
    focal_loss(logits, labels, gamma=gamma).backward()
    assert logits.grad.isfinite().all()
    near = torch.linspace(-20, 20, 9, dtype=torch.float64)[None, :, None].requires_grad_()
    focal_loss(near, labels.clamp(max=0), gamma=gamma).backward()
    other = near.detach().clone().requires_grad_()
    target = (labels.clamp(max=0) == 0).double()[..., None]
    p = torch.where(target == 1, other.sigmoid(), 1 - other.sigmoid())
    weight = torch.where(target == 1, 0.25, 0.75)
    (weight * (1 - p) ** gamma * -p.log()).sum().backward()
    torch.testing.assert_close(near.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_a_loss_in_double_precision_stays_in_it():
    """float32 cannot tell these two apart: 1e-9 on a sum of about 1,000."""
    logits = torch.zeros(1, 2000, 1, dtype=torch.float64)
    deltas = torch.zeros(1, 2000, 4, dtype=torch.float64)
    matches = Matches(torch.full((1, 2000), -1), torch.zeros(1, 2000, 4))
    matches.labels[0, 0] = 0
    first = detection_loss(logits, deltas, matches)
    logits[0, 7] += 1e-9
    second = detection_loss(logits, deltas, matches)
    assert first.total.dtype == first.box_loss.dtype == torch.float64
    assert second.total > first.total


NO_SHARE = [-0.1, 1.1, 25, math.nan, math.inf, "0.5", None, True]
BELOW_0 = [-0.1, math.nan, math.inf, "1", None]


@pytest.mark.parametrize(
    ("options", "says"),
    [({"alpha": value}, "alpha must be a number from 0 to 1") for value in NO_SHARE]
    + [({"gamma": value}, "gamma must be a number of at least 0") for value in BELOW_0]
    + [({"delta": value}, "delta must be a positive number") for value in (0, *BELOW_0)]
    + [({"box_weight": value}, "box_weight must be a number of at least 0") for value in BELOW_0]
    + [
        ({"normalizer": value}, "normalizer must be a positive number")
        for value in (0, -1, math.nan)
    ],
    ids=str,
)
def test_constants_that_make_no_loss(options, says):
    arguments = example(images=1)
    with pytest.raises(ValueError, match=says):
        detection_loss(*arguments, **options)


def test_the_ends_of_the_constants_are_legal():
    """Without focus and with alpha 1 only positives are left: their cross-entropy, by torch."""
    logits, deltas, matches = example(classes=1)
    positive = matches.labels == 0
    loss = detection_loss(logits, deltas, matches, alpha=1, gamma=0, box_weight=0, normalizer=1)
    expected = F.binary_cross_entropy_with_logits(
        logits[positive], torch.ones_like(logits[positive]), reduction="sum"
    )
    torch.testing.assert_close(loss.total, expected, rtol=1e-5, atol=0)


def test_answers_of_other_images_or_anchors():
    logits, deltas, matches = example(images=2, anchors=9, classes=5)
    with pytest.raises(ValueError, match=r"got \[2, 9, 5\] and \[1, 9\]"):
        focal_loss(logits, matches.labels[:1])
    with pytest.raises(ValueError, match=r"deltas are \[2, 8, 4\] and those of matches"):
        box_loss(deltas[:, 1:], matches)
