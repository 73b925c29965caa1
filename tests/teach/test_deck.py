"""Which slides a notebook has, and what stands on a handout. Oracle: notebooks written here."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, writes

from effdet_lite.teach.deck import reading, words
from effdet_lite.teach.deck.handout import handout, key_pictures
from effdet_lite.teach.deck.slides import slides

PIXEL = "iVBORw0KGgo="


def text(markdown, kind=""):
    cell = new_markdown_cell(markdown)
    cell.metadata = {"slideshow": {"slide_type": kind}} if kind else {}
    return cell


def code(source, *outputs, kind=""):
    cell = new_code_cell(source, outputs=list(outputs))
    cell.metadata = {"slideshow": {"slide_type": kind}} if kind else {}
    return cell


def figure(alt):
    return new_output(
        "display_data",
        {"image/png": PIXEL, "text/plain": alt},
        metadata={"image/png": {"alt": alt}},
    )


def page(html, plain=""):
    return new_output("display_data", {"text/html": html, "text/plain": plain})


def printed(words):
    return new_output("stream", name="stdout", text=words)


@pytest.fixture
def lesson(tmp_path):
    """Makes a Lesson of cells below a title and a section."""

    def made(*cells):
        path = tmp_path / "01_small.ipynb"
        first = text("# 1 · Small\n\n**By the end** you can do it.\n\n## 1. One\n\nFirst things.")
        path.write_text(writes(new_notebook(cells=[first, *cells])), encoding="utf-8")
        return reading.read(path)

    return made


def shown(found):
    """Kind and body of the slides after title and heading."""
    return [(slide.kind.split()[0], slide.body) for slide in slides(found)[2:]]


def kinds(found):
    return [kind for kind, _ in shown(found)]


GUESS = 'guess("01.a", "How many?", low=1, high=8, unit="×")'


def test_a_section_in_the_notebooks_order(lesson):
    function = "import torch\n\n\ndef f(x):\n    return x"
    found = lesson(
        text("A **node** adds its inputs.\n\n**cost = weights × positions.** Keep it."),
        code(GUESS),
        code(function),
        code("print(2)", printed("two of 4\n")),
        code("show()", figure("it rises")),
        code("print(3)", printed("not after a guess\n")),
    )
    assert [slide.kind for slide in slides(found)[:2]] == ["title", "section"]
    assert "A <strong>node</strong> adds" in slides(found)[1].body
    assert kinds(found) == ["formula", "guess", "code", "printed", "picture"]
    bodies = [body for _, body in shown(found)]
    assert "cost = weights × positions" in bodies[0] and "Keep it" not in bodies[0]
    assert "How many?" in bodies[1] and "a number from 1 to 8 ×" in bodies[1]
    assert "import" not in bodies[2] and "def" in bodies[2]
    assert 'alt="it rises"' in bodies[4]


def test_slide_types_overrule(lesson):
    found = lesson(
        text("Left **out** of all.", "skip"),
        text("Only **said**.", "notes"),
        text("Shown *whole*, with nothing in bold.", "slide"),
        code("show()", figure("not this"), kind="skip"),
        code("show()", figure("nor this"), kind="notes"),
        code("show(1)", figure("this"), kind="subslide"),
    )
    assert kinds(found) == ["words", "code", "picture"]
    assert "Shown <em>whole</em>" in shown(found)[0][1] and 'alt="this"' in shown(found)[2][1]
    notes = " ".join(note for slide in slides(found) for note in slide.notes)
    assert "Only **said**" in notes and "Left" not in notes


def test_deeper_sections_references_and_exercises_cells_stay_out(lesson):
    found = lesson(
        code('check("01.1", 3)', page("<div>○ 01.1 not tried yet</div>")),
        text("## Exercises\n\n**01.1** (3 minutes) How many? Count them."),
        text("## What we found\n\n- It *rises*.\n\nAnnounces a table."),
        code(
            "table()",
            page(
                "<table><tr><th>question</th><th>your guess</th><th>the answer</th></tr>"
                "<tr><td>How &lt; 1?</td><td>no guess</td><td>2 ×</td></tr></table>"
            ),
        ),
        text("The next one asks more.\n\n## Deeper: no\n\n**Bold** words."),
        code("show()", figure("deep down")),
        text("## References\n\n- **Nobody**"),
    )
    last = slides(found)[2:]
    assert [slide.kind.split()[0] for slide in last] == ["words", "section", "table", "words"]
    assert "01.1</strong> · 3 min · How many? Count them." in last[0].body
    assert "It <em>rises</em>." in last[1].body and "Announces" not in last[1].body
    assert "How &lt; 1?" in last[2].body and "no guess" not in last[2].body
    assert last[3].body == "<p>The next one asks more.</p>"
    assert [slide.begins for slide in last] == [True, True, False, False]


@pytest.mark.parametrize(
    ("source", "output", "expected"),
    [
        ('guess("01.a", "Q?", options=["a, b", 2])', "", ("01.a", "Q?", ("a, b", "2"), "")),
        ('guess("01.b", "Q?", order=["x", "y"])', "", ("01.b", "Q?", ("x", "y"), "put in order")),
        ('guess(name="01.c", question="Q?", high=9)', "", ("01.c", "Q?", (), "a number up to 9")),
        (
            'guess("01.d", "Q?", options=NAMES)',
            "guess 01.d: Q? (one of: more layers, a little): no guess yet",
            ("01.d", "Q?", ("more layers", "a little"), ""),
        ),
        ('guess("01.e", "Q?", point=axes)', "", ("01.e", "Q?", (), "")),
        ('x = guess("01.f", words)', "", None),
        ("%timeit guess(", "", None),
    ],
)
def test_a_guess_is_read_as_it_is_written(source, output, expected):
    found = reading.guesses(code(source, page("", output)))
    assert [tuple(guess) for guess in found] == ([expected] if expected else [])


def test_blocks_of_markdown():
    source = "One\nline.\n\n- a\n- b\n## 2. Next\nText\n```\n# no heading\n\ncode\n```\nLast"
    assert reading.blocks(source) == [
        "One\nline.",
        "- a\n- b",
        "## 2. Next",
        "Text",
        "```\n# no heading\n\ncode\n```",
        "Last",
    ]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("It adds. **Nodes** add up many of their inputs, one by one.", 1),
        ("The way is shut. It is **dead**.", "The way is shut. It is **dead**."),
        ("**Blocks grow.** They are rounded up. More.", "**Blocks grow.** They are rounded up."),
        ("- **depth**, d: how many blocks,\n- plain", "**depth**, d: how many blocks"),
        ("**Your task:** find it.", 0),
        ("**03.1** (3 minutes) Find it.", 0),
        ("**cost = a · b**", 0),
        ("| **table** |\n| --- |", 0),
        ("**x" + " long" * 60 + "**.", 0),
    ],
)
def test_sentences_that_a_slide_shows(block, expected):
    found = words.key_sentences(block)
    assert found == [expected] if isinstance(expected, str) else len(found) == expected


def test_formulas_are_known_and_set():
    assert words.is_formula("H · W · K² · C₁") and words.is_formula("cost = weights × positions")
    assert not any(map(words.is_formula, ("H · W", "AP = 0.5", "a long day", "3 × 4 × 5")))
    apart = words.formulas(r"Three: $$d = a \qquad w = b$$ **x = y · z.**")
    assert apart == ["$$d = a$$", "$$w = b$$", "**x = y · z**"]
    shown = words.as_html(r"So $$\text{share} = \frac{n + 1}{2^n}$$ it is, for `a $b$ c`.")
    assert "<mfrac>" in shown and 'alttext="' in shown and "$$" not in shown
    assert "<code>a $b$ c</code>" in shown
    assert r"<code>\nonsense{</code>" in words.as_html(r"$$\nonsense{$$")


def test_html_in_a_text_is_shown_and_never_run():
    made = words.as_html(
        'a <script>alert(1)</script> & [link](https://example.org "t") ![i](x.png)'
    )
    assert "<script" not in made and "&lt;script&gt;" in made and "&amp;" in made
    assert "href" not in made and "<img" not in made and "link" in made


def test_the_handout_has_no_picture_with_an_answer(lesson):
    found = lesson(
        code("show()", figure("first")),
        code(GUESS),
        code("show()", figure("the answer")),
        code("show()", figure("middle")),
        code("show()", figure("last")),
        code("pad.show()", page('<img alt="a pad" src="data:,">')),
    )
    assert [picture.alt for picture in key_pictures(found)] == ["first", "last"]
    made = handout(found)
    assert "How many?" in made and "a number from 1 to 8" in made and "the answer" not in made
    assert "one multiplication and the addition after it" in made  # MAC, in NOTATION.md
