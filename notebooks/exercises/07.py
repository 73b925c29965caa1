"""The exercises of notebook 07: right answers, the wrong ones that people give, and the hint for each."""

from effdet_lite.cost import conv2d, norm
from effdet_lite.costs import cost_by_part, separable_cost
from effdet_lite.scaling import EFFICIENTDETS, EfficientDetConfig, EfficientNetConfig, round_channels
from effdet_lite.teach.kit.checks import Exercise

import math

# Of the backbone, what a detector does not look at, or what training alone does.
UNSEEN = {"resolution", "dropout", "stochastic_depth", "norm_momentum"}
RESOLUTION, MACS, PARAMS, CELLS, CHANNELS, LAYERS = 384, 900_000_000, 2_500_000, 2, 48, 2
POSITIONS = [384 // 2**level * (512 // 2**level) for level in range(3, 8)]


def head_params(classes=3, norms=3 * 5, shared=1, bias=True, anchors=9):
    """Of D0's class head, with one part as somebody mistakes it."""
    layer, last = (separable_cost(64, outputs, 1, 1).params for outputs in (64, classes * anchors))
    biases = 0 if bias else 3 * 64 + classes * anchors
    return (3 * layer + last) * shared + norms * norm(64).params - biases


def rule(
    width=lambda phi: round_channels(64 * 1.35**phi),
    depth=lambda phi: 3 + phi,
    image=lambda phi: 512 + 128 * phi,
    head=lambda phi: 3 + phi // 3,
):
    """The rule with one formula replaced."""
    return lambda phi: (image(phi), width(phi), depth(phi), head(phi))


def published(phi):
    """The table and not the formula."""
    config = EFFICIENTDETS[f"d{phi}"]
    return config.resolution, config.fusion_channels, config.fusion_repeats, config.head_repeats


def accept_config(config):
    """None if this configuration is what 07.4 asks for; otherwise what is missing."""
    if not isinstance(config, EfficientDetConfig):
        return "answer with EfficientDetConfig(resolution, EfficientNetConfig(width, depth), …)."
    if config.resolution < RESOLUTION:
        return f"the camera asks for {RESOLUTION} px or more; yours has {config.resolution}."
    if (config.min_level, config.max_level) != (3, 7):
        return f"the levels are to be P3–P7; yours are P{config.min_level}–P{config.max_level}."
    if changed := _changed(config):
        return f"leave {changed} as it is: what may change is what the list names."
    if config.fusion_repeats < CELLS or config.fusion_channels < CHANNELS:
        return f"the BiFPN is to have at least {CELLS} cells of {CHANNELS} channels."
    if config.fusion_channels % 8:
        return f"channels go by 8; {config.fusion_channels} is no multiple of it."
    if config.head_repeats < LAYERS:
        return f"the heads are to have at least {LAYERS} layers before the last."
    total = sum(cost_by_part(config, 4).values())
    if total.macs > MACS:
        return f"that takes {total.macs / 1e6:.0f} million MACs; the backbone's width is what costs most."
    if total.params > PARAMS:
        return f"that has {total.params / 1e6:.2f} million parameters; make the backbone narrower or shallower."
    return None


def _changed(config):
    """The first setting that the exercise does not ask for and that is not as it comes; "" if there is none."""
    free = {"resolution", "backbone", "fusion_channels", "fusion_repeats", "head_repeats", "min_level", "max_level"}
    parts = [(config, EfficientDetConfig(), free), (config.backbone, EfficientNetConfig(), {"width", "depth", *UNSEEN})]
    for part, usual, may_change in parts:
        for name in usual.__dataclass_fields__.keys() - may_change:
            same = part.graph == usual.graph if name == "neck" else getattr(part, name) == getattr(usual, name)
            if not same:
                return name
    return ""


def small(resolution=384, width=0.8, depth=0.8, channels=48, cells=2, layers=2, **others):
    """A configuration that is accepted, with one part replaced."""
    names = EfficientNetConfig.__dataclass_fields__
    backbone = EfficientNetConfig(width, depth, **{name: others.pop(name) for name in names & others.keys()})
    return EfficientDetConfig(resolution, backbone, channels, cells, layers, **others)


EXERCISES = {
    "07.1": Exercise(
        9 * sum(POSITIONS),
        [
            ([9 * count for count in POSITIONS], "that is each level by itself; add them up."),
            (9 * sum(POSITIONS[1:]), "P3 is missing, which has the most."),
            (sum(POSITIONS), "those are the positions; at each of them stand nine anchors."),
            (3 * sum(POSITIONS), "three scales and three shapes: nine anchors a position, not three."),
            (9 * sum(POSITIONS[:3]), "P6 and P7 have anchors as well, although the backbone does not make them."),
            (9 * POSITIONS[0], "that is P3 alone; add the four coarser levels."),
            (90 * 9 * sum(POSITIONS), "90 is how many scores each anchor has; the anchors stay the same."),
            (4 * sum(POSITIONS), "4 is how many deltas each anchor has; at each position stand nine anchors."),
            (9 * (4 * POSITIONS[0] + sum(POSITIONS[:4])), "those are P2 to P6; here the levels are P3 to P7."),
            (49_104, "that is for 512 × 512; this image has other sides."),
            (9 * 384 * 512, "P3 has one position for each 8 × 8 pixels, not for each pixel."),
        ],
        "on level l there are 384 / 2^l × 512 / 2^l positions; sum them over l = 3 … 7, times nine.",
    ),
    "07.2": Exercise(
        rule(),
        [
            (published, "that is the published table; the formulas give something else for D5, for instance."),
            (rule(width=lambda phi: 64 * 1.35**phi), "the width is a number of channels: `round_channels`."),
            (rule(width=lambda phi: int(64 * 1.35**phi)), "the width goes to a multiple of 8: `round_channels`."),
            (rule(width=lambda phi: int(64 * 1.35**phi) // 8 * 8), "to the *nearest* multiple of 8, not the lower."),
            (rule(width=lambda phi: 8 * math.ceil(8 * 1.35**phi)), "to the *nearest* multiple of 8, not the upper."),
            (rule(width=lambda phi: round_channels(64 * 1.35 * phi)), "the width grows exponentially: 1.35^ϕ."),
            (rule(width=lambda phi: round_channels(64 + 1.35**phi)), "the width is multiplied: 64 · 1.35^ϕ."),
            (rule(depth=lambda phi: 2 + phi), "ϕ = 0 has three cells, not two: 3 + ϕ."),
            (rule(head=lambda phi: 3 + phi / 3), "⌊ϕ / 3⌋ is rounded down: phi // 3."),
            (rule(head=lambda phi: 3 + round(phi / 3)), "⌊ϕ / 3⌋ is rounded down: phi // 3."),
            (rule(head=lambda phi: 3 + math.ceil(phi / 3)), "⌊ϕ / 3⌋ is rounded down: phi // 3."),
            (rule(head=lambda phi: 3 + phi), "3 + ϕ is the BiFPN's depth; heads grow by one in three steps."),
            (rule(image=lambda phi: 512 * (1 + phi)), "the image grows by 128 px a step, not by 512."),
        ],
        "return (512 + 128 · ϕ, round_channels(64 · 1.35^ϕ), 3 + ϕ, 3 + ϕ // 3), in this order.",
        cases=[(0,), (1,), (2,), (4,), (5,), (6,)],
    ),
    "07.3": Exercise(
        head_params(),
        [
            (head_params(norms=3), "each level has norms of its own: 3 layers × 5 levels."),
            (head_params(shared=5), "the convolutions are shared by the levels: count them once."),
            (head_params(bias=False), "the pointwise convolutions have a bias, also those before a norm."),
            (head_params() - 27, "the last pointwise convolution has a bias too."),
            (head_params() + 4 * 64, "only the pointwise convolutions have a bias."),
            (head_params() - 15 * 64, "a norm has two numbers for each channel, a factor and a shift."),
            (head_params(anchors=1), "the last layer answers for nine anchors at each position: 27 outputs."),
            (head_params(classes=90), "that is for 90 classes; here are 3."),
            (head_params(norms=0), "the norms have parameters too: two a channel."),
            (head_params(classes=4), "there are 3 classes, and nothing stands for the background."),
            (
                head_params() + conv2d(64, 27, 3, 1, 1).params - separable_cost(64, 27, 1, 1).params + 27,
                "the last layer is separable too: depthwise, then pointwise.",
            ),
        ],
        "3 × (64 · 9 + 64 · 64 + 64) + 3 × 5 × 2 · 64 + 64 · 9 + 64 · 27 + 27.",
    ),
    "07.4": Exercise(
        small(),
        [
            ((384, 0.8, 0.8, 48, 2, 2), "not a configuration"),
            (small(resolution=256), "too coarse"),
            (small(min_level=2, max_level=6), "other levels"),
            (small(cells=1), "too few cells"),
            (small(channels=40), "too narrow"),
            (small(layers=1), "too few layers"),
            (small(width=1.0, depth=1.0), "too many MACs"),
            (small(width=0.75, depth=2.0, resolution=384, cells=2), "too many MACs by depth"),
            (EFFICIENTDETS["d0"], "D0 itself"),
            (small(channels=50), "no multiple of 8"),
            (small(weighting="sum"), "no weights"),
            (small(anchor_scale=0.1), "absurd anchors"),
            (small(neck="fpn"), "no BiFPN"),
            (small(fused_stages=4), "another backbone"),
            (small(padding="symmetric"), "another padding"),
            (EfficientDetConfig, "the class itself"),
        ],
        "a backbone of 0.8 of B0's width and depth does it.",
        accept=accept_config,
    ),
}
