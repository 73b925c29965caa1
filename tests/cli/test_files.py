"""Files that are written whole or not at all.

Oracles: what the folder holds afterwards, and the permissions that a plain open() gives.
"""

import os
import stat

import pytest

from effdet_lite.files import (
    WriteError,
    clear_partial,
    ensure_writable,
    whole_file,
    whole_folder,
)


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


@pytest.mark.parametrize("is_there", [True, False], ids=["an empty folder", "no folder yet"])
def test_a_folder_is_there_whole_at_the_end(tmp_path, is_there):
    path = tmp_path / "new" / "site"
    if is_there:
        path.mkdir(parents=True)
    with whole_folder(path) as folder:
        (folder / "pages").mkdir()
        (folder / "pages" / "one").write_text("1")
        (folder / "two").write_text("2")
        assert not (path / "two").exists() and not (path / "pages").exists()
    assert sorted(os.listdir(path)) == ["pages", "two"] and os.listdir(path.parent) == ["site"]
    assert (path / "pages" / "one").read_text() == "1"


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError("a sentence")])
def test_a_folder_that_fails_leaves_nothing(tmp_path, error, is_there):
    if is_there:
        (tmp_path / "site").mkdir()
    expected = error if isinstance(error, type) else OSError
    with pytest.raises(expected) as caught, whole_folder(tmp_path / "site") as folder:
        (folder / "half").write_text("half")
        raise error
    assert not isinstance(caught.value, WriteError)
    assert [path.name for path in tmp_path.rglob("*")] == ["site"] * is_there


def test_a_folder_with_something_in_it_and_a_file_are_left_alone(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    for name, sentence in [("file", "is a file"), ("full", "is not empty"), ("link", "is a file")]:
        with pytest.raises(WriteError, match=rf"{name} {sentence}: [^\n]+\.$"):  # noqa: SIM117
            with whole_folder(tmp_path / name) as folder:
                (folder / "x").write_text("x")
    with pytest.raises(WriteError, match=r"could not be written: [^\n]+\.$"):  # noqa: SIM117
        with whole_folder(tmp_path / "file" / "below"):
            pass
    assert sorted(tmp_path.rglob("*")) == before
