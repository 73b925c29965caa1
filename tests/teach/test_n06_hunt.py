"""The bug hunt of notebook 06: what is planted, what each bug does, and what gives nothing away.

Oracles: boxes worked out by hand, torchvision's transforms, the pipeline without a bug.
"""

from types import SimpleNamespace

import pytest
import torch
from matplotlib.transforms import Bbox
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as transform

from effdet_lite.teach.kit.plots import new_panels
from effdet_lite.teach.nb import n06_lineup as lineup
from effdet_lite.teach.nb import n06_pipeline as pipeline
from effdet_lite.teach.nb.n06_hunt import LETTERS, Hunt, Told, planted
from effdet_lite.teach.nb.n06_pipeline import HIDDEN, NAMED, SIDE

BOX = torch.tensor([[10.0, 20.0, 40.0, 60.0]])


def test_every_hunt_has_the_five_named_bugs_and_one_hidden_one():
    hunts = [planted(seed) for seed in range(60)]
    for one in hunts:
        assert list(one) == list(LETTERS)
        assert set(NAMED) < set(one.values()) and len(set(one.values()) & set(HIDDEN)) == 1
    assert len({tuple(one.values()) for one in hunts}) > 50
    assert {name for one in hunts for name in one.values()} == set(NAMED) | set(HIDDEN)
    assert planted(7) == planted(7)


@pytest.mark.parametrize("seed", [None, "0", 1.5, True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="a seed is a whole number"):
        planted(seed)


def test_hidden_bugs_do_what_torchvisions_flips_do():
    boxes = tv_tensors.BoundingBoxes(BOX, format="XYXY", canvas_size=(SIDE, SIDE))
    flips = {"mirrored": transform.horizontal_flip, "upside down": transform.vertical_flip}
    for name, flip in flips.items():
        expected = flip(boxes).as_subclass(torch.Tensor)
        torch.testing.assert_close(HIDDEN[name](BOX), expected)
    as_xywh = tv_tensors.BoundingBoxes(BOX, format="XYWH", canvas_size=(999, 999))
    expected = transform.convert_bounding_box_format(as_xywh, new_format="XYXY")
    torch.testing.assert_close(HIDDEN["converted twice"](BOX), expected.as_subclass(torch.Tensor))


@pytest.mark.parametrize(
    ("name", "boxes"),
    [
        ("resized", [20, 40, 80, 120]),
        ("swapped", [20, 10, 60, 40]),
        ("normalized", [20 / 256, 40 / 256, 80 / 256, 120 / 256]),
        ("sigmoid", [10, 20, 40, 60]),
        ("labels", [10, 20, 40, 60]),
    ],
)
def test_named_bugs_do_what_they_say_to_a_box_of_the_file(name, boxes):
    torch.testing.assert_close(NAMED[name].boxes(2 * BOX), torch.tensor([boxes]).float())
    assert NAMED[name].labels(torch.tensor([0, 2])).tolist() == (
        [-1, 1] if name == "labels" else [0, 2]
    )
    is_sound = name != "sigmoid"
    assert torch.equal(NAMED[name].scores(torch.zeros(1)), torch.tensor([0.5 if is_sound else 0.0]))


def test_an_answer_goes_with_its_hunt_and_none_with_none():
    assert Hunt(3).told(None) is None
    assert Hunt(3).told({"A": "swapped"}) == Told(3, {"A": "swapped"})


def test_the_answers_stay_hidden_until_they_are_really_wanted(capsys):
    Hunt(0).reveal()
    out = capsys.readouterr().out
    assert "stay hidden" in out
    assert not any(name in out for name in (*NAMED, *HIDDEN))


def test_the_list_of_names_is_the_same_for_every_hunt_and_names_no_hidden_bug():
    assert Hunt(0).listed == Hunt(5).listed
    assert list(Hunt(0).listed) == sorted(NAMED)


def test_the_true_boxes_are_those_of_the_files_halved():
    files = pipeline.files()
    assert files.pictures.shape == (4, 3, SIDE, SIDE)
    for file, true in zip(files.in_files, files.true, strict=True):
        torch.testing.assert_close(2 * true["boxes"], file["boxes"])
        assert true["boxes"].max() <= SIDE


def test_drawing_random_numbers_leaves_the_callers_as_they_were():
    pipeline.maps_and_anchors()  # loads the shipped detector
    before = torch.random.get_rng_state()
    pipeline.learn_by_heart(pipeline.files().true, steps=1)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.slow
def test_a_sound_pipeline_finds_all_and_each_bug_finds_less():
    """Each bug of the first hunt is there, although its loss falls as well."""
    sound = pipeline.run_with("")
    objects = sum(len(one["labels"]) for one in pipeline.files().true)
    assert (sound.count("right"), sound.count("missed")) == (objects, 0)
    for name, run in ((name, pipeline.run_with(name)) for name in planted(0).values()):
        assert run.losses[-1] < run.losses[0] / 5, name
        assert run.count("right") < objects, name


@pytest.mark.parametrize("picture", range(4))
def test_no_label_hides_much_of_another_object(picture):
    """At most a tenth of it, where all boxes are those of the objects."""
    true = pipeline.files().true
    figure, (axis,) = new_panels(4.6, 4.9, (0.02, 0.08, 0.96, 0.86))
    lineup._draw_trained_on(axis, SimpleNamespace(targets=true), picture)
    figure.draw_without_rendering()
    boxes = true[picture]["boxes"].tolist()
    assert len(axis.texts) == len(boxes)
    frames = [
        Bbox(axis.transData.transform([(left, bottom), (right, top)]))
        for left, top, right, bottom in boxes
    ]
    for text in axis.texts:
        for frame in frames:
            shared = Bbox.intersection(text.get_window_extent(), frame)
            hidden = shared.width * shared.height if shared else 0
            assert hidden <= frame.width * frame.height / 10, (picture, text.get_text())


@pytest.mark.slow
def test_a_lineup_says_in_words_what_it_draws():
    hunt = Hunt(0)
    found = lineup._lineup_words(hunt, "the boxes it finds", 1)
    on = lineup._lineup_words(hunt, "the boxes it is trained on", 1)
    for letter, name in planted(0).items():
        assert f"{letter}: " in found and f"{letter}: " in on
        assert name not in found and name not in on
    view = lineup.hunt_view(hunt, "sound", "the boxes it finds", 0)
    assert view.numbers["objects missed"] == "0"
    for figure in (view.figure, lineup._lineup(hunt, "the boxes it finds", 1)):
        figure.draw_without_rendering()
        key = figure.legends[0].get_window_extent()
        assert key.x0 >= 0 and key.x1 <= figure.bbox.width, "the key is cut off"
