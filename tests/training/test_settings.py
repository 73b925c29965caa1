"""What a training can be asked for: whatever a field is given, a configuration or one sentence.

Oracle: the fields' own types, Python's json, and plain ranges.
"""

import json
from dataclasses import asdict, fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from effdet_lite.settings import TrainConfig

NAMES = [entry.name for entry in fields(TrainConfig)]
NUMBERS = st.one_of(
    st.integers(),
    st.integers(-3, 130),
    st.floats(),
    st.booleans(),
    st.sampled_from([10**400, Fraction(1, 3), 1j, np.int64(3), np.float32(0.5), np.bool_(True)]),
    st.sampled_from([torch.tensor(1), np.array(2), np.array([1, 2])]),
)
VALUES = st.one_of(
    st.none(),
    NUMBERS,
    st.text(max_size=8),
    st.sampled_from(
        ["sgd", "fpn", "bf16", "none", "imagenet", "a\0b", Path("runs/x"), b"x", object]
    ),
    st.lists(NUMBERS, max_size=3),
    st.tuples(NUMBERS, NUMBERS),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=1),
)


@settings(deadline=None, max_examples=200)
@given(name=st.sampled_from(NAMES), value=VALUES)
def test_any_value_gives_a_configuration_or_one_sentence(name, value):
    try:
        config = TrainConfig(**{name: value})
    except ValueError as error:
        said = str(error)
        assert "\n" not in said and said.endswith(".") and len(said) < 400
        # A size and levels that do not fit together name the side that does not.
        assert name in said or (name == "size" and ("height" in said or "width" in said))
        return
    plain = asdict(config)
    assert json.loads(json.dumps(plain)).keys() == plain.keys()
    kept = plain[name]
    assert type(kept) in (int, float, str, tuple, type(None))
    kinds = {type(part) for part in (kept if isinstance(kept, tuple) else (kept,))}
    assert kinds <= {int, float, str, type(None)}  # no numpy, and no bool for a number
    assert TrainConfig(**{name: kept}) == config


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 10.0, "steps must be a whole number from 1"),
        ("batch_size", True, "batch_size must be a whole number"),
        ("fused_stages", 99, "fused_stages must be a whole number from 0 to 6"),
        ("fused_stages", -3, "fused_stages must be"),
        ("augment", 2, "augment must be a number from 0 to 1, got 2"),
        ("size", 64, "size must be height and width in pixels, got 64"),
        ("size", (64, 64, 3), "size must be height and width"),
        ("levels", (5, 3), "levels must be a whole number from 5 to 12, got 3"),
        ("neck", "nas", "neck must be one of bifpn, fpn, panet"),
        ("max_detections", 0, "max_detections must be a whole number from 1"),
        ("learning_rate", float("nan"), "learning_rate must be a positive number, got nan"),
        ("output", "", "output must be a path"),
        ("depth", 1e9, "depth must be a positive number of at most 100"),
    ],
)
def test_what_a_field_cannot_be_is_told_with_its_name(name, value, message):
    with pytest.raises(ValueError, match=message):
        TrainConfig(**{name: value})


def test_numbers_of_numpy_and_paths_become_plain_ones():
    given_ = TrainConfig(
        steps=np.int64(3), clip=np.float32(0.5), size=[np.int32(64), 64], start=Path("a/b")
    )
    assert given_ == TrainConfig(steps=3, clip=0.5, size=(64, 64), start="a/b")
    assert type(given_.steps) is int and type(given_.clip) is float


def test_a_run_does_not_overwrite_the_weights_that_it_starts_from(tmp_path):
    with pytest.raises(ValueError, match="would overwrite: pass another output"):
        TrainConfig(output=str(tmp_path), start=tmp_path / "detector.safetensors")


@pytest.mark.parametrize("neck", ["bifpn", "fpn", "panet"])
def test_the_neck_is_part_of_the_model(neck):
    config = TrainConfig(neck=neck).model_config
    assert config.graph.name.lower() == neck
