"""A notebook taken apart: its sections, and in them paragraphs, guesses, pictures and results."""

import ast
import html
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode, ValidationError

HEADING = re.compile(r"^(#{1,6}) +(.+)$")
NUMBER = re.compile(r"^\d+(?:\.| ·)\s+")
FENCES = ("```", "~~~")
DETAILS = re.compile(r"<details\b.*?</details>", re.DOTALL)
TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)
IMAGE = re.compile(r"<img\b[^>]*>", re.DOTALL)
ATTRIBUTE = re.compile(r'\b(alt|src)="([^"]*)"', re.DOTALL)
AIM = re.compile(r"\*\*(?:You will be able to|By the end)\*\*")
OUTLINE = {"what we found": "found", "exercises": "exercises", "references": "references"}


class Picture(NamedTuple):
    """A picture of an output: its address, which holds all of it, and its words."""

    source: str
    alt: str


class Guess(NamedTuple):
    """A question that the learner guesses. ways: the options, or the things to be put in order.

    says: what can be guessed where it is a number, "a number from 1 to 8 ×".
    """

    name: str
    question: str
    ways: tuple[str, ...] = ()
    says: str = ""


class Text(NamedTuple):
    """A paragraph or list, as Markdown. shown: as the cell's own `slideshow` setting says."""

    markdown: str
    shown: str = ""


@dataclass
class Section:
    """What stands below a heading: texts, and cells of code.

    part: "opening", "core", "found", "exercises", "deeper" or "references". number: "3" of
    "## 3. MACs".
    """

    title: str
    part: str
    number: str = ""
    pieces: list[Text | NotebookNode] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        """Its paragraphs."""
        return [piece.markdown for piece in self.pieces if isinstance(piece, Text)]

    @property
    def cells(self) -> list[NotebookNode]:
        """Its cells of code."""
        return [piece for piece in self.pieces if not isinstance(piece, Text)]


@dataclass(frozen=True)
class Lesson:
    """One notebook. name: "01_convolution_cost"; title: "What a convolution costs"."""

    name: str
    title: str
    sections: list[Section]

    @property
    def number(self) -> str:
        """ "01" of 01_convolution_cost."""
        return self.name.partition("_")[0]

    @property
    def aim(self) -> str:
        """The paragraph that says what one will be able to do; "" where there is none."""
        return next((text for text in self.sections[0].texts if AIM.search(text)), "")

    def of(self, *parts: str) -> list[Section]:
        """The sections of these parts, in order."""
        return [section for section in self.sections if section.part in parts]


def read(path: Path) -> Lesson:
    """The notebook in this file. Raises ValueError for a file that is none."""
    try:
        notebook = nbformat.read(path, 4)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise ValueError(f"{path} cannot be read as a notebook.") from error
    sections = [Section("", "opening")]
    for cell in notebook.cells:
        shown = setting(cell)
        if shown == "skip":
            continue
        if cell.cell_type == "code":
            sections[-1].pieces.append(cell)
        elif cell.cell_type == "markdown":
            for block in blocks(cell.source):
                _add(sections, block, shown)
    title = sections[0].title or path.stem
    return Lesson(path.stem, title, sections)


def _add(sections: list[Section], block: str, shown: str) -> None:
    """Put a block where it belongs: a heading opens a section, a first one names the notebook."""
    found = HEADING.match(block)
    if not found:
        sections[-1].pieces.append(Text(block, shown))
        return
    marks, words = found.groups()
    title = NUMBER.sub("", words).strip()
    if len(marks) == 1:
        sections[0].title = title
        return
    before = sections[-1].part
    is_below = len(marks) > 2 and before in ("deeper", "exercises", "references")
    number = words.partition(".")[0] if NUMBER.match(words) else ""
    part = before if is_below else _part(title)
    sections.append(Section(title, part, number))


def _part(title: str) -> str:
    if title.startswith("Deeper:"):
        return "deeper"
    return OUTLINE.get(title.lower(), "core")


def setting(cell: NotebookNode) -> str:
    """JupyterLab's own *Slide Type* of a cell: "slide", "skip", "notes" …; "" where none is set."""
    shown = cell.metadata.get("slideshow", {}).get("slide_type", "")
    return "" if shown == "-" else shown


def blocks(source: str) -> list[str]:
    """Paragraphs, lists, fences and headings of a cell's Markdown."""
    found: list[list[str]] = [[]]
    fence = ""
    for line in source.splitlines():
        mark = line.strip()[:3]
        if fence:
            found[-1].append(line)
            if mark == fence:
                fence = ""
                found.append([])
        elif mark in FENCES:
            fence = mark
            found.append([line])
        elif HEADING.match(line):
            found += [[line], []]
        elif line.strip():
            found[-1].append(line)
        else:
            found.append([])
    return ["\n".join(lines).strip() for lines in found if lines]


# --- code cells ---


def pictures(cell: NotebookNode) -> list[Picture]:
    """The pictures of a cell's outputs, figures first; those that are folded away are left out."""
    pages = [output.get("data", {}).get("text/html", "") for output in cell.outputs]
    tags = [tag for page in pages for tag in IMAGE.findall(DETAILS.sub("", page))]
    found = figures(cell)
    for tag in tags:
        values = {name: html.unescape(value) for name, value in ATTRIBUTE.findall(tag)}
        found.append(Picture(values.get("src", ""), values.get("alt", "")))
    return found


def figures(cell: NotebookNode) -> list[Picture]:
    """The pictures that `show` put on the page."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {})
        for kind in ("image/png", "image/jpeg"):
            if kind in data:
                alt = output.metadata.get(kind, {}).get("alt") or data.get("text/plain", "")
                found.append(Picture(f"data:{kind};base64,{''.join(data[kind].split())}", alt))
    return found


def tables(cell: NotebookNode) -> list[str]:
    """The HTML tables of a cell's outputs; those that are folded away are left out."""
    pages = [output.get("data", {}).get("text/html", "") for output in cell.outputs]
    return [table for page in pages for table in TABLE.findall(DETAILS.sub("", page))]


def printed(cell: NotebookNode) -> str:
    """What the cell prints."""
    lines = [output.text for output in cell.outputs if output.output_type == "stream"]
    return "".join(lines).strip("\n")


def guesses(cell: NotebookNode) -> list[Guess]:
    """The guesses that the cell asks for, as they are written; what is not written out is read from
    what the cell shows.
    """
    found = []
    for call in _calls(cell, "guess"):
        values = [_value(value) for value in call.args]
        asked = {word.arg: _value(word.value) for word in call.keywords}
        name = values[0] if values else asked.get("name")
        question = values[1] if len(values) > 1 else asked.get("question")
        if isinstance(name, str) and isinstance(question, str):
            found.append(_guess(cell, name, question, asked))
    return found


def _guess(cell: NotebookNode, name: str, question: str, asked: dict) -> Guess:
    from effdet_lite.teach.kit.questions import Number  # with matplotlib

    bounds = {kind: asked[kind] for kind in ("low", "high", "unit") if kind in asked}
    if {"low", "high"} & bounds.keys():
        return Guess(name, question, (), Number(name, question, **bounds).asks())
    kind = next((kind for kind in ("options", "order") if kind in asked), "")
    ways = tuple(map(str, asked.get(kind) or _ways_shown(cell, name, question)))
    return Guess(name, question, ways, "put in order" if kind == "order" else "")


def _ways_shown(cell: NotebookNode, name: str, question: str) -> list[str]:
    """The options in a guess's output: "guess 03.a: Which? (one of: more layers, …): no guess"."""
    start = f"guess {name}: {question} ("
    for output in cell.outputs:
        words = output.get("data", {}).get("text/plain", "")
        if words.startswith(start):
            listed = words.removeprefix(start).rpartition("): ")[0]
            return listed.partition(": ")[2].split(", ")
    return []


def is_check(cell: NotebookNode) -> bool:
    """Whether the cell is an exercise."""
    return bool(_calls(cell, "check"))


def defines(cell: NotebookNode) -> bool:
    """Whether the cell writes a function or class, and shows nothing."""
    tree = _tree(cell)
    return not cell.outputs and any(
        isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body
    )


def _calls(cell: NotebookNode, name: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(_tree(cell))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name
    ]


def _tree(cell: NotebookNode) -> ast.Module:
    try:
        return ast.parse(cell.source)
    except SyntaxError:  # a line that begins with % or !
        return ast.Module([], [])


def _value(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
