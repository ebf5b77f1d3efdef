"""A component's golden samples: pictures with the answers that the model must give on this device before it serves."""

from __future__ import annotations

from pathlib import Path

from edge_agent.component.manifest import Golden
from edge_agent.errors import ComponentError
from edge_agent.inference.engines.onnx_chance import blame, find_chance
from edge_agent.inference.imaging.golden import read_golden
from edge_agent.inference.imaging.resize import ArrayPixels
from edge_agent.inference.pipeline import Pipeline
from edge_agent.inference.steadiness import Answered, differs
from edge_agent.inference.verdict import Verdict


def check_golden_samples(pipeline: Pipeline, folder: Path, *, kept: int = 0) -> list[Answered]:
    """Inspect the component's own samples.

    Returns:
        The first `kept` of them, with what was said of each.

    Raises:
        ComponentError: the engine on this device gives another answer than the manifest expects.
    """
    answered = []
    for number, sample in enumerate(pipeline.manifest.golden):
        pixels = ArrayPixels(read_golden(folder, pipeline.manifest, sample))
        verdict = pipeline.run(pixels).verdict
        try:
            _compare(sample, verdict)
        except ComponentError as error:
            nodes = find_chance(folder / pipeline.manifest.onnx_file) if pipeline.manifest.onnx_file else []
            if nodes and differs(verdict, pipeline.run(pixels).verdict, 0.0):
                raise ComponentError(f"{error}, and another each time: {blame(nodes)}") from None
            raise
        if number < kept:
            answered.append(Answered(f"golden sample '{sample.image}'", pixels, verdict))
    return answered


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
