"""The few calls of the CUDA driver that an engine needs, through NVIDIA's cuda-bindings; nothing else here knows them.

https://nvidia.github.io/cuda-python/cuda-bindings/latest/module/driver.html. The driver's own interface and not the
runtime's: the bindings of that bring a runtime along, which a Jetson's driver may refuse.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from cuda.bindings import driver

from edge_agent.errors import ComponentError, EngineFailed

Array = npt.NDArray[Any]


def _checked(result: tuple[Any, ...]) -> Any:
    """Return what a call of the driver gives behind its status.

    Raises:
        EngineFailed: the status is not success; CUDA's own words for it are in the text.
    """
    status, *values = result
    if status != driver.CUresult.CUDA_SUCCESS:
        _, text = driver.cuGetErrorString(status)
        raise EngineFailed(f"CUDA: {text.decode() if isinstance(text, bytes) else text} ({status.name})")
    return values[0] if len(values) == 1 else tuple(values)


class Stream:
    """A queue of work for the first GPU. What is allocated lives as long as the process, as a worker's model does."""

    def __init__(self) -> None:
        """Begin to use the GPU.

        Raises:
            ComponentError: it can't be used.
        """
        try:
            _checked(driver.cuInit(0))
            # The context that CUDA's runtime, and with it TensorRT and ONNX Runtime, use too.
            _checked(driver.cuCtxSetCurrent(_checked(driver.cuDevicePrimaryCtxRetain(_checked(driver.cuDeviceGet(0))))))
            self._stream = _checked(driver.cuStreamCreate(driver.CUstream_flags.CU_STREAM_NON_BLOCKING))
        except Exception as error:  # cuda-bindings has exceptions of its own for a driver that is not there
            raise ComponentError(f"the GPU can't be used: {error}") from None

    @property
    def handle(self) -> int:
        """The stream as other libraries take it."""
        return int(self._stream)

    def allocate(self, size: int) -> int:
        """Return the address of `size` bytes on the GPU; EngineFailed when there are not as many."""
        return int(_checked(driver.cuMemAlloc(max(1, size))))

    def page_locked(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Make an array that the GPU copies from and to directly; EngineFailed when there is not so much memory."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = int(_checked(driver.cuMemHostAlloc(max(1, size), 0)))
        memory = memoryview((ctypes.c_uint8 * max(1, size)).from_address(address)).cast("B")
        array: Array = np.frombuffer(memory, np.uint8)[:size].view(dtype).reshape(shape)
        return array

    def copy_in(self, address: int, source: Array) -> None:
        """Queue a copy of a page-locked array to the GPU."""
        _checked(driver.cuMemcpyHtoDAsync(address, source.ctypes.data, source.nbytes, self._stream))

    def copy_out(self, target: Array, address: int) -> None:
        """Queue a copy from the GPU to a page-locked array."""
        _checked(driver.cuMemcpyDtoHAsync(target.ctypes.data, address, target.nbytes, self._stream))

    def wait(self) -> None:
        """Wait until everything that was queued is done; EngineFailed if some of it failed."""
        _checked(driver.cuStreamSynchronize(self._stream))

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record what `work` queues, without doing it, and return what queues it again in one call.

        Raises:
            EngineFailed: some of it can't be recorded.
        """
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        _checked(driver.cuStreamBeginCapture(self._stream, mode))
        try:
            work()
        finally:
            ended = driver.cuStreamEndCapture(self._stream)
        graph = _checked(driver.cuGraphInstantiate(_checked(ended), 0))
        return lambda: _checked(driver.cuGraphLaunch(graph, self._stream))
