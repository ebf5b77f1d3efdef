"""Mosaics of a camera's colour filter: recognised, and given their colours back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bayer import PATTERNS, looks_like_mosaic
from edge_agent.inference.imaging.picture import read_picture
from tests.inference.imaging.test_picture import U8, part
from tests.support.pixel_formats import pixel_format


def mosaic(picture: U8, pattern: str) -> U8:
    """What a sensor behind such a filter sees of a picture."""
    found = np.empty(picture.shape[:2], np.uint8)
    for place, color in enumerate(pattern):
        row, column = divmod(place, 2)
        found[row::2, column::2] = picture[row::2, column::2, "RGB".index(color)]
    return found


@pytest.mark.parametrize("pattern", list(PATTERNS))
@pytest.mark.parametrize("deep", [False, True])
def test_a_mosaic_gets_its_colours_back(tmp_path: Path, pattern: str, deep: bool) -> None:
    picture = cv2.GaussianBlur(part(), (0, 0), 3)
    stored = mosaic(picture, pattern)
    cv2.imwrite(str(tmp_path / "a.png"), stored.astype(np.uint16) * 16 if deep else stored)
    read = read_picture(tmp_path / "a.png", pixel_format(12 if deep else 16, pattern))
    off = np.abs(read.astype(int) - picture)[4:-4, 4:-4]
    assert off.mean() < 2
    assert off.max() < 20


def test_a_mosaic_is_recognised_and_ordinary_pictures_are_not() -> None:
    for pattern in PATTERNS:
        assert looks_like_mosaic(mosaic(part(), pattern))
    noise = np.random.default_rng(0).normal(128, 25, (96, 128))
    grey = part()[..., 1]
    for ordinary in (grey, cv2.GaussianBlur(grey, (0, 0), 2), noise.astype(np.uint8), np.zeros((96, 128), np.uint8)):
        assert not looks_like_mosaic(ordinary)


def test_a_picture_with_colours_is_no_mosaic(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), part())
    with pytest.raises(InvalidRequest, match="has colours already, expected a grey mosaic for --bayer RGGB"):
        read_picture(tmp_path / "a.png", pixel_format(16, "RGGB"))
