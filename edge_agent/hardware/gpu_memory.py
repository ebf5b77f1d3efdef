"""How much memory of the GPU is free, asked of NVIDIA's management library, which needs no memory of the GPU itself.

https://docs.nvidia.com/deploy/nvml-api/: nvmlInit_v2, nvmlDeviceGetHandleByIndex_v2, nvmlDeviceGetMemoryInfo. The GPU
of a Jetson uses the processor's memory, and the library does not tell of it there.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from typing import Any


class _Memory(ctypes.Structure):
    """nvmlMemory_t, in bytes."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


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
