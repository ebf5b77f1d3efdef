"""A bitmap in a client's segment, read by rows, and with what is read kept for somebody else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bitmap import Place
from edge_agent.inference.imaging.guarded import GuardedMapping
from edge_agent.inference.imaging.resize import U8
from edge_agent.serving.workers.inspector import SegmentPixels

HEIGHT, WIDTH = 9, 4
PIXELS: U8 = np.arange(HEIGHT * WIDTH * 3, dtype=np.uint8).reshape(HEIGHT, WIDTH, 3)
PLACE = Place("segment", PIXELS.nbytes, 5)


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "segment").write_bytes(b"-----" + PIXELS.tobytes())
    made = os.open(tmp_path / "segment", os.O_RDWR)
    yield made
    os.close(made)


@pytest.mark.parametrize(
    "reads",
    [
        [(0, 3), (3, 6), (6, 9)],
        [(0, 9)],
        [(0, 4), (3, 7), (6, 9)],  # with rows in common
        [(2, 3), (7, 8), (0, 3), (3, 9)],  # a sample first
        [(2, 3), (7, 8)],  # a sample alone
        [(0, 3)],
        [],
    ],
    ids=str,
)
def test_what_was_read_is_kept_and_the_rest_read_for_it(descriptor: int, reads: list[tuple[int, int]]) -> None:
    segment = SegmentPixels(WIDTH * 3)
    for _ in range(2):  # it is used again
        copy: U8 = np.zeros_like(PIXELS)
        segment.at(descriptor, PLACE, copy)
        for first, last in reads:
            assert np.array_equal(segment.rows(first, last), PIXELS[first:last].reshape(last - first, -1))
        segment.finish_copy()
        assert np.array_equal(copy, PIXELS)
        # From then on it is somebody else's, and nothing is read into it.
        copy[:] = 0
        assert np.array_equal(segment.rows(1, 3), PIXELS[1:3].reshape(2, -1))
        assert not copy.any()


def test_a_segment_that_was_truncated_meanwhile_is_refused(descriptor: int) -> None:
    copy: U8 = np.zeros_like(PIXELS)
    segment = SegmentPixels(WIDTH * 3).at(descriptor, PLACE, copy)
    segment.rows(0, 3)
    os.ftruncate(descriptor, 5 + 4 * WIDTH * 3)
    with pytest.raises(InvalidRequest):
        segment.finish_copy()


@pytest.mark.parametrize("copying", [False, True])
def test_a_mapped_segment_that_was_truncated_meanwhile_is_refused(descriptor: int, copying: bool) -> None:
    mapping = GuardedMapping(descriptor, PLACE.offset, PLACE.size, write=False)
    copy: U8 | None = np.zeros_like(PIXELS) if copying else None
    segment = SegmentPixels(WIDTH * 3).at(descriptor, PLACE, copy, mapping)
    assert np.array_equal(segment.rows(2, 4), PIXELS[2:4].reshape(2, -1))
    segment.check()
    whole: U8 = np.zeros_like(PIXELS)
    segment.read_into(whole)
    assert np.array_equal(whole, PIXELS)
    os.ftruncate(descriptor, PLACE.offset + PLACE.size - 1)  # its page is still there
    with pytest.raises(InvalidRequest, match="has 112 bytes, expected at least 113"):
        segment.check()
    os.ftruncate(descriptor, 0)
    with pytest.raises(InvalidRequest, match="has 0 bytes"):
        segment.read_into(whole)
    os.ftruncate(descriptor, PLACE.offset + PLACE.size)
    with pytest.raises(InvalidRequest, match="changed its size while it was read, expected"):
        segment.check()
    mapping.close()
