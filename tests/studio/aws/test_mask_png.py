"""Masks as PNG: every reader gets back what was written, and a mask of large areas is small."""

from __future__ import annotations

import io

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge_agent.studio.aws.mask_png import encode_mask
from tests.support.properties import examples

_PALETTE = np.array([[255, 255, 255], [35, 164, 54], [0, 0, 0], [200, 20, 20]], np.uint8)


@examples(60)
@given(st.integers(1, 80), st.integers(1, 80), st.integers(1, 9), st.integers(1, 4), st.integers(0, 1 << 30))
def test_any_mask_comes_back(height: int, width: int, factor: int, colors: int, seed: int) -> None:
    small = np.random.default_rng(seed).integers(0, colors, (height // factor + 1, width // factor + 1))
    mask = np.ascontiguousarray(_PALETTE[small].repeat(factor, 0).repeat(factor, 1)[:height, :width])
    content = encode_mask(mask)
    with Image.open(io.BytesIO(content)) as read:
        assert read.mode == "RGB"  # people blend it with their pictures
        read.verify()
    with Image.open(io.BytesIO(content)) as read:
        assert (np.asarray(read) == mask).all()
    other = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert other is not None
    assert (other[..., ::-1] == mask).all()


def test_the_largest_mask_is_small() -> None:
    assert len(encode_mask(np.full((4096, 4096, 3), 255, np.uint8))) < 500_000
