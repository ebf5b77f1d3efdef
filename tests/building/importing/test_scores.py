"""Which value of an output is the score: of a map, of classes that the file names, and why boxes have none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edge_agent.building.importing.draft import Wanted, WantedOnnx
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.resize import U8
from tests.building.importing.formats import F32, IMAGE, INPUT, Served, imported, model, pictures
from tests.building.importing.test_any_onnx import classifier, write

WANTED = Wanted(IMAGE, 0.5)
#: classes x channels of a map: red, green, blue
WEIGHTS = np.array([[1.0, -0.5, -0.3], [-0.5, 1.0, 0.1], [-0.4, -0.2, 1.0]], np.float32)


def maps(classes: int, layout: str = "NCHW", shape: tuple[int, ...] | None = None) -> ModelProto:
    """A map of weighted channels, as large as the input, and nothing else."""
    width, height = INPUT
    weight = numpy_helper.from_array(WEIGHTS[:classes, :, None, None], "weight")
    size = numpy_helper.from_array(np.array(shape or (1, classes, height, width), np.int64), "shape")
    order = [0, 3, 1, 2] if layout == "NHWC" else [0, 1, 2, 3]
    nodes = [
        helper.make_node("Transpose", ["x"], ["planes"], perm=order),
        helper.make_node("Conv", ["planes", "weight"], ["found"]),
        helper.make_node("Reshape", ["found", "shape"], ["heat" if layout == "NCHW" else "planar"]),
    ]
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", ["planar"], ["heat"], perm=[0, 2, 3, 1]))
    given = {"heat": list(shape or (1, classes, height, width)) if layout == "NCHW" else [1, height, width, classes]}
    taken = [1, 3, height, width] if layout == "NCHW" else [1, height, width, 3]
    return model(nodes, {"x": taken}, given, [weight, size])


def heat(picture: U8, classes: int) -> F32:
    """The map [classes, height, width], calculated without ONNX."""
    pixels = cv2.resize(picture, INPUT, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    found: F32 = np.einsum("hwc,kc->khw", pixels, WEIGHTS[:classes]).astype(np.float32)
    return found


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("shape", [(1, 1, 32, 48), (1, 32, 48), (32, 48)])
def test_the_score_of_a_map_is_its_highest_value(tmp_path: Path, layout: str, shape: tuple[int, ...]) -> None:
    graph = maps(1, layout, shape if layout == "NCHW" else None)
    served = Served(imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", WANTED).folder)
    scores = [served(picture)[0].score for picture in pictures()]
    assert scores == pytest.approx([float(np.clip(heat(p, 1).max(), 0, 1)) for p in pictures()], abs=6e-3)
    assert max(scores) - min(scores) > 0.5


@pytest.mark.parametrize("quantile", [0.0, 0.5, 0.9, 0.99, 1.0])
def test_another_quantile_of_a_map(tmp_path: Path, quantile: float) -> None:
    path = write(tmp_path / "net.onnx", maps(1))
    result = imported(path, tmp_path / "models", WANTED, WantedOnnx(score_quantile=quantile, calibration=(2.0, 0.0)))
    served = Served(result.folder)
    assert served.manifest.training["imported"]["score_quantile"] == quantile
    for picture in pictures():
        raw = np.quantile(heat(picture, 1), quantile, method="inverted_cdf")
        assert served(picture)[0].score == pytest.approx(1 / (1 + np.exp(-2 * raw)), abs=3e-3)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("activation", ["none", "sigmoid", "softmax"])
def test_of_a_map_of_classes_the_index_is_the_class(tmp_path: Path, layout: str, activation: Any) -> None:
    """Each pixel's softmax first, then the highest value of the map of that class."""
    path = write(tmp_path / "net.onnx", maps(3, layout))
    with pytest.raises(ImportFailed, match="--score-index is missing: which of the 3 classes of the map 'heat'"):
        imported(path, tmp_path / "models", WANTED)
    onnx = WantedOnnx(score_index=2, activation=activation)
    served = Served(imported(path, tmp_path / "models", WANTED, onnx).folder)
    for picture in pictures():
        values = heat(picture, 3)
        if activation == "softmax":
            values = np.exp(values) / np.exp(values).sum(axis=0)
        highest = float(values[2].max())
        wanted = 1 / (1 + np.exp(-highest)) if activation == "sigmoid" else highest
        assert served(picture)[0].score == pytest.approx(np.clip(wanted, 0, 1), abs=6e-3)


def test_no_pixel_of_a_map_is_the_score(tmp_path: Path) -> None:
    path = write(tmp_path / "net.onnx", maps(1))
    with pytest.raises(ImportFailed, match="--score-index is 1535, and 'heat' is a map of 1536 values, none of which"):
        imported(path, tmp_path / "models", WANTED, WantedOnnx(score_index=1535))


def test_what_is_neither_values_nor_a_map_has_no_index(tmp_path: Path) -> None:
    """Features of patches; a quantile of all is what can be said of them."""
    path = write(tmp_path / "net.onnx", maps(1, shape=(1, 12, 128)))
    with pytest.raises(ImportFailed, match=r"is \[1, 12, 128\]: neither one value, nor a row") as caught:
        imported(path, tmp_path / "models", WANTED)
    assert "--score-quantile" in str(caught.value)
    served = Served(imported(path, tmp_path / "models", WANTED, WantedOnnx(score_quantile=1.0)).folder)
    for picture in pictures():
        assert served(picture)[0].score == pytest.approx(float(np.clip(heat(picture, 1).max(), 0, 1)), abs=6e-3)


BAD_FIRST = ("bad", "good")


def named(path: Path, how: str) -> Path:
    """Write a classifier of two classes, and their names in one of the places where exporters put them."""
    graph = classifier()
    if how in ("names", "id2label", "classes"):
        said = {
            "names": "{0: 'bad', 1: 'good'}", "id2label": json.dumps({"0": "bad", "1": "good"}), "classes": "bad,good",
        }  # fmt: skip
        graph.metadata_props.add(key=how, value=said[how])
    elif how == "config.json":
        (path.parent / how).write_text(json.dumps({"architectures": ["X"], "id2label": {"0": "bad", "1": "good"}}))
    elif how == "class_to_idx.json":
        (path.parent / how).write_text(json.dumps({"good": 1, "bad": 0}))
    else:
        (path.parent / how).write_text("bad\ngood\n")
    return write(path, graph)


@pytest.mark.parametrize("how", ["names", "id2label", "classes", "config.json", "class_to_idx.json", "labels.txt"])
def test_classes_are_shown_by_the_files_own_names(tmp_path: Path, how: str) -> None:
    """And no index is suggested: here the last class is that of the good parts."""
    path = named(tmp_path / "net.onnx", how)
    with pytest.raises(ImportFailed, match=r"counted from 0 \(in the file: 0 = bad, 1 = good\)$"):
        imported(path, tmp_path / "models", WANTED)
    onnx = WantedOnnx(score_index=0, activation="softmax")
    assert imported(path, tmp_path / "models", WANTED, onnx).notes == ()
    notes = imported(path, tmp_path / "models", WANTED, onnx._replace(score_index=1)).notes
    assert any("is 'good' by the file's own names, and its score counts as anomalous" in note for note in notes)


def boxes(outputs: dict[str, list[int]], **said: str) -> ModelProto:
    """A detector of 640x640 as far as its outputs go."""
    nodes, weights = [helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0)], []
    for name, shape in outputs.items():
        weights.append(numpy_helper.from_array(np.ones(shape, np.float32), f"{name}.ones"))
        nodes.append(helper.make_node("Mul", [f"{name}.ones", "mean"], [name]))
    graph = model(nodes, {"images": [1, 3, 640, 640]}, dict(outputs), weights)
    for key, value in said.items():
        graph.metadata_props.add(key=key, value=value)
    return graph


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"output0": [1, 84, 8400]}, {"task": "detect", "stride": "32", "names": "{0: 'scratch'}"}),
        ({"output0": [1, 84, 8400]}, {}),
        ({"output0": [1, 6, 8400]}, {}),
        ({"output": [1, 25200, 85]}, {}),
        ({"output0": [1, 300, 6]}, {}),
        ({"output0": [1, 116, 8400], "output1": [1, 32, 160, 160]}, {}),
        ({"boxes": [1, 8732, 4], "scores": [1, 8732, 21]}, {}),
        ({"scores": [1, 8732, 21], "loc": [1, 8732, 4]}, {}),
        ({"logits": [1, 100, 92], "pred_boxes": [1, 100, 4]}, {}),
        ({"detection_boxes": [1, 100, 4], "detection_scores": [1, 100], "num_detections": [1]}, {}),
        ({"dets": [1, 100, 5], "labels": [1, 100]}, {}),
        ({"p3": [1, 255, 80, 80], "p4": [1, 255, 40, 40], "p5": [1, 255, 20, 20]}, {}),
        ({"p3": [1, 3, 80, 80, 85], "p4": [1, 3, 40, 40, 85]}, {}),
    ],
)
def test_boxes_are_refused_with_what_to_do(tmp_path: Path, outputs: dict[str, list[int]], said: dict[str, str]) -> None:
    with pytest.raises(ImportFailed, match=r"boxes.*which the agent has no answer for: train a model") as caught:
        imported(write(tmp_path / "net.onnx", boxes(outputs, **said)), tmp_path / "models", Wanted(None, 0.5))
    assert "--score-index" not in str(caught.value)


def test_the_most_confident_box_may_be_the_score(tmp_path: Path) -> None:
    """When the user says so: of an output that has one value for each box."""
    graph = boxes({"detection_boxes": [1, 100, 4], "detection_scores": [1, 100]})
    onnx = WantedOnnx(score_output="detection_scores", score_quantile=1.0)
    result = imported(write(tmp_path / "net.onnx", graph), tmp_path / "models", Wanted(None, 0.5), onnx)
    grey = np.full((640, 640, 3), 51, np.uint8)
    assert Served(result.folder)(grey)[0].score == pytest.approx(0.2, abs=1e-3)


def test_a_table_of_classes_becomes_a_tensor(tmp_path: Path) -> None:
    """Azure's Custom Vision and scikit-learn: a string, and a sequence of maps from names to probabilities."""
    graph = classifier()
    graph.graph.node.append(helper.make_node("Softmax", ["logits"], ["chances"], axis=1))
    table = helper.make_node("ZipMap", ["chances"], ["loss"], domain="ai.onnx.ml", classlabels_strings=["good", "bad"])
    best = helper.make_node("ArgMax", ["chances"], ["best"], axis=1, keepdims=0)
    word = helper.make_node(
        "LabelEncoder",
        ["best"],
        ["classLabel"],
        domain="ai.onnx.ml",
        keys_int64s=[0, 1],
        values_strings=["good", "bad"],
    )
    graph.graph.node.extend([table, best, word])
    graph.opset_import.add(domain="ai.onnx.ml", version=2)
    pairs = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    del graph.graph.output[:]
    graph.graph.output.append(helper.make_tensor_value_info("classLabel", TensorProto.STRING, [1]))
    graph.graph.output.append(helper.make_value_info("loss", helper.make_sequence_type_proto(pairs)))
    path = write(tmp_path / "net.onnx", graph)
    with pytest.raises(ImportFailed, match=r"2 values of 'chances' .*\(in the file: 0 = good, 1 = bad\)"):
        imported(path, tmp_path / "models", WANTED)
    result = imported(path, tmp_path / "models", WANTED, WantedOnnx(score_index=1))
    plain = imported(
        write(tmp_path / "plain.onnx", classifier()),
        tmp_path / "plain",
        WANTED,
        WantedOnnx(score_index=1, activation="softmax"),
    )
    for picture in pictures():
        assert Served(result.folder)(picture)[0].score == pytest.approx(
            Served(plain.folder)(picture)[0].score, abs=1e-6
        )
