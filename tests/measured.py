"""What the cells of a notebook put out, as values that go by a name; and the complaints of a row of
CLAIMS.md that says otherwise.

A value is a cell of a table, called by its column's head, by the table's first head, and by the
cells to its left, alone or as `head = cell`; or it is a number in a printed line, called by the
words right before or behind it and by what else stands before it. A label of a row fits where each
of its parts does. All values that it fits must be the row's: so a label that fits several values is
too vague, and two different values can never change places.
"""

import html
import re
from html.parser import HTMLParser
from typing import NamedTuple

RANGE = ": mean (lowest – highest)"  # no part of a column's name
VALUE = r"[+-]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?:\^-?\d+)?[×%]?"
BETWEEN = re.compile(r"[\s:=]*(?:(?:is|are|has|have|says)\s+)?")


def plain(text):
    """With one kind of minus and of percent."""
    return text.replace(" %", "%").replace("\u2212", "-").strip()


class Cell(NamedTuple):
    """One cell of a table. names: what it may be called by, wholly or by a beginning. settings:
    the cells to its left as `head = cell`, which are names only as a whole.
    """

    names: tuple
    settings: tuple
    text: str


class Tables(HTMLParser):
    """The cells of the tables in a piece of HTML, row by row."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.is_head, self.is_open = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
            self.is_head.append(False)
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.is_head[-1] = tag == "th"
            self.is_open = True

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.is_open = False

    def handle_data(self, data):
        if self.is_open:
            self.rows[-1][-1] += data

    def cells(self):
        head = []
        for row, is_head in zip(self.rows, self.is_head, strict=True):
            row = [plain(cell) for cell in row]
            if is_head:
                head = [cell.removesuffix(RANGE) for cell in row]
                continue
            for column, text in enumerate(row):
                left = row[:column]
                heads = [head[column], head[0]] if head else []
                settings = [f"{name} = {cell}" for name, cell in zip(head, left, strict=False)]
                yield Cell((*heads, *left), tuple(settings), text)


class Output(NamedTuple):
    """What a cell put out: the cells of its tables, and its lines that are in no table."""

    cells: list
    lines: list

    @classmethod
    def of(cls, cell):
        cells, lines = [], []
        for output in cell.outputs:
            data = output.get("data", {})
            if "<table>" in data.get("text/html", ""):
                cells += Tables(data["text/html"]).cells()
            else:
                text = output.get("text") or data.get("text/plain", "")
                lines += [plain(line) for line in html.unescape(text).splitlines()]
        return cls(cells, lines)


def begins(text, words):
    """Whether the text begins with these words, whole."""
    return bool(re.match(rf"{re.escape(words)}(?![\w.×%]|,\d)", text))


def in_cells(label, cells):
    """(how many parts of the label are whole names, the text) of each cell that it fits."""
    for cell in cells:
        whole = [part in cell.names or part in cell.settings for part in label]
        begun = [any(begins(name, part) for name in cell.names) for part in label]
        fits = all(one or other for one, other in zip(whole, begun, strict=True))
        if fits and re.search(r"\d", cell.text):
            yield sum(whole), cell.text


def in_lines(label, lines):
    """The same for what stands right behind the label in a line, or the value right before it.

    The last part is a whole name where it and the value are all that stands between semicolons.
    """
    *before, last = label
    for line in lines:
        for found in re.finditer(rf"(?<![\w.]){re.escape(last)}(?![\w.])", line):
            if not all(part in line[: found.start()] for part in before):
                continue
            behind = line[BETWEEN.match(line, found.end()).end() :]
            ahead = line[: found.start()].rpartition("; ")[2].rstrip()
            if re.match(VALUE, behind):
                yield len(label) - bool(ahead), behind
            if value := re.search(rf"{VALUE}(?: of {VALUE})?$", ahead):
                is_whole = value[0] == ahead and not line[found.end() :].partition(";")[0]
                yield len(label) - (not is_whole), value[0]


def values_called(label, outputs):
    """The texts that this label fits; where it fits some by more whole names, only these."""
    label = [plain(part) for part in label]
    found = []
    for output in outputs:
        found += in_cells(label, output.cells)
        found += in_lines(label, output.lines)
    most = max((whole for whole, _ in found), default=0)
    return [text for whole, text in found if whole == most]


def complaints(row, outputs):
    """What is wrong with the measured column of a row, a sentence each.

    row: of `teach.kit.claims.rows`. outputs: of the cells with the claim's tag.
    """
    try:
        items = row.items
    except ValueError as error:
        return [f"{row.claim}: {error}"]
    if not items:
        return [f"{row.claim}: a row without a number measures nothing"]
    wrong = []
    for item in items:
        # A unit behind the last number is for the reader.
        value = re.match(r".*[\d×%)]", plain(item.value))[0]
        texts = values_called(item.label, outputs)
        if not texts:
            wrong.append(f"{row.claim}: no cell with its tag puts out anything called {item.label}")
        for text in dict.fromkeys(texts):
            if not begins(text, value):
                wrong.append(f"{row.claim}: {item} is {text!r} in a cell with its tag")
    return wrong
