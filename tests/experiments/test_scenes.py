"""Photographs of one scene. Oracles: numpy's corrcoef of what lies over each other, pictures cut
from a larger one, and the lists of the data.
"""

import numpy as np
import pytest

from effdet_lite.data import bccd
from effdet_lite.experiments import scenes
from effdet_lite.places import cells_folder

ROOT = cells_folder()
needs_data = pytest.mark.skipif(
    not ROOT.is_dir(), reason=f"no blood cells in {ROOT}: set EFFDET_LITE_BCCD to their folder"
)


def test_the_correlation_at_each_shift_is_that_of_the_part_that_both_show():
    random = np.random.default_rng(0)
    picture, others = random.random((12, 16)), random.random((3, 12, 16))
    found = scenes.correlations(picture, others)
    assert found.shape == (3, 24, 32)
    for y, x in ((0, 0), (3, 2), (-4, 5), (0, -6), (-2, -1)):
        of_picture = picture[max(y, 0) : 12 + min(y, 0), max(x, 0) : 16 + min(x, 0)]
        for number, other in enumerate(others):
            of_other = other[max(-y, 0) : 12 + min(-y, 0), max(-x, 0) : 16 + min(-x, 0)]
            expected = np.corrcoef(of_picture.ravel(), of_other.ravel())[0, 1]
            assert found[number, y, x] == pytest.approx(expected, abs=1e-9)
    assert found[0, 11, 15] == -1  # one pixel in common


def test_a_scene_is_known_again_wherever_the_slide_was_moved_to_and_another_is_not():
    random = np.random.default_rng(1)
    slide = random.random((40, 50))
    here, there = slide[5:29, 5:37], slide[9:33, 2:34]
    found = scenes.correlations(here, np.stack([random.random((24, 32)), there]))
    other, y, x = np.unravel_index(found.argmax(), found.shape)
    assert (other, y, x - 2 * 32) == (1, 4, -3)
    assert found[1].max() == pytest.approx(1)
    assert found[0].max() < scenes.SAME_SCENE


def test_an_even_picture_is_like_nothing():
    found = scenes.correlations(np.ones((8, 8)), np.stack([np.ones((8, 8)), np.eye(8)]))
    assert np.abs(found[:, 0, 0]).max() < 0.01 and np.isfinite(found).all()


def test_a_scene_counts_as_seen_from_its_threshold_on():
    pairs = [
        scenes.Pair(0.97, "b", "x", (8, 0)),
        scenes.Pair(scenes.SAME_SCENE, "a", "y", (0, 0)),
        scenes.Pair(0.84, "c", "z", (0, 0)),
    ]
    assert scenes.seen_scenes(pairs) == {"a": "y", "b": "x"}


@needs_data
def test_each_test_photograph_that_is_left_out_shows_a_scene_of_training():
    training = set(bccd.photo_names(ROOT, "trainval"))
    testing = set(bccd.photo_names(ROOT, "test"))
    for seen, partner in bccd.SEEN_SCENES.items():
        assert seen in testing and partner in training
        pictures = [
            scenes.darkness(ROOT / "JPEGImages" / f"{name}.jpg") for name in (seen, partner)
        ]
        assert scenes.correlations(pictures[0], pictures[1][None]).max() >= scenes.SAME_SCENE


@needs_data
@pytest.mark.slow
def test_no_photograph_that_is_left_in_does():
    assert scenes.seen_scenes(scenes.alike(ROOT)) == bccd.SEEN_SCENES


@needs_data
@pytest.mark.slow
def test_smaller_pictures_find_the_same_scenes():
    """As notebook 10 looks for them."""
    assert scenes.seen_scenes(scenes.alike(ROOT, (40, 30))) == bccd.SEEN_SCENES
