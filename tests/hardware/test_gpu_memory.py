"""What NVIDIA's management library, or sysfs on a Jetson, says of a GPU, with stand-ins for both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_agent.hardware.gpu_memory import GpuReading, read_gpus


class _Library:
    """libnvidia-ml.so.1 of a machine with two GPUs, the second divided (MIG), so that it tells no load."""

    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: Any) -> int:
        handle._obj.value = index + 1
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:
        memory._obj.total, memory._obj.free, memory._obj.used = 8 << 30, 6 << 30, 2 << 30
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle: Any, busy: Any) -> int:
        busy._obj.gpu = 37
        return 0 if handle.value == 1 else 3  # NVML_ERROR_NOT_SUPPORTED


def test_each_gpu_tells_its_memory_and_how_busy_it_is() -> None:
    library = _Library()
    assert read_gpus(lambda name: library) == (
        GpuReading(0, 2 << 30, 8 << 30, 0.37),
        GpuReading(1, 2 << 30, 8 << 30, None),
    )


def _missing(name: str) -> Any:
    raise OSError


def test_a_jetson_tells_its_load_in_thousandths(tmp_path: Path) -> None:
    (tmp_path / "load").write_text("512\n")
    assert read_gpus(_missing, (tmp_path / "none", tmp_path / "load")) == (GpuReading(0, None, None, 0.512),)
    assert read_gpus(_missing, (tmp_path / "none",)) == ()
