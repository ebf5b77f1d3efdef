"""The pictures of the last seconds, made ready for browsers once, however many of them watch."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_agent.errors import NotThere, RecordsError
from edge_agent.records.live.watching import Shown, Watcher
from edge_agent.records.span import SECOND
from edge_agent.studio.watching.records import jpeg, marked_png

#: pictures of one model that are held
_MOST = 12


class LivePicture(msgspec.Struct, frozen=True):
    """A picture of the last seconds; `at` in seconds since 1970, the areas without the background."""

    number: str
    at: float
    verdict: str
    score: float
    threshold: float
    width: int
    height: int
    marked: bool
    areas: dict[str, float]
    #: called anomalous by a model that makes masks, and nothing is marked
    unmarked: bool


class _Held(NamedTuple):
    told: LivePicture
    picture: bytes
    mask: bytes


class LivePictures:
    """Holds the newest pictures of each model, while somebody watches."""

    def __init__(self, state: Path) -> None:
        self._watcher = Watcher(state)
        self._lock = threading.Lock()
        self._held: dict[str, deque[_Held]] = {}
        #: why there are none; "" when nothing is wrong
        self.problem = ""

    def look(self) -> None:
        """Ask for more, and take those that have come."""
        try:
            self._watcher.ask()
            self.problem = ""
        except RecordsError as error:
            self.problem = str(error)
        for shown in self._watcher.news():
            held = _made(shown)
            with self._lock:
                self._held.setdefault(shown.frame.model, deque(maxlen=_MOST)).append(held)

    def of(self, model: str) -> list[LivePicture]:
        """List the pictures of a model, the newest first."""
        with self._lock:
            return [held.told for held in reversed(self._held.get(model, ()))]

    def picture(self, number: str) -> bytes:
        """Give a picture, JPEG; NotThere when newer ones have taken its place."""
        return self._find(number).picture

    def layer(self, number: str) -> bytes:
        """Give what the model marked on it, PNG."""
        held = self._find(number)
        if not held.mask:
            raise NotThere(f"nothing is marked on picture '{number[:40]}'")
        return held.mask

    def _find(self, number: str) -> _Held:
        with self._lock:
            for line in self._held.values():
                for held in line:
                    if held.told.number == number:
                        return held
        raise NotThere(f"there is no picture '{number[:40]}' any more; newer ones took its place")

    def forget(self) -> None:
        """Let go of all pictures: nobody watches."""
        with self._lock:
            self._held.clear()


def _made(shown: Shown) -> _Held:
    frame = shown.frame
    verdict = frame.verdict
    told = LivePicture(
        str(frame.at), frame.at / SECOND, "anomaly" if verdict.is_anomalous else "normal", verdict.score,
        verdict.threshold, frame.width, frame.height, shown.mask is not None,
        {area.label: area.fraction for area in verdict.areas[1:]}, verdict.is_unmarked,
    )  # fmt: skip
    return _Held(told, jpeg(shown.picture), b"" if shown.mask is None else marked_png(shown.mask))
