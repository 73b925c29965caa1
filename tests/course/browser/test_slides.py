"""The slides and handouts of all notebooks, as a browser shows them without a network.

Oracles: the stored notebooks, read here by nbformat alone, and Chromium's layout and printing.
"""

import re

import pytest
from lab import MINUTE, new_page
from lessons import NOTEBOOKS, ROOT, number, read

from effdet_lite import cli
from effdet_lite.teach.deck import runtime

SMALLEST = 17  # pixels of a slide's 720: twice what JupyterLab shows on a screen as high
SMALLEST_IN_PRINT = 6.9  # points
DETAILS = re.compile(r"<details\b.*?</details>", re.DOTALL)
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
FORMULA = re.compile(r"\$\$.+?\$\$", re.DOTALL)
WORD = re.compile(r"[^\W\d_]{4,}")
SLIDES = """async () => {
  const found = [];
  const shown = (slide, inside) => {
    const box = inside.getBoundingClientRect(), room = slide.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && box.left >= room.left - 1 && box.top >= room.top - 1
      && box.right <= room.right + 1 && box.bottom <= room.bottom + 1;
  };
  const said = (notes) => {
    notes.querySelectorAll("math").forEach((formula) => formula.remove());
    return notes.textContent;
  };
  for (let place = 0; place < Reveal.getTotalSlides(); place++) {
    const section = Reveal.getSlides()[place], { h, v } = Reveal.getIndices(section);
    Reveal.slide(h, v);
    const slide = section.querySelector(".slide");
    const images = [...slide.querySelectorAll("img")];
    await Promise.all(images.map((image) => image.decode()));
    const about = slide.querySelector(".about").getBoundingClientRect();
    const parts = [...slide.querySelectorAll(".body > *")];
    const texts = [...slide.querySelectorAll(".body *:not(math *)")].filter((element) =>
      [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    found.push({
      kind: slide.classList[1],
      text: slide.querySelector(".body").innerText,
      notes: said(section.querySelector("aside.notes")),
      alts: images.map((image) => image.alt),
      pictures: slide.querySelectorAll(".picture > .body > img").length,
      overflows: slide.scrollHeight > slide.clientHeight || slide.scrollWidth > slide.clientWidth,
      outside: parts.filter((part) => !shown(slide, part)).length,
      over: parts.filter((part) => part.getBoundingClientRect().bottom > about.top + 1).length,
      letters: Math.min(...texts.map((element) => parseFloat(getComputedStyle(element).fontSize))),
      number: document.querySelector(".slide-number").innerText.replaceAll(/\\s/g, ""),
    });
  }
  return found;
}"""
HANDOUT = """() => {
  const sheet = document.querySelector(".sheet");
  const room = sheet.getBoundingClientRect();
  const parts = [...sheet.querySelectorAll("*:not(math *)")];
  return {
    alts: [...document.images].map((image) => image.alt),
    guesses: document.querySelectorAll(".guesses > div").length,
    terms: document.querySelectorAll("dt").length,
    outside: parts.map((part) => part.getBoundingClientRect()).filter((box) =>
      box.bottom > room.bottom + 1 || box.right > room.right + 1).length,
    letters: Math.min(...parts.map((part) => parseFloat(getComputedStyle(part).fontSize))) * 0.75,
    text: sheet.innerText,
  };
}"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder that the command makes, with reveal.js from an installed package."""
    if not runtime.installed():
        pytest.skip("sphinx-revealjs, which carries reveal.js, is not installed")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("EFFDET_LITE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patched.setattr(runtime, "installers", lambda: pytest.fail("the network was asked"))
        output = tmp_path_factory.mktemp("made") / "slides"
        cli.main(["slides", "--output", str(output)])
    return output


@pytest.fixture
def offline(browser, made):
    """Opens a page of the folder; it asks for nothing outside, and nothing goes wrong in it."""
    with new_page(browser, offline=True) as page:

        def opened(name):
            page.goto((made / name).as_uri())
            return page

        yield opened
        assert not page.complaints
        inside = (f"{made.as_uri()}/", "data:")
        assert page.asked and all(url.startswith(inside) for url in page.asked)


def core_cells(path):
    """(heading, cell) of each cell before the deeper sections and the references."""
    heading = ""
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            found = re.findall(r"^##+ +(.+)$", cell.source, re.MULTILINE)
            heading = found[-1] if found else heading
        if heading.startswith(("Deeper:", "References")):
            return
        yield heading, cell


def pages(cell):
    return [output.get("data", {}) for output in cell.get("outputs", [])]


def expected_alts(path):
    """The words of each picture on the core path; explorers' stand in their HTML."""
    found = []
    for heading, cell in core_cells(path):
        if heading in ("Exercises", "What we found"):
            continue
        for output in cell.get("outputs", []):
            kinds = [kind for kind in output.get("data", {}) if kind.startswith("image/")]
            found += [output.metadata[kind]["alt"] for kind in kinds]
    return found


def expected_guesses(path):
    """The names of the guesses on the core path, by what their cells show."""
    shown = [data.get("text/plain", "") for _, cell in core_cells(path) for data in pages(cell)]
    return re.findall(r"^guess (\d\d\.\w+):", "\n".join(shown), re.MULTILINE)


def expected_explorers(path):
    return sum(
        DETAILS.sub("", data.get("text/html", "")).count("<img ")
        for _, cell in core_cells(path)
        for data in pages(cell)
    )


def words_said(path):
    """The words of all paragraphs before the deeper sections, in order."""
    text = "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    text = re.split(r"^## (?:Deeper:|References)", text, flags=re.MULTILINE)[0]
    text = re.sub(r"^#+ .*$", "", FORMULA.sub(" ", LINK.sub(r"\1", text)), flags=re.MULTILINE)
    return WORD.findall(text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_deck_shows_its_notebook_and_nothing_is_cut_off(path, offline):
    page = offline(f"{path.stem}.slides.html")
    page.wait_for_function("window.Reveal?.isReady()", timeout=MINUTE)
    slides = page.evaluate(SLIDES)
    for slide in slides:
        assert not slide["overflows"] and not slide["outside"] and not slide["over"], slide
        assert all(alt.strip() for alt in slide["alts"]), slide
        assert slide["letters"] is None or slide["letters"] >= SMALLEST, slide
    total = len(slides)
    assert [slide["number"] for slide in slides] == [
        f"{place + 1}/{total}" for place in range(total)
    ]
    alts = [alt for slide in slides for alt in slide["alts"]]
    figures = expected_alts(path)
    assert [alt for alt in alts if alt in figures] == figures
    pictures = sum(slide["pictures"] for slide in slides)
    assert pictures == len(figures) + expected_explorers(path)
    asked = [slide["text"] for slide in slides if slide["kind"] == "guess"]
    assert [re.findall(r"\d\d\.\w+", text)[0] for text in asked] == expected_guesses(path)
    said = WORD.findall(" ".join(slide["notes"] for slide in slides))
    assert said == words_said(path)


def test_s_opens_the_speakers_window_with_what_there_is_to_say(offline):
    page = offline(f"{NOTEBOOKS[1].stem}.slides.html")
    page.wait_for_function("window.Reveal?.isReady()", timeout=MINUTE)
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    first = WORD.findall(LINK.sub("", read(NOTEBOOKS[1]).cells[0].source.split("\n\n")[1]))[:5]
    popup.value.wait_for_function(
        "words => words.every(word => document.querySelector('.speaker-controls-notes')"
        "?.innerText.includes(word))",
        arg=first,
        timeout=MINUTE,
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_handout_is_one_sheet(path, offline):
    page = offline(f"{path.stem}.handout.html")
    found = page.evaluate(HANDOUT)
    assert found["alts"] and all(alt.strip() for alt in found["alts"])
    assert not found["outside"]
    assert found["letters"] >= SMALLEST_IN_PRINT
    core = set(expected_guesses(path))
    assert found["guesses"] == len(core) and all(name in found["text"] for name in core)
    notation = (ROOT / "notebooks" / "NOTATION.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in notation.splitlines() if line.startswith("| ")]
    assert found["terms"] == sum(row[-3].strip() == number(path) for row in rows)
    for paper in ("A4", "Letter"):
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper))) == 1


def test_the_first_page_leads_to_all_others(made, offline):
    links = offline("index.html").evaluate("[...document.links].map(link => link.href)")
    kinds = ("slides", "handout")
    assert links == [
        (made / f"{path.stem}.{kind}.html").as_uri() for path in NOTEBOOKS for kind in kinds
    ]
    assert all((made / link.rpartition("/")[2]).is_file() for link in links)
