"""A picture of the learner's own: dropped on the page, pasted, or chosen as a file."""

import html
from collections.abc import Mapping

import torch
import traitlets
from ipywidgets import FileUpload
from torch import Tensor

from effdet_lite.data.pictures import picture_of
from effdet_lite.teach.kit.page import img
from effdet_lite.teach.kit.touch.modules import module_text
from effdet_lite.teach.kit.touch.pad import Pad, as_picture, picture_traits, plain_figure

LARGEST = 4_000_000  # bytes; a message of over 10 million does not reach the kernel
LONGEST = 2048  # px: to this the page shrinks a picture whose file is larger


def picture_from(upload) -> Tensor:
    """The picture of a file that was uploaded, float32 [3, H, W] in 0-1, RGB, upright.

    upload: an `ipywidgets.FileUpload`, one of the files in its value, or anything with "name" and
    "content". Raises ValueError where there is none yet, or no picture in the file. A FileUpload
    drops files over about 10 MB without a word; `PictureDrop` shrinks them first.
    """
    if isinstance(upload, FileUpload):
        if not upload.value:
            raise ValueError("no file was chosen yet: press the button and choose a picture.")
        upload = upload.value[-1]
    if not isinstance(upload, Mapping) or not {"name", "content"} <= set(upload):
        raise ValueError(f"a file has a name and a content, unlike {upload!r}.")
    pixels = picture_of(bytes(upload["content"]), str(upload["name"]))
    return torch.from_numpy(pixels.copy()).float() / 255


class PictureDrop(Pad):
    """A place to drop or paste a picture, or to choose one; `value`: float32 [3, H, W] in 0-1, RGB,
    upright, or None before there is one.

    picture: [3, H, W], 0-1 or uint8, what is there first. A file that holds no picture changes
    nothing, and the page says why. From files over 4 MB the page takes a copy of at most 2,048
    pixels.
    """

    module = "picture"
    _esm = module_text(module)

    value = traitlets.Any()  # stays in the kernel
    name = traitlets.Unicode().tag(sync=True)
    dropped = traitlets.Any().tag(sync=True)  # {"name", "content"} of the last file, from the page
    limits = traitlets.Dict({"bytes": LARGEST, "side": LONGEST}).tag(sync=True)

    def __init__(self, description: str = "your picture", picture=None):
        super().__init__(description=description)
        if picture is not None:
            pixels = as_picture(picture)
            scale = 255 if pixels.dtype.kind == "u" else 1
            self.value = torch.as_tensor(pixels.copy()).float() / scale
            self.name = "an example"
        self.observe(self._on_drop, names="dropped")

    def checked(self, value: object) -> object:
        """A picture or None; ValueError for anything else."""
        return value if value is None else torch.as_tensor(as_picture(value))

    @traitlets.observe("value")
    def _show_value(self, _: object) -> None:
        if self.value is not None:
            for name, trait in picture_traits(as_picture(self.value), None).items():
                setattr(self, name, trait)

    def _on_drop(self, _: object) -> None:
        # What goes wrong in here would vanish into JupyterLab's log.
        if not self.dropped:
            return
        try:
            picture = picture_from(self.dropped)
        except ValueError as error:
            self.send({"said": f"Not possible: {error}"})
            return
        except Exception as error:
            self.send({"said": f"{type(error).__name__}: {error}"})
            return
        self.name = str(self.dropped["name"])
        self.value = picture
        self.send({"said": f"Here is {self.in_words()}."})

    def in_words(self) -> str:
        """The file's name and the picture's size."""
        if self.value is None:
            return "no picture yet"
        height, width = self.value.shape[1:]
        return f"{self.name}, {width} × {height} px"

    def still(self, words: str) -> str:
        """The picture, if there is one."""
        if self.value is None:
            return f"<p>{html.escape(words)}</p>"
        return img(plain_figure(self.value), words)
