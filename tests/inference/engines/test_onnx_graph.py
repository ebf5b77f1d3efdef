"""What is written by hand is a model of the types and shapes that were asked for, and of nothing that isn't needed."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import ModelProto, numpy_helper

from edge_agent.inference.engines.onnx_graph import Graph
from edge_agent.inference.engines.signature import TensorSpec


def _model() -> ModelProto:
    graph = Graph()
    graph.op("Mul", "unused", "x", graph.weight("of the unused", 2.0))
    picked = graph.gather("picked", graph.reshape("flat", "x", 0, -1), [3, 1], axis=1)
    total = graph.reduce_sum("total", graph.op("Mul", "tripled", picked, graph.weight("three", 3.0)), 1)
    graph.cast("y", total, "int32")
    return graph.close([TensorSpec("x", "float32", (None, 2, None))], [TensorSpec("y", "int32", (None,))], "g")


def test_it_calculates_what_was_written() -> None:
    session = onnxruntime.InferenceSession(_model().SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": np.arange(12, dtype=np.float32).reshape(2, 2, 3)})
    assert found.dtype == np.int32
    assert found.tolist() == [3 * (3 + 1), 3 * (9 + 7)]
    assert session.get_inputs()[0].shape == ["batch", 2, None]
    assert session.get_outputs()[0].shape == ["batch"]


def test_what_no_output_needs_is_left_out() -> None:
    graph = _model().graph
    assert [node.name for node in graph.node] == ["flat", "picked", "tripled", "total", "y"]
    assert "of the unused" not in {weight.name for weight in graph.initializer}


def test_a_number_stays_a_number_and_double_becomes_single() -> None:
    three = next(weight for weight in _model().graph.initializer if weight.name == "three")
    assert numpy_helper.to_array(three).shape == ()
    assert numpy_helper.to_array(three).dtype == np.float32
