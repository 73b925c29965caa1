"""Text as HTML for pages without a network: formulas as MathML, headings that can be linked to,
and links as the page needs them.
"""

import html
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from latex2mathml.converter import convert
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath


class Heading(NamedTuple):
    """A heading: its level, 1 and more; the name that a link to it has; its words."""

    level: int
    name: str
    words: str


class Markdown:
    """Turns the texts of one page into HTML; it remembers which headings the page has already.

    link_to: gives for the target of a link or a picture the one to write.
    """

    def __init__(self, link_to: Callable[[str], str] = str):
        self._renderer = _Renderer(link_to)
        self._markdown = MarkdownWithMath(renderer=self._renderer)

    def html(self, text: str) -> str:
        """The HTML of this text. Raises ValueError for a formula that cannot be shown."""
        return self._markdown.render(text)

    @property
    def headings(self) -> list["Heading"]:
        """The headings so far."""
        return self._renderer.headings


def formula(tex: str, display: str) -> str:
    """A formula in TeX as MathML, which browsers and screen readers know by themselves.

    display: "block" or "inline". Raises ValueError for what stays TeX in the result.
    """
    try:
        math = convert(tex.strip(), display=display)
    except Exception as error:  # the library has many kinds, one for each way to be wrong
        raise ValueError(f"the formula {tex.strip()!r} cannot be shown: {error!r}.") from error
    if "\\" in math:
        raise ValueError(f"the formula {tex.strip()!r} has a command that cannot be shown.")
    return math.replace("<math ", f'<math alttext="{html.escape(tex.strip())}" ', 1)


def words_of(markup: str) -> str:
    """A piece of HTML without its tags."""
    return html.unescape(re.sub(r"<[^>]+>", "", markup))


class _Renderer(IPythonRenderer):
    def __init__(self, link_to: Callable[[str], str]):
        super().__init__(escape=False, exclude_anchor_links=True)
        self.link_to = link_to
        self.ids, self.headings = Counter(), []

    def heading(self, text: str, level: int, **attributes) -> str:
        name = re.sub(r"\W+", "-", words_of(text).lower()).strip("-") or "section"
        self.ids[name] += 1
        if self.ids[name] > 1:
            name += f"-{self.ids[name]}"
        self.headings.append(Heading(level, name, words_of(text)))
        return f'<h{level} id="{name}">{text}</h{level}>\n'

    def block_math(self, body: str) -> str:
        return formula(body, "block")

    def inline_math(self, body: str) -> str:
        return formula(body, "inline")

    def latex_environment(self, name: str, body: str) -> str:
        return formula(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")

    def link(self, text: str, url: str, title: str | None = None) -> str:
        return super().link(text, self.link_to(url), title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return super().image(text, self.link_to(url), title)

    def table(self, text: str) -> str:
        return f'<div class="scroll"><table>\n{text}</table></div>\n'
