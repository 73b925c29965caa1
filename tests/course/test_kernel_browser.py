"""The sliding kernel in a real browser: each number that the page makes, by steps, by play, by
dragging and by keys.

Oracle: torch's own convolution. Without Chromium this is skipped.
"""

import numpy as np
import pytest
import torch
from lab import CHROMIUM, FLAGS, needs_chromium
from torch.nn import functional as F
from touch_page import write_page

from effdet_lite.teach.kit.touch import KernelPad

pytestmark = needs_chromium

CHOICES = {"stride": [1, 2, 3], "padding": [0, 1, 2], "dilation": [1, 2], "groups": [1, 2, 4]}


def tensors(channels_in=4, channels_out=8, side=7):
    numbers = torch.Generator().manual_seed(0)
    image = torch.randn(channels_in, side, side, generator=numbers)
    return image, torch.randn(channels_out, channels_in, 3, 3, generator=numbers)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with a pad without choices, and one with."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = tmp_path_factory.mktemp("kernel") / "page.html"
    small = tensors(3, 2, 5)
    write_page(path, [KernelPad(*small), KernelPad(*tensors(), padding=1, choices=CHOICES)])
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_page()
        opened.goto(path.as_uri())
        opened.wait_for_function("window.ready")
        yield opened
        browser.close()


def said(page, number):
    """What a pad says of the last number, and its counter."""
    pad = page.locator("section").nth(number)
    return pad.locator(".touch-said").inner_text(), pad.locator(".touch-state").inner_text()


def test_each_step_in_the_browser_makes_torchs_next_number(page):
    image, weight = tensors(3, 2, 5)
    output = F.conv2d(image, weight)
    step = page.locator("section").first.get_by_role("button", name="Step")
    for place in np.ndindex(*output.shape):
        step.click()
        told, _ = said(page, 0)
        channel, row, column = (part + 1 for part in place)
        start = f"Output channel {channel}, row {row}, column {column}: 27 products add up to "
        assert told.startswith(start)
        assert float(told.removeprefix(start).rstrip(".")) == pytest.approx(
            float(output[place]), abs=0.0051
        )
    assert said(page, 0)[1] == ("18 of 18 output numbers made, 18 × 27 = 486 multiplications")


@pytest.mark.parametrize("chosen", [(1, 1, 1, 1), (2, 0, 2, 2), (3, 2, 1, 4), (1, 2, 2, 4)])
def test_arguments_chosen_in_the_browser_are_those_of_torch(page, chosen):
    image, weight = tensors()
    pad = page.locator("section").nth(1)
    for select, option in zip(pad.locator("select").all(), chosen, strict=True):
        select.select_option(str(option))
    pad.get_by_role("button", name="To the end").click()
    stride, padding, dilation, groups = chosen
    output = F.conv2d(image, weight[:, : 4 // groups], None, stride, padding, dilation, groups)
    told, counter = said(page, 1)
    value = float(told.partition("add up to ")[2].rstrip("."))
    assert value == pytest.approx(float(output[-1, -1, -1]), abs=0.0051)
    products = 9 * 4 // groups
    assert counter == (
        f"{output.numel():,} of {output.numel():,} output numbers made, {output.numel():,} × "
        f"{products} = {output.numel() * products:,} multiplications"
    )


def test_the_kernel_can_be_dragged_and_moved_by_keys(page):
    pad = page.locator("section").first
    pad.get_by_role("button", name="To the start").click()
    drawing = pad.locator("svg").bounding_box()
    width, height = page.evaluate("window.models[0].get('size')")
    at = drawing["x"] + 3 / width * drawing["width"], drawing["y"] + 6 / height * drawing["height"]
    page.mouse.move(*at)  # cell 2 of a row, cell 4 of a column: the lowest place of the kernel
    page.mouse.down()
    page.mouse.up()
    assert said(page, 0)[0].startswith("Output channel 1, row 3, column 2: ")
    page.keyboard.press("ArrowRight")
    assert said(page, 0)[0].startswith("Output channel 1, row 3, column 3: ")
    page.keyboard.press("ArrowUp")
    assert said(page, 0)[0].startswith("Output channel 1, row 2, column 3: ")
    page.keyboard.press("Home")
    assert said(page, 0)[1].startswith("0 of 18 output numbers made")


def test_play_goes_on_to_the_end(page):
    pad = page.locator("section").first
    pad.get_by_role("button", name="To the start").click()
    pad.get_by_role("button", name="Play").click()
    page.wait_for_function("window.models[0].get('value') === 18")
    pad.get_by_role("button", name="Play").wait_for()
    assert said(page, 0)[1].startswith("18 of 18 output numbers made")
