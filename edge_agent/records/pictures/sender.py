"""In a worker: copies a picture that is to be kept into a slot, before the answer lets the client change it.

A copy is all that a call waits for; pixels that came as bytes are copied after the answer. Slots are few and used
again: their pages are there, and memory is bounded. When all are taken, or nobody takes pictures, the picture is
skipped.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from edge_agent.component.manifest import Manifest
from edge_agent.inference.imaging.bitmap import bitmap_bytes
from edge_agent.inference.imaging.resize import Pixels
from edge_agent.inference.pipeline import Inspection
from edge_agent.inference.verdict import Verdict
from edge_agent.records.pictures.passing import SOCKET_NAME, Keeping, Picture, encode
from edge_agent.records.pictures.rules import SKIPPED
from edge_agent.records.pictures.slots import Slots

_SLOTS = 3


class PictureSender:
    """Chooses pictures and passes them on. Used by one thread."""

    def __init__(self, keeping: Keeping, manifest: Manifest) -> None:
        self._keeping, self._manifest = keeping, manifest
        size = bitmap_bytes(manifest.image.width, manifest.image.height)
        #: what `settle` sends, and through which it is said that there is a call
        self.slots = Slots(Path(keeping.folder), SOCKET_NAME, "kept picture", size=size, pictures=2, most=_SLOTS)
        self._normals = self._last = 0

    def keep(self, pixels: Pixels, inspection: Inspection, *, asked: bool) -> Verdict:
        """Pass a picture on if the rules say so; returns the verdict, which says under which name it is kept.

        Raises:
            InvalidRequest: the client has truncated the segment that the picture is read from.
        """
        verdict = inspection.verdict
        self._normals += not verdict.is_anomalous
        kind = self._keeping.rules.kind_of(verdict, asked=asked, normals=self._normals)
        if not kind:
            return verdict
        self._last = max(self._last + 1, time.time_ns() // 1000)
        name = f"{kind}/{self._last}-{os.getpid()}"
        manifest, image = self._manifest, self._manifest.image
        has_mask = inspection.mask is not None
        picture = Picture(name, manifest.name, manifest.version, image.width, image.height, has_mask, verdict)
        kept = self.slots.copy(pixels, inspection.mask, encode(picture))
        return msgspec.structs.replace(verdict, picture=name if kept else SKIPPED)

    def settle(self) -> None:
        """Pass on what was chosen, now that the call has been answered."""
        self.slots.settle()
