"""A pad's ES module and what it imports, as one module.

anywidget sends one module to the browser, and a browser imports none from a page that was opened by
double click. So modules are joined here, without a bundler: they import names from one another by
lines `import { … } from "./name.js";`, and only the last one, the pad's own, has a default export.
"""

import re
from pathlib import Path

FOLDER = Path(__file__).parent
IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=const |function |class )", re.MULTILINE)


def module_text(name: str) -> str:
    """The module `name.js` of this folder after all that it imports, each once. Names that two of
    them define would clash: the browser says so.
    """
    texts: dict[str, str] = {}
    _collect(name, texts)
    *imported, own = texts.values()
    return "\n".join([*(EXPORT.sub("", text) for text in imported), own])


def _collect(name: str, texts: dict[str, str]) -> None:
    """Put the module into texts, without its imports, behind those that it imports."""
    text = (FOLDER / f"{name}.js").read_text(encoding="utf-8")
    for imported in IMPORT.findall(text):
        if imported not in texts:
            _collect(imported, texts)
    texts[name] = IMPORT.sub("", text)
