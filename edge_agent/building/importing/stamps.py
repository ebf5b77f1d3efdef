"""Lowering the versions that an ONNX file says it needs to those that it does need.

An exporter writes the newest that it knows, and a device's runtime refuses what is newer than itself, whether it is
used or not. https://github.com/onnx/onnx/blob/main/docs/Versioning.md says what changes with each version of the IR.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from onnx import ModelProto, NodeProto, TensorProto, defs
from onnx.onnx_cpp2py_export.defs import SchemaError

from edge_agent.inference.conversion.onnx_model import tensors

_ONNX, _ONNX_NAMES = "", ("", "ai.onnx")
#: what runtimes of 2022 and later take, so nothing is gained by going lower
_OLDEST_IR, _OLDEST_OPSET, _OLDEST_ML = 8, 17, 3
#: element types that came with later versions of the IR, by their names: not every version of onnx knows all
#: operators that got another meaning under the same signature
_CHANGED = (
    "GroupNormalization",
    "Resize",
    "GridSample",
    "BatchNormalization",
    "Softmax",
    "LogSoftmax",
    "Pad",
    "RoiAlign",
)
_OLD_TYPES = {
    TensorProto.UNDEFINED, TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BOOL,
    TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64, TensorProto.INT8, TensorProto.INT16,
    TensorProto.INT32, TensorProto.INT64, TensorProto.STRING,
}  # fmt: skip
_TYPES_SINCE = {
    "FLOAT8E4M3FN": 9, "FLOAT8E4M3FNUZ": 9, "FLOAT8E5M2": 9, "FLOAT8E5M2FNUZ": 9, "UINT4": 10, "INT4": 10,
    "FLOAT4E2M1": 11, "FLOAT8E8M0": 12, "UINT2": 13, "INT2": 13,
}  # fmt: skip


def lower_stamps(model: ModelProto) -> tuple[str, ...]:
    """Lower the versions of the IR and of the sets of operators, and leave out the sets that are not used.

    A set of operators may be called by an older version as long as none of its operators that are used has changed
    since, so the model means the same.

    Returns:
        What was lowered, such as "opset 21 to 17".
    """
    lowered = []
    used = _versions_used(model)
    limit = _limit(model)
    holders: list[Any] = [model, *model.functions]
    for holder in holders:
        kept = [entry for entry in holder.opset_import if _name(entry.domain) in used]
        for entry in kept:
            needed = used[_name(entry.domain)]
            floor = {_ONNX: min(_OLDEST_OPSET, limit), "ai.onnx.ml": _OLDEST_ML}.get(_name(entry.domain), 1)
            if needed is not None and entry.version > max(needed, floor):
                if holder is model:
                    lowered.append(f"{entry.domain or 'opset'} {entry.version} to {max(needed, floor)}")
                entry.version = max(needed, floor)
        del holder.opset_import[:]
        holder.opset_import.extend(kept)
    needed_ir = _ir_used(model)
    if needed_ir < model.ir_version:
        lowered.append(f"IR version {model.ir_version} to {needed_ir}")
        model.ir_version = needed_ir
    return tuple(lowered)


def _name(domain: str) -> str:
    return _ONNX if domain in _ONNX_NAMES else domain


def _versions_used(model: ModelProto) -> dict[str, int | None]:
    """Give for each set of operators the newest version that brought one that is used; None where that is not known."""
    used: dict[str, int | None] = {_ONNX: 1}  # every model has to name this one
    is_plain = _types_used(model) <= _OLD_TYPES
    own = {(function.domain, function.name) for function in model.functions}
    for function in model.functions:
        used.setdefault(_name(function.domain), None)
    holders: list[Any] = [model, *model.functions]
    for holder in holders:
        nodes = model.graph.node if holder is model else holder.node
        stamps = {_name(entry.domain): entry.version for entry in holder.opset_import}
        for node in _all_nodes(nodes):
            domain = _name(node.domain)
            since = (
                None
                if (node.domain, node.op_type) in own
                else _since(node, domain, stamps.get(domain, 1), is_plain=is_plain)
            )
            known = used.get(domain, 1)
            used[domain] = None if since is None or known is None else max(since, known)
    return used


def _since(node: NodeProto, domain: str, stamp: int, *, is_plain: bool) -> int | None:
    """Give the version since which a node means what it means; None where its operator is not known.

    Where all types are old ones, a version of its operator that only brought new types, or attributes that the node
    does not have, counts for nothing.
    """
    schema = _schema(node, stamp, domain)
    given = {attribute.name for attribute in node.attribute}
    while schema is not None and not given <= set(schema.attributes):  # it was written for an older version
        schema = _schema(node, schema.since_version - 1, domain)
    if schema is None:
        return None
    while is_plain and domain == _ONNX and schema.since_version > _OLDEST_OPSET and node.op_type not in _CHANGED:
        before = _schema(node, schema.since_version - 1, domain)
        if before is None or not _means_the_same(node, before, schema):
            break
        schema = before
    return int(schema.since_version)


def _limit(model: ModelProto) -> int:
    """Give the newest set of ONNX's operators that knows the attributes of all nodes; a stamp may be newer."""
    limit = stamp = max((entry.version for entry in model.opset_import if _name(entry.domain) == _ONNX), default=1)
    for node in _all_nodes(model.graph.node):
        if _name(node.domain) != _ONNX:
            continue
        schema, given = _schema(node, stamp, _ONNX), {attribute.name for attribute in node.attribute}
        while schema is not None and not given <= set(schema.attributes):
            limit = min(limit, schema.since_version - 1)
            schema = _schema(node, schema.since_version - 1, _ONNX)
    return limit


def _schema(node: NodeProto, version: int, domain: str) -> Any:
    try:
        return defs.get_schema(node.op_type, version, domain)
    except SchemaError:
        return None


def _means_the_same(node: NodeProto, before: Any, after: Any) -> bool:
    given = {attribute.name for attribute in node.attribute}
    return (
        given <= set(before.attributes)
        and all(
            _default(before, name) == _default(after, name) for name in set(before.attributes) & set(after.attributes)
        )
        and len(node.input) <= before.max_input
        and [value.name for value in before.inputs] == [value.name for value in after.inputs][: len(before.inputs)]
        and [value.name for value in before.outputs] == [value.name for value in after.outputs][: len(before.outputs)]
    )


def _default(schema: Any, name: str) -> bytes:
    return bytes(schema.attributes[name].default_value.SerializeToString())


def _all_nodes(nodes: Sequence[NodeProto]) -> Iterator[NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _all_nodes(graph.node)


def _ir_used(model: ModelProto) -> int:
    since = {
        getattr(TensorProto, name): version for name, version in _TYPES_SINCE.items() if hasattr(TensorProto, name)
    }
    nodes = (*_all_nodes(model.graph.node), *(n for function in model.functions for n in _all_nodes(function.node)))
    overloads = 10 if any(getattr(node, "overload", "") for node in nodes) else 0
    return max(_OLDEST_IR, overloads, *(since.get(kind, 0) for kind in _types_used(model)))


def _types_used(model: ModelProto) -> set[int]:
    """Give the element types of weights, inputs, outputs, values that are known, and of what is cast."""
    kinds = {tensor.data_type for tensor in tensors(model.graph)}
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        kinds.add(value.type.tensor_type.elem_type)
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        for node in _all_nodes(nodes):
            kinds.update(entry.i for entry in node.attribute if entry.name in ("to", "output_dtype", "dtype"))
    return kinds
