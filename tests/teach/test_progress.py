"""The learner's progress file: what is kept, and what no state of the file can break.

Oracles: the file itself, and notebooks/exercises/ as they run.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lessons import ROOT

from effdet_lite.teach.kit import checks, progress
from effdet_lite.teach.kit.checks import check, load_exercises


@pytest.fixture
def path(monkeypatch, tmp_path):
    """Where the learner's file is, or will be."""
    monkeypatch.setattr(progress, "_UNWRITTEN", progress.Kept())
    monkeypatch.setenv("EFFDET_LITE_PROGRESS", str(tmp_path / "own" / "progress.json"))
    return tmp_path / "own" / "progress.json"


@pytest.fixture
def said(monkeypatch):
    """What checks put on the page, as plain text."""
    words = []
    monkeypatch.setattr(checks, "display", lambda data, raw: words.append(data["text/plain"]))
    return words


# --- what is kept ---


def test_to_read_leaves_nothing_behind(path):
    assert progress.read() == progress.Kept()
    assert not path.parent.exists()


def test_a_check_keeps_what_is_tried_and_what_is_correct(path, said):
    right = load_exercises("00")["00.1"].right
    check("00.1", None)
    assert not path.exists(), "an exercise that nobody tried is nothing to keep"
    check("00.1", right + 1)
    assert json.loads(path.read_text())["results"] == {"00.1": "tried"}
    check("00.1", right)
    check("00.1", right + 1)
    assert progress.read().results == {"00.1": "correct"}, "what was correct once stays so"
    assert all("\n" not in words for words in said)


def test_guesses_and_results_stand_in_one_file_and_the_last_guess_counts(path):
    progress.keep_guess("00.a", 3)
    progress.keep_result("00.1", "tried")
    progress.keep_guess("00.b", ["×", "b"])
    progress.keep_guess("00.a", 4.5)
    kept = progress.read()
    assert kept.guesses == {"00.a": 4.5, "00.b": ["×", "b"]} and kept.results == {"00.1": "tried"}
    assert sorted(os.listdir(path.parent)) == [".progress.json.lock", "progress.json"]


WRITER = """
import sys
from effdet_lite.teach.kit import progress
number = sys.argv[1]
for count in range(25):
    assert progress.keep_guess(f"0{number}.x{count}", count) == ""
    assert progress.keep_result(f"0{number}.{count}", "correct") == ""
"""


@pytest.mark.slow
def test_notebooks_that_write_at_the_same_time_lose_nothing(path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(number)], cwd=ROOT)
        for number in range(3)
    ]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    kept = progress.read()
    assert len(kept.guesses) == len(kept.results) == 3 * 25


# --- what is done ---


def test_exercises_are_counted_as_the_files_have_them_when_they_run(path):
    found = progress.exercises_by_notebook()
    assert list(found) == sorted(one.stem for one in (ROOT / "notebooks/exercises").glob("*.py"))
    for number in ("00", "03", "08"):  # to run them all takes long
        assert found[number] == list(load_exercises(number))
    assert all(3 <= len(names) <= 5 for number, names in found.items() if number != "00")


def test_what_is_done_of_a_notebook(path):
    names = progress.exercises_by_notebook()["08"]
    for name, result in zip(names, ("correct", "tried", "correct"), strict=False):
        progress.keep_result(name, result)
    progress.keep_result("08.99", "correct")  # of an exercise that there is no more
    progress.keep_guess("08.a", 1)
    progress.keep_guess("07.a", 1)
    assert progress.done("08") == progress.done(8) == (2, len(names), 1, 1)
    every = progress.done()
    assert list(every) == list(progress.exercises_by_notebook())
    assert every["07"].guesses == 1 and every["00"] == (0, 1, 0, 0)
    assert progress.paste_line("8") == f"08: 2 of {len(names)} ✓"
    assert progress.paste_line("00") == "00: 0 of 1"  # and no tick


@pytest.mark.parametrize("number", ["99", "x", "", "../08", None])
def test_a_notebook_that_there_is_not(path, number):
    with pytest.raises(ValueError, match=r"there is no notebook .*: their numbers are 00, 01"):
        progress.paste_line(number or "none")


# --- clearing ---


def test_clearing_keeps_a_copy_and_says_what_was_there(path):
    progress.keep_guess("00.a", 3)
    before = path.read_bytes()
    kept, copy = progress.clear()
    assert kept.guesses == {"00.a": 3} and copy.read_bytes() == before and not path.exists()
    assert progress.read() == progress.Kept()
    kept, nothing = progress.clear()
    assert nothing is None and copy.read_bytes() == before, "an empty one replaces no copy"


# --- files of all kinds ---

FOREIGN = {
    "empty": b"",
    "half": b'{"format": "effdet_lite progress, version 1", "results": {"00.1": "cor',
    "no JSON": b"hello",
    "binary": bytes(range(256)),
    "a list": b"[1, 2]",
    "another program's": b'{"format": "something else", "results": {}, "guesses": {}}',
    "a later version": b'{"format": "effdet_lite progress, version 2", "all": {}}',
    "a part missing": b'{"format": "effdet_lite progress, version 1", "results": {}}',
    "a wrong part": b'{"format": "effdet_lite progress, version 1", "results": [], "guesses": {}}',
    "a wrong result": b'{"format": "effdet_lite progress, version 1", "results": {"00.1": ["x"]}, '
    b'"guesses": {}}',
    "deep": b"[" * 100_000,
    "UTF-16": '{"format": "effdet_lite progress, version 1"}'.encode("utf-16"),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_not_ours_is_set_aside_with_a_sentence(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    note = progress.keep_guess("00.a", 3)
    aside = path.with_name("progress-set-aside-1.json")
    assert note == (
        f"The file progress.json could not be read as your progress, so it was set aside as "
        f"{aside}, and a new one begins."
    )
    assert aside.read_bytes() == content and progress.read().guesses == {"00.a": 3}
    assert progress.keep_guess("00.b", 3) == "", "it is said once"
    path.write_bytes(content)
    assert "progress-set-aside-2.json" in progress.read().note and aside.read_bytes() == content


def test_an_editors_mark_at_the_beginning_is_no_harm(path):
    progress.keep_guess("00.a", 3)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert progress.read().guesses == {"00.a": 3}


def blocked(path, kind):
    """Put something in the way of the file."""
    if kind == "a folder in its place":
        path.mkdir(parents=True)
    elif kind == "a file in its folder's place":
        path.parent.write_text("x")
    elif kind == "a link to itself":
        path.parent.mkdir()
        path.symlink_to(path)


@pytest.mark.parametrize(
    "kind", ["a folder in its place", "a file in its folder's place", "a link to itself"]
)
def test_where_nothing_can_be_kept_the_answers_last_as_long_as_the_kernel(path, said, kind):
    blocked(path, kind)
    note = progress.keep_guess("00.a", 3)
    assert note.startswith("Your answers are kept only until this notebook's kernel stops, since ")
    assert note.count(".") <= str(path).count(".") + 2 and "Errno" not in note
    assert progress.read().guesses == {"00.a": 3}
    check("00.1", 1)
    assert said[0].splitlines()[0].startswith("✗ 00.1 not yet") and note in said[0]


def test_what_could_not_be_written_is_written_later(path):
    path.mkdir(parents=True)
    progress.keep_guess("00.a", 3)
    path.rmdir()
    assert progress.keep_result("00.1", "correct") == ""
    written = json.loads(path.read_text())
    assert written["guesses"] == {"00.a": 3} and written["results"] == {"00.1": "correct"}


def test_a_user_without_a_home_folder_can_still_answer(monkeypatch):
    for name in ("EFFDET_LITE_PROGRESS", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(progress, "_UNWRITTEN", progress.Kept())

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.home", nobody)
    assert "name a file for your progress in EFFDET_LITE_PROGRESS" in progress.keep_guess("00.a", 1)
    assert progress.read().guesses == {"00.a": 1}


@pytest.mark.skipif(os.name != "posix", reason="other systems ask for a right to make links")
def test_a_link_to_a_file_elsewhere_stays_a_link(path, tmp_path):
    elsewhere = tmp_path / "synced.json"
    path.parent.mkdir()
    path.symlink_to(elsewhere)
    progress.keep_guess("00.a", 3)
    assert path.is_symlink() and json.loads(elsewhere.read_text())["guesses"] == {"00.a": 3}


def test_a_lock_that_somebody_holds_does_not_stop_a_notebook(path, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    path.parent.mkdir()
    with progress.FileLock(path.parent / ".progress.json.lock"):
        assert progress.keep_guess("00.a", 3) == ""
    assert progress.read().guesses == {"00.a": 3}


def test_tests_and_stored_notebooks_have_a_file_of_their_own():
    """Never a person's: conftest.py and notebooks/store.py see to it."""
    mine = Path.home() / ".local" / "share" / "effdet_lite" / "progress.json"
    assert Path(os.environ["EFFDET_LITE_PROGRESS"]) != mine
    assert not Path(os.environ["EFFDET_LITE_PROGRESS"]).exists()
