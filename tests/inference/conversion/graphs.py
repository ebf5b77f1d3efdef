"""Small ONNX graphs, written by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

SIDE = 16
FLOAT = TensorProto.FLOAT
Shape = list[int | str]


class Graph:
    """picture [1, 3, 16, 16] -> whatever is built."""

    def __init__(self, dtype: int = FLOAT, shape: Shape | None = None) -> None:
        self._nodes: list[NodeProto] = []
        self._weights: list[TensorProto] = []
        self._rng = np.random.default_rng(7)
        self._inputs = [helper.make_tensor_value_info("picture", dtype, shape or [1, 3, SIDE, SIDE])]

    def take(self, value: ValueInfoProto) -> None:
        self._inputs.append(value)

    def weight(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def noise(self, *shape: int, scale: float = 0.2) -> str:
        return self.weight(self._rng.normal(0, scale, shape))

    def op(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def conv(self, source: str, channels: int, kernel: int = 3, *, before: int = 3) -> str:
        weights, bias = self.noise(channels, before, kernel, kernel), self.noise(channels)
        return self.op("Conv", source, weights, bias, kernel_shape=[kernel, kernel], pads=[kernel // 2] * 4)

    def model(self, opset: int = 18, **outputs: Shape | None) -> ModelProto:
        values = [helper.make_tensor_value_info(name, FLOAT, shape) for name, shape in outputs.items()]
        graph = helper.make_graph(self._nodes, "g", self._inputs, values, self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


def network(opset: int = 18, *, normalised: bool = False, shape: Shape | None = None) -> bytes:
    """picture -> score [1, 1] of what convolutions see, and a map [1, 2, 16, 16]."""
    graph = Graph(shape=shape)
    seen = graph.conv("picture", 8)
    if normalised:
        variance = graph.weight(np.linspace(0.5, 2, 8))
        seen = graph.op("BatchNormalization", seen, *[graph.noise(8) for _ in range(3)], variance)
    seen = graph.op("Relu", seen)
    seen = graph.op("Relu", graph.conv(seen, 8, before=8))
    graph.op("Softmax", graph.conv(seen, 2, 1, before=8), name="map", axis=1)
    flat = graph.op("Flatten", graph.op("GlobalAveragePool", seen))
    graph.op("Sigmoid", graph.op("Gemm", flat, graph.noise(8, 1, scale=1.0), graph.noise(1)), name="score")
    batch = (shape or [1])[0]
    return bytes(graph.model(opset, score=[batch, 1], map=[batch, 2, SIDE, SIDE]).SerializeToString())


def pictures(count: int, seed: int = 0, shape: tuple[int, ...] = (3, SIDE, SIDE)) -> list[npt.NDArray[np.float32]]:
    """Make inputs that differ in brightness and contrast."""
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(0, rng.uniform(0.2, 1), (1, *shape)) + rng.uniform(-1, 1)).astype(np.float32) for _ in range(count)
    ]


def run(model: bytes, tensor: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Give what a model answers, as it is written: without ONNX Runtime's own changes."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: tensor}), strict=True))
