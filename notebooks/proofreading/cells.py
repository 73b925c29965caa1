"""Imports stand where they are needed, and a text before each explorer gives the reader something to do."""

import ast
import re
from collections.abc import Iterator

from proofreading.pages import Page

MOST_IMPORTS = 6  # lines in one cell
EXPLORER = re.compile(r"(?<!\w)Explorer\(|(?<!\w)explore\w*\(")
# Soft on purpose: whether a task is worth doing, only a reader can say.
TASK = re.compile(
    r"[?]|\b(?:find|move|drag|make|turn|try|set|choose|pick|click|draw|look for|guess|change|raise|lower|slide|press"
    r"|watch|compare|spend|place|put|switch|push|pull|stretch|shrink|count|search|play|beat|predict"
    r"|see (?:how|what|whether))\b",
    re.IGNORECASE,
)


def import_lines(code: str) -> int:
    """How many lines imports take in a cell. Code that Python cannot parse (a line that begins with %) has none."""
    try:
        body = ast.parse(code).body
    except SyntaxError:
        return 0
    return sum(node.end_lineno - node.lineno + 1 for node in body if isinstance(node, ast.Import | ast.ImportFrom))


def blocks_of_imports(page: Page) -> Iterator[str]:
    """A sentence for each cell with a long block of imports."""
    for place, cell in page.code():
        lines = import_lines(cell.source)
        if lines > MOST_IMPORTS:
            yield (
                f"{page.path.name}, cell {place}: {lines} lines of imports; "
                f"import each thing in the cell that first needs it (at most {MOST_IMPORTS} in one)"
            )


def explorers_without_task(page: Page) -> Iterator[str]:
    """A sentence for each explorer whose text before it asks for nothing."""
    text = ""
    for place, cell in enumerate(page.notebook.cells):
        if cell.cell_type == "markdown":
            text = cell.source
        elif EXPLORER.search(cell.source) and ".show()" in cell.source and not TASK.search(text):
            yield f"{page.path.name}, cell {place}: the text before this explorer asks for nothing: give it a task"
