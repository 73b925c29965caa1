"""The course's terms: one list, in NOTATION.md, and none is used before it is explained.

Oracles: NOTATION.md, and small notebooks with a planted early term.
"""

import nbformat
import pytest
from proofreading.allowed import Allowed
from proofreading.pages import Page
from proofreading.terms import early_terms, explained_at, for_readers, homes, patterns


def notebook(tmp_path, *cells, name="06_anchors.ipynb"):
    """A page of these cells: a text, or (code, what it printed)."""
    made = []
    for cell in cells:
        if isinstance(cell, str):
            made.append(nbformat.v4.new_markdown_cell(cell))
        else:
            code, printed = cell
            output = nbformat.v4.new_output("stream", name="stdout", text=printed)
            made.append(nbformat.v4.new_code_cell(code, outputs=[output]))
    return Page(tmp_path / name, nbformat.v4.new_notebook(cells=made))


def early(page, *lines):
    return [(one.cell, one.term) for one in early_terms(page, Allowed(list(lines)))]


EXPLAINED = "**IoU**, intersection over union, says how well two boxes overlap."


def test_the_patterns_are_of_terms_in_the_notation():
    """The list of terms and their homes is NOTATION.md; the patterns say how some of them look."""
    assert set(patterns()) <= set(homes())
    assert len(homes()) > 60 and set(homes().values()) <= {f"{number:02}" for number in range(11)}
    assert sorted([*for_readers(), *patterns()]) == sorted(homes())


@pytest.mark.parametrize(
    ("words", "term"),
    [
        ("It takes 3 MACs", "MAC"),
        ("a multiply-add", "MAC"),
        ("two FLOPs", "FLOP, FLOPs"),
        ("many FLOPS", "FLOPS"),
        ("the IoU is", "IoU"),
        ("Anchors are", "anchor"),
        ("an NMS threshold", "NMS"),
        ("logits", "logit"),
        ("the neck", "neck"),
        ("by AdamW", "AdamW"),
        ("with SE", "SE"),
        ("squeeze-and-excitation", "SE"),
        ("the receptive field", "receptive field"),
        ("EMA weights", "EMA"),
        ("BiFPN", "BiFPN"),
        ("FPN", "FPN"),
        ("mAP", "AP"),
        ("stride 2", "stride"),
        ("its class head", "class head, box head"),
    ],
)
def test_terms_are_known_by_their_looks(words, term):
    assert term in [name for name, pattern in patterns().items() if pattern.search(words)]


@pytest.mark.parametrize(
    "words",
    ["a bottleneck", "MACHINE", "SENet", "the map", "ahead", "head of a table", "APPLE", "BASE"],
)
def test_other_words_are_no_terms(words):
    assert not [name for name, pattern in patterns().items() if pattern.search(words)]


@pytest.mark.parametrize(
    "before",
    [
        "An IoU of a half is enough.",
        "The answer lies in *IoU*.",
        "Intersection over union decides.",
        ("print(boxes)  # their IoU", ""),
        ('print(f"the IoU is {iou:.2f}")', ""),
        ('guess("06.a", "Which IoU do they have?", low=0, high=1)', ""),
        ("print(report)", "box  IoU\n1    0.5\n"),
    ],
)
def test_a_term_before_its_explanation_is_found(tmp_path, before):
    ((cell, _),) = early(
        notebook(tmp_path, "# 6 · Anchors", before, EXPLAINED, "The IoU is fine now.")
    )
    assert cell == 1


def test_it_is_found_within_one_text_as_well(tmp_path):
    assert early(notebook(tmp_path, f"See the IoU. {EXPLAINED}")) == [(0, "IoU")]
    assert early(notebook(tmp_path, f"{EXPLAINED} See the IoU.")) == []


@pytest.mark.parametrize(
    "before",
    [
        "## 1. IoU, and what it is for",
        "**By the end** you will be able to compute an IoU.",
        "**You will be able to** compute an IoU.",
        "*35 minutes · builds on 04 (FPN) · no GPU, no network*",
        "Call `box_iou(a, b)`, or `IoU`.",
        "MACs, strides and FPN are from earlier notebooks.",
        "How boxes become a number, the average precision, is told in notebook 09.",
        "AP (09) needs it.",
        "Go on with [09 AP and what it hides](09_evaluation.ipynb).",
        ("iou = box_iou(a, b)", ""),
    ],
)
def test_what_is_no_early_use_is_let_through(tmp_path, before):
    assert early(notebook(tmp_path, "# 6 · IoU", before, EXPLAINED)) == []


def test_a_term_of_a_later_notebook_may_be_explained_early(tmp_path):
    explained = "**ECE**, expected calibration error, is one number for a detector."
    assert early(notebook(tmp_path, "The ECE rises.")) == [(0, "ECE")]
    assert early(notebook(tmp_path, explained, "The ECE rises.")) == []
    assert early(notebook(tmp_path, "The ECE rises.", explained)) == [(0, "ECE")]
    assert early(notebook(tmp_path, "The ECE rises.", name="10_real_data.ipynb")) == []


def test_each_term_is_told_once_with_its_place(tmp_path):
    page = notebook(tmp_path, "An IoU. Another IoU.", "And IoU.")
    (found,) = early_terms(page, Allowed([]))
    assert (
        str(found)
        == '06_anchors.ipynb, cell 0: "IoU" is used and nowhere explained in bold. There: An IoU.'
    )
    assert explained_at(page, "IoU") is None
    assert explained_at(notebook(tmp_path, "First.", EXPLAINED), "IoU") == (1, EXPLAINED)


def test_a_line_of_the_list_lets_one_sentence_through(tmp_path):
    page = notebook(tmp_path, "The IoU of the title.", "Then IoU again.")
    line = {"notebook": "06", "term": "IoU", "sentence": "of the title", "reason": "a name"}
    assert early(page, line) == [(1, "IoU")]
