"""Touch: what a slider cannot do. Pads that are drawn on, clicked and dragged, by mouse, finger or
keyboard.

A pad is a control like any other: it has a `value` to `observe`, stands in an `Explorer`, and
`show()` puts it on the page with a still picture for readers without a kernel. Each is a class here
and an ES module beside it, of the same name.
"""

from effdet_lite.teach.kit.touch.boxes import BoxPad
from effdet_lite.teach.kit.touch.drawing import DrawPad
from effdet_lite.teach.kit.touch.edges import EdgePad
from effdet_lite.teach.kit.touch.kernel import KernelPad
from effdet_lite.teach.kit.touch.pick import PickPad
from effdet_lite.teach.kit.touch.picture import PictureDrop, picture_from
from effdet_lite.teach.kit.touch.points import PointPad, blank_axes
from effdet_lite.teach.kit.touch.window import WindowPad

__all__ = [
    "BoxPad",
    "DrawPad",
    "EdgePad",
    "KernelPad",
    "PickPad",
    "PictureDrop",
    "PointPad",
    "WindowPad",
    "blank_axes",
    "picture_from",
]
