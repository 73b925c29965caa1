"""`notebooks/store.py`: what a kernel finds, what is kept, and what is left as it was.

Oracles: the notebooks' own files, before and after.
"""

import importlib
import os

import nbformat
import pytest
from lessons import ROOT


@pytest.fixture
def script(monkeypatch, tmp_path):
    """store.py, with a folder of its own."""
    monkeypatch.syspath_prepend(str(ROOT / "notebooks"))
    store = importlib.import_module("store")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(store, "FOLDER", tmp_path)
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


@pytest.mark.parametrize("number", ["3", "x", "1*", "../01"])
def test_a_number_that_no_notebook_has_is_refused_in_a_sentence(script, tmp_path, number):
    path = write(tmp_path / "01_one.ipynb", "1")
    before = path.read_bytes()
    with pytest.raises(SystemExit, match=r"there is no notebook .*: their numbers are 01"):
        script.main(["1", number])
    assert path.read_bytes() == before
