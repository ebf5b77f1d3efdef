"""Exports of anomalib 0.x and 1.x with metadata.json: the scores and masks that anomalib itself calculates of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

from edge_agent.building.importing.draft import Wanted, WantedOnnx
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.resize import U8
from tests.building.importing.formats import F32, IMAGE, INPUT, Served, colored, imported, model, pictures

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
TRANSFORM = {
    "__version__": "1.3.1",
    "transform": {
        "__class_fullname__": "Compose",
        "p": 1.0,
        "transforms": [
            {"__class_fullname__": "Resize", "height": INPUT[1], "width": INPUT[0], "interpolation": 1},
            {"__class_fullname__": "Normalize", "mean": MEAN, "std": STD, "max_pixel_value": 255.0},
            {"__class_fullname__": "albumentations.pytorch.transforms.ToTensorV2", "transpose_mask": False},
        ],
    },
}
#: 0.x and 1.x write these; what they are applied to is below
RANGE = {"image_threshold": 3.0, "pixel_threshold": 4.0, "min": 0.5, "max": 8.0}
NEWER = {
    "image_threshold": 3.0, "pixel_threshold": 4.0, "pred_scores.min": 0.5, "pred_scores.max": 8.0,
    "anomaly_maps.min": 0.4, "anomaly_maps.max": 9.0,
}  # fmt: skip
SPREAD = {
    "image_threshold": [1.2], "pixel_threshold": 1.5, "image_mean": 0.5, "image_std": 0.8, "pixel_mean": 0.2,
    "pixel_std": 0.5,
}  # fmt: skip


def export(outputs: int = 1, size: tuple[Any, Any] = INPUT) -> ModelProto:
    """A map of how far red is from green, raw, from 0.1 up; perhaps with the score that PatchCore gives beside it."""
    width, height = size
    weight = numpy_helper.from_array(np.array([1, -1, 0], np.float32).reshape(1, 3, 1, 1), "weight")
    least = numpy_helper.from_array(np.array(0.1, np.float32), "least")
    nodes = [
        helper.make_node("Conv", ["input", "weight"], ["difference"]),
        helper.make_node("Abs", ["difference"], ["positive"]),
        helper.make_node("Add", ["positive", "least"], ["output"]),
        helper.make_node("ReduceMean", ["output"], ["565"], axes=[1, 2, 3], keepdims=0),
    ]
    shapes: dict[str, list[Any]] = {"output": ["batch_size", 1, height, width], "565": ["batch_size"]}
    chosen = dict(list(shapes.items())[:outputs])
    return model(nodes, {"input": ["batch_size", 3, height, width]}, chosen, [weight, least])


def raw_map(picture: U8, *, is_normalised: bool = True) -> F32:
    """The map [height, width], calculated without ONNX."""
    pixels = cv2.resize(picture, INPUT, interpolation=cv2.INTER_LINEAR if is_normalised else cv2.INTER_AREA) / 255
    if is_normalised:
        pixels = (pixels - MEAN) / STD
    found: F32 = (np.abs(pixels[..., 0] - pixels[..., 1]) + 0.1).astype(np.float32)
    return found


def by_range(value: float, threshold: float, least: float, most: float) -> float:
    """anomalib's normalisation by minimum and maximum."""
    return float(np.clip((value - threshold) / (most - least) + 0.5, 0, 1))


def by_distribution(value: float, threshold: float, mean: float, deviation: float) -> float:
    """anomalib's normalisation by the cumulative distribution of good pictures' logarithms."""
    return 0.5 * (1 + math.erf(((math.log(value) - mean) / deviation - threshold) / math.sqrt(2)))


def write(folder: Path, graph: ModelProto, metadata: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    (folder / "metadata.json").write_text(json.dumps(metadata) if not isinstance(metadata, str) else metadata)
    return folder / "model.onnx"


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize(
    ("metadata", "score"),
    [
        (RANGE, lambda most: by_range(most, 3.0, 0.5, 8.0)),
        ({key: [value] for key, value in RANGE.items()}, lambda most: by_range(most, 3.0, 0.5, 8.0)),
        (NEWER, lambda most: by_range(most, 3.0, 0.5, 8.0)),
        (SPREAD, lambda most: by_distribution(most, 1.2, 0.5, 0.8)),
    ],
)
def test_the_score_is_anomalibs(tmp_path: Path, metadata: dict[str, Any], score: Any, outputs: int) -> None:
    """Of the highest value of the map, whatever else the model answers: anomalib takes the first output."""
    path = write(tmp_path / "export", export(outputs), {"task": "segmentation", "transform": TRANSFORM, **metadata})
    result = imported(path, tmp_path / "models", Wanted(IMAGE))
    assert result.format == "anomalib"
    assert result.notes == ()
    served, found = Served(result.folder), []
    assert served.manifest.threshold == 0.5
    for picture in pictures():
        found.append(score(float(raw_map(picture).max())))
        verdict, _ = served(picture)
        assert verdict.score == pytest.approx(found[-1], abs=2e-3)
        assert verdict.is_anomalous == (found[-1] >= 0.5)
    assert min(found) < 0.5 < max(found)


@pytest.mark.parametrize("metadata", [RANGE, NEWER])
def test_the_mask_is_cut_where_anomalib_cuts_the_raw_map(tmp_path: Path, metadata: dict[str, Any]) -> None:
    path = write(tmp_path / "export", export(), {"transform": TRANSFORM, **metadata})
    served, marked = Served(imported(path, tmp_path / "models", Wanted(IMAGE)).folder), []
    for picture in pictures():
        marks = colored((raw_map(picture) >= 4.0).astype(np.uint8), ["#FFFFFF", "#23A436"], IMAGE)
        _, mask = served(picture)
        assert mask is not None
        assert (mask != marks).any(axis=2).mean() < 0.01
        marked.append((marks != 255).any())
    assert set(marked) == {True, False}


@pytest.mark.parametrize("is_by_pixel", [True, False])
def test_the_mask_of_a_distribution(tmp_path: Path, is_by_pixel: bool) -> None:
    """Early versions have a mean and a deviation for every pixel."""
    mean = np.random.default_rng(3).random((INPUT[1], INPUT[0])) if is_by_pixel else np.array(0.2)
    said = {**SPREAD, "pixel_mean": mean.tolist()}
    path = write(tmp_path / "export", export(), {"transform": TRANSFORM, **said})
    served = Served(imported(path, tmp_path / "models", Wanted(IMAGE)).folder)
    for picture in pictures():
        standard = (np.log(raw_map(picture)) - mean) / 0.5 - (0.5 - mean) / 0.5
        marks = colored((standard >= 1.5).astype(np.uint8), ["#FFFFFF", "#23A436"], IMAGE)
        _, mask = served(picture)
        assert mask is not None
        assert (mask != marks).any(axis=2).mean() < 0.02


def test_1_x_transforms_pictures_in_the_graph(tmp_path: Path) -> None:
    """It gets values of 0..1, and metadata.json says no transform, or null."""
    said = {"task": "segmentation", "transform": None, "image_threshold": 0.4, "pixel_threshold": 0.3}
    said |= {"pred_scores.min": 0.1, "pred_scores.max": 1.0}
    path = write(tmp_path / "export", export(), said)
    served = Served(imported(path, tmp_path / "models", Wanted(IMAGE)).folder)
    for picture in pictures():
        wanted = by_range(float(raw_map(picture, is_normalised=False).max()), 0.4, 0.1, 1.0)
        assert served(picture)[0].score == pytest.approx(wanted, abs=6e-3)


def test_scores_without_a_range_keep_their_threshold(tmp_path: Path) -> None:
    said = {"transform": TRANSFORM, "image_threshold": 3.0, "pixel_threshold": 4.0}
    result = imported(write(tmp_path / "export", export(), said), tmp_path / "models", Wanted(IMAGE))
    assert "says no range of scores" in result.notes[0]
    for picture in pictures():
        assert Served(result.folder)(picture)[0].is_anomalous == (raw_map(picture).max() >= 3.0)


def test_a_classifier_has_a_score_and_no_mask(tmp_path: Path) -> None:
    graph = export(2)
    del graph.graph.output[0]
    path = write(tmp_path / "export", graph, {"task": "classification", "transform": TRANSFORM, **RANGE})
    served = Served(imported(path, tmp_path / "models", Wanted(IMAGE)).folder)
    assert served.manifest.task == "classification"
    for picture in pictures():
        wanted = by_range(float(raw_map(picture).mean()), 3.0, 0.5, 8.0)
        assert served(picture)[0].score == pytest.approx(wanted, abs=2e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_threshold": "high"}, "image_threshold is high, expected numbers"),
        ({"min": 8.0}, "min is 8 and max 8, expected less and more"),
        ({"transform": {"transform": {"transforms": [{"__class_fullname__": "CenterCrop", "height": 2, "width": 2}]}}},
         "changes pictures by CenterCrop before the model sees them, which is not taken over"),
        ({"transform": {"transform": {"transforms": [{"__class_fullname__": "Resize", "height": 64, "width": 64}]}}},
         "--input-size is 64x64, the model's input 48x32"),
        ({"image_threshold": [1, 2]}, "image_threshold holds 2 numbers, expected one"),
    ],
)  # fmt: skip
def test_what_can_not_be_taken_over_is_said(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "export", export(), {"transform": TRANSFORM, **RANGE, **change})
    with pytest.raises(ImportFailed, match=message):
        imported(path, tmp_path / "models", Wanted(IMAGE))


def test_another_metadata_json_plays_no_part(tmp_path: Path) -> None:
    path = write(tmp_path / "export", export(), '{"author": "someone"}')
    onnx = WantedOnnx(calibration=(1.0, -3.0))
    result = imported(path, tmp_path / "models", Wanted(IMAGE, 0.5), onnx)
    assert result.format == "onnx"
