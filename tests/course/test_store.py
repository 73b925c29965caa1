"""`notebooks/store.py`: what a kernel finds, what is kept, and what is left as it was.

Oracles: the notebooks' own files, before and after.
"""

import importlib
import os

import nbformat
import pytest
from lessons import ROOT

from effdet_lite.teach.kit import progress


@pytest.fixture
def script(monkeypatch, tmp_path):
    """store.py, with a folder of its own."""
    monkeypatch.syspath_prepend(str(ROOT / "notebooks"))
    store = importlib.import_module("store")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    # These notebooks have the numbers of some that are held to more, and no guide beside them.
    monkeypatch.setattr(store, "REWRITTEN", ())
    return store


def write(path, *sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


LOOK = """\
import os
names = "OMP_NUM_THREADS", "PYTHONHASHSEED"
print(*map(os.environ.get, names), os.environ["MPLBACKEND"] == "Agg")
print(os.listdir(), os.path.isdir(os.environ["IPYTHONDIR"]))"""


def test_a_kernel_finds_what_the_tests_give_it_and_its_outputs_are_kept(
    script, tmp_path, monkeypatch
):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    path = write(tmp_path / "01_one.ipynb", LOOK, "6 * 7")
    script.main(["1"])
    cells = nbformat.read(path, 4).cells
    assert [cell.execution_count for cell in cells] == [1, 2]
    assert cells[0].outputs[0].text == "1 0 False\n['01_one.ipynb'] True\n"
    assert cells[1].outputs[0].data["text/plain"] == "42"
    assert [entry.name for entry in tmp_path.iterdir()] == ["01_one.ipynb"]
    assert os.environ["OMP_NUM_THREADS"] == "7", "nothing changes for whoever calls"


def test_a_notebook_that_fails_stays_and_says_where_and_the_others_are_stored(
    script, tmp_path, capsys
):
    broken = write(tmp_path / "01_broken.ipynb", "1", "1 / 0", "3")
    before = broken.read_bytes()
    whole = write(tmp_path / "02_whole.ipynb", "'x'")
    with pytest.raises(SystemExit) as stopped:
        script.main([])
    told = capsys.readouterr()
    assert stopped.value.code == 1 and broken.read_bytes() == before
    assert told.err.splitlines()[-1] == (
        "01_broken.ipynb was left as it was, since it stopped in code cell 2: "
        "ZeroDivisionError: division by zero"
    )
    assert told.out.startswith("02_whole.ipynb: ")
    assert nbformat.read(whole, 4).cells[0].outputs[0].data["text/plain"] == "'x'"


GUESSED = """\
from effdet_lite.teach.kit.checks import check
from effdet_lite.teach.kit.guesses import guess, guessed, show_guesses, with_guesses
from effdet_lite.teach.kit.plots import new_figure
from effdet_lite.teach.kit.progress import done
from effdet_lite.teach.kit.widgets import View
guess("00.a", "How many?", low=0)
guess("00.b", "Which?", options=["a", "b"])
guess("00.c", "In which order?", order=["a", "b"])
guess("00.d", "Where?", point={"x": (0, 1), "y": (0, 1)})
with_guesses(lambda known: View(new_figure()[0], "an empty figure", {"it": str(known)}), "00.a")
show_guesses({"00.a": 3, "00.b": "a"})
check("00.1", 1)
print(guessed("00.a"), done("00"))"""


def test_a_notebook_is_stored_alike_whoever_has_guessed_before(script, tmp_path, monkeypatch):
    """And what they guessed is neither read nor written."""
    theirs = tmp_path / "home" / "progress.json"
    monkeypatch.setenv("EFFDET_LITE_PROGRESS", str(theirs))
    path = write(tmp_path / "01_one.ipynb", GUESSED)
    before = path.read_bytes()
    script.main(["1"])
    neutral = path.read_bytes()
    assert not theirs.parent.exists()
    for name, value in {"00.a": 2, "00.b": "b", "00.c": ["b", "a"], "00.d": [0, 1]}.items():
        progress.keep_guess(name, value)
    progress.keep_result("00.1", "correct")
    kept = theirs.read_bytes()
    path.write_bytes(before)
    script.main(["1"])
    assert path.read_bytes() == neutral and theirs.read_bytes() == kept

    outputs = nbformat.read(path, 4).cells[0].outputs
    assert outputs[-1].text == "None Done(correct=0, total=1, guesses=0, tried=1)\n"
    pages = [output.data for output in outputs[:-1]]
    assert all(set(page) == {"text/html", "text/plain"} for page in pages) and len(pages) == 7
    for page in pages[:4]:
        assert "no guess yet" in page["text/html"] and "no guess yet" in page["text/plain"]


@pytest.mark.parametrize("number", ["3", "x", "1*", "../01"])
def test_a_number_that_no_notebook_has_is_refused_in_a_sentence(script, tmp_path, number):
    path = write(tmp_path / "01_one.ipynb", "1")
    before = path.read_bytes()
    with pytest.raises(SystemExit, match=r"there is no notebook .*: their numbers are 01"):
        script.main(["1", number])
    assert path.read_bytes() == before
