"""What a screen reader says of a figure: its finding, once, on each kind of page.

Oracle: Chromium's tree of what assistive technology is told.
"""

import nbformat
import pytest
from lab import new_page, open_lab, run_all
from lessons import NOTEBOOKS, ROOT, read
from nbclient import NotebookClient
from nbconvert import HTMLExporter

NOTEBOOK = "notebooks/figures.ipynb"
# The findings stand in two pieces, so that the code of the cell is not counted.
FIGURES = """
import numpy as np
from effdet_lite.teach.kit.page import show
from effdet_lite.teach.kit.plots import new_figure

show(new_figure(width=3, height=2)[0], 'AP < 0.5 ' '& "rising"')
figure, axes = new_figure(width=9, height=6)
axes[0, 0].imshow(np.random.default_rng(0).random((600, 900, 3)))
show(figure, "Noise, which " "no PNG makes small")
print("after the figures")
"""
FINDINGS = ['AP < 0.5 & "rising"', "Noise, which no PNG makes small"]
ALTS = "[...document.querySelectorAll('.jp-RenderedImage img')].map(image => image.alt)"


def findings(notebook):
    """The words of each picture that is stored, in order."""
    return [
        output.metadata[kind]["alt"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        for kind in output.get("data", {})
        if kind.startswith("image/")
    ]


@pytest.fixture(scope="module")
def figures(shared_lab):
    """A notebook of the course that has run."""
    shared_lab.write_notebook(NOTEBOOK, FIGURES)
    path = shared_lab.folder / "course" / NOTEBOOK
    notebook = nbformat.read(path, 4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    nbformat.write(notebook, path)
    return path


def told(page):
    """How often each finding is said, and whether there is anything to unfold."""
    tree = page.locator("body").aria_snapshot().replace('\\"', '"')
    return [tree.count(words) for words in FINDINGS], tree.count("Figure in words")


def exported(path, folder):
    """The address of the page that `jupyter nbconvert --to html` makes of a notebook."""
    html, _ = HTMLExporter().from_filename(str(path))
    target = folder / f"{path.stem}.html"
    target.write_text(html, encoding="utf-8")
    return target.as_uri()


def test_an_exported_figure_says_its_finding_once(figures, page, tmp_path):
    kinds = [set(output.get("data", {})) for output in read(figures).cells[0].outputs]
    assert {"image/png", "text/plain"} in kinds and {"image/jpeg", "text/plain"} in kinds
    page.goto(exported(figures, tmp_path))
    assert page.evaluate(ALTS) == FINDINGS
    assert told(page) == ([1, 1], 0)
    assert page.locator("pre", has_text="after the figures").last.is_visible()


def test_without_scripts_the_words_stand_below_the_figure(figures, browser, tmp_path):
    with new_page(browser, java_script_enabled=False) as page:
        page.goto(exported(figures, tmp_path))
        lines = page.locator("details")
        assert lines.count() == 2
        assert [line.inner_text() for line in lines.all()] == ["Figure in words"] * 2
        lines.first.locator("summary").click()
        assert FINDINGS[0] in lines.first.inner_text()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_each_figure_of_an_exported_notebook_has_its_finding(path, page, tmp_path):
    page.goto(exported(path, tmp_path))
    assert page.evaluate(ALTS) == findings(read(path))
    assert "Figure in words" not in page.locator("body").aria_snapshot()
    everywhere = page.evaluate("[...document.images].map(image => image.alt)")
    assert all(everywhere) and "No description has been provided" not in " ".join(everywhere)


def test_in_jupyterlab_a_figure_says_its_finding_once_it_ran(figures, page, lab):
    """Before, the notebook is not trusted, no script runs, and the line is there."""
    open_lab(page, lab, NOTEBOOK)
    page.locator(".jp-RenderedImage img").nth(1).wait_for()
    assert told(page)[1] == 2
    run_all(page)
    page.wait_for_function(f"{ALTS}.length === 2 && {ALTS}.every(Boolean)")
    assert page.evaluate(ALTS) == FINDINGS
    assert told(page)[1] == 0
    assert page.locator("pre", has_text="after the figures").last.is_visible()
