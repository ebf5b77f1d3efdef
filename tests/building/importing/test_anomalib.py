"""anomalib's exports: names, shapes and batches as they come, and weights in a file beside the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edge_agent.building.importing import onnx_model
from edge_agent.building.importing.draft import Wanted, WantedOnnx
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.resize import U8
from tests.building.importing.formats import F32, IMAGE, INPUT, Served, colored, empty_mask, imported, model, pictures

ALL = ("pred_score", "pred_label", "anomaly_map", "pred_mask")


def export(
    outputs: tuple[str, ...] = ALL, *, batch: int | str = "batch_size", size: tuple[Any, Any] = INPUT,
    flat: bool = True, gain: float = 1.0,
) -> ModelProto:  # fmt: skip
    """Make a graph: the map is red minus green, through an inner normalisation; the score five times its mean."""
    width, height = size
    weight = numpy_helper.from_array(np.array([gain, -gain, 0], np.float32).reshape(1, 3, 1, 1), "weight")
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    five = numpy_helper.from_array(np.array(5, np.float32), "five")
    shape = numpy_helper.from_array(np.array([-1] if flat else [-1, 1], np.int64), "shape")
    nodes = [
        helper.make_node("Conv", ["input", "weight"], ["difference"]),
        helper.make_node("Clip", ["difference", "zero", "one"] if gain <= 1 else ["difference"], ["anomaly_map"]),
        helper.make_node("GlobalAveragePool", ["anomaly_map"], ["mean"]),
        helper.make_node("Mul", ["mean", "five"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "shape"], ["pred_score"]),
        helper.make_node("Greater", ["pred_score", "half"], ["pred_label"]),
        helper.make_node("Greater", ["anomaly_map", "half"], ["pred_mask"]),
    ]
    bounds = [numpy_helper.from_array(np.array(value, np.float32), name) for value, name in ((0, "zero"), (1, "one"))]
    score = [batch] if flat else [batch, 1]
    shapes = {
        "pred_score": score, "pred_label": score,
        "anomaly_map": [batch, 1, height, width], "pred_mask": [batch, 1, height, width],
    }  # fmt: skip
    types = dict.fromkeys(("pred_label", "pred_mask"), TensorProto.BOOL)
    chosen = {name: shapes[name] for name in outputs}
    return model(nodes, {"input": [batch, 3, height, width]}, chosen, [weight, half, five, shape, *bounds], types)


def expected(picture: U8, size: tuple[int, int] = INPUT) -> tuple[float, F32]:
    """Score and map, calculated without ONNX."""
    pixels = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    found = np.clip(pixels[..., 0] - pixels[..., 1], 0, 1).astype(np.float32)
    return 5 * float(found.mean()), found


def write(folder: Path, graph: ModelProto) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    return folder / "model.onnx"


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("batch", [1, 2, "batch_size"])
def test_score_and_mask(tmp_path: Path, batch: int | str, flat: bool) -> None:
    path = write(tmp_path / "export", export(batch=batch, flat=flat))
    result = imported(path, tmp_path / "models", Wanted(image_size=IMAGE))
    assert result.format == "anomalib"
    served, said = Served(result.folder), set()
    assert [label.name for label in served.manifest.labels] == ["background", "anomaly"]
    for picture in pictures():
        score, plane = expected(picture)
        verdict, mask = served(picture)
        assert verdict.score == pytest.approx(score, abs=2e-3)
        assert verdict.is_anomalous == (score > 0.5)
        said.add(verdict.is_anomalous)
        assert mask is not None
        marks = colored((plane >= 0.5).astype(np.uint8), ["#FFFFFF", "#23A436"], IMAGE)
        assert (mask != marks).any(axis=2).mean() < 0.01
    assert said == {True, False}


@pytest.mark.parametrize(
    ("outputs", "score", "task"),
    [
        (("pred_score", "anomaly_map"), "mean", "segmentation"),
        (("anomaly_map",), "most", "segmentation"),
        (("pred_score",), "mean", "classification"),
        (("pred_score", "pred_mask"), "mean", "segmentation"),
        (("pred_label",), "label", "classification"),
        (("pred_mask",), "any", "segmentation"),
    ],
)
def test_outputs_that_are_missing(tmp_path: Path, outputs: tuple[str, ...], score: str, task: str) -> None:
    """Without a score the map's highest value is it, as anomalib has it; without both, a yes or no is 1 or 0."""
    served = Served(imported(write(tmp_path / "export", export(outputs)), tmp_path / "models", Wanted(IMAGE)).folder)
    assert served.manifest.task == task
    for picture in pictures():
        mean, plane = expected(picture)
        wanted = {"mean": mean, "most": plane.max(), "label": mean > 0.5, "any": (plane > 0.5).any()}[score]
        verdict, mask = served(picture)
        assert verdict.score == pytest.approx(float(wanted), abs=6e-3)
        if mask is not None:
            marked = 1 - verdict.areas[0].fraction
            assert marked == pytest.approx((plane > 0.5).mean(), abs=0.02)


def test_a_free_size_is_that_of_the_pictures(tmp_path: Path) -> None:
    path = write(tmp_path / "export", export(size=("width", "height")))
    with pytest.raises(ImportFailed, match="--image-size is missing"):
        imported(path, tmp_path / "models")
    served = Served(imported(path, tmp_path / "models", Wanted(IMAGE)).folder)
    assert (served.manifest.input.width, served.manifest.input.height) == IMAGE
    for picture in pictures():
        assert served(picture)[0].score == pytest.approx(expected(picture, IMAGE)[0], abs=1e-4)


def test_weights_beside_the_model(tmp_path: Path) -> None:
    """Half of them inline, half in model.onnx.data, as torch's exporter writes large models."""
    folder = tmp_path / "weights" / "onnx"
    folder.mkdir(parents=True)
    onnx.save_model(
        export(), str(folder / "model.onnx"), save_as_external_data=True, location="model.onnx.data", size_threshold=8
    )
    assert (folder / "model.onnx.data").stat().st_size > 0
    result = imported(tmp_path / "weights", tmp_path / "models", Wanted(IMAGE))
    assert sorted(path.name for path in result.folder.iterdir()) == ["golden", "manifest.json", "model.onnx"]
    for picture in pictures():
        assert Served(result.folder)(picture)[0].score == pytest.approx(expected(picture)[0], abs=2e-3)
    (folder / "model.onnx.data").rename(folder / "other.data")
    with pytest.raises(ImportFailed, match=r"wants its weights from 'model\.onnx\.data', which is missing"):
        imported(folder, tmp_path / "models")
    (folder / "model.onnx.data").write_bytes(b"")
    with pytest.raises(ImportFailed, match="can't be read"):
        imported(folder, tmp_path / "models")


def test_weights_that_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(12))
    for location in ("../secret", str(tmp_path / "secret"), "", "link", "a\0b"):
        graph = export()
        weight = next(tensor for tensor in graph.graph.initializer if tensor.name == "weight")
        weight.ClearField("raw_data")
        weight.data_location = TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)
        folder = tmp_path / f"export-{location.replace('/', '_').replace(chr(0), '_')}"
        path = write(folder, graph)
        (folder / "link").symlink_to(tmp_path / "secret")
        with pytest.raises(ImportFailed, match="expected a file in its own folder"):
            imported(path, tmp_path / "models")


def test_more_than_a_file_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "export", export())
    monkeypatch.setattr(onnx_model, "MAX_BYTES", 100)
    with pytest.raises(ImportFailed, match="one ONNX file holds less than 2 GiB"):
        imported(path, tmp_path / "models")


def test_scores_that_are_not_normalised(tmp_path: Path) -> None:
    path = write(tmp_path / "export", export(gain=300.0))
    with pytest.raises(ImportFailed, match=r"'pred_score' of -?[\d.]+ to [\d.]+, expected 0..1"):
        imported(path, tmp_path / "models")


def test_a_map_that_is_not_normalised(tmp_path: Path) -> None:
    """Also where the score is: the mask's threshold is for the map."""
    graph = export()
    node = next(node for node in graph.graph.node if list(node.output) == ["anomaly_map"])
    node.output[0] = "clipped"
    for other in graph.graph.node:
        for at, name in enumerate(other.input):
            if name == "anomaly_map":
                other.input[at] = "clipped"
    graph.graph.node.insert(2, helper.make_node("Add", ["clipped", "five"], ["anomaly_map"]))
    with pytest.raises(ImportFailed, match=r"'anomaly_map' of 5 to \d\S*, expected 0..1"):
        imported(write(tmp_path / "export", graph), tmp_path / "models")


def test_a_map_without_pixels(tmp_path: Path) -> None:
    graph = empty_mask("input")
    graph.graph.output[0].name = graph.graph.node[0].output[0] = "anomaly_map"
    with pytest.raises(ImportFailed, match=r"'anomaly_map' \[1, 3, 0, 48\], which is empty"):
        imported(write(tmp_path / "export", graph), tmp_path / "models")


def test_a_score_without_dimensions(tmp_path: Path) -> None:
    graph = export(("pred_score",), batch=1)
    graph.graph.node.append(helper.make_node("ReduceMean", ["pred_score"], ["lone"], keepdims=0))
    node = next(node for node in graph.graph.node if list(node.output) == ["pred_score"])
    node.output[0] = "flat_score"
    graph.graph.node[-1].input[0] = "flat_score"
    graph.graph.node[-1].output[0] = "pred_score"
    for other in list(graph.graph.node):
        if "pred_label" in other.output:
            graph.graph.node.remove(other)
    del graph.graph.output[0].type.tensor_type.shape.dim[:]
    served = Served(imported(write(tmp_path / "export", graph), tmp_path / "models", Wanted(IMAGE)).folder)
    for picture in pictures():
        assert served(picture)[0].score == pytest.approx(expected(picture)[0], abs=2e-3)


def test_many_tensors_of_one_file_count_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tensor gets its copy: 100 of 4 kB in one file of 4 kB are 400 kB."""
    graph = export()
    for number in range(100):
        tensor = graph.graph.initializer.add(name=f"w{number}", dims=[1024], data_type=TensorProto.FLOAT)
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="shared.data")
    path = write(tmp_path / "export", graph)
    (path.parent / "shared.data").write_bytes(bytes(4096))
    monkeypatch.setattr(onnx_model, "MAX_BYTES", 300_000)
    with pytest.raises(ImportFailed, match="one ONNX file holds less than 2 GiB"):
        imported(path, tmp_path / "models")


def test_flags_for_other_files(tmp_path: Path) -> None:
    path = write(tmp_path / "export", export())
    with pytest.raises(ImportFailed, match=r"anomalib model, which says itself what --score-index, --activation would"):
        imported(path, tmp_path / "models", onnx=WantedOnnx(score_index=1, activation="sigmoid", bgr=True))
    bare = write(tmp_path / "bare", export(("pred_score",)))
    with pytest.raises(ImportFailed, match="neither 'anomaly_map' nor 'pred_mask'"):
        imported(bare, tmp_path / "models", Wanted(labels=(("a", "#102030"),)))


@pytest.mark.parametrize(
    ("location", "file"),
    [
        ("./model/model.onnx.data", "model.onnx.data"),
        ("/home/someone/run/model.onnx.data", "model.onnx.data"),
        ("C:\\runs\\model.onnx.data", "model.onnx.data"),
        ("model.onnx.data", "cookies.onnx.data"),
        ("model.onnx.data", "cookies.data"),
    ],
)
def test_weights_that_were_moved_or_renamed_with_the_model(tmp_path: Path, location: str, file: str) -> None:
    path = tmp_path / "cookies.onnx"
    onnx.save_model(export(), str(path), save_as_external_data=True, location="written.data", size_threshold=0)
    (tmp_path / "written.data").rename(tmp_path / file)
    moved = onnx.load(path, load_external_data=False)
    for tensor in moved.graph.initializer:
        next(entry for entry in tensor.external_data if entry.key == "location").value = location
    path.write_bytes(moved.SerializeToString())
    result = imported(path, tmp_path / "models", Wanted(IMAGE))
    assert result.notes[0] == f"the weights are taken from {tmp_path / file}: the model names '{location}'"
    for picture in pictures():
        assert Served(result.folder)(picture)[0].score == pytest.approx(expected(picture)[0], abs=2e-3)
    (tmp_path / file).write_bytes(b"short")
    with pytest.raises(ImportFailed, match=r"wants its weights from|wants \d+ bytes of weights") as caught:
        imported(path, tmp_path / "models", Wanted(IMAGE))
    if file == "model.onnx.data":
        assert "cut off, or another model's" in str(caught.value)


def test_a_file_that_lies_there_is_not_called_missing_alone(tmp_path: Path) -> None:
    path = tmp_path / "cookies.onnx"
    onnx.save_model(export(), str(path), save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    (tmp_path / "model.onnx.data").rename(tmp_path / "weights_v2.data")
    with pytest.raises(ImportFailed, match=r"which is missing; 'weights_v2\.data' lies there: .* rename the file"):
        imported(path, tmp_path / "models", Wanted(IMAGE))
