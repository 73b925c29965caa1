"""A deck as a page: nbconvert's reveal slides, in a light look, that ask no network."""

import html
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_notebook, new_raw_cell

from effdet_lite.teach.deck import words
from effdet_lite.teach.deck.reading import Lesson
from effdet_lite.teach.deck.slides import Slide, slides

TEMPLATES = Path(__file__).with_name("templates")
RUNTIME = "reveal"  # the folder beside the decks


def deck(lesson: Lesson) -> str:
    """The HTML page of a notebook's slides."""
    from nbconvert import SlidesExporter

    exporter = SlidesExporter(
        extra_template_basedirs=[str(TEMPLATES)],
        template_name="deck",
        reveal_url_prefix=RUNTIME,
    )
    page, _ = exporter.from_notebook_node(as_notebook(lesson))
    return page


def as_notebook(lesson: Lesson) -> NotebookNode:
    """The slides as the cells of a notebook, as JupyterLab's *Slide Type* marks them: a section is
    a slide, and what stands in it are slides below it.
    """
    cells = []
    for slide in slides(lesson):
        kind = "slide" if slide.begins else "subslide"
        cells.append(new_raw_cell(slide_html(slide), metadata={"slideshow": {"slide_type": kind}}))
    title = f"{lesson.number} · {lesson.title}"
    return new_notebook(cells=cells, metadata={"title": title})


def slide_html(slide: Slide) -> str:
    """One slide, with its notes."""
    about = f'<p class="about">{words.inline_html(slide.about)}</p>'
    notes = "".join(words.as_html(note) for note in slide.notes)
    return (
        f'<div class="slide {slide.kind}"><div class="body">{slide.body}</div>{about}</div>'
        f'<aside class="notes">{notes}</aside>'
    )


def index(lessons: list[Lesson]) -> str:
    """The page that lists decks and handouts."""
    rows = "".join(
        f"<li>{html.escape(f'{one.number} · {one.title}')}: "
        f'<a href="{one.name}.slides.html">slides</a>, '
        f'<a href="{one.name}.handout.html">handout</a></li>'
        for one in lessons
    )
    return PAGE.format(rows=rows)


PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Slides and handouts</title>
<link rel="icon" href="data:,">
<style>
body {{ font: 18px/1.5 sans-serif; margin: 2em auto; max-width: 45em; padding: 0 1em; }}
</style>
<h1>Slides and handouts</h1>
<ul>{rows}</ul>
<p>In the slides: the space bar goes on, Esc shows all of them, S opens the speaker's window with
what there is to say, and F fills the screen. A handout is one sheet: print it with Ctrl+P (⌘P).</p>
</html>
"""
