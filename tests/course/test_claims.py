"""The table of claims: one row a claim, and nothing in it that a stored notebook does not say.

Oracles: the tags of the notebooks' cells, what these cells put out, and each notebook's own closing
table.
"""

import re
from typing import NamedTuple

import pytest
from lessons import NOTEBOOKS, ROOT, code_cells, read

TABLE = ROOT / "notebooks" / "CLAIMS.md"
CLOSING = "What we found"
NOT_YET = "not tested yet"
VERDICTS = {"confirmed", "confirmed, with care", "not seen at this scale", "not so", NOT_YET}
# A number with its power, its × or its %; the digits of a name (C24, MBConv6) are none.
NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?:\^-?\d+|[×%](?! ?\d))?")


class Row(NamedTuple):
    claim: str
    words: str
    where: str
    measured: str
    verdict: str
    why: str

    @property
    def sections(self):
        """(notebook, section) for each that the row names: `[01](01_cost.ipynb): 1. This; 2.
        That`.
        """
        named = re.findall(r"\[\d\d\]\(([^)]+)\): ([^<\[]+)", self.where)
        return {
            (notebook, section.strip())
            for notebook, sections in named
            for section in sections.split("; ")
        }


def rows():
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if re.match(r"\| C\d", line):
            claim, words, where, measured, verdict = line.strip("| ").split(" | ")
            verdict, _, why = verdict.removeprefix("**").partition("**")
            yield Row(claim, words, where, measured, verdict, why.removeprefix(": "))


def numbers(text):
    return set(NUMBER.findall(text.replace(" %", "%").replace("\u2212", "-")))


def text_of(cell):
    """What a cell put out, as plain text."""
    return "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    )


def tagged(path):
    """(claim, section, text put out) for each claim that a code cell is tagged with, the closing
    table's aside.
    """
    section = ""
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            section = (re.findall(r"^## (.+)$", cell.source, re.MULTILINE) or [section])[-1]
        elif cell.cell_type == "code" and section != CLOSING:
            for tag in cell.metadata.get("tags", []):
                if tag.startswith("claim-"):
                    yield tag.removeprefix("claim-"), section, text_of(cell)


TESTED = [row for row in rows() if row.verdict != NOT_YET]
each_tested = pytest.mark.parametrize("row", TESTED, ids=lambda row: row.claim)


def test_every_claim_has_exactly_one_row():
    assert [row.claim for row in rows()] == [f"C{number}" for number in range(1, 26)]


def test_verdicts_are_of_the_five_and_conditions_are_said():
    assert {row.verdict for row in rows()} <= VERDICTS
    assert not [row.claim for row in TESTED if row.verdict != "confirmed" and not row.why]


def test_the_table_and_the_tags_name_the_same_sections():
    """Both ways: no section without its tag, and no tag that the table forgets."""
    told = {(row.claim, *place) for row in rows() for place in row.sections}
    assert told == {
        (claim, path.name, section) for path in NOTEBOOKS for claim, section, _ in tagged(path)
    }


def test_a_claim_is_untested_just_as_long_as_no_notebook_tests_it():
    untested = [row for row in rows() if row.verdict == NOT_YET]
    assert not [row.claim for row in untested if row.sections or row.measured != "–"]
    assert not [row.claim for row in untested if not re.fullmatch(r"notebook \d\d", row.where)]
    assert not [row.claim for row in TESTED if not row.sections]


@each_tested
def test_what_a_row_says_was_measured_stands_in_its_cells(row):
    put_out = [text for path in NOTEBOOKS for claim, _, text in tagged(path) if claim == row.claim]
    assert numbers(row.measured), "a row without a number measures nothing"
    missing = numbers(row.measured) - numbers("\n".join(put_out))
    assert not missing, f"no cell with the tag claim-{row.claim} puts out {sorted(missing)}"


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


def test_a_number_is_compared_whole_with_its_sign_of_times_or_percent():
    assert numbers("5,288,548 of 10^-12, 2×, 80 %, 5 × 5 and 0.5 in C24, MBConv6; 3×7") == {
        "5,288,548",
        "10^-12",
        "2×",
        "80%",
        "5",
        "0.5",
        "3",
        "7",
    }
    assert not numbers("4×") <= numbers("4") and not numbers("28") <= numbers(
        "288 and 2.8 and 1,228"
    )
