"""The tasks of notebook 03. Oracles: rows made by hand, the pictures themselves."""

import itertools
import math

import pytest
import torch

from effdet_lite.experiments.balance import candidates
from effdet_lite.experiments.bottlenecks import TASKS, Task, draw
from effdet_lite.experiments.sizes import DIRECTIONS
from effdet_lite.teach.nb import n03_tasks
from effdet_lite.teach.nb.n03_tasks import class_name


def balance_rows(accuracy):
    """A row for each candidate on each task. accuracy: of (task, size)."""
    return [
        {
            "task": task,
            "channels": size.channels,
            "blocks": size.blocks,
            "resolution": size.resolution,
            "accuracy": accuracy(task, size),
        }
        for task, size in itertools.product(TASKS, candidates())
    ]


def test_each_task_has_its_own_best_network_and_none_is_the_best_on_average():
    every = candidates()
    deep = max(every, key=lambda size: size.blocks)
    wide = max(every, key=lambda size: size.channels)
    sharp = max(every, key=lambda size: size.resolution)
    middle = next(size for size in every if size not in (deep, wide, sharp))
    wanted = {"span": deep, "kinds": wide, "detail": sharp}

    def accuracy(task, size):
        return 0.9 if size == wanted[task] else 0.8 if size == middle else 0.1

    rows = balance_rows(accuracy)
    assert n03_tasks.best_sizes(rows) == wanted
    assert n03_tasks.wins_of_the_base(rows) == 0
    assert n03_tasks.wins_of_the_base(balance_rows(lambda task, size: size == middle)) == 3


def test_labels_are_told_in_words():
    names = [class_name(TASKS["span"], label) for label in range(3)]
    assert names == ["side by side", "one above the other", "diagonally"]
    assert [class_name(TASKS["detail"], label) for label in (0, 1, 4)] == ["0°", "22.5°", "90°"]
    assert class_name(Task("kinds", 6), 3) == "60°, 7 px wide"


@pytest.mark.parametrize("label", range(8))
def test_the_stripes_lean_as_told(label):
    """From upright, clockwise: along the stripes a picture changes least of all eight ways."""
    task = Task("detail", 5)
    pictures, labels = draw(task, 64, seed=1)
    down, right = torch.gradient(pictures[labels == label].float(), dim=(1, 2))

    def change(degrees):
        """Along an upright line that is turned clockwise, so that its upper end goes right."""
        angle = math.radians(degrees)
        return float((right * math.sin(angle) - down * math.cos(angle)).square().mean())

    ways = [22.5 * step for step in range(8)]
    assert f"{min(ways, key=change):g}°" == class_name(task, label)


@pytest.mark.parametrize("label", range(3))
def test_the_words_of_span_are_what_is_bright_in_the_picture(label):
    """The marks' brightness: alike side by side is a difference between the rows of the square."""
    pictures, labels = draw(TASKS["span"], 60, seed=1)
    picture = pictures[labels == label].float()
    ground = picture.flatten(1).median(1).values[:, None]
    # Sums of rows and of columns: marks of one sign in a row add up, of two signs they cancel.
    rows, columns = ((picture.sum(axis) - 96 * ground).abs().amax(1).mean() for axis in (2, 1))
    told = class_name(TASKS["span"], label)
    if told == "side by side":
        assert rows > 1.5 * columns
    elif told == "one above the other":
        assert columns > 1.5 * rows
    else:
        assert 1 / 1.5 < rows / columns < 1.5


@pytest.mark.parametrize("classes", [3, 8, 32])
def test_the_pictures_shown_are_different_ones_of_classes_that_lie_apart(classes):
    labels = torch.arange(classes).repeat(4).tolist()
    found = n03_tasks._one_of_each(labels, classes)
    assert len(set(found)) == n03_tasks.SHOWN
    assert len({labels[at] for at in found}) == min(classes, n03_tasks.SHOWN)


def test_the_live_slice_trains_the_base_and_four_networks_on_the_task_that_is_asked(
    monkeypatch, capsys
):
    asked, shown = [], []

    def live(task, knob, direction, factor, steps):
        asked.append((task, knob, direction, factor, steps))
        return {"accuracy": 0.1 * len(asked)}

    monkeypatch.setattr(n03_tasks, "live", live)
    monkeypatch.setattr(n03_tasks, "show", lambda figure, words: shown.append(words))
    found = n03_tasks.show_live("span", 40, factor=4, steps=7)
    assert list(found) == ["base", *DIRECTIONS]
    assert asked == [("span", 40, name, 4, 7) for name in found]
    # By hand: ln 4 / ln 1.92 = 2.125 steps of 1.2, 1.1 and 1.15 from 4 blocks, 7 channels, 32 px.
    told = "compound before rounding: 5.9 blocks, 8.6 channels, 43.1 px"
    assert told in capsys.readouterr().out
    assert "compound 0.50" in shown[0] and "7 steps" in shown[0]
    with pytest.raises(ValueError, match="largest square must be"):
        n03_tasks.show_live("span", 4)
