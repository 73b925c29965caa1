"""Explorers that compute in the page: static/*.js of the site, held to Python by golden vectors.

Oracles: the views of the notebooks at settings drawn by chance, networks that are built and counted
while they run, torch's fusion weights with their gradients, and torchvision's suppression.
"""

import importlib
import json
import random
import shutil

import pytest
import torch
from lab import new_page
from lessons import NOTEBOOKS, read
from torchvision.ops import batched_nms

from effdet_lite import EfficientDet, EfficientNet, cost
from effdet_lite.fusion import fusion_weights
from effdet_lite.scaling import efficientdet, efficientnet
from effdet_lite.teach.kit.touch import KernelPad
from effdet_lite.teach.nb import n06_nms
from effdet_lite.teach.site.export import FOLDER
from effdet_lite.teach.site.live import LIVE, SCRIPTS, live_explorer, write_tables
from effdet_lite.teach.site.pads import section, state_of, write_modules

pytestmark = pytest.mark.slow
SETTINGS = 15  # of each view
MODULES = {
    "convolution_view": "n01_convolution",
    "bet_view": "n03_bet",
    "scaling_view": "n03_scaling",
    "weighting_view": "n05_weights",
    "step_view": "n06_nms",
    "detector_view": "n07_explorer",
}
ASK = """([view, all]) => all.map((settings) => {
    try {
        const { numbers, words } = window.course.views[view](settings, window.course.tables[view]);
        return [numbers, words];
    } catch (error) {
        return error.message;
    }
})"""


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """A page with the scripts and the tables, from a file."""
    folder = tmp_path_factory.mktemp("live")
    shutil.copytree(FOLDER / "static", folder / "static")
    write_tables(folder)
    names = ("tables", *(name for name in SCRIPTS if name != "live"))
    scripts = "".join(f'<script src="static/{name}.js"></script>' for name in names)
    page = f'<!doctype html><meta charset="utf-8"><script>window.course = {{}}</script>{scripts}'
    (folder / "page.html").write_text(page, encoding="utf-8")
    with new_page(browser, offline=True) as page:
        page.goto((folder / "page.html").as_uri())
        yield page
        assert not page.complaints


def explorers():
    """(view, controls) of every explorer of the course that computes in the page."""
    for path in NOTEBOOKS:
        for cell in read(path).cells:
            if found := live_explorer(cell.source if cell.cell_type == "code" else ""):
                yield found


def values_of(control):
    if "options" in control:
        return control["options"]
    count = round((control["high"] - control["low"]) / control["step"]) + 1
    return [round(control["low"] + place * control["step"], 9) for place in range(count)]


def asked_of_python(view, settings):
    function = getattr(importlib.import_module(f"effdet_lite.teach.nb.{MODULES[view]}"), view)
    try:
        answer = function(**settings)
    except ValueError as error:
        return str(error)
    return [[list(pair) for pair in answer.numbers.items()], answer.words]


def test_each_of_them_is_found_in_its_notebook():
    assert [view for view, _ in explorers()] == list(LIVE) == list(MODULES)


@pytest.mark.parametrize("view", MODULES)
def test_numbers_and_words_are_pythons_to_the_letter(page, view):
    (controls,) = (controls for name, controls in explorers() if name == view)
    chance = random.Random(0)
    settings = [
        {one["name"]: chance.choice(values_of(one)) for one in controls} for _ in range(SETTINGS)
    ]
    settings.append({one["name"]: one.get("options", [one["rest"]])[0] for one in controls})
    expected = [asked_of_python(view, one) for one in settings]
    found = page.evaluate(ASK, [view, settings])
    for one, ours, theirs in zip(settings, found, expected, strict=True):
        assert ours == theirs, json.dumps(one)


@pytest.mark.parametrize("phi", [-3, -0.75, 2.25, 7])
def test_costs_of_whole_networks_are_those_of_networks_that_are_built(page, phi):
    with torch.device("meta"):
        detector = EfficientDet(efficientdet(phi), 90)
        classifier = EfficientNet(efficientnet(phi))
    sides = efficientdet(phi).resolution, efficientnet(phi).resolution
    counted = [
        cost.count(one, 1, 3, side, side)
        for one, side in zip((detector, classifier), sides, strict=True)
    ]
    found = page.evaluate(
        """(phi) => {
            const { networks, tables: { detector_view: tables } } = window.course;
            const parts = Object.values(networks.byPart(tables, networks.efficientdet(phi)));
            const { width, depth, resolution } = networks.efficientnet(phi);
            return [parts, networks.byStage(tables, width, depth, resolution)].map(networks.sum);
        }""",
        phi,
    )
    assert found == [{"params": one.params, "macs": one.macs} for one in counted]


@pytest.mark.parametrize("way", ["fast", "softmax", "unbounded"])
def test_fusion_weights_and_their_slope_are_torchs(page, way):
    generator = torch.Generator().manual_seed(0)
    for pair in (torch.rand(30, 2, generator=generator, dtype=torch.float64) * 5 - 2).tolist():
        weights = torch.tensor(pair, dtype=torch.float64, requires_grad=True)
        factors = fusion_weights(weights, way)
        factors[0].backward()
        own, slope = page.evaluate(
            "([weights, way]) => window.course.numbers.factors(weights, way)", [pair, way]
        )
        assert own == pytest.approx(factors.tolist(), rel=1e-6, abs=1e-9)
        assert slope == pytest.approx(float(weights.grad[0]), rel=1e-5, abs=1e-9)


def test_suppression_keeps_what_torchvision_keeps(page):
    generator = torch.Generator().manual_seed(0)
    for threshold in (0.05, 0.3, 0.5, 0.8):
        corners = torch.rand(60, 2, generator=generator) * 40
        boxes = torch.cat([corners, corners + 5 + 30 * torch.rand(60, 2, generator=generator)], 1)
        labels = torch.randint(0, 3, (60,), generator=generator)
        scores = torch.linspace(1, 0.1, 60)
        steps = page.evaluate(
            "(all) => window.course.numbers.suppress(...all)",
            [boxes.tolist(), labels.tolist(), threshold],
        )
        kept = [step["best"] for step in steps[1:]]
        assert kept == batched_nms(boxes, scores, labels, threshold).tolist()
        assert (len(kept) < 60) == (threshold < 0.6) and steps[-1]["left"] == []


def test_boxes_that_go_are_drawn_larger_as_in_the_notebook(page):
    """Oracle: the outlines of the notebook's own picture."""
    drawn = page.evaluate(
        """() => {
            const { views, tables } = window.course;
            const { drawing } = views.step_view({ step: 1, threshold: 0.5 }, tables.step_view);
            const found = new DOMParser().parseFromString(drawing, "text/html");
            const names = ["x", "y", "width", "height"];
            return [...found.querySelectorAll("rect[stroke=black]")].map((one) =>
                names.map((name) => Number(one.getAttribute(name))));
        }"""
    )
    (axis,) = n06_nms.step_view(1, 0.5).figure.axes
    (dashed,) = [one for one in axis.collections if one.get_linestyles()[0][1] is not None]
    outlines = [path.get_extents() for path in dashed.get_paths()]
    expected = [[one.x0, one.y0, one.width, one.height] for one in outlines]
    assert len(drawn) == len(expected) > 1
    for ours, theirs in zip(drawn, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=0.06)


def test_a_kernel_works_without_python(browser, tmp_path):
    """Oracle: the pad in Python, one step further."""
    torch.manual_seed(0)
    image, weight = torch.randn(3, 6, 6), torch.randn(2, 3, 3, 3)
    (tmp_path / "static").mkdir()
    shutil.copyfile(FOLDER / "static" / "pads.js", tmp_path / "static" / "pads.js")
    write_modules(tmp_path)
    scripts = "".join(f'<script src="static/{name}.js"></script>' for name in ("modules", "pads"))
    pad = section(state_of(KernelPad(image, weight, made=5)), "<p>still</p>")
    head = '<!doctype html><meta charset="utf-8"><script>window.course = {}</script>'
    (tmp_path / "page.html").write_text(head + pad + scripts, encoding="utf-8")
    with new_page(browser, offline=True) as page:
        page.goto((tmp_path / "page.html").as_uri())
        page.get_by_role("button", name="Step").press("Enter")
        page.get_by_text(KernelPad(image, weight, made=6).in_words()).wait_for()
        assert not page.get_by_text("still").count() and not page.complaints


@pytest.mark.parametrize(
    ("value", "digits"),
    [(0.125, 2), (0.375, 2), (62_500 / 1e6, 3), (2.5, 0), (1234567.5, 1), (-0.0049, 2), (1e12, 0)],
)
def test_numbers_are_written_as_python_writes_them(page, value, digits):
    ask = "([value, digits]) => window.course.numbers.fixed(value, digits)"
    assert page.evaluate(ask, [value, digits]) == f"{value:,.{digits}f}"
