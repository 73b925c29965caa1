"""The course's terms: none is used before the sentence that explains it, in bold.

NOTATION.md lists the terms and the notebook that introduces each. `terms.json` says how those look that can be told
from other words; all others ("map", "cell", "prior", "fused") are for readers to find.
"""

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from proofreading.allowed import Allowed, read_allowed
from proofreading.pages import Page, outputs_as_text, words_in_code
from proofreading.words import plain

FORMS = Path(__file__).with_name("terms.json")
NOTATION = Path(__file__).parents[1] / "NOTATION.md"
BOLD = re.compile(r"\*\*(.+?)\*\*")
# The name of a notebook may have any term in it.
NOTEBOOK = re.compile(r"\[[^\]]*\]\(\d\d_\w+\.ipynb[^)]*\)|\b\d\d_\w+")
# What a notebook promises, and what it builds on, is named before it is explained.
PROMISE = re.compile(r"\*\*(?:By the end|You will be able to)\b|^\*?\d+ minutes? ·|^\| minutes")


class Early(NamedTuple):
    """A term that is used before it is explained."""

    notebook: str
    cell: int
    term: str
    place: str
    explained: str

    def __str__(self):
        return f'{self.notebook}, cell {self.cell}: "{self.term}" is used {self.explained}. There: {self.place}'


@functools.cache
def homes(notation: Path = NOTATION) -> dict[str, str]:
    """The number of the notebook that introduces each term of NOTATION.md."""
    rows = re.findall(r"^\| (.+?) \| .+ \| (\d\d) \| [^|]*\|$", notation.read_text(encoding="utf-8"), re.MULTILINE)
    return {term: home for term, home in rows if term != "symbol or term"}


@functools.cache
def patterns() -> dict[str, re.Pattern]:
    """How the terms look that can be told from other words."""
    forms = json.loads(FORMS.read_text(encoding="utf-8"))
    return {term: re.compile(rf"(?<![\w-])(?:{'|'.join(looks)})(?![\w-])") for term, looks in forms.items()}


def for_readers() -> list[str]:
    """The terms that only a reader can find."""
    return [term for term in homes() if term not in patterns()]


def words_in_order(page: Page) -> Iterator[tuple[int, str, str]]:
    """(cell, kind, words) of all that somebody reads, in order. Headings are left out: they may name what their
    section explains.
    """
    texts: dict[int, list[str]] = {}
    promised = False
    for sentence, section in page.sentences():
        # A promise goes on to the end of its paragraph, which is most often one sentence.
        promised = bool(PROMISE.search(sentence.text))
        if sentence.kind != "heading" and not promised and section.part != "references":
            texts.setdefault(sentence.cell, []).append(sentence.text)
    for place, cell in enumerate(page.notebook.cells):
        for text in texts.get(place, []):
            yield place, "text", text
        if cell.cell_type == "code":
            yield from ((place, "code", line) for line in words_in_code(cell).splitlines())
            yield from ((place, "output", line) for words in outputs_as_text(cell) for line in words.splitlines())


def explained_at(page: Page, term: str) -> tuple[int, str] | None:
    """(cell, sentence) of the first one that has the term in bold; None where there is none."""
    for place, kind, words in words_in_order(page):
        if kind == "text" and any(patterns()[term].search(bold) for bold in BOLD.findall(words)):
            return place, words
    return None


def points_to(home: str, words: str) -> bool:
    """Whether a sentence says where its term will be explained: "how, notebook 09 tells"."""
    return bool(re.search(rf"\bnotebooks?\b[^.]*\b{home}\b|\({home}\b|\]\({home}_", words))


def early_terms(page: Page, allowed: Allowed | None = None) -> Iterator[Early]:
    """The terms that this notebook uses before it explains them, each once, where no earlier notebook has it.

    allowed: the lines of `allowed.json`, which is read where None is given.
    """
    allowed = read_allowed() if allowed is None else allowed
    for term, pattern in patterns().items():
        home = homes()[term]
        if home < page.number:
            continue
        explained = explained_at(page, term)
        for place, kind, words in words_in_order(page):
            if explained == (place, words):
                break
            text = NOTEBOOK.sub(" ", words)
            found = pattern.search(plain(text) if kind == "text" else text)
            if found and not points_to(home, words) and not allowed.term(page.number, term, words):
                where = f"before cell {explained[0]} explains it" if explained else f"and explained in {home} only"
                if not explained and home == page.number:
                    where = "and nowhere explained in bold"
                yield Early(page.path.name, place, found[0], words.strip()[:200], where)
                break
