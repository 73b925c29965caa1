"""A new notebook, begun by the command and held to the rules that every stored notebook is held to.

Oracles: the tests of the other notebooks, ruff, and the page that lists the steps.
"""

import re
import runpy
import shutil
import subprocess
import sys

import nbformat
import pytest
import test_exercises
import test_notebooks
from lessons import ROOT

KEPT = ("README.md", "NOTATION.md", "store.py", "beginning.py", "guide.py", "ruff.toml")


def run(course, *arguments):
    """The command in this copy of the course: its exit status, and what it said."""
    command = [sys.executable, "notebooks/store.py", *arguments]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def files(course):
    return {
        path.relative_to(course).as_posix(): path.read_bytes()
        for path in course.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "_cache" not in path.parts[-2]
    }


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of what the command reads, with an empty package beside it."""
    folder = tmp_path_factory.mktemp("a course")
    for name in ("notebooks/exercises", "notebooks/solutions", "effdet_lite/teach/nb"):
        (folder / name).mkdir(parents=True)
    for name in KEPT:
        shutil.copy(ROOT / "notebooks" / name, folder / "notebooks" / name)
    proofreading = "notebooks/proofreading"
    shutil.copytree(ROOT / proofreading, folder / proofreading)
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    return folder


@pytest.fixture(scope="module")
def made(course):
    """What the command said, and the notebook that it made, run and stored."""
    status, said = run(course, "new", "11", "Ångström & quantized detectors")
    assert status == 0, said
    status, stored = run(course, "11")
    assert status == 0, stored
    (path,) = (course / "notebooks").glob("*.ipynb")
    return said, path


def test_it_makes_four_files_and_says_what_is_left(course, made):
    said, _ = made
    new = files(course).keys() - {f"notebooks/{name}" for name in KEPT} - {"pyproject.toml"}
    new = {name for name in new if not name.startswith("notebooks/proofreading/")}
    assert new == {
        "notebooks/11_angstrom_quantized_detectors.ipynb",
        "notebooks/exercises/11.py",
        "notebooks/solutions/11.py",
        "effdet_lite/teach/nb/n11_angstrom_quantized_detectors.py",
    }
    assert all(name in said for name in new)
    page = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^(\d+)\. (\S+ \S+)", page, re.MULTILINE)
    assert [int(number) for number, _ in listed] == list(range(1, 11))
    assert all(
        re.search(rf"^ ?{re.escape(f'{n}. {words}')}", said, re.M) for n, words in listed[1:]
    )


EACH = [
    test
    for name, test in vars(test_notebooks).items()
    if name.startswith("test_") and "path" in test.__code__.co_varnames[: test.__code__.co_argcount]
]


@pytest.mark.parametrize("test", EACH, ids=lambda test: test.__name__)
def test_it_holds_to_every_rule_of_a_stored_notebook(course, made, test, monkeypatch):
    monkeypatch.chdir(course)
    test(made[1])


def test_its_exercises_know_right_from_wrong(course, made, monkeypatch):
    monkeypatch.chdir(course)
    test_exercises.test_a_notebook_is_stored_with_its_exercises_untried(made[1])
    test_exercises.test_right_answers_are_correct_and_each_mistake_gets_its_hint(made[1])


def test_it_is_linted(course, made):
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "."]
        done = subprocess.run(ruff, cwd=course, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["11", "Another"], "is there already: choose another number"),
        (["12", "…"], "gives no file name"),
        (["12", "two\nlines"], "gives no file name"),
        (["100", "Too many"], "two digits"),
        (["-1", "Before"], "say its number and its title"),
        (["twelve", "Words"], "say its number and its title"),
        (["12"], "say its number and its title"),
    ],
)
def test_what_does_not_do_is_one_sentence_and_changes_nothing(
    course, made, monkeypatch, arguments, sentence
):
    monkeypatch.syspath_prepend(course / "notebooks")
    command = runpy.run_path(str(course / "notebooks" / "store.py"))["main"]
    before = files(course)
    with pytest.raises(SystemExit) as caught:
        command(["new", *arguments])
    assert sentence in caught.value.code and len(caught.value.code.splitlines()) == 1
    assert files(course) == before


def test_the_notebook_is_one_that_nbformat_accepts(made):
    nbformat.validate(nbformat.read(made[1], 4))
