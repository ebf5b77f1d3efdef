"""Telling how much is done, from several threads."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

#: is told how many are done of how many
Progress = Callable[[int, int], None]


def count_up(progress: Progress, total: int) -> Callable[[], None]:
    """Give what is to be called whenever one of `total` is done, from any thread: `progress` is told each number once,
    in order."""
    lock, done = Lock(), 0

    def one_more() -> None:
        nonlocal done
        # Told while it is held: another thread's number could overtake this one.
        with lock:
            done += 1
            progress(done, total)

    return one_more
