"""What the rewritten notebooks say: their results, terms, minutes, imports and explorers' tasks.

Oracles: the notebooks' own stored outputs, NOTATION.md, and the sums of the minutes' rule. The
checks themselves are tested on planted mistakes, in the files beside this one.
"""

import json

import pytest
from lessons import NOTEBOOKS, number
from proofreading import REWRITTEN, allowed, look, pages, results, terms

HELD = [path for path in NOTEBOOKS if number(path) in REWRITTEN]


def test_the_list_names_notebooks():
    assert len(HELD) == len(REWRITTEN) == len(set(REWRITTEN))


@pytest.mark.parametrize("path", HELD, ids=lambda path: path.name)
def test_nothing_is_found(path):
    """What `python notebooks/store.py --look 01` prints."""
    found = look(path)
    assert not found, "\n".join(found)


def test_what_is_allowed_has_a_reason_and_is_still_needed():
    """A line whose sentence is gone goes, too."""
    lines = allowed.read_allowed().lines
    texts = {
        number(path): [sentence.text for sentence, _ in pages.read(path).sentences()]
        + [words for _, _, words in terms.words_in_order(pages.read(path))]
        for path in NOTEBOOKS
    }
    for line in lines:
        where = [line["notebook"]] if line["notebook"] != "*" else texts
        assert any(line["sentence"] in text for name in where for text in texts[name]), line


@pytest.mark.parametrize(
    "line",
    [
        {"notebook": "07", "number": "1,000", "sentence": "classes", "reason": " "},
        {"notebook": "07", "number": "1,000", "sentence": "", "reason": "known"},
        {"notebook": "07", "sentence": "classes", "reason": "known"},
        {"notebook": "07", "number": "1,000", "reason": "known"},
    ],
)
def test_a_line_without_a_reason_or_a_sentence_is_refused(tmp_path, line):
    file = tmp_path / "allowed.json"
    file.write_text(json.dumps([line]), encoding="utf-8")
    with pytest.raises(ValueError, match="is not a line; give notebook"):
        allowed.read_allowed(file)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_notebook_can_be_looked_at(path):
    """Also those of the first edition: whoever rewrites one looks at it first."""
    page = pages.read(path)
    assert page.number == number(path)
    assert all(isinstance(finding, str) for finding in look(path))
    assert len(results.Held.of(page).outputs) > 3  # it has sections, and these are told apart
