"""What notebook 00 shows. Oracles: torchvision's box_iou on `detect`, the EfficientDet paper, the
notebooks' own files, what matplotlib draws.
"""

import itertools
import json

import psutil
import pytest
import torch
from lessons import NOTEBOOKS, number
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torchvision.ops import box_iou

from effdet_lite.course import preflight
from effdet_lite.places import course_folder
from effdet_lite.predict import detect_photo
from effdet_lite.pretrained import published_url
from effdet_lite.scaling import PUBLISHED
from effdet_lite.teach.kit import page
from effdet_lite.teach.kit.judged import judged
from effdet_lite.teach.kit.progress import Done, done
from effdet_lite.teach.kit.shared import shipped, unseen_pictures
from effdet_lite.teach.kit.touch import DrawPad
from effdet_lite.teach.nb import n00_history as history
from effdet_lite.teach.nb import n00_map as course_map
from effdet_lite.teach.nb import n00_own as own
from effdet_lite.teach.nb import n00_rule as rule
from effdet_lite.teach.nb import n00_start as start

GUESSES = ({"00.a": None, "00.b": None, "00.c": None}, {"00.a": 40, "00.b": 1, "00.c": 127})


# --- a detector at work ---


def test_where_no_photographs_are_drawn_shapes_are_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EFFDET_LITE_BCCD", str(tmp_path / "nowhere"))
    start.show_detector_at_work()
    told = capsys.readouterr().out
    assert "circle" in told and "not on this computer" in told and "effdet-lite prefetch" in told


def test_what_is_found_on_a_drawing_is_what_the_detector_answers_on_the_pads_picture():
    pad = DrawPad(marks=start.FIRST_MARKS)
    assert torch.equal(start.drawing_as_picture(pad.value), pad.image())
    view = start.boxes_on_drawing(pad.value, 0.5)
    assert view.numbers == {"the detector finds": "1 circle, 2 triangles, 1 cross"}
    assert len(view.figure.axes[0].patches) == 4
    assert start.boxes_on_drawing([], 0.9).numbers == {"the detector finds": "nothing"}


def test_the_letter_has_boxes_with_low_thresholds_and_the_shapes_keep_theirs_without_it():
    """The notebook asks for the threshold, and tells it: a triangle on the letter, two more inside
    it with the lower one, and with the higher one a box around each of the three shapes alone.
    """
    model, about = shipped("shapes")
    picture = start.drawing_as_picture(start.FIRST_MARKS)
    drawn = {"circle": (17, 17, 55, 55), "cross": (72, 16, 112, 56), "triangle": (72, 73, 116, 111)}
    around = torch.tensor([[18.0, 72, 50, 112]])  # the lines of the letter
    for score, letters in ((start.LOWER, 3), (start.ASKED, 1), (0.55, 1), (start.HIGHER, 0)):
        found = start.detected(model, picture, score)
        names = [about["classes"][label] for label in found["labels"]]
        assert sorted(names[:3]) == ["circle", "cross", "triangle"]
        assert names[3:] == ["triangle"] * letters
        for name, box in zip(names[:3], found["boxes"], strict=False):
            assert box_iou(box[None], torch.tensor([drawn[name]], dtype=torch.float32)) > 0.8
        for row, box in enumerate(found["boxes"][3:]):
            grown = around + torch.tensor([-3, -3, 11, 3])  # its line is 5 px wide
            assert (box[:2] >= grown[0, :2]).all() and (box[2:] <= grown[0, 2:]).all()
            if row:  # the lower threshold's
                assert (box[:2] >= around[0, :2]).all() and (box[2:] <= around[0, 2:]).all()
    figure, told = start.letter_figure()
    assert told == {
        0.4: ["1 circle", "4 triangles", "1 cross"],
        0.6: ["1 circle", "1 triangle", "1 cross"],
    }
    assert [len(axis.patches) for axis in figure.axes] == [6, 3]


def by_hand(score):
    """Right boxes and all boxes of the thirty pictures: best score first, each takes the free
    object of its class that it overlaps most.
    """
    model, _ = shipped("shapes")
    right = boxes = objects = 0
    for index in range(30):
        image, target = unseen_pictures()[index]
        (found,) = model.detect(image[None], score_threshold=0.1, iou_threshold=0.5)
        kept = []
        for row in range(len(found["scores"])):
            overlaps = [box_iou(found["boxes"][[row]], found["boxes"][[one]]) for one in kept]
            if all(overlap <= 0.5 for overlap in overlaps):
                kept.append(row)
        free = set(range(len(target["labels"])))
        for row in kept:
            if found["scores"][row] < score:
                continue
            boxes += 1
            fitting = [one for one in free if target["labels"][one] == found["labels"][row]]
            overlap = {
                one: float(box_iou(found["boxes"][[row]], target["boxes"][[one]]))
                for one in fitting
            }
            best = max(overlap, key=overlap.get, default=None)
            if best is not None and overlap[best] >= 0.5:
                free.remove(best)
                right += 1
        objects += len(target["labels"])
    return right, boxes, objects


@pytest.mark.parametrize("score", [0.3, 0.5])
def test_the_counts_of_thirty_pictures_are_those_made_by_hand(score):
    right, boxes, objects = by_hand(score)
    counts = start.counted(score)
    assert counts["right"] == right == start.shapes_found(score)
    assert counts["right"] + counts["wrong"] + counts["double"] == boxes
    assert counts["right"] + counts["missed"] == objects == 127
    for guesses in GUESSES:
        view = start.believed_boxes(guesses, score, 3)
        assert view.numbers["shapes found"] == str(right)
        assert view.numbers["boxes in the thirty pictures"] == str(boxes)


def classes_of(labels):
    return [unseen_pictures().classes[label] for label in labels]


def test_the_pictures_come_each_once_and_begin_with_those_that_the_notebook_speaks_of():
    assert sorted(start.ORDER) == list(range(30))
    for shown, told in enumerate(("5 right, 1 wrong, 2 missed", "5 right, 1 double, 1 missed")):
        words = start.believed_boxes(GUESSES[0], 0.5, shown).words
        assert f"picture {shown + 1} has {told}" in words
        assert start.believed_boxes(GUESSES[0], 0.5, shown + 30).words == words


def test_in_the_first_picture_arms_of_a_cross_are_wrong_squares():
    """The first has a score above two right ones. A lower threshold finds the triangle, and takes
    a second arm for a square.
    """
    _, target, everything = start.thirty_pictures()[0]
    found = start.above(everything, 0.5)
    result = judged(found, target)
    wrong = result.kinds.index("wrong")
    assert result.kinds[wrong + 1 :] == ["right", "right"], "best first"
    assert classes_of(target["labels"][result.missed]) == ["cross", "triangle"]
    large = target["boxes"][result.missed[0]]
    for threshold, arms, missed in ((0.5, 1, 2), (0.41, 2, 1), (0.42, 2, 1)):
        found = start.above(everything, threshold)
        result = judged(found, target)
        boxes = [row for row, kind in enumerate(result.kinds) if kind == "wrong"]
        assert classes_of(found["labels"][boxes]) == ["square"] * arms
        for box in found["boxes"][boxes]:
            assert (box[:2] >= large[:2] - 1).all() and (box[2:] <= large[2:] + 1).all()
        named = classes_of(target["labels"][result.missed])
        assert named == ["cross", "triangle"][:missed]
    assert box_iou(*found["boxes"][boxes][:, None]) < 0.05, "not the same arm"


def test_the_double_box_of_the_second_picture_overlaps_just_enough_with_a_square():
    _, target, everything = start.thirty_pictures()[1]
    found = start.above(everything, 0.5)
    result = judged(found, target)
    row = result.kinds.index("double")
    overlaps = box_iou(found["boxes"], target["boxes"])
    square = int(overlaps[row].argmax())
    assert classes_of([found["labels"][row], target["labels"][square]]) == ["square", "square"]
    assert 0.5 <= overlaps[row, square] < 0.51
    right = [kind for kind, one in zip(result.kinds, overlaps[:, square], strict=True) if one > 0.5]
    assert right == ["right", "double"]


def test_the_answer_is_folded_and_has_the_threshold_at_which_the_counts_meet(monkeypatch):
    shown = []
    monkeypatch.setattr(page, "display", lambda data, raw: shown.append(data))
    start.show_where_counts_meet(0.5)
    (data,) = shown
    assert data["text/html"].startswith("<details><summary>")
    best = min(range(20, 91), key=lambda one: abs(sum_of_boxes(one / 100) - 127))
    assert f"{best / 100:.2f}" in data["text/html"] and start.counts_meet() == best / 100


# --- when a box is right ---


def test_the_sketch_has_one_box_on_each_side_of_a_half():
    """Two squares of side 40, moved by 6 and by 10."""
    overlaps = {"right": 34**2 / (2 * 40**2 - 34**2), "wrong": 30**2 / (2 * 40**2 - 30**2)}
    assert rule.sketched() == pytest.approx(overlaps)
    assert overlaps["wrong"] < 0.5 < overlaps["right"]


# --- this computer ---


def test_what_may_be_otherwise_a_minute_later_is_not_on_the_page(capsys, monkeypatch):
    """On a machine whose cores are all busy; the doctor tells it."""
    monkeypatch.setattr(psutil, "cpu_percent", lambda interval: 100.0)
    (busy,) = [one for one in preflight() if one.name == "cores"]
    start.show_preflight()
    told = capsys.readouterr().out
    assert not busy.ok and busy.sentence not in told and "Other programs" not in told
    assert "memory" in told and "trained detectors" in told


# --- why it mattered ---


def test_the_published_work_gives_the_ratios_that_the_paper_prints():
    """Table 2 prints for each other detector how many times the work it takes of the EfficientDet
    beside it, from numbers with more digits.
    """
    beside = ["d0", "d1", "d1", "d2", "d2", "d3", "d3", "d3", "d4", "d6"]
    printed = [28, 16, 21, 15, 25, 15, 23, 42, 24, 13]
    for other, name, ratio in zip(history.OTHERS, beside, printed, strict=True):
        assert other.work * 1e9 / PUBLISHED[name].macs == pytest.approx(ratio, abs=0.7), other.name


def test_d1_is_better_than_the_rival_with_a_sixteenth_of_the_work():
    assert PUBLISHED["d1"].accuracy > history.RIVAL.ap
    assert history.times_less_work() == pytest.approx(97 / 6.1)
    assert history.times_as_fast() == 25 / 16


@pytest.mark.parametrize("guesses", GUESSES)
def test_every_published_detector_is_inside_the_axes(guesses):
    axis = history.accuracy_and_work(guesses).figure.axes[0]
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    assert (left, right, low, high) == (1.7, 6000, 30, 58)
    points = [(one.work, one.ap) for one in history.OTHERS]
    points += [(one.macs / 1e9, one.accuracy) for name, one in PUBLISHED.items() if name[0] == "d"]
    assert all(left < work < right and low < ap < high for work, ap in points)
    assert "15.9" in history.work_and_time(guesses).words


def test_no_name_of_the_figure_lies_over_another():
    figure = history.accuracy_figure()
    figure.set_dpi(90)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    frames = [
        text.get_window_extent(canvas.get_renderer())
        for text in figure.axes[0].texts
        if text.get_text()
    ]
    assert len(frames) > 14
    assert not [pair for pair in itertools.combinations(frames, 2) if pair[0].overlaps(pair[1])]


# --- the map ---


def stops():
    return {name: stop for row in course_map.PARTS.values() for name, stop in row.items()}


def test_the_map_has_every_notebook_once_and_leads_forward():
    assert sorted(stops()) == [number(path) for path in NOTEBOOKS]
    for name, stop in stops().items():
        assert all(earlier < name for earlier in stop.after)
        assert stop.after or name == "00"


def test_the_map_says_what_is_done_and_where_to_go(capsys):
    course_map.draw_map_of_course()
    told = capsys.readouterr().out
    total = sum(one.total for one in done().values())
    assert f"0 of {total} exercises are done" in told
    assert all(f"({path.name})" in told for path in NOTEBOOKS)


def test_words_stay_inside_their_cards_and_cards_that_are_done_look_different():
    states = {name: Done(3, 5, 0, 0) for name in stops()} | {"00": Done(5, 5, 0, 0)}
    figure = course_map.map_figure(states | {"01": Done(0, 5, 0, 0)})
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axis = figure.axes[0]
    cards = [patch.get_window_extent() for patch in axis.patches]
    words = [text for text in axis.texts if text.get_text()]  # arrows are texts without any
    texts = [text.get_window_extent(canvas.get_renderer()) for text in words]
    inside = [one for one in texts if any(card.x0 <= one.x0 <= card.x1 for card in cards)]
    for text in inside:
        assert any(
            card.x0 <= text.x0 and text.x1 <= card.x1 and card.y0 <= text.y0 and text.y1 <= card.y1
            for card in cards
        )
    assert len(inside) >= 3 * len(cards)
    assert len({patch.get_facecolor() for patch in axis.patches}) == 3


# --- a picture of one's own ---


def test_a_picture_of_ones_own_gets_the_boxes_of_detect_photo():
    photo = own.example_photograph()
    view = own.boxes_on_picture(photo, own.SHAPES, 0.5)
    model, about = shipped("shapes")
    options = {"score_threshold": 0.5, "iou_threshold": 0.5}
    found = detect_photo(model, photo, about["size"], **options)
    told = view.numbers["it finds"]
    for label, name in enumerate(about["classes"]):
        assert (name in told) == bool((found["labels"] == label).any())
    floating = own.boxes_on_picture(photo.float() / 255, own.SHAPES, 0.5)
    assert floating.numbers == view.numbers


def test_the_portrait_has_the_boxes_that_the_notebook_tells_and_one_step_up_takes_one_away():
    """The chin (of the portrait's 512 × 600 px) is a red cell, the top of the cap a platelet."""
    told = [own.boxes_on_picture(own.example_photograph(), own.CELLS, one) for one in (0.35, 0.4)]
    assert [view.numbers["it finds"] for view in told] == ["1 red cell, 1 platelet", "1 red cell"]
    frames = [one for one in told[0].figure.axes[0].patches if one.get_width() < 500]
    chin, cap = (one.get_bbox() for one in frames)
    assert chin.contains(256, 335) and not chin.contains(256, 180)  # chin, eyes
    assert cap.y1 < 50 and 190 < cap.x0 < cap.x1 < 290


def test_without_a_picture_one_is_asked_for():
    with pytest.raises(ValueError, match="drop a picture first"):
        own.boxes_on_picture(None, own.SHAPES, 0.5)


def test_the_published_detector_is_offered_once_its_weights_are_there(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path))
    assert own.detectors_at_hand() == [own.CELLS, own.SHAPES]
    (tmp_path / published_url("d0").rpartition("/")[2]).touch()
    assert own.detectors_at_hand() == [own.CELLS, own.SHAPES, own.THINGS]


def test_the_published_detectors_labels_have_cocos_names(monkeypatch):
    """COCO's own ids, of the official annotation files: 1 person, 18 dog, 90 toothbrush."""
    monkeypatch.setattr(own, "from_pretrained", lambda name, progress: name)
    own.detector_named.cache_clear()
    model, size, classes = own.detector_named(own.THINGS)
    own.detector_named.cache_clear()
    assert (model, size, len(classes)) == ("d0", (512, 512), 90)
    assert (classes[0], classes[17], classes[89]) == ("person", "dog", "toothbrush")


def test_the_sentences_of_the_notebook_hold():
    """The detector was trained for the seconds that the checkpoints' page says, and the score at
    which the count is nearly right is the one that the notebook tells.
    """
    page = (course_folder() / "assets" / "checkpoints" / "README.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("| `bccd.safetensors`")]
    seconds = int(row.split("|")[3])
    assert round(seconds / 60) == 14
    text = json.dumps(json.loads(NOTEBOOKS[0].read_text(encoding="utf-8")), ensure_ascii=False)
    assert "in 14 minutes" in text
    best = min(range(20, 91), key=lambda one: abs(sum_of_boxes(one / 100) - 127))
    assert best == 41 and sum_of_boxes(0.42) == sum_of_boxes(0.41) == 129


def sum_of_boxes(score):
    counts = start.counted(score)
    return counts["right"] + counts["wrong"] + counts["double"]
