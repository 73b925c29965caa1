"""The sliding kernel. Oracle: torch's own convolution, beside the counter in Python and, in a real
browser, the numbers that the page computes.
"""

import functools
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import CHROMIUM, FLAGS, needs_chromium
from torch.nn import functional as F
from touch_page import write_page

from effdet_lite.teach.kit.touch import KernelPad

CHOICES = {"stride": [1, 2, 3], "padding": [0, 1, 2], "dilation": [1, 2], "groups": [1, 2, 4]}


def tensors(channels_in=4, channels_out=8, side=7, kernel=3):
    numbers = torch.Generator().manual_seed(0)
    draw = functools.partial(torch.randn, generator=numbers)
    return draw(channels_in, side, side), draw(channels_out, channels_in, kernel, kernel)


@settings(max_examples=30, deadline=None)
@given(*(st.sampled_from(options) for options in CHOICES.values()), st.integers(0, 2000))
def test_the_counter_counts_what_torchs_convolution_needs(stride, padding, dilation, groups, made):
    image, weight = tensors()
    arguments = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    pad = KernelPad(image, weight, made, **arguments)
    layer = torch.nn.Conv2d(4, 8, 3, bias=False, **arguments)
    total, products = layer(image).numel(), layer.weight[0].numel()
    done = min(made, total)
    assert pad.in_words() == (
        f"{done:,} of {total:,} output numbers made, "
        f"{done:,} × {products} = {done * products:,} multiplications"
    )
    assert pad.output().shape == layer(image).shape


@settings(max_examples=20, deadline=None)
@given(*(st.sampled_from(options) for options in CHOICES.values()), st.data())
def test_the_marked_places_are_those_that_the_number_depends_on(
    stride, padding, dilation, groups, data
):
    """By the gradient of that one output number."""
    image, weight = tensors()
    arguments = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    pad = KernelPad(image, weight, **arguments)
    place = tuple(data.draw(st.integers(0, size - 1)) for size in pad.output().shape)
    padded = F.pad(image, (padding,) * 4).requires_grad_()
    output = F.conv2d(padded, weight[:, : 4 // groups], None, stride, 0, dilation, groups)
    (gradient,) = torch.autograd.grad(output[place], padded)
    assert sorted(pad._taps(*place)) == sorted(map(tuple, gradient.nonzero().tolist()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": torch.zeros(3, 4, 5)}, "the image has the shape"),
        ({"image": torch.zeros(4, 4)}, "the image has the shape"),
        ({"weight": torch.zeros(8, 3, 3, 3)}, "the weight has the shape [C₂, 4, K, K], not"),
        ({"weight": torch.zeros(8, 4, 3, 2)}, "the weight has the shape"),
        ({"groups": 3}, "groups=3 must divide both 4 and 8 channels"),
        ({"choices": {"groups": [1, 8]}}, "groups=8 must divide both 4 and 8 channels"),
        ({"dilation": 4}, "a kernel that reaches over 9 positions does not fit in"),
        ({"bias": 1}, "a convolution has stride, padding, dilation, groups, not 'bias'"),
        ({"made": -1}, "value is how many output numbers are made, not -1"),
        ({"made": 1.5}, "value is how many output numbers are made, not 1.5"),
    ],
)
def test_what_makes_no_convolution_is_refused_in_words(changes, words):
    image, weight = tensors()
    with pytest.raises(ValueError, match=re.escape(words)):
        KernelPad(**{"image": image, "weight": weight, **changes})


def test_the_still_has_its_words():
    still = KernelPad(*tensors(), made=30, padding=1).still("thirty numbers")
    assert 'alt="thirty numbers"' in still


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with a pad without choices, and one with."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = tmp_path_factory.mktemp("kernel") / "page.html"
    small = tensors(3, 2, 5, 3)
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


@needs_chromium
@pytest.mark.slow
def test_each_step_in_the_browser_makes_torchs_next_number(page):
    image, weight = tensors(3, 2, 5, 3)
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


@needs_chromium
@pytest.mark.slow
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


@needs_chromium
@pytest.mark.slow
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


@needs_chromium
@pytest.mark.slow
def test_play_goes_on_to_the_end(page):
    pad = page.locator("section").first
    pad.get_by_role("button", name="To the start").click()
    pad.get_by_role("button", name="Play").click()
    page.wait_for_function("window.models[0].get('value') === 18")
    pad.get_by_role("button", name="Play").wait_for()
    assert said(page, 0)[1].startswith("18 of 18 output numbers made")
