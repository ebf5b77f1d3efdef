"""A worker's model at work: from a call's segments or slot to its verdict and mask."""

from __future__ import annotations

import contextlib
import mmap
from pathlib import Path

import cv2
import numpy as np

from edge_agent.component.manifest import Golden, Manifest
from edge_agent.engines.engine import EngineOptions, load_engine
from edge_agent.errors import ComponentError
from edge_agent.imaging.bitmap import CHANNELS, Place, check_byte_count, check_place
from edge_agent.imaging.resize import U8, ArrayPixels, Pixels
from edge_agent.imaging.segment import check_still_large_enough, opened, read_into, write_from
from edge_agent.inference.pipeline import Pipeline
from edge_agent.inference.verdict import Verdict
from edge_agent.workers.messages import Detect, Load, SlotLayout

_WARM_UP_CALLS = 3  # ONNX Runtime settles its memory plan in the first, its thread pool in the second


class SegmentPixels:
    """A bitmap in a client's segment, read row by row into a buffer that is kept between calls."""

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
        offset = self._place.offset + first * self._row_bytes
        read_into(self._descriptor, part.data, offset, place=self._place, what="bitmap")
        return part.reshape(last - first, self._row_bytes)


class Inspector:
    """One loaded model with the buffers of its calls."""

    def __init__(
        self, folder: Path, manifest: Manifest, load: Load, shared: mmap.mmap, slots: int, layout: SlotLayout
    ) -> None:
        engine = load_engine(load.engine, folder / manifest.model, EngineOptions(load.threads))
        self._pipeline = Pipeline(manifest, engine)
        self._folder, self._manifest = folder, manifest
        self._slots, self._layout = slots, layout
        self._shape = (manifest.image.height, manifest.image.width, CHANNELS)
        self._segment = SegmentPixels(manifest.image.width * CHANNELS)
        whole = np.frombuffer(shared, np.uint8)
        self._in_slots = [
            ArrayPixels(whole[start : start + layout.bytes_each].reshape(self._shape))
            for start in (layout.bitmap(0), layout.bitmap(1))
        ]

    def inspect(self, job: Detect) -> Verdict:
        """Inspect the bitmap of a call and put its mask where the call wants it.

        Raises:
            InvalidRequest: a segment does not hold what the request says.
            EngineFailed: the engine failed on this picture.
        """
        with contextlib.ExitStack() as stack:
            pixels: Pixels = self._in_slots[job.slot]
            if job.bitmap is not None:
                self._check(job.bitmap, "bitmap", exact=True)
                descriptor = stack.enter_context(opened(job.bitmap, write=False, what="bitmap"))
                pixels = self._segment.at(descriptor, job.bitmap)
            # The mask's segment is checked before the engine runs; a classification model ignores it, as the
            # original agent did.
            target = None
            if job.mask is not None and self._manifest.task == "segmentation":
                self._check(job.mask, "mask", exact=False)
                target = stack.enter_context(opened(job.mask, write=True, what="mask"))
            verdict, mask = self._pipeline.run(pixels)
            if mask is not None:
                if target is None or job.mask is None:
                    write_from(self._slots, mask, self._layout.mask(job.slot))
                else:
                    check_still_large_enough(target, job.mask, what="mask")
                    write_from(target, mask, job.mask.offset)
        return verdict

    def _check(self, place: Place, what: str, *, exact: bool) -> None:
        check_place(place, what=what)
        height, width, _ = self._shape
        # A mask's segment may be larger than the mask, a bitmap of another size is a mistake.
        if exact or place.size < self._layout.bytes_each:
            check_byte_count(place.size, width, height, what=f"segment '{place.name}' of the {what}")

    def warm_up(self) -> None:
        """Make the first call as fast as the thousandth."""
        blank = ArrayPixels(np.full(self._shape, 127, np.uint8))
        for _ in range(_WARM_UP_CALLS):
            self._pipeline.run(blank)

    def check_golden_samples(self) -> None:
        """Inspect the component's own samples.

        Raises:
            ComponentError: the engine on this device gives another answer than the manifest expects.
        """
        for sample in self._manifest.golden:
            picture = cv2.imread(str(self._folder / sample.image), cv2.IMREAD_COLOR)
            if picture is None or picture.shape != self._shape:
                found = "not a picture" if picture is None else f"{picture.shape[1]}x{picture.shape[0]}"
                raise ComponentError(
                    f"golden sample '{sample.image}' is {found}, expected one of {self._shape[1]}x{self._shape[0]}"
                )
            pixels = ArrayPixels(np.ascontiguousarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)))
            _compare(sample, self._pipeline.run(pixels).verdict)


def _compare(sample: Golden, verdict: Verdict) -> None:
    areas = {area.label: area.fraction for area in verdict.areas}
    differences = [("score", verdict.score, sample.score)]
    differences += [(f"area of '{label}'", areas.get(label, 0.0), area) for label, area in sample.areas.items()]
    for what, found, expected in differences:
        if abs(found - expected) > sample.tolerance:
            raise ComponentError(
                f"golden sample '{sample.image}': {what} is {found:.4f} on this device, "
                f"expected {expected:.4f} within {sample.tolerance:g}"
            )
    if sample.is_anomalous is not None and verdict.is_anomalous != sample.is_anomalous:
        words = ("normal", "anomalous")
        raise ComponentError(
            f"golden sample '{sample.image}' is {words[verdict.is_anomalous]} on this device, "
            f"expected {words[sample.is_anomalous]}"
        )
