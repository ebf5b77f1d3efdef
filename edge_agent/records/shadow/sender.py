"""In a worker: copies a picture for the shadow model, before the answer lets the client change it.

Whether there is a shadow is seen by its socket, which is looked for every second. When all slots are taken the picture
is skipped: the shadow judges as many as it can.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from edge_agent.component.manifest import Manifest
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import Pixels
from edge_agent.inference.pipeline import Inspection
from edge_agent.inference.verdict import Verdict
from edge_agent.records.pictures.rules import SKIPPED
from edge_agent.records.pictures.slots import Slots
from edge_agent.records.shadow.passing import Shown, encode, socket_name

_SLOTS = 2
_LOOK_SECONDS = 1.0


class ShadowSender:
    """Passes pictures on. Used by one thread."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Pass pictures to the shadow of the manifest's model whose socket is in `folder`, when there is one."""
        self._path = folder / socket_name(manifest.name)
        self._version = manifest.version
        self._shape = (manifest.image.height, manifest.image.width, CHANNELS)
        size = self._shape[0] * self._shape[1] * CHANNELS
        self._slots = Slots(folder, self._path.name, "shown picture", size=size, pictures=3, most=_SLOTS)
        self._is_there = False
        self._look_at = 0.0
        self._last = 0

    def show(self, pixels: Pixels, inspection: Inspection, verdict: Verdict) -> Verdict:
        """Pass a picture on if there is a shadow; returns the verdict, which says under which token.

        Raises:
            InvalidRequest: the client has truncated the segment that the picture is read from.
        """
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            is_there = self._path.exists()
            if self._is_there and not is_there:
                self._slots.forget()  # it has been switched off, and the memory is for others
            self._is_there = is_there
        if not self._is_there:
            return verdict
        self._last = max(self._last + 1, time.time_ns() // 1000)
        token = f"{self._last}-{os.getpid()}"
        packet = encode(Shown(token, self._version, inspection.mask is not None, inspection.verdict))
        shown = self._slots.pass_on(pixels, self._shape, inspection.mask, packet)
        self._is_there = self._slots.has_taker
        return msgspec.structs.replace(verdict, shadow=token if shown else SKIPPED)
