"""A model whose answer is not a function of the picture does not start, and the nodes to blame are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, load_model_from_string, numpy_helper

from edge_agent.component.manifest import FILE_NAME, Golden, decode_manifest
from edge_agent.component.writing import write_component
from edge_agent.errors import ComponentError
from edge_agent.inference.engines.onnx_chance import find_chance
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.inference.imaging.resize import ArrayPixels
from edge_agent.inference.loading import load_pipeline
from edge_agent.inference.steadiness import check_steady
from tests.support.fakes import echo_fields, echo_graph, picture


def unsteady(how: str, *, batch: int | str = 1) -> ModelProto:
    """The echo model, with a node in front that answers by chance, or by what it was given before."""
    model = load_model_from_string(echo_graph(64, 64, segmentation=True, batch=batch))
    weights = {
        "scale": np.ones(3), "zero": np.zeros(3), "mean": np.full(3, 0.4), "variance": np.ones(3),
        "half": np.array(0.5),
    }  # fmt: skip
    for name, values in weights.items():
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    for name, on in (("on", True), ("off", False)):
        model.graph.initializer.append(numpy_helper.from_array(np.array(on), name))
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            if name == "picture":
                node.input[at] = "seen"
    nodes: dict[str, list[Any]] = {
        "BatchNormalization": [
            helper.make_node(
                "BatchNormalization", ["picture", "scale", "zero", "mean", "variance"], ["seen", "m", "v"], name="bn1",
                training_mode=1,
            )
        ],
        "Dropout": [helper.make_node("Dropout", ["picture", "half", "on"], ["seen"], name="drop")],
        "RandomNormalLike": [
            helper.make_node("RandomNormalLike", ["picture"], ["noise"], name="noise", scale=0.3),
            helper.make_node("Add", ["picture", "noise"], ["seen"]),
        ],
        "RandomUniform": [
            helper.make_node("RandomUniform", [], ["noise"], name="noise", shape=[1, 3, 1, 1], seed=3.0),
            helper.make_node("Mul", ["picture", "noise"], ["seen"]),
        ],
        "Bernoulli": [helper.make_node("Bernoulli", ["picture"], ["seen"], name="coin")],
    }  # fmt: skip
    for node in reversed(nodes[how]):
        model.graph.node.insert(0, node)
    return model


KINDS = ["BatchNormalization", "Dropout", "RandomNormalLike", "RandomUniform", "Bernoulli"]


def started(folder: Path, batch: int = 1) -> None:
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    load_pipeline(folder, manifest, EngineOptions(batch=batch))


@pytest.mark.parametrize("how", KINDS)
def test_it_does_not_start(tmp_path: Path, how: str) -> None:
    folder = write_component(tmp_path, {"model.onnx": unsteady(how).SerializeToString()}, **echo_fields("echo", 64, 64))
    with pytest.raises(ComponentError, match=r"a textured picture .* and then .*, with") as caught:
        started(folder)
    assert f"({how})" in str(caught.value)


def test_a_golden_sample_is_inspected_twice(tmp_path: Path) -> None:
    """Within its tolerance each time, and not the same."""
    import cv2

    ok, png = cv2.imencode(".png", picture(51))
    assert ok
    sample = Golden(image="golden.png", score=0.2, tolerance=1.0)
    files = {"model.onnx": unsteady("RandomUniform").SerializeToString(), "golden.png": png.tobytes()}
    folder = write_component(tmp_path, files, **echo_fields("echo", 64, 64), golden=(sample,))
    with pytest.raises(ComponentError, match=r"golden sample 'golden\.png' scores .* and then .*\(RandomUniform\)"):
        started(folder)
    folder = write_component(
        tmp_path, files, **echo_fields("echo", 64, 64), golden=(Golden(image="golden.png", score=0.9, tolerance=0.0),)
    )
    with pytest.raises(ComponentError, match=r"expected 0\.9000 within 0, and another each time: 'noise'"):
        started(folder)


def test_pictures_of_a_batch_that_influence_each_other_by_training_are_refused(tmp_path: Path) -> None:
    """Where the running values are kept apart, a single picture is answered the same, and a batch is not."""
    model = unsteady("BatchNormalization", batch="batch")
    model.graph.node[0].attribute.append(helper.make_attribute("momentum", 1.0))
    folder = write_component(tmp_path, {"model.onnx": model.SerializeToString()}, **echo_fields("echo", 64, 64))
    with pytest.raises(ComponentError, match=r"'bn1' \(BatchNormalization\)"):
        started(folder, batch=4)


def test_a_start_takes_one_picture_more(tmp_path: Path) -> None:
    """It inspects three in any case, to be warm."""
    folder = write_component(
        tmp_path, {"model.onnx": echo_graph(64, 64, segmentation=True)}, **echo_fields("echo", 64, 64)
    )
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    from edge_agent.inference.engines.onnxruntime_cpu import OnnxRuntimeCpu

    calls = []
    run = OnnxRuntimeCpu.run

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return run(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnnxRuntimeCpu, "run", counted)
        load_pipeline(folder, manifest, EngineOptions())
    assert len(calls) == 4


def test_nodes_that_only_look_like_it_are_not_blamed(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Dropout", ["picture", "half", "off"], ["a"], name="resting"),
        helper.make_node("Dropout", ["a"], ["b"], name="old"),
        helper.make_node("Constant", [], ["never"], value=numpy_helper.from_array(np.array(False), "")),
        helper.make_node("Dropout", ["b", "half", "never"], ["c"], name="constant"),
        helper.make_node("BatchNormalization", ["c", "s", "s", "s", "s"], ["seen"], name="bn"),
    ]
    model = load_model_from_string(echo_graph(64, 64, segmentation=True))
    model.graph.initializer.append(numpy_helper.from_array(np.array(False), "off"))
    model.graph.node.extend(nodes)
    assert find_chance(model.SerializeToString()) == []
    (tmp_path / "model.onnx").write_bytes(b"no model")
    assert find_chance(tmp_path / "model.onnx") == []
    assert find_chance(tmp_path / "nothing") == []


def test_nodes_inside_others_are_found() -> None:
    inner = helper.make_graph(
        [helper.make_node("RandomNormal", [], ["r"], name="hidden", shape=[1])], "inner", [],
        [helper.make_tensor_value_info("r", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    model = load_model_from_string(echo_graph(64, 64, segmentation=True))
    model.graph.node.append(helper.make_node("If", ["on"], ["out"], then_branch=inner, else_branch=inner))
    assert [(node.operator, node.name) for node in find_chance(model.SerializeToString())][:1] == [
        ("RandomNormal", "hidden")
    ]


def test_the_check_itself_names_what_differs(tmp_path: Path) -> None:
    from edge_agent.inference.engines.engine import load_on_processor
    from edge_agent.inference.host import HostPipeline
    from edge_agent.inference.steadiness import Answered

    folder = write_component(
        tmp_path, {"model.onnx": echo_graph(64, 64, segmentation=True)}, **echo_fields("echo", 64, 64)
    )
    manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source="test")
    pipeline = HostPipeline(manifest, load_on_processor(folder / "model.onnx"))
    dark, bright = ArrayPixels(picture(51)), ArrayPixels(picture(204))
    verdict = pipeline.run(dark).verdict
    check_steady(pipeline, [Answered("it", dark, verdict)], "onnxruntime-cpu", folder / "model.onnx")
    with pytest.raises(ComponentError, match=r"it scores 0\.2000 and then 0\.8000.*no node is known to do that"):
        check_steady(pipeline, [Answered("it", bright, verdict)], "onnxruntime-cpu", folder / "model.onnx")
