"""Where things lie: one answer for every command, with and without a checkout, a variable, a home.

Oracles: folders made here, and Python's own expansion of ~.
"""

from pathlib import Path

import pytest
from lessons import ROOT

from effdet_lite import places
from effdet_lite.teach.kit import progress


@pytest.fixture
def course(tmp_path):
    for name in ("effdet_lite", "notebooks"):
        (tmp_path / "course" / name).mkdir(parents=True)
    return tmp_path / "course"


@pytest.fixture
def elsewhere(tmp_path_factory, monkeypatch):
    """A working folder outside every checkout, and a package that does not lie in one either."""
    folder = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(folder)
    installed = folder / "site-packages" / "effdet_lite" / "places.py"
    monkeypatch.setattr(places, "__file__", str(installed))
    return folder


@pytest.fixture
def no_home(monkeypatch):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.home", nobody)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    names = "EFFDET_LITE_CACHE", "XDG_CACHE_HOME", "EFFDET_LITE_BCCD"
    for name in (*names, "EFFDET_LITE_PROGRESS", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_the_course_is_found_from_inside_it_and_from_elsewhere(course, tmp_path, monkeypatch):
    assert places.course_folder(course / "notebooks") == course
    assert places.course_folder(tmp_path) == ROOT
    monkeypatch.chdir(course / "notebooks")
    assert places.course_folder() == course


def test_no_course_anywhere(elsewhere):
    with pytest.raises(FileNotFoundError, match="clone the repository"):
        places.course_folder(elsewhere)


def test_the_variable_for_the_cells_needs_no_checkout(elsewhere, course, monkeypatch):
    monkeypatch.setenv("EFFDET_LITE_BCCD", str(course / "mine"))
    assert places.cells_folder() == course / "mine"
    monkeypatch.setenv("EFFDET_LITE_BCCD", "~/cells")
    assert places.cells_folder() == Path.home() / "cells"
    monkeypatch.delenv("EFFDET_LITE_BCCD")
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(course / "cache"))
    assert places.cells_folder() == course / "cache" / "bccd"
    monkeypatch.chdir(course / "notebooks")
    assert places.cells_folder() == course / "data" / "bccd"


def test_the_cache_folder(monkeypatch, tmp_path):
    """By the XDG base directory specification, but for our own variable."""
    for name in ("EFFDET_LITE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert places.cache_folder() == Path.home() / ".cache" / "effdet_lite"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert places.cache_folder() == tmp_path / "effdet_lite"
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path / "mine"))
    assert places.cache_folder() == tmp_path / "mine"


def test_the_learners_progress(monkeypatch, tmp_path):
    """By the XDG base directory specification, but for our own variable."""
    for name in ("EFFDET_LITE_PROGRESS", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    own = Path.home() / ".local" / "share" / "effdet_lite" / "progress.json"
    assert places.progress_file() == own
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert places.progress_file() == tmp_path / "effdet_lite" / "progress.json"
    monkeypatch.setenv("EFFDET_LITE_PROGRESS", "~/mine.json")
    assert places.progress_file() == Path.home() / "mine.json"


def test_two_people_on_one_machine_each_have_a_file(monkeypatch, course):
    """Copies of the notebooks in a folder each, as the guide has it for a server in the room: a
    kernel works in its notebook's folder.
    """
    monkeypatch.setenv("EFFDET_LITE_PROGRESS", "progress.json")
    for name in ("01", "02"):
        (course / name).mkdir()
        monkeypatch.chdir(course / name)
        assert places.course_folder() == course
        progress.keep_guess("00.a", name)
    assert progress.read().guesses == {"00.a": "02"}
    monkeypatch.chdir(course / "01")
    assert progress.read().guesses == {"00.a": "01"}
    assert not (course / "notebooks" / "progress.json").exists()


def test_a_user_without_a_home_folder_is_told_so_in_a_sentence(no_home, elsewhere, monkeypatch):
    with pytest.raises(FileNotFoundError, match="for your progress in EFFDET_LITE_PROGRESS"):
        places.progress_file()
    for place in (places.cache_folder, places.cells_folder):
        with pytest.raises(FileNotFoundError, match="name a folder for downloads in EFFDET_LITE_C"):
            place()
    with pytest.raises(FileNotFoundError, match="~/a begins with ~, and this user has no home"):
        places.expanded("~/a")
    monkeypatch.setenv("EFFDET_LITE_CACHE", "~/a")
    with pytest.raises(FileNotFoundError, match="write the whole path"):
        places.cache_folder()


def test_only_a_tilde_at_the_beginning_is_home():
    assert places.expanded("~/a") == Path.home() / "a"
    for path in ("a/~", "./~/a", "a~b", "photo~1.jpg", "~nobody of this name/a"):
        assert places.expanded(path) == Path(path)
    assert places.expanded(Path("~/a")) == Path.home() / "a"
