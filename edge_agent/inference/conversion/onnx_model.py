"""An ONNX model in memory: read it, simplify it, look into it, write it.

This module loads onnx and ONNX Runtime: import it where a model is changed, not where one is served.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError, EncodeError
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper

from edge_agent.errors import ComponentError
from edge_agent.inference.conversion.reference import load_session, session_options
from edge_agent.inference.engines.onnxruntime_cpu import first_line

_ONNX = ("", "ai.onnx")


def read_model(data: bytes) -> ModelProto:
    """Read an ONNX file's content; what is constant becomes an initializer, and initializers are no inputs.

    Raises:
        ComponentError: it is not a valid ONNX model, or its weights lie in other files.
    """
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError) as error:
        raise ComponentError(f"the model is not an ONNX file: {first_line(error)}") from None
    if not model.graph.node:
        raise ComponentError("the model is not an ONNX file: it holds no graph")
    beside = next((t.name for t in tensors(model.graph) if t.data_location == TensorProto.EXTERNAL), None)
    if beside is not None:
        raise ComponentError(
            f"the weights '{beside}' lie in another file than the model, expected one file; "
            "edge-agent import --format onnx brings them together"
        )
    try:
        onnx.checker.check_model(model)
    except (ValueError, onnx.checker.ValidationError) as error:  # a name that is not UTF-8 is a ValueError
        raise ComponentError(f"the model is not a valid ONNX file: {first_line(error)}") from None
    _lift_constants(model.graph)
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) < len(model.graph.input):
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        model.ir_version = max(model.ir_version, 4)  # before, every initializer had to be an input
    return model


def write_model(model: ModelProto) -> bytes:
    """Check a model that was changed, and write it as an ONNX file's content.

    Raises:
        ComponentError: its types do not fit each other, or it is too large for one file.
    """
    del model.graph.value_info[:]
    try:
        onnx.checker.check_model(model, full_check=True)
        data: bytes = model.SerializeToString(deterministic=True)
    except (EncodeError, ValueError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ComponentError(f"the changed model is not a valid ONNX file: {first_line(error)}") from None
    return data


def simplify(model: ModelProto) -> ModelProto:
    """Fold constants and batch normalisation, and put functions in place, as ONNX Runtime does for every engine.

    Raises:
        ComponentError: ONNX Runtime can't load the model.
    """
    options = session_options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "simplified.onnx")
        load_session(model.SerializeToString(), options)
        simplified = onnx.load(options.optimized_model_filepath)
    known = {entry.domain for entry in model.opset_import}
    used = {node.domain for node in simplified.graph.node}
    if not used <= known | set(_ONNX):
        return model  # it has got operators that only ONNX Runtime knows
    # It names every set of operators that it has ever heard of.
    kept = [entry for entry in simplified.opset_import if entry.domain in used | known]
    del simplified.opset_import[:]
    simplified.opset_import.extend(kept)
    return simplified


def infer(model: ModelProto) -> ModelProto:
    """Tell the types and shapes of a model's values, as far as ONNX can: value_info of what is returned.

    Raises:
        ComponentError: the model's types do not fit each other.
    """
    try:
        return onnx.shape_inference.infer_shapes(model)
    except (ValueError, onnx.shape_inference.InferenceError) as error:
        raise ComponentError(f"the model is not a valid ONNX file: {first_line(error)}") from None


def element_types(model: ModelProto) -> dict[str, int]:
    """Give the element type (TensorProto.DataType) of each value of the main graph that it can be told of.

    Raises:
        ComponentError: the model's types do not fit each other.
    """
    graph = infer(model).graph
    values: Iterable[ValueInfoProto] = (*graph.input, *graph.value_info, *graph.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    return {name: kind for name, kind in types.items() if kind != TensorProto.UNDEFINED}


def opset(model: ModelProto, domain: str = "") -> int:
    """Return the version of a set of operators, 0 when the model has none of it."""
    names = _ONNX if domain in _ONNX else (domain,)
    return next((entry.version for entry in model.opset_import if entry.domain in names), 0)


def weights_of(model: ModelProto) -> Mapping[str, TensorProto]:
    """Give the initializers of the main graph by their names."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def drop_unused_weights(graph: GraphProto) -> None:
    """Remove the initializers that nothing reads."""
    read = {name for node in graph.node for name in (*node.input, *captured(node))}
    read |= {value.name for value in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def captured(node: NodeProto) -> set[str]:
    """Return the names that the graphs inside a node (of an If, Loop or Scan) read, its own among them."""
    names: set[str] = set()
    for graph in _graphs(node):
        names |= {value.name for value in graph.output}
        for inner in graph.node:
            names |= {*inner.input, *captured(inner)}
    return names


def tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Walk through all tensors in a graph, and in the graphs inside its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
        for inner in _graphs(node):
            yield from tensors(inner)


def _graphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _lift_constants(graph: GraphProto) -> None:
    nodes = []
    for node in graph.node:
        if node.op_type == "Constant" and len(node.attribute) == 1 and node.attribute[0].name in _CONSTANTS:
            value = onnx.helper.get_attribute_value(node.attribute[0])
            dtype = _CONSTANTS[node.attribute[0].name]
            if dtype is not None:
                value = numpy_helper.from_array(np.asarray(value, dtype))
            value.name = node.output[0]
            graph.initializer.append(value)
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


_CONSTANTS: dict[str, Any] = {
    "value": None, "value_float": np.float32, "value_floats": np.float32,
    "value_int": np.int64, "value_ints": np.int64,
}  # fmt: skip
