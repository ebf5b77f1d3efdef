"""The files that an ONNX file names, wherever in it they are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edge_agent.component.manifest import Artifact, decode_manifest
from edge_agent.component.writing import write_component
from edge_agent.errors import ComponentError
from edge_agent.inference.engines.onnx_references import check_references
from edge_agent.serving.catalogue.catalogue import Catalogue
from tests.support.fakes import echo_fields, echo_graph, write_echo


def _elsewhere(location: str) -> TensorProto:
    tensor = numpy_helper.from_array(np.zeros(1, np.float32), "weights")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="offset", value="0")
    tensor.external_data.add(key="location", value=location)
    return tensor


def _in_initializer(model: ModelProto, tensor: TensorProto) -> None:
    model.graph.initializer.append(tensor)


def _in_attribute(model: ModelProto, tensor: TensorProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["weights"], value=tensor))


def _in_list(model: ModelProto, tensor: TensorProto) -> None:
    model.graph.node.append(helper.make_node("Custom", [], ["weights"], domain="custom", tensors=[tensor]))


def _in_branch(model: ModelProto, tensor: TensorProto) -> None:
    inner = helper.make_graph([helper.make_node("Constant", [], ["weights"], value=tensor)], "inner", [], [])
    outer = helper.make_graph([helper.make_node("If", ["x"], ["y"], then_branch=inner)], "outer", [], [])
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=outer))


def _in_function(model: ModelProto, tensor: TensorProto) -> None:
    node = helper.make_node("Constant", [], ["weights"], value=tensor)
    model.functions.append(helper.make_function("custom", "f", [], ["weights"], [node], []))


def _in_sparse(model: ModelProto, tensor: TensorProto) -> None:
    sparse = onnx.SparseTensorProto(values=tensor, dims=[1])
    model.graph.sparse_initializer.append(sparse)


def _in_training(model: ModelProto, tensor: TensorProto) -> None:
    model.training_info.add().algorithm.initializer.append(tensor)


PLACES = [_in_initializer, _in_attribute, _in_list, _in_branch, _in_function, _in_sparse, _in_training]


def _check(tmp_path: Path, model: ModelProto, *artifacts: str) -> None:
    folder = write_echo(tmp_path)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    manifest = decode_manifest((folder / "manifest.json").read_bytes(), source="test")
    others = tuple(Artifact(path=path, sha256="0" * 64) for path in artifacts)
    check_references(folder, msgspec.structs.replace(manifest, artifacts=manifest.artifacts + others))


@pytest.mark.parametrize("put", PLACES)
def test_weights_in_another_file_have_to_be_artifacts(
    tmp_path: Path, put: Callable[[ModelProto, TensorProto], None]
) -> None:
    model = onnx.load_model_from_string(echo_graph(64, 64, segmentation=True))
    _check(tmp_path, model)
    put(model, _elsewhere("weights.bin"))
    _check(tmp_path, model, "weights.bin")
    with pytest.raises(ComponentError) as refused:
        _check(tmp_path, model, "other.bin")
    expected = "weights of model.onnx lie in the file 'weights.bin', which is not among the artifacts"
    assert str(refused.value) == expected


@pytest.mark.parametrize("location", ["/etc/passwd", "../1.0.1/weights.bin", "x/../../weights.bin", ""])
def test_files_outside_of_the_component_are_refused(tmp_path: Path, location: str) -> None:
    model = onnx.load_model_from_string(echo_graph(64, 64, segmentation=True))
    _in_initializer(model, _elsewhere(location))
    with pytest.raises(ComponentError, match="not among the artifacts"):
        _check(tmp_path, model, "weights.bin")


def test_a_name_may_be_written_in_several_ways(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(echo_graph(64, 64, segmentation=True))
    _in_initializer(model, _elsewhere("./data//weights.bin"))
    _check(tmp_path, model, "data/weights.bin")


def test_an_engine_inside_the_file_is_refused(tmp_path: Path) -> None:
    """ONNX Runtime would open the file that it names."""
    model = onnx.load_model_from_string(echo_graph(64, 64, segmentation=True))
    model.graph.node.append(helper.make_node("EPContext", [], [], domain="com.microsoft", ep_cache_context="x.engine"))
    with pytest.raises(ComponentError, match=r"^model\.onnx is not an ONNX model: it holds an engine \(EPContext\)"):
        _check(tmp_path, model)


def test_the_catalogue_says_so(tmp_path: Path) -> None:
    model = onnx.load_model_from_string(echo_graph(64, 64, segmentation=True))
    _in_initializer(model, _elsewhere("weights.bin"))
    write_component(tmp_path, {"model.onnx": model.SerializeToString()}, **echo_fields("echo", 64, 64))
    entry = Catalogue([tmp_path], {}).scan()["echo"]
    assert entry.component is None
    assert "'weights.bin', which is not among the artifacts" in entry.problem
