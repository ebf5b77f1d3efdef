"""The graphs keep to what TensorRT's ONNX parser takes, whatever they are written for.

https://github.com/onnx/onnx-tensorrt/blob/main/docs/operators.md lists the operators; uint8 may only be a network's
input that is cast, or an output that was cast (https://docs.nvidia.com/deeplearning/tensorrt, DataType).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
import pytest
from onnx import TensorProto

from edge_agent.component.manifest import Image
from edge_agent.inference.engines.signature import TensorSpec
from edge_agent.inference.stages.conclusion import conclusion_graph
from edge_agent.inference.stages.preparation import preparation_graph
from tests.inference.stages.test_conclusion import manifest_of
from tests.inference.stages.test_filters import KINDS
from tests.inference.stages.test_preparation import SIZES, levels

ALLOWED = {
    "Add", "ArgMax", "Cast", "Clip", "Concat", "Equal", "Floor", "Gather", "Greater", "GreaterOrEqual", "IsNaN", "Mul",
    "ReduceMax", "ReduceMin", "ReduceSum", "Reshape", "Round", "Sub", "Transpose", "Where",
}  # fmt: skip


def _graphs() -> Iterator[bytes]:
    for kind in KINDS:
        for source, target in SIZES:
            for layout, dtype in (("NCHW", "uint8"), ("NHWC", "float16")):
                image, spec = Image(width=source[0], height=source[1]), levels(target, kind, layout=layout, dtype=dtype)
                yield preparation_graph(image, spec)
    yield preparation_graph(Image(width=64, height=64), levels((64, 64), "area", scale=0.0, mean=(1.0, 2.0, 3.0)))
    for batch in (1, None):
        score = TensorSpec("score", "float32", (batch, 2))
        yield conclusion_graph(manifest_of(index=1), [score])
        for mask_kind, labels, dtype, channels in (
            ("class_ids", 3, "int64", 1),
            ("class_ids", 3, "uint8", 1),
            ("anomaly_map", 2, "float16", 1),
            ("class_scores", 2, "float32", 2),
            ("class_scores", 3, "float32", 3),
        ):
            mask = TensorSpec("mask", dtype, (batch, channels, 9, 8))
            yield conclusion_graph(manifest_of(mask_kind, labels=labels), [score, mask])


@pytest.fixture(scope="module")
def graphs() -> list[Any]:
    models = [onnx.load_from_string(data) for data in _graphs()]
    return [onnx.shape_inference.infer_shapes(model, strict_mode=True).graph for model in models]


def test_every_operator_is_one_that_tensorrt_has(graphs: list[Any]) -> None:
    assert {node.op_type for graph in graphs for node in graph.node} == ALLOWED


def test_uint8_is_only_cast_from_and_to(graphs: list[Any]) -> None:
    for graph in graphs:
        kinds = _kinds(graph)
        outputs = {value.name for value in graph.output}
        for node in graph.node:
            if TensorProto.UINT8 in (kinds[name] for name in (*node.input, *node.output)):
                assert node.op_type == "Cast"
                assert kinds[node.input[0]] in (TensorProto.UINT8, TensorProto.FLOAT)
                assert kinds[node.output[0]] == TensorProto.FLOAT or node.output[0] in outputs


def test_truths_are_only_cast_or_chosen_by_and_no_wide_number_is_calculated_with(graphs: list[Any]) -> None:
    for graph in graphs:
        kinds, weights = _kinds(graph), {weight.name for weight in graph.initializer}
        for node in graph.node:
            taken = {kinds[name] for name in node.input if name not in weights}
            assert TensorProto.BOOL not in taken or node.op_type in ("Cast", "Where")
            assert TensorProto.INT64 not in taken or node.op_type == "Cast"
            assert TensorProto.DOUBLE not in {*taken, *(kinds[name] for name in node.output)}


def test_the_batch_stays_free(graphs: list[Any]) -> None:
    for graph in graphs:
        batch = graph.input[0].type.tensor_type.shape.dim[0]
        for value in graph.value_info:
            assert value.type.tensor_type.shape.dim[0] == batch, value.name


def _kinds(graph: Any) -> dict[str, int]:
    kinds = {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.output, *graph.value_info)}
    return kinds | {weight.name: weight.data_type for weight in graph.initializer}
