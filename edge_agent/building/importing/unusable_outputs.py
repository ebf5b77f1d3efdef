"""Outputs of an ONNX file that no score or mask can be made of: sequences, maps, strings. They are left out."""

from __future__ import annotations

from typing import NamedTuple

from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto, helper

from edge_agent.errors import ImportFailed
from edge_agent.inference.conversion.pruning import keep_outputs

_ML = "ai.onnx.ml"


class Dropped(NamedTuple):
    """An output that was left out, and why."""

    name: str
    kind: str


def drop_unusable_outputs(model: ModelProto, path: object) -> tuple[Dropped, ...]:
    """Leave out the outputs that are no tensors of numbers: sequences, maps, strings.

    A classifier's table of names and probabilities (ZipMap) becomes the tensor of probabilities that it is made of.

    Raises:
        ImportFailed: nothing else is left.
    """
    graph = model.graph
    _open_tables(graph)
    dropped = tuple(Dropped(value.name, kind) for value in graph.output if (kind := _unusable(value)))
    if dropped:
        names = {entry.name for entry in dropped}
        if all(value.name in names for value in graph.output):
            found = ", ".join(f"'{entry.name}' ({entry.kind})" for entry in dropped)
            raise ImportFailed(f"{path} answers only with {found}, expected a tensor of numbers; export that too")
        keep_outputs(model, [value.name for value in graph.output if value.name not in names])
    return dropped


def _open_tables(graph: GraphProto) -> None:
    tables = {
        node.output[0]: node.input[0] for node in graph.node if (node.op_type, node.domain) == ("ZipMap", _ML)
    }  # fmt: skip
    known = {value.name for value in graph.output}
    for name in [value.name for value in graph.output if value.name in tables]:
        if tables[name] not in known:
            known.add(tables[name])
            graph.output.append(helper.make_tensor_value_info(tables[name], TensorProto.FLOAT, None))


def _unusable(value: ValueInfoProto) -> str:
    """Name what an output is, where it is no tensor of numbers."""
    kind = value.type.WhichOneof("value")
    if kind is None:  # nothing is declared; ONNX Runtime will know
        return ""
    if kind != "tensor_type":
        return str(kind).removesuffix("_type")
    return "strings" if value.type.tensor_type.elem_type == TensorProto.STRING else ""
