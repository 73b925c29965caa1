"""What notebook 10 says of anchors for pictures of one's own. Oracles: the whole grid of anchors,
torch's counter.
"""

import warnings

import numpy as np
import pytest
import torch
from oracles import macs

from effdet_lite.anchors import grid, iou
from effdet_lite.data import BCCDDetection, VocFolder, eval_transforms
from effdet_lite.data.fitting import (
    FITS,
    SCALES,
    anchor_shapes,
    best_overlaps,
    boxes_at,
    first_guess,
    setting,
)
from effdet_lite.data.folders import Sample
from effdet_lite.efficientdet import EfficientDet
from effdet_lite.places import cells_folder
from effdet_lite.teach.nb.n10_real_data import anchor_fit_view
from effdet_lite.training import TrainConfig

PHI, CLASSES = -2.5, 3


def some_samples(number=40, size=(640, 480), low=6.0, high=300.0, seed=0):
    """Pictures of (width, height) with five boxes each; sides log-uniform from low to high px,
    anywhere inside.
    """
    random = np.random.default_rng(seed)
    samples = []
    for index in range(number):
        sides = np.exp(random.uniform(np.log(low), np.log(high), (5, 2)))
        corner = random.uniform(0, 1, (5, 2)) * (np.array(size) - sides)
        boxes = np.concatenate([corner, corner + sides], 1).astype(np.float32)
        samples.append(Sample(f"{index}.jpg", index, size, boxes, np.zeros(5, np.int64)))
    return samples


SAMPLES = some_samples()


@pytest.mark.parametrize("size", [(192, 256), (64, 64), (256, 128)])
@pytest.mark.parametrize("levels", [(2, 3, 4, 5, 6), (3, 4, 5)])
@pytest.mark.parametrize("scale", [1.0, 2.0, 4.25])
def test_the_best_anchor_is_that_of_the_whole_grid(size, levels, scale):
    boxes = boxes_at(SAMPLES, size)
    boxes = torch.cat(
        [boxes, torch.tensor([[0.0, 0, 1, 1], [size[1] - 3.0, size[0] - 2.0, size[1], size[0]]])]
    )
    expected = iou(boxes, grid(*size, levels, scale)).amax(1)
    torch.testing.assert_close(
        best_overlaps(boxes, size, anchor_shapes(levels, scale)), expected, rtol=1e-5, atol=1e-6
    )


def test_boxes_are_those_that_the_data_set_gives_at_this_size(tmp_path):
    from PIL import Image

    for name in ("JPEGImages", "Annotations"):
        (tmp_path / name).mkdir()
    for name, size in {"wide": (200, 100), "tall": (60, 90)}.items():
        Image.new("RGB", size).save(tmp_path / "JPEGImages" / f"{name}.png")
        (tmp_path / "Annotations" / f"{name}.xml").write_text(
            "<annotation><object><name>a</name><bndbox><xmin>10</xmin><ymin>20</ymin>"
            "<xmax>50</xmax><ymax>80</ymax>"
            "</bndbox></object></annotation>"
        )
    dataset = VocFolder(tmp_path, transforms=eval_transforms((64, 128)))
    expected = torch.cat(
        [dataset[index][1]["boxes"].as_subclass(torch.Tensor) for index in range(2)]
    )
    # `FitInside` rounds the picture to whole pixels.
    torch.testing.assert_close(boxes_at(dataset.samples, (64, 128)), expected, rtol=0.02, atol=0.6)


@pytest.mark.parametrize(("longer", "finest"), [(256, 3), (384, 2), (128, 4)])
def test_a_setting_counts_what_the_detector_has(longer, finest):
    one = setting(SAMPLES, CLASSES, PHI, longer, finest, scale=2.0)
    config = TrainConfig(
        phi=PHI, size=one.size, levels=(one.levels[0], one.levels[-1]), anchor_scale=2.0
    )
    assert config.image_size == one.size
    assert max(one.size) == pytest.approx(longer, abs=2 ** (one.levels[-1] - 1))
    model = EfficientDet(config.model_config, CLASSES).eval()
    assert one.anchors == len(model.anchors(*one.size))
    assert one.macs == pytest.approx(macs(model, torch.zeros(1, 3, *one.size)), rel=0.01)
    share = (
        (iou(boxes_at(SAMPLES, one.size), model.anchors(*one.size)).amax(1) >= FITS).float().mean()
    )
    assert one.share == pytest.approx(float(share))


def test_the_first_guess_is_the_cheapest_that_fits_and_else_the_one_that_fits_most():
    enough = sorted(one.share for one in first_guess(SAMPLES, CLASSES, PHI, 256))[7]
    guesses = first_guess(SAMPLES, CLASSES, PHI, 256, enough)
    assert len(guesses) == len({(one.levels[0], one.scale) for one in guesses}) == 3 * len(SCALES)
    fitting = [one for one in guesses if one.share >= enough]
    assert 0 < len(fitting) < len(guesses) and guesses[: len(fitting)] == fitting
    assert guesses[0].macs == min(one.macs for one in fitting)
    hopeless = first_guess(some_samples(low=2, high=9), CLASSES, PHI, 128)
    assert hopeless[0].share == max(one.share for one in hopeless) < 0.98


def test_large_objects_bring_coarse_levels():
    large, small = (
        setting(some_samples(low=low, high=1.2 * low), CLASSES, PHI, 512, 3, 2.0)
        for low in (380, 30)
    )
    assert large.levels[-1] > small.levels[-1] == 5
    assert large.share > 0.9


@pytest.mark.skipif(not cells_folder().is_dir(), reason="the blood cells are not here")
def test_for_the_blood_cells_it_says_what_was_chosen_by_hand():
    """The README's third command: 288 x 384, levels 3 to 5, anchor scale 3."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples = BCCDDetection(cells_folder(), "trainval", verify=False).samples
    best = first_guess(samples, CLASSES, -2.0, 384)[0]
    assert (best.size, best.levels, best.scale) == ((288, 384), (3, 4, 5), 3.0)


@pytest.mark.parametrize("longer", [128, 512])
@pytest.mark.parametrize("finest", [2, 4])
@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_every_corner_of_the_explorer_is_a_view(longer, finest, scale):
    figure, words, numbers, _ = anchor_fit_view(SAMPLES, CLASSES, PHI, longer, finest, scale)
    figure.draw_without_rendering()
    one = setting(SAMPLES, CLASSES, PHI, longer, finest, scale)
    assert numbers["boxes with an anchor"] == f"{one.share:.1%} of {5 * len(SAMPLES):,}"
    assert f"{one.share:.0%}" in words
    left, right = figure.axes
    *counts, heading = (text.get_text().replace(",", "") for text in left.texts)
    assert heading == "how many boxes:"
    assert sum(int(count or 0) for count in counts) == 5 * len(SAMPLES)
    assert len(right.lines) == 1 + len(one.levels)


def test_one_box_is_enough_and_none_is_refused_in_words():
    lonely = some_samples(1)
    lonely[0].boxes, lonely[0].labels = lonely[0].boxes[:1], lonely[0].labels[:1]
    anchor_fit_view(lonely, 1, PHI, 256, 3, 2.0).figure.draw_without_rendering()
    lonely[0].boxes = lonely[0].boxes[:0]
    with pytest.raises(ValueError, match="no boxes"):
        anchor_fit_view(lonely, 1, PHI, 256, 3, 2.0)
