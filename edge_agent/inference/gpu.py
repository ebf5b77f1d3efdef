"""Verdict and mask of a model that runs on a GPU together with its preparation and conclusion."""

from __future__ import annotations

from collections.abc import Mapping

from edge_agent.component.manifest import Manifest
from edge_agent.errors import EngineFailed
from edge_agent.inference.batch import BatchPipeline
from edge_agent.inference.engines.gpu_engine import GpuEngine
from edge_agent.inference.imaging.resize import Pixels
from edge_agent.inference.imaging.tensor import Tensor
from edge_agent.inference.pipeline import Inspection
from edge_agent.inference.stages.conclusion import COUNTS, MASK, RANGE, SCORE
from edge_agent.inference.verdict import calibrate, decide, found_areas


class GpuPipeline(BatchPipeline[Mapping[str, Tensor]]):
    """Runs one model; a Pipeline."""

    def __init__(self, manifest: Manifest, engine: GpuEngine) -> None:
        self.manifest = manifest
        self.batch = len(engine.pixels)
        self._engine = engine
        self._total = manifest.image.width * manifest.image.height

    def _take(self, pixels: Pixels, place: int) -> None:
        pixels.read_into(self._engine.pixels[place])

    def _execute(self, count: int) -> Mapping[str, Tensor]:
        return self._engine.run(count)

    def run_engine(self) -> None:
        """See Pipeline.run_engine."""
        self._engine.run(1)

    def _conclude(self, answers: Mapping[str, Tensor], place: int, count: int) -> Inspection:
        """Read one picture's part of what the conclusion's graph gives."""
        answer = {name: values[place] for name, values in answers.items()}
        score = calibrate(float(answer[SCORE]), self.manifest.calibration)
        mask = self.manifest.outputs.mask
        if mask is None:
            return Inspection(decide(score, self.manifest.threshold), None)
        labels = self.manifest.labels
        if RANGE in answer:
            least, greatest = (int(value) for value in answer[RANGE])
            if least < 0 or greatest >= len(labels):
                raise EngineFailed(f"output '{mask.name}' has classes {least} to {greatest}, but {len(labels)} labels")
        areas = found_areas(labels, [float(count) / self._total for count in answer[COUNTS]])
        return Inspection(
            decide(score, self.manifest.threshold, areas), [memoryview(answer[MASK].reshape(-1).data).cast("B")]
        )
