"""A handout: one sheet of paper on which a learner keeps what a notebook is about."""

import html
import re

from effdet_lite.places import course_folder
from effdet_lite.teach.deck import reading, words
from effdet_lite.teach.deck.reading import Lesson

MOST_FORMULAS = 4
ROW = re.compile(r"^\| (.+?) \| (.+?) \| .*?\| (\d\d) \| [^|]*\|$", re.MULTILINE)


def handout(lesson: Lesson) -> str:
    """The HTML page of a notebook's handout."""
    parts = [
        f"<header><p>{html.escape(f'Notebook {lesson.number}')}</p>"
        f"<h1>{html.escape(lesson.title)}</h1>{aim(lesson)}</header>",
        f'<div class="pictures">{"".join(map(pictured, key_pictures(lesson)))}</div>',
        section("My guesses", "".join(map(asked, all_guesses(lesson))), "guesses"),
        section("Formulas", formulas(lesson), "formulas"),
        section("Words", terms(lesson), "terms"),
    ]
    title = html.escape(f"{lesson.number} · {lesson.title}: handout")
    return PAGE.replace("TITLE", title).replace("BODY", "".join(parts))


def section(title: str, body: str, kind: str) -> str:
    """A part of the sheet; "" where there is nothing in it."""
    return f'<section class="{kind}"><h2>{title}</h2>{body}</section>' if body else ""


def aim(lesson: Lesson) -> str:
    """What the notebook answers."""
    return f"<p>{words.inline_html(words.one_line(lesson.aim))}</p>" if lesson.aim else ""


def key_pictures(lesson: Lesson) -> list[reading.Picture]:
    """The first and the last figure of the core path; those of cells that have a *Slide Type* in
    their place, where there are any.

    No explorer, and nothing that comes right after a guess: a sheet with the questions must not
    have the answers.
    """
    core = [cell for part in lesson.of("opening", "core") for cell in part.cells]
    chosen = [one for cell in core if reading.setting(cell) for one in reading.pictures(cell)]
    found: list[reading.Picture] = []
    is_asked = False
    for cell in core:
        figures = reading.figures(cell)
        found += [] if is_asked else figures
        if reading.guesses(cell):
            is_asked = True
        elif reading.pictures(cell):
            is_asked = False
    return chosen[:2] or (found if len(found) < 2 else [found[0], found[-1]])


def pictured(picture: reading.Picture) -> str:
    """A picture with its words."""
    return f'<img alt="{html.escape(picture.alt, quote=True)}" src="{picture.source}">'


def all_guesses(lesson: Lesson) -> list[reading.Guess]:
    """The guesses of the core path, in the order in which they are asked."""
    core = lesson.of("opening", "core")
    return [guess for part in core for cell in part.cells for guess in reading.guesses(cell)]


def asked(guess: reading.Guess) -> str:
    """A guess as a question with a blank line."""
    ways = " · ".join(guess.ways) or guess.says
    if guess.ways and guess.says:
        ways = f"{guess.says}: {ways}"
    ways = f" <small>({html.escape(ways)})</small>" if ways else ""
    lines = '<p class="line"><span>I guess</span><span>It is</span></p>'
    return f"<div><p><b>{guess.name}</b> {html.escape(guess.question)}{ways}</p>{lines}</div>"


def formulas(lesson: Lesson) -> str:
    """The formulas of the core path, each once."""
    core = lesson.of("opening", "core")
    found = [rule for part in core for text in part.texts for rule in words.formulas(text)]
    some = list(dict.fromkeys(found))[:MOST_FORMULAS]
    return "".join(f"<p>{words.inline_html(rule)}</p>" for rule in some)


def terms(lesson: Lesson) -> str:
    """The terms that this notebook introduces, each with its line of NOTATION.md."""
    page = (course_folder() / "notebooks" / "NOTATION.md").read_text(encoding="utf-8")
    rows = [(term, meaning) for term, meaning, home in ROW.findall(page) if home == lesson.number]
    items = [
        f"<dt>{words.inline_html(term)}</dt> <dd>{words.inline_html(meaning)}</dd>"
        for term, meaning in rows
    ]
    return f"<dl>{''.join(f'<div>{item}</div>' for item in items)}</dl>" if items else ""


# The sheet is as wide as A4 is and as high as Letter is, so that both hold it.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>TITLE</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="reveal/handout.css">
</head>
<body>
<main class="sheet">BODY</main>
<script src="reveal/handout.js"></script>
</body>
</html>
"""
