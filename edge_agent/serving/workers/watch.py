"""Whether the pictures that a model is sent look like those that it was trained on, from a sample of them."""

from __future__ import annotations

import time
from collections import deque

from edge_agent.component.manifest import Manifest
from edge_agent.inference.imaging.appearance import Kind, Look, compare, look_at
from edge_agent.inference.imaging.resize import Pixels

_SAMPLES = 8  # the last ones are judged together
_ENOUGH = 4  # are needed for a word
_EVERY = 1.0  # seconds between two, when the first _SAMPLES have been taken: a line is fast, a lamp fails slowly


class AppearanceWatch:
    """Looks at a picture now and then; `remark` is what a person should know of them, "" for nothing."""

    def __init__(self, manifest: Manifest) -> None:
        self.remark = ""
        self._image, self._trained = manifest.image, manifest.appearance
        self._looks: deque[Look] = deque(maxlen=_SAMPLES)
        self._next = 0.0
        self._kinds: list[Kind] = []

    def see(self, pixels: Pixels) -> None:
        """Take note of a picture that is about to be inspected; InvalidRequest when it can't be read."""
        if self._trained is None:
            return
        now = time.monotonic()
        if now < self._next:
            return
        self._looks.append(look_at(pixels, self._image.width, self._image.height))
        if len(self._looks) == _SAMPLES:
            self._next = now + _EVERY
        if len(self._looks) < _ENOUGH:
            return
        found = compare(self._trained, self._looks)
        kinds = [unlike.kind for unlike in found]
        if kinds != self._kinds:  # the figures in the sentences change with every picture: said once
            self._kinds, self.remark = kinds, "; ".join(unlike.text for unlike in found)
