"""A graph in float32 becomes one in float16 with a Cast wherever a value is needed in the other type.

Why not onnxruntime.transformers.float16 (or onnxconverter-common, which it comes from): it writes nodes out of order,
which onnx.checker refuses, and takes every value through float16 even between two nodes that stay in float32, where a
sum of squares becomes infinite. NVIDIA's Model Optimizer needs torch, which has no place on a device. What a node may
take is not listed here: ONNX says it in the schema of each operator.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edge_agent.inference.conversion.float32_nodes import LARGEST
from edge_agent.inference.conversion.onnx_model import captured, drop_unused_weights, element_types, opset, weights_of

_FLOAT, _FLOAT16 = TensorProto.FLOAT, TensorProto.FLOAT16
_HALF = "tensor(float16)"


def change_types(model: ModelProto, kept: Collection[int]) -> int:
    """Let nodes calculate in float16; inputs and outputs of the model keep their types.

    Args:
        model: a float32 model; it is changed.
        kept: positions of nodes that stay in float32. So do those that ONNX does not define for float16.

    Returns:
        How many nodes are in float16 now.

    Raises:
        ComponentError: the model's types do not fit each other.
    """
    graph, types, values = model.graph, element_types(model), _Values(model)
    count = 0
    for number, node in enumerate(graph.node):
        half = () if number in kept else _half_inputs(model, node, types)
        for n, name in enumerate(node.input):
            if types.get(name) == _FLOAT:
                node.input[n] = values.of(name, _FLOAT16 if n in half else _FLOAT)
        if half:
            count += 1
            for n, name in enumerate(node.output):
                if types.get(name) == _FLOAT:
                    node.output[n] = values.make(name)
        values.nodes.append(node)
    for value in graph.output:
        if types.get(value.name) == _FLOAT:
            values.of(value.name, _FLOAT)
    del graph.node[:]
    graph.node.extend(values.nodes)
    drop_unused_weights(graph)
    return count


def _half_inputs(model: ModelProto, node: NodeProto, types: Mapping[str, int]) -> tuple[int, ...]:
    """Return the positions of the inputs that become float16, none when the node has to stay in float32."""
    names = [name for name in (*node.input, *node.output) if name]
    if any(name not in types for name in names) or captured(node):
        return ()
    try:
        schema = onnx.defs.get_schema(node.op_type, opset(model, node.domain), node.domain)
    except onnx.defs.SchemaError:  # not one of ONNX's
        return ()
    # An operator that takes a list of values has one entry for all of them, the last.
    takes = [schema.inputs[min(n, len(schema.inputs) - 1)] for n in range(len(node.input))]
    gives = [schema.outputs[min(n, len(schema.outputs) - 1)] for n in range(len(node.output))]
    half = tuple(n for n, name in enumerate(node.input) if types.get(name) == _FLOAT and _HALF in takes[n].types)
    bound = {takes[n].type_str for n in half}
    if any(types.get(name) == _FLOAT and gives[n].type_str not in bound for n, name in enumerate(node.output)):
        return ()  # a float32 that no input decides about, of a Cast for instance
    return half


class _Values:
    """Each float32 value of a graph under its name in either type; a Cast is made when it is first needed.

    A value keeps its name where it is made, so that graphs inside nodes and outputs find it.
    """

    def __init__(self, model: ModelProto) -> None:
        self.nodes: list[NodeProto] = []
        self._graph = model.graph
        self._outputs = {value.name for value in model.graph.output}
        self._weights = weights_of(model)
        self._made_half: set[str] = set()
        self._names: dict[int, dict[str, str]] = {_FLOAT: {}, _FLOAT16: {}}
        taken = {name for node in model.graph.node for name in (*node.output, *captured(node))}
        self._taken = taken | set(self._weights) | {value.name for value in model.graph.input}

    def of(self, name: str, kind: int) -> str:
        """Return the name of a value in this type."""
        names = self._names[kind]
        if name not in names:
            if name in self._weights:
                names[name] = name if kind == _FLOAT else self._half_weight(name)
            elif kind == _FLOAT and name not in self._made_half:
                names[name] = name
            else:
                other = self.of(name, _FLOAT16 if kind == _FLOAT else _FLOAT)
                names[name] = name if kind == _FLOAT and name in self._outputs else self._fresh(name, kind)
                self.nodes.append(helper.make_node("Cast", [other], [names[name]], name=f"Cast {names[name]}", to=kind))
        return names[name]

    def make(self, name: str) -> str:
        """Name a value that is now made in float16."""
        self._made_half.add(name)
        self._names[_FLOAT16][name] = self._fresh(name, _FLOAT16) if name in self._outputs else name
        return self._names[_FLOAT16][name]

    def _half_weight(self, name: str) -> str:
        values = numpy_helper.to_array(self._weights[name])
        cut = np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), values)
        half = self._fresh(name, _FLOAT16)
        self._graph.initializer.append(numpy_helper.from_array(cut.astype(np.float16), half))
        return half

    def _fresh(self, name: str, kind: int) -> str:
        fresh = f"{name}.{'float32' if kind == _FLOAT else 'float16'}"
        while fresh in self._taken:
            fresh += "_"
        self._taken.add(fresh)
        return fresh
