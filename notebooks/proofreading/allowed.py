"""What the checks cannot place and let stand: `allowed.json`, a list of lines with a reason each.

    {"notebook": "07", "number": "1,000", "sentence": "turns P5 into 1,000 classes", "reason": "ImageNet's classes"}
    {"notebook": "00", "term": "FPN", "sentence": "the map of the course", "reason": "the name of a notebook"}

`sentence` is a piece of the sentence, so that a line lets nothing else through; `notebook` may be "*".
"""

import json
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("allowed.json")


class Allowed(NamedTuple):
    """The lines of the list."""

    lines: list[dict[str, str]]

    def number(self, notebook: str, number: str, sentence: str) -> bool:
        """Whether a line is for this number, as it is written, in this sentence."""
        return self._has("number", notebook, number, sentence)

    def term(self, notebook: str, term: str, sentence: str) -> bool:
        """Whether a line is for this term of NOTATION.md in this sentence."""
        return self._has("term", notebook, term, sentence)

    def _has(self, kind: str, notebook: str, value: str, sentence: str) -> bool:
        return any(
            line.get(kind) == value and line["notebook"] in (notebook, "*") and line["sentence"] in sentence
            for line in self.lines
        )


def read_allowed(file: Path = FILE) -> Allowed:
    """The list. Raises ValueError for a line that has no reason, or is for nothing."""
    lines = json.loads(file.read_text(encoding="utf-8"))
    for line in lines:
        is_whole = set(line) in ({"notebook", kind, "sentence", "reason"} for kind in ("number", "term"))
        if not is_whole or not all(value.strip() for value in line.values()):
            raise ValueError(
                f"{file.name}: {line} is not a line; give notebook, number or term, sentence and reason, none empty."
            )
    return Allowed(lines)
