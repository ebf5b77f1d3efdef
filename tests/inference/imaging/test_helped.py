"""A bitmap that two threads resize is what one makes of it, whoever of them is late or fails."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_agent.inference.imaging.guarded import GuardedMapping
from edge_agent.inference.imaging.helped import HelpedResizer, make_helped_resizer
from edge_agent.inference.imaging.resize import U8, ArrayPixels, Filter, make_resizer

SOURCE, TARGET = (1280, 960), (288, 384)


def _noise(seed: int, size: tuple[int, int] = SOURCE) -> U8:
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)


class _Meeting(ArrayPixels):
    """Pixels of which each thread's first rows are given when `most` threads want some, and after `act`."""

    def __init__(self, array: U8, most: int, act: Callable[[], None] = lambda: None) -> None:
        super().__init__(array)
        self._barrier, self._act = threading.Barrier(most), act
        self.readers: set[int] = set()

    def rows(self, first: int, last: int) -> U8:
        reader = threading.get_ident()
        if reader not in self.readers:
            self.readers.add(reader)
            self._barrier.wait(60)
            self._act()
        return super().rows(first, last)


@pytest.mark.parametrize(
    ("source", "target", "kind"),
    [
        (SOURCE, TARGET, "area"),  # by groups of rows
        ((1280, 1000), (300, 300), "area"),  # sums of whole rows and parts
        ((1280, 960), (320, 240), "area"),  # by a whole number
        ((1280, 960), (320, 240), "nearest"),
    ],
)
def test_it_is_the_same_to_the_last_bit(source: tuple[int, int], target: tuple[int, int], kind: Filter) -> None:
    helped, alone = make_helped_resizer(source, target, kind), make_resizer(source, target, kind)
    assert isinstance(helped, HelpedResizer)
    for seed in range(5):
        pixels = _Meeting(_noise(seed, source), 2)
        assert np.array_equal(helped(pixels), alone(pixels))
        assert len(pixels.readers) == 2


def test_a_small_bitmap_is_not_worth_a_thread() -> None:
    before = threading.active_count()
    assert not isinstance(make_helped_resizer((320, 240), (96, 96), "area"), HelpedResizer)
    assert not isinstance(make_helped_resizer((4096, 4096), (1000, 1000), "bilinear"), HelpedResizer)  # as a whole
    assert threading.active_count() == before


def test_one_thread_does_it_where_no_more_may_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    unhelped, alone = make_helped_resizer(SOURCE, TARGET, "area"), make_resizer(SOURCE, TARGET, "area")
    assert not isinstance(unhelped, HelpedResizer)
    assert np.array_equal(unhelped(ArrayPixels(_noise(0))), alone(ArrayPixels(_noise(0))))


class _InOneBuffer(ArrayPixels):
    """Pixels whose rows are read into one buffer, as those of a segment that is not mapped are."""

    in_memory = False

    def __init__(self, array: U8) -> None:
        super().__init__(array)
        self._buffer = np.empty((array.shape[0], array.shape[1] * 3), np.uint8)
        self.readers: set[int] = set()

    def rows(self, first: int, last: int) -> U8:
        self.readers.add(threading.get_ident())
        self._buffer[: last - first] = super().rows(first, last)
        return self._buffer[: last - first]


def test_what_is_read_into_one_buffer_is_read_by_one_thread() -> None:
    helped, alone = make_helped_resizer(SOURCE, TARGET, "area"), make_resizer(SOURCE, TARGET, "area")
    for seed in range(3):
        pixels = _InOneBuffer(_noise(seed))
        assert np.array_equal(helped(pixels), alone(ArrayPixels(_noise(seed))))
        assert pixels.readers == {threading.get_ident()}


class _Stopping(_Meeting):
    """Pixels that a helper gets no rows of until it may go on, as if somebody else had its core."""

    def __init__(self, array: U8) -> None:
        super().__init__(array, 2)
        self._caller = threading.get_ident()
        self.may_go_on = threading.Event()

    def rows(self, first: int, last: int) -> U8:
        rows = super().rows(first, last)
        if threading.get_ident() != self._caller:
            assert self.may_go_on.wait(60)
        return rows


def test_a_helper_that_stands_still_is_not_waited_for() -> None:
    helped, alone = make_helped_resizer(SOURCE, TARGET, "area"), make_resizer(SOURCE, TARGET, "area")
    assert isinstance(helped, HelpedResizer)
    for seed in range(3):
        pixels = _Stopping(_noise(seed))
        assert np.array_equal(helped(pixels), alone(pixels))
        assert len(pixels.readers) == 2
        pixels.may_go_on.set()
        helped.finish()  # from now on it looks at nothing
        pixels = _Stopping(_noise(seed + 10))
        assert np.array_equal(helped(pixels), alone(pixels))
        threading.Timer(0.05, pixels.may_go_on.set).start()
        # The next bitmap has to wait for it, since it has the last one's strips in hand.
        following = _Meeting(_noise(seed + 20), 2)
        assert np.array_equal(helped(following), alone(following))
        assert pixels.may_go_on.is_set()


def test_what_goes_wrong_for_the_helper_alone_does_not_matter() -> None:
    helped, alone = make_helped_resizer(SOURCE, TARGET, "area"), make_resizer(SOURCE, TARGET, "area")
    caller = threading.get_ident()

    def fail(*, caller_fails: bool) -> None:
        if (threading.get_ident() == caller) is caller_fails:
            raise MemoryError("no room")

    for _ in range(2):
        pixels = _Meeting(_noise(0), 2, functools.partial(fail, caller_fails=False))
        assert np.array_equal(helped(pixels), alone(pixels))
        with pytest.raises(MemoryError, match="no room"):
            helped(_Meeting(_noise(1), 2, functools.partial(fail, caller_fails=True)))


def test_a_segment_that_is_cut_short_under_both(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(_noise(0).tobytes())
    helped = make_helped_resizer(SOURCE, TARGET, "area")
    with path.open("r+b") as file:
        mapping = GuardedMapping(file.fileno(), 0, SOURCE[0] * SOURCE[1] * 3, write=False)
        content = mapping.content.reshape(SOURCE[1], SOURCE[0], 3)
        assert helped(_Meeting(content, 2)).any()
        assert isinstance(helped, HelpedResizer)
        helped.finish()
        assert not helped(_Meeting(content, 2, functools.partial(os.ftruncate, file.fileno(), 0))).any()
        helped.finish()
        assert mapping.is_lost
        del content
        mapping.close()
