"""Files that are written whole or not at all.

Oracles: what the folder holds afterwards, and the permissions that a plain open() gives.
"""

import os
import stat

import pytest

from effdet_lite.files import WriteError, clear_partial, ensure_writable, whole_file


def test_the_new_file_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "new" / "file"
    for text in ("old", "new"):
        with whole_file(path) as temporary:
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "old"
    assert path.read_text() == "new" and os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError("a sentence")])
def test_a_failure_leaves_the_folder_as_it_was(tmp_path, error):
    (tmp_path / "file").write_text("old")
    expected = error if isinstance(error, type) else OSError
    with pytest.raises(expected) as caught, whole_file(tmp_path / "file") as temporary:
        temporary.write_text("half")
        raise error
    assert not isinstance(caught.value, WriteError)
    assert os.listdir(tmp_path) == ["file"] and (tmp_path / "file").read_text() == "old"


@pytest.mark.skipif(os.name != "posix", reason="other systems have no umask")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o007])
def test_permissions_are_those_that_the_umask_gives(tmp_path, mask):
    before = os.umask(mask)
    try:
        (tmp_path / "plain").touch()
        with whole_file(tmp_path / "whole") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    plain, whole = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "whole"))
    assert whole == plain == 0o666 & ~mask


def unwritable(tmp_path):
    (tmp_path / "a file").write_text("x")
    (tmp_path / "a folder").mkdir()
    return tmp_path / "a file" / "x", tmp_path / "a folder", tmp_path / ("long" * 100) / "x"


def test_what_cannot_be_written_is_one_sentence_before_and_after_the_work(tmp_path):
    for path in unwritable(tmp_path):
        with pytest.raises(WriteError, match=r"cannot be written: [^\n]+\.$"):
            ensure_writable(path)
        sentence = r"could not be written: [^\n]+\.$"
        with pytest.raises(WriteError, match=sentence), whole_file(path) as temporary:
            temporary.write_text("x")
    assert sorted(os.listdir(tmp_path)) == ["a file", "a folder"]


def test_to_look_whether_a_file_can_be_written_writes_none(tmp_path):
    (tmp_path / "there").write_text("old")
    ensure_writable(tmp_path / "there")
    ensure_writable(tmp_path / "new folder" / "file")
    assert (tmp_path / "there").read_text() == "old"
    assert os.listdir(tmp_path / "new folder") == []


def test_only_what_a_killed_write_left_is_cleared(tmp_path):
    debris = tmp_path / ".file.abc"
    debris.mkdir()
    (debris / "file").touch()
    other = tmp_path / ".file.backup"
    other.mkdir()
    (other / "precious").touch()
    clear_partial(tmp_path / "file")
    assert os.listdir(tmp_path) == [".file.backup"]
