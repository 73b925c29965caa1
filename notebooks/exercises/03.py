"""The exercises of notebook 03: right answers, the wrong ones that people give, and the hint for each."""

from effdet_lite import scaling
from effdet_lite.costs import cost_by_stage
from effdet_lite.efficientnet import scaled_stages
from effdet_lite.scaling import EfficientNetConfig
from effdet_lite.teach.kit.checks import Exercise

import math

RESOLUTION, LEAST_MACS, MACS, PARAMS, BLOCKS = 320, 550_000_000, 600_000_000, 5_000_000, 16


def nearest(value):
    """The nearest whole number, half up."""
    return math.floor(value + 0.5)


def multiple_of_8(channels):
    """The nearest multiple of 8, without the rule of 90 %."""
    return max(8, int(channels + 4) // 8 * 8)


def scaled_by(
    depth_base=1.2,
    width_base=1.1,
    side_base=1.15,
    blocks_of=math.ceil,
    channels_of=scaling.round_channels,
    side_of=nearest,
    answer=lambda blocks, channels, side: (blocks, channels, side),
):
    """The formula for one stage, with one part replaced."""

    def scaled(blocks, channels, side, phi):
        parts = blocks_of(blocks * depth_base**phi), channels_of(channels * width_base**phi)
        return answer(*parts, side_of(side * side_base**phi))

    return scaled


def linear(blocks, channels, side, phi):
    """phi as a factor and not as an exponent."""
    side = nearest(side * 1.15 * phi)
    return math.ceil(blocks * 1.2 * phi), scaling.round_channels(channels * 1.1 * phi), side


def forgotten(blocks, channels, side, phi):
    """The same for every phi, as if it were 1."""
    return scaled_by()(blocks, channels, side, 1)


def accept_network(network):
    """None if this configuration is what 03.4 asks for; otherwise what is missing."""
    if not isinstance(network, EfficientNetConfig):
        return "answer with EfficientNetConfig(width=…, depth=…, resolution=…)."
    if network.fused_stages:
        return "leave fused_stages at 0: the network is to be B0, scaled."
    if network.resolution < RESOLUTION:
        return f"the camera asks for {RESOLUTION} px or more; yours has {network.resolution}."
    total = sum(cost_by_stage(network.width, network.depth, network.resolution))
    blocks = sum(stage.blocks for stage in scaled_stages(network.width, network.depth))
    if blocks != BLOCKS:
        return f"that has {blocks} blocks; B0's {BLOCKS} are to stay, so leave depth at 1."
    if total.macs > MACS:
        return f"that takes {total.macs / 1e6:.0f} million MACs; they grow with the square of the width."
    if total.params > PARAMS:
        return f"that has {total.params / 1e6:.2f} million parameters; resolution adds none; make it narrower."
    if total.macs < LEAST_MACS:
        return f"that takes only {total.macs / 1e6:.0f} million MACs; spend at least {LEAST_MACS / 1e6:.0f} million."
    return None


STEP = 1.2 * 1.1**2 * 1.15**2
BUDGET = math.log(10) / math.log(STEP)

EXERCISES = {
    "03.1": Exercise(
        math.sqrt(2 / (1.3 * 1.2**2)),
        [
            (2 / (1.3 * 1.2**2), "that is γ²; resolution counts for height and for width, so take the root."),
            (2 / (1.3 * 1.2), "β counts twice, for the channels that come in and go out; and so does γ."),
            (math.sqrt(2 / (1.3 * 1.2)), "β counts twice: for the channels that come in and for those that go out."),
            (math.sqrt(2 / (1.3**2 * 1.2)), "it is the width that is squared, not the depth: β², not α²."),
            (math.sqrt(2 / (1.3**2 * 1.2**2)), "α is not squared: twice the blocks are twice the MACs, no more."),
            (2 - 1.3 * 1.2**2, "the three are multiplied, so divide 2 by α · β²."),
            (math.sqrt(1.3 * 1.2**2), "that is the root of α · β²; γ² is 2 divided by it."),
            (1.3 * 1.2**2, "that is α · β²; γ² is what is missing to 2, as a factor."),
            (1 / (1.3 * 1.2**2), "γ² is 2 divided by α · β², and then take the root."),
            (math.sqrt(1 / (1.3 * 1.2**2)), "one step makes it 2 times as much, not 1 times."),
            (1.03, "nearly; at least three decimals, please."),
            (1.15, "that is the paper's γ, which goes with its own α and β."),
        ],
        "solve 1.3 · 1.2² · γ² = 2 for γ.",
        tolerance=6.2e-4,  # 1.034, 1.0336 and 1.033 (cut off) are right, and 1.03 is not
    ),
    "03.2": Exercise(
        scaled_by(),
        [
            (scaled_by(blocks_of=math.floor), "blocks are rounded up: 2 · 1.2 is 3 blocks."),
            (scaled_by(blocks_of=int), "blocks are rounded up: 2 · 1.2 is 3 blocks."),
            (scaled_by(blocks_of=nearest), "blocks are rounded up, always."),
            (scaled_by(blocks_of=round), "blocks are rounded up, always."),
            (scaled_by(blocks_of=lambda blocks: blocks), "blocks are whole: round them up."),
            (scaled_by(channels_of=round), "channels are rounded to a multiple of 8: `round_channels`."),
            (scaled_by(channels_of=int), "channels are rounded to a multiple of 8: `round_channels`."),
            (scaled_by(channels_of=lambda channels: channels), "channels are whole: use `round_channels`."),
            (scaled_by(channels_of=multiple_of_8), "a multiple below 90 % of the product goes up: `round_channels`."),
            (
                scaled_by(channels_of=lambda channels: math.ceil(channels / 8) * 8),
                "channels go to the nearest multiple of 8, not always up: `round_channels`.",
            ),
            (scaled_by(side_of=int), "the side is rounded to the nearest pixel, not cut off."),
            (scaled_by(side_of=math.ceil), "the side is rounded to the nearest pixel, not always up."),
            (scaled_by(side_of=lambda side: side), "the side is whole pixels: math.floor(x + 0.5)."),
            (scaled_by(1.1, 1.2), "α = 1.2 is for depth and β = 1.1 for width; you have them the other way round."),
            (scaled_by(1.2, 1.15, 1.1), "β = 1.1 is for the width and γ = 1.15 for the resolution."),
            (scaled_by(1.15, 1.1, 1.2), "α = 1.2 is for the depth and γ = 1.15 for the resolution."),
            (scaled_by(side_base=1.15**2), "γ is for the side; it is the area that grows by γ²."),
            (scaled_by(width_base=1.1**2), "β is for the channels; it is the cost that grows by β²."),
            (scaled_by(side_base=1.15**0.5), "γ is for the side itself, without a root."),
            (linear, "ϕ is an exponent: 1.2^ϕ, not 1.2 · ϕ."),
            (forgotten, "that is the same for every ϕ: raise each base to the power of ϕ."),
            (lambda blocks, channels, side, phi: (blocks, channels, side), "that is B0's stage, not scaled."),
            (scaled_by(answer=lambda *parts: parts[::-1]), "in the order blocks, channels, side."),
            (scaled_by(answer=lambda a, b, c: (b, a, c)), "in the order blocks, channels, side."),
            (scaled_by(answer=lambda a, b, c: (a, c, b)), "in the order blocks, channels, side."),
            (scaled_by(answer=lambda a, b, c: (a, b)), "three answers: blocks, channels and side."),
        ],
        "return (ceil(blocks · 1.2^ϕ), round_channels(channels · 1.1^ϕ), side · 1.15^ϕ to the nearest pixel).",
        cases=[
            (2, 40, 224, 1),
            (3, 112, 224, 2.5),
            (4, 192, 224, 6),
            (1, 320, 128, -2),
            (2, 16, 224, -4),  # 10.9 channels: the nearest multiple, 8, is below 90 %
            (3, 24, 200, 0),
            (1, 80, 224, 7),
        ],
    ),
    "03.3": Exercise(
        BUDGET,
        [
            (3.5, "nearly; at least two decimals, please."),
            (3.6, "nearly; at least two decimals, please, and do not round on the way."),
            (3.54, "nearly; use the product itself, 1.9203, and not 1.92 or 1.9 rounded on the way."),
            (math.log(10) / math.log(1.9), "nearly; the product is 1.9203, not 1.9."),
            (4, "nearly; a ϕ need not be whole: at least two decimals, please."),
            (math.log2(10), "that is for an exact doubling at each step; the paper's product is 1.92."),
            (10 / STEP, "each step multiplies, so count steps by logarithms."),
            (math.log(10), "divide by the logarithm of one step's growth, log 1.92."),
            (1.0, "log10(10) is 1; divide it by log10 of one step's growth."),
            (math.log(10) / math.log(1.2 * 1.1 * 1.15), "width and resolution count twice: α · β² · γ²."),
            (math.log10(STEP), "that is the inverse: how many powers of ten one step is."),
            (math.log(10) / STEP, "divide by the logarithm of 1.92, not by 1.92."),
            (STEP**10, "that is ten steps; you want the number of steps to ten times the compute."),
            (math.log(10) / math.log(1.2), "that spends all on depth; a step is α · β² · γ²."),
            (math.log(8) / math.log(STEP), "that is for eight times the compute; here it is ten times."),
        ],
        "1.92^ϕ = 10; take logarithms of both sides.",
        tolerance=1.5e-3,  # 3.53, 3.529 and 3.5294 are right, and so is 3.53 of 1.92 alone
    ),
    "03.4": Exercise(
        EfficientNetConfig(0.8, 1.0, 320),
        [
            ((0.8, 1.0, 320), "not a configuration"),
            (EfficientNetConfig(0.8, 1.0, 224), "too coarse"),
            (EfficientNetConfig(0.8, 0.5, 320), "too few blocks"),
            (EfficientNetConfig(1.0, 1.0, 320), "too many MACs"),
            (EfficientNetConfig(0.8, 2.0, 320), "too many blocks"),
            (EfficientNetConfig(0.1, 1.0, 320), "hardly a network"),
            (EfficientNetConfig(0.01, 5.0, 320), "deep, and hardly a network"),
            (EfficientNetConfig(0.7, 1.0, 320), "too cheap"),
            (EfficientNetConfig(0.8, 1.0, 640), "too fine"),
            (EfficientNetConfig(1.0, 1.0, 224), "B0 itself"),
            (EfficientNetConfig(), "B0 itself"),
            (EfficientNetConfig(0.8, 1.0, 320, fused_stages=2), "fused"),
        ],
        "keep depth 1 and 320 px; make width smaller.",
        accept=accept_network,
    ),
}
