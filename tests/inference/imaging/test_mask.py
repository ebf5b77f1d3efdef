"""Masks equal the class map enlarged by nearest neighbour, and so do their areas."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.component.manifest import Label
from edge_agent.inference.imaging.mask import Mask, MaskPainter, copy_mask, is_blank
from edge_agent.inference.imaging.resize import U8

LABELS = (
    Label(name="background", color="#FFFFFF"),
    Label(name="scratch", color="#FF0000"),
    Label(name="dent", color="#00ff10"),
)
PALETTE = np.array([(255, 255, 255), (255, 0, 0), (0, 255, 16)], np.uint8)


def _pixels(mask: Mask, width: int, height: int) -> U8:
    return np.frombuffer(b"".join(mask.buffers), np.uint8).reshape(height, width, 3)


def _enlarged(classes: U8, width: int, height: int) -> U8:
    rows = np.arange(height) * classes.shape[0] // height
    columns = np.arange(width) * classes.shape[1] // width
    out: U8 = PALETTE[classes[rows][:, columns]]
    return out


@pytest.mark.parametrize(
    ("width", "height", "map_width", "map_height"),
    [
        (576, 768, 72, 96),  # whole factors
        (100, 130, 30, 40),  # broken factors: some rows repeat more often than others
        (64, 64, 64, 64),  # one to one
        (64, 70, 100, 90),  # a map larger than the picture
        (128, 4096, 72, 96),  # more rows than one pwritev takes buffers
        (65, 64, 1, 1),
    ],
)
@pytest.mark.parametrize("density", [0.0, 0.01, 0.5, 1.0])
def test_mask_and_areas(width: int, height: int, map_width: int, map_height: int, density: float) -> None:
    rng = np.random.default_rng(11)
    anomalous = rng.random((map_height, map_width)) < density
    classes = (anomalous * rng.integers(1, 3, anomalous.shape)).astype(np.uint8)
    mask = MaskPainter(LABELS, width, height)(classes)
    expected = _enlarged(classes, width, height)
    found = _pixels(mask, width, height)
    assert (found == expected).all()
    copied = np.full(found.size + 2, 7, np.uint8)
    copy_mask(mask.buffers, copied[1:-1])
    assert (copied[1:-1].reshape(found.shape) == expected).all()
    assert (copied[0], copied[-1]) == (7, 7)
    copied[1:-1] = 255
    copy_mask(mask.buffers, copied[1:-1], white=True)
    assert (copied[1:-1].reshape(found.shape) == expected).all()
    assert is_blank(mask.buffers) == (not classes.any())
    shares = [(expected == color).all(axis=2).mean() for color in PALETTE]
    assert mask.areas == pytest.approx(shares, abs=1e-12)


def test_a_painter_takes_maps_of_another_shape() -> None:
    painter = MaskPainter(LABELS, 64, 64)
    for shape in ((8, 8), (3, 5), (8, 8)):
        classes = np.ones(shape, np.uint8)
        classes[0] = 0
        assert (_pixels(painter(classes), 64, 64) == _enlarged(classes, 64, 64)).all()


def test_a_normal_pictures_mask_lies_in_one_small_buffer() -> None:
    mask = MaskPainter(LABELS, 4096, 4096)(np.zeros((96, 72), np.uint8))
    assert sum(len(buffer) for buffer in mask.buffers) == 4096 * 4096 * 3
    assert len({id(buffer.obj) for buffer in mask.buffers}) == 1
    assert max(len(buffer) for buffer in mask.buffers) <= 1 << 18
