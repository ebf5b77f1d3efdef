"""A worker's model at work: from calls' segments and slots to their verdicts and masks."""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Iterator, Sequence

import numpy as np

from edge_agent.component.manifest import Manifest
from edge_agent.errors import EdgeAgentError
from edge_agent.imaging.bitmap import CHANNELS, Place, check_byte_count, check_place
from edge_agent.imaging.resize import U8, ArrayPixels, Pixels
from edge_agent.imaging.segment import check_still_large_enough, opened, read_into, write_from
from edge_agent.inference.pipeline import Inspection, Pipeline, run_each
from edge_agent.inference.verdict import Verdict
from edge_agent.workers.messages import Detect, SlotLayout


class SegmentPixels:
    """A bitmap in a client's segment, read row by row into a buffer that is kept between calls, or all at once."""

    def __init__(self, row_bytes: int) -> None:
        self._row_bytes = row_bytes
        self._buffer = np.empty(0, np.uint8)
        self._descriptor = -1
        self._place = Place("", 0, 0)

    def at(self, descriptor: int, place: Place) -> SegmentPixels:
        """Look at another segment."""
        self._descriptor, self._place = descriptor, place
        return self

    def rows(self, first: int, last: int) -> U8:
        """Read rows first..last-1; InvalidRequest when the client truncated the segment meanwhile."""
        size = (last - first) * self._row_bytes
        if self._buffer.size < size:
            self._buffer = np.empty(size, np.uint8)
        part = self._buffer[:size]
        self._read(part.data, first * self._row_bytes)
        return part.reshape(last - first, self._row_bytes)

    def read_into(self, bitmap: U8) -> None:
        """Read all rows; InvalidRequest when the client truncated the segment meanwhile."""
        self._read(bitmap.reshape(-1).data, 0)

    def _read(self, buffer: memoryview, offset: int) -> None:
        read_into(self._descriptor, buffer, self._place.offset + offset, place=self._place, what="bitmap")


class Inspector:
    """One loaded model with the buffers of its calls."""

    def __init__(self, pipeline: Pipeline, shared: mmap.mmap, slots: int, layout: SlotLayout) -> None:
        """Serve calls whose pictures are in clients' segments or in the slots: a memfd, and a mapping of it."""
        manifest: Manifest = pipeline.manifest
        self._pipeline, self._manifest = pipeline, manifest
        self._slots, self._layout = slots, layout
        self._shape = (manifest.image.height, manifest.image.width, CHANNELS)
        self._segments = [SegmentPixels(manifest.image.width * CHANNELS) for _ in range(pipeline.batch)]
        whole = np.frombuffer(shared, np.uint8)
        self._in_slots = [
            ArrayPixels(whole[start : start + layout.bytes_each].reshape(self._shape))
            for start in map(layout.bitmap, range(layout.slots))
        ]

    @property
    def batch(self) -> int:
        """How many calls are inspected at once, at the most."""
        return self._pipeline.batch

    def inspect(self, jobs: Sequence[Detect]) -> Iterator[tuple[Detect, Verdict | Exception]]:
        """Inspect the bitmaps of 1 to `batch` calls, and put each one's mask where the call wants it.

        What went wrong with a call is its result: InvalidRequest where a segment does not hold what the request says,
        EngineFailed where the engine failed on the picture.
        """
        with contextlib.ExitStack() as stack:
            accepted: list[tuple[Detect, Pixels, int | None]] = []
            for job in jobs:
                try:
                    accepted.append((job, *self._open(job, self._segments[len(accepted)], stack)))
                except EdgeAgentError as error:
                    yield job, error
            if not accepted:
                return
            for number, result in run_each(self._pipeline, [pixels for _, pixels, _ in accepted]):
                job, _, target = accepted[number]
                try:
                    yield job, self._conclude(job, result, target)
                except EdgeAgentError as error:
                    yield job, error

    def _open(self, job: Detect, segment: SegmentPixels, stack: contextlib.ExitStack) -> tuple[Pixels, int | None]:
        """Open a call's segments: give its pixels, and the descriptor for its mask unless that goes to the slot."""
        pixels: Pixels = self._in_slots[job.slot]
        if job.bitmap is not None:
            self._check(job.bitmap, "bitmap", exact=True)
            pixels = segment.at(stack.enter_context(opened(job.bitmap, write=False, what="bitmap")), job.bitmap)
        # The mask's segment is checked before the engine runs; a classification model ignores it, as the
        # original agent did.
        if job.mask is None or self._manifest.task != "segmentation":
            return pixels, None
        self._check(job.mask, "mask", exact=False)
        return pixels, stack.enter_context(opened(job.mask, write=True, what="mask"))

    def _conclude(self, job: Detect, result: Inspection | EdgeAgentError, target: int | None) -> Verdict:
        if isinstance(result, EdgeAgentError):
            raise result
        if result.mask is not None:
            if target is None or job.mask is None:
                write_from(self._slots, result.mask, self._layout.mask(job.slot))
            else:
                check_still_large_enough(target, job.mask, what="mask")
                write_from(target, result.mask, job.mask.offset)
        return result.verdict

    def _check(self, place: Place, what: str, *, exact: bool) -> None:
        check_place(place, what=what)
        height, width, _ = self._shape
        # A mask's segment may be larger than the mask, a bitmap of another size is a mistake.
        if exact or place.size < self._layout.bytes_each:
            check_byte_count(place.size, width, height, what=f"segment '{place.name}' of the {what}")
