"""A worker's model at work: from calls' segments and parcels to their verdicts and masks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_agent.component.manifest import Manifest
from edge_agent.errors import EdgeAgentError, InvalidRequest
from edge_agent.inference.imaging.bitmap import CHANNELS, Place, bitmap_bytes, check_byte_count
from edge_agent.inference.imaging.guarded import GuardedMapping
from edge_agent.inference.imaging.mask import copy_mask, is_blank
from edge_agent.inference.imaging.resize import U8, ArrayPixels, Pixels
from edge_agent.inference.imaging.segment import check_still_large_enough, open_segment, read_into, write_from
from edge_agent.inference.pipeline import Inspection, Pipeline, run_each
from edge_agent.inference.verdict import Verdict
from edge_agent.records.live.tap import LiveTap
from edge_agent.records.pictures.passing import Keeping
from edge_agent.records.pictures.sender import PictureSender
from edge_agent.records.shadow.sender import ShadowSender
from edge_agent.serving.observing.counts import Stages
from edge_agent.serving.workers.mapped import MappedParcels
from edge_agent.serving.workers.messages import Baseline, Detect
from edge_agent.serving.workers.standing import StandingSegments
from edge_agent.serving.workers.watch import CameraWatch


class SegmentPixels:
    """A bitmap in a client's segment, looked at where it is mapped.

    Otherwise it is read row by row into a buffer that is kept between calls, or all at once.
    """

    def __init__(self, row_bytes: int) -> None:
        self._row_bytes = row_bytes
        self._buffer = np.empty(0, np.uint8)
        self._descriptor = -1
        self._place = Place("", 0, 0)
        self._mapping: GuardedMapping | None = None
        self._copy: U8 | None = None
        self._copied = 0

    def at(
        self, descriptor: int, place: Place, copy: U8 | None = None, mapping: GuardedMapping | None = None
    ) -> SegmentPixels:
        """Look at another segment, through its `mapping` if it has one; `check` then tells whether it was whole.

        Where rows are read into `copy`, uint8 [height, width, 3], they stay there.
        """
        self._descriptor, self._place, self._mapping = descriptor, place, mapping
        self._copy = None if copy is None else copy.reshape(copy.shape[0], self._row_bytes)
        self._copied = 0
        return self

    @property
    def in_memory(self) -> bool:
        """See Pixels.in_memory."""
        return self._mapping is not None and self._copy is None

    def finish_copy(self) -> None:
        """Read into the copy what has not been read yet, and leave it to somebody else; InvalidRequest as below."""
        if self._copy is not None and self._copied < len(self._copy):
            self.rows(self._copied, len(self._copy))
        self._copy = None

    def rows(self, first: int, last: int) -> U8:
        """Read rows first..last-1; InvalidRequest when the client truncated the segment meanwhile."""
        if self._copy is not None:
            rows = self._copy[first:last]
            self._read(rows.reshape(-1).data, first * self._row_bytes)
            if first <= self._copied:  # those of a sample, here and there, are read again
                self._copied = max(self._copied, last)
            return rows
        size = (last - first) * self._row_bytes
        if self._mapping is not None:
            start = first * self._row_bytes
            return self._mapping.content[start : start + size].reshape(last - first, self._row_bytes)
        if self._buffer.size < size:
            self._buffer = np.empty(size, np.uint8)
        part = self._buffer[:size]
        self._read(part.data, first * self._row_bytes)
        return part.reshape(last - first, self._row_bytes)

    def read_into(self, bitmap: U8) -> None:
        """Read all rows; InvalidRequest when the client truncated the segment meanwhile."""
        self._read(bitmap.reshape(-1).data, 0)

    def check(self) -> None:
        """Raise InvalidRequest if the client has truncated the segment: what was seen through its mapping were zeros.

        What is read says so by itself.
        """
        if self._mapping is not None:
            check_still_large_enough(self._descriptor, self._place, what="bitmap")
            if self._mapping.is_lost:
                raise InvalidRequest(
                    f"segment '{self._place.name}' of the bitmap changed its size while it was read, "
                    "expected one that stays as it is during a call"
                )

    def _read(self, buffer: memoryview, offset: int) -> None:
        if self._mapping is not None:
            buffer[:] = self._mapping.content[offset : offset + len(buffer)].data
            self.check()
            return
        read_into(self._descriptor, buffer, self._place.offset + offset, place=self._place, what="bitmap")


class _Accepted(NamedTuple):
    """A call whose segments are open."""

    job: Detect
    pixels: Pixels
    #: descriptor of the segment that its mask goes to, and its mapping; -1: to none
    target: int
    mapping: GuardedMapping | None = None


class Inspector:
    """One loaded model with the buffers of its calls."""

    def __init__(
        self,
        pipeline: Pipeline,
        parcels: MappedParcels,
        keeping: Keeping | None = None,
        learned: Baseline | None = None,
        shadow_dir: str = "",
        live: str = "",
    ) -> None:
        """Serve calls whose pictures are in clients' segments or in `parcels`.

        Those that are to be kept are passed on, and the newest shown in the folder `live`, if that is not "".
        `learned` is how pictures looked at first, `shadow_dir` where a shadow model may take them.
        """
        manifest: Manifest = pipeline.manifest
        self._pipeline, self._manifest, self._parcels = pipeline, manifest, parcels
        self._shape = (manifest.image.height, manifest.image.width, CHANNELS)
        self._bytes = bitmap_bytes(manifest.image.width, manifest.image.height)
        self._segments = [SegmentPixels(manifest.image.width * CHANNELS) for _ in range(pipeline.batch)]
        #: those that clients use again and again
        self.standing = StandingSegments()
        #: looks at pictures now and then
        self.camera = CameraWatch(manifest, learned)
        self._sender = None if keeping is None else PictureSender(keeping, manifest)
        self._shadow = ShadowSender(Path(shadow_dir), manifest) if shadow_dir else None
        #: who passes pictures on to other processes
        self._passers = [passer for passer in (self._sender, self._shadow) if passer is not None]
        self._tap = LiveTap(Path(live), manifest) if live else None
        #: whether the mask that `inspect` has just written to a parcel is nothing but background
        self.blank = False

    @property
    def batch(self) -> int:
        """How many calls are inspected at once, at the most."""
        return self._pipeline.batch

    def stages(self, begun: float, before: float, now: float) -> Stages:
        """Say how long the stages of the call took whose result `inspect` has just given.

        Args:
            begun: when the worker began with the calls; what comes before the engine is preparation.
            before: when the result before this one was dealt with.
            now: the time, like the others in seconds of the monotonic clock.
        """
        first, last = self._pipeline.engine_times
        return Stages(begun, max(0.0, first - begun), last - first, now - max(before, last))

    def inspect(self, jobs: Sequence[Detect]) -> Iterator[tuple[Detect, Verdict | Exception]]:
        """Inspect the bitmaps of 1 to `batch` calls, and put each one's mask where the call wants it.

        What went wrong with a call is its result: InvalidRequest where a segment does not hold what the request says,
        EngineFailed where the engine failed on the picture.
        """
        accepted: list[_Accepted] = []
        descriptors: list[int] = []
        for passer in self._passers:
            passer.slots.begin()
        try:
            for job in jobs:
                try:
                    accepted.append(self._open(job, self._segments[len(accepted)], descriptors))
                except EdgeAgentError as error:
                    yield job, error
            if not accepted:
                return
            for number, result in run_each(self._pipeline, [call.pixels for call in accepted]):
                try:
                    yield accepted[number].job, self._conclude(accepted[number], result)
                except EdgeAgentError as error:
                    yield accepted[number].job, error
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
            for passer in self._passers:
                passer.slots.end()

    def _open(self, job: Detect, segment: SegmentPixels, descriptors: list[int]) -> _Accepted:
        """Open a call's segments, whose descriptors are added to those that have to be closed."""
        pixels: Pixels
        if isinstance(job.bitmap, Place):
            self._check(job.bitmap, "bitmap", exact=True)
            opened = open_segment(job.bitmap, job.peer, write=False, what="bitmap")
            descriptors.append(opened.descriptor)
            # With one call at a time the shadow's copy is made of the reading itself.
            copy = self._shadow.place() if self._shadow is not None and self.batch == 1 else None
            mapping = self.standing.find(opened, job.bitmap, write=False)
            pixels = segment.at(opened.descriptor, job.bitmap, copy, mapping)
        else:
            start = job.bitmap.start
            content = self._parcels[job.bitmap.parcel].content
            pixels = ArrayPixels(content[start : start + self._bytes].reshape(self._shape))
        self.camera.see(pixels)
        # The mask's segment is checked before the engine runs.
        if isinstance(job.mask, Place):
            self._check(job.mask, "mask", exact=False)
            opened = open_segment(job.mask, job.peer, write=True, what="mask")
            descriptors.append(opened.descriptor)
            return _Accepted(job, pixels, opened.descriptor, self.standing.find(opened, job.mask, write=True))
        return _Accepted(job, pixels, -1)

    @property
    def needs_pixels(self) -> bool:
        """Whether `settle` will look once more at the pixels of the call whose result `inspect` has just given."""
        return any(passer.slots.needs_pixels for passer in self._passers)

    def settle(self) -> None:
        """Do what an inspection that is answered leaves to do, before the next begins."""
        for passer in self._passers:
            passer.settle()

    def _conclude(self, call: _Accepted, result: Inspection | EdgeAgentError) -> Verdict:
        job, pixels = call.job, call.pixels
        if isinstance(pixels, SegmentPixels):
            pixels.check()
        if isinstance(result, EdgeAgentError):
            raise result
        self.blank = False
        if result.mask is not None and job.mask is not None:
            if isinstance(job.mask, Place):
                _write(result.mask, job.mask, call)
            else:
                self._parcels[job.mask.parcel].write(result.mask, job.mask.start, white=job.white)
                self.blank = is_blank(result.mask)
        # Before the answer: afterwards the client may change the picture.
        if self._tap is not None:
            self._tap.show(pixels, result)
        verdict = result.verdict if self._sender is None else self._sender.keep(pixels, result, asked=job.keep)
        return verdict if self._shadow is None else self._shadow.show(pixels, result, verdict)

    def _check(self, place: Place, what: str, *, exact: bool) -> None:
        height, width, _ = self._shape
        # Names have been checked by the front. A mask's segment may be larger than the mask, a bitmap of another
        # size is a mistake.
        if exact or place.size < self._bytes:
            check_byte_count(place.size, width, height, what=f"the handle of the {what} (segment '{place.name}') says")


def _write(mask: Sequence[memoryview], place: Place, call: _Accepted) -> None:
    """Write a mask to its segment: through the mapping if that is whole; the errors are those of writing."""
    check_still_large_enough(call.target, place, what="mask")
    if call.mapping is not None:
        copy_mask(mask, call.mapping.content)
        if not call.mapping.is_lost:
            return
        check_still_large_enough(call.target, place, what="mask")
    write_from(call.target, mask, place.offset)
