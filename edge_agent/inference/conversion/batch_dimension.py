"""What stands for the batch in an ONNX file that was exported for one picture, and how it is made free.

Nothing here knows whether a 1 stands for the batch: batching.py tries the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from edge_agent.inference.conversion.onnx_model import infer, weights_of

NAME = "batch"


def batch_size(model: ModelProto) -> int | None:
    """Return the batch of a model's only input, None when it is free, and 0 when there is no such thing."""
    if len(model.graph.input) != 1:
        return 0
    shape = model.graph.input[0].type.tensor_type.shape
    if not shape.dim:
        return 0
    first = shape.dim[0]
    return int(first.dim_value) if first.HasField("dim_value") else None


def free(model: ModelProto) -> None:
    """Give the first dimension of the input, and of each output where it is 1, a name instead of a size.

    Shapes that were written down for one picture follow it: of Reshape, of Resize, and of what is joined to values of
    the picture along another dimension.
    """
    graph = model.graph
    writer = _Writer(model)
    dependent = {graph.input[0].name}
    for node in graph.node:
        if dependent & {*node.input}:
            dependent |= {*node.output}
            if node.op_type == "Reshape" and node.input[0] in dependent:
                writer.reshape(node)
            elif node.op_type == "Resize" and node.input[0] in dependent:
                writer.resize(node)
            elif node.op_type == "Concat":
                writer.join(node, dependent)
        writer.nodes.append(node)
    del graph.node[:]
    graph.node.extend(writer.nodes)
    for value in (*graph.input, *graph.output):
        shape = value.type.tensor_type.shape
        if shape.dim and shape.dim[0].dim_value == 1:
            shape.dim[0].dim_param = NAME
    del graph.value_info[:]  # every engine infers them anew


class _Writer:
    """Changes nodes in place, and puts new ones in front of them."""

    def __init__(self, model: ModelProto) -> None:
        self.nodes: list[NodeProto] = []
        self._graph = model.graph
        self._weights = weights_of(model)
        shapes = infer(model).graph.value_info
        self._shapes = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in shapes}
        self._shapes |= {name: list(tensor.dims) for name, tensor in self._weights.items()}
        self._count = 0

    def reshape(self, node: NodeProto) -> None:
        """Let the first size follow from the others, or from what is given another shape."""
        sizes = self._constant(node.input[1])
        keeps_zeros = any(attribute.name == "allowzero" and attribute.i for attribute in node.attribute)
        if sizes is None or not sizes or (keeps_zeros and 0 in sizes) or sizes[0] < 1:
            return
        if -1 not in sizes:
            sizes[0] = -1
        elif sizes[0] == 1:
            sizes[0] = 0  # the size of what is given another shape
            kept = [attribute for attribute in node.attribute if attribute.name != "allowzero"]
            del node.attribute[:]
            node.attribute.extend(kept)
        node.input[1] = self._weight(sizes)

    def resize(self, node: NodeProto) -> None:
        """Keep the batch, where the sizes wanted are written down."""
        sizes = self._constant(node.input[3]) if len(node.input) > 3 and node.input[3] else None
        if sizes and sizes[0] == 1 and not any(attribute.name == "axes" for attribute in node.attribute):
            node.input[3] = self._with_batch(node.input[0], sizes[1:])

    def join(self, node: NodeProto, dependent: set[str]) -> None:
        """Repeat for each picture what is constant, such as the class token of a transformer."""
        axis = next(attribute.i for attribute in node.attribute if attribute.name == "axis")
        like = next(name for name in node.input if name in dependent)
        for n, name in enumerate(node.input):
            shape = self._shapes.get(name, [])
            if name not in dependent and axis != 0 and len(shape) > 1 and shape[0] == 1 and all(shape):
                node.input[n] = self._add("Expand", name, self._with_batch(like, shape[1:]))

    def _with_batch(self, like: str, sizes: list[int]) -> str:
        batch = self._add("Gather", self._add("Shape", like), self._weight([0]), axis=0)
        return self._add("Concat", batch, self._weight(sizes), axis=0)

    def _add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = self._fresh()
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def _weight(self, values: list[int]) -> str:
        name = self._fresh()
        self._graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def _fresh(self) -> str:
        self._count += 1
        return f"edge_agent.batch.{self._count}"

    def _constant(self, name: str) -> list[int] | None:
        if name not in self._weights:
            return None
        values: list[int] = numpy_helper.to_array(self._weights[name]).reshape(-1).tolist()
        return values
