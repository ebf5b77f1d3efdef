"""Which segments stay mapped: those that are used again and again, as long as they are there."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from edge_agent.access.peer import own_peer
from edge_agent.inference.imaging.bitmap import Place
from edge_agent.inference.imaging.guarded import GuardedMapping
from edge_agent.inference.imaging.segment import open_segment
from edge_agent.serving.workers import standing
from edge_agent.serving.workers.standing import StandingSegments
from tests.conftest import Segments

SIZE = 5000


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    yield clock


def _find(segments: StandingSegments, place: Place, *, write: bool = False) -> GuardedMapping | None:
    opened = open_segment(place, own_peer(), write=write, what="bitmap")
    try:
        return segments.find(opened, place, write=write)
    finally:
        os.close(opened.descriptor)


def _used_often(segments: StandingSegments, place: Place, *, write: bool = False) -> GuardedMapping:
    for _ in range(2):
        assert _find(segments, place, write=write) is None
    found = _find(segments, place, write=write)
    assert found is not None
    return found


def test_a_segment_is_mapped_from_its_third_use(segments: Segments) -> None:
    handle = segments.make(bytes(range(250)) * (SIZE // 250))
    place, kept = Place(handle.name, 1000, 250), StandingSegments()
    found = _used_often(kept, place)
    assert found.content.tobytes() == bytes(range(250)) * 4
    assert _find(kept, place) is found
    # To be written it is another one, and another part is another one as well.
    _used_often(kept, place, write=True).content[0] = 99
    assert segments.path(handle.name).read_bytes()[250] == 99
    assert _used_often(kept, Place(handle.name, 1000, 500)) is not found
    assert len(kept) == 3


def test_another_segment_under_the_same_name_is_not_taken_for_it(segments: Segments) -> None:
    handle, kept = segments.make(bytes(SIZE)), StandingSegments()
    place = Place(handle.name, SIZE, 0)
    _used_often(kept, place)
    segments.path(handle.name).unlink()
    segments.make(bytes([5]) * SIZE, name=handle.name)
    assert _used_often(kept, place).content[0] == 5


@pytest.mark.parametrize("recreated", [False, True])
def test_a_segment_that_was_unlinked_is_given_up(segments: Segments, now: list[float], recreated: bool) -> None:
    handle, kept = segments.make(bytes(SIZE)), StandingSegments()
    _used_often(kept, Place(handle.name, SIZE, 0))
    kept.sweep()
    assert len(kept) == 1
    segments.path(handle.name).unlink()
    if recreated:
        segments.make(bytes(SIZE), name=handle.name)
    now[0] += standing.SWEEP_SECONDS
    kept.sweep()
    assert not kept


def test_a_segment_that_is_not_used_any_more_is_given_up(segments: Segments, now: list[float]) -> None:
    handle, kept = segments.make(bytes(SIZE)), StandingSegments()
    place = Place(handle.name, SIZE, 0)
    _used_often(kept, place)
    for _ in range(5):
        now[0] += 1.5
        assert _find(kept, place) is not None
        kept.sweep()
    now[0] += 2.5
    kept.sweep()
    assert not kept


def test_one_that_was_cut_short_is_made_anew_later(segments: Segments) -> None:
    handle, kept = segments.make(bytes(SIZE)), StandingSegments()
    place = Place(handle.name, SIZE, 0)
    mapping = _used_often(kept, place)
    os.truncate(segments.path(handle.name), 0)
    assert not mapping.content.any()
    os.truncate(segments.path(handle.name), SIZE)
    assert _find(kept, place) is None
    assert not kept
    assert not _used_often(kept, place).is_lost


def test_there_is_an_end_to_how_much_is_mapped(segments: Segments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "_MOST_BYTES", 2 * SIZE)
    handles, kept = [segments.make(bytes(SIZE)) for _ in range(3)], StandingSegments()
    for handle in handles[:2]:
        _used_often(kept, Place(handle.name, SIZE, 0))
    for _ in range(5):
        assert _find(kept, Place(handles[2].name, SIZE, 0)) is None
    assert len(kept) == 2
