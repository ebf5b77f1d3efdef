"""Changed copies of pictures and of their classes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_agent.building.training.segmentation.augmentation import augment, stretch_for


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_label_moves_with_what_it_marks(stride: int) -> None:
    """However a picture is turned, the middle of its marked square stays the label's: within a tenth of a pixel."""
    rng = np.random.default_rng(0)
    classes = np.zeros((160, 192), np.uint8)
    classes[60:100, 80:120] = 1
    picture = np.repeat((classes * np.uint8(200) + np.uint8(20))[..., None], 3, axis=2)
    rows, columns = np.mgrid[:160, :192]
    for _ in range(50):
        moved, shares = augment(picture, classes, 2, stride, rng)
        assert (moved.shape, shares.shape) == ((160, 192, 3), (2, 160 // stride, 192 // stride))
        brightness = moved.mean(axis=2)
        shown = brightness - brightness.min()
        found = shares[1].repeat(stride, axis=0).repeat(stride, axis=1)
        for places in (rows, columns):
            assert abs(np.average(places, weights=shown) - np.average(places, weights=found)) < 0.1


def test_a_pixel_that_an_outline_crosses_has_a_share_of_both_sides() -> None:
    rng = np.random.default_rng(1)
    classes = np.zeros((96, 128), np.uint8)
    classes[20:70, 31:64], classes[20:70, 64:97] = 1, 2
    wholes = []
    for _ in range(20):
        _, shares = augment(np.zeros((96, 128, 3), np.uint8), classes, 4, 2, rng)
        np.testing.assert_allclose(shares.sum(axis=0), 1, atol=0.01)
        assert shares.min() >= 0
        assert not shares[3].any(), "nothing has that label"
        assert ((shares[1] > 0.2) & (shares[1] < 0.8) & (shares[0] > 0.2)).any()
        wholes.append([float((shares[label] > 0.99).mean()) for label in (1, 2)])
    assert np.mean(wholes, axis=0).min() > 0.05


def test_a_disc_is_seen_longer_one_way_than_across() -> None:
    """By half and more in some copies, along any direction, and as large in the mean as where nothing is stretched."""
    rng = np.random.default_rng(2)
    classes = np.zeros((192, 192), np.uint8)
    rows, columns = np.mgrid[:192, :192]
    classes[(rows - 96) ** 2 + (columns - 96) ** 2 < 25**2] = 1
    ratios, directions, areas = [], [], []
    for _ in range(100):
        _, shares = augment(np.zeros((192, 192, 3), np.uint8), classes, 2, 1, rng)
        # Beyond the picture's border it is seen mirrored; each of the discs that are whole has the same shape.
        _, numbers, found, _ = cv2.connectedComponentsWithStats((shares[1] >= 0.5).astype(np.uint8))
        disc = numbers == 1 + found[1:, cv2.CC_STAT_AREA].argmax()
        places = np.cov(np.stack([rows[disc], columns[disc]]))
        (small, large), axes = np.linalg.eigh(places)
        ratios.append(float((large / small) ** 0.5))
        areas.append(float(disc.sum()) / (np.pi * 25**2))
        directions.append(np.arctan2(*axes[:, 1]) % np.pi)
    assert 1.6 < max(ratios) < 2
    assert min(ratios) < 1.1
    assert len(np.unique(np.floor(np.array(directions) / np.pi * 4))) == 4
    assert np.mean(np.log(areas)) == pytest.approx(0, abs=0.15)


def test_the_more_pictures_are_marked_the_less_they_are_stretched() -> None:
    assert stretch_for(1) == stretch_for(10) == pytest.approx(0.3)
    assert stretch_for(15) == pytest.approx(0.15)
    assert stretch_for(20) == stretch_for(500) == 0
    picture, classes = np.zeros((96, 96, 3), np.uint8), np.zeros((96, 96), np.uint8)
    classes[38:58, 38:58] = 1
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    augment(picture, classes, 2, 1, one, stretch_for(20))
    augment(picture, classes, 2, 1, other, stretch_for(19))
    assert one.random() != other.random(), "only what is stretched asks how"
