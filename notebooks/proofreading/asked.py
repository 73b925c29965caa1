"""The stored notebook shows each guess as its code asks it: code that was edited and not stored again is found."""

import ast
from collections.abc import Iterator

from proofreading.pages import Page, outputs_as_text


def questions(code: str) -> Iterator[str]:
    """The question of each `guess("01.a", "How many …?", …)` in this code, where both are written out."""
    try:
        tree = ast.parse(code)
    except SyntaxError:  # a line that begins with %
        return
    for node in ast.walk(tree):
        if _is_guess(node) and isinstance(node.args[1], ast.Constant):
            yield node.args[1].value


def _is_guess(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "guess" and len(node.args) > 1


def stale_guesses(page: Page) -> Iterator[str]:
    """A sentence for each question that is not in its cell's output, or not in the table at the notebook's end."""
    table = ""
    for _, cell in page.code():
        if "show_guesses(" in cell.source:
            table += _words(cell)
    for place, cell in page.code():
        for question in questions(cell.source):
            for where, shown in (("its output", _words(cell)), ("the table of guesses", table)):
                if " ".join(question.split()) not in shown:
                    yield f"{page.path.name}, cell {place}: {where} does not ask “{question}”; store the notebook again"


def _words(cell) -> str:
    return " ".join(" ".join(outputs_as_text(cell)).split())
