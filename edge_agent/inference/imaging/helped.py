"""Strips of a bitmap resized by two threads, while the engine has nothing to do yet and a core would idle.

Whoever is free takes the next strip, so that a helper whose core somebody else has holds nobody up: what it has not
begun is done without it. OpenCV and numpy let go of the interpreter's lock while they calculate. Which thread resizes
a strip makes no difference to it. docs/performance-tried.md has the figures.
"""

from __future__ import annotations

import threading

from edge_agent.inference.imaging.resize import U8, Filter, InStrips, Pixels, Resizer, make_resizer

#: fewer strips take less time than is worth waking a thread
_ENOUGH_STRIPS = 4


def make_helped_resizer(source: tuple[int, int], target: tuple[int, int], kind: Filter) -> Resizer:
    """Make what make_resizer() does, with a helper where bitmaps are large enough and resized in strips."""
    resizer = make_resizer(source, target, kind)
    if isinstance(resizer, InStrips) and resizer.strips >= _ENOUGH_STRIPS:
        return HelpedResizer(resizer)
    return resizer


class _Work:
    """A bitmap, and which of its strips nobody has begun. A list gives each of them to one thread."""

    def __init__(self, pixels: Pixels, strips: int) -> None:
        self._pixels = pixels
        self._left = list(range(strips))[::-1]

    def do(self, resizer: InStrips) -> None:
        """Resize strips until none is left."""
        while True:
            try:
                strip = self._left.pop()
            except IndexError:
                return
            resizer.resize_strip(self._pixels, strip)

    def give_up(self) -> None:
        """Leave what nobody has begun."""
        self._left.clear()


class HelpedResizer:
    """A Resizer with a thread of its own, which lives as long as the process. Used by one thread at a time."""

    def __init__(self, resizer: InStrips) -> None:
        self._resizer, self._twin = resizer, resizer.twin()
        self._work: _Work | None = None
        self._error: BaseException | None = None
        #: held while there is nothing to do
        self._asleep = threading.Lock()
        self._asleep.acquire()
        #: held by the helper while it looks at a bitmap
        self._looking = threading.Lock()
        threading.Thread(target=self._help, name="preparation", daemon=True).start()

    def __call__(self, pixels: Pixels) -> U8:
        if not pixels.in_memory:  # their rows are read into one buffer
            return self._resizer(pixels)
        work = self._begin(pixels)
        try:
            work.do(self._resizer)
        finally:
            out = self._end(work)
        return out

    def _begin(self, pixels: Pixels) -> _Work:
        """Have the helper begin."""
        work = self._work = _Work(pixels, self._resizer.strips)
        if self._asleep.locked():
            self._asleep.release()
        return work

    def _end(self, work: _Work) -> U8:
        """Wait for the strip that the helper is at, if it is at one, and return what has come together."""
        work.give_up()
        with self._looking:
            self._work, error, self._error = None, self._error, None
        if error is not None:
            raise error
        return self._resizer.out

    def _help(self) -> None:
        while True:
            self._asleep.acquire()
            with self._looking:
                if self._work is not None:  # else it was done before we were there
                    try:
                        self._work.do(self._twin)
                    except BaseException as error:
                        self._error = error
