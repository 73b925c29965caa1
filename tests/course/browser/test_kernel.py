"""The sliding kernel in a real browser: each number that the page makes, by steps, by play, by
dragging and by keys.

Oracle: torch's own convolution.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from effdet_lite.teach.kit.touch import KernelPad

CHOICES = {"stride": [1, 2, 3], "padding": [0, 1, 2], "dilation": [1, 2], "groups": [1, 2, 4]}


def tensors(channels_in=4, channels_out=8, side=7):
    numbers = torch.Generator().manual_seed(0)
    image = torch.randn(channels_in, side, side, generator=numbers)
    return image, torch.randn(channels_out, channels_in, 3, 3, generator=numbers)


@pytest.fixture
def pads(plain):
    """A page with a pad without choices, and one with."""
    small = tensors(3, 2, 5)
    return plain(KernelPad(*small), KernelPad(*tensors(), padding=1, choices=CHOICES))


def said(pads, number):
    """What a pad says of the last number, and its counter."""
    pad = pads.locator("section").nth(number)
    return pad.locator(".touch-said").inner_text(), pad.locator(".touch-state").inner_text()


def test_each_step_in_the_browser_makes_torchs_next_number(pads):
    image, weight = tensors(3, 2, 5)
    output = F.conv2d(image, weight)
    step = pads.locator("section").first.get_by_role("button", name="Step")
    for place in np.ndindex(*output.shape):
        step.click()
        told, _ = said(pads, 0)
        channel, row, column = (part + 1 for part in place)
        start = f"Output channel {channel}, row {row}, column {column}: 27 products add up to "
        assert told.startswith(start)
        assert float(told.removeprefix(start).rstrip(".")) == pytest.approx(
            float(output[place]), abs=0.0051
        )
    assert said(pads, 0)[1] == ("18 of 18 output numbers made, 18 × 27 = 486 multiplications")


@pytest.mark.parametrize("chosen", [(1, 1, 1, 1), (2, 0, 2, 2), (3, 2, 1, 4), (1, 2, 2, 4)])
def test_arguments_chosen_in_the_browser_are_those_of_torch(pads, chosen):
    image, weight = tensors()
    pad = pads.locator("section").nth(1)
    for select, option in zip(pad.locator("select").all(), chosen, strict=True):
        select.select_option(str(option))
    pad.get_by_role("button", name="To the end").click()
    stride, padding, dilation, groups = chosen
    output = F.conv2d(image, weight[:, : 4 // groups], None, stride, padding, dilation, groups)
    told, counter = said(pads, 1)
    value = float(told.partition("add up to ")[2].rstrip("."))
    assert value == pytest.approx(float(output[-1, -1, -1]), abs=0.0051)
    products = 9 * 4 // groups
    assert counter == (
        f"{output.numel():,} of {output.numel():,} output numbers made, {output.numel():,} × "
        f"{products} = {output.numel() * products:,} multiplications"
    )


def test_the_kernel_can_be_dragged_and_moved_by_keys(pads):
    pad = pads.locator("section").first
    pad.get_by_role("button", name="To the start").click()
    drawing = pad.locator("svg").bounding_box()
    width, height = pads.evaluate("window.models[0].get('size')")
    at = drawing["x"] + 3 / width * drawing["width"], drawing["y"] + 6 / height * drawing["height"]
    pads.mouse.move(*at)  # cell 2 of a row, cell 4 of a column: the lowest place of the kernel
    pads.mouse.down()
    pads.mouse.up()
    assert said(pads, 0)[0].startswith("Output channel 1, row 3, column 2: ")
    pads.keyboard.press("ArrowRight")
    assert said(pads, 0)[0].startswith("Output channel 1, row 3, column 3: ")
    pads.keyboard.press("ArrowUp")
    assert said(pads, 0)[0].startswith("Output channel 1, row 2, column 3: ")
    pads.keyboard.press("Home")
    assert said(pads, 0)[1].startswith("0 of 18 output numbers made")


def test_play_goes_on_to_the_end(pads):
    pad = pads.locator("section").first
    pad.get_by_role("button", name="To the start").click()
    pad.get_by_role("button", name="Play").click()
    pads.wait_for_function("window.models[0].get('value') === 18")
    pad.get_by_role("button", name="Play").wait_for()
    assert said(pads, 0)[1].startswith("18 of 18 output numbers made")
