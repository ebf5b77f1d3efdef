"""Any ONNX file: what flags say, what the signature says, and one sentence for what nobody says."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from google.protobuf.message import EncodeError
from onnx import ModelProto, TensorProto, helper, load_model, numpy_helper

from edge_agent.building.importing import onnx_model
from edge_agent.building.importing.draft import Wanted, WantedOnnx
from edge_agent.errors import ImportFailed
from tests.building.importing.formats import (
    IMAGE,
    INPUT,
    Served,
    answer,
    colored,
    empty_mask,
    imported,
    model,
    network,
    pictures,
)

WANTED = Wanted(IMAGE, 0.5)


def write(path: Path, graph: ModelProto) -> Path:
    path.write_bytes(graph.SerializeToString())
    return path


def classifier(
    layout: str = "NCHW", dtype: int = TensorProto.FLOAT, batch: int = 1, *, squeezed: bool = False, opset: int = 17
) -> ModelProto:
    """Answers with the logits of the shared network's two classes."""
    width, height = INPUT
    shape = [batch, 3, height, width] if layout == "NCHW" else [batch, height, width, 3]
    axes = numpy_helper.from_array(np.array([0], np.int64), "squeezed_axis")
    nodes = [
        helper.make_node("Cast", ["x"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["real"], ["planes"], perm=[0, 1, 2, 3] if layout == "NCHW" else [0, 3, 1, 2]),
        helper.make_node("GlobalAveragePool", ["planes"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights"], ["all_logits"], transB=1),
        helper.make_node("Squeeze", ["all_logits", "squeezed_axis"], ["logits"]) if squeezed
        else helper.make_node("Identity", ["all_logits"], ["logits"]),
    ]  # fmt: skip
    weights = [numpy_helper.from_array(WEIGHTS, "weights"), axes]
    return model(nodes, {"x": shape}, {"logits": [2] if squeezed else [batch, 2]}, weights, {"x": dtype}, opset)


WEIGHTS = np.array([[-0.5, 1.0, -0.3], [1.5, -1.0, 0.5]], np.float32)


def logits(picture: Any, scale: float = 1 / 255, mean: Any = 0.0, std: Any = 1.0) -> Any:
    pixels = cv2.resize(picture, INPUT, interpolation=cv2.INTER_AREA).astype(np.float32)
    return WEIGHTS @ ((pixels * scale - np.array(mean)) / np.array(std)).mean(axis=(0, 1))


def softmax(values: Any) -> Any:
    return np.exp(values) / np.exp(values).sum()


@pytest.mark.parametrize(
    ("graph", "flags", "value"),
    [
        ({}, {"activation": "softmax"}, lambda p: softmax(logits(p))[1]),
        ({}, {"activation": "sigmoid"}, lambda p: 1 / (1 + np.exp(-logits(p)[1]))),
        ({}, {"calibration": (4.0, -0.5)}, lambda p: 1 / (1 + np.exp(0.5 - 4 * logits(p)[1]))),
        ({}, {"activation": "softmax", "score_index": 0}, lambda p: softmax(logits(p))[0]),
        ({"layout": "NHWC"}, {"activation": "softmax"}, lambda p: softmax(logits(p))[1]),
        ({"batch": 2}, {"activation": "softmax"}, lambda p: softmax(logits(p))[1]),
        ({"batch": 2, "layout": "NHWC"}, {"activation": "softmax", "bgr": True},
         lambda p: softmax(logits(p[..., ::-1]))[1]),
        ({"squeezed": True}, {"activation": "softmax"}, lambda p: softmax(logits(p))[1]),
        ({"opset": 13}, {"activation": "softmax"}, lambda p: softmax(logits(p))[1]),
        ({}, {"activation": "softmax", "bgr": True}, lambda p: softmax(logits(p[..., ::-1]))[1]),
        ({"dtype": TensorProto.FLOAT16}, {"activation": "softmax"}, lambda p: softmax(logits(p))[1]),
        ({"dtype": TensorProto.UINT8}, {"calibration": (0.03, -1.0)},
         lambda p: 1 / (1 + np.exp(1.0 - 0.03 * logits(p, 1.0)[1]))),
        ({}, {"activation": "softmax", "scale": 1 / 127.5, "mean": (1.0, 1.0, 1.0)},
         lambda p: softmax(logits(p, 1 / 127.5, 1.0))[1]),
        ({}, {"activation": "softmax", "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)},
         lambda p: softmax(logits(p, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)))[1]),
    ],
)  # fmt: skip
def test_a_classifier(tmp_path: Path, graph: dict[str, Any], flags: dict[str, Any], value: Any) -> None:
    onnx = WantedOnnx(**{"score_index": 1, **flags})
    result = imported(write(tmp_path / "net.onnx", classifier(**graph)), tmp_path / "models", WANTED, onnx)
    assert result.format == "onnx"
    served = Served(result.folder)
    scores = []
    for picture in pictures():
        scores.append(float(value(picture)))
        assert served(picture)[0].score == pytest.approx(scores[-1], abs=3e-3)
    assert max(scores) - min(scores) > 0.1, "pictures that all score the same show nothing"


def masks(kind: str) -> ModelProto:
    """The shared network, whose maps are given as they are, as numbers of classes, or as one map."""
    graph = network(["mask", "score"])
    height, width = INPUT[1] // 2, INPUT[0] // 2
    if kind == "class_ids":
        graph.graph.node.append(helper.make_node("ArgMax", ["mask"], ["out"], axis=1, keepdims=0))
        output = helper.make_tensor_value_info("out", TensorProto.INT64, [1, height, width])
    elif kind == "anomaly_map":
        graph.graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "second"))
        graph.graph.node.append(helper.make_node("Gather", ["mask", "second"], ["out"], axis=1))
        output = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 1, height, width])
    else:
        return graph
    del graph.graph.output[0]
    graph.graph.output.append(output)
    return graph


@pytest.mark.parametrize(
    ("kind", "flags", "labels"),
    [
        ("class_scores", {}, ()),
        ("class_ids", {}, (("red", "#23A436"), ("blue", "#14A3B3"))),
        ("anomaly_map", {"pixel_threshold": 0.3}, ()),
    ],
)
def test_masks(tmp_path: Path, kind: str, flags: dict[str, Any], labels: Any) -> None:
    onnx = WantedOnnx(score_index=0, mask_output="mask" if kind == "class_scores" else "out", **flags)
    path = write(tmp_path / "net.onnx", masks(kind))
    served = Served(imported(path, tmp_path / "models", WANTED._replace(labels=labels), onnx).folder)
    assert served.manifest.outputs.mask is not None
    assert served.manifest.outputs.mask.kind == kind
    names = [label.name for label in served.manifest.labels]
    assert names == ["background", *{"class_scores": ["anomaly-1", "anomaly-2"], "class_ids": ["red", "blue"],
                                     "anomaly_map": ["anomaly"]}[kind]]  # fmt: skip
    for picture in pictures():
        maps, scores = answer(cv2.resize(picture, INPUT, interpolation=cv2.INTER_AREA).astype(np.float32) / 255)
        classes = maps.argmax(axis=0) if kind != "anomaly_map" else (maps[1] >= 0.3).astype(np.uint8)
        verdict, mask = served(picture)
        assert verdict.score == pytest.approx(float(scores[0]), abs=2e-3)
        assert mask is not None
        marks = colored(classes, ["#FFFFFF", "#23A436", "#14A3B3"], IMAGE)
        assert (mask != marks).any(axis=2).mean() < 0.01


def test_a_free_size(tmp_path: Path) -> None:
    graph = model(
        [helper.make_node("ReduceMean", ["x"], ["score"], keepdims=0)], {"x": ["n", 3, "h", "w"]}, {"score": []}
    )
    path = write(tmp_path / "net.onnx", graph)
    manifest = imported(path, tmp_path / "models", WANTED).manifest
    assert (manifest.input.width, manifest.input.height) == IMAGE
    manifest = imported(path, tmp_path / "models", WANTED, WantedOnnx(input_size=INPUT)).manifest
    assert (manifest.input.width, manifest.input.height) == INPUT
    assert (manifest.image.width, manifest.image.height) == IMAGE


def graph_of(inputs: dict[str, list[Any]], dtype: int = TensorProto.FLOAT) -> ModelProto:
    nodes = [
        helper.make_node("Cast", [next(iter(inputs))], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["score"], keepdims=0),
    ]
    return model(nodes, inputs, {"score": []}, types=dict.fromkeys(inputs, dtype))


def not_a_number() -> ModelProto:
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "mean"], ["zero"]),
        helper.make_node("Div", ["zero", "zero"], ["score"]),
    ]
    return model(nodes, {"x": [1, 3, 64, 64]}, {"score": []})


def infinite() -> ModelProto:
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "mean"], ["zero"]),
        helper.make_node("Div", ["mean", "zero"], ["score"]),
    ]
    return model(nodes, {"x": [1, 3, 64, 64]}, {"score": []})


def numbers_alone() -> ModelProto:
    node = helper.make_node("ArgMax", ["x"], ["class"], axis=1, keepdims=0)
    return model([node], {"x": [1, 3, 64, 64]}, {"class": [1, 64, 64]}, types={"class": TensorProto.INT64})


@pytest.mark.parametrize(
    ("graph", "wanted", "flags", "message"),
    [
        (classifier(), WANTED, {}, "--score-index is missing: which of the 2 values of 'logits'"),
        (classifier(), WANTED, {"score_index": 2}, "--score-index is 2, output 'logits' has 2 values"),
        (classifier(), Wanted(IMAGE), {"score_index": 1}, "--threshold is missing"),
        (classifier(), WANTED, {"score_output": "nothing"}, "'nothing', the model has the outputs logits"),
        (masks("class_ids"), WANTED, {"score_index": 0, "mask_output": "out"}, "--label NAME=#RRGGBB"),
        (masks("class_ids"), WANTED, {"score_output": "out"}, "'out' is int64 .* expected floats"),
        (masks("class_scores"), WANTED, {"score_index": 0, "mask_output": "mask", "mask_kind": "anomaly_map"},
         "which is no anomaly_map"),
        (masks("class_scores"), WANTED, {"score_index": 0, "mask_output": "mask", "pixel_threshold": 0.3},
         "is a map of class_scores"),
        (masks("class_scores"), WANTED, {"score_index": 0, "mask_kind": "class_scores"}, "without --mask-output"),
        (masks("class_scores"), Wanted(IMAGE, 0.5, (("a", "#102030"),)), {"score_index": 0}, "without --mask-output"),
        (classifier(), WANTED, {"score_index": 1, "layout": "NHWC"}, "--layout is NHWC, the model's input is 'x'"),
        (classifier(), WANTED, {"score_index": 1, "input_size": (64, 64)}, "--input-size is 64x64, the model's input"),
        (classifier(), Wanted((20, 20), 0.5), {"score_index": 1}, "20x20 can't be served, expected 64 to 4096"),
        (classifier(), WANTED, {"score_index": 1, "std": (1.0, 0.0, 1.0)}, "can be divided by"),
        (classifier(dtype=TensorProto.UINT8), WANTED, {"score_index": 1, "scale": 0.5}, "the pixels as they are"),
        (graph_of({"x": [1, 1, 64, 64]}), WANTED, {}, r"'x' float32 \[1, 1, 64, 64\], expected"),
        (graph_of({"x": [1, 12]}), WANTED, {}, r"\[1, 12\], expected"),
        (graph_of({"x": [1, 3, 64, 64]}, TensorProto.INT64), WANTED, {}, "int64"),
        (graph_of({"x": [1, 3, 64, 64], "y": [1]}), WANTED, {}, "has the inputs 'x', 'y', expected one"),
        (not_a_number(), WANTED, {}, "not a number"),
        (infinite(), WANTED, {}, "the model's score is infinite"),
        (graph_of({"x": [1, 3, 64, 64]}), WANTED, {"activation": "softmax"}, "1 for every picture; expected sigmoid"),
        (graph_of({"x": [1, 3, "h", "w"]}), WANTED, {"input_size": (99999, 99999)}, "99999x99999, expected 1 to 4096"),
        (graph_of({"x": [1, 3, 5000, 64]}), WANTED, {}, "64x5000, expected 1 to 4096"),
        (graph_of({"x": [1, 3, "h", "w"]}), Wanted((9, 99999), 0.5), {}, "9x99999 can't be served"),
        (graph_of({"x": [100000, 3, 64, 64]}), WANTED, {}, "a batch of 100000, expected 1 to 64"),
        (graph_of({"x": [64, 3, 4096, 4096]}), WANTED, {}, "wants 64 pictures of 4096x4096 at once, expected at most"),
        (empty_mask(), WANTED, {"mask_output": "mask"}, r"'mask' is float32 \[1, 3, 0, 48\], which is no class_scores"),
        (numbers_alone(), WANTED, {}, r"answers with 'class' int64 \[1, 64, 64\], expected an output of floats"),
        (classifier(opset=10), WANTED, {}, "has opset 10; export it again with opset 11"),
    ],
)  # fmt: skip
def test_what_can_not_be_used_is_said(
    tmp_path: Path, graph: ModelProto, wanted: Wanted, flags: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImportFailed, match=message) as caught:
        imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", wanted, WantedOnnx(**flags))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(("layout", "shape"), [("NCHW", [1, 3, 72, 120]), ("NHWC", [1, 72, 120, 3])])
def test_a_layout_that_the_shape_leaves_open(tmp_path: Path, layout: Any, shape: list[int]) -> None:
    path = write(tmp_path / "net.onnx", graph_of({"x": ["n", "a", "b", "c"]}))
    result = imported(path, tmp_path / "models", WANTED, WantedOnnx(layout=layout))
    assert result.manifest.input.layout == layout
    entry = load_model(str(result.folder / "model.onnx")).graph.input[0]
    assert [dimension.dim_value for dimension in entry.type.tensor_type.shape.dim] == shape


@pytest.mark.parametrize(
    ("graph", "flags", "note"),
    [
        (classifier(), {"score_index": 0, "mean": (3.0, 3.0, 3.0)}, "the score of the golden sample is -"),
        (classifier(), {"score_index": 0, "activation": "softmax"}, None),
        (classifier(), {"score_index": 0, "calibration": (1.0, 0.0)}, None),
        (network(["mask", "score"]), {"score_index": 0}, "no mask is made, though an output may be one: --mask-output"),
        (network(["mask", "score"]), {"score_index": 0, "mask_output": "mask"}, None),
    ],
)
def test_what_the_user_should_look_at(
    tmp_path: Path, graph: ModelProto, flags: dict[str, Any], note: str | None
) -> None:
    notes = imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", WANTED, WantedOnnx(**flags)).notes
    notes = tuple(found for found in notes if "hardly depends on the picture" not in found)  # test_probing.py
    assert [found[: len(note or "")] for found in notes] == ([] if note is None else [note])


def test_an_input_that_is_a_sequence_is_refused(tmp_path: Path) -> None:
    tensor = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 64, 64])
    sequence = helper.make_tensor_sequence_value_info("many", TensorProto.FLOAT, [1, 3, 64, 64])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, [])
    graph = helper.make_graph([helper.make_node("ReduceMean", ["x"], ["score"])], "small", [tensor, sequence], [score])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(ImportFailed, match="the input 'many' is a sequence, expected a tensor"):
        imported(write(tmp_path / "net.onnx", made), tmp_path / "models", WANTED)


def test_a_message_of_the_engine_names_no_temporary_file(tmp_path: Path) -> None:
    broken = model([helper.make_node("NoSuchOperator", ["x"], ["y"])], {"x": [1, 3, 64, 64]}, {"y": [1]})
    with pytest.raises(ImportFailed, match="uses the operator 'NoSuchOperator', which ONNX Runtime") as caught:
        imported(write(tmp_path / "net.onnx", broken), tmp_path / "models", WANTED)
    assert tempfile.gettempdir() not in str(caught.value).replace(str(tmp_path), "")


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.onnx")
    result = imported(write(path, network(["score"])), tmp_path / "models", WANTED, WantedOnnx(score_index=0))
    assert Served(result.folder).manifest.training["imported"]["source"] == "caf\\xe9.onnx"


def test_a_model_too_large_for_one_message() -> None:
    class Large:
        def SerializeToString(self) -> bytes:
            raise EncodeError("Failed to serialize proto")

    with pytest.raises(ImportFailed, match="one ONNX file holds less than 2 GiB"):
        onnx_model.encode(Large())  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"PK\x03\x04", b"\x08\x08:\x05hello", bytes(range(256)) * 40])
def test_files_that_are_no_models(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(ImportFailed, match="is not an ONNX model"):
        imported(tmp_path / "net.onnx", tmp_path / "models", WANTED)


def test_a_model_that_is_cut_off(tmp_path: Path) -> None:
    data = classifier().SerializeToString()
    for length in range(1, len(data), 40):
        (tmp_path / "net.onnx").write_bytes(data[:length])
        with pytest.raises(ImportFailed):
            imported(tmp_path / "net.onnx", tmp_path / "models", WANTED, WantedOnnx(score_index=1))


def test_names_of_our_own_nodes_do_not_collide(tmp_path: Path) -> None:
    """An imported model can be imported again."""
    flags = WantedOnnx(score_index=1, activation="softmax")
    folder = imported(write(tmp_path / "net.onnx", classifier()), tmp_path / "models", WANTED, flags).folder
    again = imported(folder / "model.onnx", tmp_path / "again", WANTED).folder
    for picture in pictures():
        assert Served(again)(picture)[0].score == pytest.approx(Served(folder)(picture)[0].score, abs=1e-6)
