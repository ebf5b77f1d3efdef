"""Resizing by area is exact, whatever way it takes, and reads a picture in strips."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from edge_agent.inference.imaging.resize import U8, ArrayPixels, make_resizer


def _weights(source: int, target: int) -> npt.NDArray[np.float64]:
    """Say how much of each input pixel lies in each output pixel: [target, source], rows that sum to 1."""
    factor = source / target
    out = np.zeros((target, source))
    for i in range(target):
        for j in range(math.floor(i * factor), min(source, math.ceil((i + 1) * factor))):
            out[i, j] = max(0.0, min((i + 1) * factor, j + 1) - max(i * factor, j)) / factor
    return out


def exact_area(picture: U8, width: int, height: int) -> npt.NDArray[np.float64]:
    """Average areas in double precision, straight from the definition."""
    rows, columns = _weights(picture.shape[0], height), _weights(picture.shape[1], width)
    return np.stack([rows @ picture[..., c].astype(float) @ columns.T for c in range(3)], axis=-1)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((576, 768), (288, 384)),  # by 2: whole factors
        ((640, 480), (64, 96)),  # by 10 and 5
        ((1280, 960), (288, 384)),  # by 2.5: groups of 5 rows
        ((1280, 960), (1280, 800)),  # by 1.2, and the width stays
        ((100, 480), (40, 470)),  # by 48 rows for 47: most output rows cover no whole row
        ((64, 1024), (32, 508)),  # by 256 rows for 127
        ((640, 1530), (288, 360)),  # by 4.25: more whole rows than two, and fewer groups in the last strip
        ((500, 333), (320, 320)),  # rows that share no factor
        ((1000, 1000), (288, 300)),  # by 3.33: sums of whole rows and parts
        ((4096, 4096), (288, 384)),
        ((4096, 4096), (1000, 8)),  # by 512: sums beyond 16 bits
        ((64, 64), (63, 64)),
        ((64, 64), (1, 1)),
    ],
)
def test_area_is_within_half_a_grey_level_of_the_exact_mean(source: tuple[int, int], target: tuple[int, int]) -> None:
    rng = np.random.default_rng(7)
    picture = rng.integers(0, 256, (source[1], source[0], 3), dtype=np.uint8)
    resize = make_resizer(source, target, "area")
    for shown in (picture, 255 - picture):  # the second call finds the buffers of the first
        out = resize(ArrayPixels(shown))
        assert out.shape == (target[1], target[0], 3)
        assert np.abs(out - exact_area(shown, *target)).max() < 0.51


def test_white_stays_white_at_the_largest_sums() -> None:
    resize = make_resizer((4096, 4096), (100, 16), "area")
    assert (resize(ArrayPixels(np.full((4096, 4096, 3), 255, np.uint8))) == 255).all()
    for height in (257 * 4, 259 * 4):  # rows for 3: the most whose sums have room in 16 bits, and one more
        resize = make_resizer((8, height), (7, 12), "area")
        assert (resize(ArrayPixels(np.full((height, 8, 3), 255, np.uint8))) == 255).all()


@pytest.mark.parametrize("kind", ["bilinear", "bicubic", "nearest", "area"])
def test_every_filter_shrinks_and_enlarges(kind: str) -> None:
    picture = np.full((100, 120, 3), (10, 100, 200), np.uint8)
    for target in ((60, 70), (240, 200), (120, 100), (240, 50)):
        out = make_resizer((120, 100), target, kind)(ArrayPixels(picture))  # type: ignore[arg-type]
        assert out.shape == (target[1], target[0], 3)
        assert (out == (10, 100, 200)).all()


class _Recording(ArrayPixels):
    """Pixels that remember the largest strip that was asked for."""

    most = 0

    def rows(self, first: int, last: int) -> U8:
        self.most = max(self.most, last - first)
        return super().rows(first, last)


@pytest.mark.parametrize("target", [(256, 256), (288, 384)])
def test_a_large_picture_is_never_held_as_a_whole(target: tuple[int, int]) -> None:
    recording = _Recording(np.zeros((4096, 4096, 3), np.uint8))
    make_resizer((4096, 4096), target, "area")(recording)
    assert 0 < recording.most < 64
