"""The table of claims: one row a claim, and nothing in it that a stored notebook does not say.

Oracles: the tags of the notebooks' cells, what these cells put out, each notebook's own closing
table, exchanges that are planted in the table, and torchvision's ResNets.
"""

import itertools
import re

import pytest
import torch
import torchvision
from lessons import NOTEBOOKS, ROOT, code_cells, read
from measured import Output, Tables, begins, complaints

from effdet_lite.experiments.verdicts import VERDICTS
from effdet_lite.teach.kit.claims import items, rows
from effdet_lite.teach.kit.page import table_html

TABLE = ROOT / "notebooks" / "CLAIMS.md"
TEXT = TABLE.read_text(encoding="utf-8")
CLOSING = "What we found"
NOT_YET = "not tested yet"


def text_of(cell):
    """What a cell put out, as plain text."""
    return "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    )


def tagged(path):
    """(claim, section, output) for each claim that a code cell is tagged with, the closing table's
    aside.
    """
    section = ""
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            section = (re.findall(r"^## (.+)$", cell.source, re.MULTILINE) or [section])[-1]
        elif cell.cell_type == "code" and section != CLOSING:
            for tag in cell.metadata.get("tags", []):
                if tag.startswith("claim-"):
                    yield tag.removeprefix("claim-"), section, Output.of(cell)


@pytest.fixture(scope="module")
def outputs():
    """What the cells with a claim's tag put out, by claim."""
    found = {}
    for path in NOTEBOOKS:
        for claim, _, output in tagged(path):
            found.setdefault(claim, []).append(output)
    return found


ROWS = rows(TEXT)
TESTED = [row for row in ROWS if row.verdict != NOT_YET]
each_tested = pytest.mark.parametrize("row", TESTED, ids=lambda row: row.claim)


def test_every_claim_has_one_row_or_one_for_each_of_its_parts():
    """C21, or C21a, C21b and so on where parts have verdicts of their own."""
    names = [re.fullmatch(r"(C\d+)([a-z]?)", row.claim).groups() for row in ROWS]
    by_claim = {
        claim: "".join(part for _, part in parts)
        for claim, parts in itertools.groupby(names, key=lambda name: name[0])
    }
    assert list(by_claim) == [f"C{number}" for number in range(1, 26)]
    assert len(ROWS) == sum(max(1, len(parts)) for parts in by_claim.values())
    assert all("abcdef".startswith(parts) and len(parts) != 1 for parts in by_claim.values())


def test_verdicts_are_those_of_the_legend_and_conditions_are_said():
    legend = re.findall(r"^- \*\*(.+?)\*\*: ", TEXT, re.MULTILINE)
    assert legend == [*VERDICTS, NOT_YET]
    assert {row.verdict for row in ROWS} <= set(legend)
    assert not [row.claim for row in TESTED if row.verdict != "confirmed" and not row.why]


def test_the_table_and_the_tags_name_the_same_sections():
    """Both ways: no section without its tag, and no tag that the table forgets."""
    told = {(row.claim, *place) for row in ROWS for place in row.sections}
    assert told == {
        (claim, path.name, section) for path in NOTEBOOKS for claim, section, _ in tagged(path)
    }


def test_a_claim_is_untested_just_as_long_as_no_notebook_tests_it():
    untested = [row for row in ROWS if row.verdict == NOT_YET]
    assert not [row.claim for row in untested if row.sections or row.measured != "–"]
    assert not [row.claim for row in untested if not re.fullmatch(r"notebook \d\d", row.where)]
    assert not [row.claim for row in TESTED if not row.sections]


@each_tested
def test_what_a_row_says_was_measured_goes_by_that_label_in_its_cells(row, outputs):
    assert not complaints(row, outputs[row.claim])


@each_tested
def test_the_notebook_itself_comes_to_the_same_verdict(row):
    """In its closing table, whose last column it is; of several notebooks, the last one's."""
    last = max(notebook for notebook, _ in row.sections)
    lines = [
        line
        for cell in code_cells(read(TABLE.parent / last))
        for line in text_of(cell).splitlines()
    ]
    closing = [re.split(r"\s{2,}", line)[-1] for line in lines if re.match(rf"{row.claim}\b", line)]
    assert len(closing) == 1, f"{last} has no one line on {row.claim}"
    assert (
        max((verdict for verdict in VERDICTS if closing[0].startswith(verdict)), key=len)
        == row.verdict
    )


# --- the teeth ---


@each_tested
def test_no_two_values_of_a_row_can_change_places(row, outputs):
    """Each exchange is complained about, but of the same number with and without its range."""
    for one, other in itertools.combinations(row.items, 2):
        if begins(one.value, other.value) or begins(other.value, one.value):
            continue
        exchanged = [one._replace(value=other.value), other._replace(value=one.value)]
        planted = row._replace(measured="; ".join(map(str, exchanged)))
        assert complaints(planted, outputs[row.claim]), (str(one), str(other))


def exchanged_in(text, claim, one, other):
    """The claim's row, after these two pieces of it have changed places in the table's text."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {claim} |")]
    assert line.count(one) == line.count(other) == 1, (one, other)
    places = {one: other, other: one}
    pieces = re.split(f"({re.escape(one)}|{re.escape(other)})", line)
    (row,) = rows("".join(places.get(piece, piece) for piece in pieces))
    return row


@pytest.mark.parametrize(
    ("claim", "one", "other"),
    [
        ("C2", "+0.188 ± 0.010", "+0.287 ± 0.008"),
        ("C3", "**96 px** ", "**128 px** "),
        ("C8", "B4: 11.39; B5: 26.61", "B4: 13.60; B5: 26.11"),
        ("C8", "97.83", "96.28"),
        ("C12", "0.859 (0.739 – 0.932)", "0.850 (0.847 – 0.852)"),
        ("C16", "1 of 12", "28 of 36"),
        ("C16", "0 of 5", "4 of 5"),
        ("C18", "26.9 %", "33.6 %"),
        ("C20", "dots: ", "discs: "),
        ("C21b", "0.987", "0.958"),
        ("C25", "(width): 4×", "(width): 2×"),
    ],
)
def test_exchanges_that_sets_of_numbers_do_not_show(claim, one, other, outputs):
    """Each leaves the row's numbers as they are, and gives them to other arms."""
    assert not complaints(next(row for row in ROWS if row.claim == claim), outputs[claim])
    changed = exchanged_in(TEXT, claim, one, other)
    assert complaints(changed, outputs[claim])


TABLE_OF_ARMS = table_html(
    ["accuracy: mean (lowest – highest)", "2 ×", "12 ×"],
    [["FPN", "0.584 (0.545 – 0.607)", "−1.5 %"], ["FPN × 3", "0.619", "4×"]],
)
LINES = "counted:   6,912\n213 tensors, 5,288,548 parameters; B7 = 97.8 times\n"
CELLS = [Output(list(Tables(TABLE_OF_ARMS).cells()), LINES.splitlines())]


@pytest.mark.parametrize(
    "right",
    [
        "FPN › 2 ×: 0.584",
        "**accuracy › 2 ×** FPN: 0.584 (0.545 – 0.607); FPN × 3: 0.619<br>**FPN** 12 ×: -1.5%",
        "FPN × 3 › 12 ×: 4×",
        "accuracy = FPN › 2 ×: 0.584",
        "counted: 6,912; tensors: 213; B7: 97.8 times",
        "213 tensors › parameters: 5,288,548<br>Equal to the last bit.",
    ],
)
def test_a_value_with_its_label_passes(right):
    (row,) = rows(f"| C1 | words | where | {right} | **confirmed** |")
    assert complaints(row, CELLS) == []


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("FPN › 2 ×: 0.619", "is '0.584 (0.545 – 0.607)' in a cell"),
        ("FPN › 2 ×: 0.58", "is '0.584"),
        ("FPN › 2 ×: 0.584 (0.545 – 0.610)", "is '0.584"),
        ("2 ×: 0.584", "is '0.619'"),  # too vague: two arms have one
        ("FPN × 3 › 12 ×: 4", "is '4×'"),
        ("PANet › 2 ×: 0.584", "no cell with its tag puts out anything called"),
        ("FPN › 1: -1.5%", "no cell with its tag"),
        ("counted: 912", "is '6,912'"),
        ("parameters: 213", "is '5,288,548'"),
        ("FPN has 0.584", "has a number without a label"),
        ("Equal to the last bit.", "measures nothing"),
    ],
)
def test_what_the_cells_do_not_say_is_complained_about(wrong, complaint):
    (row,) = rows(f"| C1 | words | where | {wrong} | **confirmed** |")
    (told, *_) = complaints(row, CELLS)
    assert complaint in told


def test_labels_are_spelled_out_from_their_group():
    found = items("**8 × the MACs** compound: 0.596; resolution: 0.669<br>base: 0.413; see below")
    assert [(" › ".join(item.label), item.value) for item in found] == [
        ("8 × the MACs › compound", "0.596"),
        ("8 × the MACs › resolution", "0.669"),
        ("base", "0.413"),
    ]


# --- the remarks ---


def remarks():
    """(name, where) of the second table's rows."""
    return re.findall(r"^\| (R\d+) \| .+ \| (.+) \|$", TEXT, re.MULTILINE)


def test_each_remark_names_sections_that_exist():
    assert [name for name, _ in remarks()] == [f"R{number}" for number in range(1, 15)]
    headings = {
        (path.name, heading)
        for path in NOTEBOOKS
        for cell in read(path).cells
        if cell.cell_type == "markdown"
        for heading in re.findall(r"^## (.+)$", cell.source, re.MULTILINE)
    }
    for name, where in remarks():
        notebook, sections = re.fullmatch(r"\[\d\d\]\((.+?)\): (.+)", where).groups()
        for section in sections.split("; "):
            assert (notebook, section) in headings, f"{name}: {section}"


def test_from_resnet_18_to_101_more_than_depth_changes():
    """Remark R1, by torchvision."""
    with torch.device("meta"):
        small, middle, large = (
            getattr(torchvision.models, f"resnet{layers}")() for layers in (18, 34, 101)
        )
    assert type(small.layer1[0]) is type(middle.layer1[0]) is not type(large.layer1[0])
    assert small.fc.in_features == middle.fc.in_features == 512
    assert large.fc.in_features == 2048
    assert len(middle.layer3) > len(small.layer3)
