"""Nodes of an ONNX file whose answer is not a function of what they are given: chance, or what they were given before.

Read without an engine and without the package onnx, as a worker needs it. Field numbers:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. ONNX Runtime writes the running mean of a BatchNormalization in
training mode over the weight that it came from (seen with 1.32): the same picture then scores otherwise each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge_agent.inference.engines.onnx_signature import FileBytes
from edge_agent.inference.engines.onnx_walk import nodes_and_weights
from edge_agent.wire import LEN, VARINT, Bytes, fields

_RANDOM = {
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli", "Sampling",
    "BiasDropout", "BitmaskDropout", "BitmaskBiasDropout",
}  # fmt: skip
_NORMALIZATION, _DROPOUT = "BatchNormalization", "Dropout"
_TRAINING_INPUT = 2  # of Dropout: whether it drops
_MOST_NAMES = 4


class ChanceNode(NamedTuple):
    """A node, by its operator and its name, or the name of its output where it has none."""

    operator: str
    name: str

    @property
    def is_training(self) -> bool:
        """Tell whether it would answer properly in a model that was exported for use."""
        return self.operator in (_NORMALIZATION, _DROPOUT)


def find_chance(source: Path | bytes) -> list[ChanceNode]:
    """Find the nodes in an ONNX file, or its content, that answer by chance or by what came before.

    Nothing is found in what is no ONNX file: whoever loads it says so.
    """
    try:
        if isinstance(source, bytes):
            return _find(source)
        with source.open("rb", buffering=0) as file:
            return _find(FileBytes(file.fileno()))
    except (OSError, ValueError):
        return []


def blame(nodes: list[ChanceNode]) -> str:
    """Say which nodes are to blame, and what to do; for the end of a sentence."""
    if not nodes:
        return "no node is known to do that: export the model anew, for use and not for training"
    shown = ", ".join(f"'{node.name}' ({node.operator})" for node in nodes[:_MOST_NAMES])
    more = f" and {len(nodes) - _MOST_NAMES} more" if len(nodes) > _MOST_NAMES else ""
    remedy = (
        "export it for use, not for training: model.eval() and no training mode in the exporter"
        if all(node.is_training for node in nodes)
        else "export it without them"
    )
    return f"{shown}{more} answer by chance or by what came before; {remedy}"


def _find(model: Bytes) -> list[ChanceNode]:
    found: list[ChanceNode] = []
    dropouts: list[tuple[ChanceNode, str]] = []
    off: set[str] = set()  # names of constants that are False
    for kind, start, end in nodes_and_weights(model):
        if kind == "tensor":
            off.update(_false(model, start, end))
        elif kind == "node":
            operator, inputs, outputs = _node(model, start, end)
            node = ChanceNode(operator, _text_of(model, start, end, 3) or (outputs[0] if outputs else "without a name"))
            if operator == "Constant" and outputs:
                off.update(outputs[:1] if _is_false_constant(model, start, end) else ())
            elif operator in _RANDOM or (operator == _NORMALIZATION and _attribute(model, start, end, "training_mode")):
                found.append(node)
            elif operator == _DROPOUT and len(inputs) > _TRAINING_INPUT and inputs[_TRAINING_INPUT]:
                dropouts.append((node, inputs[_TRAINING_INPUT]))
    return found[::-1] + [node for node, switch in dropouts[::-1] if switch not in off]


def _node(model: Bytes, start: int, end: int) -> tuple[str, list[str], list[str]]:
    inputs, outputs = list(_texts(model, start, end, 1)), list(_texts(model, start, end, 2))
    return _text_of(model, start, end, 4), inputs, outputs


def _attribute(model: Bytes, start: int, end: int, name: str) -> int:
    """Return a whole number of a node's attributes, 0 where it has none of that name."""
    for number, wire, value, _, stop in fields(model, start, end):
        if (number, wire) == (5, LEN) and _text_of(model, value, stop, 1) == name:
            return next((v for n, w, v, _, _ in fields(model, value, stop) if (n, w) == (3, VARINT)), 0)
    return 0


def _is_false_constant(model: Bytes, start: int, end: int) -> bool:
    for number, wire, value, _, stop in fields(model, start, end):
        if (number, wire) == (5, LEN):
            for inner, kind, first, _, last in fields(model, value, stop):
                if (inner, kind) == (5, LEN):
                    return any(True for _ in _false(model, first, last))
    return False


def _false(model: Bytes, start: int, end: int) -> Iterator[str]:
    """Give the name of a tensor that is one False."""
    kind, name, values = 0, "", b""
    for number, wire, value, _, stop in fields(model, start, end):
        if (number, wire) == (2, VARINT):
            kind = value
            if kind != 9:  # TensorProto.BOOL
                return
        elif (number, wire) == (8, LEN):
            name = bytes(model[value:stop]).decode()
        elif number in (5, 9) and wire == LEN and stop - value <= 8:
            values = bytes(model[value:stop])
        elif (number, wire) == (5, VARINT):
            values = bytes([value & 1])
    if kind == 9 and not any(values):
        yield name


def _texts(model: Bytes, start: int, end: int, number: int) -> Iterator[str]:
    for found, wire, value, _, stop in fields(model, start, end):
        if (found, wire) == (number, LEN):
            yield bytes(model[value:stop]).decode("utf-8", "replace")


def _text_of(model: Bytes, start: int, end: int, number: int) -> str:
    return next(_texts(model, start, end, number), "")
