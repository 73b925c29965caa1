"""What levels know, the way down, and blocks.

Oracles: features that hold the answer or none, places counted by hand, torch's own least squares,
the package's FPN, maps of known blocks.
"""

import pytest
import torch

from effdet_lite.experiments import necks
from effdet_lite.experiments.plain import detector
from effdet_lite.teach.nb import n04_blocks as blocks
from effdet_lite.teach.nb import n04_levels as levels
from effdet_lite.teach.nb import n04_probes as probes
from effdet_lite.teach.nb import n04_way as way
from effdet_lite.teach.nb import n04_window as window


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return detector(necks.GRAPHS["FPN"], 6).eval()


@pytest.fixture(scope="module")
def some():
    return probes.places(levels.test_pictures(), 40)


def test_places_are_dots_and_places_beside_them(some):
    boxes = [
        levels.test_pictures()[index][1]["boxes"].as_subclass(torch.Tensor) for index in range(40)
    ]
    for xy, owner, is_dot in zip(some.xy, some.owner, some.is_dot, strict=True):
        dots = boxes[owner][1:]
        apart = ((dots[:, :2] + dots[:, 2:]) / 2 - xy).norm(dim=1).min().item()
        assert apart == pytest.approx(0, abs=1e-4) if is_dot else apart > 10 - 1e-4
    for index in range(40):
        (color,) = {int(one) for one in some.color[some.owner == index]}
        assert color == int(levels.test_pictures()[index][1]["labels"][0])


def test_a_probe_finds_what_is_there_and_guesses_what_is_not():
    torch.manual_seed(0)
    answers = torch.randint(0, 3, (2000,))
    noise = torch.randn(2000, 8)
    told = torch.cat(
        [noise, torch.nn.functional.one_hot(answers, 3) + 0.1 * torch.randn(2000, 3)], 1
    )
    for features, low, high in ((told, 0.99, 1), (noise, 0.25, 0.42)):
        probe = probes.Probe(features[:1000], answers[:1000], 3)
        assert low <= probe.share_right(features[1000:], answers[1000:]) <= high


def test_a_probe_is_a_ridge_regression():
    """The least squares of the data with one more row of 1 for each weight."""
    torch.manual_seed(1)
    features, answers = torch.randn(50, 4), torch.randint(0, 2, (50,))
    probe = probes.Probe(features, answers, 2)
    ready = (features - features.mean(0)) / (features.std(0) + 1e-6)
    ready = torch.cat([ready, torch.ones(50, 1)], 1)
    target = torch.nn.functional.one_hot(answers, 2).float()
    more = torch.cat([ready, torch.eye(5)]), torch.cat([target, torch.zeros(5, 2)])
    expected = ready @ torch.linalg.lstsq(*more).solution
    assert torch.allclose(probe.sums(features), expected, atol=1e-4)


def test_the_ceiling_of_places_counted_by_hand():
    """Four places in one picture. At P2 each has a position of its own; at P5 two dots and a place
    beside them share one, so the oracle is wrong once.
    """
    xy = torch.tensor([[2.0, 2.0], [10, 10], [20, 20], [100, 100]])
    is_dot = torch.tensor([True, True, False, False])
    zeros = torch.zeros(4, dtype=torch.long)
    where = probes.Places(torch.zeros(1, 3, 128, 128), xy, zeros, zeros, is_dot)
    assert probes.ceiling(2, where) == 1
    assert probes.ceiling(5, where) == 0.75
    apart = where._replace(owner=torch.tensor([0, 1, 2, 3]))
    assert probes.ceiling(6, apart) == 1


def test_ceilings_and_guessing_of_the_test_places():
    """An oracle was counted apart from this code: 1.00, 1.00, .88, .72, .72."""
    assert [round(limit, 2) for limit in probes.ceilings()] == [1.0, 1.0, 0.88, 0.72, 0.72]
    assert probes.by_guessing("where") == probes.tested_on().is_dot.float().mean()
    assert 1 / 3 < probes.by_guessing("what") < 0.4


def test_numbers_are_taken_at_the_places(some):
    maps = [
        torch.arange(40 * 2 * side * side).view(40, 2, side, side) for side in (32, 16, 8, 4, 2)
    ]
    for level in (2, 4, 6):
        found = probes.numbers_at(maps, level, some)
        for n in range(0, len(some.xy), 7):
            x, y = (int(place // 2**level) for place in some.xy[n])
            assert torch.equal(found[n], maps[level - 2][some.owner[n], :, y, x])


def test_maps_before_and_after_are_the_detectors(model):
    images = torch.rand(3, 3, 128, 128)
    found = probes.maps_of(model, images)
    with torch.no_grad():
        assert all(map(torch.equal, found["after"], model.pyramid(images)))
    assert [x.shape[-1] for x in found["before"]] == [32, 16, 8, 4, 2]


def test_the_plot_of_knowledge_has_its_numbers_and_the_ceiling():
    shares = {
        (when, question): [0.4 + 0.1 * level for level in range(5)]
        for when in probes.MAPS
        for question in probes.QUESTIONS
    }
    view = probes.knowledge_view(probes.Knowledge(shares), 50)
    view.figure.draw_without_rendering()
    what, where = view.figure.axes
    assert list(what.lines[0].get_ydata()) == pytest.approx([40, 50, 60, 70, 80])
    limits = [100 * limit for limit in probes.ceilings()]
    assert any(list(line.get_ydata()) == limits for line in where.lines)
    assert "40 %" in view.words


@pytest.fixture(scope="module")
def listener(model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window, "TRAIN_PICTURES", 30)
        yield window.Listener({"no fusion": model, "FPN": model}, 5)


def test_the_window_asks_the_position_in_its_middle(listener):
    for left, top in ((0, 0), (97, 97), (40, 60)):
        view = listener.view([left, top, left + 31, top + 31])
        view.figure.draw_without_rendering()
        row, column = (
            min(range(32), key=lambda index, middle=corner + 15.5: abs(4 * index + 0.5 - middle))
            for corner in (top, left)
        )
        sums = listener.sums["FPN"][row, column]
        best = int(sums.argmax())
        assert (
            view.numbers["FPN: the probe says"] == f"{levels.COLOR_NAMES[best]} ({sums[best]:.2f})"
        )
        assert view.numbers["the ring is"] == "red"
    assert listener.view(listener.pad().value)
    listener.view([-15, -15, 16, 16])  # its middle is in the picture


@pytest.mark.parametrize("index", [5, 15, 26])
def test_what_a_position_of_p2_sees_is_what_its_gradient_reaches(index):
    """Oracle: torch.autograd through two 3x3 of stride 2, and the neck's 3x3."""
    line = torch.ones(1, 1, 1, 128, requires_grad=True)
    ones = torch.ones(1, 1, 1, 3)
    x = line
    for stride in (2, 2, 1):
        x = torch.nn.functional.conv2d(x, ones, stride=(1, stride), padding=(0, 1))
    (gradient,) = torch.autograd.grad(x[..., index].sum(), line)
    (seen,) = gradient[0, 0, 0].nonzero(as_tuple=True)
    assert window.seen_by(index) == (int(seen[0]), int(seen[-1]) + 1)


def test_two_windows_are_shown(listener, monkeypatch):
    said = []
    monkeypatch.setattr(window, "show", lambda figure, alt: said.append((figure, alt)))
    listener.show_two()
    said[0][0].draw_without_rendering()
    assert said[0][1].count("the ring is red") == 2


# --- the way down ---


def test_the_steps_end_in_the_packages_maps(model):
    images = way.twins()
    steps = way.way_down(model, images)
    with torch.no_grad():
        expected = model.pyramid(images)
    for step, x in zip(steps, expected[::-1], strict=True):
        assert torch.allclose(step.out, x, atol=1e-5)
        if step.from_above is None:
            assert step.level == 6 and torch.equal(step.total, step.lateral)
        else:
            assert torch.allclose(step.total, step.lateral + step.from_above)


def test_twins_differ_in_red_and_blue_alone():
    one, other = way.twins()
    assert torch.equal(one[0], other[2]) and torch.equal(one[2], other[0])
    assert torch.equal(one[1], other[1]) and not torch.equal(one, other)
    with pytest.raises(ValueError, match="take a red one"):
        way.twins(2)


def test_the_button_goes_from_p6_to_p2_and_begins_again(model):
    down = way.WayDown(model)
    shown = []
    for presses in range(6):
        view = down.view(presses)
        view.figure.draw_without_rendering()
        shown.append(view.numbers["step"].split()[3].rstrip(","))
    assert shown == ["P6", "P5", "P4", "P3", "P2", "P6"]


def test_the_output_of_a_step_is_what_the_next_enlarges(model):
    down = way.WayDown(model)
    for number in range(4):
        channel = down.out_channels[number]
        assert channel == down.channels[number + 1]
        enlarged = down.steps[number + 1].from_above[:, channel]
        assert torch.equal(enlarged[:, ::2, ::2], down.steps[number].out[:, channel])


# --- blocks ---


def test_copies_have_blocks_and_the_map_itself_has_none(monkeypatch):
    coarse = blocks.smooth_map(16)
    copied = coarse.repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert blocks.block_ratio(copied[None, None]) == float("inf")
    assert blocks.block_ratio(blocks.smooth_map(64)[None, None]) == pytest.approx(1, abs=0.1)
    said = []
    monkeypatch.setattr(blocks, "show", lambda figure, alt: said.append(figure))
    blocks.show_blocks(coarse, copied, copied)
    said[0].draw_without_rendering()
    row = said[0].axes[3].lines[0].get_ydata()
    assert (row[::2] == row[1::2]).all()


def test_random_weights_replace_only_the_depthwise_ones(model):
    conv = model.fusion.cells[0]["P3_td"].conv
    other = blocks.with_random_depthwise(conv)
    assert torch.equal(other.pointwise.weight, conv.pointwise.weight)
    assert not torch.equal(other.depthwise.weight, conv.depthwise.weight)


def test_what_a_3x3_learned_is_told_for_each_level(model):
    with torch.no_grad():
        model.fusion.cells[0]["P2_td"].conv.depthwise.weight.abs_()
    rows = blocks.learned_rows(model)
    assert [row[0] for row in rows] == ["P2", "P3", "P4"]
    assert rows[0][-1] == "0%" and all(float(cell) > 0 for row in rows for cell in row[1:5])
