"""The other files that an ONNX file names, read without an engine.

An engine opens what the file names, so all of it has to be among the artifacts, or its content would be nobody's.
Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.component.manifest import Manifest
from edge_agent.errors import ComponentError
from edge_agent.inference.engines.onnx_signature import FileBytes
from edge_agent.wire import LEN, VARINT, Bytes, fields

#: kind of message -> number of a field -> kind of what is in it: the ways that lead to a tensor or a node
_INSIDE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_OPERATOR = 4  # NodeProto.op_type
_EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 13, 14, 1  # TensorProto
#: an operator of ONNX Runtime's whose attributes may name a file of any name
_ENGINE_CONTEXT = b"EPContext"


def check_references(folder: Path, manifest: Manifest) -> None:
    """See that the component's ONNX file, if it has one, needs no file but its artifacts.

    Raises:
        ComponentError: it does, and which; or it is not an ONNX file.
    """
    name = manifest.onnx_file
    if not name:
        return
    artifacts = {os.path.normpath(artifact.path) for artifact in manifest.artifacts}
    try:
        with (folder / name).open("rb", buffering=0) as file:
            for location in _locations(FileBytes(file.fileno())):
                if os.path.normpath(Path(name).parent / location) not in artifacts:
                    raise ComponentError(
                        f"weights of {name} lie in the file '{location}', which is not among the artifacts"
                    )
    except ValueError as error:
        raise ComponentError(f"{name} is not an ONNX model: {error}") from None
    except OSError as error:
        raise ComponentError(f"{name} can't be read: {describe_refusal(error, folder / name)}") from None


def _locations(model: Bytes) -> Iterator[str]:
    """Give the file of each tensor that lies in another one."""
    left = [("model", 0, len(model))]
    while left:
        kind, start, end = left.pop()
        is_external, location = False, ""
        for number, wire, value, _, stop in fields(model, start, end):
            if wire == LEN and number in _INSIDE[kind]:
                left.append((_INSIDE[kind][number], value, stop))
            elif kind == "node" and (number, wire) == (_OPERATOR, LEN) and model[value:stop] == _ENGINE_CONTEXT:
                raise ValueError("it holds an engine (EPContext), expected the operators of a model")
            elif kind == "tensor" and (number, wire) == (_EXTERNAL_DATA, LEN):
                key, said = _entry(model, value, stop)
                location = said if key == "location" else location
            elif kind == "tensor" and (number, wire) == (_DATA_LOCATION, VARINT):
                is_external = value == _EXTERNAL
        if is_external:
            yield location


def _entry(model: Bytes, start: int, end: int) -> tuple[str, str]:
    """Read a StringStringEntryProto: key 1, value 2."""
    said = {
        number: bytes(model[value:stop]).decode()
        for number, wire, value, _, stop in fields(model, start, end)
        if wire == LEN
    }
    return said.get(1, ""), said.get(2, "")
