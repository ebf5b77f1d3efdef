"""A thread that keeps at something: when that fails it says why, and tries again after a pause that grows."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edge_agent.line.sources.source import SourceFailed

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
_END_SECONDS = 2.0


class Trying:
    """Does its work until it is closed. The work returns, or raises SourceFailed, when it has to begin again."""

    def __init__(self, work: Callable[[], None], what: str) -> None:
        self._work = work
        self._pause = _FIRST_PAUSE
        #: why it can't be done now; "" when it can
        self.problem = f"{what} is not yet connected"
        self.ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def well(self) -> None:
        """Say, from inside the work, that it goes well."""
        self.problem, self._pause = "", _FIRST_PAUSE

    def _run(self) -> None:
        while not self.ending.is_set():
            try:
                self._work()
            except SourceFailed as error:
                self.problem = str(error)
            self.ending.wait(self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def close(self) -> None:
        """End it; closing twice is harmless."""
        self.ending.set()
        if self._thread.is_alive():
            self._thread.join(_END_SECONDS)
