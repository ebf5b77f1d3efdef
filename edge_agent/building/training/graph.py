"""Writing the graphs of models: inference/engines/onnx_graph.py, and the few operators that models here are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edge_agent.inference.engines import onnx_graph
from edge_agent.inference.engines.signature import TensorSpec


class Graph(onnx_graph.Graph):
    """Nodes and weights under construction. Methods add an operator and return its output's name."""

    opset = 18

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

    def take_part(self, name: str, part: ModelProto, inputs: Mapping[str, str]) -> None:
        """Add another graph as a part of this one: `inputs` says what each of its inputs is here, and before every
        other name comes `name` and a dot. Weights that are here already are shared."""
        here = {_content(weight): key for key, weight in self._weights.items()}
        names = dict(inputs)
        for weight in part.graph.initializer:
            names[weight.name] = here.get(_content(weight)) or f"{name}.{weight.name}"
            if names[weight.name] not in self._weights:
                copied = self._weights[names[weight.name]] = TensorProto()
                copied.CopyFrom(weight)
                copied.name = names[weight.name]
        for node in part.graph.node:
            copied_node = NodeProto()
            copied_node.CopyFrom(node)
            copied_node.name = f"{name}.{node.name}"
            for values in (copied_node.input, copied_node.output):
                # What is left out has no name.
                values[:] = [value and names.get(value, f"{name}.{value}") for value in values]
            self._nodes.append(copied_node)

    def model(self, inputs: Mapping[str, Sequence[int]], outputs: Mapping[str, Sequence[int]], name: str) -> ModelProto:
        """Close the graph: float32 inputs and outputs of these shapes; what no output needs is left out."""
        return self.close(_float_tensors(inputs), _float_tensors(outputs), name)


def _content(weight: TensorProto) -> tuple[int, tuple[int, ...], bytes]:
    return weight.data_type, tuple(weight.dims), numpy_helper.to_array(weight).tobytes()


def _float_tensors(shapes: Mapping[str, Sequence[int]]) -> list[TensorSpec]:
    return [TensorSpec(name, "float32", tuple(shape)) for name, shape in shapes.items()]
