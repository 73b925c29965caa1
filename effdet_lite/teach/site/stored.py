"""Stored notebooks as pages and slides need them: each picture with its words, and said once."""

import re
from pathlib import Path

import nbformat

WORDS = re.compile(r"<details><summary>Figure in words</summary>")  # `page.words_of_figure`
TITLE = re.compile(r"^# +(.+)$", re.MULTILINE)


def prepared(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without the lines that say a figure in words: they are its picture's
    alternative text too, which `alt_of` finds. Changes the notebook.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if not WORDS.match(_html(one))]
    return notebook


def alt_of(output: nbformat.NotebookNode, kind: str = "") -> str:
    """What a stored picture shows, in words. kind: "image/png" for instance; by default any."""
    metadata = output.get("metadata", {})
    for name in [kind] if kind else ["image/png", "image/jpeg"]:
        if alt := metadata.get(name, {}).get("alt"):
            return alt
    return ""


def title_of(text: str) -> str:
    """The title of a notebook or a text: its first heading."""
    found = TITLE.search(text)
    return found[1].strip() if found else ""


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook; a Markdown file as one with a cell of text; any other as one with its code."""
    if path.suffix == ".ipynb":
        return nbformat.read(path, 4)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    title = nbformat.v4.new_markdown_cell(f"# {path.name}")
    return nbformat.v4.new_notebook(cells=[title, nbformat.v4.new_code_cell(text)])


def _html(output: nbformat.NotebookNode) -> str:
    return output.get("data", {}).get("text/html", "")
