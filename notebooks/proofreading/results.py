"""Results in prose: each stands in an output of its notebook, or in one sentence with its source.

A result is a decimal, a percentage, a factor, or a number of four digits and more. It is held by an output that it is a
rounding of, by a setting that stands in the code with the same digits, by a source in its sentence, by other numbers
of its sentence that give it, or by a line of `allowed.json`.
"""

import functools
import re
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

from proofreading.allowed import Allowed, read_allowed
from proofreading.pages import Page, Section, outputs_as_text, read
from proofreading.words import CODE_SPAN, FORMULA
from proofreading.written import Written, can_be, numbers

FEW_DIGITS = 3
YEARS = range(1900, 2051)
HEDGES = {
    "about": re.compile(r"\b(?:about|around|roughly|some)\s*$|[≈~]\s*$", re.IGNORECASE),
    "limit": re.compile(
        r"\b(?:nearly|almost|over|under|(?:more|less|fewer) than|up to|at (?:least|most))\s*$|[<>]\s*$", re.IGNORECASE
    ),
}
# What a number behind these words is the name of, and no result.
NAMES = re.compile(
    r"\b(?:section|sections|table|tables|figure|figures|fig|equation|eq|version|versions|notebook|notebooks|chapter"
    r"|exercise|exercises|claim|claims|step|steps of|page|pages|python|pytorch|torch|jupyterlab|arxiv|doi|seed|seeds"
    r"|line|lines|level|levels|row|rows|column|columns|stage|stages|block|v)\.?\s*(?:[\d.,]+\s*(?:,|and|to|or|–|-)\s*)*$",
    re.IGNORECASE,
)
# "ϕ = 1.4" is a setting, and 0.55 in "0.50, 0.55 … 0.95" a step of a series.
SETTING = re.compile(r"(?<!\w)[A-Za-zα-ωϕϵ][₁₂]?\s*[=≥≤<>]\s*[-−]?$|\bIoU\s*[=≥]?\s*$|…\s*$")
# A section of the notebook itself, "section 3", is no source; a paper's is "section 4.2" or "its section 3".
SOURCE = re.compile(
    r"\]\((?:https?:|\.\./|[^)]*CLAIMS\.md)|\barxiv\b|\bdoi\b|https?://|\bREADME\b"
    r"|\b(?:table|tables|figure|appendix|equation|eq\.|page)\s+[A-Z]?\d|\bsections?\s+\d+\.\d|\bits section\b"
    r"|\bthe (?:\w+ )?(?:papers?|article)(?:'s|’s)?\b|\bthe authors\b",
    re.IGNORECASE,
)
ELSEWHERE = re.compile(r"\b[Nn]otebooks?\s+((?:\d\d)(?:(?:,| and|,? or| to|–)\s*\d\d)*)|\]\((\d\d)_\w+\.ipynb")
EXERCISE = re.compile(r"\*\*\d\d\.\d\*\*|\bexercises? \d\d\.\d|\b0\d\.\d(?:\s*(?:,|and|to)\s*0\d\.\d)*\b")
SIZE = re.compile(r"(?:[\d,]+\s*[×x]\s*)+[\d,]+(?![\d.])")
OWN_SECTIONS = re.compile(r"\bsections?\s+(\d+(?:(?:,| and|,? or| to|–)\s*\d+)*)(?!\.?\d)")
OVERVIEW = re.compile(r"\bWhat we found\b|\bWhat you can do\b|\bYour guesses\b", re.IGNORECASE)
STATED = re.compile(r"^\*?\d+ minutes? ·|^\| minutes")


class Stale(NamedTuple):
    """A result that nothing holds. where: "of its section " if it had to stand there."""

    notebook: str
    cell: int
    sentence: str
    number: str
    nearest: list[str]
    where: str

    def __str__(self):
        near = f"; nearest in the outputs: {', '.join(self.nearest)}" if self.nearest else ""
        place = f"{self.notebook}, cell {self.cell}"
        return f'{place}: no output {self.where}has "{self.number}"{near}. The sentence: {self.sentence}'


def blanked(text: str) -> str:
    """The text with code, formulas, sizes, exercises' names and links' addresses blanked, every other character in
    its place.
    """
    for pattern in (CODE_SPAN, FORMULA, re.compile(r"\]\([^)]*\)"), re.compile(r"https?://\S+"), EXERCISE, SIZE):
        text = pattern.sub(lambda match: re.sub(r"\S", "_", match[0]), text)
    return text


def results(text: str) -> list[tuple[Written, str]]:
    """(number, the kind of hedge before it, of HEDGES, or "") for each result in a sentence."""
    plain = blanked(text)
    found = []
    for number in numbers(plain):
        before, after = plain[: number.at[0]], plain[number.at[1] :]
        is_year = number.text.isdigit() and int(number.text) in YEARS
        is_long = not number.has_point and number.value * number.scale >= 1000
        is_result = number.has_point or number.is_percent or is_long
        is_power = before.rstrip().endswith("^") or re.match(r"\s*\^|(?:,\s*[\d.]+)*,?\s*…", after)
        if is_result and not (is_year or is_power or NAMES.search(before) or SETTING.search(before)):
            hedges = [kind for kind, words in HEDGES.items() if words.search(before)]
            found.append((number, hedges[0] if hedges else ""))
    return found


def has_source(text: str) -> bool:
    """Whether a sentence says where its numbers are from."""
    return bool(SOURCE.search(CODE_SPAN.sub(" ", text)) or "`assets/" in text)


def is_computed(number: Written, text: str) -> bool:
    """Whether two other numbers of the sentence give this one: as sum, difference, product, quotient or share."""
    others = [other for other in numbers(text.replace("*", " ")) if other.text != number.text]
    if number.digits < 2 or len(others) > 7:
        return False  # something would nearly always give it
    pairs = list(permutations(others, 2))
    # "from 1.45 to 1.80 billion" may leave the unit away at one of them.
    operands = {(first.value, second.value) for first, second in pairs}
    operands |= {(first.value * first.scale, second.value * second.scale) for first, second in pairs}
    made = [value for a, b in operands for value in (a + b, a - b, a * b, *([a / b, (a - b) / b] if b else []))]
    return any(can_be(number, _plain_number(value)) for value in made if value)


def _plain_number(value: float) -> Written:
    return Written(f"{value:g}", abs(value), 0, 1, False, False, (0, 0))


class Held(NamedTuple):
    """What can hold a result: the numbers of outputs and of code, by the section that they stand in."""

    outputs: dict[str, list[Written]]
    settings: dict[str, list[Written]]

    @classmethod
    def of(cls, page: Page) -> "Held":
        """The numbers of this notebook."""
        titles = {sentence.cell: section.whole for sentence, section in page.sentences()}
        outputs: dict[str, list[Written]] = {"": []} | {section.whole: [] for _, section in page.sentences()}
        settings: dict[str, list[Written]] = {title: [] for title in outputs}
        title = ""
        for place, cell in enumerate(page.notebook.cells):
            title = titles.get(place, title)
            if cell.cell_type == "code":
                words = "\n".join(outputs_as_text(cell))
                outputs[title] += numbers(_spaced(words))
                settings[title] += code_numbers(cell.source)
        return cls(outputs, settings)

    def holds(self, number: Written, hedge: str, sections: set[str]) -> bool:
        """Whether an output, or a setting, has it. A few digits are found somewhere by chance, so they have to
        stand in one of these sections.
        """
        for title in self.outputs:
            if number.digits > FEW_DIGITS or title in sections:
                if any(can_be(number, output, hedge) for output in self.outputs[title]):
                    return True
                if any(_is_same(number, setting) for setting in self.settings[title]):
                    return True
        return False


def stale_results(page: Page, allowed: Allowed | None = None) -> Iterator[Stale]:
    """The results in this notebook's prose that nothing holds, in order.

    allowed: the lines of `allowed.json`, which is read where None is given. The notebooks that a sentence names as its
    source are looked for in the same folder.
    """
    allowed = read_allowed() if allowed is None else allowed
    own = Held.of(page)
    for sentence, section in page.sentences():
        if sentence.kind == "heading" or section.part in ("exercises", "references"):
            continue
        is_question = sentence.text.endswith("?")
        if is_question or STATED.search(sentence.text) or has_source(f"{sentence.above} {sentence.text}"):
            continue
        sections = sections_meant(sentence.text, section, list(own.outputs))
        there = _from_elsewhere(sentence.text, page.path.parent)
        for number, hedge in results(sentence.text):
            is_held = (
                own.holds(number, hedge, sections)
                or any(can_be(number, output, hedge) for output in there)
                or is_computed(number, blanked(sentence.text))
                or allowed.number(page.number, number.text, sentence.text)
            )
            if not is_held:
                everywhere = [one for found in own.outputs.values() for one in found] + there
                where = "" if number.digits > FEW_DIGITS else "of its section "
                near = nearest(number, everywhere)
                yield Stale(page.path.name, sentence.cell, sentence.text, number.text, near, where)


def sections_meant(text: str, section: Section, every: list[str]) -> set[str]:
    """The sections whose outputs a sentence may speak of: its own, the one before, and those that it names by number
    ("section 3"). In the opening and in the closing these are all.
    """
    if not section.whole or OVERVIEW.search(section.whole):
        return set(every)
    named = {number for found in OWN_SECTIONS.findall(text) for number in re.findall(r"\d+", found)}
    before = every[every.index(section.whole) - 1]
    return {section.whole, before} | {title for title in every if title.partition(".")[0] in named}


def code_numbers(code: str) -> list[Written]:
    """The numbers in code: settings, which a text may name."""
    return numbers(_spaced(re.sub(r"(?<=\d)_(?=\d)", "", code)))


def _spaced(text: str) -> str:
    """Units and signs that touch a number go away from it: "224px", "=0.1", "-2.4" and "8×5×5" are numbers too."""
    text = re.sub(r"(?<=\d)×(?=\d)", " × ", text.replace("−", "-"))
    text = re.sub(r"([=(])(?=[-+.\d])", r"\1 ", text)
    return re.sub(r"(?<!\w)[-+](?=\.?\d)", " ", text)


def _is_same(number: Written, setting: Written) -> bool:
    value = number.value * number.scale
    same = value if not number.is_percent else value / 100
    return abs(same - setting.value) < 1e-9 * max(1, same)


def _from_elsewhere(text: str, folder: Path) -> list[Written]:
    """The outputs' numbers of the notebooks that a sentence names."""
    found = []
    for names in ELSEWHERE.findall(text):
        for name in re.findall(r"\d\d", " ".join(names)):
            for path in folder.glob(f"{name}_*.ipynb"):
                found += output_numbers(path)
    return found


@functools.cache
def output_numbers(path: Path) -> list[Written]:
    """All numbers in the outputs of the notebook in this file."""
    return [one for found in Held.of(read(path)).outputs.values() for one in found]


def nearest(number: Written, there: list[Written], count: int = 3) -> list[str]:
    """The outputs' numbers that come nearest, as they are written there."""

    def distance(output: Written) -> float:
        ways = [output.value * output.scale / number.scale]
        if number.is_percent != output.is_percent:
            ways.append(100 * output.value if number.is_percent else output.value / 100)
        return min(abs(way - number.value) for way in ways)

    ordered = sorted(there, key=distance)
    return list(dict.fromkeys(output.text for output in ordered))[:count]
