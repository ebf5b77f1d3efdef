"""Small models in other people's formats, and what they answer, calculated without ONNX.

The network is the same everywhere: each class's map is a weighted sum of the three channels, averaged over 2x2 pixels;
each class's score is a weighted sum of the channels' means. Weights are chosen so that red is one kind of anomaly, blue
another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edge_agent.building.evaluation.inspection import load_component
from edge_agent.building.importing.component import Identity
from edge_agent.building.importing.draft import Wanted, WantedOnnx
from edge_agent.building.importing.importer import Result, import_model
from edge_agent.errors import ImportFailed
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.inference.verdict import Verdict

F32 = npt.NDArray[np.float32]

#: of the network's input, and of the pictures
INPUT, IMAGE = (48, 32), (120, 72)
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
#: classes x channels: background, red, blue
MAP_WEIGHTS = np.array([[0.2, 1.0, 0.2], [1.2, -0.5, -0.4], [-0.4, -0.5, 1.2]], np.float32)
#: classes x channels: anomalous, normal
SCORE_WEIGHTS = np.array([[1.5, -1.0, 0.5], [-0.5, 1.0, -0.3]], np.float32)


def network(outputs: Sequence[str], size: tuple[int, int] = INPUT, batch: int | str = 1) -> ModelProto:
    """mask_logits [n, 3, h/2, w/2] and scores [n, 2] (softmax), whichever are wanted, in that order."""
    width, height = size
    nodes = [
        helper.make_node("Conv", ["picture", "map_weights"], ["maps"]),
        helper.make_node("AveragePool", ["maps"], ["mask"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["picture"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "score_weights"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["score"], axis=1),
    ]
    weights = [
        numpy_helper.from_array(MAP_WEIGHTS[:, :, None, None], "map_weights"),
        numpy_helper.from_array(SCORE_WEIGHTS, "score_weights"),
    ]
    shapes: dict[str, list[int | str]] = {"mask": [batch, 3, height // 2, width // 2], "score": [batch, 2]}
    return model(nodes, {"picture": [batch, 3, height, width]}, {name: shapes[name] for name in outputs}, weights)


def model(
    nodes: list[Any], inputs: dict[str, list[Any]], outputs: dict[str, list[Any]], weights: Sequence[Any] = (),
    types: Mapping[str, int] | None = None, opset: int = 17,
) -> ModelProto:  # fmt: skip
    """Close a graph; `types` names inputs and outputs that are not float32."""
    known = types or {}

    def values(shapes: dict[str, list[Any]]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, known.get(name, TensorProto.FLOAT), shape)
            for name, shape in shapes.items()
        ]

    graph = helper.make_graph(nodes, "small", values(inputs), values(outputs), list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def empty_mask(name: str = "x") -> ModelProto:
    """Cut off behind the end, as a wrong export may."""
    bounds = [numpy_helper.from_array(np.array([value], np.int64), name) for value, name in ((99, "from"), (2, "axis"))]
    ends = numpy_helper.from_array(np.array([200], np.int64), "to")
    nodes = [
        helper.make_node("Slice", [name, "from", "to", "axis"], ["mask"]),
        helper.make_node("ReduceMean", [name], ["score"], keepdims=0),
    ]
    return model(nodes, {name: [1, 3, INPUT[1], INPUT[0]]}, {"mask": [1, 3, 0, 48], "score": []}, [*bounds, ends])


def answer(pixels: npt.NDArray[Any]) -> tuple[F32, F32]:
    """What the network answers to normalised values [height, width, 3]: maps [3, h/2, w/2] and scores [2]."""
    maps = np.einsum("hwc,kc->khw", pixels, MAP_WEIGHTS)
    pooled = maps.reshape(3, maps.shape[1] // 2, 2, maps.shape[2] // 2, 2).mean(axis=(2, 4))
    logits = SCORE_WEIGHTS @ pixels.mean(axis=(0, 1))
    exponents = np.exp(logits - logits.max())
    return pooled.astype(np.float32), (exponents / exponents.sum()).astype(np.float32)


def pictures(size: tuple[int, int] = IMAGE) -> list[U8]:
    """Draw pictures: nothing, little red, much red, blue, and noise."""
    width, height = size
    drawn: list[U8] = []
    for red, blue in ((0, 0), (4, 0), (40, 0), (0, 24), (30, 30)):
        picture = np.full((height, width, 3), (60, 150, 60), np.uint8)
        picture[4 : 4 + red, 6 : 6 + red] = (250, 20, 10)
        picture[height - 4 - blue : height - 4, 20 : 20 + 2 * blue] = (10, 20, 250)
        drawn.append(picture)
    noise = np.random.default_rng(7).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return [*drawn, np.asarray(cv2.resize(noise, size, interpolation=cv2.INTER_NEAREST), np.uint8)]


#: what DDA's own packages say of a model with both heads
STAGE: dict[str, Any] = {
    "type": "mochi", "image_width": INPUT[0], "image_height": INPUT[1], "input_shape": [1, 3, INPUT[1], INPUT[0]],
    "image_range_scale": True, "normalize": True, "threshold": 0.45,
    "classification_head_enabled": True, "segmentation_head_enabled": True,
    "class_normal_ids": [1], "seg_normal_ids": [0],
}  # fmt: skip


def graph_manifest(stage: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """manifest.json of a component in ONNX; `changes` replace keys, and None takes one out."""
    manifest = {
        "runtime": "onnx",
        "runtime_artifact": "model.onnx",
        "model_graph": {
            "model_graph_type": "single_stage_model_graph",
            "stages": [stage],
            "image_level_classes": {"names": ["anomaly", "normal"], "normal_ids": [1]},
            "pixel_level_classes": {"names": ["background", "rust", "ink"], "normal_ids": [0]},
        },
        "dataset": {"image_width": IMAGE[0], "image_height": IMAGE[1]},
    }
    return {key: value for key, value in {**manifest, **changes}.items() if value is not None}


def write_dda(
    folder: Path, outputs: Sequence[str] = ("mask", "score"), *, graph: ModelProto | None = None,
    changes: dict[str, Any] | None = None, **stage: Any,
) -> Path:  # fmt: skip
    """Write a component as DDA unpacks it; `stage` replaces keys of the stage."""
    merged = {key: value for key, value in {**STAGE, **stage}.items() if value is not None}
    model_folder = folder / merged["type"]
    model_folder.mkdir(parents=True, exist_ok=True)
    (model_folder / "model.onnx").write_bytes((graph or network(outputs)).SerializeToString())
    (folder / "manifest.json").write_text(json.dumps(graph_manifest(merged, **(changes or {}))))
    return folder


class Nobody:
    """Nobody can be asked: what is needed and missing is an error."""

    is_answered = False

    def __call__(self, flag: str, question: str, parse: Any, suggestion: str, *, needed: bool) -> Any:
        if needed:
            raise ImportFailed(f"{flag} is missing: {question}")
        return parse(suggestion)

    def show(self, lines: Sequence[str]) -> None:
        pass


def imported(source: Path, models: Path, wanted: Wanted | None = None, onnx: WantedOnnx | None = None) -> Result:
    """Import with nobody to ask."""
    return import_model(
        source, models, Identity("part", "1.0.0"), wanted or Wanted(), onnx or WantedOnnx(), Nobody()
    )  # fmt: skip


class Served:
    """A component, loaded as the agent loads it."""

    def __init__(self, folder: Path) -> None:
        self._component = load_component(folder)
        self.manifest = self._component.manifest

    def __call__(self, picture: U8) -> tuple[Verdict, U8 | None]:
        """Give the verdict and the mask [height, width, 3]."""
        inspection = self._component.pipeline.run(ArrayPixels(np.ascontiguousarray(picture)))
        if inspection.mask is None:
            return inspection.verdict, None
        return inspection.verdict, np.frombuffer(b"".join(inspection.mask), np.uint8).reshape(picture.shape)


def colored(classes: npt.NDArray[Any], colors: Sequence[str], size: tuple[int, int]) -> U8:
    """Enlarge a map of classes to a picture's size by nearest neighbour and colour it."""
    palette = np.array([[int(color[at : at + 2], 16) for at in (1, 3, 5)] for color in colors], np.uint8)
    rows = np.arange(size[1]) * classes.shape[0] // size[1]
    columns = np.arange(size[0]) * classes.shape[1] // size[0]
    return np.asarray(palette[classes[np.ix_(rows, columns)]])
