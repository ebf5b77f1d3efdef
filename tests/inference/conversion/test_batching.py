"""A model for one picture that takes several: each gets what it gets alone, or there is no such model."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from edge_agent.errors import ComponentError
from edge_agent.inference.conversion.batching import free_batch
from edge_agent.inference.imaging.tensor import Tensor
from tests.inference.conversion.graphs import FLOAT, SIDE, Graph, network, pictures, run


def dims(model: bytes) -> dict[str, list[int | str]]:
    graph = onnx.load_from_string(model).graph
    return {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }


def freed(model: ModelProto, samples: list[Tensor] | None = None) -> bytes | None:
    return free_batch(model.SerializeToString(), (lambda: iter(samples)) if samples else None)


def check(model: bytes, batched: bytes, tensors: list[Tensor]) -> None:
    found = run(batched, np.concatenate(tensors))
    for number, tensor in enumerate(tensors):
        for name, expected in run(model, tensor).items():
            np.testing.assert_allclose(found[name][number : number + 1], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("samples", [None, pictures(2)], ids=["noise", "samples"])
def test_input_and_outputs_get_a_free_first_dimension(samples: list[Tensor] | None) -> None:
    model = network()
    batched = free_batch(model, (lambda: iter(samples)) if samples else None)
    assert batched is not None
    assert dims(batched) == {
        "picture": ["batch", 3, SIDE, SIDE], "score": ["batch", 1], "map": ["batch", 2, SIDE, SIDE],
    }  # fmt: skip
    onnx.checker.check_model(onnx.load_from_string(batched), full_check=True)
    check(model, batched, pictures(5))


def test_what_is_free_already_stays_as_it_is() -> None:
    model = network(shape=["n", 3, SIDE, SIDE])
    assert free_batch(model) is model


def _score_of(graph: Graph, features: str) -> ModelProto:
    """End a graph with the mean of its features."""
    graph.op("ReduceMean", features, graph.weight([1, 2, 3], np.int64), name="score", keepdims=0)
    return graph.model(score=[1])


def _reshaped(*sizes: int, back: tuple[int, ...] = (1, 4, SIDE, SIDE), allowzero: int = 0) -> ModelProto:
    graph = Graph()
    seen = graph.conv("picture", 4)
    other = graph.op("Reshape", seen, graph.weight(sizes, np.int64), allowzero=allowzero)
    return _score_of(graph, graph.op("Reshape", graph.op("Relu", other), graph.weight(back, np.int64)))


def _resized(opset: int) -> ModelProto:
    graph = Graph()
    sizes = graph.weight([1, 4, 24, 24], np.int64)
    bigger = graph.op("Resize", graph.conv("picture", 4), "", "", sizes, mode="nearest")
    graph.op("Identity", bigger, name="map")
    return graph.model(opset, map=[1, 4, 24, 24])


def _transformer() -> ModelProto:
    """Patches and a class token, attention of two heads, which are folded into the batch, and a verdict."""
    graph, ints = Graph(), np.int64
    patches = graph.op("Conv", "picture", graph.noise(8, 3, 8, 8), kernel_shape=[8, 8], strides=[8, 8])
    rows = graph.op("Transpose", graph.op("Reshape", patches, graph.weight([1, 8, 4], ints)), perm=[0, 2, 1])
    tokens = graph.op("Concat", graph.noise(1, 1, 8), rows, axis=1)
    tokens = graph.op("Add", tokens, graph.noise(1, 5, 8))

    def heads() -> str:
        split = graph.op("Reshape", graph.op("MatMul", tokens, graph.noise(8, 8)), graph.weight([1, 5, 2, 4], ints))
        return graph.op("Reshape", graph.op("Transpose", split, perm=[0, 2, 1, 3]), graph.weight([2, 5, 4], ints))

    query, key, value = heads(), heads(), heads()
    weights = graph.op("Softmax", graph.op("MatMul", query, graph.op("Transpose", key, perm=[0, 2, 1])), axis=2)
    seen = graph.op("Reshape", graph.op("MatMul", weights, value), graph.weight([1, 2, 5, 4], ints))
    joined = graph.op("Reshape", graph.op("Transpose", seen, perm=[0, 2, 1, 3]), graph.weight([1, 5, 8], ints))
    first = graph.op("Gather", joined, graph.weight(0, ints), axis=1)
    graph.op("Gemm", first, graph.noise(8, 1), graph.noise(1), name="score")
    return graph.model(score=[1, 1])


@pytest.mark.parametrize(
    "model",
    [
        _reshaped(1, 4, -1),
        _reshaped(1, 4, SIDE * SIDE),
        _reshaped(1, -1, back=(1, 4, 16, -1)),
        _reshaped(1, -1, allowzero=1),
        _reshaped(-1, SIDE * SIDE),
        _reshaped(0, 4, -1),
        _reshaped(4, SIDE * SIDE),
        _resized(18),
        _resized(13),
        _transformer(),
    ],
)
def test_shapes_that_were_written_down_for_one_picture_follow_the_batch(model: ModelProto) -> None:
    batched = freed(model)
    assert batched is not None
    check(model.SerializeToString(), batched, pictures(4))


def _compared_with_the_others() -> ModelProto:
    graph = Graph()
    seen = graph.conv("picture", 4)
    others = graph.op("ReduceMean", seen, graph.weight([0], np.int64), keepdims=1)
    return _score_of(graph, graph.op("Add", seen, others))


def _only_the_first() -> ModelProto:
    graph = Graph()
    first = graph.op("Slice", graph.conv("picture", 4), *[graph.weight([n], np.int64) for n in (0, 1, 0)])
    return _score_of(graph, graph.op("Add", graph.op("Mul", graph.conv("picture", 4), graph.weight(0.0)), first))


def _all_in_one_row() -> ModelProto:
    graph = Graph()
    row = graph.op("Reshape", graph.conv("picture", 4), graph.weight([-1], np.int64))
    best = graph.op("ReduceMax", row, keepdims=0)
    graph.op("Reshape", best, graph.weight([1], np.int64), name="score")
    return graph.model(score=[1])


def _says_the_same() -> ModelProto:
    graph = Graph()
    graph.op("Clip", graph.op("ReduceMean", "picture", graph.weight([1, 2, 3], np.int64), keepdims=0),
             graph.weight(100.0), graph.weight(200.0), name="score")  # fmt: skip
    return graph.model(score=[1])


def _scalar() -> ModelProto:
    graph = Graph()
    graph.op("ReduceMean", "picture", name="score", keepdims=0)
    return graph.model(score=[])


def _two_at_once() -> ModelProto:
    return onnx.load_from_string(network(shape=[2, 3, SIDE, SIDE]))


def _two_inputs() -> ModelProto:
    graph = Graph()
    graph.op("Add", "picture", "other", name="map")
    graph.take(helper.make_tensor_value_info("other", FLOAT, [1, 3, SIDE, SIDE]))
    return graph.model(map=[1, 3, SIDE, SIDE])


@pytest.mark.parametrize(
    "make",
    [
        _compared_with_the_others, _only_the_first, _all_in_one_row, _says_the_same,
        _scalar, _two_at_once, _two_inputs,
    ],
)  # fmt: skip
def test_a_model_that_cant_be_proved_right_is_left_alone(make: Callable[[], ModelProto]) -> None:
    assert freed(make()) is None


def test_samples_say_what_a_picture_is_like() -> None:
    """On noise from -2 to 2 the answer is always the same; on what the camera sees it is not."""
    graph = Graph()
    mean = graph.op("ReduceMean", "picture", graph.weight([1, 2, 3], np.int64), keepdims=0)
    graph.op("Clip", mean, graph.weight(50.0), graph.weight(60.0), name="score")
    model = graph.model(score=[1])
    assert freed(model) is None
    assert freed(model, [np.full((1, 3, SIDE, SIDE), value, np.float32) for value in (40, 70)]) is not None


def test_a_model_that_takes_pixels_and_decides() -> None:
    graph = Graph(dtype=TensorProto.UINT8)
    mean = graph.op("ReduceMean", graph.op("Cast", "picture", to=FLOAT), graph.weight([1, 2, 3], np.int64), keepdims=0)
    graph.op("Cast", graph.op("Greater", mean, graph.weight(100.0)), name="score", to=FLOAT)
    batched = freed(graph.model(score=[1]))
    assert batched is not None
    pixels = np.stack([np.full((3, SIDE, SIDE), value, np.uint8) for value in (0, 99, 101, 255)])
    assert run(batched, pixels)["score"].tolist() == [0, 0, 1, 1]


def test_weights_among_the_inputs_are_no_inputs() -> None:
    model = onnx.load_from_string(network())
    for weight in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(weight.name, FLOAT, list(weight.dims)))
    model.ir_version = 3
    batched = freed(model)
    assert batched is not None
    assert list(dims(batched)) == ["picture", "score", "map"]


def test_other_files_are_refused_and_missing_modules_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ComponentError, match="is not an ONNX file"):
        free_batch(b"not an onnx file")
    monkeypatch.setitem(sys.modules, "onnx", None)
    for name in ("batch_dimension", "onnx_model"):
        monkeypatch.delitem(sys.modules, f"edge_agent.inference.conversion.{name}", raising=False)
        monkeypatch.delattr(f"edge_agent.inference.conversion.{name}", raising=False)
    with pytest.raises(ComponentError, match=r"needs the Python module 'onnx'; .*its extra \[gpu\]$"):
        free_batch(b"")


def test_the_reference_model(cookies: Path) -> None:
    model = (cookies / "models" / "cookies" / "model.onnx").read_bytes()
    batched = free_batch(model)
    assert batched is not None
    assert dims(batched) == {
        "input": ["batch", 3, 384, 288], "score": ["batch"], "class_probabilities": ["batch", 2, 96, 72],
    }  # fmt: skip
    check(model, batched, pictures(3, shape=(3, 384, 288)))
