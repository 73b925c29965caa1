"""Boxes, picks, edges and pictures that a pad takes and refuses.

Oracles: the values that were given, and Pillow for the pictures.
"""

import io
from datetime import datetime, timezone

import numpy as np
import pytest
import torch
from ipywidgets import FileUpload
from PIL import Image

from effdet_lite.data.pictures import ORIENTATION
from effdet_lite.graphs import bifpn
from effdet_lite.teach.kit.graphs import node_kinds, node_places
from effdet_lite.teach.kit.touch import BoxPad, EdgePad, PickPad, PictureDrop, picture_from

PICTURE = torch.zeros(3, 40, 60)
PLACES = {"A": (0, 0), "B": (1, 0), "C": (2, 1)}


# --- boxes ---


def test_boxes_come_back_as_tensors_for_an_evaluation():
    boxes = torch.tensor([[0, 0, 8, 8], [4.5, 4, 60, 40]])
    pad = BoxPad(PICTURE, boxes, torch.tensor([1, 0]), ("cat", "dog"), scores=[0.25, 1])
    found = pad.tensors()
    assert torch.equal(found["boxes"], boxes) and found["labels"].tolist() == [1, 0]
    assert found["scores"].tolist() == [0.25, 1] and found["labels"].dtype == torch.int64
    pad.value = []
    assert [tuple(found.shape) for found in pad.tensors().values()] == [(0, 4), (0,), (0,)]
    assert "scores" not in BoxPad(PICTURE, boxes).tensors() and pad.in_words() == "no boxes"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"boxes": [[0, 0, 61, 8]]}, "leaves the picture of 60 × 40"),
        ({"boxes": [[8, 0, 8, 8]]}, "empty"),
        ({"boxes": [[0, 0, 8]]}, "a box is"),
        ({"labels": [2]}, "from 0 to 1, not 2"),
        ({"labels": [0.5]}, "from 0 to 1, not 0.5"),
        ({"labels": [0, 1]}, "1 boxes and 2 labels"),
        ({"scores": [1.5]}, "score is a number from 0 to 1"),
        ({"scores": []}, "1 boxes and 0 scores"),
        ({"classes": ()}, "at least one class"),
        ({"most": 0}, "there may be 0 boxes"),
        ({"truth": [[0, 0, 99, 8]]}, "leaves"),
    ],
)
def test_boxes_that_are_none_are_refused(options, why):
    with pytest.raises(ValueError, match=why):
        BoxPad(PICTURE, **{"boxes": [[0, 0, 8, 8]], "classes": ("cat", "dog")} | options)


def test_scores_are_asked_for_only_where_a_pad_has_them():
    pad = BoxPad(PICTURE, [[0, 0, 8, 8]], scores=[0.5], truth=[[0, 0, 8, 8]])
    with pytest.raises(ValueError, match="a score is"):
        pad.value = [{"box": [0, 0, 8, 8], "label": 0}]


# --- picks ---


def test_what_is_taken_is_sorted_and_there_can_be_too_much():
    pad = PickPad(PICTURE, torch.eye(4), names=list("abcd"), most=2)
    pad.value = [3, 1]
    assert pad.value == [1, 3] and pad.in_words() == "b, d"
    with pytest.raises(ValueError, match="2 boxes may be taken, and not 3"):
        pad.value = [0, 1, 2]
    with pytest.raises(ValueError, match="from 0 to 3, not 4"):
        pad.value = [4]
    with pytest.raises(ValueError, match="no box"):
        PickPad(PICTURE, [])
    with pytest.raises(ValueError, match="4 boxes and 1 names"):
        PickPad(PICTURE, torch.eye(4), names=["a"])


# --- edges ---


def test_the_drawing_of_a_neck_can_be_edited():
    graph = bifpn((3, 4, 5))
    pad = EdgePad(node_places(graph), graph.edges, kinds=node_kinds(graph))
    assert [tuple(edge) for edge in pad.value] == list(graph.edges)
    places = {node["name"]: node["place"] for node in pad.nodes}
    assert places["P5_in"][1] < places["P3_in"][1], "coarse levels stand above"
    assert places["P3_in"][0] < places["P4_out"][0]
    assert all(0 < x < pad.size[0] and 0 < y < pad.size[1] for x, y in places.values())


@pytest.mark.parametrize(
    ("edges", "why"),
    [
        ([("A", "D")], "no node 'D', only A, B, C"),
        ([("A", "A")], "no edge A → A"),
        ([("A", "B"), ("A", "B")], "twice"),
        ([("A",)], "an edge is"),
        ("AB", "edges are a list"),
        ([("C", "A")], "no edge C → A"),
    ],
)
def test_edges_that_are_not_legal_are_refused(edges, why):
    legal = [("A", "B"), ("B", "C"), ("A", "A")]
    with pytest.raises(ValueError, match=why):
        EdgePad(PLACES, edges, legal=legal)


def test_a_function_has_the_last_word_on_all_edges_together():
    def refuse(edges):
        if len(edges) > 2:
            raise ValueError("a third edge is too much.")
        return None if ("A", "B") in edges else "B would get nothing."

    pad = EdgePad(PLACES, [("A", "B")], refuse=refuse)
    assert pad.asks
    said = []
    pad.send = lambda message: said.append(message["said"])
    ask = pad._on_proposal
    ask(pad, {"edges": [["A", "B"], ["B", "C"]]}, [])
    assert pad.value == [["A", "B"], ["B", "C"]] and not said
    ask(pad, {"edges": [["B", "C"]]}, [])
    ask(pad, {"edges": [["A", "B"], ["B", "C"], ["A", "C"]]}, [])
    ask(pad, {}, [])
    assert said[:2] == [
        "Not possible: B would get nothing.",
        "Not possible: a third edge is too much.",
    ]
    assert said[2].startswith("KeyError") and pad.value == [["A", "B"], ["B", "C"]]


def test_kinds_are_of_nodes_that_there_are():
    for kinds in ({"A": "input"}, {"D": "in"}):
        with pytest.raises(ValueError, match="kinds gives nodes one of in, between, out"):
            EdgePad(PLACES, kinds=kinds)
    with pytest.raises(ValueError, match="needs nodes"):
        EdgePad({})


# --- pictures ---


def file_of(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned_photo():
    """A JPEG of 40 × 20 px, left half white, that is to be shown turned by a quarter."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :20] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return file_of(Image.fromarray(pixels), "JPEG", exif=exif)


def test_a_picture_of_ones_own_is_read_upright():
    drop = PictureDrop()
    assert drop.value is None and drop.in_words() == "no picture yet"
    drop.dropped = {"name": "photo.jpg", "content": memoryview(turned_photo())}
    assert drop.value.shape == (3, 40, 20) and drop.value.dtype == torch.float32
    assert drop.value[:, :18].min() > 0.9 and drop.value[:, 22:].max() < 0.1
    assert drop.in_words() == "photo.jpg, 20 × 40 px" and drop.picture.startswith("data:image/png")


def test_what_is_no_picture_changes_nothing_and_is_said():
    drop = PictureDrop(picture=PICTURE)
    said = []
    drop.send = lambda message: said.append(message["said"])
    for name, content in (
        ("notes.txt", b"hello"),
        ("a.heic", b"x"),
        ("cut.jpg", turned_photo()[:99]),
    ):
        drop.dropped = {"name": name, "content": memoryview(content)}
        assert said[-1].startswith(f"Not possible: {name} is not a picture that can be read")
    assert torch.equal(drop.value, PICTURE)


def test_a_picture_from_a_button_for_uploads():
    upload = FileUpload()
    with pytest.raises(ValueError, match="no file was chosen yet"):
        picture_from(upload)
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    file = {"name": "a.png", "content": memoryview(file_of(Image.fromarray(pixels)))}
    about = {"type": "image/png", "size": 1, "last_modified": datetime.now(timezone.utc)}
    upload.value = (file | about,)
    for given in (upload, upload.value[0], file):
        assert np.array_equal(picture_from(given).mul(255).round(), pixels.transpose(2, 0, 1))
    with pytest.raises(ValueError, match="a file has a name and a content"):
        picture_from("a.png")
