"""Guesses on the pages: a form in the place of each question, and the guess beside the answer.

They stay in the browser that they are made in. The answers are those of the notebook's closing
table; a question that cannot be asked in a page stays as it is stored.
"""

import ast
import html
import json
import re
from collections.abc import Iterator

import nbformat

PANEL = re.compile(r"guess (\d\d\.[a-z]\w*): (.+) \((.+)\): no guess yet", re.DOTALL)
ROW = re.compile(r"<tr><td([^>]*)>(.*?)</td><td[^>]*>no guess yet</td><td[^>]*>(.*?)</td>")
NUMBER = re.compile(r"-?[\d,]*\.?\d+(?:e[-+]\d+)?")
LISTS = {"options": "one of: ", "order": "put in order: "}


def add_guesses(notebook: nbformat.NotebookNode) -> bool:
    """Put forms, and places for guesses, into a notebook that is about to become a page. Returns
    whether there are any.
    """
    asked = dict(_questions(notebook))
    answers = _answers(notebook, {one["words"]: name for name, one in asked.items()})
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found = PANEL.fullmatch(_text(output))
            if found and found[1] in asked:
                question = asked[found[1]] | {"answer": answers.get(found[1])}
                output.data["text/html"] = _form(found[1], question)
        names = [name for name in _names(cell, "with_guesses") if name in asked]
        if names:
            cell.metadata["site_after"] = "".join(
                f'<p class="guessed" role="status" data-guess="{name}"></p>' for name in names
            )
    return bool(asked)


def _questions(notebook: nbformat.NotebookNode) -> Iterator[tuple[str, dict]]:
    """(name, question) for each that a page can ask: its words, what can be guessed in words, and a
    number's low, high and unit, or its options, or what is put in order.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if not (found := PANEL.fullmatch(_text(output))):
                continue
            name, words, asks = found.groups()
            question = {"words": words, "asks": asks}
            call = next(iter(_calls(cell, "guess")))
            given = {one.arg: _literal(one.value) for one in call.keywords}
            if kind := next((one for one in LISTS if one in given), None):
                listed = asks.removeprefix(LISTS[kind]).split(", ")
                own = given[kind] if isinstance(given[kind], list) else listed
                question[kind] = [str(one) for one in own]
            elif "point" in given or None in given.values():
                continue
            else:
                question |= {key: given[key] for key in ("low", "high") if key in given}
                question["unit"] = given.get("unit", "")
            yield name, question


def _answers(notebook: nbformat.NotebookNode, names: dict[str, str]) -> dict[str, dict]:
    """By name: what the closing table says in words, and the number that it is, where it is one.
    Marks its rows by their names.
    """
    answers = {}

    def marked(found: re.Match) -> str:
        name = names.get(html.unescape(found[2]))
        if name is None:
            return found[0]
        answers[name] = {"text": (text := html.unescape(found[3])), "number": number_of(text)}
        return f'<tr data-guess="{name}">' + found[0].removeprefix("<tr>")

    for cell in notebook.cells:
        if _calls(cell, "show_guesses"):
            for output in cell.outputs:
                if "text/html" in output.get("data", {}):
                    output.data["text/html"] = ROW.sub(marked, output.data["text/html"])
    return answers


def number_of(text: str) -> float | None:
    """The number of an answer, with or without a unit; None for other words."""
    first, _, unit = text.partition(" ")
    if not NUMBER.fullmatch(first) or any(letter.isdigit() for letter in unit):
        return None
    return float(first.replace(",", ""))


def _form(name: str, question: dict) -> str:
    """The question, a place for its control, a button, and a place for the guess."""
    data = json.dumps(question, ensure_ascii=False).replace("<", "\\u003c")
    words, asks = html.escape(question["words"]), html.escape(question["asks"])
    return (
        f'<section class="guess" aria-label="Guess {name}" data-guess="{name}"><form>'
        f"<p><b>Your guess first</b> ({name}): {words}</p>"
        f'<p class="asks">{asks}</p></form><p role="status">no guess yet</p>'
        f'<script type="application/json">{data}</script></section>'
    )


def _text(output: nbformat.NotebookNode) -> str:
    return output.get("data", {}).get("text/plain", "")


def _names(cell: nbformat.NotebookNode, function: str) -> list[str]:
    """The guesses that calls of this function name."""
    given = [_literal(one) for call in _calls(cell, function) for one in call.args]
    return [one for one in given if isinstance(one, str)]


def _calls(cell: nbformat.NotebookNode, function: str) -> list[ast.Call]:
    if cell.cell_type != "code" or f"{function}(" not in cell.source:
        return []
    try:
        nodes = ast.walk(ast.parse(cell.source))
    except SyntaxError:  # a magic command
        return []
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    return [one for one in calls if isinstance(one.func, ast.Name) and one.func.id == function]


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
