"""A precision written into an ONNX file: what it changes, what it leaves, how far the answers are off."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from edge_agent.errors import ComponentError
from edge_agent.inference.conversion.precision import Precision, convert_precision
from edge_agent.inference.conversion.rounding import with_roundings
from edge_agent.inference.imaging.tensor import Tensor
from tests.inference.conversion.graphs import FLOAT, SIDE, Graph, network, pictures, run

FLOAT16, INT8 = TensorProto.FLOAT16, TensorProto.INT8
REDUCED: tuple[Precision, ...] = ("fp16", "int8")


def convert(model: bytes | ModelProto, precision: Precision, samples: list[Tensor] | None = None) -> bytes:
    data = model if isinstance(model, bytes) else model.SerializeToString()
    told: list[str] = []
    result = convert_precision(data, precision, (lambda: iter(samples)) if samples else None, told.append)
    assert told
    onnx.checker.check_model(onnx.load_from_string(result), full_check=True)
    return result


def types(model: bytes) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(model), strict_mode=True).graph
    found = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info, *graph.output)}
    return found | {weight.name: weight.data_type for weight in graph.initializer}


def nodes(model: bytes, *kinds: str) -> list[NodeProto]:
    return [node for node in onnx.load_from_string(model).graph.node if node.op_type in kinds]


def weights(model: bytes) -> dict[str, Tensor]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(model).graph.initializer}


def signature(model: bytes) -> tuple[list[Any], list[Any]]:
    graph = onnx.load_from_string(model).graph
    return list(graph.input), list(graph.output)


def furthest(model: bytes, changed: bytes, tensors: list[Tensor]) -> float:
    changed = with_roundings(onnx.load_from_string(changed)).SerializeToString()
    found = [(run(model, tensor), run(changed, tensor)) for tensor in tensors]
    return max(float(np.abs(a[name] - b[name]).max()) for a, b in found for name in a)


def test_fp32_is_the_model_as_it_is() -> None:
    model = network()
    assert convert_precision(model, "fp32", None, lambda text: None) is model


@pytest.mark.parametrize("samples", [None, pictures(2)], ids=["noise", "samples"])
def test_fp16_calculates_in_float16_between_inputs_and_outputs_of_float32(samples: list[Tensor] | None) -> None:
    model = network(normalised=True)
    half = convert(model, "fp16", samples)
    assert signature(half) == signature(model)
    found = types(half)
    convolutions = nodes(half, "Conv")
    assert len(convolutions) == 3
    assert {found[name] for node in convolutions for name in (*node.input, *node.output)} == {FLOAT16}
    assert nodes(half, "BatchNormalization") == [], "folded into the convolution before it"
    assert len(half) < 0.8 * len(model)
    assert 0 < furthest(model, half, pictures(5, seed=1)) < 2e-3


@pytest.mark.parametrize("precision", REDUCED)
def test_a_free_batch_stays_free(precision: Precision) -> None:
    model = network(shape=["n", 3, SIDE, SIDE])
    changed = convert(model, precision, pictures(4))
    assert signature(changed) == signature(model)
    three = np.concatenate(pictures(3, seed=1))
    assert furthest(model, changed, [three]) < 0.05
    assert run(changed, three)["score"].shape == (3, 1)


def test_what_makes_the_verdict_of_the_features_stays_in_float32() -> None:
    half = convert(network(), "fp16")
    found = types(half)
    verdict = nodes(half, "GlobalAveragePool", "Flatten", "Gemm", "Sigmoid", "Softmax")
    assert len(verdict) == 5
    assert {found[name] for node in verdict for name in (*node.input, *node.output)} == {FLOAT}


def _before_and_after(middle: Callable[[Graph, str], str]) -> ModelProto:
    """Put nodes between two convolutions, so that they are no part of the verdict, nor folded into the first one."""
    graph = Graph()
    inner = middle(graph, graph.op("Neg", graph.conv("picture", 4)))
    graph.op("Identity", graph.conv(inner, 2, before=4), name="map")
    return graph.model(map=[1, 2, SIDE, SIDE])


def _large_weight(graph: Graph, value: str) -> str:
    return graph.op("Div", graph.op("Mul", value, graph.weight(3e6)), graph.weight(3e6))


def _large_value(graph: Graph, value: str) -> str:
    for _ in range(3):
        value = graph.op("Mul", value, graph.weight(100.0))
    return graph.op("Mul", value, graph.weight(1e-6))


def _large_square(graph: Graph, value: str) -> str:
    total = graph.op("ReduceSumSquare", graph.op("Mul", value, graph.weight(200.0)), graph.weight([1], np.int64))
    return graph.op("Mul", graph.op("Div", value, graph.op("Sqrt", total)), graph.weight(200.0))


def _guarded_division(graph: Graph, value: str) -> str:
    small = graph.op("Mul", value, graph.weight(1e-9))
    return graph.op("Div", small, graph.op("Add", graph.op("Abs", small), graph.weight(1e-9)))


def _guarded_by_a_limit(graph: Graph, value: str) -> str:
    small = graph.op("Mul", graph.op("Abs", value), graph.weight(1e-8))
    return graph.op("Mul", graph.op("Clip", small, graph.weight(1e-9), ""), graph.weight(1e8))


def _no_upper_limit(graph: Graph, value: str) -> str:
    return graph.op("Clip", value, graph.weight(0.0), graph.weight(np.finfo(np.float32).max))


def _exponentials(graph: Graph, value: str) -> str:
    raised = graph.op("Exp", graph.op("Mul", value, graph.weight(12.0)))
    return graph.op("Div", raised, graph.op("ReduceSum", raised, graph.weight([1], np.int64)))


@pytest.mark.parametrize(
    "middle",
    [
        _large_weight, _large_value, _large_square, _guarded_division, _guarded_by_a_limit, _no_upper_limit,
        _exponentials,
    ],
)  # fmt: skip
def test_values_that_float16_has_not_stay_in_float32(middle: Callable[[Graph, str], str]) -> None:
    model = _before_and_after(middle)
    half = convert(model, "fp16", pictures(2))
    assert FLOAT16 in types(half).values()
    assert furthest(model.SerializeToString(), half, pictures(5, seed=1)) < 5e-3
    assert all(np.isfinite(values).all() for values in weights(half).values())


def test_an_upper_limit_is_cut_and_keeps_its_node_in_float16() -> None:
    half = convert(_before_and_after(_no_upper_limit), "fp16")
    (clip,) = nodes(half, "Clip")
    assert weights(half)[clip.input[2]] == np.float16(65504)


def test_an_answer_that_is_not_finite_any_more_is_an_error() -> None:
    """That is the last check; values that are seen to be too large never come so far."""
    graph = Graph()
    scaled = graph.op("Mul", graph.conv("picture", 4), graph.weight(6e4))
    graph.op("Identity", graph.conv(scaled, 2, before=4), name="map")
    model = graph.model(map=[1, 2, SIDE, SIDE]).SerializeToString()
    from edge_agent.inference.conversion.onnx_model import read_model
    from edge_agent.inference.conversion.reference import Reference, compare
    from edge_agent.inference.conversion.type_change import change_types

    changed = read_model(model)
    assert change_types(changed, kept=()) == 4
    with pytest.raises(ComponentError, match=r"^the output 'map' is not finite any more .*; use precision fp32$"):
        compare(Reference(model), Reference(with_roundings(changed).SerializeToString()), pictures(1))


def test_graphs_inside_nodes_stay_as_they_are() -> None:
    """An If whose branches read values of the graph around it, its weights among them."""
    graph = Graph()
    seen, slope = graph.op("Tanh", graph.conv("picture", 4)), graph.weight(np.full((4, 1, 1), 0.3))
    branches = [
        helper.make_graph(
            [helper.make_node(kind, [seen, slope], [kind])],
            kind,
            [],
            [helper.make_tensor_value_info(kind, FLOAT, None)],
        )
        for kind in ("Mul", "PRelu")
    ]
    is_bright = graph.op("Greater", graph.op("ReduceMean", "picture", keepdims=0), graph.weight(0.0))
    chosen = graph.op("If", is_bright, then_branch=branches[0], else_branch=branches[1])
    inner = graph.op("Mul", graph.op("Relu", chosen), slope)
    graph.op("Identity", graph.conv(inner, 2, before=4), name="map")
    model = graph.model(map=[1, 2, SIDE, SIDE])
    both = [np.full((1, 3, SIDE, SIDE), value, np.float32) for value in (-1, 1)]
    half = convert(model, "fp16", both)
    assert furthest(model.SerializeToString(), half, both) < 5e-3
    assert FLOAT16 in types(half).values()


def test_outputs_that_are_read_inside_too_and_inputs_of_pixels() -> None:
    graph = Graph(dtype=TensorProto.UINT8)
    seen = graph.op("Relu", graph.conv(graph.op("Cast", "picture", to=FLOAT), 4), name="features")
    graph.op("Identity", graph.conv(seen, 2, before=4), name="map")
    model = graph.model(map=[1, 2, SIDE, SIDE], features=[1, 4, SIDE, SIDE])
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, SIDE, SIDE), np.uint8)
    half = convert(model, "fp16")
    assert signature(half) == signature(model.SerializeToString())
    before, after = run(model.SerializeToString(), pixels), run(half, pixels)
    for name in ("map", "features"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-2, atol=0.5)


def test_int8_is_what_tensorrt_takes() -> None:
    model = network(normalised=True)
    quantised = convert(model, "int8", pictures(8))
    assert signature(quantised) == signature(model)
    found, constants = types(quantised), weights(quantised)
    pairs = nodes(quantised, "QuantizeLinear", "DequantizeLinear")
    assert not any(constants[node.input[2]].any() for node in pairs if len(node.input) > 2)
    made = {name: node for node in onnx.load_from_string(quantised).graph.node for name in node.output}
    for node in nodes(quantised, "Conv"):
        picture, kernel, bias = node.input
        assert made[picture].op_type == made[kernel].op_type == "DequantizeLinear"
        assert found[made[picture].input[0]] == found[made[kernel].input[0]] == INT8
        assert constants[made[kernel].input[1]].shape == constants[bias].shape, "a scale for each channel"
        assert constants[bias].dtype == np.float32
        readers = [other.op_type for other in made.values() if node.output[0] in other.input]
        assert "QuantizeLinear" not in readers, "nothing stands between a convolution and what follows"
    assert nodes(quantised, "Gemm")[0].input[1] in constants, "matrix products are not quantised"
    assert 0 < furthest(model, quantised, pictures(5, seed=1)) < 0.05


def test_a_tensor_that_is_filled_again_and_again_calibrates_as_if_it_were_not() -> None:
    samples = pictures(4)
    told: list[str] = []

    def reused() -> Iterator[Tensor]:
        tensor = np.empty_like(samples[0])
        for sample in samples:
            tensor[:] = sample
            yield tensor

    data = convert_precision(network(), "int8", reused, told.append)
    assert data == convert(network(), "int8", samples)
    assert told[:4] == [f"int8: calibrating with sample {number} of 4" for number in range(1, 5)]
    assert told[-1].startswith("int8: 3 convolutions; off from float32 by at most ")


@pytest.mark.parametrize("samples", [None, lambda: iter(())])
def test_int8_without_samples_says_what_to_do(samples: Any) -> None:
    with pytest.raises(
        ComponentError, match=r"^precision int8 needs sample pictures .*; add golden samples to it, or use precision"
    ):
        convert_precision(network(), "int8", samples, lambda text: None)


def test_a_model_without_convolutions_is_not_quantised() -> None:
    graph = Graph()
    graph.op("ReduceMean", "picture", name="score", keepdims=0)
    with pytest.raises(ComponentError, match="has no convolutions that could be quantised; use precision fp16"):
        convert(graph.model(score=[]), "int8", pictures(1))


def test_an_old_set_of_operators_is_brought_to_one_that_quantises_by_channel() -> None:
    quantised = convert(network(11), "int8", pictures(4))
    assert {entry.version for entry in onnx.load_from_string(quantised).opset_import if entry.domain == ""} == {13}
    assert furthest(network(11), quantised, pictures(3)) < 0.05


def test_a_model_that_is_quantised_in_tensorrts_way_stays_as_it_is() -> None:
    quantised = convert(network(), "int8", pictures(4))
    assert convert(quantised, "int8") == quantised


def _for_the_processor(model: bytes, folder: Path) -> bytes:
    class Reader(CalibrationDataReader):  # type: ignore[misc]
        left = iter(pictures(8))

        def get_next(self) -> Any:
            return next(({"picture": picture} for picture in self.left), None)

    loaded = onnx.load_from_string(model)
    loaded.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    onnx.save(loaded, folder / "model.onnx")
    quantize_static(
        str(folder / "model.onnx"), str(folder / "q.onnx"), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, op_types_to_quantize=["Conv", "Relu"],
    )  # fmt: skip
    return (folder / "q.onnx").read_bytes()


@pytest.mark.parametrize("precision", ["fp32", *REDUCED])
def test_quantisation_that_tensorrt_refuses_is_taken_out_first(tmp_path: Path, precision: Precision) -> None:
    """Its pairs of nodes have taken the place of the ReLUs, whose limits must stay."""
    model = _for_the_processor(network(), tmp_path)
    assert TensorProto.UINT8 in types(model).values()
    assert nodes(model, "Relu") == []
    changed = convert(model, precision, pictures(4))
    assert TensorProto.UINT8 not in types(changed).values()
    assert (INT8 in types(changed).values()) == (precision == "int8")
    assert furthest(model, changed, pictures(5, seed=1)) < (0.05 if precision == "int8" else 0.02)


@pytest.mark.parametrize("shown", ["largest", "integers"])
def test_integers_that_are_used_otherwise_are_told(shown: str) -> None:
    graph = Graph()
    scale, zero = graph.weight(0.02), graph.weight(128, np.uint8)
    graph.op("QuantizeLinear", graph.conv("picture", 4), scale, zero, name="integers")
    graph.op("MaxPool", "integers", name="largest", kernel_shape=[3, 3], pads=[1] * 4)
    graph.op("DequantizeLinear", shown, scale, zero, name="map")
    model = graph.model(map=[1, 4, SIDE, SIDE])
    with pytest.raises(
        ComponentError, match=r"^the integers '\w+' are used otherwise .*; export the model in float32$"
    ):
        convert(model, "fp16")


def test_a_model_in_float16_stays_or_is_refused() -> None:
    half = convert(network(), "fp16")
    assert convert(half, "fp16") == half
    with pytest.raises(ComponentError, match=r"is in float16, .*; export it in float32, or use precision fp16"):
        convert(half, "int8", pictures(1))


def _beside() -> bytes:
    model = onnx.load_from_string(network())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    return bytes(model.SerializeToString())


def _with_integers() -> bytes:
    graph = Graph(dtype=TensorProto.UINT8)
    integers = graph.op("ConvInteger", "picture", graph.weight(np.ones((2, 3, 1, 1)), np.uint8))
    graph.op("Cast", integers, name="map", to=FLOAT)
    return bytes(graph.model(map=[1, 2, SIDE, SIDE]).SerializeToString())


def _with_two_inputs() -> bytes:
    model = onnx.load_from_string(network())
    model.graph.input.append(helper.make_tensor_value_info("other", FLOAT, [1]))
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("precision", REDUCED)
@pytest.mark.parametrize(
    ("model", "said"),
    [
        (b"", r"is not an ONNX file: it holds no graph"),
        (b"not an onnx file", r"is not an ONNX file: \S"),
        (network()[:-100], r"is not an ONNX file: \S"),
        (_beside(), r"the weights 'w0' lie in another file than the model, expected one file; "),
        (_with_integers(), r"is quantised with the operator ConvInteger, expected QuantizeLinear and Dequantize"),
        (_with_two_inputs(), r"has the inputs 'picture', 'other', expected one"),
        (network(shape=[2, 3, SIDE, SIDE]), r"can't be run on a sample: "),
    ],
)
def test_what_cant_be_converted_is_told_in_one_sentence(precision: Precision, model: bytes, said: str) -> None:
    with pytest.raises(ComponentError, match=said) as caught:
        convert(model, precision, pictures(1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("precision", "module"), [("fp16", "onnx"), ("int8", "onnxruntime.quantization")])
def test_a_missing_module_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, precision: Precision, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("half_precision", "onnx_model", "quantized", "symmetric_int8"):
        monkeypatch.delitem(sys.modules, f"edge_agent.inference.conversion.{name}", raising=False)
        monkeypatch.delattr(f"edge_agent.inference.conversion.{name}", raising=False)
    with pytest.raises(
        ComponentError, match=rf"^precision {precision} needs the Python module '{module}'; .*its extra \[gpu\]$"
    ):
        convert_precision(network(), precision, None, lambda text: None)
