"""The exercises of notebook 02: right answers, the wrong ones that people give, and the hint for each."""

from effdet_lite import cost
from effdet_lite.costs import mbconv_cost
from effdet_lite.efficientnet import B0_STEM, Stage
from effdet_lite.layers import SqueezeExcite
from effdet_lite.scaling import round_channels
from effdet_lite.teach.kit.checks import Exercise

from numbers import Integral

import torch

SIDE, BUDGET = 224, 150_000_000
KERNELS, LEAST_CHANNELS = (3, 5, 7, 9), 8


def package_gate(x, w1, b1, w2, b2):
    """The package's squeeze-and-excitation with these weights."""
    module = SqueezeExcite(w1.shape[1], w1.shape[0])
    weights = {"reduce.weight": w1[..., None, None], "reduce.bias": b1}
    module.load_state_dict(weights | {"expand.weight": w2[..., None, None], "expand.bias": b2})
    with torch.no_grad():
        return module(x)


def gate_with(first=torch.nn.functional.silu, second=torch.sigmoid, apply=torch.mul, squeeze=None):
    """Squeeze-and-excitation with one part replaced."""
    squeeze = squeeze or (lambda x: x.mean((2, 3)))

    def variant(x, w1, b1, w2, b2):
        return apply(x, second(first(squeeze(x) @ w1.T + b1) @ w2.T + b2)[..., None, None])

    return variant


def gate_case(n, channels, squeezed, height, width):
    """Random arguments of these sizes; height and width differ, so that a mix-up of axes shows."""
    random = torch.Generator().manual_seed(channels)
    shapes = ((n, channels, height, width), (squeezed, channels), (squeezed,), (channels, squeezed), (channels,))
    return tuple(torch.randn(shape, generator=random) for shape in shapes)


BLOCK = mbconv_cost(32, Stage(expand_ratio=4, channels=48, blocks=1, kernel=5, stride=2), 28, 28, 2).params
WIDE, SQUEEZED = 4 * 32, 32 // 4
NORMS, GATE_BIASES = 2 * (WIDE + WIDE + 48), SQUEEZED + WIDE
GATE = 2 * WIDE * SQUEEZED + GATE_BIASES
WIDEN, FILTER, NARROW = 32 * WIDE, 25 * WIDE, WIDE * 48

WISHES = (11, 17.6, 20, 123.2)


def is_whole(value):
    """Whether this is a whole number; True is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def illegal(stage):
    """What 02.5 does not allow of this stage; None if there is nothing."""
    if not isinstance(stage, Stage):
        return "write a list of Stage(expand_ratio, channels, blocks, kernel, stride)."
    if not all(is_whole(value) for value in stage[:5]):
        return f"all five are whole numbers; in {stage} one is not."
    if stage.kernel not in KERNELS or stage.stride not in (1, 2):
        return f"kernels are 3, 5, 7 or 9, and strides are 1 or 2; {stage} is not so."
    if stage.fused:
        return f"no block is fused; {stage} is."
    if min(stage.expand_ratio, stage.blocks) < 1 or stage.channels < LEAST_CHANNELS:
        return f"ratio and blocks are at least 1, and channels at least {LEAST_CHANNELS}; {stage} is not so."
    return None


def accept_stages(stages):
    """None if stem and these stages fulfill what 02.5 asks; otherwise what is missing."""
    if isinstance(stages, Stage):
        return "one stage alone: put it into a list, [Stage(...), Stage(...)]."
    if not isinstance(stages, (list, tuple)) or not stages:
        return "write a list of Stage(expand_ratio, channels, blocks, kernel, stride)."
    for stage in stages:
        if trouble := illegal(stage):
            return trouble
    side, channels, layers = -(-SIDE // 2), B0_STEM, [(3, 2)]
    total = cost.conv2d(3, B0_STEM, 3, SIDE, SIDE, stride=2)
    for stage in stages:
        total += mbconv_cost(channels, stage, side, side, stage.stride)
        side, channels = -(-side // stage.stride), stage.channels
        total += mbconv_cost(channels, stage, side, side, 1) * (stage.blocks - 1)
        layers += [(stage.kernel, stage.stride)] + [(stage.kernel, 1)] * (stage.blocks - 1)
    if side != 7:
        return f"the last map is {side} × {side}, not 7 × 7; the stem has one stride of 2, so four stages need one."
    if channels < 160:
        return f"the last map has {channels} channels; make it at least 160."
    if sum(stage.blocks for stage in stages) < 10:
        return f"these are {sum(stage.blocks for stage in stages)} blocks; at least ten are asked for."
    if (field := cost.receptive_field(layers).size) < SIDE:
        return f"one position sees {field} pixels, not {SIDE}; larger kernels and more blocks late see the most."
    if total.macs > BUDGET:
        return (
            f"it takes {total.macs / 1e6:.0f} million MACs; a smaller ratio, or fewer blocks on large maps, saves most."
        )
    return None


EXERCISES = {
    "02.1": Exercise(
        package_gate,
        [
            (gate_with(apply=lambda x, gate: gate.expand_as(x)), "these are the gates alone; multiply x by them."),
            (gate_with(apply=lambda x, gate: gate), "these are the gates alone; multiply x by them."),
            (gate_with(apply=lambda x, gate: gate[..., 0, 0]), "these are the gates alone; multiply x by them."),
            (gate_with(apply=lambda x, gate: x + x * gate), "the skip is the block's; the gate only multiplies."),
            (gate_with(apply=torch.add), "the gates are multiplied with x, not added."),
            (gate_with(second=lambda y: y), "without the sigmoid a gate can be any number; it should be in 0–1."),
            (gate_with(first=lambda y: y), "SiLU stands between the two layers; without it they would be one."),
            (gate_with(first=torch.relu), "that is with ReLU between the layers, as in the SE paper; here it is SiLU."),
            (gate_with(torch.sigmoid, torch.nn.functional.silu), "the two activations are the wrong way round."),
            (gate_with(first=torch.sigmoid), "a sigmoid stands after the second layer; after the first stands SiLU."),
            (lambda x, w1, b1, w2, b2: package_gate(x, w1, 0 * b1, w2, 0 * b2), "the biases b1 and b2 are missing."),
            (gate_with(squeeze=lambda x: x.amax((2, 3))), "squeeze by the mean over the map, not by its maximum."),
            (gate_with(squeeze=lambda x: x.sum((2, 3))), "squeeze by the mean: a sum would depend on the map's size."),
        ],
        "mean over height and width → w1, b1 → SiLU → w2, b2 → sigmoid → times x, in this order.",
        cases=[gate_case(2, 8, 2, 5, 7), gate_case(1, 6, 3, 4, 3), gate_case(3, 5, 1, 2, 6)],
    ),
    "02.2": Exercise(
        BLOCK,
        [
            ([WIDEN + 2 * WIDE, FILTER + 2 * WIDE, GATE, NARROW + 2 * 48], "these are the four parts; add them up."),
            ([WIDEN, FILTER, GATE, NARROW], "these are four parts without the norms; add the norms, and add all up."),
            (BLOCK - NORMS, "each norm has a scale and a shift for every channel: 2 · 128, 2 · 128 and 2 · 48."),
            (BLOCK - NORMS - GATE_BIASES, "the norms' 2 a channel and the gate's biases (8 and 128) are missing."),
            (
                BLOCK - NORMS // 2,
                "a norm has two parameters a channel, a scale and a shift; a convolution has no bias.",
            ),
            (BLOCK + NORMS // 2, "a convolution before a norm has no bias: the norm's shift does its work."),
            (BLOCK + NORMS, "a norm's running mean and variance are no parameters: training does not change them."),
            (BLOCK - GATE_BIASES, "the gate's two layers have biases, 8 and 128."),
            (BLOCK - GATE, "the gate is missing: 128 → 8 → 128, with biases."),
            (
                BLOCK + 2 * WIDE * (WIDE // 4 - SQUEEZED) + WIDE // 4 - SQUEEZED,
                "the gate squeezes to a quarter of the block's *input* channels, 32, not of the 128.",
            ),
            (
                BLOCK + (48 // 4 - SQUEEZED) * (2 * WIDE + 1),
                "the gate squeezes to a quarter of the block's *input* channels, 32, not of the 48 that come out.",
            ),
            (BLOCK + 25 * WIDE * (WIDE - 1), "the 5 × 5 convolution is depthwise: 25 weights a channel."),
            (BLOCK - 16 * WIDE, "that is with a 3 × 3 kernel."),
            (
                mbconv_cost(32, Stage(6, 48, 1, 5, 2), 28, 28, 2).params,
                "that is MBConv6; here the block is 4 times as wide inside.",
            ),
        ],
        "32 · 128 + 25 · 128 + the gate + 128 · 48, and the norms; stride changes no parameter.",
    ),
    "02.3": Exercise(
        [round_channels(wish) for wish in WISHES],
        [
            ([8, 16, 24, 128], "8 is below 90 % of 11, and 123.2 is nearer to 120, which is more than 90 % of it."),
            ([8, 16, 16, 128], "find the nearest multiple first: for 20 both are equally near, so take the upper one."),
            ([16, 16, 24, 124], "124 is no multiple of 8."),
            ([8, 16, 24, 112], "8 is below 90 % of 11, and 112 is not the nearest multiple to 123.2."),
            ([8, 16, 24, 120], "8 is below 90 % of 11."),
            ([8, 16, 16, 120], "8 is below 90 % of 11, and 20, half way, goes up."),
            ([16, 16, 16, 120], "20 lies half way between 16 and 24, and half goes up."),
            ([16, 24, 24, 128], "not always up: 17.6 is nearer to 16, which is more than 90 % of it."),
            ([16, 16, 24, 128], "not always up: 123.2 is nearer to 120, which is more than 90 % of it."),
            ([11, 18, 20, 123], "to a multiple of 8, not to whole numbers."),
            ([16, 24, 24, 120], "17.6 is nearer to 16, and 16 is 91 % of 17.6: enough."),
        ],
        "find the nearest multiple of 8; if it is below 0.9 × the wish, take the next one.",
    ),
    "02.4": Exercise(
        0.75 * 2**0.07,
        [
            (0.75, "at an equal accuracy the one with more MACs has the lower score."),
            (
                0.75 * 2**-0.07,
                "that is its score, with T at the smaller one's MACs, if it gains nothing; it must gain.",
            ),
            (0.80, "about 5 % of 0.75, not 0.05."),
            (75 * 2**0.07, "as a number in 0–1, as 0.75 is."),
            (0.79, "nearly; at least four decimals, please."),
            (0.787, "nearly; at least four decimals, please."),
            (0.788, "too high: at least four decimals, and do not round on the way."),
            (0.75 * 1.05, "5 % is the rounded gain; compute 2 to the power of 0.07."),
            (0.75 / 0.95, "5 % is the rounded gain; compute 2 to the power of 0.07."),
            (0.75 * 1.07, "−0.07 is an exponent: the factor is 2 to the power of 0.07, about 5 % and not 7."),
            (0.75 + 0.07, "−0.07 is an exponent, not a difference in accuracy."),
            (0.75 * (2**0.07 - 1), "that is the gain; add it to 0.75."),
            (2**0.07, "that is the factor; multiply 0.75 by it."),
            (0.75 * 2**0.7, "the exponent is −0.07, not −0.7."),
            (1.5, "at twice the MACs the score would halve only for an exponent of −1."),
            (0.75 * 4**0.07, "twice the MACs is twice the FLOPs too; the factor stays 2."),
        ],
        "accuracy · (2 M / T)^−0.07 = 0.75 · (M / T)^−0.07, where M is the smaller one's MACs; M and T cancel.",
        tolerance=1.2e-4,  # 0.7873 is right, and so is 0.78729; 0.787 and 0.7875 are not
    ),
    "02.5": Exercise(
        [
            Stage(1, 16, 1, 3, 1),
            Stage(4, 24, 2, 3, 2),
            Stage(4, 40, 2, 5, 2),
            Stage(4, 80, 3, 5, 2),
            Stage(4, 160, 3, 5, 2),
        ],
        [
            ([(1, 16, 1, 3, 1)], "not stages"),
            ([Stage(1, 16, 1, 3, 1), Stage(6, 160, 9, 3, 2)], "too few strides"),
            ([Stage(3, 96, 3, 5, 2)] * 4, "too few channels"),
            ([Stage(2, 160, 1, 3, 2)] * 4, "too few blocks"),
            ([Stage(1, 16, 7, 3, 2)] + [Stage(2, 160, 1, 3, 2)] * 3, "sees too little"),
            ([Stage(6, 160, 3, 5, 2)] * 4, "too many MACs"),
            ([Stage(6, 160, 3, 4, 2)] * 4, "even kernels"),
            ([Stage(4, 160, 3, 3, 2, fused=True)] * 4, "fused"),
            ([Stage(1, 1, 1, 1, 2)] * 3 + [Stage(1, 160, 10, 15, 2)], "kernels of one position, and of 15"),
            ([Stage(1, 8, 1, 3, 4), Stage(4, 160, 9, 9, 2), Stage(4, 160, 1, 9, 2)], "a stride of 4"),
            ([Stage(4, 4, 3, 5, 2)] * 3 + [Stage(4, 160, 3, 5, 2)], "too thin"),
            ([Stage(2.5, 160, 3, 5, 2)] * 4, "half a channel"),
            (Stage(4, 160, 3, 5, 2), "one stage"),
            ([], "no stage"),
        ],
        "see the hints of the check.",
        accept=accept_stages,
    ),
}
