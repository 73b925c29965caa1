"""The minutes that a notebook prints: what they pay for, and who follows them.

Oracle: sums by hand. 150 words a minute, 6 seconds a line, a minute a guess, the machine's minutes.
"""

import importlib
import re

import nbformat
import pytest
from lessons import NOTEBOOKS, ROOT, number, read
from proofreading import cells, minutes
from proofreading.pages import Page
from proofreading.words import count_words

from effdet_lite.teach.kit.minutes import (
    exercise_minutes,
    minutes_of_course,
    printed_minutes,
    with_minutes,
)

TITLE = (
    "# 1 · Costs\n\nSomething to want.\n\n*{minutes} minutes · builds on 00 (the course) · no GPU*"
)
TEN = "one two three four five six seven eight nine ten. "


def notebook(tmp_path, *texts, minutes=5, metadata=None, name="01_costs.ipynb"):
    """A page: a title that prints these minutes, and cells; what begins with "code" is code."""
    made = [nbformat.v4.new_markdown_cell(TITLE.format(minutes=minutes))]
    for text in texts:
        is_code = text.startswith("code")
        new = nbformat.v4.new_code_cell if is_code else nbformat.v4.new_markdown_cell
        made.append(new(text.removeprefix("code")))
    return Page(tmp_path / name, nbformat.v4.new_notebook(cells=made, metadata=metadata or {}))


TITLE_WORDS = count_words(TITLE.format(minutes=5))


def test_each_part_of_the_core_path_is_paid_for(tmp_path):
    code = 'codea = 1\n\n# why\nb = 2\nguess("01.a", "How many?")\nwith_guesses(view, "01.a")'
    page = notebook(
        tmp_path, TEN * 15, code, metadata={"machine_minutes": {"core": 2, "deeper": 7}}
    )
    found = minutes.reading(page)
    assert found == (150 + TITLE_WORDS, 5, 1, 2)
    assert found.minutes == pytest.approx((150 + TITLE_WORDS) / 150 + 5 * 6 / 60 + 1 + 2)


def test_deeper_sections_exercises_and_references_are_no_part_of_it(tmp_path):
    page = notebook(
        tmp_path,
        "## 1. Core\n\n" + TEN,
        "codex = 1",
        "## Deeper: more\n\n" + TEN * 2 + "\n\n### A part of it\n\n" + TEN,
        "codey = 1\nz = 2",
        "## Exercises\n\n" + TEN * 9 + "\n\n**01.1** (7 minutes) " + TEN,
        'codeanswer = None\ncheck("01.1", answer)',
        "**01.2** (12 minutes) " + TEN,
        "## What we found\n\n" + TEN,
        "## References\n\n- " + TEN * 9,
    )
    core, deeper = minutes.reading(page), minutes.reading(page, "deeper")
    assert (core.words, core.lines) == (TITLE_WORDS + 2 + 10 + 3 + 10, 1)
    assert (deeper.words, deeper.lines) == (2 + 20 + 4 + 10, 2)
    text = "\n\n".join(source for _, source in page.markdown())
    assert exercise_minutes(text) == {"01.1": 7, "01.2": 12}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Two words.", 2),
        ("A [link](https://example.org/a/b) here", 3),
        ("`f(x, y)` gives 3 × 3", 4),
        ("$a + b$ is $$c$$", 3),
        ("well-known don't 1,234.5", 3),
        ("**bold** — and *not*", 3),
        ("| a | b |\n| --- | --- |\n| c | 1 |", 4),
    ],
)
def test_words_are_what_a_person_reads(text, words):
    assert count_words(text) == words


@pytest.mark.parametrize(
    ("stated", "is_wrong"), [(9, True), (11, False), (15, False), (19, False), (21, True)]
)
def test_the_printed_minutes_are_within_five_of_the_counted(tmp_path, stated, is_wrong):
    page = notebook(tmp_path, TEN * 225, minutes=stated)  # 2,250 words are 15 minutes
    found = minutes.wrong_minutes(page)
    assert bool(found) == is_wrong
    assert not found or found.startswith(
        f"01_costs.ipynb: prints {stated} minutes; its core path has 22"
    )


def test_a_notebook_without_minutes_is_told_how_to_print_them(tmp_path):
    page = notebook(tmp_path)
    page.notebook.cells[0].source = "# 1 · Costs\n\n## 1. First\n\n*5 minutes · in the wrong place*"
    assert "no line such as *35 minutes" in minutes.wrong_minutes(page)
    minutes.write_minutes(page)
    assert "*5 minutes" in page.notebook.cells[0].source


def test_wrong_minutes_are_written_anew_and_true_ones_stay(tmp_path):
    page = notebook(tmp_path, TEN * 225, minutes=90)
    minutes.write_minutes(page)
    assert minutes.stated_minutes(page) == 15 and minutes.wrong_minutes(page) is None
    page = notebook(tmp_path, TEN * 225, minutes=20)
    minutes.write_minutes(page)
    assert minutes.stated_minutes(page) == 20


def test_both_forms_of_the_opening_are_read_and_written():
    table = "| minutes | builds on | needs |\n| --- | --- | --- |\n| 35 | 00 | 12 GB |"
    line = "*35 minutes · builds on 01 (12 minutes of it)*"
    for opening in (table, line):
        assert printed_minutes(f"# 1\n\n{opening}\n") == 35
        assert with_minutes(opening, 40) == opening.replace("35", "40")
    assert printed_minutes("It takes 35 minutes.") is None


@pytest.mark.parametrize(
    ("before", "seconds", "after"),
    [
        (0, 19, 1),
        (0, 61, 2),
        (1, 61, 1),
        (1, 20, 1),
        (1, 100, 2),
        (2, 100, 2),
        (2, 20, 1),
        (5, 60, 1),
    ],
)
def test_a_machine_that_is_a_little_slower_changes_nothing(tmp_path, before, seconds, after):
    kept = {"machine_minutes": {"core": before, "deeper": 0}} if before else {}
    page = notebook(tmp_path, "codex = 1", "## Deeper: more", "codey = 1", metadata=kept)
    minutes.keep_machine_minutes(page, {1: seconds, 3: 130})
    assert page.notebook.metadata["machine_minutes"] == {"core": after, "deeper": 3}


def test_the_course_says_what_each_notebook_says():
    """The map of 00 may be drawn from it. Oracle: the notebooks' cells."""
    told = minutes_of_course()
    assert list(told) == [number(path) for path in NOTEBOOKS]
    for path in NOTEBOOKS:
        texts = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
        own = re.search(r"^\| (\d+) \||^\*?(\d+) minutes", "\n".join(texts), re.MULTILINE)
        own = int(own[1] or own[2])
        times = re.findall(r"^\*\*\d\d\.\d\*\* \((\d+) minute", "\n".join(texts), re.MULTILINE)
        assert told[number(path)] == (own, sum(map(int, times)))


# --- store.py ---


@pytest.fixture
def store(monkeypatch, tmp_path):
    """store.py, in a folder of its own, where notebook 01 has been rewritten."""
    store = importlib.import_module("store")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    monkeypatch.setattr(store, "REWRITTEN", ["01"])
    guide = "| 00_start | 5 | 1 |\n| 01_costs | 90 | 3 | why |\n"
    (tmp_path / "INSTRUCTOR.md").write_text(guide, encoding="utf-8")
    return store


def test_storing_prints_the_minutes_and_the_guide_follows(store, tmp_path, capsys):
    page = notebook(tmp_path, TEN * 225, "codeprint(1)", "**01.1** (7 minutes) Go.", minutes=90)
    nbformat.write(page.notebook, page.path)
    other = notebook(tmp_path, TEN * 225, minutes=90, name="02_other.ipynb")
    nbformat.write(other.notebook, other.path)
    store.main(["01", "02"])
    stored = Page(page.path, nbformat.read(page.path, 4))
    assert stored.notebook.metadata["machine_minutes"] == {"core": 1, "deeper": 0}
    assert minutes.stated_minutes(stored) == 15
    guide = (tmp_path / "INSTRUCTOR.md").read_text(encoding="utf-8")
    assert guide == "| 00_start | 5 | 1 |\n| 01_costs | 15 | 7 | why |\n"
    said = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"01_costs.ipynb: 0.\d\d MB, \d+ words, 1 lines of code, 0 guesses, .+", said[0]
    )
    assert minutes.stated_minutes(Page(other.path, nbformat.read(other.path, 4))) == 90


def test_looking_prints_what_is_found_and_runs_nothing(store, tmp_path, capsys):
    page = notebook(tmp_path, "The accuracy is 0.787. The IoU is fine.", "code1 / 0", minutes=90)
    nbformat.write(page.notebook, page.path)
    before = page.path.read_bytes()
    store.main(["--look", "1"])
    said = capsys.readouterr().out
    assert page.path.read_bytes() == before
    for words in (
        'no output of its section has "0.787"',
        '"IoU" is used',
        "prints 90 minutes",
        "3 findings",
    ):
        assert words in said
    with pytest.raises(SystemExit, match="there is no notebook '7'"):
        store.main(["--look", "7"])


# --- imports and explorers ---


def test_a_block_of_imports_is_found(tmp_path):
    six = "\n".join(f"import a{index}" for index in range(6))
    assert list(cells.blocks_of_imports(notebook(tmp_path, f"code{six}\nx = 1"))) == []
    (found,) = cells.blocks_of_imports(
        notebook(tmp_path, "text", f"code{six}\nfrom b import c\nx = 1")
    )
    assert found.startswith("01_costs.ipynb, cell 2: 7 lines of imports")
    many = "from a import (\n    b,\n    c,\n    d,\n    e,\n    f,\n)"
    assert list(cells.blocks_of_imports(notebook(tmp_path, f"code{many}")))
    assert list(cells.blocks_of_imports(notebook(tmp_path, "code%time import a"))) == []


EXPLORER = 'codeExplorer(view, phi=slider("ϕ", 0, 7, 0)).show()'


@pytest.mark.parametrize(
    ("text", "has_task"),
    [
        ("Find the smallest ring that it sees.", True),
        ("Drag the window until nothing is left.", True),
        ("When does it fail?", True),
        ("Here is an explorer. The bars are MACs.", False),
        ("The settings of it are of no interest.", False),
    ],
)
def test_an_explorer_has_a_task(tmp_path, text, has_task):
    found = list(cells.explorers_without_task(notebook(tmp_path, text, EXPLORER)))
    assert (found == []) == has_task
