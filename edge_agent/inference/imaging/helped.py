"""Strips of a bitmap resized by two threads, while the engine has nothing to do yet and a core would idle.

Whoever is free takes the next strip, so that a helper whose core somebody else has holds nobody up: what it has not
begun is done without it, and what it does not end in time is done once more. It comes to the same. OpenCV and numpy let
go of the interpreter's lock while they calculate. docs/performance-tried.md has the figures.
"""

from __future__ import annotations

import contextlib
import threading
import time

from edge_agent.inference.imaging.resize import U8, Filter, InStrips, Pixels, Resizer, make_resizer

#: fewer strips take less time than is worth waking a thread
_ENOUGH_STRIPS = 4


def make_helped_resizer(source: tuple[int, int], target: tuple[int, int], kind: Filter) -> Resizer:
    """Make what make_resizer() does, with a helper where bitmaps are large enough and resized in strips.

    Where no more threads may be started (RLIMIT_NPROC, pids.max) there is none: it only makes things faster.
    """
    resizer = make_resizer(source, target, kind)
    if isinstance(resizer, InStrips) and resizer.strips >= _ENOUGH_STRIPS:
        with contextlib.suppress(RuntimeError):  # can't start new thread
            return HelpedResizer(resizer)
    return resizer


class _Work:
    """A bitmap, and its strips: a list gives each of them to one thread."""

    def __init__(self, pixels: Pixels, strips: int) -> None:
        self.pixels = pixels
        self._left = list(range(strips))[::-1]
        self._all = frozenset(self._left)
        self._done: list[int] = []

    def do(self, resizer: InStrips) -> int:
        """Resize strips until none is left, and return how many."""
        count = 0
        while True:
            try:
                strip = self._left.pop()
            except IndexError:
                return count
            resizer.resize_strip(self.pixels, strip)
            self._done.append(strip)
            count += 1

    @property
    def missing(self) -> frozenset[int]:
        """Which strips nobody has done yet."""
        return self._all.difference(self._done)

    def give_up(self) -> None:
        """Leave what nobody has begun."""
        self._left.clear()


class HelpedResizer:
    """A Resizer with a thread of its own, which lives as long as the process. Used by one thread at a time."""

    def __init__(self, resizer: InStrips) -> None:
        """Start the thread.

        Raises:
            RuntimeError: no more threads may be started.
        """
        self._resizer, self._twin = resizer, resizer.twin()
        self._work: _Work | None = None
        #: held while there is nothing to do
        self._asleep = threading.Lock()
        self._asleep.acquire()
        #: held by the helper while it looks at a bitmap
        self._looking = threading.Lock()
        threading.Thread(target=self._help, name="preparation", daemon=True).start()

    def __call__(self, pixels: Pixels) -> U8:
        """See Resizer; the helper may still look at the bitmap, until `finish`."""
        self.finish()
        if not pixels.in_memory:  # their rows are read into one buffer
            return self._resizer(pixels)
        work = self._work = _Work(pixels, self._resizer.strips)
        if self._asleep.locked():
            self._asleep.release()
        try:
            begun = time.perf_counter()
            count = work.do(self._resizer)
            if work.missing:  # the helper is at one, and either ends soon or stands still
                self._wait((time.perf_counter() - begun) / max(1, count))
                for strip in work.missing:
                    self._resizer.resize_strip(pixels, strip)
        except BaseException:
            work.give_up()
            self.finish()
            raise
        return self._resizer.out

    def _wait(self, seconds: float) -> None:
        """Wait for the helper, but for so long at the most."""
        if self._looking.acquire(timeout=seconds):
            self._looking.release()

    def finish(self) -> None:
        """Wait until the helper does not look at the last bitmap any more, which is long ago as a rule."""
        self._work = None
        with self._looking:
            pass

    def _help(self) -> None:
        while True:
            self._asleep.acquire()
            with self._looking:
                work = self._work
                if work is not None:  # else it was done before we were there
                    # What goes wrong here goes wrong, and is told, where the strip is done once more.
                    with contextlib.suppress(BaseException):
                        work.do(self._twin)
                    del work
