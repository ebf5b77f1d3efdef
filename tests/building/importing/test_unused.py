"""What a file has and nobody uses: outputs that are no tensors, versions that are newer than what is used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edge_agent.building.importing.draft import Wanted, WantedOnnx
from edge_agent.errors import ImportFailed
from tests.building.importing.formats import IMAGE, Served, imported, model, pictures
from tests.building.importing.test_any_onnx import classifier, write

WANTED = Wanted(IMAGE, 0.5)
FIRST = WantedOnnx(score_index=1, activation="softmax")


def with_useless_outputs() -> ModelProto:
    """The shared classifier, which also answers with a sequence, a string, and by an operator that nobody has."""
    graph = classifier()
    graph.graph.node.extend(
        [
            helper.make_node("SequenceConstruct", ["logits", "logits"], ["many"]),
            helper.make_node("Constant", [], ["word"], value_string="good"),
            helper.make_node("Foo", ["logits"], ["odd"], domain="com.acme"),
        ]
    )
    graph.opset_import.add(domain="com.acme", version=1)
    graph.graph.output.extend(
        [
            helper.make_tensor_sequence_value_info("many", TensorProto.FLOAT, [1, 2]),
            helper.make_tensor_value_info("word", TensorProto.STRING, []),
            helper.make_tensor_value_info("odd", TensorProto.FLOAT, [1, 2]),
        ]
    )
    return graph


def test_outputs_that_nobody_uses_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "net.onnx", with_useless_outputs())
    onnx_flags = FIRST._replace(score_output="logits", mask_output=None)
    with pytest.raises(ImportFailed, match=r"uses the operator 'Foo' of the domain 'com\.acme', and ONNX Runtime"):
        imported(path, tmp_path / "models", WANTED, FIRST)
    result = imported(path, tmp_path / "models", WANTED, onnx_flags)
    assert result.manifest.training["imported"]["dropped"] == ["many", "word"]
    written = onnx.load(result.folder / "model.onnx")
    assert len(written.graph.output) == 1
    assert not {"Foo", "SequenceConstruct"} & {node.op_type for node in written.graph.node}
    plain = imported(write(tmp_path / "plain.onnx", classifier()), tmp_path / "plain", WANTED, FIRST)
    for picture in pictures():
        assert Served(result.folder)(picture)[0].score == Served(plain.folder)(picture)[0].score


def test_nothing_but_useless_outputs(tmp_path: Path) -> None:
    graph = with_useless_outputs()
    del graph.graph.output[0], graph.graph.output[2]
    with pytest.raises(
        ImportFailed, match=r"answers only with 'many' \(sequence\), 'word' \(strings\), expected a tensor"
    ):
        imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", WANTED)


@pytest.mark.parametrize(
    ("ir", "opset", "lowered"),
    [
        (99, 17, ["IR version 99 to 8"]),
        (8, 99, ["opset 99 to 17"]),
        (13, 21, ["opset 21 to 17", "IR version 13 to 8"]),
        (8, 17, None),
        (7, 13, None),
    ],
)
def test_versions_that_are_newer_than_what_is_used_are_lowered(
    tmp_path: Path, ir: int, opset: int, lowered: list[str] | None
) -> None:
    graph = classifier(opset=opset)
    graph.ir_version = ir
    result = imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", WANTED, FIRST)
    assert result.manifest.training["imported"].get("lowered") == lowered
    written = onnx.load(result.folder / "model.onnx")
    assert (written.ir_version, written.opset_import[0].version) == (min(ir, 8), min(opset, 17))
    plain = imported(write(tmp_path / "plain.onnx", classifier()), tmp_path / "plain", WANTED, FIRST)
    for picture in pictures():
        assert Served(result.folder)(picture)[0].score == Served(plain.folder)(picture)[0].score


@pytest.mark.parametrize("opset", [21, 28, 99])
def test_a_stamp_that_the_nodes_themselves_contradict(tmp_path: Path, opset: int) -> None:
    """ReduceMax has its axes as an attribute, as it had them up to opset 17, whatever the stamp says."""
    nodes = [helper.make_node("ReduceMax", ["x"], ["score"], axes=[1, 2, 3], keepdims=0)]
    graph = model(nodes, {"x": [1, 3, 32, 48]}, {"score": [1]}, opset=opset)
    result = imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", WANTED)
    assert result.manifest.training["imported"]["lowered"] == [f"opset {opset} to 17"]


def test_a_version_that_is_needed_stays(tmp_path: Path) -> None:
    """ReduceMean takes its axes as an input since opset 18, and Gelu is an operator since 20."""
    axes = numpy_helper.from_array(np.array([1, 2, 3], np.int64), "axes")
    nodes = [
        helper.make_node("Gelu", ["x"], ["bent"]),
        helper.make_node("ReduceMean", ["bent", "axes"], ["score"], keepdims=0),
    ]
    graph = model(nodes, {"x": [1, 3, 32, 48]}, {"score": [1]}, [axes], opset=22)
    result = imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", WANTED)
    assert result.manifest.training["imported"]["lowered"] == ["opset 22 to 20"]


def test_sets_of_operators_that_nobody_uses_are_left_out(tmp_path: Path) -> None:
    graph = classifier()
    graph.opset_import.add(domain="ai.onnx.ml", version=99)
    graph.opset_import.add(domain="com.acme", version=3)
    result = imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", WANTED, FIRST)
    assert [entry.domain for entry in onnx.load(result.folder / "model.onnx").opset_import] == [""]


def mixed() -> ModelProto:
    weight = numpy_helper.from_array(np.ones((1, 3, 3, 3), np.float16), "weight")
    nodes = [
        helper.make_node("Conv", ["x", "weight"], ["found"], name="first"),
        helper.make_node("ReduceMax", ["found"], ["score"], keepdims=0),
    ]
    return model(nodes, {"x": [1, 3, 64, 64]}, {"score": []}, [weight])


def without_kernel(kind: int) -> ModelProto:
    nodes = [
        helper.make_node("Cast", ["x"], ["other"], to=kind),
        helper.make_node("Relu" if kind == TensorProto.BFLOAT16 else "HardSwish", ["other"], ["bent"], name="bend"),
        helper.make_node("Cast", ["bent"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["real"], ["score"], keepdims=0),
    ]
    return model(nodes, {"x": [1, 3, 64, 64]}, {"score": []})


def foreign() -> ModelProto:
    nodes = [
        helper.make_node("GridSampler", ["x"], ["y"], domain="mmdeploy"),
        helper.make_node("ReduceMax", ["y"], ["score"]),
    ]
    graph = model(nodes, {"x": [1, 3, 64, 64]}, {"score": []})
    graph.opset_import.add(domain="mmdeploy", version=1)
    return graph


@pytest.mark.parametrize(
    ("graph", "sentence"),
    [
        (mixed(), "mixes float32 and float16 at the node 'first', where ONNX Runtime"),
        (without_kernel(TensorProto.BFLOAT16), "wants Relu at the node 'bend' in bfloat16, which ONNX Runtime"),
        (foreign(), "uses the operator 'GridSampler' of the domain 'mmdeploy', and ONNX Runtime"),
    ],
)
def test_our_sentence_stands_before_the_librarys(tmp_path: Path, graph: ModelProto, sentence: str) -> None:
    with pytest.raises(ImportFailed) as caught:
        imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", WANTED)
    text = str(caught.value)
    assert text.startswith(f"the model {sentence}")
    assert text.index(sentence) < text.index("(ONNX Runtime: ")
    assert "onnxruntime_src" not in text
