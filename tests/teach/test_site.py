"""The parts of `effdet-lite site` that need no browser: formulas, headings, links, the index.

Oracles: the notebooks' own text, and files on the disk.
"""

import re
from pathlib import PurePosixPath

import pytest
from lessons import NOTEBOOKS, ROOT, read

from effdet_lite import cli
from effdet_lite.teach.site import search
from effdet_lite.teach.site.markdown import Markdown, formula
from effdet_lite.teach.site.pages import Pages, page_of
from effdet_lite.teach.site.stored import title_of

FORMULA = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)


def texts():
    """Every cell of text of the course."""
    for path in NOTEBOOKS:
        yield from (cell.source for cell in read(path).cells if cell.cell_type == "markdown")


# --- formulas ---


def test_every_formula_of_the_course_becomes_mathml():
    found = [tex for text in texts() for tex in FORMULA.findall(text)]
    assert len(found) > 5
    for tex in found:
        math = formula(tex, "block")
        shown = re.sub(r"<[^>]+>", "", math)
        assert math.startswith("<math ") and "\\" not in shown and "$" not in shown
        # The 0 of "MACs of B0" is part of a word.
        for number in re.findall(r"(?<![A-Za-z\d.])\d+(?:\.\d+)?", tex):
            assert f"<mn>{number}</mn>" in math, tex


def test_text_has_no_formula_left():
    for text in texts():
        shown = re.sub(r"<(code|pre)\b.*?</\1>", "", Markdown().html(text), flags=re.DOTALL)
        assert "$$" not in shown and shown.count("<math ") == len(FORMULA.findall(text))


@pytest.mark.parametrize("tex", [r"\nosuchcommand{x}", r"\left( x"])
def test_a_formula_that_cannot_be_shown_is_one_sentence(tex):
    with pytest.raises(ValueError, match=r"^the formula .+\.$"):
        formula(tex, "inline")


# --- headings and links ---


def test_headings_can_be_linked_to_each_by_its_own_name():
    markdown = Markdown()
    page = markdown.html("# 3 · *Compound* scaling\n\n## Exercises\n") + markdown.html(
        "## Exercises"
    )
    assert re.findall(r'<h\d id="([^"]+)"', page) == [
        "3-compound-scaling",
        "exercises",
        "exercises-2",
    ]
    assert [one.words for one in markdown.headings] == ["3 · Compound scaling", *["Exercises"] * 2]


@pytest.mark.parametrize(
    ("source", "url", "expected"),
    [
        ("notebooks/01_a.ipynb", "NOTATION.md", "NOTATION.html"),
        ("notebooks/01_a.ipynb", "../effdet_lite/cost.py", "../effdet_lite/cost.py.html"),
        ("notebooks/01_a.ipynb", "00_start_here.ipynb#exercises", "00_start_here.html#exercises"),
        ("notebooks/workshop/ACCESS.md", "../INSTRUCTOR.md", "../INSTRUCTOR.html"),
        ("README.md", "assets/detections.png", "assets/detections.png"),
        ("README.md", "https://arxiv.org/abs/1911.09070", "https://arxiv.org/abs/1911.09070"),
        ("README.md", "#below", "#below"),
    ],
)
def test_a_link_leads_to_the_page_of_the_file_that_it_led_to(source, url, expected):
    assert Pages(ROOT).link(PurePosixPath(source), url) == expected


def test_what_is_linked_to_becomes_a_page_or_is_copied():
    pages = Pages(ROOT)
    pages.link(PurePosixPath("README.md"), "effdet_lite/cost.py")
    pages.link(PurePosixPath("README.md"), "assets/detections.png")
    assert PurePosixPath("effdet_lite/cost.py") in list(pages)
    assert pages.copied == [PurePosixPath("assets/detections.png")]


@pytest.mark.parametrize("url", ["nowhere.md", "../../outside.md", "/etc/hosts", "assets"])
def test_a_link_to_nothing_is_one_sentence(url):
    with pytest.raises(ValueError, match=r"^README\.md links to .+, and there is no such file"):
        Pages(ROOT).link(PurePosixPath("README.md"), url)


def test_pages_lie_where_their_sources_lie():
    names = [str(page_of(path)) for path in Pages(ROOT).order]
    assert names[: len(NOTEBOOKS)] == [f"notebooks/{path.stem}.html" for path in NOTEBOOKS]
    assert len(set(names)) == len(names)


def test_every_notebook_says_its_title():
    for path in NOTEBOOKS:
        assert title_of(read(path).cells[0].source).startswith(f"{int(path.name[:2])} · ")


# --- the index ---


def test_the_index_has_each_section_once_with_its_words():
    page = """<nav>not this</nav><main><p>Opening.</p><h2 id="a-b">A <em>b</em></h2><p>One<br>two
    <img alt="a finding" src="x.png"></p><script>nor this</script><h3 id="c">C</h3></main>after"""
    found = search.entries("notebooks/x.html", "X", page)
    assert [entry[2:] for entry in found] == [
        ("", "Opening."),
        ("A b", "One two a finding"),
        ("C", ""),
    ]
    assert [entry.link for entry in found] == [
        "notebooks/x.html",
        "notebooks/x.html#a-b",
        "notebooks/x.html#c",
    ]


# --- the command's errors ---


def test_a_file_or_a_full_folder_gets_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for place, sentence in [(tmp_path / "file", "is a file"), (tmp_path, "is not empty")]:
        with pytest.raises(SystemExit) as caught:
            cli.main(["site", "--output", str(place)])
        said = capsys.readouterr().err.strip()
        assert caught.value.code == 2 and sentence in said and "\n" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
