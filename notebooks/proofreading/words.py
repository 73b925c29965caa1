"""Words: how many a text has, and which of them stand in code."""

import io
import re
import tokenize

QUOTES = re.compile(r"^\w*(\"\"\"|'''|\"|')|(\"\"\"|'''|\"|')$")
CODE_SPAN = re.compile(r"(`+).+?\1", re.DOTALL)
FORMULA = re.compile(r"\$\$.+?\$\$|(?<!\\)\$[^$\n]+\$", re.DOTALL)
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


def comments_and_strings(code: str) -> str:
    """The words in code: its comments, and those of its strings that have a space in them.

    Code that Python cannot take apart has none (a line that begins with % or !, for instance).
    """
    found = []
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)}
    try:
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            text = QUOTES.sub("", token.string).strip("# ")
            if token.type in kinds and " " in text.strip():
                found.append(text)
    except (tokenize.TokenError, SyntaxError):
        return ""
    return "\n".join(found)


def plain(text: str) -> str:
    """Markdown without code, formulas and the addresses of its links, which nobody reads aloud."""
    return LINK.sub(r"\1", FORMULA.sub(" ", CODE_SPAN.sub(" ", text)))


def count_words(text: str) -> int:
    """Words of a Markdown text that somebody reads: letters or numbers in one piece; a formula and a piece of
    code are one word each.
    """
    one_each = FORMULA.sub(" formula ", CODE_SPAN.sub(" code ", text))
    return len(re.findall(r"[^\W_][\w'’.,-]*", LINK.sub(r"\1", one_each)))
