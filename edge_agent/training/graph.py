"""Writing ONNX graphs by hand: the few operators that models here are made of, and joining and cutting graphs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

OPSET, IR_VERSION = 18, 8


class Graph:
    """Nodes and weights under construction. Methods add an operator and return its output's name."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._weights: dict[str, TensorProto] = {}

    def weight(self, name: str, values: npt.ArrayLike) -> str:
        """Add a constant; float64 becomes float32."""
        array = np.asarray(values)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def op(self, kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Add one node with one output."""
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def top(self, name: str, values: str, count: int) -> str:
        """Add TopK over the last axis, and return the values."""
        count_name = self.weight(f"{name}.count", np.array([count], np.int64))
        self._nodes.append(helper.make_node("TopK", [values, count_name], [name, f"{name}.indices"], name=name))
        return name

    def enlarge(self, name: str, source: str, factor: int) -> str:
        """Add bilinear enlargement of [1, c, h, w], as torch does it with align_corners=False."""
        scales = self.weight(f"{name}.scales", np.array([1, 1, factor, factor], np.float32))
        return self.op("Resize", name, source, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")

    def take(self, nodes: Iterable[NodeProto], weights: Iterable[TensorProto]) -> None:
        """Add what another graph is made of; its names stay."""
        self._nodes += nodes
        self._weights |= {weight.name: weight for weight in weights}

    def model(self, inputs: Mapping[str, Sequence[int]], outputs: Mapping[str, Sequence[int]], name: str) -> ModelProto:
        """Close the graph: float32 inputs and outputs of these shapes; what no output needs is left out."""
        nodes, needed = cut(self._nodes, set(outputs))
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in inputs.items()],
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in outputs.items()],
            [weight for key, weight in self._weights.items() if key in needed],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="edge-agent"
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
