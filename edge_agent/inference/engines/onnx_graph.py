"""Writing ONNX graphs by hand.

This module needs the package onnx, which is not among the agent's own dependencies: whoever writes a graph imports it
where it is needed, and a worker that only runs a model never does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from edge_agent.inference.engines.onnx_signature import DTYPES
from edge_agent.inference.engines.signature import TensorSpec

#: onnx's number of each type that a TensorSpec may have
TYPES = {word: number for number, word in DTYPES.items()}
#: what the first dimension is called where it is free
BATCH = "batch"

_IR_VERSION = 8


class Graph:
    """Nodes and weights under construction. Methods add an operator and return its output's name."""

    opset: ClassVar[int] = 17

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._weights: dict[str, TensorProto] = {}

    def weight(self, name: str, values: npt.ArrayLike) -> str:
        """Add a constant; float64 becomes float32."""
        array = np.asarray(values, order="C")
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        self._weights[name] = numpy_helper.from_array(array, name)
        return name

    def op(self, kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Add one node with one output."""
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def cast(self, name: str, source: str, dtype: str) -> str:
        """Add a change of type; `dtype` is a word such as "float32"."""
        return self.op("Cast", name, source, to=TYPES[dtype])

    def reshape(self, name: str, source: str, *shape: int) -> str:
        """Add a change of shape; 0 keeps a size."""
        return self.op("Reshape", name, source, self.weight(f"{name}.shape", np.array(shape, np.int64)))

    def gather(self, name: str, source: str, indices: npt.ArrayLike, axis: int) -> str:
        """Add what numpy calls take: `axis` becomes the axes of `indices`, none for a single number."""
        return self.op("Gather", name, source, self.weight(f"{name}.indices", np.asarray(indices, np.int64)), axis=axis)

    def reduce_sum(self, name: str, source: str, *axes: int) -> str:
        """Add a sum over these axes, which disappear."""
        return self.op("ReduceSum", name, source, self.weight(f"{name}.axes", np.array(axes, np.int64)), keepdims=0)

    def close(self, inputs: Iterable[TensorSpec], outputs: Sequence[TensorSpec], name: str) -> ModelProto:
        """Make a model of what has been added; what no output needs is left out."""
        nodes, needed = cut(self._nodes, {output.name for output in outputs})
        graph = helper.make_graph(
            nodes,
            name,
            [_value_info(spec) for spec in inputs],
            [_value_info(spec) for spec in outputs],
            [weight for key, weight in self._weights.items() if key in needed],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", self.opset)],
            ir_version=_IR_VERSION,
            producer_name="edge-agent",
        )
        checker.check_model(model, full_check=True)
        return model


def cut(nodes: Sequence[NodeProto], outputs: set[str]) -> tuple[list[NodeProto], set[str]]:
    """Keep the nodes that `outputs` need; return them with the names of all that they read and write."""
    needed = set(outputs)
    kept = []
    for node in reversed(nodes):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    return kept[::-1], needed


def _value_info(spec: TensorSpec) -> Any:
    shape = spec.shape and [BATCH if (axis, size) == (0, None) else size for axis, size in enumerate(spec.shape)]
    return helper.make_tensor_value_info(spec.name, TYPES[spec.dtype], shape)
