"""The explorers of notebook 00 that a detector answers, in the page: static/finding.js.

Oracles: torch on the detectors' files, by the views of the notebook; Pillow's drawing of a sheet.
"""

import json
import random

import numpy as np
import pytest
from axe import serious
from lab import MINUTE, new_page
from PIL import Image, ImageDraw

from effdet_lite.download import DownloadError
from effdet_lite.teach.kit.found import detected
from effdet_lite.teach.kit.plots import PALETTE
from effdet_lite.teach.kit.shared import shipped
from effdet_lite.teach.kit.touch import DrawPad, PictureDrop, picture_from
from effdet_lite.teach.kit.touch.drawing import STAMPS
from effdet_lite.teach.kit.widgets import Explorer, choice, slider
from effdet_lite.teach.nb import n00_own, n00_start
from effdet_lite.teach.site import inference, touched
from effdet_lite.teach.site.explorers import _live
from effdet_lite.teach.site.export import FOLDER
from effdet_lite.teach.site.live import SCRIPTS
from effdet_lite.teach.site.pads import write_modules

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>two explorers</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="static/site.css">
<script>window.course = {tables: {}, root: ""}</script><main><h1>Two explorers</h1>"""
THRESHOLDS = (0.3, 0.6)
NEAR = 0.02  # of scores
BUSY = "The network is at work …"
# What happens to a picture that a learner drew on the first explorer's sheet.
DRAW = """(marks) => {
    const box = document.querySelector(".explorer script").textContent;
    const pad = JSON.parse(box).controls.find(({ kind }) => kind === "pad");
    if (marks) window.course.pads.modelOf(pad).set("value", marks);
    return window.course.pads.modelOf(pad).get("value");
}"""
# Several drawings one after the other, before a network can answer; what is said until the last one
# has been answered for a while.
QUICKLY = """async (drawings) => {
    const box = document.querySelector(".explorer");
    const pad = JSON.parse(box.querySelector("script").textContent).controls[0];
    const said = new Set();
    const told = box.querySelector(".told");
    const watcher = new MutationObserver(() => said.add(told.textContent));
    watcher.observe(told, { childList: true });
    for (const marks of drawings) window.course.pads.modelOf(pad).set("value", marks);
    for (let turn = 0; turn < 40 || said.size < 2; turn++) {
        await new Promise((done) => setTimeout(done, 25));
    }
    watcher.disconnect();
    return [...said].filter((one) => !one.endsWith("…"));
}"""
RASTER = """async (marks) => {
    const { sheet } = JSON.parse(document.querySelector(".explorer script").textContent).table;
    const { rgba } = await window.course.rasterOf(marks, sheet);
    return [...rgba];
}"""
BOXES = """(all) => all.map((one) => {
    const width = one.closest("svg").viewBox.baseVal.width;
    const names = ["x", "y", "width", "height"];
    return names.map((name) => Number(one.getAttribute(name)) / width);
})"""


def explorers():
    """The two as the notebook makes them."""
    sheet = DrawPad("your drawing", marks=n00_start.FIRST_MARKS, shown=340)
    photograph = PictureDrop("your picture", picture=n00_own.example_photograph())
    threshold = slider("threshold", 0.2, 0.9, 0.5, 0.05)
    names = [*n00_own.FILES, n00_own.THINGS]  # as on a machine that has the published one, too
    which = choice("detector", names)
    return (
        Explorer(n00_start.boxes_on_drawing, drawing=sheet, threshold=threshold),
        Explorer(n00_own.boxes_on_picture, picture=photograph, detector=which, threshold=threshold),
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A page with both, and the networks that answer them."""
    folder = tmp_path_factory.mktemp("course") / "site"
    static = folder / "static"
    static.mkdir(parents=True)
    for path in (FOLDER / "static").iterdir():
        (static / path.name).write_bytes(path.read_bytes())
    write_modules(folder)
    try:
        inference.write_networks(folder, list(n00_own.FILES.values()))
    except DownloadError as error:
        pytest.skip(str(error))
    still = "<p><em>Without a kernel the controls rest at: here</em></p><img alt='still'>"
    sections = [_live(**touched.recorded(one), still=still) for one in explorers()]
    names = [f"static/{name}.js" for name in ("modules", "pads", "explorers")]
    names += [*inference.SCRIPTS, *(f"static/{name}.js" for name in SCRIPTS)]
    scripts = "".join(f'<script src="{name}"></script>' for name in dict.fromkeys(names))
    text = HEAD + "".join(sections) + "</main>" + scripts
    (folder / "page.html").write_text(text, encoding="utf-8")
    return (folder / "page.html").as_uri()


@pytest.fixture(scope="module")
def shared_page(browser, address):
    with new_page(browser, offline=True) as page:
        page.goto(address)
        page.get_by_role("application").wait_for()
        assert not [url for url in page.asked if "runtime" in url or "network-" in url]
        yield page


@pytest.fixture
def page(shared_page, address):
    """The page; afterwards nothing went wrong, and nothing was asked for outside the folder."""
    yield shared_page
    assert not shared_page.complaints
    inside = (address.removesuffix("page.html"), "blob:", "data:")
    assert all(url.startswith(inside) for url in shared_page.asked)


def box_of(page, number):
    return page.locator(".explorer").nth(number)


def answer_of(page, number):
    """What the explorer says, once it has been asked."""
    page.wait_for_function(
        """([number, busy]) => {
            const told = document.querySelectorAll(".explorer > .told")[number].textContent;
            return told && told !== busy;
        }""",
        arg=[number, BUSY],
        timeout=2 * MINUTE,
    )
    return box_of(page, number).locator(".told").inner_text()


def set_threshold(page, number, value):
    box_of(page, number).get_by_role("slider").fill(str(round((value - 0.2) / 0.05)))


def boxes_in(page, number, width):
    """[left, top, right, bottom] in pixels of the picture of each box that is drawn."""
    drawn = box_of(page, number).locator(".stage .box rect:last-child").evaluate_all(BOXES)
    return [[width * one for one in (x, y, x + wide, y + high)] for x, y, wide, high in drawn]


def same_boxes(ours, theirs):
    """Of two scores that are nearly the same, either may be the better one."""
    ours, theirs = sorted(ours), sorted(theirs.tolist())
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1)


def some_drawing(chance, count=4):
    """Marks of every kind, by chance."""
    colors = [PALETTE[name] for name in ("blue", "orange", "green", "black")]
    marks = []
    for _ in range(count):
        kind = chance.choice([*STAMPS, *STAMPS, "pen", "area"])
        color = {"kind": kind, "color": chance.choice(colors)}
        if kind in STAMPS:
            center = [chance.randint(24, 104), chance.randint(24, 104)]
            marks.append(color | {"center": center, "side": chance.randint(20, 44)})
        else:
            points = [[chance.randint(8, 120), chance.randint(8, 120)] for _ in range(4)]
            marks.append(color | {"points": points, "width": 5})
    return marks


def far_apart():
    """Four stamps, one in each corner."""
    corners = [(34, 34), (94, 34), (34, 94), (94, 94)]
    colors = [PALETTE[name] for name in ("blue", "orange", "green", "purple")]
    return [
        {"kind": kind, "center": list(center), "side": 36, "color": color}
        for kind, center, color in zip(STAMPS, corners, colors, strict=True)
    ]


def clear_thresholds(marks):
    """Two of the slider's, one low and one high, which no score comes near: the browser draws the
    edges of a mark a little differently, and scores are a little different.
    """
    model, _ = shipped("shapes")
    scores = detected(model, n00_start.drawing_as_picture(marks), 0.1)["scores"].tolist()
    steps = [round(0.2 + 0.05 * step, 2) for step in range(15)]
    clear = [one for one in steps if all(abs(one - score) > NEAR for score in scores)]
    assert len(clear) > 1
    return clear[0], clear[len(clear) // 2]


DRAWINGS = {
    "the first": list(n00_start.FIRST_MARKS),
    "four stamps": far_apart(),
    "nothing": [],
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_answered_as_python_answers_it(page, name):
    marks = DRAWINGS[name]
    model, _ = shipped("shapes")
    page.evaluate(DRAW, marks)
    for threshold in clear_thresholds(marks):
        set_threshold(page, 0, threshold)
        assert answer_of(page, 0) == n00_start.boxes_on_drawing(marks, threshold).words
        found = detected(model, n00_start.drawing_as_picture(marks), threshold)
        same_boxes(boxes_in(page, 0, 128), found["boxes"])
        label = box_of(page, 0).locator(".stage").get_attribute("aria-label")
        assert label == answer_of(page, 0)


def test_the_sheet_is_drawn_as_python_draws_it(page):
    """Oracle: Pillow."""
    chance = random.Random(0)
    for marks in (*DRAWINGS.values(), *(some_drawing(chance) for _ in range(5))):
        ours = np.reshape(page.evaluate(RASTER, marks), (128, 128, 4))[..., :3] / 255
        theirs = n00_start.drawing_as_picture(marks).permute(1, 2, 0).numpy()
        assert np.abs(ours - theirs).mean() < 0.01, json.dumps(marks)


def test_a_mark_made_by_keys_is_answered_and_the_newest_question_counts(page):
    chance = random.Random(1)
    page.evaluate(DRAW, [])
    threshold = clear_thresholds(DRAWINGS["the first"])[0]
    set_threshold(page, 0, threshold)
    page.get_by_role("application").focus()
    for key in ("2", "3", "Shift+ArrowLeft", "Space", "5", "Shift+ArrowRight", "Space"):
        page.keyboard.press(key)
    marks = page.evaluate(DRAW, None)
    assert [mark["kind"] for mark in marks] == ["circle", "triangle"]
    set_threshold(page, 0, clear_thresholds(marks)[1])
    assert answer_of(page, 0) == n00_start.boxes_on_drawing(marks, clear_thresholds(marks)[1]).words
    set_threshold(page, 0, threshold)
    said = page.evaluate(
        QUICKLY, [*(some_drawing(chance) for _ in range(3)), DRAWINGS["the first"]]
    )
    assert said == [n00_start.boxes_on_drawing(DRAWINGS["the first"], threshold).words]


# --- a picture ---


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """A JPEG that looks a little like blood under a microscope, with shapes in it."""
    chance = np.random.default_rng(0)
    image = Image.new("RGB", (330, 240), "#D8CFC4")
    pen = ImageDraw.Draw(image)
    for x, y in ((50, 60), (130, 150), (250, 70), (280, 180)):
        pen.ellipse((x - 34, y - 32, x + 34, y + 32), fill="#C08A86", outline="#A8706E", width=4)
    pen.ellipse((150, 20, 215, 85), fill="#7A4FA0", outline="#5A3A80", width=4)
    pen.rectangle((30, 160, 80, 210), fill="#0072B2")
    noise = chance.normal(0, 6, (240, 330, 3))
    pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("pictures") / "mine.jpg"
    Image.fromarray(pixels).save(path, quality=90)
    return path


def chooser(page):
    return box_of(page, 1).locator("input[type=file]")


def said_by_the_pad(page, beginning):
    page.wait_for_function(
        """(words) => [...document.querySelectorAll(".touch-said")].some(
            (one) => one.textContent.startsWith(words))""",
        arg=beginning,
        timeout=MINUTE,
    )
    return box_of(page, 1).locator(".touch-said").inner_text()


def as_python_answers(page, picture):
    for name in n00_own.FILES:
        box_of(page, 1).get_by_role("combobox").select_option(label=name)
        for threshold in THRESHOLDS:
            set_threshold(page, 1, threshold)
            expected = n00_own.boxes_on_picture(picture, name, threshold).words
            assert answer_of(page, 1) == expected, (name, threshold)
            found = n00_own.found_in(picture, name, threshold)
            same_boxes(boxes_in(page, 1, picture.shape[-1]), found["boxes"])


def test_the_example_is_answered_as_python_answers_it(page):
    as_python_answers(page, n00_own.example_photograph())
    names = box_of(page, 1).get_by_role("combobox").locator("option").all_inner_texts()
    assert names == list(n00_own.FILES)  # the published one is not packed


def test_a_picture_of_ones_own_is_answered_as_python_answers_it(page, photograph):
    content = photograph.read_bytes()
    chooser(page).set_input_files(photograph)
    assert said_by_the_pad(page, "Here is") == "Here is mine.jpg, 330 × 240 px."
    as_python_answers(page, picture_from({"name": "mine.jpg", "content": content}))
    assert box_of(page, 1).locator(".touch-dropped").get_attribute("alt") == "mine.jpg"


def test_a_broken_file_gets_a_sentence_and_changes_nothing(page, tmp_path):
    before = answer_of(page, 1)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    chooser(page).set_input_files(tmp_path / "broken.png")
    assert said_by_the_pad(page, "Not possible") == (
        "Not possible: broken.png is not a picture that this browser can read: try a PNG or a JPEG."
    )
    assert answer_of(page, 1) == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(page, scheme):
    """Oracle: axe-core."""
    page.emulate_media(color_scheme=scheme)
    assert serious(page) == []


def test_without_networks_the_explorers_stand_still(tmp_path):
    import nbformat

    from effdet_lite.teach.site.explorers import add_explorers

    still = "<p><em>Without a kernel the controls rest at: x</em></p>"
    output = nbformat.v4.new_output("display_data", {"text/html": still})
    cell = nbformat.v4.new_code_cell("Explorer(boxes_on_drawing)", outputs=[output])
    notebook = nbformat.v4.new_notebook(cells=[cell])
    network = {"script": "live/network-shapes.js"}
    found = {"touched": {"view": "boxes_on_drawing", "table": {"networks": {"shapes": network}}}}
    (tmp_path / "00_0.json").write_text(json.dumps(found))
    page = inference.PurePosixPath("notebooks/00_x.html")
    assert add_explorers(notebook, page, tmp_path, tmp_path) == []
    assert notebook.cells[0].outputs[0].data["text/html"] == still
