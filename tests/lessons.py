"""The package and the notebooks as the tests see them: definitions, cells, exercises, and the
solutions put in.
"""

import ast
import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "effdet_lite"
MODULES = sorted(PACKAGE.rglob("*.py"))
RESULTS = ROOT / "assets" / "results"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHECK = re.compile(r'^check\("([^"]+)", .+\)$')


def public_definitions(parent):
    """The functions and classes that a module, or a class, defines for others."""
    return [
        node
        for node in parent.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_"
    ]


def number(path):
    """ "01" of 01_convolution_cost.ipynb."""
    return path.name.partition("_")[0]


def read(path):
    return nbformat.read(path, 4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def exercise_cells(notebook):
    """(exercise, its cell) in the notebook's order: the cells whose last line is `check("01.2",
    answer)`.
    """
    for cell in code_cells(notebook):
        if found := CHECK.match(cell.source.rstrip().rpartition("\n")[2]):
            yield found[1], cell


def solutions(path):
    """The code that solves each exercise of this notebook, by exercise: what follows each line `#
    %% 01.2`.
    """
    text = (path.parent / "solutions" / f"{number(path)}.py").read_text(encoding="utf-8")
    _, *parts = re.split(r"^# %% +", text, flags=re.MULTILINE)
    return {
        name.strip(): code.strip() for name, _, code in (part.partition("\n") for part in parts)
    }


def put_in(notebook, solved):
    """Put each solution in the place of everything above its exercise's check."""
    for name, cell in exercise_cells(notebook):
        cell.source = f"{solved[name]}\n{cell.source.rstrip().rpartition(chr(10))[2]}"


def said(cell):
    """What the checks of a cell put on the page, as plain text."""
    return [
        output.data.get("text/plain", "")
        for output in cell.outputs
        if output.output_type == "display_data"
    ]
