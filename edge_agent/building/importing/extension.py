"""Writing ONNX nodes in front of a model and behind it.

Only operators whose meaning is the same in every version from onnx_model.MIN_OPSET on are used, so that a model keeps
its opset.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edge_agent.building.importing.onnx_model import ModelInput
from edge_agent.inference.conversion.pruning import prune

#: name, type and shape of an output
Output = tuple[str, int, list[int | str]]

FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8


class Extension:
    """A model under change. Methods that add an operator return its output's name."""

    def __init__(self, model: ModelProto) -> None:
        self._model, self._graph = model, model.graph
        graph = model.graph
        known = {name for node in graph.node for name in (*node.input, *node.output)}
        for entries in (graph.initializer, graph.input, graph.output):
            known |= {entry.name for entry in entries}
        self._prefix = "edge_agent"
        while any(name.startswith(f"{self._prefix}.") for name in known):
            self._prefix += "_"

    def weight(self, name: str, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant."""
        name = self._named(name)
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def op(self, kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Add one node with one output behind the model."""
        name = self._named(name)
        self._graph.node.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def cast(self, name: str, source: str, to: int) -> str:
        """Add a change of type."""
        return self.op("Cast", name, source, to=to)

    def reshape(self, name: str, source: str, *shape: int) -> str:
        """Add a change of shape."""
        return self.op("Reshape", name, source, self.weight(f"{name}.shape", shape, np.int64))

    def first(self, name: str, source: str) -> str:
        """Take the first of a batch: [n, …] becomes [1, …]."""
        return self.op("Gather", name, source, self.weight(f"{name}.number", [0], np.int64), axis=0)

    def feed(self, spec: ModelInput, width: int, height: int, *, bgr: bool = False) -> str:
        """Let the model take one RGB picture of this size, whatever its batch and order of channels are.

        Returns:
            The name of the input.
        """
        entry = next(value for value in self._graph.input if value.name == spec.name)
        copies = spec.batch or 1
        if copies == 1 and not bgr:
            _set_shape(entry, spec, width, height)
            return spec.name
        entry.name = self._named("picture")
        _set_shape(entry, spec, width, height)
        nodes, last = [], entry.name
        if bgr:
            order = self.weight("channels", [2, 1, 0], np.int64)
            axis = 1 if spec.layout == "NCHW" else 3
            target = spec.name if copies == 1 else self._named("picture.bgr")
            nodes.append(helper.make_node("Gather", [last, order], [target], axis=axis))
            last = target
        if copies > 1:
            nodes.append(helper.make_node("Concat", [last] * copies, [spec.name], axis=0))
        for node in reversed(nodes):
            self._graph.node.insert(0, node)
        return str(entry.name)

    def largest(self, name: str, source: str, count: int) -> str:
        """Take the `count` largest values of each row, in their order: [n, m] becomes [n, count]."""
        name, number = self._named(name), self.weight(f"{name}.count", [count], np.int64)
        node = helper.make_node("TopK", [source, number], [name, f"{name}.places"], name=name, axis=1)
        self._graph.node.append(node)
        return name

    def give(self, *outputs: Output) -> None:
        """Let the model answer with these and nothing else: names, types and shapes; a word is a free dimension.

        What only other outputs needed is left out.
        """
        del self._graph.output[:]
        self._graph.output.extend(helper.make_tensor_value_info(*output) for output in outputs)
        prune(self._model)

    def _named(self, name: str) -> str:
        return f"{self._prefix}.{name}"


def _set_shape(entry: Any, spec: ModelInput, width: int, height: int) -> None:
    sizes = (1, 3, height, width) if spec.layout == "NCHW" else (1, height, width, 3)
    for dimension, size in zip(entry.type.tensor_type.shape.dim, sizes, strict=True):
        dimension.dim_value = size
