"""Whether the pictures that a model is sent look like those that it was trained on, from a sample of them."""

from __future__ import annotations

import time
from collections import deque

from edge_agent.component.manifest import Manifest
from edge_agent.inference.imaging.appearance import Kind, Look, compare, look_at
from edge_agent.inference.imaging.resize import Pixels

_SAMPLES = 8  # the last ones are judged together
_ENOUGH = 4  # are needed for a word
_REST = 50  # times what a look takes pass until the next one: a fiftieth of the worker's time at the most
_CALM = 10.0  # seconds until a word is taken back: one of two cameras may be wrong, and its parts come now and then


class AppearanceWatch:
    """Looks at a picture now and then; `remark` is what a person should know of them, "" for nothing."""

    def __init__(self, manifest: Manifest) -> None:
        self.remark = ""
        self._image, self._trained = manifest.image, manifest.appearance
        self._looks: deque[Look] = deque(maxlen=_SAMPLES)
        self._next = 0.0
        #: what has been seen, when last, and the sentence of the first time: its figures change with every picture
        self._seen: dict[Kind, tuple[float, str]] = {}

    def see(self, pixels: Pixels) -> None:
        """Take note of a picture that is about to be inspected; InvalidRequest when it can't be read."""
        if self._trained is None:
            return
        now = time.monotonic()
        if now < self._next:
            return
        self._looks.append(look_at(pixels, self._image.width, self._image.height))
        if len(self._looks) >= _ENOUGH:
            for unlike in compare(self._trained, self._looks):
                _, text = self._seen.get(unlike.kind, (now, unlike.text))
                self._seen[unlike.kind] = now, text
            self._seen = {kind: seen for kind, seen in self._seen.items() if now - seen[0] < _CALM}
            self.remark = "; ".join(text for _, text in self._seen.values())
        if len(self._looks) == _SAMPLES:  # the first ones are looked at one by one
            done = time.monotonic()
            self._next = done + _REST * (done - now)
