"""Touch: what a slider cannot do. Pads that are drawn on, clicked and dragged, by mouse, finger or
keyboard.

A pad is a control like any other: it has a `value` to `observe`, stands in an `Explorer`, and
`show()` puts it on the page with a still picture for readers without a kernel. Each is a class here
and an ES module beside it, of the same name.
"""

from effdet_lite.teach.kit.touch.drawing import DrawPad
from effdet_lite.teach.kit.touch.points import PointPad
from effdet_lite.teach.kit.touch.window import WindowPad

__all__ = ["DrawPad", "PointPad", "WindowPad"]
