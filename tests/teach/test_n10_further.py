"""Starts, judging, counting, class numbers and fitting in notebook 10.

Oracles: scenes whose errors are known by pencil, torchvision's own names, geometry, plain sums.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from effdet_lite import missing, pretrained
from effdet_lite.data.folders import Sample
from effdet_lite.experiments import transfer
from effdet_lite.teach.nb import (
    n10_counting,
    n10_fitting,
    n10_flaws,
    n10_judged,
    n10_own_data,
    n10_starts,
)


def run_of(start, steps, seed, ap50, **more):
    return {
        "start": start,
        "steps": steps,
        "photographs": transfer.ALL,
        "seed": seed,
        "ap50": ap50,
        "losses": [2.0, 1.0 + seed],
    } | more


def tables(monkeypatch, module):
    """What the module's tables say, from now on."""
    shown = []
    monkeypatch.setattr(module, "table", lambda head, lines: shown.append([head, *lines]))
    return shown


# --- starts ---


def test_the_lead_is_told_by_steps():
    runs = [
        run_of(start, steps, seed, value + 0.1 * seed)
        for number, start in enumerate(transfer.STARTS)
        for steps, value in zip(transfer.STEPS, (0.2 + 0.1 * number, 0.5, 0.7), strict=True)
        for seed in (0, 1)
    ]
    view = n10_starts.starts_view(runs, 0.9)
    view.figure.draw_without_rendering()
    assert view.numbers["lead of the whole detector over scratch"].startswith("40 steps +0.200;")
    assert view.numbers["from scratch"].startswith("40 steps 0.250 (0.200 – 0.300)")
    assert "leads by 0.20 after 40 steps, and by 0.00 after 320" in view.figure.axes[0].get_title()
    assert "The backbone alone is ahead after 40 steps." in view.words


def test_losses_stand_beside_ap50_seed_by_seed(monkeypatch):
    shown = tables(monkeypatch, n10_starts)
    runs = [
        run_of(start, 320, seed, 0.4 + 0.1 * seed)
        for start in transfer.STARTS
        for seed in (2, 0, 1)
    ]
    n10_starts.losses_table([*runs, run_of("from scratch", 320, 0, 1.0, photographs=20)])
    assert shown[0][0] == ["320 steps, seeds 0, 1 and 2", "loss", "AP50"]
    assert shown[0][1] == ["from scratch", "1.00, 2.00, 3.00", "0.40, 0.50, 0.60"]


def test_classes_are_told_seed_by_seed(monkeypatch):
    shown = tables(monkeypatch, n10_starts)
    runs = [
        run_of(start, 120, seed, 0.3, ap50_per_class={"RBC": 0.5 + 0.1 * seed, "WBC": 0.1})
        for start in transfer.STARTS
        for seed in (0, 1)
    ]
    n10_starts.classes_table(runs)
    assert shown[0][0][1:] == ["loss", "AP50 RBC", "AP50 WBC"]
    assert shown[0][1] == ["from scratch", "1.00, 2.00", "0.50, 0.60", "0.10, 0.10"]


def test_without_cells_or_weights_it_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path))
    n10_starts.try_published(None)
    said = capsys.readouterr().out
    assert "nothing is trained" in said
    for start, name in n10_starts.missing_files().items():
        assert f"{start}: not run here, {name} is missing" in said
    (tmp_path / n10_starts.missing_files()["coco"]).touch()
    assert set(n10_starts.missing_files()) == {"imagenet"}


@pytest.mark.slow
@pytest.mark.skipif(n10_flaws.photographs() is None, reason="the blood cells are not here")
def test_a_published_start_that_is_at_hand_is_tried(monkeypatch, tmp_path):
    """With a file of torchvision's shape and random weights in the place of the published one."""
    torch.save(torchvision.models.efficientnet_b0().state_dict(), tmp_path / "b0.pth")
    (tmp_path / "cache").mkdir()
    shutil.copy(tmp_path / "b0.pth", tmp_path / "cache" / "b0.pth")
    for module in (n10_starts, pretrained):
        monkeypatch.setattr(
            module, "published_url", lambda name: (tmp_path / f"{name}.pth").as_uri()
        )
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path / "cache"))
    shown = tables(monkeypatch, n10_starts)
    n10_starts.try_published(n10_flaws.photographs(), steps=1)
    assert [row[:2] for row in shown[0][1:]] == [["B0", "scratch"], ["B0", "imagenet"]]


# --- judging ---


def test_errors_are_counted_by_kind():
    found = {
        "boxes": torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60]]),
        "labels": torch.tensor([0, 0, 0]),
        "scores": torch.tensor([0.9, 0.8, 0.7]),
    }
    target = {
        "boxes": torch.tensor([[0.0, 0, 10, 10], [80, 80, 90, 90]]),
        "labels": torch.tensor([0, 0]),
    }
    counts = n10_judged.counted([found], [target])
    assert dict(counts) == {"right": 1, "double": 1, "background": 1, "missed": 1}
    scores = n10_judged.mean_scores([found, found], [target, target])
    assert scores == pytest.approx({"right": 0.9, "double": 0.8, "background": 0.7})


def test_what_is_missing_for_the_file_is_said(monkeypatch, capsys):
    monkeypatch.setattr(missing, "find_spec", lambda name: name != "onnxscript" or None)
    n10_judged.export_and_compare(None, None, None, None, None)
    said = capsys.readouterr().out
    assert said.startswith("Not run here: type `uv pip install onnxscript` in the course's folder")


@pytest.mark.parametrize("guess", [None, 0.2])
def test_a_training_is_told_with_its_guess(guess):
    history = [{"loss": 2.5}, {"loss": 0.75, "ap50": 0.8, "ap": 0.4, "seconds": 3.2}]
    view = n10_own_data.trained_view(history, guess)
    view.figure.draw_without_rendering()
    assert view.numbers == {"AP50": "0.800", "AP": "0.400", "training": "3 s, 2 steps"}


# --- counting ---


def answers(*scores_of_photographs):
    return [
        {
            "scores": torch.tensor(scores),
            "labels": torch.zeros(len(scores), dtype=torch.int64),
        }
        for scores in scores_of_photographs
    ]


def truths(*counts):
    return [{"labels": torch.zeros(count, dtype=torch.int64)} for count in counts]


def test_the_threshold_is_validations_and_the_error_the_tests():
    found = {
        "val": (answers([0.8, 0.55, 0.2], [0.7, 0.3]), truths(2, 1)),
        "test": (answers([0.9, 0.6, 0.6], [0.2]), truths(1, 1)),
    }
    (red,) = n10_counting.counts(found, ("RBC",))
    assert 0.3 < red.least <= 0.55
    assert red.counted.tolist() == [3, 0] and red.error.tolist() == [2, -1]
    assert red.usual == 1.5


def test_both_rules_are_looked_for_in_every_split(monkeypatch):
    shown = tables(monkeypatch, n10_counting)
    from effdet_lite.teach.nb.n10_flaws import Note

    notes = {
        "BloodImage_00010": Note((9, 9), [], ["RBC"] * 4),
        "BloodImage_00060": Note((9, 9), [], ["RBC", "WBC"]),
        "BloodImage_00070": Note((9, 9), [], ["WBC"]),
    }
    n10_counting.rule_table(notes, {"train": list(notes)})
    assert shown[0][1] == ["train", "4.0", "1.0"]


# --- fitting and class numbers ---


def test_the_three_ways_to_fit_a_picture():
    image = torch.zeros(3, 480, 640, dtype=torch.uint8)
    boxes = torch.tensor([[0.0, 0, 60, 480], [280, 200, 360, 280]])
    side = n10_fitting.TARGET[0]
    whole, letter, _ = n10_fitting.fitted(image, boxes, "letterbox")
    assert whole.shape[-2:] == n10_fitting.TARGET
    torch.testing.assert_close(letter, boxes * side / 640, rtol=0, atol=0.6)
    _, wide, _ = n10_fitting.fitted(image, boxes, "stretched")
    scales = torch.tensor([side / 640, side / 480] * 2)
    torch.testing.assert_close(wide, boxes * scales, rtol=0, atol=0.6)
    _, cut, seen = n10_fitting.fitted(image, boxes, "resized and cut")
    assert seen.tolist() == [False, True], "a box within the first 80 of 640 px is cut off"
    moved = (boxes[1:] - torch.tensor([80.0, 0, 80, 0])) * side / 480
    torch.testing.assert_close(cut, moved, rtol=0, atol=0.6)


def test_numbers_with_gaps_become_labels_without():
    assert n10_fitting.numbers_in_this_package({1: "person", 17: "cat", 90: "brush"}) == {
        1: 0,
        17: 1,
        90: 2,
    }


def test_torchvisions_own_list_gives_the_numbers(monkeypatch):
    """https://cocodataset.org: 80 classes with numbers up to 90."""
    shown = tables(monkeypatch, n10_fitting)
    n10_fitting.show_class_numbers()
    head, *rows = shown[0]
    assert head[-1] == "toothbrush"
    assert [row[1].split()[0] for row in rows[1:4]] == ["91", "90", "80"]
    assert rows[0][1] == "1 to 90, 10 numbers unused"
    assert [row[2:] for row in rows] == [[1, 90], [1, 90], [0, 89], [0, 79], [0, 2]]


# --- the look at a folder ---


class Report:
    """As much of a report as its pictures need."""

    classes = ("a", "b")

    def __init__(self, suspects):
        self.suspects, self.twins = suspects, [(0.95, 3, 1)]
        self.samples = [
            Sample(Path(f"{n}.jpg"), n, (9, 9), np.zeros((2, 4)), np.array([0, 1]))
            for n in range(9)
        ]

    def __len__(self):
        return len(self.samples)


def test_twins_come_first_then_the_worst_of_each_kind():
    from effdet_lite.data.suspects import THIN, TINY, TWICE, Suspect

    some = [
        Suspect(5, 1, TWICE, 0.9),
        Suspect(6, 0, TWICE, 0.85),
        Suspect(7, 0, THIN, 20.0),
        Suspect(5, 0, TINY, 2.0),
    ]
    panels = n10_own_data.panels_of(Report(some))
    assert [index for index, *_ in panels] == [3, 1, 5, 7, 5, 6]
    assert panels[2][1] == f"b: {TWICE}" and panels[2][2] == some[0]
    alone = n10_own_data.panels_of(Report([]))
    assert [index for index, *_ in alone] == [3, 1, 0, 2, 4, 5]


def test_each_picture_stands_below_its_files_name(monkeypatch):
    """So that one knows which file to mend. A formula in a name is no formula."""
    shown = []
    monkeypatch.setattr(n10_own_data, "_draw", lambda *some: None)
    monkeypatch.setattr(n10_own_data, "show", lambda figure, *_, **__: shown.append(figure))
    report = Report([])
    report.samples[0].path = Path("$a_0$.jpg")
    report.samples[2].path = Path(f"{'long' * 20}_2.jpg")
    report.samples[4].path = Path("\U00010600.jpg")  # no font has it
    n10_own_data.show_suspects(report)
    shown[0].draw_without_rendering()
    names = [axis.get_title().partition("\n")[0] for axis in shown[0].axes]
    assert names[:3] == ["3.jpg", "1.jpg", "$a_0$.jpg"]
    assert names[3].startswith("long") and names[3].endswith("_2.jpg") and len(names[3]) == 34
    assert names[4:] == ["picture 4", "5.jpg"]
