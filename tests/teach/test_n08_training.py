"""What notebook 08 shows of a training. Oracles: torchvision's focal loss, the plain matcher, files
made by hand, arithmetic, and matplotlib's own limits.
"""

import copy
import math
import statistics
from dataclasses import asdict

import pytest
import torch
from axes import cut_off
from torchvision.ops import sigmoid_focal_loss

from effdet_lite.anchors import grid, match
from effdet_lite.checkpoint import save_tensors
from effdet_lite.experiments import recipe
from effdet_lite.experiments.run import stored_results
from effdet_lite.teach.kit.page import text_table
from effdet_lite.teach.kit.shared import shipped
from effdet_lite.teach.nb import (
    n08_anchors,
    n08_further,
    n08_heart,
    n08_loop,
    n08_machine,
    n08_norms,
    n08_opening,
    n08_rates,
    n08_recipe,
    n08_shipped,
    n08_small,
)

GUESSES = [None, -1.0, 0.0, 0.3, 1.0, 1000.0]


@pytest.fixture
def tables(monkeypatch):
    """Every table that is shown, as text."""
    shown = []
    for module in (n08_anchors, n08_further, n08_loop, n08_norms, n08_shipped):
        monkeypatch.setattr(
            module, "table", lambda header, rows: shown.append(text_table(header, rows))
        )
    return shown


# --- the small detector and its pictures ---


def test_the_opening_shows_one_network_before_and_after():
    model, _ = shipped("shapes")
    assert n08_opening.untrained().config == model.config


def test_a_fresh_detector_is_the_same_for_the_same_seed():
    fresh, again = n08_small.fresh_detector(), n08_small.fresh_detector()
    same = zip(fresh.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in same)


def test_no_picture_lies_in_two_piles():
    piles = [
        {n08_small.pictures(split)[index][0].numpy().tobytes() for index in range(30)}
        for split in ("train", "val", "test")
    ]
    assert len(set.union(*piles)) == 90


def test_no_picture_comes_twice_in_the_first_batches():
    batches = n08_small.training_batches(3, 4)
    images = torch.cat([images for images, _ in batches])
    assert images.shape == (12, 3, 128, 128)
    assert len(torch.unique(images.flatten(1), dim=0)) == 12


# --- the first loss ---


def test_the_parts_of_the_first_loss_are_torchvisions():
    batch = n08_small.batch_of(n08_small.pictures("train"), range(2))
    model = n08_small.fresh_detector()
    parts = n08_heart.parts_of_first_loss(model, batch)
    images, targets = batch
    with torch.no_grad():
        logits, _ = model.train()(images)
    boxes, labels = ([one[name] for one in targets] for name in ("boxes", "labels"))
    wanted = torch.zeros_like(logits)
    for image, own in enumerate(match(model.anchors(128, 128), boxes, labels).labels):
        found = torch.nonzero(own >= 0)[:, 0]
        wanted[image, found, own[found]] = 1
    losses = sigmoid_focal_loss(logits, wanted, alpha=0.5, gamma=1.5)
    matched = int(wanted.sum())
    for name, which in (("yes", wanted == 1), ("no", wanted == 0)):
        count, loss = parts[name]
        assert count == int(which.sum())
        assert loss == pytest.approx(losses[which].sum().item() / (matched + 1), rel=1e-4)


# --- norms ---


def test_pictures_that_pass_through_move_no_weight():
    model, _ = shipped("shapes")
    after = n08_norms.passed_through(model, 1, passes=2)
    pairs = zip(model.parameters(), after.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    changed = [
        name
        for name, tensor in after.state_dict().items()
        if not torch.equal(tensor, model.state_dict()[name])
    ]
    assert changed
    assert all(name.rpartition(".")[2].startswith(("running_", "num_batches")) for name in changed)


def test_variances_are_too_small_where_recalibrated_ones_are_larger(monkeypatch):
    """Three of four by hand; means do not count."""
    before, after = torch.nn.BatchNorm2d(4), torch.nn.BatchNorm2d(4)
    before.running_var, after.running_var = torch.tensor(
        [[1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 3.5, 1.0]]
    )
    after.running_mean += 1
    monkeypatch.setattr(n08_norms, "after_passes", lambda size: before)
    monkeypatch.setattr(n08_norms, "settled", lambda model: after)
    assert n08_norms.too_small.__wrapped__() == 0.75


def test_frozen_norms_keep_their_statistics_and_all_else_trains():
    model = copy.deepcopy(shipped("shapes")[0]).train()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    n08_norms.freeze_norms(model)
    ((images, _),) = n08_small.training_batches(1, 2)
    model(images)
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    assert model.training and model.backbone.training


# --- learning rates ---


def test_a_climb_is_read_at_its_lowest_and_where_it_breaks():
    rates = [2.0**power for power in range(12)]
    losses = [6, 9, 4, 3, 2, 1, 2, 3, 9, 5, 50, 60]
    read = n08_rates.read_climb(rates, losses)
    assert read["lowest at"] == 2.0**5
    assert read["breaks at"] == 2.0**10
    never = n08_rates.read_climb(rates, [*losses[:10], 5, 6])
    assert math.isnan(never["breaks at"])


def test_smoothing_is_a_geometric_mean():
    assert n08_rates.smoothed([1.0, 10.0, 100.0], 1) == pytest.approx([10**0.5, 10.0, 10**1.5])


def test_rates_are_tried_by_the_learners_own_function(monkeypatch):
    monkeypatch.setattr(n08_rates, "fresh_detector", lambda: "a fresh detector")
    monkeypatch.setattr(n08_rates, "training_batches", lambda steps: ["batch"] * steps)
    called = []

    def my_train(model, batches, rate_at):
        called.append((model, rate_at(0), rate_at(29)))
        return [5.0 - 0.1 * step for step, _ in enumerate(batches)]

    trials = n08_rates.RateTrials(my_train, rates=(0.01,))
    trials.show()
    trials.slider.value = 10**-1.5
    trials.button.click()
    assert called == [("a fresh detector", 0.01, 0.01), ("a fresh detector", 0.032, 0.032)]
    assert "0.01" in trials.page.value and "0.032" in trials.page.value
    assert not trials.button.disabled


def test_a_training_that_raises_is_told_on_the_page(monkeypatch):
    monkeypatch.setattr(n08_rates, "training_batches", lambda steps: [])

    def broken(model, batches, rate_at):
        raise ValueError("no loss <here>")

    trials = n08_rates.RateTrials(broken, rates=(0.01,))
    trials.start()
    assert "no loss &lt;here&gt;" in trials.status.value
    assert not trials.button.disabled


# --- the loop and its checkpoint ---


def test_each_line_stands_where_the_table_says():
    assert not n08_loop.missing_lines()


def test_a_checkpoint_is_measured_by_its_tensors(tmp_path, tables, capsys):
    floats = {"model.a": 10, "ema.a": 10, "optimizer.0.exp_avg": 15, "optimizer.0.exp_avg_sq": 15}
    file = tmp_path / "last.safetensors"
    save_tensors(file, {name: torch.zeros(size) for name, size in floats.items()}, config={})
    sizes = {part.name: part.size for part in n08_loop.parts_of_checkpoint(file)}
    assert sizes == {"model": 40, "ema": 40, "optimizer": 120}
    assert n08_loop.times_the_weights(file) == 5
    n08_loop.show_checkpoint(file)
    assert "5.0 times the weights" in tables[0]


# --- anchors, detectors ---


def test_objects_get_the_plain_matchers_anchors():
    """All of its anchors, of small objects and of others, are counted."""
    _, targets = n08_small.batch_of(n08_small.pictures("train"), range(n08_anchors.PICTURES))
    small, others = n08_anchors.fits((2, 6), 2.0)
    assert small.objects + others.objects == sum(len(one["boxes"]) for one in targets)
    anchors = grid(128, 128, (2, 3, 4, 5, 6), 2.0)
    boxes, labels = ([one[name] for one in targets] for name in ("boxes", "labels"))
    counted = int((match(anchors, boxes, labels).labels >= 0).sum())
    told = small.objects * small.anchors + others.objects * others.anchors
    assert told == pytest.approx(counted, rel=1e-4)


def test_the_shipped_detectors_are_described_by_their_files(tables):
    n08_shipped.show_shipped()
    for name in n08_shipped.FILES:
        model, about = shipped(name)
        parameters = sum(one.numel() for one in model.parameters())
        assert f"{parameters / 1e6:.2f}" in tables[0]
        assert f"{about['result']['ap50']:.3f}" in tables[0]
        assert f"the rule's ϕ = {about['training']['phi']:g}".replace("-", "−") in tables[0]
        assert about["chosen_on"] in tables[0]


def test_a_machine_that_cannot_start_two_processes_says_so(monkeypatch, tmp_path, capsys):
    def fails(folder, processes):
        raise RuntimeError("no rendezvous")

    monkeypatch.setattr(n08_further, "losses_of_processes", fails)
    n08_further.show_two_processes(tmp_path)
    assert "did not start on this machine: no rendezvous" in capsys.readouterr().out


# --- the recipe's runs ---


def ap50s(**settings):
    """AP50 of the stored runs that are the usual one but for these settings."""
    usual = asdict(recipe.USUAL) | settings
    del usual["seed"]
    rows = stored_results("recipe")["runs"]
    return [row["ap50"] for row in rows if all(row[name] == usual[name] for name in usual)]


def test_the_titles_of_the_recipe_are_what_its_runs_say(monkeypatch):
    """Pays: every seed is better than every other. Next to nothing: half a hundredth."""
    shown = []
    monkeypatch.setattr(n08_recipe, "show", lambda figure, alt: shown.append(figure))
    monkeypatch.setattr(n08_recipe, "table", lambda header, rows: None)
    n08_recipe.show_recipe()
    (figure,) = shown
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert [title.partition(":")[2].strip() for title in titles] == [
        "it pays at four times the usual rate",
        "it changes next to nothing",
        "flips gain nothing in 300 steps, and pay in 900",
    ]
    high = 4 * recipe.USUAL.learning_rate
    assert min(ap50s(learning_rate=high)) > max(ap50s(learning_rate=high, warmup=0))
    assert abs(statistics.fmean(ap50s()) - statistics.fmean(ap50s(decay=0.0))) < 0.005
    for pictures in (200, 2400):
        few, none = (ap50s(pictures=pictures, augmentation=name) for name in ("flips", "none"))
        assert sum(few) < sum(none)
    longer = {"pictures": 200, "steps": 900}
    assert min(ap50s(**longer)) > max(ap50s(**longer, augmentation="none"))
    assert not cut_off(figure)
    for axis in figure.axes:
        assert all(0 < y < axis.get_ylim()[1] for line in axis.lines for y in line.get_ydata())


# --- no picture is cut off ---


def test_no_picture_is_cut_off(monkeypatch):
    monkeypatch.setattr(n08_norms, "measured_norms", lambda: {"a": 0.0, "b": 1.0, "c": 0.5})
    monkeypatch.setattr(n08_norms, "too_small", lambda: 0.5)
    rates = [10.0**power for power in range(-4, 2)]
    climb = [6.0, 5.0, 2.0, 3.0, 500.0, 1e6]
    parts = {"yes": (3, 2.4), "no": (9, 0.1), "total": (12, 2.5)}
    figures = [n08_rates.trials_figure({0.01: climb, 1.0: [math.nan] * 6})]
    for guess in GUESSES:
        figures += [
            n08_heart.heart_view([5.5, 3.0, 0.2], 1.0, {"08.a": guess}).figure,
            n08_norms.norms_view({"08.b": guess}).figure,
            n08_heart.first_loss_view(parts, {"08.c": guess}).figure,
            n08_rates.climb_view(rates, climb, {"08.d": guess}).figure,
        ]
    assert not [words for figure in figures for words in cut_off(figure)]


def test_places_of_pictures_are_squares_that_touch_nothing():
    width, height = 3 * 2.0, 2 * (2.0 + 0.3) + 0.5
    places = n08_opening.places_of_pictures(2, 3, 2.0, height, foot=0.5, head=0.3)
    assert len(places) == 6
    for left, bottom, wide, high in places:
        assert width * wide == pytest.approx(height * high) == pytest.approx(0.98 * 2.0)
        assert 0 <= left < left + wide <= 1
        assert 0.5 / height <= bottom < bottom + high <= 1 - 0.3 / height
    assert places[0][1] == places[2][1] > places[3][1]
    assert places[1][0] - places[0][0] == pytest.approx(1 / 3)


# --- the time machine ---


@pytest.fixture
def a_recording(monkeypatch):
    """A training that knows every object after 25 steps, and names each wrongly after 50."""
    found = []
    for index in range(10):
        _, target = n08_small.pictures("val")[index]
        rows = zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True)
        found.append([[*box, label, 90] for box, label in rows])
    renamed = [[[*row[:4], (row[4] + 1) % 4, 90] for row in rows] for rows in found]
    moments = [([[]] * 10, 0.0), (found, 1.0), (renamed, 0.5)]
    recorded = {
        "losses": [[2.0, 0.06], [1.0, 0.02]] * 25,
        "moments": [
            {"step": 25 * place, "ap50": ap50, "found": one}
            for place, (one, ap50) in enumerate(moments)
        ],
    }
    monkeypatch.setattr(n08_machine, "recording", lambda: recorded)
    n08_machine.moment.cache_clear()
    yield
    n08_machine.moment.cache_clear()


def test_moments_are_judged_by_their_boxes_and_names(a_recording):
    objects = n08_machine.objects()
    assert objects == sum(len(n08_small.pictures("val")[i][1]["labels"]) for i in range(10))
    counts = [
        (one.placed(), one.count("right"), one.count("missed"))
        for one in map(n08_machine.moment, (0, 25, 50))
    ]
    assert counts == [(0, 0, objects), (objects, objects, 0), (objects, 0, objects)]
    assert n08_machine.half_found() == 25
    with pytest.raises(ValueError, match="step 30 was not recorded"):
        n08_machine.moment(30)


def test_a_row_of_moments_counts_what_it_shows(a_recording, monkeypatch):
    told = []
    monkeypatch.setattr(n08_machine, "show", lambda figure, alt: told.append(alt))
    n08_machine.show_moments((0, 1), (0, 25, 50))
    objects = sum(len(n08_small.pictures("val")[index][1]["labels"]) for index in (0, 1))
    assert f"0 after step 0, {objects} after step 25, 0 after step 50" in told[0]


def test_the_course_says_when_boxes_go_and_objects_come(a_recording):
    numbers = n08_machine.course_view({"08.f": None}).numbers
    assert numbers["wrong boxes before the first step"] == "0"
    assert numbers["no box at all is left"] == "at step 0"
    assert numbers["the first objects are found"] == "at step 25"
    assert numbers["half of them are found"] == "at step 25"


def test_no_picture_of_the_time_machine_is_cut_off(a_recording):
    figures = [n08_machine.machine_view(step).figure for step in (0, 25, 50)]
    figures += [n08_machine.course_view({"08.f": guess}).figure for guess in GUESSES]
    assert not [words for figure in figures for words in cut_off(figure)]


def test_the_recording_is_what_the_notebook_says():
    recorded = n08_machine.recording()
    settings = recorded["settings"]
    assert (settings["steps"], settings["batch_size"]) == (500, 16)
    assert [one["step"] for one in recorded["moments"]] == list(range(0, 501, 25))
    assert len(recorded["losses"]) == 500
    assert all(len(one["found"]) == 10 for one in recorded["moments"])
    sides = [
        value
        for one in recorded["moments"]
        for rows in one["found"]
        for row in rows
        for value in row[:4]
    ]
    assert min(sides) >= 0 and max(sides) <= 128
