"""The page of the site in which detectors run, opened as a file without a network.

Oracles: torch on the detectors' files, torch's own counter, and Pillow.
"""

import numpy as np
import pytest
import torch
from axe import serious
from lab import MINUTE, new_page
from lessons import ROOT
from oracles import macs, parameters
from PIL import Image

from effdet_lite.checkpoint import load_detector
from effdet_lite.data import ShapesDetection
from effdet_lite.download import DownloadError
from effdet_lite.page.runtime import runtime_files
from effdet_lite.predict import detect_photo
from effdet_lite.teach.kit.judged import judged
from effdet_lite.teach.kit.words import with_minus
from effdet_lite.teach.site import inference
from effdet_lite.teach.site.build import build_site

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

PHIS = (-3, -2)  # of the four, so that the test takes seconds
MISSED = "8 3 2 3"  # the dashes of an object without a box
BOXES = """(all) => all.map((one) => {
    const width = one.closest("svg").viewBox.baseVal.width;
    const names = ["x", "y", "width", "height"];
    const sides = names.map((name) => Number(one.getAttribute(name)) / width);
    return [one.getAttribute("stroke-dasharray"), sides];
})"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    try:
        runtime_files()
    except DownloadError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("course") / "site"
    assert build_site(folder, explorers=(), detectors=PHIS) == []
    return folder


@pytest.fixture(scope="module")
def shared_page(browser, site):
    with new_page(browser, offline=True) as page:
        page.goto((site / "detectors.html").as_uri())
        said_of(page, "Drawing 1, ϕ = −3")
        yield page


@pytest.fixture
def page(shared_page, site):
    """The page; afterwards nothing went wrong, and nothing was asked for outside the folder."""
    yield shared_page
    assert not shared_page.complaints
    inside = (f"{site.as_uri()}/", "blob:", "data:")
    assert all(url.startswith(inside) for url in shared_page.asked)


@pytest.fixture(scope="module", params=PHIS)
def detector(request):
    """(phi, model, about) of a file."""
    name = f"shapes-phi{request.param}.safetensors"
    return request.param, *load_detector(ROOT / "assets" / "checkpoints" / name)


def said_of(page, beginning):
    page.wait_for_function(
        "words => document.querySelector('#detectors [role=status]').textContent.startsWith(words)",
        arg=beginning,
        timeout=2 * MINUTE,
    )
    return page.locator("#detectors [role=status]").inner_text()


def boxes_in(page, width):
    """(dashes, [left, top, right, bottom] in pixels of the picture) of each box that is drawn."""
    drawn = page.locator("#detectors svg .box rect:last-child").evaluate_all(BOXES)
    return [
        (dashes, [width * x, width * y, width * (x + wide), width * (y + high)])
        for dashes, (x, y, wide, high) in drawn
    ]


def set_slider(page, label, value):
    page.get_by_role("slider", name=label).fill(str(value))


def row_of(page, place):
    return page.locator("#detectors tbody tr").nth(place).locator("td").all_inner_texts()


@pytest.mark.parametrize("drawing", [0, 5, 11])
def test_each_network_finds_what_torch_finds(page, detector, drawing):
    phi, model, about = detector
    image, target = ShapesDetection("test", 128, 20)[drawing]
    pixels = (image * 255).round().to(torch.uint8)  # as they stand in the page
    found = detect_photo(model, pixels, about["size"], score_threshold=0.3)
    page.get_by_role("combobox", name="picture").select_option(index=drawing)
    set_slider(page, "ϕ", PHIS.index(phi))
    said = said_of(page, f"Drawing {drawing + 1}, ϕ = {with_minus(phi)}, ")
    ours = [box for dashes, box in boxes_in(page, 128) if dashes != MISSED]
    np.testing.assert_allclose(ours, found["boxes"], rtol=0, atol=1e-2)
    result = judged(found, target)
    counts = [str(result.count(kind)) for kind in ("right", "wrong", "double", "missed")]
    assert row_of(page, PHIS.index(phi))[4:8] == counts and len(ours)
    assert f": {counts[0]} right of {len(target['labels'])} objects, {counts[1]} wrong" in said
    assert page.locator("#detectors .stage").get_attribute("aria-label") == said


def test_parameters_and_macs_are_the_networks_own(page, detector):
    phi, model, about = detector
    counted = macs(model, torch.zeros(1, 3, *about["size"])) / 1e6
    told = row_of(page, PHIS.index(phi))[:4]
    ap = f"{about['result']['ap']:.3f}"
    assert told == [with_minus(phi), f"{parameters(model):,}", f"{counted:,.1f}", ap]


def test_phi_and_the_score_move_by_keyboard(page):
    page.get_by_role("combobox", name="picture").select_option(index=2)
    phi, score = (page.get_by_role("slider", name=name) for name in ("ϕ", "lowest score"))
    phi.press("Home")
    said_of(page, "Drawing 3, ϕ = −3, a score of 0.30")
    phi.press("ArrowRight")
    said_of(page, "Drawing 3, ϕ = −2, a score of 0.30")
    assert phi.get_attribute("aria-valuetext") == "−2"
    many = len(boxes_in(page, 128))
    score.press("End")
    said_of(page, "Drawing 3, ϕ = −2, a score of 0.95")
    assert not [box for dashes, box in boxes_in(page, 128) if dashes != MISSED]
    set_slider(page, "lowest score", 0.3)
    said_of(page, "Drawing 3, ϕ = −2, a score of 0.30")
    assert len(boxes_in(page, 128)) == many


def test_a_picture_of_ones_own_is_looked_at_and_a_broken_one_gets_a_sentence(page, tmp_path):
    Image.new("RGB", (200, 90), "navy").save(tmp_path / "mine.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    page.set_input_files("#detectors input[type=file]", tmp_path / "mine.png")
    said = said_of(page, "mine.png, ϕ")
    assert " found. " in said
    heads = page.locator("#detectors th").all_inner_texts()
    assert heads[4:] == ["found", "ms"]
    page.set_input_files("#detectors input[type=file]", tmp_path / "broken.png")
    said = said_of(page, "broken.png")
    assert said == "broken.png is not a picture that this browser can read: try a PNG or a JPEG."


def test_it_is_found_from_the_contents_and_fits_a_telephone(page, site):
    assert '<a href="detectors.html">' in (site / "index.html").read_text(encoding="utf-8")
    size = page.viewport_size
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.set_viewport_size(size)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(page, scheme):
    """Oracle: axe-core."""
    page.emulate_media(color_scheme=scheme)
    assert serious(page) == []


def test_without_a_runtime_the_site_is_built_without_them_and_says_so(tmp_path, monkeypatch):
    def refuse():
        raise DownloadError("no network.")

    monkeypatch.setattr(inference, "runtime_files", refuse)
    (note,) = build_site(tmp_path / "site", explorers=())
    assert note == "No detector runs in the site: no network."
    assert not (tmp_path / "site" / "detectors.html").exists()
    contents = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "Detectors do not run here" in contents and "detectors.html" not in contents
