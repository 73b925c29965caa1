"""The pages of `effdet-lite site`, opened as files in a browser that has no network.

Oracles: the stored notebooks, the files on the disk, and what the browser asks for and shows.
"""

import itertools
import re
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import pytest
from axe import serious
from lab import MINUTE, new_page
from lessons import NOTEBOOKS, ROOT, read

from effdet_lite import cli
from effdet_lite.teach.kit.checks import judge, load_exercises
from effdet_lite.teach.nb.n05_switches import switches_view
from effdet_lite.teach.site.build import build_site
from effdet_lite.teach.site.exercises import task_of
from effdet_lite.teach.site.live import is_live
from effdet_lite.teach.site.running import is_explorer

DRAWN = ("05",)  # the notebooks whose frames are drawn in the usual run
COMPUTED = {"05": "own_view"}  # of DRAWN, the views with a pad: the page draws in their place
# Keys that move a window or a box, and take two nodes of a neck or a box of several.
ON_A_PAD = ("Shift+ArrowRight", "Shift+ArrowRight", "Space", "ArrowRight", "Space")
FRAME = "(box) => box.querySelector('.shown').innerHTML"
SHOWN = """() => [...document.querySelectorAll("main img")].map(
    (image) => [image.alt, image.complete && image.naturalWidth > 0])"""
PAPER = "getComputedStyle(document.body).backgroundColor"
WORDS_OF_HITS = "() => [...document.querySelectorAll('#found a')].map((link) => link.href)"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "site"
    assert build_site(folder, explorers=DRAWN, most=8, detectors=()) == []
    return folder


@pytest.fixture(scope="module")
def whole_site(request, tmp_path_factory):
    if not request.config.getoption("--whole-site"):
        pytest.skip("the site of all notebooks takes minutes: pytest --whole-site builds it")
    folder = tmp_path_factory.mktemp("course") / "site"
    cli.main(["site", "--output", str(folder)])
    return folder


@pytest.fixture
def offline(browser, site):
    """A page without a network; in the end nothing went wrong in it, and it asked for nothing
    outside the site.
    """
    with new_page(browser, offline=True) as page:
        yield page
        assert not page.complaints
        assert all(url.startswith((f"{site.as_uri()}/", "data:", "blob:")) for url in page.asked)


def pages(site):
    return sorted(site.rglob("*.html"))


class Links(HTMLParser):
    """The addresses that a page names, and the names in it that can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.addresses, self.names = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src"):
                self.addresses.append(value)
            elif name == "id":
                assert value not in self.names, f"two things have the name {value}"
                self.names.add(value)


def stored_alts(notebook, computed):
    """The words of the pictures of a stored notebook, in order: each is a plain one with its words
    in its metadata, or stands in HTML. computed: a view that is left out.
    """
    alts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if is_explorer(output) and (is_live(cell) or f"Explorer({computed}" in cell.source):
                continue  # it has a drawing of the page's own in that place
            markup = output.get("data", {}).get("text/html", "")
            alts += HTMLPictures(markup).alts
            alts += [one["alt"] for one in output.get("metadata", {}).values() if "alt" in one]
    return alts


class HTMLPictures(HTMLParser):
    def __init__(self, markup):
        super().__init__()
        self.alts = []
        self.feed(markup)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.alts.append(dict(attributes)["alt"])


# --- every page ---


def test_every_page_opens_with_its_pictures_and_their_words_and_fits_a_telephone(offline, site):
    notebooks = {f"{path.stem}.html": path for path in NOTEBOOKS}
    offline.set_viewport_size({"width": 400, "height": 800})
    for path in pages(site):
        offline.goto(path.as_uri())
        pictures = offline.evaluate(SHOWN)
        assert all(alt.strip() and is_shown for alt, is_shown in pictures), path.name
        assert offline.locator("h1").count() and offline.title()
        assert offline.evaluate("document.documentElement.scrollWidth") <= 400, path.name
        if notebook := notebooks.pop(path.name, None):
            assert [alt for alt, _ in pictures] == stored_alts(
                read(notebook), COMPUTED.get(path.name[:2], "-")
            ), path.name
    assert not notebooks


def test_every_link_has_its_target_inside_the_folder(site):
    links = {path: Links(path) for path in pages(site)}
    for path, found in links.items():
        for address in found.addresses:
            parts = urlsplit(address)
            if parts.scheme:
                assert parts.scheme in ("https", "http", "mailto", "data"), address
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target.is_file() and target.is_relative_to(site), f"{path.name}: {address}"
            if parts.fragment:
                assert unquote(parts.fragment) in links[target].names, f"{path.name}: {address}"


def test_nothing_is_fetched_from_anywhere(site):
    """Also not by what a test does not press: no page, script or style names another address than
    in a link, and nothing tells of this machine.
    """
    for path in [*pages(site), *site.glob("static/*.*")]:
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text, path.name
        if path.suffix == ".html":
            assert not re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="https?:', text)
        elif path.name != "search.js":
            text = text.replace("http://www.w3.org/2000/svg", "")  # a name, which nobody asks for
            # A pad's module has an address in memory.
            found = re.findall(r"https?://|fetch\(|import\((?!addresses)|@import|url\((?!#)", text)
            assert not found, path.name


def test_the_folder_fits_on_a_stick(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) <= 40e6


# --- ways through the pages ---


def test_next_leads_through_every_notebook_in_order_and_back(offline, site):
    offline.goto((site / "index.html").as_uri())
    offline.get_by_role("link", name="0 · Start here").click()
    offline.locator("a[rel=next]").click()
    offline.wait_for_url(f"**/{NOTEBOOKS[1].stem}.html")
    offline.locator("a[rel=prev]").click()
    offline.wait_for_url(f"**/{NOTEBOOKS[0].stem}.html")
    assert not offline.locator("a[rel=prev]").count()
    names = [f"{path.stem}.html" for path in NOTEBOOKS]
    for name, behind in itertools.pairwise(names):
        for at, kind, to in [(name, "next", behind), (behind, "prev", name)]:
            page = (site / "notebooks" / at).read_text(encoding="utf-8")
            assert re.findall(rf'<a rel="{kind}" href="([^"]+)"', page) == [to]


def test_the_contents_name_every_page_that_is_gone_through(offline, site):
    offline.goto((site / "index.html").as_uri())
    linked = offline.evaluate("[...document.querySelectorAll('main a')].map((one) => one.href)")
    for name in (*(path.stem for path in NOTEBOOKS), "NOTATION", "CLAIMS", "INSTRUCTOR"):
        assert (site / "notebooks" / f"{name}.html").as_uri() in linked


@pytest.mark.parametrize("words", ["Titan V", "ANCHORS positive", "xyzzy"])
def test_search_finds_the_notebooks_that_have_the_words(offline, site, words):
    """Oracle: the sources. A section has all words, so its notebook has."""
    offline.goto((site / "notebooks" / "NOTATION.html").as_uri())
    offline.get_by_role("searchbox", name="Search all pages").type(words)
    offline.wait_for_function("window.course.rows")
    hits = offline.evaluate(WORDS_OF_HITS)
    told = offline.locator("#found [role=status]").inner_text()
    assert told.startswith(f"{len(hits)} section") or len(hits) == 30
    for hit in hits:
        source = PurePosixPath(unquote(urlsplit(hit).path)).relative_to(site)
        found = [
            one
            for end in (".ipynb", ".md", "")
            if (one := ROOT / source.with_suffix(end)).is_file()
        ]
        if found:
            text = found[0].read_text(encoding="utf-8").lower()
            assert all(word in text for word in words.lower().split()), hit
    assert bool(hits) == (words != "xyzzy")
    if hits:
        offline.keyboard.press("Enter")
        assert offline.evaluate("document.activeElement.href") == hits[0]
        offline.keyboard.press("Enter")
        offline.wait_for_url(hits[0])
    else:
        offline.keyboard.press("Escape")
        assert not offline.locator("#found").is_visible()


# --- explorers ---


def frame_of(box):
    """What an explorer shows, once a network has answered where one does."""
    told = box.locator("> .told")
    box.page.wait_for_function(
        "(told) => !told.textContent.endsWith('…')", arg=told.element_handle(), timeout=2 * MINUTE
    )
    return box.evaluate(FRAME)


def moves(box, control):
    """Move a control through all its values, and back to where it rests, since others may do
    nothing elsewhere; what the explorer shows at each.
    """
    kind = control.evaluate("(one) => one.type")
    rests = control.evaluate("(one) => one.value")
    seen = [frame_of(box)]
    if kind == "range":
        control.focus()
        control.press("Home")
        for _ in range(int(control.get_attribute("max"))):
            seen.append(frame_of(box))
            control.press("ArrowRight")
    elif kind == "select-one":
        for place in range(control.evaluate("(one) => one.options.length")):
            control.select_option(index=place)
            seen.append(frame_of(box))
    else:  # a box to tick, a button
        control.focus()
        control.press("Space")
    seen.append(frame_of(box))
    if kind == "range":
        control.fill(rests)
    elif kind == "select-one":
        control.select_option(rests)
    elif kind == "checkbox":
        control.press("Space")
    return seen


def all_controls_move(page, folder, number):
    """Every control of every explorer of a notebook changes its picture, by keyboard. Returns how
    many explorers move.
    """
    (path,) = (folder / "notebooks").glob(f"{number}_*.html")
    page.goto(path.as_uri())
    boxes = page.locator(".explorer").all()
    for box in boxes:
        controls = box.locator("> fieldset").locator("input, select, button").all()
        assert not box.locator(".rest").count()
        pad = box.get_by_role("application")
        if not controls or pad.count():
            # The matcher's pad stands further up.
            pad = pad if pad.count() else page.locator(".pad").get_by_role("application")
            pad.focus()
            seen = [frame_of(box)]
            for key in ON_A_PAD:
                page.keyboard.press(key)
                seen.append(frame_of(box))
            assert len(set(seen)) > 1, box.inner_text()
        for control in controls:
            assert len(set(moves(box, control))) > 1, control.evaluate("(one) => one.outerHTML")
            assert not box.evaluate(
                "(box) => [...box.querySelectorAll('img')].some((one) => !one.alt)"
            )
            assert box.locator(".told").inner_text()
    return len(boxes)


# (notebook, explorers that move): frames, a computed one and a pad; two computed; one.
@pytest.mark.parametrize(("number", "moving"), [("05", 3), ("03", 2), ("07", 1)])
def test_every_control_changes_its_picture_by_keyboard(offline, site, number, moving):
    assert all_controls_move(offline, site, number) == moving


def test_an_explorers_frames_are_pythons(offline, site):
    """Oracle: the view itself, asked here at every setting that the page has."""
    offline.goto((site / "notebooks" / "05_bifpn.html").as_uri())
    box = offline.locator(".explorer").first
    switches = [box.get_by_label(name) for name in ("way up", "skips", "pruned")]
    repeats = box.get_by_label("cells in a row")
    way = box.get_by_label("inputs are added by")
    last = int(repeats.get_attribute("max"))
    assert "Fewer settings than in JupyterLab: cells in a row" in box.inner_text()
    for *ticks, place, learned in itertools.product(*[[False, True]] * 3, (0, last), (0, 1)):
        for switch, tick in zip(switches, ticks, strict=True):
            switch.set_checked(tick)
        repeats.fill(str(place))
        way.select_option(index=learned)
        number = int(repeats.get_attribute("aria-valuetext"))
        view = switches_view(*ticks, repeats=number, weighting=["sum", "fast"][learned])
        rows = box.locator("tr").evaluate_all(
            "(rows) => rows.map((row) => [...row.cells].map((one) => one.innerText))"
        )
        assert rows == [list(row) for row in view.numbers.items()]
        assert box.locator("img").first.get_attribute("alt") == view.words
        assert box.get_by_role("status").inner_text() == view.words


def test_an_explorer_that_was_not_drawn_is_its_still_picture(offline, site):
    offline.goto((site / "notebooks" / "02_efficientnet.html").as_uri())
    assert not offline.locator(".explorer").count()
    assert offline.get_by_text("Without a kernel the controls rest at").count() == 4


@pytest.mark.slow
def test_the_whole_site_fits_on_a_stick_and_all_its_explorers_move(browser, whole_site):
    size = sum(path.stat().st_size for path in whole_site.rglob("*") if path.is_file())
    assert size <= 40e6
    with new_page(browser, offline=True) as page:
        for path in NOTEBOOKS:
            number = path.name[:2]
            moving = all_controls_move(page, whole_site, number)
            still = page.get_by_text("Without a kernel the controls rest at").count()
            shown = path.read_text(encoding="utf-8").count("Without a kernel the controls rest at")
            assert (still, moving) == (0, shown), path.name
        page.goto((whole_site / "notebooks" / "01_convolution_cost.html").as_uri())
        page.wait_for_function("document.querySelectorAll('.pad .touch').length === 2")
        assert not page.complaints


# --- how they look ---


def test_colors_follow_the_system_and_the_readers_choice(offline, site):
    papers = []
    for scheme in ("light", "dark"):
        offline.emulate_media(color_scheme=scheme)
        offline.goto((site / "index.html").as_uri())
        papers.append(offline.evaluate(PAPER))
    assert papers[0] == "rgb(255, 255, 255)" != papers[1]
    offline.get_by_label("Colors").select_option("light")
    assert offline.evaluate(PAPER) == papers[0]
    offline.goto((site / "notebooks" / "CLAIMS.html").as_uri())
    assert offline.evaluate(PAPER) == papers[0]  # the choice is kept


KINDS = (
    "index",
    "notebooks/00_start_here",
    "notebooks/03_compound_scaling",
    "notebooks/05_bifpn",
    "notebooks/06_anchors_and_losses",
    "notebooks/NOTATION",
    "notebooks/INSTRUCTOR",
    "notebooks/solutions/03.py",
)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1000, "light"), (400, "dark")])
@pytest.mark.parametrize("name", KINDS)
def test_nothing_keeps_anybody_out(offline, site, name, width, scheme):
    """Oracle: axe-core."""
    offline.set_viewport_size({"width": width, "height": 800})
    offline.emulate_media(color_scheme=scheme)
    offline.goto((site / f"{name}.html").as_uri())
    assert serious(offline) == []


def test_paper_is_white_and_has_no_controls(offline, site):
    offline.emulate_media(color_scheme="dark", media="print")
    offline.goto((site / "notebooks" / f"{NOTEBOOKS[0].stem}.html").as_uri())
    assert offline.evaluate(PAPER) == "rgb(255, 255, 255)"
    assert not offline.get_by_label("Colors").is_visible()
    assert offline.locator("main img").first.is_visible()


def test_what_is_wider_than_the_page_scrolls_by_keyboard(offline, site):
    offline.set_viewport_size({"width": 400, "height": 800})
    offline.goto((site / "notebooks" / f"{NOTEBOOKS[0].stem}.html").as_uri())
    wide = offline.evaluate(
        """() => [...document.querySelectorAll("main pre, main .scroll")]
            .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.tabIndex)"""
    )
    assert wide and set(wide) == {0}


# --- exercises ---


def in_page():
    """(name, exercise, what the page knows of it) for each that checks itself in the page."""
    for path in NOTEBOOKS:
        for name, exercise in load_exercises(path.name[:2]).items():
            if task := task_of(exercise):
                yield name, exercise, task


def tries(exercise):
    """Answers to an exercise: the right one, the known mistakes, and others near and far."""
    right, tolerance = exercise.right, exercise.tolerance or 1e-4
    yield right
    yield from (mistake for mistake, _ in exercise.mistakes)
    if isinstance(right, (int, float)):
        yield from (right * (1 + step * tolerance) for step in (-3, -0.5, 0.5, 3))
        yield from (0, -right, 1e9, right + 1)
    else:
        yield type(right)(reversed(right))
        yield type(right)([*right[:-1], right[0]])


def as_typed(answer, right):
    """The texts of the fields, or None for what cannot be typed there."""
    fields = answer if isinstance(right, (list, tuple)) else [answer]
    is_list = (
        isinstance(fields, (list, tuple)) and len(fields) == len(right)
        if fields is answer
        else True
    )
    if not is_list or not all(isinstance(one, (int, float, str, tuple)) for one in fields):
        return None
    return [str(one) for one in fields]


def test_the_page_judges_answers_as_python_does(offline, site):
    """Oracle: `checks.judge`, on every answer of every exercise that the page can check."""
    asked, expected = [], []
    for name, exercise, task in in_page():
        for answer in tries(exercise):
            typed = as_typed(answer, exercise.right)
            if typed:
                asked.append([task, typed])
                expected.append((name, typed, *judge(exercise, answer)))
    assert len(expected) > 200
    offline.goto((site / "notebooks" / f"{NOTEBOOKS[0].stem}.html").as_uri())
    ask = "(all) => all.map(([task, typed]) => window.course.judge(task, typed))"
    answers = offline.evaluate(ask, asked)
    found = [(name, typed, *one) for (name, typed, *_), one in zip(expected, answers, strict=True)]
    assert found == expected


@pytest.mark.parametrize(
    ("typed", "verdict"),
    [
        ("49152", "✓ 00.1 correct"),
        ("49,152", "✓ 00.1 correct"),
        ("3 * 128 ** 2", "✓ 00.1 correct"),
        ("3·128·128", "✓ 00.1 correct"),
        ("-(2 - 5) × 128^2 // 1 + 0", "✓ 00.1 correct"),
        ("  ", "○ 00.1 not tried yet"),
        ("128 * 128", "✗ 00.1 not yet: that is one number for each position"),
        ("(3, 128, 128)", "✗ 00.1 not yet: that is the shape of the tensor"),
        ("3,128,128", "✗ 00.1 not yet: that is the shape of the tensor"),
        ("7", "✗ 00.1 not yet: multiply the height"),
        ("alert(1)", "✗ 00.1 not yet: that is no number"),
        ("3 * (128", "✗ 00.1 not yet: that is no number"),
    ],
)
def test_an_exercise_checks_what_is_typed(offline, site, typed, verdict):
    offline.goto((site / "notebooks" / "00_start_here.html").as_uri())
    offline.get_by_label("Your answer to 00.1").fill(typed)
    offline.keyboard.press("Enter")
    told = offline.get_by_role("region", name="Exercise 00.1").get_by_role("status")
    assert told.inner_text().startswith(verdict)


def test_an_exercise_of_several_answers_has_a_field_for_each(offline, site):
    offline.goto((site / "notebooks" / "01_convolution_cost.html").as_uri())
    box = offline.get_by_role("region", name="Exercise 01.2")
    box.get_by_label("1 of 2").fill("1")
    box.get_by_role("button", name="Check").click()
    assert "2 answers are asked for" in box.get_by_role("status").inner_text()
    box.get_by_label("2 of 2").fill("1/2")
    box.get_by_role("button", name="Check").click()
    assert box.get_by_role("status").inner_text() == "✓ 01.2 correct"


def test_each_exercise_that_needs_no_program_has_its_form_once(site):
    names = [name for name, *_ in in_page()]
    assert len(names) > 20
    text = "".join(
        path.read_text(encoding="utf-8") for path in sorted(site.glob("notebooks/*.html"))
    )
    assert re.findall(r'aria-label="Exercise ([^"]+)"', text) == names
