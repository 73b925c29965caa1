"""What the explorer of notebook 01 shows: a convolution with its cost, to scale."""

from effdet_lite import cost
from effdet_lite.teach.kit.drawings import conv_drawing
from effdet_lite.teach.kit.plots import new_panels
from effdet_lite.teach.kit.widgets import View


def convolution_view(
    c_in: int,
    c_out: int,
    side: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
    bias: bool = False,
) -> View:
    """One convolution with padding "same" on a map of side × side: its cost, the memory it moves,
    its picture to scale.

    Memory traffic is the least there can be: input, weights and output, each moved once, 4 bytes a
    number. Raises ValueError where groups does not divide both c_in and c_out.
    """
    one = cost.conv2d(c_in, c_out, kernel, side, side, stride=stride, groups=groups, bias=bias)
    out_side = -(-side // stride)
    traffic = 4 * (c_in * side**2 + one.params + c_out * out_side**2)
    figure, (axis,) = new_panels(7.0, 3.2, (0.01, 0.01, 0.98, 0.98))
    conv_drawing(axis, c_in, c_out, side, side, kernel, stride, groups, dilation)
    numbers = {
        "output, H × W × C2": f"{out_side} × {out_side} × {c_out}",
        "parameters": f"{one.params:,}",
        "MACs": f"{one.macs / 1e6:,.3f} million",
        "FLOPs": f"{one.flops / 1e6:,.3f} million",
        "memory traffic, at least": f"{traffic / 1e6:,.3f} MB",
        "arithmetic intensity": f"{one.flops / traffic:,.2f} FLOP/byte",
    }
    words = (
        f"A convolution from {side} × {side} × {c_in} numbers to "
        f"{out_side} × {out_side} × {c_out}, to scale."
    )
    return View(figure, words, numbers)
