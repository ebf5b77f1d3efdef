"""A driver with one GPU, as if NVIDIA's libraries were there; loaded by every Python that has this folder on its path.

`STAND_IN_FREE_MIB` says how much of the GPU's memory is free.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

_GIB = 1 << 30
_real = ctypes.CDLL


def _write(reference: Any, value: int) -> int:
    reference._obj.value = value
    return 0


class _Driver:
    def cuInit(self, flags: int) -> int:
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:
        return _write(count, 1)

    def cuDeviceGetName(self, name: Any, size: int, device: int) -> int:
        name.value = b"Orin"
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: int) -> int:
        return _write(value, {75: 8, 76: 7}[attribute])

    def cuDeviceTotalMem_v2(self, memory: Any, device: int) -> int:
        return _write(memory, 32 * _GIB)

    def cuDriverGetVersion(self, version: Any) -> int:
        return _write(version, 12060)


class _Runtime:
    def cudaRuntimeGetVersion(self, version: Any) -> int:
        return _write(version, 12060)


class _TensorRt:
    def getInferLibVersion(self) -> int:
        return 100_300


class _Management:
    def nvmlInit_v2(self) -> int:
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: int, handle: Any) -> int:
        return _write(handle, 1)

    def nvmlDeviceGetMemoryInfo(self, handle: Any, memory: Any) -> int:
        memory._obj.free = int(os.environ.get("STAND_IN_FREE_MIB", "8192")) << 20
        return 0


_LIBRARIES = {
    "libcuda.so.1": _Driver,
    "libcudart.so": _Runtime,
    "libnvinfer.so": _TensorRt,
    "libnvidia-ml.so.1": _Management,
}


class _Loader(_real):
    def __new__(cls, name: Any = None, *arguments: Any, **options: Any) -> Any:
        return _LIBRARIES[name]() if name in _LIBRARIES else super().__new__(cls)


ctypes.CDLL = _Loader  # type: ignore[misc]
