"""Preparation, engine, verdict and mask on the processor."""

from __future__ import annotations

import cv2
import numpy as np

from edge_agent.component.manifest import Manifest
from edge_agent.errors import EngineFailed
from edge_agent.inference.batch import BatchPipeline
from edge_agent.inference.engines.engine import Engine
from edge_agent.inference.engines.signature import check_signature, takes_batches
from edge_agent.inference.imaging.helped import HelpedResizer, make_helped_resizer
from edge_agent.inference.imaging.mask import MaskPainter
from edge_agent.inference.imaging.resize import U8, Pixels, make_resizer
from edge_agent.inference.imaging.tensor import Normalizer, Tensor
from edge_agent.inference.pipeline import Inspection
from edge_agent.inference.verdict import calibrate, decide, found_areas


class HostPipeline(BatchPipeline[list[Tensor]]):
    """Runs one model; a Pipeline."""

    def __init__(self, manifest: Manifest, engine: Engine, batch: int = 1, *, helped: bool = False) -> None:
        """Bind a manifest to a loaded engine, for as many as `batch` bitmaps at once if the model takes so many.

        With `helped` a second thread resizes large bitmaps along with the one that calls.

        Raises:
            ComponentError: the engine's inputs or outputs are not those of the manifest.
        """
        check_signature(engine.signature, manifest)
        # The pictures of a line come one by one: how many cores work at one is for the engine, and `helped`, to say.
        cv2.setNumThreads(1)
        self.manifest = manifest
        self.batch = batch if takes_batches(engine.signature, manifest) else 1
        self._engine = engine
        image, spec = manifest.image, manifest.input
        make = make_helped_resizer if helped else make_resizer
        self._resize = make((image.width, image.height), (spec.width, spec.height), spec.resize)
        self._normalize = Normalizer(spec, self.batch)
        self._mask = manifest.outputs.mask
        self._outputs = [manifest.outputs.score.name, *([self._mask.name] if self._mask else [])]
        self._painter = MaskPainter(manifest.labels, image.width, image.height) if self._mask else None

    def _take(self, pixels: Pixels, place: int) -> None:
        self._normalize(self._resize(pixels), place)

    def _execute(self, count: int) -> list[Tensor]:
        return self._engine.run(self.manifest.input.name, self._normalize.tensor[:count], self._outputs)

    def _timed(self, count: int) -> list[Tensor]:
        try:
            return super()._timed(count)
        finally:  # before the picture is let go of; not within the engine's time
            if isinstance(self._resize, HelpedResizer):
                self._resize.finish()

    def run_engine(self) -> None:
        """See Pipeline.run_engine."""
        self._execute(1)

    def _part(self, output: Tensor, place: int, count: int) -> Tensor:
        """Return what one picture of a batch has of an output."""
        if count == 1:
            return output
        if output.ndim == 0 or len(output) != count:
            raise EngineFailed(f"the engine answered a batch of {count} pictures with {list(output.shape)}")
        return output[place : place + 1]

    def _conclude(self, answers: list[Tensor], place: int, count: int) -> Inspection:
        results = [self._part(answer, place, count) for answer in answers]
        score = calibrate(self._raw_score(results[0]), self.manifest.calibration)
        if self._painter is None:
            return Inspection(decide(score, self.manifest.threshold), None)
        mask = self._painter(self._classes(results[1]))
        areas = found_areas(self.manifest.labels, mask.areas)
        return Inspection(decide(score, self.manifest.threshold, areas), mask.buffers)

    def _raw_score(self, output: Tensor) -> float:
        spec = self.manifest.outputs.score
        if spec.index >= output.size:
            raise EngineFailed(f"output '{spec.name}' has {output.size} values, the manifest takes number {spec.index}")
        return float(output.reshape(-1)[spec.index])

    def _classes(self, output: Tensor) -> U8:
        """Return the map of classes [h, w], each below the number of labels."""
        assert self._mask is not None
        kept = 3 if self._mask.kind == "class_scores" else 2  # the batch, and a lone channel, are of size 1
        plane = output.reshape(output.shape[-kept:])
        if self._mask.kind == "anomaly_map":
            return np.asarray(plane >= self._mask.pixel_threshold).view(np.uint8)
        count = len(self.manifest.labels)
        if self._mask.kind == "class_scores":
            if len(plane) != count:
                raise EngineFailed(
                    f"output '{self._mask.name}' has {len(plane)} classes, the manifest has {count} labels"
                )
            if count == 2:  # argmax over two is a comparison; on a tie the first wins in both
                return np.asarray(plane[1] > plane[0]).view(np.uint8)
            return np.asarray(plane.argmax(axis=0), np.uint8)
        if plane.min(initial=0) < 0 or plane.max(initial=0) >= count:
            raise EngineFailed(
                f"output '{self._mask.name}' has classes {plane.min()} to {plane.max()}, but {count} labels"
            )
        return np.asarray(plane, np.uint8)
