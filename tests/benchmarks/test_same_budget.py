"""The benchmark's book-keeping: which run comes when, what is kept, and what the page says.

Contestants are stood in for by a function that leaves files as they do. Oracles: counts and
sentences by hand.
"""

import json
import re

import pytest
import same_budget
from budget_report import HEADING, figure, latest, search_table, section, spread, verdict
from results_page import with_section, write_section
from same_budget import Book, Plan, Run, best_setting, lines_a_user_writes

from effdet_lite.places import cells_folder

NAMES = ["effdet_lite", "yolo26n"]


@pytest.fixture
def played(monkeypatch, tmp_path):
    """A function that plays a small plan; what was started is in its list `tasks`."""
    data = tmp_path / "data"
    data.mkdir()
    truth = {
        "images": [{"id": 1}],
        "categories": [{"id": 1, "name": "RBC"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10]}],
    }
    for name in ("val", "test", "test-unseen"):
        (data / f"{name}.json").write_text(json.dumps(truth))
    tasks = []

    def start(name, python, output):
        task = json.loads((output / "task.json").read_text())
        tasks.append((name, task))
        if len(tasks) == play.stop_at:
            raise KeyboardInterrupt
        if task["setting"]["letter"] in play.broken:
            raise ValueError("the loss is nan")
        # The wider the box, the worse; "b" of each contestant is right.
        side = 10 if task["setting"]["letter"] == "b" else 19
        row = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, side], "score": 0.5}
        (output / "detections.json").write_text(json.dumps([row]))
        report = {"train_seconds": 1.0, "steps": "3 steps", "parameters": 5, "ms": 2.0}
        (output / "report.json").write_text(json.dumps(report))

    def play(version="1"):
        settings = {name: {"letter": "a"} for name in NAMES}
        searched = {name: [{"letter": "a"}, {"letter": "b"}] for name in NAMES}
        plan = Plan(settings, searched, budgets=(1, 2), seeds=(0, 1))
        monkeypatch.setattr(same_budget, "version_of", lambda name, python: version)
        book = Book(tmp_path / "runs.json")
        same_budget.play(plan, book, tmp_path, data)
        return plan, book

    monkeypatch.setattr(same_budget, "start", start)
    monkeypatch.setattr(same_budget, "python_of", lambda name, work: "python")
    monkeypatch.setattr(same_budget, "torch_of", lambda python: "2.0")
    play.tasks, play.stop_at, play.broken = tasks, None, ""
    return play


def test_runs_take_turns_and_test_pictures_wait_for_the_final(played):
    plan, book = played()
    assert len(plan) == len(book.rows) == len(played.tasks) == 8 + 4 + 8
    names = [name for name, _ in played.tasks]
    assert names[:4] == [*NAMES, *NAMES[::-1]]
    for row, (_, task) in zip(book.rows, played.tasks, strict=True):
        is_search = row["purpose"] == "search"
        assert (task["train"], task["score"]) == (
            ("train", "val") if is_search else ("trainval", "test")
        )
        assert set(row["scores"]) == ({"val"} if is_search else {"test", "test-unseen"})
        if (row["track"], row["purpose"]) == ("tuned", "final"):
            assert row["setting"] == {"letter": "b"}


@pytest.mark.parametrize("stop_at", [1, 7, 11, 20])
def test_a_stopped_benchmark_goes_on_and_repeats_nothing(played, stop_at):
    _, whole = played()
    whole.path.unlink()
    played.tasks.clear()
    played.stop_at = stop_at
    with pytest.raises(KeyboardInterrupt):
        played()
    played.stop_at = None
    del played.tasks[-1]
    _, book = played()
    assert len(played.tasks) == len(book.rows) == 20
    assert json.loads(book.path.read_text())["runs"] == book.rows == whole.rows
    played()
    assert len(played.tasks) == 20


def test_another_version_is_another_row(played):
    played()
    _, book = played("2")
    assert [row["version"] for row in book.rows] == ["1"] * 20 + ["2"] * 20
    assert latest(book.rows) == book.rows[20:]
    assert best_setting(book.rows, "yolo26n", "2") == {"letter": "b"}


def test_a_setting_that_fails_is_not_chosen(played):
    played.broken = "b"
    _, book = played()
    failed = [row for row in book.rows if "failed" in row]
    assert [(row["setting"], row["failed"]) for row in failed] == [
        ({"letter": "b"}, "the loss is nan")
    ] * 2
    assert best_setting(book.rows, "yolo26n", "1") == {"letter": "a"}
    assert "letter b (failed: the loss is nan)" in section(book.rows)
    with pytest.raises(ValueError, match="no setting of yolo26n could be trained: the loss is nan"):
        best_setting(failed, "yolo26n", "1")
    played.broken = "ab"
    with pytest.raises(ValueError, match="the loss is nan"):  # in a final run
        played("2")


def test_a_contestant_that_fails_is_told_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(same_budget, "HERE", tmp_path)  # where there is no contestant
    with pytest.raises(ValueError, match=r"nobody ended with status 1: .*No module named"):
        same_budget.start("nobody", same_budget.sys.executable, tmp_path)


def test_lines_a_user_writes():
    assert lines_a_user_writes("What it is.\n\nWhat a user writes:\n\n    a\n    b\n\nEnd.\n") == 2


# --- the page ---


def row(name, ap, *, seed=0, track="as it comes", seconds=150, **others):
    scores = {"ap": ap, "ap50": ap + 0.3}
    return {
        "contestant": name,
        "version": "1",
        "track": track,
        "purpose": "final",
        "seconds": seconds,
        "seed": seed,
        "setting": {"letter": "a", "size": [2, 3]},
        "package": name,
        "license": "MIT",
        "lines": 2,
        "scores": {"test": scores, "test-unseen": scores},
        "train_seconds": 149.6,
        "steps": "9 steps",
        "parameters": 1234567,
        "ms": 12.3,
        "torch": "2.0",
        "machine": "a machine",
        "date": "2026-01-01",
    } | others


ROWS = [
    *[row("effdet_lite", ap, seed=seed) for seed, ap in enumerate([0.5, 0.54, 0.52])],
    *[row("yolo26n", ap, seed=seed) for seed, ap in enumerate([0.2, 0.1, 0.15])],
    *[row("yolox_nano", ap, seed=seed) for seed, ap in enumerate([0.53, 0.6, 0.55])],
    *[row("ssdlite", ap, seed=seed) for seed, ap in enumerate([0.61, 0.62, 0.55])],
]


def test_a_win_and_a_loss_are_every_seed_over_every_seed():
    assert verdict(ROWS) == (
        "By AP on the unseen photographs, this package is ahead of YOLO26n; behind SSDLite320; "
        "not apart from YOLOX-nano."
    )
    # Exchanged contestants change the sentence.
    other = {"effdet_lite": "yolo26n", "yolo26n": "effdet_lite"}
    turned = [one | {"contestant": other.get(one["contestant"], one["contestant"])} for one in ROWS]
    assert "is behind YOLO26n, YOLOX-nano, SSDLite320." in verdict(turned)


def test_the_section_gives_mean_and_range_the_best_first():
    text = section(ROWS)
    assert text.startswith(f"{HEADING}\n\nMade by `python benchmarks/same_budget.py`: a machine;")
    assert "with 3 seeds;" in text and "### As it comes, 150 s" in text and "### Tuned" not in text
    order = re.findall(r"^\| ([\w -]+) \| \.", text, re.MULTILINE)
    assert order == ["SSDLite320", "YOLOX-nano", "this package", "YOLO26n"]
    assert "| this package | .820 (.800–.840) | .520 (.500–.540) |" in text
    assert "| YOLO26n | yolo26n 1 | MIT | 1,234,567 | 12 | 2 |" in text


def test_the_figure_is_on_the_page_in_words():
    rows = [*ROWS, row("yolo26n", 0.25, track="tuned", seconds=600)]
    assert (
        "![Mean AP50 on the unseen photographs. As it comes, 150 s: this package .820, "
        "YOLO26n .450, YOLOX-nano .860, SSDLite320 .893. Tuned, 600 s: YOLO26n .550.]"
        "(../assets/same_budget.png)"
    ) in section(rows)


def test_only_the_last_version_counts():
    old = [row("effdet_lite", 0.99, version="0")]
    assert section(old + ROWS) == section(ROWS)


def test_the_search_shows_every_setting_and_which_one_was_chosen():
    tried = [
        row("yolo26n", 0, purpose="search", setting={"rate": rate}, scores={"val": scores})
        for rate, scores in (
            (1, {"ap": 0.25, "ap50": 0.75}),
            (2, {"ap": 0.375, "ap50": 0.5}),
        )
    ]
    assert search_table(tried).splitlines()[2:] == [
        "| YOLO26n | rate 1 | .750 | .250 |",
        "| YOLO26n | rate 2 | **.500** | **.375** |",
    ]


def test_spread():
    assert spread([0.25, 0.5]) == ".375 (.250–.500)"
    assert spread([1.0]) == "1.000 (1.000–1.000)"


def test_the_figure_has_a_point_for_each_seed_and_a_line_through_the_means():
    rows = ROWS + [one | {"seconds": 600} for one in ROWS] + [row("yolo26n", 0.3, track="tuned")]
    whole = figure(rows)
    comes, tuned = whole.axes
    assert (comes.get_title(), tuned.get_title()) == ("As it comes", "Tuned")
    line, first, second = comes.lines[:3]
    assert list(line.get_xdata()) == [150, 600]
    assert line.get_ydata() == pytest.approx([0.82, 0.82])
    assert sorted(first.get_ydata()) == pytest.approx([0.8, 0.82, 0.84])
    assert list(second.get_xdata()) == [600] * 3


PAGE = "# Benchmarks\n\n## One\n\ntext\n\n### Part\n\nmore\n\n## Two\n\nlast\n"


def test_a_section_is_replaced_and_the_others_stay():
    new = "## One\n\nnew\n"
    expected = "# Benchmarks\n\n## One\n\nnew\n\n## Two\n\nlast\n"
    assert with_section(PAGE, new) == expected
    assert with_section(expected, new) == expected
    assert with_section(PAGE, "## Three\n\nx") == PAGE + "\n## Three\n\nx\n"
    assert with_section("", new) == "# Benchmarks\n\n## One\n\nnew\n"
    for wrong in ("text", "", "words\n## One\n", "## One\n## Two\n", "# One\n"):
        with pytest.raises(ValueError, match="one heading"):
            with_section(PAGE, wrong)


def test_the_page_itself_has_its_sections(tmp_path):
    """What the repository holds is what the helper can write."""
    page = same_budget.ROOT / "benchmarks" / "RESULTS.md"
    text = page.read_text(encoding="utf-8")
    copy = tmp_path / "RESULTS.md"
    copy.write_text(text, encoding="utf-8")
    write_section(f"{HEADING}\n\nnothing yet\n", copy)
    written = copy.read_text(encoding="utf-8")
    assert written.count("\n## This package against effdet\n") == 1
    assert written.count(f"\n{HEADING}\n") == 1


def test_runs_are_told_apart_by_all_that_they_are(tmp_path):
    run = Run("yolo26n", "1", "tuned", "search", 150, 0, {"imgsz": 384})
    book = Book(tmp_path / "runs.json")
    book.add({**vars(run), "scores": {}})
    assert Book(book.path).has(run)
    for name, value in {"seed": 1, "seconds": 600, "setting": {"imgsz": 320}}.items():
        assert not Book(book.path).has(Run(**(vars(run) | {name: value})))


@pytest.mark.slow
@pytest.mark.skipif(not cells_folder().is_dir(), reason="no blood cells: set EFFDET_LITE_BCCD")
def test_the_contestants_of_this_environment_run(tmp_path, capsys):
    arguments = ["--quick", "--only", "effdet_lite", "--only", "ssdlite", "--track", "as it comes"]
    same_budget.main([*arguments, "--work", str(tmp_path)])
    said = capsys.readouterr().out
    assert said.startswith(HEADING) and "| this package |" in said and "| SSDLite320 |" in said
    rows = json.loads((tmp_path / "quick" / "same_budget.json").read_text())["runs"]
    assert [row["contestant"] for row in rows] == ["effdet_lite", "ssdlite"]
    assert all(row["parameters"] > 1e6 and row["ms"] > 0 for row in rows)
