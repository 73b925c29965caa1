"""Growing resolution with the blocks fixed: pictures whose class no single mark tells, and networks
that see so far and no further.

Oracles: the picture moved by half its side and laid on itself; all windows of a size, counted; the
gradient of one position; torch.utils.flop_counter; rows made by hand.
"""

import math
from collections import Counter

import pytest
import torch
from oracles import macs, parameters
from torch.nn import functional as F

from effdet_lite.experiments import partners, window
from effdet_lite.experiments.run import stored_results


def test_the_class_is_whether_a_mark_and_its_partner_are_alike():
    """Laid on itself half a picture further, a picture has bright on bright or bright on dark."""
    for distance in (partners.FAR, partners.NEAR):
        pictures, labels = partners.draw(200, seed=3, distance=distance, noise=0)
        assert Counter(labels.tolist()) == {0: 100, 1: 100}
        marks = pictures.double() - pictures[:, :1, :1].new_tensor(255 * partners.GRAY).round()
        agreement = (marks * marks.roll(distance, 2)).sum((1, 2))
        assert ((agreement > 0).long() == labels).all()
    again, _ = partners.draw(200, seed=3, distance=partners.NEAR, noise=0)
    other, _ = partners.draw(200, seed=4, distance=partners.NEAR, noise=0)
    assert pictures.equal(again) and not pictures.equal(other)


def windows(pictures, side):
    """A number for each square of side x side pixels of a picture, sorted, [n, SIDE * SIDE].

    The square's pixels with whole random weights, added exactly: equal squares have equal numbers,
    and different ones hardly ever. A weight is a row's times a column's, to be quick.
    """
    random = torch.Generator().manual_seed(0)
    rows, columns = torch.randint(1, 2**10, (2, side), generator=random).double()
    around = F.pad(pictures[:, None].double(), (0, side - 1, 0, side - 1), mode="circular")
    along = F.conv2d(around, columns.view(1, 1, 1, -1))
    return F.conv2d(along, rows.view(1, 1, -1, 1)).flatten(1).sort(1).values


def test_windows_that_hold_one_mark_at_a_time_are_the_same_in_both_classes():
    """So no average over positions that see so little can tell the classes apart; a little more,
    and one can.
    """
    pictures, labels = partners.draw(12, seed=5, noise=0)
    gap = partners.FAR - 2 * partners.RADIUS
    found = windows(pictures, math.floor(gap))
    assert (found == found[0]).all()
    wider = windows(pictures, math.floor(gap) + 3)
    assert not (wider[labels == 0][0] == wider[labels == 1][0]).all()


def test_a_picture_is_averaged_down_to_the_same_picture():
    pictures, _ = partners.draw(8, seed=6)
    for side in window.RESOLUTIONS:
        small = partners.at_resolution(pictures, side)
        assert small.shape == (8, 1, side, side)
        assert small.mean((1, 2, 3)).tolist() == pytest.approx(
            (pictures.double() / 255).mean((1, 2)).tolist(), abs=1e-3
        )
        moved = partners.at_resolution(pictures.roll((32, 64), (1, 2)), side)
        expected = small.roll((side // 4, side // 2), (2, 3))
        torch.testing.assert_close(moved, expected, atol=1e-4, rtol=0)
    whole = partners.at_resolution(pictures, partners.SIDE)[:, 0]
    torch.testing.assert_close(whole, pictures.float() / 255)


def lively_network(blocks):
    """With statistics of its own in each norm, in evaluation mode, and in double precision."""
    torch.manual_seed(0)
    network = window.Network(blocks).double()
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_var.uniform_(0.05, 0.2)
            norm.running_mean.normal_(0, 0.2)
    return network.eval()


@pytest.mark.parametrize("blocks", [window.BLOCKS, 5])
def test_a_position_sees_as_many_pixels_as_the_formula_says(blocks):
    network = lively_network(blocks)
    images = torch.rand(1, 1, 96, 96, dtype=torch.float64, requires_grad=True)
    x = network.stem((images - 0.5) / 0.25)
    for block in network.blocks:
        x = x + block(x)
    network.head(x)[0, :, 6, 6].sum().backward()
    seen = images.grad[0, 0].abs() > 0
    run = window.Run(96, blocks)
    assert (seen.any(0).sum(), seen.any(1).sum()) == (run.field, run.field)


def test_a_window_smaller_than_the_gap_gives_both_classes_one_answer_and_a_larger_one_does_not():
    """The same places, so that only the class differs; marks on the map's own grid of 8 pixels."""
    left, top = torch.tensor([[8, 40], [8, 40]]), torch.tensor([16, 16])
    bright = partners.brightness(torch.tensor([0, 1]), torch.tensor([[1, 1], [1, 1]]))
    images = partners.paint(left, top, bright)[:, None].double()
    few, many = window.Run(128, window.BLOCKS), window.Run(128, window.blocks_for(128))
    assert few.field < few.gap < many.field
    with torch.no_grad():
        unlike, alike = lively_network(few.blocks)(images)
        torch.testing.assert_close(unlike, alike, rtol=1e-9, atol=1e-9)
        unlike, alike = lively_network(many.blocks)(images)
    assert (unlike - alike).abs().max() > 1e-6


def test_the_window_keeps_its_share_of_the_picture_where_depth_grows_along():
    lowest = window.RESOLUTIONS[0]
    share = window.Run(lowest, window.BLOCKS).field / lowest
    for resolution in window.RESOLUTIONS:
        blocks = window.blocks_for(resolution)
        run, less = window.Run(resolution, blocks), window.Run(resolution, blocks - 1)
        assert less.field / resolution < share <= run.field / resolution
        assert run.gap < run.field, "both marks can be seen at once"
    assert window.blocks_for(lowest) == window.BLOCKS


def test_the_costs_are_what_torch_counts():
    row = window.trained(window.Run(32, 3), steps=1, test_pictures=8)
    network, image = window.Network(3).eval(), torch.zeros(1, 1, 32, 32)
    assert (row["macs"], row["params"]) == (macs(network, image), parameters(network))


def row(resolution, blocks, accuracy, seed=0, distance=partners.FAR):
    return vars(window.Run(resolution, blocks, distance, seed)) | {"accuracy": accuracy}


def test_falls_and_gains_are_differences_within_a_seed():
    fixed, deep = window.BLOCKS, window.blocks_for(64)
    rows = [
        row(32, fixed, 1.0),
        row(32, fixed, 0.75, seed=1),
        row(64, fixed, 0.5),
        row(64, fixed, 0.5, seed=1),
        row(64, deep, 0.875),
        row(64, fixed, 0.5, seed=2),
        row(128, fixed, 0.25, distance=partners.NEAR),
    ]
    assert window.falls_by_resolution(rows) == {64: [0.5, 0.25]}
    assert window.gains_by_depth(rows) == {64: [0.375]}
    assert window.accuracies(rows, distance=partners.NEAR) == {128: {0: 0.25}}
    assert window.accuracies(rows)[64] == {0: 0.5, 1: 0.5, 2: 0.5}


def test_the_claim_is_about_resolutions_at_which_the_fixed_blocks_see_one_mark_at_a_time():
    rows = []
    for seed in range(5):
        rows.append(row(32, window.BLOCKS, 1.0, seed))
        rows.append(row(64, window.BLOCKS, 1.0, seed))  # sees parts of both marks: does not count
        for resolution in (96, 128):
            rows.append(row(resolution, window.BLOCKS, 0.5, seed))
            rows.append(row(resolution, window.blocks_for(resolution), 0.75 + seed / 100, seed))
    found = window.findings(rows)
    assert all(finding.is_seen and not finding.exception for finding in found.values())
    same = [one | {"accuracy": 0.5} for one in rows]
    assert not any(finding.is_seen for finding in window.findings(same).values())
    with pytest.raises(ValueError, match="at least 1"):
        window.findings([row(32, window.BLOCKS, 1.0)])


# --- The stored rows ---


def test_the_stored_rows_are_planned_runs():
    document = stored_results("window")
    assert document["settings"] | window.settings() == document["settings"]
    planned = {tuple(vars(run).values()): run for run in window.planned()}
    stored = [
        tuple(one[name] for name in window.Run.__dataclass_fields__) for one in document["runs"]
    ]
    assert len(stored) == len(set(stored)) and set(stored) <= set(planned)
    for one, key in zip(document["runs"], stored, strict=True):
        run = planned[key]
        assert (one["field"], one["gap"]) == (run.field, pytest.approx(run.gap, abs=0.05))
        assert 0 < one["accuracy"] <= 1 and one["seconds"] > 0
        if one["seed"] == 0:
            network = window.Network(run.blocks).eval()
            image = torch.zeros(1, 1, run.resolution, run.resolution)
            assert one["macs"] == macs(network, image)


@pytest.mark.slow
def test_a_stored_network_trains_to_its_stored_row(one_thread):
    """The smallest picture. On another processor, accuracies differ by some hundredths."""
    run = window.Run(window.RESOLUTIONS[0], window.BLOCKS)
    (stored,) = (
        one
        for one in stored_results("window")["runs"]
        if all(one[name] == value for name, value in vars(run).items())
    )
    again = window.trained(run)
    assert again["accuracy"] == pytest.approx(stored["accuracy"], abs=0.03)
    assert again["loss"] == pytest.approx(stored["loss"], abs=0.05)
