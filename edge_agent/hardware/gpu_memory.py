"""How much of a GPU is in use, asked of NVIDIA's management library, which needs no memory of the GPU itself.

https://docs.nvidia.com/deploy/nvml-api/: nvmlInit_v2, nvmlDeviceGetCount_v2, nvmlDeviceGetHandleByIndex_v2,
nvmlDeviceGetMemoryInfo, nvmlDeviceGetUtilizationRates. The GPU of a Jetson uses the processor's memory, and the library
does not tell of it there; how busy it is stands in sysfs, in thousandths.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

#: where Jetson Linux 32 to 36 have the load of the GPU
_JETSON_LOAD = (
    Path("/sys/devices/gpu.0/load"),
    Path("/sys/devices/platform/gpu.0/load"),
    Path("/sys/devices/platform/bus@0/17000000.gpu/load"),
    Path("/sys/devices/17000000.ga10b/load"),
)


class GpuReading(NamedTuple):
    """A GPU as it is now; None for what it does not tell."""

    number: int
    #: bytes
    memory_used: int | None
    memory_size: int | None
    #: part of the last moment in which it did something, 0..1
    utilisation: float | None


class _Memory(ctypes.Structure):
    """nvmlMemory_t, in bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Utilisation(ctypes.Structure):
    """nvmlUtilization_t, in percent."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


@functools.cache
def _open(load: Callable[[str], Any]) -> Any:
    """Load the library and begin to use it, once for the process: that takes some hundredths of a second."""
    try:
        library = load("libnvidia-ml.so.1")
        return library if library.nvmlInit_v2() == 0 else None
    except (OSError, AttributeError):  # no such library, or one that is too old
        return None


def free_gpu_bytes(load: Callable[[str], Any] = ctypes.CDLL) -> int | None:
    """Return the free memory of the first GPU; None where there is none with memory of its own."""
    library = _open(load)
    if library is None:
        return None
    handle, memory = ctypes.c_void_p(), _Memory()
    if library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)) != 0:
        return None
    if library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) != 0:
        return None
    return int(memory.free)


def read_gpus(
    load: Callable[[str], Any] = ctypes.CDLL, jetson_load: tuple[Path, ...] = _JETSON_LOAD
) -> tuple[GpuReading, ...]:
    """Return what each GPU says of itself; nothing where there is none."""
    library, count = _open(load), ctypes.c_uint()
    if library is None or library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0 or not count.value:
        return _read_jetson(jetson_load)
    return tuple(_read_gpu(library, index) for index in range(count.value))


def _read_gpu(library: Any, index: int) -> GpuReading:
    handle, memory, busy = ctypes.c_void_p(), _Memory(), _Utilisation()
    if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) != 0:
        return GpuReading(index, None, None, None)
    has_memory = library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0
    tells_load = library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(busy)) == 0  # not where MIG divides it
    return GpuReading(
        index,
        int(memory.used) if has_memory else None,
        int(memory.total) if has_memory else None,
        busy.gpu / 100 if tells_load else None,
    )


def _read_jetson(files: tuple[Path, ...]) -> tuple[GpuReading, ...]:
    for file in files:
        try:
            return (GpuReading(0, None, None, int(file.read_text()) / 1000),)
        except (OSError, ValueError):
            continue
    return ()
