"""The windows are those of cv2.resize: the same pixels, with weights that make up a whole."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge_agent.inference.imaging.resize import Filter
from edge_agent.inference.stages.filters import Windows, windows

KINDS: tuple[Filter, ...] = ("area", "bilinear", "bicubic", "nearest")
SIZES = [(640, 288), (1280, 384), (65, 64), (64, 65), (100, 100), (4096, 384), (64, 1), (67, 1000), (97, 4096)]


def apply(found: Windows, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray((values[found.indices] * found.weights).sum(axis=1))


def by_opencv(source: int, target: int, kind: int) -> npt.NDArray[np.float32]:
    """Resize a row that counts from 0 in float32; it is made higher, so that INTER_AREA is the one that enlarges."""
    rows = np.tile(np.arange(source, dtype=np.float32), (2, 1))
    return np.asarray(cv2.resize(rows, (target, 5), interpolation=kind)[0], np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("source", "target"), SIZES)
def test_weights_make_up_a_whole_and_pixels_exist(kind: Filter, source: int, target: int) -> None:
    for enlarges in {target > source, True}:
        found = windows(kind, source, target, enlarges=enlarges)
        assert found.indices.dtype == np.int64
        assert found.weights.dtype == np.float32
        assert found.indices.shape == found.weights.shape == (target, found.indices.shape[1])
        assert found.indices.min() >= 0
        assert found.indices.max() < source
        np.testing.assert_allclose(found.weights.sum(axis=1, dtype=np.float64), 1, atol=1e-6)


def test_nearest_takes_the_pixel_that_opencv_takes() -> None:
    rng = np.random.default_rng(1)
    for source, target in [*SIZES, *rng.integers(1, 4097, (2000, 2)).tolist()]:
        found = windows("nearest", source, target)
        np.testing.assert_array_equal(found.indices[:, 0], by_opencv(source, target, cv2.INTER_NEAREST))


def test_area_is_what_lies_under_a_pixel() -> None:
    found = windows("area", 5, 2)
    np.testing.assert_array_equal(found.indices, [[0, 1, 2], [2, 3, 4]])
    np.testing.assert_allclose(found.weights, [[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]], rtol=1e-6)
    assert windows("area", 4096, 384).indices.shape == (384, 12)
    np.testing.assert_array_equal(windows("area", 6, 2).weights, np.float32(1 / 3))


def test_area_that_enlarges_shows_wide_pixels() -> None:
    found = windows("area", 2, 5)
    np.testing.assert_allclose(apply(found, np.array([0.0, 10.0])), [0, 0, 5, 10, 10], atol=1e-5)
    # Also along a side that shrinks or stays, if the other grows.
    assert windows("area", 9, 4, enlarges=True).indices.shape == (4, 2)
    np.testing.assert_array_equal(apply(windows("area", 9, 9, enlarges=True), np.arange(9.0)), np.arange(9))


def test_area_that_enlarges_blends_what_opencv_blends() -> None:
    """OpenCV's rounding shifts some boundaries, and ours along: pixel 37 of 111 begins 3 of 9 and still shows 2."""
    rng = np.random.default_rng(2)
    for source, target in [*SIZES, (9, 111), (126, 162), (20, 186), *rng.integers(2, 1500, (1000, 2)).tolist()]:
        found = apply(windows("area", source, target, enlarges=True), np.arange(float(source)))
        np.testing.assert_allclose(found, by_opencv(source, target, cv2.INTER_AREA), rtol=1e-6, atol=1e-5)
    assert apply(windows("area", 9, 111), np.arange(9.0))[37] == 2


def test_bilinear_keeps_a_ramp_between_the_edges() -> None:
    for source, target in ((64, 100), (100, 64), (99, 33)):
        positions = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
        found = apply(windows("bilinear", source, target), np.arange(float(source)))
        np.testing.assert_allclose(found, positions, atol=1e-4)


def test_bicubic_is_opencvs_which_is_steeper_than_others() -> None:
    found = windows("bicubic", 8, 4)  # halfway between two pixels
    np.testing.assert_array_equal(found.indices, [[0, 0, 1, 2], [1, 2, 3, 4], [3, 4, 5, 6], [5, 6, 7, 7]])
    np.testing.assert_allclose(found.weights, [[-0.09375, 0.59375, 0.59375, -0.09375]] * 4)
