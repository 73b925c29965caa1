"""What was hard for a class. Oracles: progress files written here, and hypothesis."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effdet_lite import cli
from effdet_lite.teach.kit import classroom, progress


def written(path, **results):
    """A progress file with these results, 08.1 given as e08_1."""
    names = {name[1:].replace("_", "."): result for name, result in results.items()}
    content = {"format": progress.FORMAT, "results": names, "guesses": {"08.a": 3}}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path):
    written(tmp_path / "a.json", e08_1="correct", e08_2="tried", e00_1="correct")
    written(tmp_path / "b.json", e08_1="correct", e08_2="correct", e00_1="tried")
    written(tmp_path / "c.json", e08_1="correct", e08_2="tried")
    return tmp_path


def test_the_hardest_comes_first_and_what_nobody_began_is_left_out(folder):
    kept, notes = classroom.read_files(classroom.files([folder]))
    found = classroom.tallies(kept)
    assert found == [("08.2", 1, 2), ("00.1", 1, 1), ("08.1", 3, 0)] and not notes


def test_the_command_tells_it_and_changes_no_file(folder, capsys):
    (folder / "d.json").write_text("{}")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    cli.main(["progress", "--merge", str(folder)])
    told = capsys.readouterr()
    assert [line.split() for line in told.out.splitlines()[1:]] == [
        ["08.2", "1", "2", "0"],
        ["00.1", "1", "1", "1"],
        ["08.1", "3", "0", "0"],
    ]
    assert "d.json is no progress file" in told.err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_folder_for_each_learner_is_read(tmp_path, capsys):
    """Every learner's file has one name, so copies lie side by side in folders only."""
    for learner, result in (("01", "correct"), ("02", "tried"), ("row 3/01", "tried")):
        (tmp_path / learner).mkdir(parents=True)
        written(tmp_path / learner / "progress.json", e08_1=result)
    cli.main(["progress", "--merge", str(tmp_path)])
    _, row = capsys.readouterr().out.splitlines()
    assert row.split() == ["08.1", "1", "2", "0"]


def test_a_file_that_is_named_twice_counts_once(folder):
    assert len(classroom.files([folder / "a.json", folder, folder / "." / "a.json"])) == 3


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (["nowhere"], "there is no .*nowhere"),
        ([""], "no .json file"),
        (["x.json"], "none of these"),
    ],
)
def test_nothing_to_merge_is_told_in_a_sentence(tmp_path, places, message):
    if places == ["x.json"]:
        (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(ValueError, match=message):
        classroom.report([tmp_path / place for place in places])


@given(st.binary(max_size=40))
def test_any_other_file_is_left_out(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("class") / "x.json"
    path.write_bytes(content)
    kept, notes = classroom.read_files([path])
    assert not kept and len(notes) == 1
