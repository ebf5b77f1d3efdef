"""A segment that changes under our hands is an error, never a signal, and never grows."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from edge_agent.access.peer import own_peer
from edge_agent.client.segment import OwnedSegment
from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bitmap import Place
from edge_agent.inference.imaging.segment import check_still_large_enough, opened, read_into, write_from
from tests.conftest import Segments


def test_a_segment_truncated_while_it_is_read(segments: Segments) -> None:
    handle = segments.make(bytes(1000))
    place = Place(handle.name, 1000, 0)
    buffer = memoryview(bytearray(1000))
    with opened(place, own_peer(), write=False, what="bitmap") as descriptor:
        os.truncate(segments.path(handle.name), 600)
        with pytest.raises(InvalidRequest, match="of the bitmap has 600 bytes, expected at least 1000"):
            read_into(descriptor, buffer, 0, place=place, what="bitmap")


def test_a_segment_truncated_before_the_mask_is_written_is_not_grown(segments: Segments) -> None:
    handle = segments.make(bytes(1000))
    place = Place(handle.name, 1000, 0)
    with opened(place, own_peer(), write=True, what="mask") as descriptor:
        os.truncate(segments.path(handle.name), 600)
        with pytest.raises(InvalidRequest, match="of the mask has 600 bytes"):
            check_still_large_enough(descriptor, place, what="mask")
    assert segments.path(handle.name).stat().st_size == 600


def test_writing_many_repeated_buffers(segments: Segments) -> None:
    """More than one pwritev takes, and with a place in the middle of the segment."""
    handle = segments.make(bytes(3 * 2500 + 20))
    pattern = memoryview(b"abc")
    with opened(Place(handle.name, 7500, 10), own_peer(), write=True, what="mask") as descriptor:
        write_from(descriptor, [pattern] * 2500, 10)
    assert segments.path(handle.name).read_bytes() == bytes(10) + b"abc" * 2500 + bytes(10)


def test_a_segment_of_another_user_that_may_not_be_read(segments: Segments) -> None:
    """As an unprivileged user: root may open anything."""
    handle = segments.make(bytes(10), mode=0o600)
    program = (
        "import os; os.setgid(65534); os.setuid(65534)\n"
        "from edge_agent.inference.imaging.segment import opened\n"
        "from edge_agent.access.peer import own_peer\n"
        "from edge_agent.inference.imaging.bitmap import Place\n"
        f"with opened(Place({handle.name!r}, 10, 0), own_peer(), write=False, what='bitmap'): pass\n"
    )
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    done = subprocess.run(
        [sys.executable, "-c", "import edge_agent.inference.imaging.segment, edge_agent.access.peer\n" + program],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"segment '{handle.name}' of the bitmap may not be opened for reading by the agent's user" in done.stderr


def test_an_owned_segment_grows_keeps_its_name_and_is_unlinked() -> None:
    segment = OwnedSegment("test")
    try:
        segment.buffer(100)[:] = bytes([7]) * 100
        assert np.frombuffer(segment.buffer(5000), np.uint8)[:100].tolist() == [7] * 100
        assert Segments.path(segment.name).stat().st_size == 5000
    finally:
        segment.close()
    assert not Segments.path(segment.name).exists()
    segment.close()
