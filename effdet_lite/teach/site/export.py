"""One notebook or text as one page: nbconvert with the template of this folder."""

import base64
import hashlib
import io
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import nbformat
from nbconvert.exporters import TemplateExporter
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer, TextLexer
from traitlets import default

from effdet_lite.teach.site.markdown import Heading, Markdown
from effdet_lite.teach.site.pages import page_of, relative
from effdet_lite.teach.site.stored import alt_of

FOLDER = Path(__file__).parent
PICTURES = PurePosixPath("pictures")
DATA = re.compile(r'src="data:image/(png|jpeg|webp);base64,([^"]+)"')
QUALITY = 80  # of a stored picture that is a JPEG
KINDS = {"png": "png", "jpeg": "jpg", "webp": "webp"}


class PageExporter(TemplateExporter):
    """A notebook as a page of the site. Its texts are HTML already, as `texts_as_html` makes
    them.
    """

    output_mimetype = "text/html"

    def __init__(self):
        super().__init__(
            template_name="course",
            extra_template_basedirs=[str(FOLDER / "templates")],
        )

    @default("file_extension")
    def _file_extension_default(self):
        return ".html"

    def default_filters(self):
        """nbconvert's, and ours."""
        yield from super().default_filters()
        yield "alt_of", alt_of
        yield "code_as_html", code_as_html

    def page(self, notebook: nbformat.NotebookNode, about: Mapping) -> str:
        """The page as HTML; about: what the template asks for (`page` in it)."""
        return self.from_notebook_node(notebook, {"page": about})[0]


def texts_as_html(notebook: nbformat.NotebookNode, markdown: Markdown) -> list[Heading]:
    """Turn every text of a notebook into HTML. Returns its headings."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = markdown.html(cell.source)
        for output in cell.get("outputs", []):
            text = output.get("data", {}).pop("text/markdown", None)
            if text is not None:
                output.data["text/html"] = markdown.html(text)
    return markdown.headings


def code_as_html(code: str) -> str:
    """Highlighted Python; a cell of a magic command, or another language, as it is."""
    lexer = TextLexer() if code.startswith(("%%", "!", "cff-version")) else PythonLexer()
    return highlight(code, lexer, HtmlFormatter(cssclass="highlight"))


def pictures_to_files(markup: str, page: PurePosixPath, folder: Path) -> str:
    """The page with each picture inside it moved to a file; the same picture is the same file."""

    def moved(found: re.Match) -> str:
        pixels, kind = base64.b64decode(found[2]), KINDS[found[1]]
        if kind != "webp":
            smaller = without_loss(pixels) if kind == "png" else as_webp(pixels, QUALITY)
            if len(smaller) < len(pixels):
                pixels, kind = smaller, "webp"
        name = save_picture(pixels, kind, folder)
        return f'src="{relative(page, name)}"'

    return DATA.sub(moved, markup)


def without_loss(png: bytes) -> bytes:
    """The same pixels as WebP, which most often takes half the room of a PNG."""
    picture, file = Image.open(io.BytesIO(png)), io.BytesIO()
    is_plain = picture.mode in ("L", "RGB")
    options = {"lossless": True, "exact": True, "quality": 30, "method": 2}
    picture.convert("RGB" if is_plain else "RGBA").save(file, "webp", **options)
    return file.getvalue()


def as_webp(picture: bytes, quality: int) -> bytes:
    """A photograph, or a figure with one in it, as WebP."""
    file = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").save(file, "webp", quality=quality, method=6)
    return file.getvalue()


def save_picture(pixels: bytes, kind: str, folder: Path) -> PurePosixPath:
    """Write an encoded picture into the site's folder; where it is there."""
    name = PICTURES / f"{hashlib.sha256(pixels).hexdigest()[:16]}.{kind}"
    path = folder / name
    if not path.is_file():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pixels)
    return name


def link_of(source: PurePosixPath, target: PurePosixPath) -> str:
    """The link from the page of one file to that of another."""
    return relative(page_of(source), page_of(target))
