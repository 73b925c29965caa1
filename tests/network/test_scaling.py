"""Configurations against the tables of the papers and of the official code, as copied from
there.
"""

import dataclasses
import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers import make_divisible

from effdet_lite import layers, scaling
from effdet_lite.efficientnet import cost_by_stage, scaled_stages
from effdet_lite.graphs import fpn, panet
from effdet_lite.scaling import (
    EFFICIENTDETS,
    EFFICIENTNETS,
    PUBLISHED,
    EfficientDetConfig,
    EfficientNetConfig,
)

PHIS = [-3 + step / 4 for step in range(41)]

# Official code, efficientnet_builder.py: width, depth, resolution, dropout.
OFFICIAL_EFFICIENTNETS = {
    "b0": (1.0, 1.0, 224, 0.2),
    "b1": (1.0, 1.1, 240, 0.2),
    "b2": (1.1, 1.2, 260, 0.3),
    "b3": (1.2, 1.4, 300, 0.3),
    "b4": (1.4, 1.8, 380, 0.4),
    "b5": (1.6, 2.2, 456, 0.4),
    "b6": (1.8, 2.6, 528, 0.5),
    "b7": (2.0, 3.1, 600, 0.5),
}

# Official code, hparams_config.py (and effdet's model_config.py): backbone, resolution, fusion
# channels and repeats, head repeats, coarsest level, anchor scale, weighting.
OFFICIAL_EFFICIENTDETS = {
    "d0": ("b0", 512, 64, 3, 3, 7, 4.0, "fast"),
    "d1": ("b1", 640, 88, 4, 3, 7, 4.0, "fast"),
    "d2": ("b2", 768, 112, 5, 3, 7, 4.0, "fast"),
    "d3": ("b3", 896, 160, 6, 4, 7, 4.0, "fast"),
    "d4": ("b4", 1024, 224, 7, 4, 7, 4.0, "fast"),
    "d5": ("b5", 1280, 288, 7, 4, 7, 4.0, "fast"),
    "d6": ("b6", 1280, 384, 8, 5, 7, 4.0, "sum"),
    "d7": ("b6", 1536, 384, 8, 5, 7, 5.0, "sum"),
    "d7x": ("b7", 1536, 384, 8, 5, 8, 4.0, "sum"),
}

# Parameters (M), multiply-adds (B) and accuracy: EfficientNet, table 2; EfficientDet, table 2 (AP
# on test-dev).
PAPER = {
    "b0": (5.3, 0.39, 77.1),
    "b1": (7.8, 0.70, 79.1),
    "b2": (9.2, 1.0, 80.1),
    "b3": (12, 1.8, 81.6),
    "b4": (19, 4.2, 82.9),
    "b5": (30, 9.9, 83.6),
    "b6": (43, 19, 84.0),
    "b7": (66, 37, 84.3),
    "d0": (3.9, 2.5, 34.6),
    "d1": (6.6, 6.1, 40.5),
    "d2": (8.1, 11, 43.9),
    "d3": (12, 25, 47.2),
    "d4": (21, 55, 49.7),
    "d5": (34, 135, 51.5),
    "d6": (52, 226, 52.6),
    "d7": (52, 325, 53.7),
    "d7x": (77, 410, 55.1),
}


def test_published_efficientnets():
    ours = {
        name: (config.width, config.depth, config.resolution, config.dropout)
        for name, config in EFFICIENTNETS.items()
    }
    assert ours == OFFICIAL_EFFICIENTNETS


def test_published_efficientdets():
    backbones = {id(config): name for name, config in EFFICIENTNETS.items()}
    ours = {
        name: (
            backbones[id(config.backbone)],
            config.resolution,
            config.fusion_channels,
            config.fusion_repeats,
            config.head_repeats,
            config.max_level,
            config.anchor_scale,
            config.weighting,
        )
        for name, config in EFFICIENTDETS.items()
    }
    assert ours == OFFICIAL_EFFICIENTDETS
    assert {config.min_level for config in EFFICIENTDETS.values()} == {3}
    assert EFFICIENTDETS["d7x"].levels == (3, 4, 5, 6, 7, 8)


def test_published_figures():
    ours = {
        name: (row.params / 1e6, row.macs / 1e9, row.accuracy) for name, row in PUBLISHED.items()
    }
    assert ours == {name: pytest.approx(row, rel=1e-12) for name, row in PAPER.items()}


# --- the formulas ---


# B0 grown by equation 3 with phi = 0, 1 ... 7: parameters counted on timm's implementation.
FORMULA_PARAMS = [5288548, 9109994, 12255408, 16350296, 25916448, 33726740, 45464648, 68741810]
FORMULA_RESOLUTIONS = [224, 257.6, 296.2, 340.7, 391.8, 450.5, 518.1, 595.8]


@pytest.mark.parametrize("phi", range(8))
def test_efficientnet_by_formula(phi):
    config = scaling.efficientnet(phi)
    assert (config.depth, config.width) == pytest.approx((1.2**phi, 1.1**phi))
    assert abs(config.resolution - FORMULA_RESOLUTIONS[phi]) <= 0.5
    params = sum(cost_by_stage(config.width, config.depth, config.resolution)).params
    assert params == FORMULA_PARAMS[phi]


def test_growth_for_one_step_is_just_below_two():
    """alpha * beta^2 * gamma^2 = 1.9203, not 2 (EfficientNet, equation 3)."""
    config = scaling.efficientnet(1)
    assert config.depth * config.width**2 * 1.15**2 == pytest.approx(1.9203, abs=1e-4)


def test_other_growth_rates():
    config = scaling.efficientnet(2, alpha=1.4, beta=1.0, gamma=1.3)
    assert (config.depth, config.width, config.resolution) == (
        pytest.approx(1.96),
        1.0,
        round(224 * 1.69),
    )


def differing(phi, name):
    formula, published = scaling.efficientdet(phi), EFFICIENTDETS[name]
    fields = ["resolution", "fusion_channels", "fusion_repeats", "head_repeats"]
    return {
        field: (getattr(formula, field), getattr(published, field))
        for field in fields
        if getattr(formula, field) != getattr(published, field)
    }


def test_where_the_published_detectors_depart_from_the_formulas():
    """EfficientDet's equations 1-3 against its table 1; the heads agree throughout."""
    departures = {name: differing(phi, name) for phi, name in enumerate(list(EFFICIENTDETS)[:8])}
    assert {name: fields for name, fields in departures.items() if fields} == {
        "d2": {"fusion_channels": (120, 112)},
        "d4": {"fusion_channels": (216, 224)},
        "d5": {"resolution": (1152, 1280), "fusion_repeats": (8, 7)},
        "d6": {"fusion_repeats": (9, 8)},
        "d7": {
            "resolution": (1408, 1536),
            "fusion_channels": (520, 384),
            "fusion_repeats": (10, 8),
        },
    }


@pytest.mark.parametrize(
    ("phi", "resolution", "channels", "repeats", "heads"),
    [
        (-3, 128, 24, 1, 2),
        (-2, 256, 32, 1, 2),
        (-1, 384, 48, 2, 2),
        (-0.5, 448, 56, 3, 2),
        (0, 512, 64, 3, 3),
    ],
)
def test_small_models(phi, resolution, channels, repeats, heads):
    """By hand: 512 + 128 phi, the multiple of 8 next to 64 * 1.35^phi, 3 + phi but at least 1, 3 +
    floor(phi / 3).
    """
    config = scaling.efficientdet(phi)
    assert (config.resolution, config.fusion_channels) == (resolution, channels)
    assert (config.fusion_repeats, config.head_repeats) == (repeats, heads)
    assert (config.min_level, config.max_level, config.anchor_scale) == (
        (2, 6, 2.0) if phi < 0 else (3, 7, 4.0)
    )


def test_more_phi_is_never_less():
    """A slider that goes up never makes the network smaller, with levels kept."""
    for phis in (PHIS[:12], PHIS[12:]):
        sizes = [
            (
                c.resolution,
                c.fusion_channels,
                c.fusion_repeats,
                c.head_repeats,
                c.backbone.width,
                c.backbone.depth,
            )
            for c in map(scaling.efficientdet, phis)
        ]
        for before, after in itertools.pairwise(sizes):
            assert all(a >= b for a, b in zip(after, before, strict=True))


@settings(deadline=None)
@given(st.floats(0.5, 4000))
def test_channels_are_rounded_as_timm_does(channels):
    assert scaling.round_channels(channels) == make_divisible(channels)
    assert (
        scaling.round_channels(channels) % 8 == 0
        and scaling.round_channels(channels) >= 0.9 * channels
    )


def test_blocks_are_rounded_up():
    """Official code: B1 multiplies 1, 2, 2, 3, 3, 4, 1 by 1.1 and has 2, 3, 3, 4, 4, 5, 2
    blocks.
    """
    assert [stage.blocks for stage in scaled_stages(1.0, 1.1)] == [2, 3, 3, 4, 4, 5, 2]


# --- what is refused ---


@pytest.mark.parametrize("phi", [-3.1, 7.01, 8, math.nan, math.inf, -math.inf, "1", None, [1]])
@pytest.mark.parametrize("formula", [scaling.efficientnet, scaling.efficientdet])
def test_phi_out_of_range(formula, phi):
    with pytest.raises(ValueError, match="phi must be a number from -3"):
        formula(phi)


@pytest.mark.parametrize("value", [0, -1.2, math.nan, math.inf])
@pytest.mark.parametrize("name", ["alpha", "beta", "gamma"])
def test_growth_must_be_positive(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a positive number"):
        scaling.efficientnet(1, **{name: value})


@pytest.mark.parametrize("value", [1e300, 1e-300, 101, 0.001])
@pytest.mark.parametrize("name", ["alpha", "beta", "gamma"])
def test_growth_without_end(name, value):
    for phi in (-3, 7):
        with pytest.raises(ValueError, match=f"{name} must be from 0.01 to 100"):
            scaling.efficientnet(phi, **{name: value})


@pytest.mark.parametrize("channels", [math.nan, math.inf, "8", None])
def test_channels_that_are_no_number(channels):
    with pytest.raises(ValueError, match="channels must be a number"):
        scaling.round_channels(channels)
    with pytest.raises(ValueError, match="divisor must be a whole number of at least 1"):
        scaling.round_channels(8, 0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"resolution": 500}, "multiple of 128 for levels up to P7, got 500"),
        ({"resolution": 0}, "resolution must be a whole number of at least 1, got 0"),
        ({"resolution": 128, "max_level": 8}, "multiple of 256"),
        ({"min_level": 0}, "min_level must be a whole number from 1 to 5"),
        ({"min_level": 6}, "min_level must be a whole number from 1 to 5"),
        ({"max_level": 4}, "max_level must be a whole number from 5 to 12, got 4"),
        ({"fusion_repeats": 0}, "fusion_repeats must be a whole number from 1 to 100, got 0"),
        ({"head_repeats": 0}, "head_repeats must be a whole number from 1 to 100, got 0"),
        ({"fusion_channels": -8}, "fusion_channels must be a whole number of at least 1, got -8"),
        ({"anchor_scale": 0}, "anchor_scale must be a positive number"),
        ({"anchor_scale": math.nan}, "anchor_scale must be a positive number"),
        (
            {"weighting": "Fast"},
            "weighting must be one of fast, softmax, unbounded, sum, got 'Fast'",
        ),
    ],
)
def test_detectors_that_cannot_be(change, says):
    with pytest.raises(ValueError, match=says):
        EfficientDetConfig(**change)


@pytest.mark.parametrize(
    "change", [{"width": 0}, {"depth": -1}, {"resolution": 0}, {"width": math.nan}]
)
def test_backbones_that_cannot_be(change):
    with pytest.raises(ValueError, match=r"must be a (positive|whole) number"):
        EfficientNetConfig(**change)


def test_layers_know_the_same_paddings():
    """`scaling` is free of torch, so that it cannot ask `layers`."""
    assert scaling.PADDINGS == layers.PADDINGS


def test_configurations_do_not_change_and_can_be_keys():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EFFICIENTDETS["d0"].resolution = 640
    assert len({*EFFICIENTDETS.values(), *EFFICIENTNETS.values()}) == 17


def test_numbers_need_no_torch():
    subprocess.run(
        [sys.executable, "-c", "import effdet_lite.scaling, sys; sys.exit('torch' in sys.modules)"],
        check=True,
    )


# --- as plain values ---


def test_a_configuration_comes_back_from_json():
    graph = panet((2, 3, 4, 5, 6))
    small = scaling.efficientdet(-1.5)
    mine = [dataclasses.replace(small, neck=neck) for neck in ("fpn", "panet", graph)]
    for config in [*EFFICIENTDETS.values(), small, *mine]:
        assert EfficientDetConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_header_from_before_there_were_necks_is_read():
    values = EFFICIENTDETS["d0"].to_dict()
    del values["neck"]
    assert EfficientDetConfig.from_dict(values) == EFFICIENTDETS["d0"]


def test_the_levels_of_a_neck_are_those_of_the_detector():
    """One level too few or too many, or all of them moved by one."""
    for levels in ((2, 3, 4, 5), (2, 3, 4, 5, 6, 7), (3, 4, 5, 6, 7)):
        with pytest.raises(ValueError, match=r"is for levels .* and this detector has P2 to P6"):
            EfficientDetConfig(128, min_level=2, max_level=6, neck=fpn(levels))


def test_numbers_of_numpy_become_pythons():
    config = EfficientDetConfig(
        np.int64(512), fusion_channels=np.int32(88), anchor_scale=np.float32(2)
    )
    assert json.dumps(config.to_dict()) == json.dumps(
        EfficientDetConfig(512, fusion_channels=88, anchor_scale=2.0).to_dict()
    )


@pytest.mark.parametrize("value", [True, 2.0, "3", None, [3]])
def test_what_is_no_whole_number(value):
    for name in ("fusion_channels", "fusion_repeats", "head_repeats", "min_level", "resolution"):
        with pytest.raises(ValueError, match=f"{name} must be a whole number"):
            EfficientDetConfig(**{name: value})


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2000),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_damaged_configurations_are_refused_in_a_sentence(data):
    """A configuration, or one sentence; whatever stands in a file's header."""
    config = EFFICIENTDETS["d0"].to_dict()
    where = data.draw(st.sampled_from(["config", "backbone", "all", "unknown"]))
    if where == "all":
        config = data.draw(values)
    elif where == "unknown":
        config[data.draw(st.text(max_size=8))] = data.draw(values)
    else:
        part = config if where == "config" else config["backbone"]
        part[data.draw(st.sampled_from(sorted(part)))] = data.draw(values)
    try:
        assert isinstance(EfficientDetConfig.from_dict(config), EfficientDetConfig)
    except ValueError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
