"""How a step changes the weights: the learning rate, the optimizer, and the moving average.

Recipe: official EfficientDet code (`hparams_config.py`: cosine schedule with warm-up, EMA), with
the constants that small models trained from scratch need.
"""

import math

import torch
from torch import nn

from effdet_lite.settings import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up to the highest rate, then half a cosine down to 0."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (1 + math.cos(math.pi * progress)) / 2


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW, or SGD with momentum 0.9. Only kernels decay: not norms, biases and fusion weights
    (official code).
    """
    kernels = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": kernels, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.learning_rate, momentum=0.9, foreach=True)
    # A memory of 20 steps for the second moment, not of 1,000: a run is short, and its gradients
    # shrink fast.
    return torch.optim.AdamW(groups, config.learning_rate, betas=(0.9, 0.95), fused=True)


def ema_decay(step: int, config: TrainConfig) -> float:
    """The moving average's decay: in the first steps it looks back less far, since the weights
    there were still random.
    """
    return min(config.decay, (1 + step) / (10 + step))


@torch.no_grad()
def update_ema(ema: nn.Module, model: nn.Module, decay: float) -> None:
    """ema = decay * ema + (1 - decay) * model, the running statistics of batch norm included."""
    news = model.state_dict()
    for name, average in ema.state_dict().items():
        if average.is_floating_point():
            average.lerp_(news[name], 1 - decay)
