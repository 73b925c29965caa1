"""Compound scaling: from one number, phi, to the size of a whole network. Numbers only, no torch.

EfficientNet: arXiv 1905.11946, equation 3 and section 3.3. EfficientDet: arXiv 1911.09070, section
4.2 and table 1. The published B1-B7 and D1-D7x do not follow their formulas throughout, so both
stand here, side by side.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields

from effdet_lite.arguments import is_number, one_of, positive_number, share, shown, whole_number
from effdet_lite.graphs import NECKS, WEIGHTINGS, FusionGraph

PADDINGS = ("same", "symmetric")
MOST_FUSED = 6  # stages: all but the first
# Limits far above every published network (3.1 and 8), so that a slip of the finger is refused in a
# sentence, before it asks for more memory than there is.
MOST_FACTOR = 100  # of B0's channels or blocks
MOST_REPEATS = 100  # of the feature network's cells, or of a head's convolutions


@dataclass(frozen=True)
class EfficientNetConfig:
    """An EfficientNet as multiples of B0.

    width, depth: factors on B0's channels and on its blocks per stage.
    resolution: side of the square input, in pixels.
    dropout: before the classifier. stochastic_depth: of the last block; earlier blocks have
        proportionally less.
    padding, norm_epsilon, norm_momentum: see `layers.LayerStyle`; the defaults are the official
        TensorFlow network's.
    fused_stages: how many stages after the first have `layers.FusedMBConv` in place of MBConv, as
        EfficientNetV2 has on its fine maps. 0 is EfficientNet.

    Raises ValueError for a value that no network has.
    """

    width: float = 1.0
    depth: float = 1.0
    resolution: int = 224
    dropout: float = 0.2
    stochastic_depth: float = 0.2
    padding: str = "same"
    norm_epsilon: float = 1e-3
    norm_momentum: float = 0.01
    fused_stages: int = 0

    def __post_init__(self):
        for name in ("width", "depth", "norm_epsilon"):
            _check_field(self, name, positive_number)
        for name in ("dropout", "stochastic_depth", "norm_momentum"):
            _check_field(self, name, share)
        if max(self.width, self.depth) > MOST_FACTOR:
            raise ValueError(f"width and depth must be at most {MOST_FACTOR}, got {self}.")
        _check_field(self, "resolution", whole_number)
        _check_field(self, "fused_stages", whole_number, 0, MOST_FUSED)
        _check_field(self, "padding", one_of, PADDINGS)


@dataclass(frozen=True)
class EfficientDetConfig:
    """An EfficientDet, all of it: `EfficientDet(config, num_classes)` builds from nothing else.

    resolution: side of the square input, in pixels; a multiple of 2**max_level.
    backbone: the EfficientNet in front.
    fusion_channels, fusion_repeats: width and number of the feature network's cells.
    head_repeats: convolutions in each head.
    min_level, max_level: pyramid levels; level l has one position for each 2**l pixels.
    anchor_scale: side of a level's smallest square anchor, in strides of that level.
    weighting: how a node adds its inputs: "fast", "softmax", "unbounded" or "sum".
    neck: the feature network: "bifpn", "fpn", "panet", or a FusionGraph of the same levels.

    Raises ValueError for a value that no detector has, and for two that do not fit together.
    """

    resolution: int = 512
    backbone: EfficientNetConfig = field(default_factory=EfficientNetConfig)
    fusion_channels: int = 64
    fusion_repeats: int = 3
    head_repeats: int = 3
    min_level: int = 3
    max_level: int = 7
    anchor_scale: float = 4.0
    weighting: str = "fast"
    neck: str | FusionGraph = "bifpn"

    def __post_init__(self):
        _check_field(self, "fusion_channels", whole_number)
        _check_field(self, "fusion_repeats", whole_number, 1, MOST_REPEATS)
        _check_field(self, "head_repeats", whole_number, 1, MOST_REPEATS)
        _check_field(self, "min_level", whole_number, 1, 5)
        _check_field(self, "max_level", whole_number, 5, 12)
        _check_field(self, "resolution", whole_number)
        _check_field(self, "anchor_scale", positive_number)
        _check_field(self, "weighting", one_of, WEIGHTINGS)
        if self.resolution % 2**self.max_level:
            raise ValueError(
                f"resolution must be a multiple of {2**self.max_level} for levels up to "
                f"P{self.max_level}, got {self.resolution}."
            )
        if not isinstance(self.backbone, EfficientNetConfig):
            raise ValueError(f"backbone must be an EfficientNetConfig, got {self.backbone!r:.100}.")
        if not isinstance(self.neck, FusionGraph):
            _check_field(self, "neck", one_of, tuple(NECKS))
        if self.graph.levels != self.levels:
            raise ValueError(
                f"the neck {self.graph.name!r} is for levels P{self.graph.levels[0]} to "
                f"P{self.graph.levels[-1]}, and this detector has P{self.min_level} to "
                f"P{self.max_level}: give both the same."
            )

    @property
    def levels(self) -> tuple[int, ...]:
        """The pyramid levels, fine to coarse."""
        return tuple(range(self.min_level, self.max_level + 1))

    @property
    def graph(self) -> FusionGraph:
        """The feature network of these levels."""
        return self.neck if isinstance(self.neck, FusionGraph) else NECKS[self.neck](self.levels)

    def to_dict(self) -> dict:
        """The configuration as plain values, for JSON."""
        values = asdict(self)
        values["neck"] = self.neck.to_dict() if isinstance(self.neck, FusionGraph) else self.neck
        return values

    @classmethod
    def from_dict(cls, values: dict) -> "EfficientDetConfig":
        """The configuration that `to_dict` made into plain values; what is left out is as default.

        Raises ValueError for unknown names and for values that no configuration has.
        """
        values = dict(_known(cls, values))
        if "backbone" in values:
            backbone = _known(EfficientNetConfig, values["backbone"])
            values["backbone"] = EfficientNetConfig(**backbone)
        if isinstance(values.get("neck"), dict):
            values["neck"] = FusionGraph.from_dict(values["neck"])
        return cls(**values)


def _check_field(config: object, name: str, check: Callable, *limits: object) -> None:
    """Check one field, and put in its place what `check` returns.

    That is the same value in Python's own type: numpy's numbers could not be written as JSON.
    """
    value = check(name, getattr(config, name), *limits)
    # `config.name = value` is what frozen dataclasses forbid everyone, themselves included.
    object.__setattr__(config, name, value)


def _known(cls: type, values: object) -> dict:
    """`values`, if each is a field of this dataclass; else a ValueError."""
    if not isinstance(values, dict):
        raise ValueError(f"{cls.__name__} must be names and values, got {values!r:.100}.")
    unknown = values.keys() - {one.name for one in fields(cls)}
    if unknown:
        raise ValueError(f"{cls.__name__} has no {min(map(str, unknown))!r}.")
    return values


@dataclass(frozen=True)
class Published:
    """What a paper reports. params and macs: as rounded there. accuracy: ImageNet top-1 or COCO
    test-dev AP, in %.
    """

    params: float
    macs: float
    accuracy: float


def round_channels(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of 8, half up, but never below 90 % of the wish. Official code,
    `round_filters`.

    Raises ValueError for channels that are no finite number, and a divisor that is not whole and at
    least 1.
    """
    if not is_number(channels) or not math.isfinite(channels):
        raise ValueError(f"channels must be a number, got {shown(channels)}.")
    divisor = whole_number("divisor", divisor)
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def efficientnet(
    phi: float, alpha: float = 1.2, beta: float = 1.1, gamma: float = 1.15
) -> EfficientNetConfig:
    """The EfficientNet of this phi by the formula alone: depth alpha^phi, width beta^phi,
    resolution 224 gamma^phi.

    phi: any real number from -3 to 7; 0 is B0. alpha, beta, gamma: growth of each dimension for one
    step of phi, from 0.01 to 100. Raises ValueError for others, and for a network that becomes more
    than a hundred times as wide or deep as B0.
    """
    _check_phi(phi)
    for name, value in {"alpha": alpha, "beta": beta, "gamma": gamma}.items():
        if not 0.01 <= positive_number(name, value) <= 100:
            raise ValueError(f"{name} must be from 0.01 to 100, got {value}.")
    return EfficientNetConfig(
        width=beta**phi,
        depth=alpha**phi,
        resolution=max(1, _round(224 * gamma**phi)),
        # "linearly increase dropout ratio from 0.2 for EfficientNet-B0 to 0.5 for B7" (section 5.2)
        dropout=max(0.0, 0.2 + 0.3 * phi / 7),
    )


def efficientdet(phi: float) -> EfficientDetConfig:
    """The EfficientDet of this phi by the formulas alone (equations 1-3), for any real phi from -3
    to 7; 0 is D0.

    What is not a whole number is rounded: channels to the nearest 8, repeats to the nearest 1,
    resolution to the nearest legal one. Below 0 the formulas alone would give nothing useful, so
    there (the course's small models): BiFPN and heads are repeated at least once, and levels are
    P2-P6 with anchor scale 2, since 128-256 px images have small objects. Raises ValueError for
    another phi.
    """
    _check_phi(phi)
    min_level, max_level, anchor_scale = (2, 6, 2.0) if phi < 0 else (3, 7, 4.0)
    return EfficientDetConfig(
        resolution=_round((512 + 128 * phi) / 2**max_level) * 2**max_level,
        backbone=efficientnet(phi),
        fusion_channels=round_channels(64 * 1.35**phi),
        fusion_repeats=max(1, _round(3 + phi)),
        head_repeats=max(1, 3 + math.floor(phi / 3)),
        min_level=min_level,
        max_level=max_level,
        anchor_scale=anchor_scale,
    )


# Width, depth, resolution and dropout as the official code has them (efficientnet_builder.py,
# `efficientnet_params`).
EFFICIENTNETS = {
    "b0": EfficientNetConfig(1.0, 1.0, 224, 0.2),
    "b1": EfficientNetConfig(1.0, 1.1, 240, 0.2),
    "b2": EfficientNetConfig(1.1, 1.2, 260, 0.3),
    "b3": EfficientNetConfig(1.2, 1.4, 300, 0.3),
    "b4": EfficientNetConfig(1.4, 1.8, 380, 0.4),
    "b5": EfficientNetConfig(1.6, 2.2, 456, 0.4),
    "b6": EfficientNetConfig(1.8, 2.6, 528, 0.5),
    "b7": EfficientNetConfig(2.0, 3.1, 600, 0.5),
}

# Resolution, backbone, BiFPN channels and repeats, head repeats (paper, table 1; hparams_config.py
# for the rest).
EFFICIENTDETS = {
    "d0": EfficientDetConfig(512, EFFICIENTNETS["b0"], 64, 3, 3),
    "d1": EfficientDetConfig(640, EFFICIENTNETS["b1"], 88, 4, 3),
    "d2": EfficientDetConfig(768, EFFICIENTNETS["b2"], 112, 5, 3),
    "d3": EfficientDetConfig(896, EFFICIENTNETS["b3"], 160, 6, 4),
    "d4": EfficientDetConfig(1024, EFFICIENTNETS["b4"], 224, 7, 4),
    "d5": EfficientDetConfig(1280, EFFICIENTNETS["b5"], 288, 7, 4),
    "d6": EfficientDetConfig(1280, EFFICIENTNETS["b6"], 384, 8, 5, weighting="sum"),
    "d7": EfficientDetConfig(
        1536, EFFICIENTNETS["b6"], 384, 8, 5, anchor_scale=5.0, weighting="sum"
    ),
    "d7x": EfficientDetConfig(1536, EFFICIENTNETS["b7"], 384, 8, 5, max_level=8, weighting="sum"),
}

# EfficientNet, table 2 (v5: top-1 of B7 is 84.3; v1 had 84.4); EfficientDet, table 2 (test-dev AP).
PUBLISHED = {
    "b0": Published(5.3e6, 0.39e9, 77.1),
    "b1": Published(7.8e6, 0.70e9, 79.1),
    "b2": Published(9.2e6, 1.0e9, 80.1),
    "b3": Published(12e6, 1.8e9, 81.6),
    "b4": Published(19e6, 4.2e9, 82.9),
    "b5": Published(30e6, 9.9e9, 83.6),
    "b6": Published(43e6, 19e9, 84.0),
    "b7": Published(66e6, 37e9, 84.3),
    "d0": Published(3.9e6, 2.5e9, 34.6),
    "d1": Published(6.6e6, 6.1e9, 40.5),
    "d2": Published(8.1e6, 11e9, 43.9),
    "d3": Published(12e6, 25e9, 47.2),
    "d4": Published(21e6, 55e9, 49.7),
    "d5": Published(34e6, 135e9, 51.5),
    "d6": Published(52e6, 226e9, 52.6),
    "d7": Published(52e6, 325e9, 53.7),
    "d7x": Published(77e6, 410e9, 55.1),
}


def _check_phi(phi: float) -> None:
    if not is_number(phi) or not -3 <= phi <= 7:
        raise ValueError(f"phi must be a number from -3 (128 px) to 7 (1408 px), got {phi!r}.")


def _round(value: float) -> int:
    # Half up, unlike Python's round(), so that a slider never jumps back.
    return math.floor(value + 0.5)
