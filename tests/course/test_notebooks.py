"""What a stored notebook looks like, and how one fails."""

import ast
import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from lessons import (
    MODULES,
    NOTEBOOKS,
    ROOT,
    code_cells,
    exercise_cells,
    number,
    public_definitions,
    read,
    solutions,
)
from proofreading import REWRITTEN

from effdet_lite.teach.kit.checks import load_exercises
from effdet_lite.teach.kit.minutes import printed_minutes
from effdet_lite.teach.kit.progress import done
from effdet_lite.teach.nb.n00_map import map_figure

WIDGET = "application/vnd.jupyter.widget-view+json"
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def prose(path):
    return [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]


def outputs(path):
    return [output for cell in code_cells(read(path)) for output in cell.outputs]


def claims(path):
    """The claims that the tags of this notebook's code cells name, "claim-C24" for instance."""
    tags = [
        tag
        for cell in code_cells(read(path))
        for tag in cell.metadata.get("tags", [])
        if tag.startswith("claim")
    ]
    return {tag.removeprefix("claim-") for tag in tags}


@each_notebook
def test_a_notebook_is_stored_finished(path):
    """nbval lets a notebook without counts or outputs through, so this does not."""
    cells, stored = code_cells(read(path)), outputs(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert stored
    assert not [output for output in stored if output.output_type == "error"]
    assert not [output.text for output in stored if output.get("name") == "stderr"]
    addresses = re.findall(r"\bat 0x[0-9a-f]+|0x[0-9a-f]{8,}", json.dumps(stored))
    assert not addresses, "an address differs on every run"
    assert path.stat().st_size < 1_500_000


@each_notebook
def test_a_notebook_names_no_folder_of_the_machine_that_ran_it(path):
    texts = [output.get("text", "") for output in outputs(path)]
    for output in outputs(path):
        texts += [text for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
    words = re.sub(r'base64,[^"]*', "", "\n".join(texts))
    assert not re.findall(r"(?<![\w.~])/(?:home|private|root|tmp|Users|work)/\S*", words)


@each_notebook
def test_a_notebook_keeps_no_widgets(path):
    """Without a kernel a stored view is an error message, and stored state loads scripts from the
    network.
    """
    assert "widgets" not in read(path).metadata
    assert not [output for output in outputs(path) if WIDGET in output.get("data", {})]


@each_notebook
def test_a_notebooks_cells_are_short(path):
    assert max(len(cell.source.splitlines()) for cell in code_cells(read(path))) <= 25


@each_notebook
def test_a_notebook_holds_no_copy_of_the_package(path):
    """What a notebook builds for itself has a name of its own; the package's code is imported and
    shown live. An experiment, which trains for hours what a notebook shows in a minute, may call
    things as the notebook does.
    """
    package = {
        node.name
        for module in MODULES
        if module.parent.name != "experiments"
        for node in public_definitions(ast.parse(module.read_text(encoding="utf-8")))
    }
    source = "\n".join(cell.source for cell in code_cells(read(path)))
    defined = set(re.findall(r"^ *(?:def|class) (\w+)", source, re.MULTILINE))
    assert not defined & package


@each_notebook
def test_every_picture_has_words(path):
    for output in outputs(path):
        for kind in output.get("data", {}):
            if kind.startswith("image/"):
                assert output.metadata.get(kind, {}).get("alt", "").strip(), (
                    "show a figure with show(figure, alt)"
                )
    pages = prose(path) + [output.get("data", {}).get("text/html", "") for output in outputs(path)]
    for picture in re.findall(r"<img\b[^>]*>", "\n".join(pages)):
        assert re.search(r'\balt="[^"]*\w[^"]*"', picture), picture[:200]
    assert not re.search(r"!\[\s*\]\(", "\n".join(pages)), "![words](picture)"


@each_notebook
def test_a_cell_that_is_not_compared_says_why(path):
    for cell in read(path).cells:
        if any(tag.startswith("nbval-") for tag in cell.metadata.get("tags", [])):
            assert cell.metadata.get("reason", "").strip(), cell.source


@each_notebook
def test_a_notebooks_links_lead_somewhere(path):
    links = [
        link
        for text in prose(path)
        for link in re.findall(r"\]\(([^)#\s]+)", text)
        if ":" not in link
    ]
    assert not [link for link in links if not (path.parent / link).exists()]


@each_notebook
def test_claims_are_marked_on_code_cells_and_named_in_the_text(path):
    """In the opening, all of them, "C3" for instance; or each where it is tested, "claim 3"."""
    marked = claims(path)
    assert all(re.fullmatch(r"C([1-9]|1\d|2[0-5])[a-z]?", claim) for claim in marked)
    texts = [cell for cell in read(path).cells if cell.cell_type != "code"]
    assert not [cell.source for cell in texts if "claim" in " ".join(cell.metadata.get("tags", []))]
    # A claim in parts, C21a and C21b, is named there as one.
    whole = {re.match(r"C\d+", claim)[0] for claim in marked}
    if number(path) in REWRITTEN:
        named = re.findall(r"\bclaims? ((?:\d+[a-z]?(?:, | and )?)+)", "\n".join(prose(path)))
        assert {f"C{digits}" for found in named for digits in re.findall(r"\d+", found)} >= whole
    else:
        assert set(re.findall(r"\bC\d+\b", prose(path)[0])) == whole


@each_notebook
def test_a_lesson_opens_with_what_it_gives_and_asks(path):
    opening, *rest = read(path).cells
    assert opening.cell_type == "markdown"
    assert re.match(rf"# {int(number(path))} · \S", opening.source)
    head = "\n\n".join(itertools.takewhile(lambda text: not text.startswith("## "), prose(path)))
    head = head.partition("\n## ")[0]
    assert re.search(r"\*\*(You will be able to|By the end)\*\* ", head)
    assert printed_minutes(head) is not None, (
        "*35 minutes · builds on 01 (MACs) · no GPU, no network*"
    )
    assert "](NOTATION.md" in "".join(prose(path))
    first = next(cell for cell in rest if cell.cell_type == "code")
    assert [
        output
        for output in first.outputs
        if {"image/png", "image/jpeg"} & output.get("data", {}).keys()
    ]


@each_notebook
def test_a_lesson_closes_with_what_was_found_and_where_to_read_on(path):
    headings = re.findall(r"^## (?:\d+\. )?(.+)$", "\n".join(prose(path)), re.MULTILINE)
    assert "What we found" in headings and headings[-1] == "References"


@each_notebook
def test_a_lesson_has_three_to_five_exercises(path):
    """The first notebook only shows how they work."""
    names = [name for name, _ in exercise_cells(read(path))]
    assert (1 if number(path) == "00" else 3) <= len(names) <= 5
    assert names == [f"{number(path)}.{index}" for index in range(1, len(names) + 1)]
    assert names == list(load_exercises(number(path))) == list(solutions(path))
    assert "\n".join(cell.source for cell in code_cells(read(path))).count("check(") == len(names)


def test_the_map_of_the_course_tells_each_notebooks_minutes():
    """As the notebook's own opening does."""
    texts = [text.get_text() for text in map_figure(done()).axes[0].texts]
    for path in NOTEBOOKS:
        card = texts[texts.index(number(path)) :]  # number, lines of the title, to do and done
        told = next(text for text in card if " min · " in text)
        minutes = printed_minutes("\n\n".join(prose(path)))
        assert told.startswith(f"{minutes} min · 0 of "), (path, told)


def test_notebooks_exercises_and_solutions_are_linted():
    """By the same rules as the package, where a solution uses what its notebook defines."""
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "notebooks"]
        done = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


# --- how a notebook fails ---


def cell(source, *outputs, count=1):
    return nbformat.v4.new_code_cell(source, execution_count=count, outputs=list(outputs))


def test_a_failing_notebook_says_where_and_skips_what_follows(tmp_path):
    said = functools.partial(nbformat.v4.new_output, "stream", name="stdout")
    cells = [
        cell(
            "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['MPLBACKEND'] == 'Agg')",
            said(text="1 False\n"),
        ),
        cell("'a picture';", count=2),  # as in a browser, the semicolon keeps the value to itself
        cell("print('new')", said(text="old\n"), count=3),
        cell("1 / 0", count=4),
        cell("print('never')", said(text="never\n"), count=5),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "01_lesson.ipynb")
    for name in ("conftest.py", "tests/nbval_sanitize.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--nbval",
        "--nbval-current-env",
        "-rs",
    ]
    environment = os.environ | {"MPLBACKEND": "Agg"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "2 failed, 2 passed, 1 skipped" in done.stdout, done.stdout + done.stderr
    assert "01_lesson.ipynb, code cell [3]: " in done.stdout and "mismatch 'stdout'" in done.stdout
    assert "01_lesson.ipynb, code cell [4]: " in done.stdout and "ZeroDivisionError" in done.stdout
    assert "01_lesson.ipynb, code cell [4] did not finish" in done.stdout
