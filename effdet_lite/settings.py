"""The settings of a training: every field checked, each wrong one told in a sentence."""

import functools
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from effdet_lite import scaling
from effdet_lite.arguments import is_number, one_of, shown, whole_number
from effdet_lite.data.opening import grammar
from effdet_lite.efficientdet import check_size

# --- What a field may hold: called with the field's name and value, gives the value as a plain
# Python one, or raises ValueError. ---


def whole(least: int, most: int) -> Callable[[str, Any], int]:
    """A whole number from `least` to `most`; numpy's integers count, True and 3.0 do not."""
    return functools.partial(whole_number, least=least, most=most)


@dataclass(frozen=True)
class Number:
    """A finite number; `test` says which ones, and `words` says so to a person."""

    words: str
    test: Callable[[float], bool]

    def __call__(self, name: str, value: Any) -> float:
        number = math.nan
        if is_number(value):
            with suppress(OverflowError):  # an integer, or a fraction, beyond all floats
                number = float(value)
        if not (math.isfinite(number) and self.test(number)):
            raise ValueError(f"{name} must be {self.words}, got {shown(value)}.")
        return number


def word(*choices: str) -> Callable[[str, Any], str]:
    """One of a few words."""
    return functools.partial(one_of, choices=choices)


@dataclass(frozen=True)
class Pair:
    """Two values, in a tuple or a list."""

    meaning: str
    first: Callable[[str, Any], int]
    second: Callable[[str, Any], int]

    def __call__(self, name: str, value: Any) -> tuple[int, int]:
        if not isinstance(value, tuple | list) or len(value) != 2:
            raise ValueError(f"{name} must be {self.meaning}, got {shown(value)}.")
        first, second = value
        return self.first(name, first), self.second(name, second)


@dataclass(frozen=True)
class Text:
    """Some text, or a path where `path` is set."""

    meaning: str
    path: bool = False

    def __call__(self, name: str, value: Any) -> str:
        if self.path and isinstance(value, os.PathLike):
            value = os.fspath(value)
        if self.path and isinstance(value, str):
            value = os.path.expanduser(value)
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError(f"{name} must be {self.meaning}, got {shown(value)}.")
        return str(value)


POSITIVE = Number("a positive number", lambda value: value > 0)
NOT_NEGATIVE = Number("a number of at least 0", lambda value: value >= 0)
SHARE = Number("a number from 0 to 1", lambda value: 0 <= value <= 1)
MULTIPLE = Number("a positive number of at most 100", lambda value: 0 < value <= 100)
FOLDER = Text("a path", path=True)
NAMES_OF_DATA = grammar()
UNTESTED = "none"


def _option(default: Any, meaning: str, check: Callable[[str, Any], Any]) -> Any:
    """A field that is also an option of the command. Where the default is None, None is legal."""
    return field(default=default, metadata={"help": meaning, "check": check})


@dataclass(frozen=True)
class TrainConfig:
    """One training run, complete: the same configuration gives the same weights on the same
    machine.

    The fields are also the options of `effdet-lite train`. Raises ValueError, in one sentence that
    names the field, for a value that cannot be meant.
    """

    # --- Pictures ---
    data: str = _option("shapes", NAMES_OF_DATA, Text(NAMES_OF_DATA))
    test_data: str | None = _option(
        None,
        "likewise; or validation: the data's own validation pictures, to choose settings by; or "
        "none: no test; by default the data's test split, or a fifth of a COCO file's images",
        Text(f"{NAMES_OF_DATA}, validation or none"),
    )
    size: tuple[int, int] | None = _option(
        None,
        "height and width of the images in pixels (default: what phi says)",
        Pair("height and width in pixels", whole(0, 2**16), whole(0, 2**16)),
    )
    augment: float | None = _option(
        None, "strength of random zoom and color, 0-1 (default: 0 for shapes, else 1)", SHARE
    )
    workers: int = _option(0, "processes that prepare images besides", whole(0, 256))
    cache: float = _option(
        0.25, "share of the free memory that may keep loaded images, 0-1; 0 keeps none", SHARE
    )

    # --- Network ---
    phi: float = _option(
        -3.0,
        "size of the model, from -3 to 7; 0 is EfficientDet-D0",
        Number("a number from -3 to 7", lambda value: -3 <= value <= 7),
    )
    neck: str = _option(
        "bifpn", "feature network: bifpn, fpn or panet", word("bifpn", "fpn", "panet")
    )
    levels: tuple[int, int] | None = _option(
        None,
        "finest and coarsest pyramid level (default: what phi says)",
        Pair("the finest and the coarsest level", whole(1, 5), whole(5, 12)),
    )
    anchor_scale: float | None = _option(
        None, "side of the smallest anchor in strides (default: what phi says)", POSITIVE
    )
    width: float | None = _option(
        None, "the backbone's channels, as a multiple of B0's (default: what phi says)", MULTIPLE
    )
    depth: float | None = _option(
        None, "the backbone's blocks, as a multiple of B0's (default: what phi says)", MULTIPLE
    )
    fused_stages: int = _option(
        0,
        "backbone stages with one dense convolution for two, see scaling.EfficientNetConfig",
        whole(0, 6),
    )
    start: str | None = _option(
        None,
        "trained weights to begin from: a detector.safetensors, imagenet or coco",
        Text("a path, imagenet or coco", path=True),
    )

    # --- Steps ---
    steps: int = _option(1000, "number of batches", whole(1, 2**32 - 1))
    batch_size: int = _option(8, "images in a batch, over all processes", whole(1, 2**16))
    optimizer: str = _option("adamw", "adamw or sgd", word("adamw", "sgd"))
    learning_rate: float = _option(0.016, "the highest; a cosine brings it to 0", POSITIVE)
    warmup: int = _option(80, "steps in which the learning rate rises", whole(0, 2**32 - 1))
    weight_decay: float = _option(1e-2, "of the kernels", NOT_NEGATIVE)
    clip: float = _option(1.0, "largest norm of the gradient", POSITIVE)
    decay: float = _option(
        0.998,
        "of the moving average of the weights, which is what is tested and kept",
        Number("a number from 0 to below 1", lambda value: 0 <= value < 1),
    )
    alpha: float = _option(0.5, "weight of the positive answers in the focal loss", SHARE)
    gamma: float = _option(1.5, "focus of the focal loss", NOT_NEGATIVE)
    precision: str = _option(
        "auto", "no, bf16, or auto: bf16 on a GPU that has it", word("auto", "no", "bf16")
    )
    seed: int = _option(0, "of everything random", whole(0, 2**32 - 1))

    # --- Tests and files ---
    evaluate_every: int = _option(0, "steps between tests; 0: at the end only", whole(0, 2**32 - 1))
    max_detections: int = _option(
        100, "most objects that a test looks for in a picture", whole(1, 10_000)
    )
    save_every: int = _option(200, "steps between checkpoints", whole(0, 2**32 - 1))
    output: str | None = _option(
        None,
        "folder for checkpoints (command: runs/DATA-phiPHI by default; in Python: none)",
        FOLDER,
    )

    def __post_init__(self):
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is None and entry.default is None:
                continue
            # The one way to write to a frozen dataclass.
            object.__setattr__(self, entry.name, entry.metadata["check"](entry.name, value))
        if self.start and self.output:
            kept = Path(self.output) / "detector.safetensors"
            if kept.absolute() == Path(self.start).absolute():
                raise ValueError(
                    f"start is {self.start}, which this run would overwrite: pass another output."
                )
        _ = self.image_size  # refuses levels, sizes and a phi that do not fit together

    @property
    def model_config(self) -> scaling.EfficientDetConfig:
        """What phi says, with what this run has in its place."""
        config = scaling.efficientdet(self.phi)
        min_level, max_level = self.levels or (config.min_level, config.max_level)
        # A short run is over before slow averages settle, and has no blocks to spare: as torch's
        # default, and off.
        backbone = replace(
            config.backbone,
            norm_momentum=0.1,
            stochastic_depth=0.0,
            fused_stages=self.fused_stages,
            width=self.width or config.backbone.width,
            depth=self.depth or config.backbone.depth,
        )
        coarsest = 2**max_level
        legal = math.ceil(config.resolution / coarsest) * coarsest
        return replace(
            config,
            backbone=backbone,
            resolution=legal,
            min_level=min_level,
            max_level=max_level,
            anchor_scale=self.anchor_scale or config.anchor_scale,
            neck=self.neck,
        )

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) that the model is trained and tested at."""
        config = self.model_config
        height, width = self.size or (config.resolution, config.resolution)
        check_size(height, width, config.max_level)
        return height, width
