"""How far whole models are off in another precision: the reference model's known answers, a trained one's verdicts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.building.datasets.reading import read_datasets
from edge_agent.building.evaluation.inspection import load_component
from edge_agent.building.training.component import Identity
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.trainer import train
from edge_agent.component.manifest import Image, Input, Label, Manifest, MaskOutput, Outputs, ScoreOutput
from edge_agent.component.writing import write_component
from edge_agent.inference.conversion.precision import Precision, convert_precision
from edge_agent.inference.imaging.picture import read_picture
from edge_agent.inference.imaging.resize import U8, ArrayPixels, make_resizer
from edge_agent.inference.imaging.tensor import Normalizer, Tensor
from edge_agent.inference.verdict import Verdict
from tests.support.parts import write_folders

pytestmark = pytest.mark.long


def _verdicts(folder: Path, images: list[U8]) -> list[Verdict]:
    pipeline = load_component(folder).pipeline
    return [pipeline.run(ArrayPixels(image)).verdict for image in images]


def _prepared(manifest: Manifest, images: list[U8]) -> Callable[[], Iterator[Tensor]]:
    size = (manifest.input.width, manifest.input.height)
    resize = make_resizer((manifest.image.width, manifest.image.height), size, manifest.input.resize)
    normalize = Normalizer(manifest.input)
    return lambda: (normalize(resize(ArrayPixels(image))) for image in images)


@pytest.mark.parametrize(("precision", "score", "area"), [("fp16", 0.005, 0.001), ("int8", 0.05, 0.005)])
def test_the_reference_model_gives_the_known_answers(
    cookies: Path, tmp_path: Path, precision: Precision, score: float, area: float
) -> None:
    """float16 within what its README allows any implementation; int8, calibrated on two pictures, a little more."""
    fields: dict[str, Any] = {
        "name": "cookies",
        "version": "1.0.0",
        "task": "segmentation",
        "image": Image(width=576, height=768),
        "input": Input(name="input", width=288, height=384, scale=1.0, mean=(127.0,) * 3, std=(128.0,) * 3),
        "outputs": Outputs(
            score=ScoreOutput(name="score"), mask=MaskOutput(name="class_probabilities", kind="class_scores")
        ),
        "threshold": 0.5,
        "labels": (Label(name="background", color="#FFFFFF"), Label(name="cracked", color="#23A436")),
    }
    expected = json.loads((cookies / "models" / "cookies" / "expected.json").read_text())
    folder = cookies / "data" / "cookies" / "training-images"
    images = [np.ascontiguousarray(read_picture(folder / name)) for name in expected]
    model = (cookies / "models" / "cookies" / "model.onnx").read_bytes()
    manifest = load_component(write_component(tmp_path, {"model.onnx": model}, **fields)).manifest
    changed = convert_precision(model, precision, _prepared(manifest, [images[0], images[-1]]), lambda text: None)
    found = _verdicts(write_component(tmp_path, {"model.onnx": changed}, **fields), images)
    for (name, known), verdict in zip(expected.items(), found, strict=True):
        assert verdict.is_anomalous == known["is_anomalous"], name
        assert verdict.score == pytest.approx(known["score"], abs=score), name
        areas = {found.label: found.fraction for found in verdict.areas}
        assert areas.get("cracked", 0.0) == pytest.approx(known["areas"].get("cracked", 0.0), abs=area), name


def test_a_trained_model_decides_as_before(tmp_path: Path) -> None:
    """Its verdict is made of distances, which float16 or int8 would spoil."""
    data = write_folders(tmp_path / "data", normal=14, anomaly=8)
    steps = Steps(lambda what: nullcontext(lambda done, total: None), lambda text: None)
    options = Options(task="classification", precision="int8")
    folder = train(read_datasets(data), tmp_path / "models", Identity("part", "1.0.0"), options, steps).folder
    manifest = load_component(folder).manifest
    images = [np.ascontiguousarray(read_picture(path)) for path in sorted(data.rglob("*.png"))]
    golden = [np.ascontiguousarray(read_picture(folder / sample.image)) for sample in manifest.golden]
    before = _verdicts(folder, images)
    model = (folder / "model.onnx").read_bytes()
    for precision, allowed in (("fp32", 0.02), ("fp16", 0.02), ("int8", 0.15)):
        changed = convert_precision(model, precision, _prepared(manifest, golden), lambda text: None)  # type: ignore[arg-type]
        kept = {name: getattr(manifest, name) for name in ("name", "version", "task", "image", "input", "outputs")}
        kept |= {"threshold": manifest.threshold, "calibration": manifest.calibration}
        after = _verdicts(write_component(tmp_path / precision, {"model.onnx": changed}, **kept), images)
        assert [verdict.is_anomalous for verdict in after] == [verdict.is_anomalous for verdict in before]
        assert max(abs(a.score - b.score) for a, b in zip(after, before, strict=True)) < allowed
