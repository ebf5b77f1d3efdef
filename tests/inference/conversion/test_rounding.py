"""Float16 on a processor that calculates in float32."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from edge_agent.inference.conversion.rounding import with_roundings
from tests.inference.conversion.graphs import SIDE, Graph, run


def test_what_overflows_and_is_rounded_between_two_nodes_shows() -> None:
    graph = Graph()
    value = graph.op("Cast", "picture", to=TensorProto.FLOAT16)
    value = graph.op("Mul", value, graph.weight(60000, np.float16))
    value = graph.op("Div", value, graph.weight(60000, np.float16))
    graph.op("Cast", value, name="map", to=TensorProto.FLOAT)
    model = graph.model(map=[1, 3, SIDE, SIDE])
    tensor = np.full((1, 3, SIDE, SIDE), 0.1, np.float32)
    tensor[0, 0] = 2
    (found,) = run(with_roundings(model).SerializeToString(), tensor).values()
    with np.errstate(over="ignore"):
        expected = (tensor.astype(np.float16) * np.float32(60000)).astype(np.float16) / np.float32(60000)
    np.testing.assert_array_equal(found, expected.astype(np.float16).astype(np.float32))
    assert np.isinf(found[0, 0]).all()
    assert onnx.helper.get_attribute_value(model.graph.node[0].attribute[0]) == TensorProto.FLOAT16, "left alone"
