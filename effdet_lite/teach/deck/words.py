"""Text for a slide: sentences, formulas and exercises found in Markdown, and HTML made of it."""

import html
import re

from effdet_lite.teach.deck.reading import AIM
from effdet_lite.teach.site.markdown import formula

LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
BOLD = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
DISPLAY = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
INLINE = re.compile(r"(?<![\\$\w])\$([^$\n]+)\$(?![\w$])")
BESIDE = re.compile(r"\\qquad\b")  # between formulas on one line
CODE = re.compile(r"`[^`]+`")
# A sentence ends where white space follows its stop, and then what can begin another one.
END = re.compile(r"(?<=[.?!:])[)\"”*_]*\s+(?=[*_(\"“`]*[A-Z0-9ϕαβγ])")
SHORT = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|al|approx|Fig|Sect?|Eq|No|[A-Z])\.)[)*_]*$")
EXERCISE = re.compile(r"^\*\*(\d\d\.\d)\*\* \((\d+) minutes?[^)]*\)\s*(.+)", re.DOTALL)
TASK = re.compile(r"\*\*Your task:?\*\*:?\s*(.+)", re.DOTALL)
OPERATOR = re.compile(r"[·×√^²]| [/+−] ")
ITEM = r"(?:[-*+]|\d+\.) +"
NO_TEXT = ("|", "```", "~~~", "$$")
DEEPER = re.compile(r"\bDeeper:|\bdeeper sections?\b")
POINTS_BACK = re.compile(r"(?:It|They|This|That|These|Both|So|Then|Here|Each of them)\b")


def unlinked(markdown: str) -> str:
    """Without links: a slide has nowhere to go to, and a sheet of paper neither."""
    return LINK.sub(r"\1", markdown)


def one_line(markdown: str) -> str:
    """Without line breaks."""
    return " ".join(markdown.split())


def sentences(block: str) -> list[str]:
    """The sentences of a paragraph, and of each item of a list; not those that point to what is
    left out here, the deeper sections.
    """
    found = []
    for item in items(block):
        start = 0
        for end in END.finditer(item):
            if not SHORT.search(item[start : end.start()]):
                found.append(item[start : end.start()] + end.group().rstrip())
                start = end.end()
        found.append(item[start:])
    return [sentence for sentence in found if sentence and not DEEPER.search(sentence)]


def lead(texts: list[str], most: int = 170) -> str:
    """The first sentences of a section's first text, as many as are short together; always the
    first one.
    """
    found = ""
    for sentence in (one for text in texts[:1] for one in sentences(text)):
        if found and len(found) + len(sentence) > most:
            break
        found = f"{found} {sentence}".strip()
    return found


def key_sentences(block: str, most: int = 230) -> list[str]:
    """The sentences with something in bold that is a term or a rule: no formula, task or exercise.

    One that points back ("It is **dead**.") comes with the sentence before it, and one that is a
    heading in bold with the one after it. most: characters that a slide can show large.
    """
    if EXERCISE.match(block) or TASK.search(block) or AIM.search(block):
        return []
    found: list[str] = []
    for item in items(block):
        parts = sentences(item)
        for place, sentence in enumerate(parts):
            bold = [words for words in BOLD.findall(sentence) if not is_formula(words)]
            if not bold or (found and sentence in found[-1]):
                continue
            before, after = parts[:place][-1:], parts[place + 1 :][:1]
            if POINTS_BACK.match(sentence) and before:
                sentence = f"{before[0]} {sentence}"
            elif len(sentence) < 45 and (after or before):
                sentence = " ".join([sentence, *after] if after else [*before, sentence])
            if len(sentence) <= most:
                found.append(sentence.rstrip(","))
    return found


def is_list(block: str) -> bool:
    """Whether it is a list of items."""
    return bool(re.match(ITEM, block))


def items(block: str) -> list[str]:
    """The items of a list, each on one line; a paragraph as the only one."""
    if block.startswith(NO_TEXT):
        return []
    parts = re.split(rf"\n(?={ITEM})", block)
    return [one_line(re.sub(rf"^(?:{ITEM}|> )", "", part)) for part in parts]


def announces(block: str, most: int = 170) -> str:
    """The last sentence, where it leads to what follows: "Four of its rows:"."""
    last = ["", *sentences(block)][-1]
    return last if last.endswith((":", "?")) and len(last) <= most else ""


def formulas(block: str) -> list[str]:
    """The formulas of a paragraph, one by one: `$$…$$`, and what is bold and looks like one."""
    bold = [words.rstrip(".") for words in BOLD.findall(block) if is_formula(words)]
    set_apart = [part for found in DISPLAY.findall(block) for part in BESIDE.split(found)]
    return [f"$${part.strip()}$$" for part in set_apart] + [f"**{words}**" for words in bold]


def is_formula(words: str) -> bool:
    """Whether something in bold is a formula: "cost = weights × positions", "H · W · K²"."""
    has_letters = re.search(r"[^\W\d_]", words) is not None
    is_equal = re.search(r"[=≈≤]", words) and OPERATOR.search(words)
    return has_letters and len(words) <= 90 and bool(is_equal or len(OPERATOR.findall(words)) > 1)


def exercise(block: str) -> tuple[str, int, str] | None:
    """(name, minutes, first sentences) of an exercise's paragraph."""
    found = EXERCISE.match(block)
    if not found:
        return None
    name, minutes, words = found.groups()
    return name, int(minutes), lead([words], most=190)


def task(block: str) -> str:
    """What the paragraph asks to do in the explorer below it; "" where it asks nothing."""
    found = TASK.search(block)
    return one_line(found[1]) if found else ""


# --- HTML ---


def as_html(markdown: str) -> str:
    """Markdown as HTML: no link, no script, and formulas as MathML."""
    from nbconvert.filters.markdown import markdown2html

    kept: list[str] = []

    def keep(piece: str) -> str:
        kept.append(piece)
        return f"\x02{len(kept) - 1}\x03"

    text = CODE.sub(lambda code: keep(f"<code>{html.escape(code[0].strip('`'))}</code>"), markdown)
    text = DISPLAY.sub(lambda found: keep(formula_html(found[1])), unlinked(text))
    text = INLINE.sub(lambda found: keep(formula_html(found[1])), text)
    page = markdown2html(html.escape(text, quote=False))
    return re.sub(r"\x02(\d+)\x03", lambda place: kept[int(place[1])], page)


def inline_html(markdown: str) -> str:
    """A line of Markdown as HTML without a paragraph around it."""
    return re.sub(r"^<p>|</p>$", "", as_html(markdown).strip())


def formula_html(tex: str) -> str:
    """A formula as MathML, which browsers set and screen readers say; as it is written where it
    cannot be set.
    """
    try:
        return formula(one_line(tex), "inline")
    except ValueError:
        return f"<code>{html.escape(one_line(tex))}</code>"
