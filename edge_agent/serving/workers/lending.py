"""Where a call's pixels and its mask lie for the worker that inspects it: in the client's segments, or in parcels."""

from __future__ import annotations

import logging
from typing import NamedTuple

from edge_agent.component.manifest import Manifest
from edge_agent.inference.imaging.bitmap import Place, bitmap_bytes
from edge_agent.serving.workers.calls import Call, Enclosed
from edge_agent.serving.workers.messages import Span
from edge_agent.serving.workers.parcels import MASK_AT, Parcel, ParcelShelf

log = logging.getLogger(__name__)


class Lent(NamedTuple):
    """What a worker is told of a call's memory, and the parcels that are held for it."""

    picture: Place | Span
    target: Place | Span | None
    bitmap: Parcel | None
    mask: Parcel | None
    #: whether the mask's memory is white already
    white: bool


class Lender:
    """Finds the memory for the calls of one model."""

    def __init__(self, shelf: ParcelShelf, manifest: Manifest, inline_mask_bytes: int) -> None:
        """`inline_mask_bytes` is the size of the largest mask that travels inside an answer."""
        self._shelf = shelf
        # A classification model makes no mask, and ignores what is said of one, as the original agent did.
        self._makes_masks = manifest.task == "segmentation"
        self._mask_bytes = bitmap_bytes(manifest.image.width, manifest.image.height)
        self._inline = self._makes_masks and self._mask_bytes <= inline_mask_bytes
        #: what a person should know of the masks; "" for nothing
        self.note = ""
        if self._makes_masks and not self._inline:
            self.note = (
                f"answers carry no mask unless the client gives a segment for it: {self._mask_bytes} bytes are more "
                f"than inline_mask_bytes ({inline_mask_bytes})"
            )
            log.info("model %s: %s", manifest.name, self.note)

    def lend(self, call: Call) -> Lent:
        """Say where the call's pixels lie and where its mask goes.

        Raises:
            OSError: no memory, or no file descriptor, can be had; nothing is held then.
        """
        bitmap = mask = None
        white = False
        picture: Place | Span
        target: Place | Span | None = call.mask if self._makes_masks else None
        if isinstance(call.bitmap, Enclosed):
            bitmap, start = self._parcel_of(call.bitmap)
            picture = Span(bitmap.number, start)
        else:
            picture = call.bitmap
        if target is None and self._inline:
            try:
                mask = self._shelf.get_for_mask(self._mask_bytes)
            except OSError:
                if bitmap is not None:
                    bitmap.release()
                raise
            target = Span(mask.number, MASK_AT)
            white = mask.white == self._mask_bytes
            mask.white = 0  # until it is answered nobody knows what is in it
        return Lent(picture, target, bitmap, mask, white)

    def answered(self, mask: Parcel, *, blank: bool) -> None:
        """Take note of what a worker has written to the memory of a mask: nothing but background, or something."""
        mask.white = self._mask_bytes if blank else 0

    def _parcel_of(self, enclosed: Enclosed) -> tuple[Parcel, int]:
        """Hold the parcel in which a call's pixels lie, or copy them into one; also give where in it they begin."""
        if enclosed.parcel is not None:
            return enclosed.parcel.hold(), enclosed.start
        parcel = self._shelf.get(len(enclosed.pixels))
        parcel.memory[: len(enclosed.pixels)] = enclosed.pixels
        return parcel, 0
