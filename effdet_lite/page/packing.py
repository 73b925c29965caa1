"""Bytes as text in a script: a page that was opened by double click may load scripts alone.

Fifteen bits become a letter, and the script is written in UTF-16, two bytes a letter: so text takes
1.07 times as much as the bytes; in base64 it would be 1.33 times. A browser reads a script that
begins with UTF-16's mark as UTF-16, whatever the page or its host says:
https://encoding.spec.whatwg.org/#decode. parts/unpack.js turns it back.
"""

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np

BITS = 15
# Of the letters: from here on, and up to 32,768 letters further, none ends a text in a script, and
# none is half of a pair.
FIRST = 0x100


def write_packed(path: Path, contents: Mapping[str, bytes]) -> None:
    """A script that keeps each content under its name, for parts/unpack.js."""
    lines = [
        f'packed.set("{name}", {packed_as_text(content)});\n' for name, content in contents.items()
    ]
    path.write_text("".join(lines), encoding="utf-16")


def packed_as_text(content: bytes) -> str:
    """The content, compressed: `[number of bytes, "letters"]`."""
    compressed = gzip.compress(content, mtime=0)
    bits = np.unpackbits(np.frombuffer(compressed, np.uint8))
    bits = np.pad(bits, (0, -len(bits) % BITS)).reshape(-1, BITS)
    numbers = bits @ (1 << np.arange(BITS)[::-1])
    letters = (numbers + FIRST).astype("<u2").tobytes().decode("utf-16-le")
    return f'[{len(compressed)}, "{letters}"]'
