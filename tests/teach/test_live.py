"""A training on the page: it is the training of `train`, its button stops it and lets it go on, its
errors are told.

Oracle: the same call of `train`, never stopped and never watched.
"""

import asyncio
import random
import time

import numpy as np
import pytest
import torch

from effdet_lite.beginning import new_model
from effdet_lite.checkpoint import save_detector
from effdet_lite.data import ShapesDetection
from effdet_lite.teach.kit.live import LiveTraining
from effdet_lite.training import TrainConfig, train

# Each test trains, and most of them twice: many seconds in all.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
SIDE, STEPS = 64, 6
TEST_SET = ShapesDetection("test", SIDE, 4)
ITEMS = [TEST_SET[index] for index in range(2)]


def config(**changes):
    return TrainConfig(
        **{"size": (SIDE, SIDE), "batch_size": 2, "steps": STEPS, "warmup": 2} | changes
    )


def live(folder, **changes):
    images, targets = zip(*ITEMS, strict=True)
    settings = config(output=str(folder), **changes)
    return LiveTraining(settings, images, targets, TEST_SET.classes, every=2, test_set=TEST_SET)


def losses(history):
    return [row["loss"] for row in history]


@pytest.fixture(scope="module")
def straight():
    return losses(train(config(), test_set=TEST_SET, progress=False))


def test_watched_is_never_watched(tmp_path, straight):
    run = live(tmp_path)
    run.start()
    assert losses(asyncio.run(run.ended())) == straight
    assert (
        run.page.value.count("<img") == 2 and f"Finished: step {STEPS} of {STEPS}" in run.page.value
    )
    assert run.button.disabled and (tmp_path / "detector.safetensors").exists()


def test_the_button_stops_and_goes_on_bit_for_bit(tmp_path, straight):
    run = live(tmp_path)
    run.start()
    while not run.history:
        time.sleep(0.001)
    run.button.click()
    stopped = run.wait()
    assert 0 < len(stopped) < STEPS and losses(stopped) == straight[: len(stopped)]
    assert run.button.description == "Resume" and "Stopped" in run.page.value
    run.button.click()
    assert losses(run.wait()) == straight
    assert run.button.description == "Finished"


def test_other_cells_may_draw_random_numbers_meanwhile(tmp_path):
    """The training's losses are those of the same seed, and the cells' numbers those of a kernel
    without a training.
    """
    expected = losses(train(config(steps=30), test_set=TEST_SET, progress=False))
    run = live(tmp_path, steps=30)
    mine = []
    run.start()
    while run.thread.is_alive():
        torch.manual_seed(0), np.random.seed(0), random.seed(0)
        mine.append((torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()))
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    alone = torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()
    assert losses(run.wait()) == expected
    assert len(mine) > 30 and set(map(str, mine)) == {str(alone)}


def test_a_training_that_breaks_off_says_so_and_is_not_swallowed(tmp_path):
    run = live(tmp_path, learning_rate=1e30, warmup=0)
    run.start()
    with pytest.raises(FloatingPointError):
        run.wait()
    assert "The training broke off: the loss is" in run.page.value and "lower" in run.page.value


def test_without_a_folder_it_could_not_go_on():
    with pytest.raises(ValueError, match="pass output="):
        LiveTraining(config(), [torch.zeros(3, SIDE, SIDE)], [], TEST_SET.classes)


def test_it_goes_on_without_the_weights_that_it_started_from(tmp_path):
    source = tmp_path / "source.safetensors"
    model = new_model(config(seed=5), TEST_SET.classes)
    save_detector(source, model, TEST_SET.classes, (SIDE, SIDE))
    expected = losses(train(config(start=source), test_set=TEST_SET, progress=False))
    settings = live(tmp_path / "run", start=source).config
    train(settings, test_set=TEST_SET, progress=False, on_step=lambda row: True)
    source.unlink()
    again = live(tmp_path / "run", start=source)
    again.start()
    assert losses(again.wait()) == expected


def test_a_model_of_ones_own_is_watched(tmp_path):
    model = new_model(config(seed=5), TEST_SET.classes)
    images, targets = zip(*ITEMS, strict=True)
    run = LiveTraining(config(output=tmp_path), images, targets, TEST_SET.classes, model=model)
    run.start()
    assert len(run.wait()) == STEPS and run.model is model


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ([], {}, "pass an image to watch"),
        ([torch.zeros(3, 64, 64)] * 2, {}, "got 2 images and 1 targets"),
        ([torch.zeros(3, 65, 65)], {}, "use 64 or 128"),
        ([torch.full((3, 64, 64), 255.0)], {}, "from 255 to 255"),
        ([torch.zeros(3, 64, 64)], {"every": 0}, "every must be a whole number"),
        ([torch.zeros(3, 64, 64)], {"progress": True}, "not progress"),
    ],
)
def test_what_could_not_be_drawn_is_refused_before_the_training(tmp_path, images, options, message):
    targets = [ITEMS[0][1]] if images else []
    with pytest.raises(ValueError, match=message) as caught:
        LiveTraining(config(output=tmp_path), images, targets, TEST_SET.classes, **options)
    assert "\n" not in str(caught.value)
