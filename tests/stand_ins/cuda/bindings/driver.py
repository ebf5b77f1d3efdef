"""The CUDA driver on a GPU that is the processor: https://nvidia.github.io/cuda-python/cuda-bindings/latest/.

As long as the file that `STAND_IN_FAULT` names exists, the GPU has had a fault, which ends everything for the process.
"""

from __future__ import annotations

import ctypes
import enum
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


class CUresult(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1
    CUDA_ERROR_OUT_OF_MEMORY = 2
    CUDA_ERROR_INVALID_CONTEXT = 201
    CUDA_ERROR_ILLEGAL_ADDRESS = 700
    CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901


class CUstream_flags(enum.IntEnum):
    CU_STREAM_NON_BLOCKING = 1


class CUstreamCaptureMode(enum.IntEnum):
    CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1


class Stream:
    """Work that is done when the stream is waited for, so that whoever does not wait reads old values."""

    def __init__(self) -> None:
        self.queued: list[Callable[[], None]] = []
        self.recorded: list[Callable[[], None]] | None = None

    def __int__(self) -> int:
        return id(self)

    def add(self, work: Callable[[], None]) -> None:
        (self.queued if self.recorded is None else self.recorded).append(work)


streams: dict[int, Stream] = {}
_ALIGNMENT = 256  # bytes
_memory: dict[str, dict[int, Any]] = {"device": {}, "page-locked": {}}
_context: list[str] = []
_OK = CUresult.CUDA_SUCCESS
_MOST = 4 << 30


def _allocate(kind: str, size: int) -> tuple[CUresult, int | None]:
    if not _context:
        return CUresult.CUDA_ERROR_INVALID_CONTEXT, None
    if size > _MOST:
        return CUresult.CUDA_ERROR_OUT_OF_MEMORY, None
    block = (ctypes.c_uint8 * (size + _ALIGNMENT))()
    start = -(-ctypes.addressof(block) // _ALIGNMENT) * _ALIGNMENT
    _memory[kind][start] = (size, block)
    return _OK, start


def is_inside(kind: str, address: int, size: int) -> bool:
    return any(start <= address and address + size <= start + length for start, (length, _) in _memory[kind].items())


def _fault() -> bool:
    return "STAND_IN_FAULT" in os.environ and Path(os.environ["STAND_IN_FAULT"]).exists()


def cuInit(flags: int) -> tuple[CUresult]:
    return (_OK,)


def cuDeviceGet(ordinal: int) -> tuple[CUresult, int | None]:
    return (_OK, 0) if ordinal == 0 else (CUresult.CUDA_ERROR_INVALID_VALUE, None)


def cuDevicePrimaryCtxRetain(device: int) -> tuple[CUresult, str]:
    return _OK, "the primary context"


def cuCtxSetCurrent(context: str) -> tuple[CUresult]:
    _context[:] = [context]
    return (_OK,)


def cuGetErrorString(error: CUresult) -> tuple[CUresult, bytes]:
    return _OK, error.name.removeprefix("CUDA_ERROR_").lower().replace("_", " ").encode()


def cuStreamCreate(flags: int) -> tuple[CUresult, Stream]:
    stream = Stream()
    streams[int(stream)] = stream
    return _OK, stream


def cuMemAlloc(size: int) -> tuple[CUresult, int | None]:
    return _allocate("device", size)


def cuMemHostAlloc(size: int, flags: int) -> tuple[CUresult, int | None]:
    return _allocate("page-locked", size)


def cuMemcpyHtoDAsync(dst: int, src: int, count: int, stream: Stream) -> tuple[CUresult]:
    return _copy(("device", dst), ("page-locked", src), count, stream)


def cuMemcpyDtoHAsync(dst: int, src: int, count: int, stream: Stream) -> tuple[CUresult]:
    return _copy(("page-locked", dst), ("device", src), count, stream)


def _copy(target: tuple[str, int], source: tuple[str, int], count: int, stream: Stream) -> tuple[CUresult]:
    if not (is_inside(*target, count) and is_inside(*source, count)):
        return (CUresult.CUDA_ERROR_INVALID_VALUE,)

    def copy() -> None:
        ctypes.memmove(target[1], source[1], count)

    stream.add(copy)
    return (_OK,)


def cuStreamSynchronize(stream: Stream) -> tuple[CUresult]:
    if stream.recorded is not None:
        return (CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,)
    if _fault():
        return (CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,)
    queued, stream.queued = stream.queued, []
    for work in queued:
        work()
    return (_OK,)


def cuStreamBeginCapture(stream: Stream, mode: CUstreamCaptureMode) -> tuple[CUresult]:
    stream.recorded = []
    return (_OK,)


def cuStreamEndCapture(stream: Stream) -> tuple[CUresult, Any]:
    graph, stream.recorded = stream.recorded, None
    return _OK, graph


def cuGraphInstantiate(graph: Any, flags: int) -> tuple[CUresult, Any]:
    return _OK, tuple(graph)


def cuGraphLaunch(graph: Any, stream: Stream) -> tuple[CUresult]:
    for work in graph:
        stream.add(work)
    return (_OK,)
