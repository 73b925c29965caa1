"""The table of claims, notebooks/CLAIMS.md, and the closing table of a notebook that must agree.

What a row says was measured has a form of its own, so that each number stands with its label:

    **8 × the MACs** compound: 0.596; resolution: 0.669<br>**base** 1 × the MACs: 0.413

Items stand between semicolons, and each is `label: value`. A label may go from the general to the
particular, `FPN › after fusion › P2`. What several labels begin with stands before them in bold,
and `<br>` begins another such group. A remark without a digit needs no label.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from effdet_lite.experiments.verdicts import Finding, verdict
from effdet_lite.places import course_folder
from effdet_lite.teach.kit.page import table

STEP = " › "  # between the parts of a label
NOT_YET = "not tested yet"  # in CLAIMS.md, in place of a verdict


class Item(NamedTuple):
    """One measured value, as text, and its label from the general to the particular."""

    label: tuple[str, ...]
    value: str

    def __str__(self):
        return f"{STEP.join(self.label)}: {self.value}"


class Row(NamedTuple):
    """One line of the table. why: what stands behind the verdict's colon."""

    claim: str
    words: str
    where: str
    measured: str
    verdict: str
    why: str

    @property
    def sections(self) -> set[tuple[str, str]]:
        """(notebook, section) for each that the row names, `[01](01_cost.ipynb): 1. This; 2. That`;
        of several notebooks each begins with `<br>`.
        """
        named = re.findall(r"\[\d\d\]\(([^)]+)\): ([^<\[]+)", self.where)
        return {
            (notebook, section.strip())
            for notebook, sections in named
            for section in sections.split("; ")
        }

    @property
    def last_notebook(self) -> str:
        """The number of the last notebook that the row names, "03" for instance: its closing table
        has the verdict.
        """
        return max(re.findall(r"\[(\d\d)\]", self.where))

    @property
    def items(self) -> list[Item]:
        """The measured values with their labels, in order; ValueError for a number without one."""
        return items(self.measured)


def items(measured: str) -> list[Item]:
    """The values of a text in the form above; ValueError for a number without a label."""
    found = []
    for group in measured.split("<br>"):
        start, shared, rest = re.match(r"(\s*\*\*(.+?)\*\*\s*)?(.*)", group, re.DOTALL).groups()
        for words in rest.split("; "):
            label, colon, value = words.rpartition(": ")
            if colon and re.search(r"\d", value):
                whole = f"{shared}{STEP}{label}" if start else label
                found.append(Item(tuple(whole.strip().split(STEP)), value.strip()))
            elif re.search(r"\d", words):
                raise ValueError(f"{words!r} has a number without a label: write `label: value`.")
    return found


def rows(text: str) -> list[Row]:
    """The rows of the table in CLAIMS.md's text, one a claim, in order."""
    found = []
    for line in text.splitlines():
        if re.match(r"\| C\d", line):
            claim, words, where, measured, last = line.strip("| ").split(" | ")
            told, _, why = last.removeprefix("**").partition("**")
            found.append(Row(claim, words, where, measured, told, why.removeprefix(": ")))
    return found


@dataclass(frozen=True)
class Claim:
    """What a notebook's closing cell says of one claim.

    name: "C12". words: the claim in short. measured: values as text, by their labels as CLAIMS.md
    has them, "8 × the MACs › compound". findings: one for each part of the claim, and none where
    nothing here can test it. care: the condition that the article's words need. says: what was
    measured in one sentence, shown in place of the labels and values. is_open: what tests it has
    not come to an end. is_part: another
    notebook has the verdict. is_live: the numbers are made anew on each machine, so they may differ
    from the table's.
    """

    name: str
    words: str
    measured: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    care: str = ""
    says: str = ""
    is_open: bool = False
    is_part: bool = False
    is_live: bool = False

    @property
    def verdict(self) -> str:
        """The verdict, by the rule of `experiments.verdicts`; of an open claim there is none."""
        if self.is_open:
            return NOT_YET
        return verdict(*self.findings, care=self.care)

    @property
    def why(self) -> str:
        """The condition, and what is no rule without exception; "" if there is neither."""
        exceptions = [finding.exception for finding in self.findings if finding.exception]
        return "; ".join([*([self.care] if self.care else []), *exceptions])

    def differences(self, row: Row) -> list[str]:
        """What the row of the table says otherwise, a sentence each; none if they agree.

        The values must be some of the row's, with the same labels and in the same order.
        """
        found = []
        if not self.is_part and self.verdict != row.verdict:
            found.append(
                f"{self.name}: the numbers say {self.verdict!r}, CLAIMS.md {row.verdict!r}"
            )
        mine = [Item(tuple(label.split(STEP)), value) for label, value in self.measured.items()]
        theirs = {item.label: item.value for item in row.items}
        for item in mine:
            told = theirs.get(item.label, "nothing")
            if told != item.value:
                found.append(f"{self.name}: {item} here, CLAIMS.md says {told}")
        order = [item.label for item in row.items]
        places = [order.index(item.label) for item in mine if item.label in theirs]
        if places != sorted(places):
            found.append(f"{self.name}: the values stand in another order than in CLAIMS.md")
        return found


def closing_table(*claims: Claim) -> None:
    """Show claim, measured values and verdict, one line a claim, and hold them to CLAIMS.md.

    Raises AssertionError, after the table is shown, where the numbers of a claim lead to another
    verdict than the table has, or are others; ValueError for a claim that it does not have. A claim
    whose numbers are live is shown as it came out, with the table's verdict beside it if they
    differ.
    """
    text = (course_folder() / "notebooks" / "CLAIMS.md").read_text(encoding="utf-8")
    by_name = {row.claim: row for row in rows(text)}
    lines, differences = [], []
    for claim in claims:
        if claim.name not in by_name:
            raise ValueError(f"CLAIMS.md has no row {claim.name!r}: give it one.")
        row = by_name[claim.name]
        words = f"{claim.verdict}: {claim.why}" if claim.why else claim.verdict
        if claim.is_part:
            words = f"part of it: notebook {row.last_notebook} has the verdict"
        elif claim.is_live and claim.verdict != row.verdict:
            words += f" (on this machine; in CLAIMS.md: {row.verdict})"
        if not claim.is_live:
            differences += claim.differences(row)
        name = f"{claim.name} (part)" if claim.is_part else claim.name
        listed = "; ".join(f"{label}: {value}" for label, value in claim.measured.items())
        measured = claim.says or listed
        lines.append([f"{name}: {claim.words}", measured, words])
    table(["claim", "measured here", "verdict"], lines)
    if differences:
        raise AssertionError(". ".join(differences))
