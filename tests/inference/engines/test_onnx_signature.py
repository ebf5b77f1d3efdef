"""Inputs and outputs read from the file agree with ONNX's own reader and with ONNX Runtime."""

from __future__ import annotations

import random
from pathlib import Path

import onnx
import pytest

from edge_agent.component.manifest import Outputs, ScoreOutput
from edge_agent.component.writing import write_component
from edge_agent.errors import ComponentError
from edge_agent.inference.engines.engine import load_on_processor
from edge_agent.inference.engines.onnx_signature import read_signature
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.inference.engines.signature import TensorSpec
from edge_agent.inference.imaging.resize import ArrayPixels
from edge_agent.inference.loading import load_pipeline
from edge_agent.serving.catalogue.catalogue import read_component
from tests.support.fakes import echo_fields, echo_graph, picture


def test_it_agrees_with_the_engine(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(echo_graph(64, 70, segmentation=True))
    assert read_signature(path) == load_on_processor(path).signature


def test_it_agrees_with_the_engine_on_the_reference_model(cookies: Path) -> None:
    path = cookies / "models" / "cookies" / "model.onnx"
    signature = read_signature(path)
    assert signature == load_on_processor(path).signature
    assert signature.inputs == (TensorSpec("input", "float32", (1, 3, 384, 288)),)


def test_free_dimensions_missing_shapes_and_weights_among_the_inputs(tmp_path: Path) -> None:
    make = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [make("x", onnx.TensorProto.FLOAT16, ["batch", 3, None]), make("w", onnx.TensorProto.FLOAT16, [1])],
        [make("y", onnx.TensorProto.INT64, None)],
        [onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT16, [1], [0.0])],
    )
    onnx.save(onnx.helper.make_model(graph), tmp_path / "m.onnx")
    signature = read_signature(tmp_path / "m.onnx")
    assert signature.inputs == (TensorSpec("x", "float16", (None, 3, None)),)
    assert signature.outputs == (TensorSpec("y", "int64", None),)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"not an onnx file", b"\xff" * 100, b"\x3a\xff\xff\xff\xff\x0f", b"\x08\x08"]
)
def test_other_files_are_refused_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(ComponentError, match=r"^model\.onnx is not an ONNX model: [^\n]+$"):
        read_signature(tmp_path / "model.onnx")


def test_damaged_files_are_refused_or_read_but_never_worse(tmp_path: Path) -> None:
    good, rng = echo_graph(64, 64, segmentation=True), random.Random(1)
    path = tmp_path / "model.onnx"
    refused = 0
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data[: rng.randint(1, len(data))])
        try:
            read_signature(path)
        except ComponentError:
            refused += 1
    assert refused > 50


def test_a_missing_engine_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "edge_agent.inference.engines.onnxruntime_cpu", raising=False)
    with pytest.raises(
        ComponentError, match=r"needs the Python module 'onnxruntime'; install edge-agent with .*\[cpu\]"
    ):
        load_on_processor(tmp_path / "x")


def _with_other_outputs() -> bytes:
    """The echo model, which also answers with a sequence and a string."""
    model = onnx.load_model_from_string(echo_graph(64, 64, segmentation=True))
    model.graph.node.extend(
        [
            onnx.helper.make_node("SequenceConstruct", ["score", "score"], ["many"]),
            onnx.helper.make_node("Constant", [], ["word"], value_string="good"),
        ]
    )
    model.graph.output.extend(
        [
            onnx.helper.make_tensor_sequence_value_info("many", onnx.TensorProto.FLOAT, None),
            onnx.helper.make_tensor_value_info("word", onnx.TensorProto.STRING, []),
        ]
    )
    return model.SerializeToString()


def test_outputs_that_are_no_tensors_of_numbers_are_read_and_ignored(tmp_path: Path) -> None:
    fields = echo_fields("echo", 64, 64)
    folder = write_component(tmp_path, {"model.onnx": _with_other_outputs()}, **fields)
    signature = read_signature(folder / "model.onnx")
    assert signature == load_on_processor(folder / "model.onnx").signature
    assert [(spec.name, spec.dtype) for spec in signature.outputs[2:]] == [("many", "sequence"), ("word", "string")]
    component = read_component(folder)
    pipeline = load_pipeline(folder, component.manifest, EngineOptions()).pipeline
    assert pipeline.run(ArrayPixels(picture(51))).verdict.score == pytest.approx(0.2, abs=1e-5)


@pytest.mark.parametrize(("name", "kind"), [("many", "sequence"), ("word", "string")])
def test_a_score_that_is_no_number_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    fields = echo_fields("echo", 64, 64) | {"outputs": Outputs(score=ScoreOutput(name=name))}
    fields |= {"task": "classification", "labels": ()}
    folder = write_component(tmp_path, {"model.onnx": _with_other_outputs()}, **fields)
    with pytest.raises(ComponentError, match=f"output '{name}' is a {kind}, the manifest expects a tensor of numbers"):
        read_component(folder)
