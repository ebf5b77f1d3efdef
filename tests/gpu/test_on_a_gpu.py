"""What only a machine with an NVIDIA GPU can show. Elsewhere all of it is skipped; `benchmarks/gpu.sh` runs it.

Every engine that the device has is held against the processor's: the same component, the same pictures, through the
socket.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.client.client import Client
from edge_agent.client.detection import Detection
from edge_agent.hardware.gpu_memory import free_gpu_bytes
from edge_agent.inference.engines.options import CPU, ENGINES
from edge_agent.inference.engines.selection import device_lacks, examine_device
from tests.support.daemon import running_daemon, wait_until
from tests.support.fakes import U8, half_bright, picture, write_echo

DEVICE = examine_device()
GPU_ENGINES = [engine for engine in ENGINES if engine != CPU]

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not DEVICE.nvidia.gpus, reason="this machine has no NVIDIA GPU"),
]

#: how far a score may be off in fp32, where TF32 is used, and in fp16
TOLERANCE = {"fp32": 0.003, "fp16": 0.01}


def _needs(engine: str) -> None:
    lacks = device_lacks(engine, DEVICE)  # type: ignore[arg-type]
    if lacks:
        pytest.skip(f"{engine}: {lacks}")


def _answers(folder: Path, pictures: list[U8], *flags: str, **component: Any) -> list[Detection]:
    with running_daemon(folder, *flags) as daemon:
        write_echo(daemon.models, batch="batch", **component)
        with Client(daemon.socket) as client:
            wait_until(client.models, "the component is noticed")
            client.start("echo", timeout=1500)
            return [client.detect("echo", drawn) for drawn in pictures]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("engine", GPU_ENGINES)
def test_an_engine_answers_as_the_processor_does(tmp_path: Path, engine: str, precision: str) -> None:
    _needs(engine)
    size = {"width": 1280, "height": 960}
    noise = np.random.default_rng(0).integers(0, 256, (960, 1280, 3), np.uint8)
    pictures = [picture(30, 1280, 960), half_bright(1280, 960), picture(250, 1280, 960), noise]
    expected = _answers(tmp_path / "cpu", pictures, "--engine", CPU, **size)
    found = _answers(tmp_path / "gpu", pictures, "--engine", engine, "--precision", precision, **size)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.score == pytest.approx(theirs.score, abs=TOLERANCE[precision])
    for ours, theirs in zip(found[:3], expected[:3], strict=True):  # noise lies around the threshold everywhere
        assert ours.areas == theirs.areas
        assert ours.mask is not None
        assert theirs.mask is not None
        assert np.array_equal(ours.mask, theirs.mask)


@pytest.mark.parametrize("engine", GPU_ENGINES)
def test_all_memory_of_the_gpu_is_back_after_a_stop(tmp_path: Path, engine: str) -> None:
    _needs(engine)
    before = free_gpu_bytes()
    if before is None:
        pytest.skip("this GPU uses the processor's memory")
    with running_daemon(tmp_path, "--engine", engine) as daemon:
        write_echo(daemon.models, width=640, height=480)
        with Client(daemon.socket) as client:
            wait_until(client.models, "the component is noticed")
            for _ in range(5):
                client.start("echo", timeout=1500)
                client.detect("echo", half_bright(640, 480))
                running = free_gpu_bytes()
                assert running is not None
                assert running < before
                client.stop("echo")
                # 8 MiB: the driver keeps a little of its own for a while
                wait_until(lambda: (free_gpu_bytes() or 0) > before - (8 << 20), "the memory is back")


def test_a_plan_is_built_once(tmp_path: Path) -> None:
    _needs("tensorrt")
    flags = ("--engine", "tensorrt", "--plan-dir", str(tmp_path / "plans"))
    _answers(tmp_path / "first", [half_bright()], *flags)
    built = {path: path.stat().st_mtime_ns for path in (tmp_path / "plans").rglob("*") if path.is_file()}
    assert built
    _answers(tmp_path / "second", [half_bright()], *flags)
    files = {path for path in (tmp_path / "plans").rglob("*") if path.is_file()}
    assert files == set(built)


def test_the_driver_of_the_device_is_described() -> None:
    (gpu, *_) = DEVICE.nvidia.gpus
    assert gpu.name
    assert gpu.code.startswith("sm_")
    assert gpu.memory > 1 << 30
    assert DEVICE.nvidia.driver or os.path.exists("/etc/nv_tegra_release")  # noqa: PTH110
