"""The inputs and outputs of an ONNX file, read without an engine.

The catalogue tells a component whose ONNX file does not fit its manifest as soon as it appears, in a process that has
no engine. Field numbers: ModelProto.graph 7; GraphProto.initializer 5, input 11, output 12; ValueInfoProto.name 1,
type 2; TypeProto.tensor_type 1; Tensor.elem_type 1, shape 2; TensorShapeProto.dim 1; Dimension.dim_value 1
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import overload

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import ComponentError
from edge_agent.inference.engines.signature import Signature, TensorSpec
from edge_agent.wire import LEN, VARINT, Bytes, fields

_GRAPH, _INITIALIZER, _INPUT, _OUTPUT = 7, 5, 11, 12
_TENSOR_NAME = 8  # TensorProto.name

#: TensorProto.DataType: what a score or a mask may be
DTYPES = {1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64", 10: "float16", 11: "float64"}
#: what else an output may be that nobody uses
_OTHER_DTYPES = {4: "uint16", 8: "string", 9: "bool", 12: "uint32", 13: "uint64", 16: "bfloat16"}
#: TypeProto: what a value may be instead of a tensor
_KINDS = {4: "sequence", 5: "map", 8: "sparse_tensor", 9: "optional"}


def read_signature(path: Path) -> Signature:
    """Read the inputs and outputs that `path` declares; weights that are listed as inputs are left out.

    Raises:
        ComponentError: the file is not an ONNX model.
    """
    try:
        with path.open("rb", buffering=0) as file:
            return _read_model(FileBytes(file.fileno()))
    except ValueError as error:
        raise ComponentError(f"{path.name} is not an ONNX model: {error}") from None
    except OSError as error:
        raise ComponentError(f"{path.name} can't be read: {describe_refusal(error, path)}") from None


class FileBytes:
    """A file's bytes through a small window: no weights in memory, no mapping that can raise SIGBUS."""

    _WINDOW = 1 << 16

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._length = os.fstat(descriptor).st_size
        self._start, self._window = 0, b""

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> bytes: ...
    def __getitem__(self, index: int | slice) -> int | bytes:
        if isinstance(index, slice):
            return os.pread(self._descriptor, index.stop - index.start, index.start)
        offset = index - self._start
        if not 0 <= offset < len(self._window):
            self._start, offset = index, 0
            self._window = os.pread(self._descriptor, self._WINDOW, index)
            if not self._window:
                raise ValueError("the file ends too early")
        return self._window[offset]


def _read_model(view: Bytes) -> Signature:
    inputs: list[TensorSpec] = []
    outputs: list[TensorSpec] = []
    weights: set[str] = set()
    graphs = [(value, end) for number, kind, value, _, end in fields(view) if (number, kind) == (_GRAPH, LEN)]
    if not graphs:
        raise ValueError("it holds no graph")
    for number, kind, value, _, end in fields(view, *graphs[-1]):
        if kind != LEN:
            continue
        if number == _INITIALIZER:
            weights.add(_text(view, value, end, _TENSOR_NAME))
        elif number in (_INPUT, _OUTPUT):
            (inputs if number == _INPUT else outputs).append(_read_tensor(view, value, end))
    return Signature(tuple(spec for spec in inputs if spec.name not in weights), tuple(outputs))


def _child(view: Bytes, start: int, end: int, number: int) -> tuple[int, int] | None:
    found = [(v, e) for n, kind, v, _, e in fields(view, start, end) if (n, kind) == (number, LEN)]
    return found[-1] if found else None


def _text(view: Bytes, start: int, end: int, number: int) -> str:
    found = _child(view, start, end, number)
    return bytes(view[found[0] : found[1]]).decode() if found else ""


def _read_tensor(view: Bytes, start: int, end: int) -> TensorSpec:
    name = _text(view, start, end, 1)
    kind = _child(view, start, end, 2)
    if kind is None:
        raise ValueError(f"'{name}' has no type")
    tensor = _child(view, *kind, 1)
    if tensor is None:  # of no use, and no harm where the manifest does not take it
        numbers = [number for number, wire, *_ in fields(view, *kind) if wire == LEN]
        return TensorSpec(name, next((_KINDS[n] for n in numbers if n in _KINDS), "unknown"), None)
    dtype = [v for n, wire, v, _, _ in fields(view, *tensor) if (n, wire) == (1, VARINT)]
    shape = _child(view, *tensor, 2)
    dims: list[int | None] = []
    for number, wire, value, _, stop in fields(view, *shape) if shape else ():
        if (number, wire) == (1, LEN):
            sizes = [v for n, w, v, _, _ in fields(view, value, stop) if (n, w) == (1, VARINT)]
            dims.append(sizes[-1] if sizes else None)
    return TensorSpec(
        name, (DTYPES | _OTHER_DTYPES).get(dtype[-1] if dtype else 0, "unknown"), tuple(dims) if shape else None
    )
