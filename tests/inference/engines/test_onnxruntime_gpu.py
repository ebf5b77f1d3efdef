"""What ONNX Runtime does on a GPU, with its provider for the processor in the place of the others'."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.component.manifest import FILE_NAME, Manifest, decode_manifest
from edge_agent.errors import ComponentError, EdgeAgentError, InvalidRequest
from edge_agent.hardware.nvidia import Nvidia
from edge_agent.inference.engines.engine import load_on_processor
from edge_agent.inference.engines.gpu_engine import load_on_gpu
from edge_agent.inference.engines.gpu_model import GpuModel
from edge_agent.inference.engines.onnxruntime_gpu import Chain
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.inference.engines.progress import silent
from edge_agent.inference.gpu import GpuPipeline
from edge_agent.inference.host import HostPipeline
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.inference.pipeline import Inspection
from tests.support.fakes import half_bright, picture, write_echo

PROCESSOR: Any = [("CPUExecutionProvider", {})]


def _load(folder: Path, **options: Any) -> tuple[Manifest, GpuPipeline]:
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    model = GpuModel(folder, manifest, EngineOptions(**options), Nvidia(), silent)
    return manifest, GpuPipeline(manifest, Chain(model, "cpu", PROCESSOR, silent))


def _flat(result: Inspection | EdgeAgentError) -> tuple[float, dict[str, float], bytes]:
    assert isinstance(result, Inspection)
    areas = {area.label: area.fraction for area in result.verdict.areas}
    return round(result.verdict.score, 5), areas, b"".join(result.mask or ())


class _Unreadable(ArrayPixels):
    def read_into(self, bitmap: U8) -> None:
        raise InvalidRequest("truncated")


@pytest.mark.parametrize("segmentation", [True, False])
@pytest.mark.parametrize(("batch", "at_once"), [(1, 1), (1, 4), ("batch", 4)])
def test_the_stages_give_what_the_processor_gives(
    tmp_path: Path, batch: int | str, at_once: int, segmentation: bool
) -> None:
    folder = write_echo(tmp_path, width=96, height=80, batch=batch, segmentation=segmentation)
    manifest, pipeline = _load(folder, batch=at_once)
    host = HostPipeline(manifest, load_on_processor(folder / manifest.model))
    noise = np.random.default_rng(1).integers(0, 256, (80, 96, 3), np.uint8)
    pictures = [ArrayPixels(drawn) for drawn in (half_bright(96, 80), picture(200, 96, 80), noise)]
    expected = [_flat(host.run(pixels)) for pixels in pictures]
    assert len({score for score, _, _ in expected}) == 3
    for start in range(0, 3, pipeline.batch):
        results = pipeline.run_batch(pictures[start : start + pipeline.batch])
        assert [_flat(result) for result in results] == expected[start : start + pipeline.batch]


def test_a_picture_that_cant_be_read_does_not_concern_the_others(tmp_path: Path) -> None:
    _, pipeline = _load(write_echo(tmp_path, batch="batch"), batch=4)
    first, second, third = pipeline.run_batch(
        [ArrayPixels(picture(10)), _Unreadable(picture(0)), ArrayPixels(picture(200))]
    )
    assert isinstance(second, InvalidRequest)
    assert [round(_flat(result)[0] * 255) for result in (first, third)] == [10, 200]


@pytest.mark.parametrize("engine", ["onnxruntime-cuda", "onnxruntime-tensorrt"])
def test_a_provider_that_cant_be_used_is_refused_instead_of_replaced(tmp_path: Path, engine: str) -> None:
    """Of its own accord ONNX Runtime runs the model on the processor and says nothing."""
    folder = write_echo(tmp_path / "models")
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    with pytest.raises(ComponentError, match="ONNX Runtime can't"):
        load_on_gpu(engine, folder, manifest, EngineOptions(plan_dir=str(tmp_path / "plans")), silent)


def test_what_the_tensorrt_provider_keeps_of_other_versions_is_removed(tmp_path: Path) -> None:
    def kept() -> set[str]:
        return {path.name for path in (tmp_path / "plans" / "echo" / "onnxruntime-tensorrt").iterdir()}

    options = EngineOptions(plan_dir=str(tmp_path / "plans"))
    folder = write_echo(tmp_path / "models")
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    first = GpuModel(folder, manifest, options, Nvidia(tensorrt="10.3.0"), silent).engine_folder()
    (first / "engine").touch()
    assert kept() == {first.name}
    assert GpuModel(folder, manifest, options, Nvidia(tensorrt="10.3.0"), silent).engine_folder() == first
    assert (first / "engine").exists()
    second = GpuModel(folder, manifest, options, Nvidia(tensorrt="10.4.0"), silent).engine_folder()
    assert kept() == {second.name}
    assert second != first
