"""Notebook 10's last exercise: a detector in a page, and the drawing that is dropped into it."""

from pathlib import Path

import torch
from torchvision.transforms.functional import to_pil_image

from effdet_lite.checkpoint import load_detector
from effdet_lite.data import ShapesDetection
from effdet_lite.page.building import build_page
from effdet_lite.teach.kit.plots import COLORS

DRAWING = 7  # of the shapes detector's test pictures: five shapes, each found with a high score
NAME = "drawing.png"


def drawing() -> torch.Tensor:
    """A picture of shapes, uint8 [3, H, W], that the detector of shapes has not learned from."""
    image, _ = ShapesDetection("test", length=DRAWING + 1)[DRAWING]
    return (image.as_subclass(torch.Tensor) * 255).round().byte()


def make_page(detector: str | Path, folder: str | Path, wanted: bool) -> None:
    """Make the page of a detector's file, with the drawing beside it, and say where it is; or say
    in a sentence why there is none. Never raises, for a notebook goes on without it.

    wanted: False makes nothing, and asks no network.
    """
    index = Path(folder).absolute() / "index.html"
    if not wanted:
        print("There is no page yet: write wanted = True, and run this cell again.")
        return
    if index.is_file():
        print(f"{index} is there already. For another page name another folder.")
        return
    try:
        model, about = load_detector(detector)
        title = f"The detector {Path(detector).stem}"
        size = build_page(model, about, index.parent, title=title, colors=COLORS)
        to_pil_image(drawing()).save(index.parent / NAME)
    except (OSError, ValueError, ImportError) as error:
        print(f"There is no page, for {error} You can go on without one.")
        return
    network = (index.parent / "network.js").stat().st_size
    print(f"A double click opens {index}. Drop {NAME}, which lies beside it, into the page.")
    print(f"{size / 1e6:.1f} MB in all; the network takes {network / 1e6:.1f} MB of them.")
