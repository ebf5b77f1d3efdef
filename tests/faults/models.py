"""Models that misbehave when a picture's first pixel is white, and the pictures for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from edge_agent.component.writing import write_component
from tests.support.fakes import U8, echo_fields, picture

#: a score of 0.2, and nothing white
PLAIN = picture(51)
SCORE = 0.2


def white_corner() -> U8:
    """Draw the picture that such a model misbehaves on."""
    drawn: U8 = PLAIN.copy()
    drawn[0, 0] = 255
    return drawn


def write_hungry(models: Path, name: str = "hungry", mib: int = 1024) -> Path:
    """Write a model whose score is the mean brightness, and which takes `mib` of memory for a white corner."""
    node = helper.make_node
    nodes = [
        node("ReduceMean", ["picture"], ["mean"], keepdims=0),
        node("Slice", ["picture", "zeros", "ones"], ["corner"]),
        node("Floor", ["corner"], ["is_white"]),
        node("Cast", ["is_white"], ["number"], to=TensorProto.INT64),
        node("Mul", ["number", "floats"], ["count"]),
        node("Reshape", ["count", "one_value"], ["shape"]),
        node("ConstantOfShape", ["shape"], ["memory"]),
        node("ReduceSum", ["memory"], ["nothing"], keepdims=0),
        node("Add", ["mean", "nothing"], ["score"]),
    ]
    weights = {"zeros": [0] * 4, "ones": [1] * 4, "floats": [mib << 18], "one_value": [1]}
    graph = helper.make_graph(
        nodes,
        "hungry",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(np.array(values, np.int64), key) for key, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    fields = echo_fields(name, 64, 64, segmentation=False)
    return write_component(models, {"model.onnx": model.SerializeToString()}, **fields)
