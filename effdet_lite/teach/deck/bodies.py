"""What stands on a slide, as HTML: lists, guesses, pictures, code, tables."""

import html
import re

from effdet_lite.teach.deck import words
from effdet_lite.teach.deck.reading import Guess, Picture
from effdet_lite.teach.kit.page import SOURCE_STYLE, table_html

WIDTH, HEIGHT = 1150, 590  # pixels for code
LETTER = 0.61, 1.32  # width and height of a letter, as parts of the size of its type
MOST_TABLE = 9, 7, 520  # rows, columns, characters that can be read from afar
ROWS, CHARACTERS = 7, 560  # of a part of the closing tables
IMPORT = re.compile(r"^(?:from \S+ )?import .*\n+", re.MULTILINE)
ROW = re.compile(r"<tr\b[^>]*>(.*?)</tr>", re.DOTALL)
FIELD = re.compile(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", re.DOTALL)


def inline(markdown: str) -> str:
    """A line of Markdown as HTML."""
    return words.inline_html(markdown)


def listed(items: list[str]) -> str:
    """A list; a single item is a paragraph."""
    if len(items) == 1:
        return f"<p>{inline(items[0])}</p>"
    return f"<ul>{''.join(f'<li>{inline(item)}</li>' for item in items)}</ul>"


def asked(guess: Guess) -> str:
    """A guess, as a question with its options."""
    ways = "".join(f"<li>{html.escape(way)}</li>" for way in guess.ways)
    says = f'<p class="says">{html.escape(guess.says)}</p>' if guess.says else ""
    question = f'<p class="question">{html.escape(guess.question)}</p>'
    label = f'<p class="label">Your guess first · {guess.name}</p>'
    return f"{label}{question}{says}{f'<ul>{ways}</ul>' if ways else ''}"


def pictured(picture: Picture, task: str = "") -> str:
    """A picture, and what to do with it in the notebook."""
    alt = html.escape(picture.alt, quote=True)
    below = f'<p class="task"><b>In the notebook:</b> {inline(task)}</p>' if task else ""
    return f'<img alt="{alt}" src="{picture.source}">{below}'


def code(source: str) -> str:
    """Code in colors without its imports, as large as it can be."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    source = IMPORT.sub("", source).strip("\n")
    formatter = HtmlFormatter(noclasses=True, nobackground=True, style=SOURCE_STYLE)
    return _as_large(source.splitlines(), highlight(source, PythonLexer(), formatter))


def printed(lines: list[str], announced: str = "") -> str:
    """What a cell prints."""
    return _announced(announced) + _as_large(
        lines, f"<pre>{html.escape(chr(10).join(lines))}</pre>"
    )


def _as_large(lines: list[str], page: str) -> str:
    wide, high = LETTER
    size = min(34.0, WIDTH / (wide * max(map(len, lines))), HEIGHT / (high * len(lines)))
    return f'<div style="font-size: {size:.1f}px">{page}</div>'


def tabled(table: str, announced: str = "") -> str:
    """A table, with the sentence that leads to it."""
    return _announced(announced) + table


def _announced(sentence: str) -> str:
    return f'<p class="announced">{inline(sentence)}</p>' if sentence else ""


def fits(table: str) -> bool:
    """Whether a table can be read from afar."""
    rows, columns, characters = MOST_TABLE
    fields = _fields(table)
    return (
        1 < len(fields) <= rows
        and max(map(len, fields)) <= columns
        and sum(len(field) for row in fields for field in row) <= characters
    )


def columns(table: str, names: tuple[str, ...]) -> list[str]:
    """These columns of a table, in parts that can be read from afar; none where it lacks one."""
    header, *rows = _fields(table) or [[]]
    if not set(names) <= set(header):
        return []
    places = [header.index(name) for name in names]
    parts: list[list[list[str]]] = [[]]
    for row in ([fields[place] for place in places] for fields in rows):
        if parts[-1] and (
            len(parts[-1]) == ROWS or _length(parts[-1]) + _length([row]) > CHARACTERS
        ):
            parts.append([])
        parts[-1].append(row)
    return [table_html(names, part, numbers_right=False) for part in parts if part]


def _length(rows: list[list[str]]) -> int:
    return sum(len(field) for row in rows for field in row)


def _fields(table: str) -> list[list[str]]:
    """The words in each field of a table, row by row."""
    return [
        [html.unescape(re.sub(r"<[^>]+>", "", field)).strip() for field in FIELD.findall(row)]
        for row in ROW.findall(table)
    ]
