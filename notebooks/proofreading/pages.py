"""A notebook as a reader meets it: sentences and outputs, each with the cell and the section that it stands in."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import nbformat

from proofreading.words import comments_and_strings

FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"(#{1,6}) +(.+)")
NUMBER_OF_SECTION = re.compile(r"^\d+(?:\.\d+)*(?:\.| ·)? +")
# A sentence ends where white space follows its stop, and then what can begin another one.
END = re.compile(r"(?<=[.?!])[)\"”*_]*\s+(?=[*_(\"“]*[A-Z0-9ϕαβγ])|(?<=…)[)\"”*_]*\s+(?=[*_(\"“]*[A-Z])")
ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|al|approx|Fig|Sect?|Eq|No|[A-Z])\.)[)*_]*$")
EXERCISE = re.compile(r"\*\*\d\d\.\d\*\* \(")  # **01.2** (3 minutes)
LISTING = re.compile(r"<details open><summary>effdet_lite/")  # what `show_source` puts on the page


class Sentence(NamedTuple):
    """Words that belong together. cell: its place in the notebook, from 0. kind: "text", "heading" or "table", and
    above: the paragraph above a table.
    """

    cell: int
    text: str
    kind: str = "text"
    above: str = ""


class Section(NamedTuple):
    """Where a sentence stands.

    title: of the last heading. whole: of the last one of the second level, with its number, "3. MACs"; "" before
    there is one. part: "core", "deeper", "exercises" or "references", and level: of the heading that opened it.
    """

    title: str
    level: int
    part: str
    whole: str = ""


@dataclass(frozen=True)
class Page:
    """A notebook, read. Its cells are as nbformat has them."""

    path: Path
    notebook: nbformat.NotebookNode

    @property
    def number(self) -> str:
        """ "01" of 01_convolution_cost.ipynb."""
        return self.path.name.partition("_")[0]

    def markdown(self) -> Iterator[tuple[int, str]]:
        """(place, source) of each cell of text."""
        for place, cell in enumerate(self.notebook.cells):
            if cell.cell_type == "markdown":
                yield place, cell.source

    def code(self) -> Iterator[tuple[int, nbformat.NotebookNode]]:
        """(place, cell) of each cell of code that a reader sees."""
        for place, cell in enumerate(self.notebook.cells):
            hidden = cell.metadata.get("jupyter", {}).get("source_hidden")
            if cell.cell_type == "code" and not hidden:
                yield place, cell

    def sentences(self) -> Iterator[tuple[Sentence, Section]]:
        """Each sentence in order, with its section."""
        section = Section("", 0, "core")
        for place, source in self.markdown():
            inside = None
            for sentence in sentences(place, source):
                if sentence.kind == "heading":
                    section = section_below(sentence.text, section)
                elif EXERCISE.match(sentence.text):
                    inside = section._replace(part="exercises")  # to the end of its cell
                yield sentence, inside or section

    def parts(self) -> dict[int, str]:
        """The part that each cell stands in, by its place; a text's is the one at its end."""
        part, found = "core", {}
        ends = {sentence.cell: section.part for sentence, section in self.sentences()}
        for place in range(len(self.notebook.cells)):
            part = ends.get(place, part)
            found[place] = part
        return found


def read(path: Path) -> Page:
    """The notebook in this file."""
    return Page(path, nbformat.read(path, 4))


def section_below(heading: str, before: Section) -> Section:
    """The section that this heading, `## 2. The name` for instance, opens behind another one.

    "Deeper:" holds for the headings below it, and so do exercises and references.
    """
    marks, words = HEADING.match(heading).groups()
    title, level = NUMBER_OF_SECTION.sub("", words).strip(), len(marks)
    whole = {1: "", 2: words.strip()}.get(level, before.whole)
    if title.startswith("Deeper:"):
        part = "deeper"
    elif re.fullmatch("Exercises?|Your turn", title):
        part = "exercises"
    elif title == "References":
        part = "references"
    elif level > before.level and before.part != "core":
        # A subsection keeps its section's level, so that a second one is below it as well.
        return Section(title, before.level, before.part, whole)
    else:
        part = "core"
    return Section(title, level, part, whole)


def sentences(place: int, source: str) -> Iterator[Sentence]:
    """The sentences of a cell's text: headings, rows of tables, and what stands between stops.

    Listings in fences are left out.
    """
    blocks = re.split(r"\n\s*\n", FENCE.sub("", source))
    above = ""
    for block in blocks:
        kept = []
        for line in block.strip().splitlines():
            if HEADING.match(line):
                yield from _sentences_of(place, kept)
                kept = []
                yield Sentence(place, line.strip(), "heading")
            else:
                kept.append(line.strip())
        if kept and all(line.startswith("|") for line in kept):
            yield Sentence(place, " ".join(kept), "table", above)
        else:
            yield from _sentences_of(place, kept)
            above = " ".join(kept)


def _sentences_of(place: int, lines: list[str]) -> Iterator[Sentence]:
    for item in re.split(r"\n(?=(?:[-*+]|\d+\.) )", "\n".join(lines)):
        words = re.sub(r"^(?:[-*+]|\d+\.|>) +", "", item)
        text = " ".join(words.split())
        for part in _split(text):
            yield Sentence(place, part)


def _split(text: str) -> list[str]:
    """At the ends of sentences, not behind an abbreviation."""
    found, start = [], 0
    for end in END.finditer(text):
        if not ABBREVIATION.search(text[start : end.start()]):
            found.append(text[start : end.end()].strip())
            start = end.end()
    return [part for part in [*found, text[start:].strip()] if part]


def outputs_as_text(cell: nbformat.NotebookNode) -> Iterator[str]:
    """What a cell has put on the page, as words: streams, tables, plain text, and pictures' alternative texts.

    The package's own source, as `show_source` lists it, is no result and is left out.
    """
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            yield output.text
            continue
        data = output.get("data", {})
        markup = data.get("text/html", "")
        if LISTING.match(markup):
            continue
        yield data.get("text/plain", "")
        yield data.get("text/markdown", "")
        yield words_of_html(markup)


def words_of_html(markup: str) -> str:
    """Without tags; with alternative texts, and a tab between the cells of a table."""
    alternatives = re.findall(r'\balt="([^"]*)"', markup)
    text = re.sub(r"</t[dh]>", "\t", re.sub(r"</tr>|<br ?/?>", "\n", markup))
    text = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    return html.unescape("\n".join([re.sub(r"<[^>]+>", "", text), *alternatives]))


def words_in_code(cell: nbformat.NotebookNode) -> str:
    """What stands in words in a cell's code: comments, docstrings and other strings."""
    return comments_and_strings(cell.source)
