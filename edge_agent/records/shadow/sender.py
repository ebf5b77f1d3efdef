"""In a worker: keeps a picture for the shadow model, before the answer lets the client change it.

A picture that is read from a segment is read into the shadow's memory at once, so that there is nothing to copy; one
that came as bytes is copied after the answer. Whether there is a shadow is seen by its socket, which is looked for
every second. When all slots are taken the picture is skipped: the shadow judges as many as it can.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from edge_agent.component.manifest import Manifest
from edge_agent.inference.imaging.bitmap import CHANNELS
from edge_agent.inference.imaging.resize import U8, Pixels
from edge_agent.inference.pipeline import Inspection
from edge_agent.inference.verdict import Verdict
from edge_agent.records.pictures.rules import SKIPPED
from edge_agent.records.pictures.slots import Slot, Slots
from edge_agent.records.shadow.passing import Shown, encode, socket_name

_SLOTS = 2
_LOOK_SECONDS = 1.0


@runtime_checkable
class CopiedPixels(Protocol):
    """A bitmap whose reading makes a copy of it."""

    def finish_copy(self) -> None:
        """Read what has not been read yet; InvalidRequest when the client truncated the segment meanwhile."""


class ShadowSender:
    """Passes pictures on. Used by one thread."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Pass pictures to the shadow of the manifest's model whose socket is in `folder`, when there is one."""
        self._path = folder / socket_name(manifest.name)
        self._version = manifest.version
        self._shape = (manifest.image.height, manifest.image.width, CHANNELS)
        size = self._shape[0] * self._shape[1] * CHANNELS
        #: what `settle` sends, and through which it is said that there is a call
        self.slots = Slots(folder, self._path.name, "shown picture", size=size, pictures=3, most=_SLOTS)
        self._is_there = False
        self._look_at = 0.0
        self._last = 0
        self._slot: Slot | None = None  # the next picture's, which is being read into it

    def place(self) -> U8 | None:
        """Give memory into which the next picture may be read, so that nobody has to copy it; None: no picture goes."""
        if not self._looks():
            return None
        try:
            self._slot = self.slots.free_slot()
        except OSError:
            self._forget()
            return None
        return None if self._slot is None else self._slot.picture(self._shape)

    def show(self, pixels: Pixels, inspection: Inspection, verdict: Verdict) -> Verdict:
        """Keep a picture for the shadow if there is one; returns the verdict, which says under which token.

        It is passed on by `settle`.

        Raises:
            InvalidRequest: the client has truncated the segment that the picture is read from.
        """
        if not self._looks():
            return verdict
        self._last = max(self._last + 1, time.time_ns() // 1000)
        token = f"{self._last}-{os.getpid()}"
        packet = encode(Shown(token, self._version, inspection.mask is not None, inspection.verdict))
        slot, self._slot = self._slot, None
        try:
            if slot is not None and isinstance(pixels, CopiedPixels):
                pixels.finish_copy()
                shown = self.slots.hold(slot, inspection.mask, packet)
            else:
                shown = self.slots.copy(pixels, inspection.mask, packet)
        except OSError:
            self._forget()
            shown = False
        return msgspec.structs.replace(verdict, shadow=token if shown else SKIPPED)

    def settle(self) -> None:
        """Pass on what was kept, now that the call has been answered."""
        self._slot = None  # of a call that has failed
        self.slots.settle()

    def _looks(self) -> bool:
        """Tell whether there is a shadow, as it was seen at the last look."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            is_there = self._path.exists()
            if self._is_there and not is_there:
                self._forget()  # it has been switched off, and the memory is for others
            self._is_there = is_there
        return self._is_there

    def _forget(self) -> None:
        self.slots.forget()
        self._slot, self._is_there = None, False
