"""`effdet-lite progress`: what is done, one line to paste, and a beginning anew.

Oracle: what was kept before.
"""

import os
from pathlib import Path

import pytest

from effdet_lite import cli
from effdet_lite.teach.kit import progress


@pytest.fixture
def path():
    return Path(os.environ["EFFDET_LITE_PROGRESS"])


def said(capsys, *words):
    cli.main(["progress", *words])
    return capsys.readouterr().out.splitlines()


def test_the_table_has_a_row_for_each_notebook_and_all(capsys, path):
    progress.keep_result("08.1", "correct")
    progress.keep_result("08.2", "tried")
    progress.keep_guess("03.a", 2)
    head, *rows, place = said(capsys)
    assert head.split() == ["notebook", "correct", "tried", "guesses"]
    assert [row.split()[0] for row in rows] == [*progress.exercises_by_notebook(), "all"]
    table = {row.split()[0]: row.split()[1:] for row in rows}
    total = len(progress.exercises_by_notebook()["08"])
    assert table["08"] == ["1", "of", str(total), "1", "0"] and table["03"][-1] == "1"
    every = sum(map(len, progress.exercises_by_notebook().values()))
    assert table["all"] == ["1", "of", str(every), "1", "1"]
    assert place == f"Kept in {path}."


def test_the_line_to_paste(capsys):
    progress.keep_result("00.1", "correct")
    assert said(capsys, "--line", "00") == said(capsys, "--line", "0") == ["00: 1 of 1 ✓"]
    with pytest.raises(SystemExit) as stopped:
        cli.main(["progress", "--line", "77"])
    assert stopped.value.code == 2
    assert "there is no notebook '77': their numbers are 00" in capsys.readouterr().err


def test_clearing_says_what_went_and_where_a_copy_is(capsys, path):
    progress.keep_guess("03.a", 2)
    progress.keep_result("00.1", "correct")
    progress.keep_result("01.1", "tried")
    copy = path.with_name(f"{path.stem}-before-clear.json")
    assert said(capsys, "--clear") == [f"Cleared: 2 exercises, 1 guess. A copy is {copy}."]
    assert copy.exists() and not path.exists()
    assert said(capsys, "--clear") == ["There is nothing to clear."]


def test_a_broken_file_is_set_aside_and_told(capsys, path):
    path.write_text("{")
    cli.main(["progress", "--line", "00"])
    told = capsys.readouterr()
    assert told.out == "00: 0 of 1\n" and "set aside" in told.err


def test_one_thing_at_a_time():
    with pytest.raises(SystemExit) as stopped:
        cli.main(["progress", "--line", "08", "--clear"])
    assert stopped.value.code == 2
