"""Bytes as text in a script: a page that was opened by double click may load scripts alone.

Thirteen bits become two of 91 letters, so text takes 1.23 times as much as the bytes; in base64 it
would be 1.33 times. parts/unpack.js turns it back.
"""

import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np

BITS = 13  # 2^13 is below 91 * 91
# Every character from the space to ~ that a script may have between quotes, but for two.
LETTERS = "".join(letter for letter in map(chr, range(32, 127)) if letter not in '"\\<&')


def write_packed(path: Path, contents: Mapping[str, bytes]) -> None:
    """A script that keeps each content under its name, for parts/unpack.js."""
    lines = [
        f'packed.set("{name}", {packed_as_text(content)});\n' for name, content in contents.items()
    ]
    path.write_text("".join(lines), encoding="ascii")


def packed_as_text(content: bytes) -> str:
    """The content, compressed: `[number of bytes, "letters"]`."""
    compressed = gzip.compress(content, mtime=0)
    bits = np.unpackbits(np.frombuffer(compressed, np.uint8))
    bits = np.pad(bits, (0, -len(bits) % BITS)).reshape(-1, BITS)
    numbers = bits @ (1 << np.arange(BITS)[::-1])
    letters = np.frombuffer(LETTERS.encode("ascii"), np.uint8)
    pairs = np.stack([letters[numbers // len(LETTERS)], letters[numbers % len(LETTERS)]], 1)
    return f'[{len(compressed)}, "{pairs.tobytes().decode("ascii")}"]'
