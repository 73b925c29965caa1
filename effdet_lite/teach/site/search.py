"""The index of the search: what each section of each page says.

It is a script and no data file, since a page that is opened from a folder may not read files.
"""

import json
from html.parser import HTMLParser
from typing import NamedTuple

LEFT_OUT = {"script", "style", "header", "footer", "select", "option", "form", "math"}
ENDS_WORD = {"p", "li", "td", "th", "br", "pre", "div", "summary", "h1", "h2", "h3", "h4", "tr"}


class Entry(NamedTuple):
    """A section: where it is, what its page and it are called, and what it says."""

    link: str
    page: str
    heading: str
    text: str


def entries(link: str, title: str, page: str) -> list[Entry]:
    """The sections of a page (HTML) at this link."""
    reader = _Reader()
    reader.feed(page)
    found = []
    for name, heading, pieces in reader.sections:
        text = " ".join("".join(pieces).split())
        if text or heading:
            anchor = f"{link}#{name}" if name else link
            found.append(Entry(anchor, title, " ".join(heading.split()), text))
    return found


def script(found: list[Entry]) -> str:
    """The index as a script that hands it to `site.js`."""
    rows = json.dumps([list(entry) for entry in found], ensure_ascii=False, separators=(",", ":"))
    return f"window.course.index({rows});\n"


class _Reader(HTMLParser):
    """Collects (name of the heading, its words, pieces of text) for each section of <main>."""

    def __init__(self):
        super().__init__()
        self.sections: list[list] = [["", "", []]]
        self.is_main, self.out, self.heading = False, 0, False

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.is_main |= tag == "main"
        self.out += tag in LEFT_OUT
        if not self.is_main:
            return
        if tag in {"h1", "h2", "h3"} and "id" in values:
            self.sections.append([values["id"], "", []])
            self.heading = True
        if tag == "img":
            self._take(f" {values.get('alt') or ''} ")
        if tag in ENDS_WORD:
            self._take(" ")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.out -= tag in LEFT_OUT

    def handle_endtag(self, tag):
        self.out -= tag in LEFT_OUT
        if tag in {"h1", "h2", "h3"}:
            self.heading = False
        if tag == "main":
            self.is_main = False
        if tag in ENDS_WORD:
            self._take(" ")

    def handle_data(self, data):
        self._take(data)

    def _take(self, words: str) -> None:
        if not self.is_main or self.out:
            return
        if self.heading:
            self.sections[-1][1] += words
        else:
            self.sections[-1][2].append(words)
