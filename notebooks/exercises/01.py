"""The exercises of notebook 01: right answers, the wrong ones that people give, and the hint for each."""

from effdet_lite import cost
from effdet_lite.teach.kit.checks import Exercise

import math
from numbers import Real

import torch
from torch.nn import functional as F

LAYER = cost.conv2d(24, 48, 3, 56, 56, stride=2)
BUDGET = 6_000_000
FARTHEST = 100_000  # px: ten times what six million MACs can see without a hole


def growth(depthwise):
    """Factor on the MACs when the side halves and the channels double."""
    before, after = (
        cost.conv2d(channels, channels, 3, side, side, groups=channels if depthwise else 1).macs
        for channels, side in ((16, 32), (32, 16))
    )
    return after / before


def separable(c_in, c_out, kernel, side):
    """MACs of a depthwise and then a pointwise convolution."""
    return (cost.conv2d(c_in, c_in, kernel, side, side, groups=c_in) + cost.conv2d(c_in, c_out, 1, side, side)).macs


def field_of(layers):
    """Receptive field of (kernel, stride) or (kernel, stride, dilation) layers, in pixels."""
    return cost.receptive_field(layers).size


def steps_of(layers):
    """(kernel, step in pixels before the layer) for each layer."""
    return [(kernel, cost.receptive_field(layers[:number]).stride) for number, (kernel, _) in enumerate(layers)]


def field_with(layers, next_step):
    """The receptive field if a layer's stride changed the step in this way."""
    size = step = 1
    for kernel, stride in layers:
        size += (kernel - 1) * step
        step = next_step(step, stride)
    return size


def forward(layers):
    """The recursion (size − 1) · stride + kernel, which belongs to the layers from the last to the first."""
    size = 1
    for kernel, stride in layers:
        size = (size - 1) * stride + kernel
    return size


def unseen(layers):
    """How many pixels inside the receptive field one output does not depend on, along one axis, by gradients."""
    pixels = torch.ones(1, 1, field_of(layers), dtype=torch.float64, requires_grad=True)
    x = pixels
    for kernel, stride, dilation in layers:
        x = F.conv1d(x, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride, dilation=dilation)
    return int((torch.autograd.grad(x[0, 0, 0], pixels)[0] == 0).sum())


def accept_layers(layers):
    """None if these layers see 63 pixels without a hole, in the budget, 16 channels all along on a 64 × 64 map."""
    layers = layers.tolist() if hasattr(layers, "tolist") else layers  # a tensor or an array is a list, too
    if not is_row(layers) or not layers or not all(is_row(layer) for layer in layers):
        return "give a list of layers, each (kernel, stride, dilation): [(3, 1, 1), (3, 2, 1)] for two of them."
    side, macs = 64, 0
    for layer in layers:
        if len(layer) != 3:
            return f"a layer is (kernel, stride, dilation), and {layer} is not."
        if not all(is_count(number) for number in layer):
            return f"kernel, stride and dilation are whole numbers from 1 on; {layer} has another."
        kernel, stride, _ = map(int, layer)
        if kernel % 2 == 0:
            return f"kernels have a center, so they are odd; {kernel} is not."
        macs += cost.conv2d(16, 16, kernel, side, side, stride=stride).macs
        side = math.ceil(side / stride)
    layers = [tuple(map(int, layer)) for layer in layers]
    field = field_of(layers)
    if side < 16:
        return f"the last map is {side} × {side}; it should keep 16 × 16 positions, so stride by 4 in all."
    if field < 63:
        return f"one output sees {field} pixels, not 63 or more; after a stride each layer widens the window by more."
    if macs > BUDGET and side > 16:
        return f"it takes {macs:,} MACs; stride down to 16 × 16, early, so that all other layers run on small maps."
    if macs > BUDGET:
        return f"it takes {macs:,} MACs; with the strides first, 3 × 3 kernels of growing dilation see far for little."
    if field > FARTHEST:
        return f"a window of {field:,} pixels has holes: the budget buys no weights for so many."
    if holes := unseen(layers):
        return (
            f"{holes} of the {field} pixels are never looked at. Let dilation grow step by step, 1, 2, 4, and no "
            "stride be longer than its kernel."
        )
    return None


def is_count(value):
    """Whether this is a whole number of at least 1, also as 3.0."""
    return isinstance(value, Real) and 1 <= value < math.inf and value == int(value)


def is_row(value):
    """Whether this is a list or a tuple."""
    return isinstance(value, (list, tuple))


EXERCISES = {
    "01.1": Exercise(
        LAYER.macs,
        [
            (LAYER.macs * 4, "that is with the input's 56 × 56; a stride of 2 leaves 28 × 28 output positions."),
            (LAYER.macs * 2, "either these are FLOPs, or only one side was halved; count multiply-adds on 28 × 28."),
            (
                LAYER.macs * 8,
                "these are FLOPs, and on the input's 56 × 56; count multiply-adds on the output's 28 × 28.",
            ),
            (LAYER.macs // 9, "each output number needs all 3 × 3 places of the kernel: K² is missing."),
            (LAYER.macs // 3, "the kernel is 3 × 3: K comes in squared."),
            (LAYER.macs // 24, "each output number sums over all 24 input channels: C₁ is missing."),
            (LAYER.params, "these are the parameters; each is used once for every output position."),
            (LAYER.macs // 48, "that makes one output channel; there are 48 of them: C₂ is missing."),
            (27 * 27 * LAYER.params, 'padding "same" leaves 56 / 2 = 28 positions a side, not 27.'),
            (LAYER.macs / 1e6, "that is in millions; write the whole number."),
            (LAYER, "that is the whole cost, parameters and MACs; take its `.macs`."),
        ],
        "multiply H · W · K² · C₁ · C₂, with H and W of the output.",
    ),
    "01.2": Exercise(
        [growth(depthwise=False), growth(depthwise=True)],
        [
            ([2.0, 1.0], "halving the side quarters the positions: both H and W are halved."),
            (
                [1.0, 1.0],
                "a depthwise convolution has one filter per channel, so doubling the channels only doubles it.",
            ),
            ([0.5, 0.5], "in a dense convolution both C₁ and C₂ double: 4 times the weights."),
            ([0.5, 0.25], "both C₁ and C₂ double in a dense convolution; the depthwise one doubles too."),
            ([4.0, 2.0], "that is the channels' part; the map has a quarter of the positions now."),
            ([0.5, 1.0], "the order is dense, depthwise."),
            ([0.25, 0.25], "that is the map's part; the channels double, and the weights grow with them."),
            (
                [1.0, 0.25],
                "right for dense; a depthwise layer has one filter for each channel, and the channels double.",
            ),
            ([1.0, 2.0], "the factor is after / before; for depthwise yours is before / after."),
        ],
        "write H · W · K² · C₁ · C₂ with the new numbers, once with groups = 1, once with groups = C₁.",
    ),
    "01.3": Exercise(
        separable,
        [
            (lambda c, d, k, s: cost.conv2d(c, d, k, s, s).macs, "that is the dense convolution."),
            (lambda c, d, k, s: s * s * k * k * c, "the pointwise part is missing."),
            (lambda c, d, k, s: s * s * c * d, "the depthwise part is missing."),
            (lambda c, d, k, s: s * s * (k * k * d + c * d), "depthwise comes first, on the c_in channels."),
            (lambda c, d, k, s: s * s * (k * c + c * d), "the depthwise kernel has K × K places, not K."),
            (lambda c, d, k, s: 2 * separable(c, d, k, s), "these are FLOPs; count multiply-adds."),
            (lambda c, d, k, s: k * k * c + c * d, "these are the parameters; each is used for every position."),
            (lambda c, d, k, s: s * (k * k * c + c * d), "a square map has side × side positions."),
            (
                lambda c, d, k, s: s**4 * k * k * c * c * d,
                "one convolution comes after the other: add, do not multiply.",
            ),
            (
                lambda c, d, k, s: s * s * (k * k * c * c + c * d),
                "depthwise: each filter sees one channel, not all c_in.",
            ),
            (lambda c, d, k, s: (s - k + 1) ** 2 * (k * k * c + c * d), 'with padding "same" the map keeps its side.'),
            (
                lambda c, d, k, s: 1 / d + 1 / k**2,
                "that is its share of the dense convolution's MACs; asked for are its own.",
            ),
        ],
        "add the MACs of a K × K convolution with groups = c_in and those of a 1 × 1 convolution.",
        cases=[(16, 32, 3, 28), (40, 24, 5, 7), (8, 12, 3, 3), (3, 8, 7, 10)],
    ),
    "01.4": Exercise(
        field_of,
        [
            (lambda layers: 1 + sum(k - 1 for k, _ in layers), "after a stride of 2, one step is two input pixels."),
            (lambda layers: sum(k for k, _ in layers), "two 3 × 3 layers see 5 pixels, not 6: a kernel adds K − 1."),
            (lambda layers: 1 + sum((k - 1) * s for k, s in layers), "a layer's own stride widens only later layers."),
            (
                lambda layers: field_with(layers, lambda step, stride: stride),
                "the strides of all layers before count, not only of the last.",
            ),
            (
                lambda layers: field_with(layers, lambda step, stride: step + stride),
                "strides multiply: after two strides of 2 a step is 4 pixels, as is one of 4.",
            ),
            (
                lambda layers: 1 + sum(k * step for k, step in steps_of(layers)),
                "a kernel adds K − 1 steps: its first place lies in the window already.",
            ),
            (
                lambda layers: (
                    1 + sum((k - 1) * step * s for (k, s), (_, step) in zip(layers, steps_of(layers), strict=True))
                ),
                "a layer's own stride widens only later layers: multiply the step afterwards.",
            ),
            (
                lambda layers: field_with(layers, lambda step, stride: step * (2 if stride > 1 else 1)),
                "after a stride of 3 a step is 3 pixels: multiply by the stride itself.",
            ),
            (
                lambda layers: field_with(layers, max),
                "strides multiply: after two strides of 2 a step is 4 pixels, not 2.",
            ),
            (forward, "that recursion starts at the last layer; forwards, carry along the product of the strides."),
            (lambda layers: (field_of(layers), cost.receptive_field(layers).stride), "give back the field alone."),
            (lambda layers: field_of(layers) - 1, "one position sees one pixel before any layer: start from 1."),
        ],
        "start from 1; each layer adds (K − 1) × the product of all strides before it.",
        cases=[
            ([(3, 1), (3, 1)],),
            ([(3, 2), (3, 1), (5, 2), (3, 1)],),
            ([(7, 2), (3, 2)],),
            ([(5, 3), (3, 1), (3, 2), (7, 1)],),
            ([(1, 1)],),
        ],
    ),
    "01.5": Exercise(
        [(3, 2, 1), (3, 2, 1), (3, 1, 1), (3, 1, 2), (3, 1, 4)],
        [
            ([(3, 1, 1)] * 3, "too small a window"),
            ([(63, 1, 1)], "one large kernel is expensive"),
            ([(3, 1, dilation) for dilation in (1, 2, 4, 8, 16)], "all of it on the large map"),
            ([(3, 2, 1)] * 5, "too few positions left"),
            ([(3, 2, 1), (3, 2, 1), (3, 1, 7)], "holes between the taps"),
            ([(3, 2), (3, 2)], "no dilation given"),
            ((3, 2, 1), "one layer, and no list"),
            ([(3, 0, 1)], "no stride"),
            ([(3, 2, 1), (3, 2, 1), (3, 1, 10**9)], "a window that no budget can fill"),
            ([(1, 4, 1), (3, 1, 1), (3, 1, 2), (3, 1, 4), (3, 1, 8)], "a stride that skips pixels"),
            ([(3, 2, 1), (3, 2, 1), (5, 1, 1), (5, 1, 3)], "strides first, and kernels too expensive"),
        ],
        "see the hints of the check.",
        accept=accept_layers,
    ),
}
