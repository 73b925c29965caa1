"""The exercises of notebook 03: right answers, the wrong ones that people give, and the hint for each."""

from effdet_lite import scaling
from effdet_lite.costs import cost_by_stage
from effdet_lite.efficientnet import scaled_stages
from effdet_lite.scaling import EfficientNetConfig
from effdet_lite.teach.kit.checks import Exercise

import math

RESOLUTION, MACS, PARAMS, BLOCKS = 320, 600_000_000, 5_000_000, 16


def scaled_by(depth_base=1.2, width_base=1.1, side_base=1.15, blocks_of=math.ceil, channels_of=scaling.round_channels):
    """The formula for one stage, with one part replaced."""

    def scaled(blocks, channels, side, phi):
        side = math.floor(side * side_base**phi + 0.5)
        return blocks_of(blocks * depth_base**phi), channels_of(channels * width_base**phi), side

    return scaled


def linear(blocks, channels, side, phi):
    """phi as a factor and not as an exponent."""
    side = math.floor(side * 1.15 * phi + 0.5)
    return math.ceil(blocks * 1.2 * phi), scaling.round_channels(channels * 1.1 * phi), side


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
    if blocks < BLOCKS:
        return f"that has {blocks} blocks; B0's {BLOCKS} are the least."
    if total.macs > MACS:
        return f"that takes {total.macs / 1e6:.0f} million MACs; they grow with the square of the width."
    if total.params > PARAMS:
        return f"that has {total.params / 1e6:.2f} million parameters; resolution adds none; make it narrower."
    return None


BUDGET = math.log(10) / math.log(1.2 * 1.1**2 * 1.15**2)

EXERCISES = {
    "03.1": Exercise(
        math.sqrt(2 / (1.3 * 1.2**2)),
        [
            (2 / (1.3 * 1.2**2), "that is γ²; resolution counts for height and for width."),
            (2 / (1.3 * 1.2), "β counts twice, for the channels that come in and go out; and so does γ."),
            (math.sqrt(2 / (1.3 * 1.2)), "β counts twice: for the channels that come in and for those that go out."),
            (math.sqrt(2 / (1.3**2 * 1.2)), "it is the width that is squared, not the depth: β², not α²."),
            (math.sqrt(2) / (1.3 * 1.2), "α is not squared: twice the blocks are twice the MACs, no more."),
            (2 - 1.3 * 1.2**2, "the constraint is a product, so divide."),
        ],
        "solve 1.3 · 1.2² · γ² = 2 for γ.",
        tolerance=1e-3,
    ),
    "03.2": Exercise(
        scaled_by(),
        [
            (scaled_by(blocks_of=math.floor), "blocks are rounded up: 2 · 1.2 is 3 blocks."),
            (scaled_by(blocks_of=lambda blocks: math.floor(blocks + 0.5)), "blocks are rounded up, always."),
            (scaled_by(channels_of=round), "channels are rounded to a multiple of 8: `round_channels`."),
            (scaled_by(1.1, 1.2), "α = 1.2 is for depth and β = 1.1 for width; you have them the other way round."),
            (scaled_by(side_base=1.15**2), "γ is for the side; it is the area that grows by γ²."),
            (scaled_by(width_base=1.1**2), "β is for the channels; it is the cost that grows by β²."),
            (linear, "ϕ is an exponent: 1.2^ϕ, not 1.2 · ϕ."),
        ],
        "return (ceil(blocks · 1.2^ϕ), round_channels(channels · 1.1^ϕ), side · 1.15^ϕ to the nearest pixel).",
        cases=[(2, 40, 224, 1), (3, 112, 224, 2.5), (4, 192, 224, 6), (1, 320, 128, -2)],
    ),
    "03.3": Exercise(
        BUDGET,
        [
            (math.log2(10), "that is for an exact doubling at each step; the paper's product is 1.92."),
            (10 / (1.2 * 1.1**2 * 1.15**2), "each step multiplies, so count steps by logarithms."),
            (math.log(10), "divide by the logarithm of one step's growth, log 1.92."),
            (math.log(10) / math.log(1.2 * 1.1 * 1.15), "width and resolution count twice: α · β² · γ²."),
            (math.log10(1.2 * 1.1**2 * 1.15**2), "that is the inverse: how many powers of ten one step is."),
        ],
        "1.92^ϕ = 10; take logarithms of both sides.",
        tolerance=5e-3,
    ),
    "03.4": Exercise(
        EfficientNetConfig(0.8, 1.0, 320),
        [
            ((0.8, 1.0, 320), "not a configuration"),
            (EfficientNetConfig(0.8, 1.0, 224), "too coarse"),
            (EfficientNetConfig(0.8, 0.5, 320), "too few blocks"),
            (EfficientNetConfig(1.0, 1.0, 320), "too many MACs"),
            (EfficientNetConfig(0.8, 2.0, 320), "too many MACs by depth"),
            (EfficientNetConfig(0.8, 1.0, 320, fused_stages=2), "fused"),
        ],
        "keep depth 1 and 320 px; make width smaller.",
        accept=accept_network,
    ),
}
