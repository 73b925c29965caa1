"""The recipe's parts, each told from its absence: clipping, the ramp of the moving average, and
recalibrated norms in the figures.

Oracles: torch's clip_grad_norm_ and AveragedModel, followed by hand beside one training.
"""

import copy

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from effdet_lite import training
from effdet_lite.beginning import begin, new_model
from effdet_lite.checkpoint import save_detector
from effdet_lite.data import ShapesDetection, collate, eval_transforms
from effdet_lite.run import FIGURES
from effdet_lite.starting import transfer_weights
from effdet_lite.training import TrainConfig, train, train_step

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = (64, 64)


def shapes(length: int = 4, split: str = "train") -> ShapesDetection:
    return ShapesDetection(split, 64, length, transforms=eval_transforms(SIZE), cache=True)


def config(**changes) -> TrainConfig:
    return TrainConfig(
        **{"size": SIZE, "batch_size": 2, "steps": 3, "warmup": 0, "optimizer": "sgd"} | changes
    )


def first_change(**changes) -> torch.Tensor:
    """How far the first step takes all weights, momentum and decay apart."""
    settings = config(weight_decay=0.0, learning_rate=0.01, **changes)
    run = begin(settings, shapes(), None)
    before = torch.nn.utils.parameters_to_vector(p.flatten() for p in run.model.parameters())
    images, targets = collate([shapes()[index] for index in range(2)])
    run.model.train()
    train_step(run, images, targets)
    after = torch.nn.utils.parameters_to_vector(p.flatten() for p in run.model.parameters())
    return (after - before).norm().detach()


def test_a_long_gradient_is_clipped():
    """A first step of SGD is as long as learning rate times gradient."""
    assert first_change(clip=0.25).item() == pytest.approx(0.01 * 0.25, rel=1e-3)
    assert first_change(clip=1e9).item() > 0.01 * 0.5


def test_the_moving_average_is_torchs_with_the_ramp_of_the_official_code():
    """decay = min(decay, (1 + n) / (10 + n)), tf.train.ExponentialMovingAverage(num_updates=n)."""
    run = begin(config(decay=0.9), shapes(), None)
    images, targets = collate([shapes()[index] for index in range(2)])
    theirs = AveragedModel(copy.deepcopy(run.model), use_buffers=True)
    theirs.update_parameters(run.model)  # the first time it copies
    run.model.train()
    for step in range(3):
        train_step(run, images, targets)
        run.history.append({"step": step + 1})
        theirs.multi_avg_fn = get_ema_multi_avg_fn(min(0.9, (1 + step) / (10 + step)))
        theirs.update_parameters(run.model)
    wanted = theirs.module.state_dict()
    for name, value in run.ema.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, wanted[name], rtol=1e-5, atol=1e-6)


def test_the_figures_are_those_of_recalibrated_norms(monkeypatch):
    """What is tested has the very norms that the model ends with."""
    tested = []

    def evaluate(model, *_):
        tested.append(copy.deepcopy(model.state_dict()))
        return dict.fromkeys(FIGURES, 0.5)

    monkeypatch.setattr(training, "evaluate", evaluate)
    model = new_model(config(), shapes().classes)
    train(config(), shapes(), shapes(2, "test"), model=model, progress=False)
    assert len(tested) == 1 and not model.training
    ended = model.state_dict()
    assert all(torch.equal(tested[0][name], ended[name]) for name in ended)
    # And these norms are not the running ones: 4 pictures have these channel means.
    means = torch.stack([image for image, _ in shapes()])
    with torch.no_grad():
        stem = model.backbone.stem.conv(normalized(model, means))
    torch.testing.assert_close(
        model.backbone.stem.norm.running_mean, stem.mean((0, 2, 3)), rtol=1e-3, atol=1e-3
    )


def normalized(model, images):
    """The images as the first convolution sees them."""
    seen = []
    hook = model.backbone.stem.conv.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    with torch.no_grad():
        model(images)
    hook.remove()
    return seen[0]


def test_a_model_ends_in_evaluation_mode_whatever_ended_it():
    model = new_model(config(), shapes().classes)

    def stop(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config(), shapes(), model=model, progress=False, on_step=stop)
    assert not model.training
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        together, alone = model(images)[0][:1], model(images[:1])[0]
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_weights_of_which_a_third_fits_are_refused(tmp_path):
    """Half of the backbone must fit, or next to nothing of what was learned is there."""
    source = new_model(config(depth=0.25), shapes().classes)
    save_detector(tmp_path / "d.safetensors", source, shapes().classes, SIZE)
    model = new_model(config(depth=2.0), shapes().classes)
    own = {name: x for name, x in model.state_dict().items() if name.startswith("backbone.")}
    theirs = source.state_dict()
    fits = sum(
        x.numel() for name, x in own.items() if name in theirs and theirs[name].shape == x.shape
    )
    share = fits / sum(x.numel() for x in own.values())
    assert 0.01 < share < 0.5
    with pytest.raises(ValueError, match="nothing was taken"):
        transfer_weights(model, tmp_path / "d.safetensors", shapes().classes)
