"""What ONNX Runtime says becomes what the file asks and what the runtime takes; its own words stand behind."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest

from edge_agent.errors import ComponentError
from edge_agent.inference.engines.engine import load_on_processor
from edge_agent.inference.engines.refusals import explain
from tests.support.fakes import echo_graph

RUNTIME = f"ONNX Runtime {onnxruntime.__version__}"


def refusal(tmp_path: Path, model: onnx.ModelProto) -> str:
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ComponentError) as caught:
        load_on_processor(tmp_path / "model.onnx")
    return str(caught.value)


@pytest.mark.parametrize("what", ["ir", "opset", "ml", "domain", "attribute", "cut off"])
def test_the_sentence_comes_first(tmp_path: Path, what: str) -> None:
    """On a device, where nothing is lowered: these files were not imported."""
    model = onnx.load_model_from_string(echo_graph(64, 64, segmentation=True))
    if what == "ir":
        model.ir_version = 99
        said = refusal(tmp_path, model)
        assert said.startswith(f"model.onnx asks for IR version 99, {RUNTIME} takes up to ")
    elif what == "opset":
        model.opset_import[0].version = 99
        said = refusal(tmp_path, model)
        assert said.startswith(f"model.onnx asks for opset 99, {RUNTIME} takes up to ")
    elif what == "ml":
        model.opset_import.add(domain="ai.onnx.ml", version=99)
        said = refusal(tmp_path, model)
        assert said.startswith(f"model.onnx asks for opset 99 of ai.onnx.ml, {RUNTIME} takes up to ")
    elif what == "domain":
        model.opset_import.add(domain="com.acme", version=1)
        model.graph.node[0].domain = "com.acme"
        said = refusal(tmp_path, model)
        assert said.startswith("model.onnx uses the operator '")
        assert "of the domain 'com.acme'" in said
    elif what == "attribute":
        node = next(node for node in model.graph.node if node.op_type == "ReduceMean")
        node.attribute.append(onnx.helper.make_attribute("sharpness", 1))
        said = refusal(tmp_path, model)
        assert said.startswith("model.onnx gives 'sharpness' to the operator ReduceMean")
    else:
        (tmp_path / "model.onnx").write_bytes(model.SerializeToString()[:-20])
        with pytest.raises(ComponentError) as caught:
            load_on_processor(tmp_path / "model.onnx")
        said = str(caught.value)
        assert said.startswith("model.onnx is cut off or no ONNX file")
    assert said.index("(ONNX Runtime: ") > 20
    assert "\n" not in said


def test_what_is_not_known_is_passed_on() -> None:
    assert explain("something odd", "model.onnx", "1.2") == "ONNX Runtime can't load model.onnx: something odd"
