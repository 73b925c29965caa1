"""What the detectors are that come with the course, in full, for notebook 08."""

from collections.abc import Mapping

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.scaling import EfficientDetConfig, efficientdet
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.shared import shipped
from effdet_lite.teach.kit.words import with_minus

FILES = ("shapes", "bccd")
PHOTOGRAPHS = 205 + 87  # of BCCD for training and for validation; both were trained on
SETTINGS = {
    "steps": "steps",
    "batch_size": "pictures in a batch",
    "learning_rate": "highest learning rate",
    "warmup": "steps of warm-up",
    "decay": "cap of the average's decay (not reached)",
    "weight_decay": "weight decay",
    "precision": "precision of the training",
    "optimizer": "optimizer",
    "seed": "seed",
}


def described(config: EfficientDetConfig, classes: int, size: tuple[int, int]) -> dict[str, str]:
    """What a network is made of, by name."""
    backbone = config.backbone
    parameters = sum(one.numel() for one in EfficientDet(config, classes).parameters())
    return {
        "image, height × width": f"{size[0]} × {size[1]} px",
        "backbone's width": f"{backbone.width:.2f}",
        "backbone's depth": f"{backbone.depth:.2f}",
        "stages of fused blocks": f"{backbone.fused_stages} of 7",
        "levels": f"P{config.min_level} to P{config.max_level}",
        "anchor scale": f"{config.anchor_scale:g}",
        "BiFPN: cells × channels": f"{config.fusion_repeats} × {config.fusion_channels}",
        "layers of each head": f"{config.head_repeats}",
        "million parameters": f"{parameters / 1e6:.2f}",
    }


def show_shipped() -> None:
    """A table of two shipped detectors, each beside what the rule says for its ϕ: network,
    training, result.
    """
    heads, columns, abouts = [""], [], []
    for name in FILES:
        model, about = shipped(name)
        rule = efficientdet(about["training"]["phi"])
        side = rule.resolution
        columns.append(described(rule, model.num_classes, (side, side)))
        columns.append(described(model.config, model.num_classes, tuple(about["size"])))
        heads.append(f"the rule's ϕ = {with_minus(about['training']['phi'])}")
        heads.append(f"{name}.safetensors")
        abouts.append(about)
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    told = {
        words: [_written(about["training"].get(key)) for about in abouts]
        for key, words in SETTINGS.items()
    }
    learned = {"shapes": _drawn(abouts[0]["training"]), "bccd": PHOTOGRAPHS}
    told["pictures to learn from"] = [f"{learned[name]:,}" for name in FILES]
    told["times that each was seen, about"] = [
        f"{_drawn(about['training']) / learned[name]:.0f}"
        for name, about in zip(FILES, abouts, strict=True)
    ]
    told["the file keeps"] = ["large kernels in 8 bits, the rest in 16"] * len(FILES)
    told["settings were chosen on"] = [about["chosen_on"] for about in abouts]
    told["seconds of training, beside other work"] = [f"{about['seconds']:.0f}" for about in abouts]
    told["test AP50"] = [f"{about['result']['ap50']:.3f}" for about in abouts]
    for words, values in told.items():
        rows.append([words, *(cell for value in values for cell in ("", value))])
    table(heads, rows)


def _drawn(training: Mapping) -> int:
    """How many pictures all batches of a training have together."""
    return training["steps"] * training["batch_size"]


def _written(value: object) -> str:
    if value == "bf16":
        return "16 bits"  # the word is explained later
    return f"{value:,}" if isinstance(value, int) else str(value)
