"""What the detectors are that come with the course, in full, for notebook 08."""

import functools

from effdet_lite.efficientdet import EfficientDet
from effdet_lite.scaling import EfficientDetConfig, efficientdet
from effdet_lite.teach.kit.page import table
from effdet_lite.teach.kit.shared import shipped
from effdet_lite.teach.kit.words import with_minus
from effdet_lite.teach.nb.n08_small import ap50, pictures

FILES = ("shapes", "bccd")
SETTINGS = {
    "steps": "steps",
    "batch_size": "pictures in a batch",
    "learning_rate": "highest learning rate",
    "warmup": "steps of warm-up",
    "decay": "cap of the average's decay (not reached)",
    "weight_decay": "weight decay",
    "precision": "precision",
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
    """A table of two shipped detectors beside what the rule says for their ϕ: network, training,
    result.
    """
    models = {name: shipped(name) for name in FILES}
    phis = {about["training"]["phi"] for _, about in models.values()}
    (phi,) = phis
    rule = efficientdet(phi)
    columns = [described(rule, 4, (rule.resolution, rule.resolution))]
    for model, about in models.values():
        columns.append(described(model.config, model.num_classes, tuple(about["size"])))
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    for key, words in SETTINGS.items():
        found = [_written(about["training"].get(key)) for _, about in models.values()]
        rows.append([words, "", *found])
    seconds = [f"{about['seconds']:.0f}" for _, about in models.values()]
    grades = [f"{about['result']['ap50']:.3f}" for _, about in models.values()]
    rows += [["seconds of training", "", *seconds], ["test AP50", "", *grades]]
    heads = [f"{name}.safetensors" for name in FILES]
    table(["", f"the rule's ϕ = {with_minus(phi)}", *heads], rows)


def _written(value: object) -> str:
    if value == "bf16":
        return "16 bits"  # the word is explained later
    return f"{value:,}" if isinstance(value, int) else str(value)


@functools.cache
def flattery() -> dict[str, float]:
    """AP50 of the shapes detector on the 200 test pictures, by which its settings were chosen, and
    on the 200 validation pictures, by which none was.
    """
    model, about = shipped("shapes")
    return {"test": about["result"]["ap50"], "val": ap50(model, pictures("val"))}


def show_flattery() -> None:
    """Print both."""
    found = flattery()
    print(f"AP50 on the 200 test pictures, by which settings were chosen: {found['test']:.2f}")
    print(f"AP50 on the 200 validation pictures, by which none was: {found['val']:.2f}")
