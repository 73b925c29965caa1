"""`effdet-lite slides`: bad input, a broken notebook, and reveal.js with and without a network.

Oracles: the disk before and after, hashlib, and what an installer did.
"""

import hashlib
import importlib.metadata
import json
import shutil
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lessons import NOTEBOOKS, ROOT, number

from effdet_lite import cli
from effdet_lite.teach.deck import making, runtime

NO_NETWORK = [sys.executable, "-c", "import sys; sys.exit('no network here')"]
NUMBERS = [number(path) for path in NOTEBOOKS]


@pytest.fixture(autouse=True)
def nothing_is_fetched(monkeypatch, tmp_path):
    """An empty cache, and no installer that reaches the network."""
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime, "installers", lambda: [NO_NETWORK])


@pytest.fixture
def made_up(monkeypatch):
    """A runtime of these bytes, "released" as they are."""
    content = {place: f"// {place}".encode() for place in runtime.FILES}
    sums = {place: hashlib.sha256(text).hexdigest() for place, text in content.items()}
    monkeypatch.setattr(runtime, "FILES", sums)
    monkeypatch.setattr(runtime, "installed", dict)
    return content


def write(folder, content):
    for place, text in content.items():
        path = folder / runtime.INSIDE / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


@pytest.fixture
def brings(monkeypatch, made_up):
    """An installer that puts these files where it is told to, and nothing else."""

    def run(command, **_):
        write(making.Path(command[command.index("--target") + 1]), made_up)
        return runtime.subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(runtime.subprocess, "run", run)
    return made_up


def refused(capsys, *words):
    """The one line that says why."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(["slides", *map(str, words)])
    assert stopped.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_an_unknown_notebook_is_told_with_those_that_there_are(capsys, tmp_path):
    for name in ("77", "nine", "-1x"):
        line = refused(capsys, "--output", tmp_path / "new", f"--notebooks={name}")
        assert f"there is no notebook {name!r}: their numbers are 00, 01" in line
    assert not (tmp_path / "new").exists()


@given(st.text())
def test_whatever_is_asked_for_is_a_notebook_or_one_sentence(text):
    try:
        (path,) = making.chosen([text])
    except ValueError as error:
        assert "there is no notebook" in str(error)
    else:
        assert text.strip().partition("_")[0].zfill(2) == number(path)


def test_the_notebooks_come_in_the_courses_order_and_once():
    names = ["3", "01", "01_convolution_cost.ipynb", "3"]
    assert [path.name[:2] for path in making.chosen(names)] == ["01", "03"]
    assert [path.name[:2] for path in making.chosen([])] == NUMBERS


def test_nothing_is_written_over(capsys, tmp_path):
    file = tmp_path / "a file"
    file.write_text("mine")
    assert "a file is a file: name a folder" in refused(capsys, "--output", file)
    below = refused(capsys, "--output", file / "slides", "--notebooks", "01")
    assert "a file" in below
    assert "is not empty: name a folder" in refused(capsys, "--output", tmp_path)
    assert file.read_text() == "mine"


def test_without_a_network_and_a_copy_one_sentence_says_what_to_do(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "installed", dict)
    line = refused(capsys, "--output", tmp_path / "new")
    assert f"reveal.js {runtime.VERSION}, which is not in {tmp_path / 'cache'}" in line
    assert "no network here" in line and "run the same command once where there is a net" in line
    assert not (tmp_path / "new").exists()


def test_what_an_installer_brings_is_kept_and_a_damaged_copy_is_brought_again(brings, tmp_path):
    kept = tmp_path / "cache" / f"reveal.js-{runtime.VERSION}"
    found = runtime.runtime()
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == {
        making.Path(place).name: text for place, text in brings.items()
    }
    found["reveal.js"].write_bytes(b"something else")
    runtime.runtime()
    assert found["reveal.js"].read_bytes() == brings["dist/reveal.js"]


def test_files_that_are_not_the_released_ones_are_never_used(brings, tmp_path):
    brings["dist/reveal.js"] = b"// somebody's own"
    with pytest.raises(runtime.NoRuntime, match="damaged or was changed"):
        runtime.runtime()
    assert not (tmp_path / "cache").exists()


def test_the_pinned_sums_are_those_of_the_installed_carrier():
    """reveal.js's own release has the same bytes; that was compared when they were pinned."""
    try:
        carrier = importlib.metadata.distribution(runtime.CARRIER)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("sphinx-revealjs is not installed")
    for place, released in runtime.FILES.items():
        content = carrier.locate_file(f"{runtime.INSIDE}/{place}").read_bytes()
        assert hashlib.sha256(content).hexdigest() == released


@pytest.fixture
def course(monkeypatch, tmp_path, brings):
    """A course with one notebook; returns the notebook's path."""
    folder = tmp_path / "course" / "notebooks"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "NOTATION.md", folder)
    (folder.parent / "effdet_lite").mkdir()
    monkeypatch.chdir(folder.parent)
    return folder / "01_small.ipynb"


def notebook(*cells):
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_notebook_that_cannot_be_read_leaves_nothing_behind(course, capsys, tmp_path):
    for text in ("{", "[]", '{"nbformat": 4}', "\0"):
        course.write_text(text, encoding="utf-8")
        line = refused(capsys, "--output", tmp_path / "new")
        assert "01_small.ipynb cannot be read as a notebook" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "course"]


def test_an_empty_folder_is_filled_and_a_small_notebook_has_its_pages(course, capsys, tmp_path):
    cell = {"id": "a", "cell_type": "markdown", "metadata": {}, "source": "# 1 · Small\n\nText."}
    course.write_text(notebook(cell), encoding="utf-8")
    (tmp_path / "there").mkdir()
    for output in (tmp_path / "there", tmp_path / "not" / "yet"):
        cli.main(["slides", "--output", str(output)])
        said = capsys.readouterr().out.splitlines()
        assert said == [
            "01_small",
            f"1 deck and as many handouts. Open {output / 'index.html'}.",
        ]
        names = {path.name for path in output.iterdir()}
        assert names == {"index.html", "reveal", "01_small.slides.html", "01_small.handout.html"}
        assert "<h1>Small</h1>" in (output / "01_small.slides.html").read_text(encoding="utf-8")
