"""Explorers whose control is a pad, in the page: static/touched.js, held to Python.

Oracles: the views of the notebooks at values drawn by chance; for AP also faster-coco-eval, for the
IoU torchvision.
"""

import json
import random
import shutil

import pytest
import torch
from lab import new_page
from torchvision.ops import box_iou

from effdet_lite import fusion
from effdet_lite.evaluation import coco_ap_from_detections
from effdet_lite.experiments.plain import detector
from effdet_lite.teach.kit.widgets import Explorer, choice, slider
from effdet_lite.teach.nb import n04_window, n05_own, n06_matcher, n06_position, n09_game
from effdet_lite.teach.nb.n05_bifpn import switched
from effdet_lite.teach.site import touched
from effdet_lite.teach.site.explorers import _live
from effdet_lite.teach.site.export import FOLDER
from effdet_lite.teach.site.live import SCRIPTS
from effdet_lite.teach.site.pads import section, state_of, write_modules

pytestmark = pytest.mark.slow
SETTINGS = 15  # of each view
# The others are answered by networks: test_site_finding.py.
SYNCHRONOUS = [name for name, _ in touched.VIEWS.values() if not name.startswith("boxes_on_")]
HEAD = '<!doctype html><meta charset="utf-8"><script>window.course = {tables: {}}</script>'
ASK = """([view, table, all]) => all.map((settings) => {
    try {
        const { numbers, words, code } = window.course.views[view](settings, table);
        return [numbers, words, code ?? ""];
    } catch (error) {
        return error.message;
    }
})"""


def listener():
    torch.manual_seed(0)
    graphs = {"no fusion": fusion.fpn(range(2, 7)), "FPN": fusion.fpn(range(2, 7))}
    models = {name: detector(graph, 6).eval() for name, graph in graphs.items()}
    return n04_window.Listener(models, picture=5)


def explorers():
    """The explorers as the notebooks make them; 04's over networks that nobody trained."""
    ears = listener()
    anchors = choice("anchor", n06_position.ANCHOR_CHOICES)
    return {
        "window_view": Explorer(ears.view, window=ears.pad()),
        "own_view": Explorer(n05_own.own_view, edges=n05_own.neck_pad()),
        "position_view": Explorer(
            n06_position.position_view, position=n06_position.position_pad(), anchor=anchors
        ),
        "iou_view": Explorer(n06_matcher.iou_view, boxes=n06_matcher.two_boxes_pad()),
        "rule_view": Explorer(n06_matcher.rule_view, taken=n06_matcher.matcher_pad()),
        "ap_view": Explorer(n09_game.ap_view, boxes=n09_game.ap_pad("six boxes")),
    }


@pytest.fixture(scope="module")
def made():
    return explorers()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the scripts of the site."""
    folder = tmp_path_factory.mktemp("touched")
    shutil.copytree(FOLDER / "static", folder / "static")
    write_modules(folder)
    return folder


def scripts():
    names = ("modules", "pads", "explorers", *SCRIPTS)
    return "".join(f'<script src="static/{name}.js"></script>' for name in names)


@pytest.fixture(scope="module")
def page(browser, folder):
    (folder / "page.html").write_text(HEAD + scripts(), encoding="utf-8")
    with new_page(browser, offline=True) as page:
        page.goto((folder / "page.html").as_uri())
        yield page
        assert not page.complaints


def some_boxes(chance, count, side, scored):
    rows = []
    for _ in range(count):
        left, top = (chance.randrange(side - 10) for _ in "xy")
        right, bottom = (chance.randrange(one + 3, side + 1) for one in (left, top))
        score = {"score": round(chance.random(), 2)} if scored else {}
        rows.append({"box": [left, top, right, bottom], "label": 0, **score})
    return rows


def near(chance, boxes):
    """Boxes beside these, so that some are right and some are double."""
    moved = [[value + chance.randint(-6, 6) for value in box] for box in boxes]
    return [{"box": box, "label": 0, "score": round(chance.random(), 2)} for box in moved]


def some_edges(chance):
    """A part of BiFPN's edges and some others, most of them a neck that runs."""
    known = switched(*chance.choices([True, False], k=3)).edges
    outs = [(f"P{level}_in", f"P{level}_out") for level in range(2, 7)]
    legal = n05_own.neck_pad().legal
    edges = [*known, *outs, *map(tuple, chance.sample(legal, chance.randrange(3)))]
    edges = list(dict.fromkeys(edges))
    chance.shuffle(edges)
    return [] if n05_own._circle(edges) else [list(edge) for edge in edges]


def settings_of(view, chance):
    if view == "window_view":
        x, y = (chance.randint(-7, 120) for _ in "xy")
        return {"window": [x, y, x + n04_window.PROBED, y + n04_window.PROBED]}
    if view == "own_view":
        return {"edges": some_edges(chance)}
    if view == "position_view":
        position = chance.choice([[], [chance.randrange(64)], [chance.randrange(64)]])
        return {"position": position, "anchor": chance.choice(n06_position.ANCHOR_CHOICES)}
    if view == "iou_view":
        return {"boxes": some_boxes(chance, chance.choice([2, 2, 2, 1]), 64, False)}
    if view == "rule_view":
        return {"taken": sorted(chance.sample(range(9), chance.randrange(10)))}
    objects = chance.choices(n09_game.OBJECTS.int().tolist(), k=chance.randrange(6))
    return {"boxes": near(chance, objects) + some_boxes(chance, chance.randrange(3), 128, True)}


def asked_of_python(explorer, settings):
    try:
        answer = explorer.view(**settings)
    except ValueError as error:
        return str(error)
    code = answer.below.removeprefix("<pre>").removesuffix("</pre>").replace("&quot;", '"')
    return [[list(pair) for pair in answer.numbers.items()], answer.words, code]


@pytest.mark.parametrize("view", SYNCHRONOUS)
def test_numbers_and_words_are_pythons_to_the_letter(page, made, view):
    chance = random.Random(0)
    explorer = made[view]
    settings = [settings_of(view, chance) for _ in range(SETTINGS)]
    settings.append({name: control.value for name, control in explorer.controls.items()})
    expected = [asked_of_python(explorer, one) for one in settings]
    assert sum(isinstance(one, list) for one in expected) > SETTINGS / 2
    found = page.evaluate(ASK, [view, touched.recorded(explorer)["table"], settings])
    for one, ours, theirs in zip(settings, found, expected, strict=True):
        assert ours == theirs, json.dumps(one)


def test_ap_is_faster_coco_evals_and_iou_torchvisions(page):
    chance = random.Random(1)
    objects = n09_game.OBJECTS
    target = {"boxes": objects, "labels": torch.zeros(len(objects), dtype=torch.int64)}
    for _ in range(SETTINGS):
        rows = near(chance, objects.int().tolist()) + some_boxes(chance, 3, 128, True)
        boxes = torch.tensor([row["box"] for row in rows], dtype=torch.float32)
        scores = torch.tensor([row["score"] for row in rows], dtype=torch.float32)
        found = {"boxes": boxes, "scores": scores, "labels": torch.zeros(len(rows)).long()}
        theirs = coco_ap_from_detections([found], [target], ["box"])["ap50"]
        answer = page.evaluate(ASK, ["ap_view", {"objects": objects.tolist()}, [{"boxes": rows}]])
        assert dict(answer[0][0])["AP"] == f"{theirs:.3f}"
        pair = rows[:2]
        answer = page.evaluate(ASK, ["iou_view", {"side": 64}, [{"boxes": pair}]])
        assert dict(answer[0][0])["IoU"] == f"{float(box_iou(boxes[:1], boxes[1:2])):.2f}"


def shown(browser, folder, name, *parts):
    (folder / f"{name}.html").write_text(HEAD + "".join(parts) + scripts(), encoding="utf-8")
    return (folder / f"{name}.html").as_uri()


def as_section(explorer):
    still = "<p><em>Without a kernel the controls rest at: here</em></p><img alt='still'>"
    return _live(**touched.recorded(explorer), still=still)


def test_a_pad_is_moved_by_keys_and_the_answer_is_told(browser, folder, made):
    explorer = made["iou_view"]
    with new_page(browser, offline=True) as page:
        page.goto(shown(browser, folder, "iou", as_section(explorer)))
        page.get_by_role("application").focus()
        page.keyboard.press("Shift+ArrowRight")
        boxes = [dict(row) for row in explorer.controls["boxes"].value]
        boxes[0]["box"] = [22, 12, 52, 42]
        expected = explorer.view(boxes=boxes)
        page.get_by_text(expected.words, exact=False).first.wait_for(state="attached")
        told = page.locator(".told").inner_text()
        assert expected.numbers["IoU"] in told and not page.complaints


def test_a_circle_is_refused_with_pythons_sentence(browser, folder, made):
    with new_page(browser, offline=True) as page:
        page.goto(shown(browser, folder, "own", as_section(made["own_view"])))
        page.get_by_role("application").wait_for()
        reason = page.evaluate("""() => {
            const box = document.querySelector(".explorer script").textContent;
            const pad = JSON.parse(box).controls[0];
            const model = window.course.pads.modelOf(pad);
            const before = JSON.stringify(model.get("value"));
            const edges = [...model.get("value"), ["P2_out", "P6_out"]];
            let said = "";
            model.on("msg:custom", (message) => (said = message.said));
            model.send({ edges });
            return [said, JSON.stringify(model.get("value")) === before];
        }""")
        edges = [*n05_own.FPN_EDGES, ("P2_out", "P6_out")]
        assert reason == [f"Not possible: {n05_own._circle(edges)}", True] and not page.complaints


def test_the_last_position_is_the_only_one(browser, folder, made):
    with new_page(browser, offline=True) as page:
        page.goto(shown(browser, folder, "position", as_section(made["position_view"])))
        page.get_by_role("application").focus()
        for key in ("ArrowRight", "Space"):
            page.keyboard.press(key)
        taken = page.locator(".touch-state").inner_text()
        assert taken.count("row") == 1 and "row 3, column 2" not in taken
        assert taken.replace("row", "Row") in page.locator(".told").inner_text()


def test_a_pad_further_up_is_the_explorers_own(browser, folder):
    """As in notebook 06: the anchors are taken above, and the rule answers below."""
    pad = n06_matcher.matcher_pad()
    explorer = Explorer(n06_matcher.rule_view, taken=pad)
    parts = section(state_of(pad), "<p>still</p>"), as_section(explorer)
    with new_page(browser, offline=True) as page:
        page.goto(shown(browser, folder, "rule", *parts))
        assert page.get_by_role("application").count() == 1
        page.get_by_role("application").focus()
        for key in ("n", "Space"):
            page.keyboard.press(key)
        assert page.locator(".touch-state").inner_text() == "anchor 1"
        expected = dict(explorer.view(taken=[0]).numbers)
        assert (
            f"you took wrongly: {expected['you took wrongly']}"
            in page.locator(".told").inner_text()
        )


class Plain:
    """An explorer without a pad."""

    view = staticmethod(n06_matcher.iou_view)

    def __init__(self):
        self.controls = {"boxes": slider("boxes", 0, 1, 0)}


def test_an_explorer_without_a_pad_is_left_to_frames(tmp_path):
    assert touched.recorded(Plain()) is None
    assert not touched.record(Plain(), tmp_path / "frames.json") and not any(tmp_path.iterdir())
