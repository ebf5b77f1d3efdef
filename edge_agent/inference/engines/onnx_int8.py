"""Whether a model's int8 weights overflow on processors without VNNI, and whether this is one.

There the products of bytes are added in pairs of 16 bits (PMADDUBSW), which weights of more than 7 bits overflow: the
same file then answers otherwise. ONNX Runtime's switch session.x64quantprecision makes it multiply exactly, and slower
(https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html#when-and-why-do-i-need-to-try-u8u8). It
changes only weights beyond ±64, as is counted here. Tried with 1.32 on an emulated Haswell: off by a tenth without it,
equal with it. Read without the package onnx; field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np

from edge_agent.hardware.processor import has_flag
from edge_agent.inference.engines.onnx_signature import FileBytes
from edge_agent.inference.engines.onnx_walk import nodes_and_weights
from edge_agent.wire import LEN, VARINT, Bytes, fields, read_varint

_EXACT_FLAGS = ("avx512_vnni", "avx_vnni", "amx_int8")
#: two products of 255 and this are still 16 bits
MOST_WEIGHT = 64
_INT8 = 3  # TensorProto.DataType
_DIMS, _DATA_TYPE, _INT32_DATA, _RAW_DATA = 1, 2, 5, 9  # TensorProto
_BLOCK = 1 << 20
#: what is said of such a model
WIDE = "its int8 weights use all 8 bits, which overflow on processors without VNNI"
REMEDY = "quantise it with 7 bits (reduce_range)"


def multiplies_exactly() -> bool:
    """Tell whether this processor adds products of bytes in 32 bits; ARM's do."""
    return platform.machine() != "x86_64" or any(map(has_flag, _EXACT_FLAGS))


def has_wide_int8(source: Path | bytes) -> bool:
    """Tell whether an ONNX file, or its content, has int8 weights beyond ±64; no for what is no ONNX file."""
    try:
        if isinstance(source, bytes):
            return _has(source)
        with source.open("rb", buffering=0) as file:
            return _has(FileBytes(file.fileno()))
    except (OSError, ValueError):
        return False


def _has(model: Bytes) -> bool:
    return any(kind == "tensor" and _is_wide(model, start, end) for kind, start, end in nodes_and_weights(model))


def _is_wide(model: Bytes, start: int, end: int) -> bool:
    dtype, dims, raw, packed = 0, 0, (0, 0), (0, 0)
    for number, wire, value, _, stop in fields(model, start, end):
        if number == _DATA_TYPE and wire == VARINT:
            dtype = value
        elif number == _DIMS:
            dims += 1 if wire == VARINT else stop - value
        elif number == _RAW_DATA and wire == LEN:
            raw = value, stop
        elif number == _INT32_DATA and wire == LEN:
            packed = value, stop
    if dtype != _INT8 or dims < 2:  # a lone row is a bias or a zero point
        return False
    for first in range(raw[0], raw[1], _BLOCK):
        block = np.frombuffer(bytes(model[first : min(first + _BLOCK, raw[1])]), np.int8)
        if (np.abs(block.astype(np.int16)) > MOST_WEIGHT).any():
            return True
    position = packed[0]
    while position < packed[1]:
        number, position = read_varint(model, position)
        if abs(number - (1 << 64) if number >> 63 else number) > MOST_WEIGHT:
            return True
    return False
