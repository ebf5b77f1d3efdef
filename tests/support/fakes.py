"""Small models with known behaviour, as real components with real ONNX graphs.

`echo` answers with what it is shown: the score is the mean brightness, and a pixel of the mask is anomalous where the
picture is brighter than half. `fragile` is the same, but the engine fails on a picture whose first pixel is white.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from edge_agent.component.manifest import Image, Input, Label, MaskOutput, Outputs, ScoreOutput
from edge_agent.component.writing import write_component

WHITE, GREEN = "#FFFFFF", "#23A436"
LABELS = (Label(name="background", color=WHITE), Label(name="bright", color=GREEN))

U8 = npt.NDArray[np.uint8]


def echo_graph(
    width: int,
    height: int,
    *,
    segmentation: bool,
    fragile: bool = False,
    batch: int | str = 1,
    mixed: bool = False,
    free_sides: bool = False,
) -> bytes:
    """picture [batch, 3, h, w] of 0..1 -> score [] or [batch] (its mean), brightness [batch, 1, h, w].

    A free `batch` is a name. A `mixed` model claims to take batches, but its score is relative to the brightest of all
    pictures that are inspected together. `free_sides` leaves height and width open.
    """
    shape: list[int | str] = [batch, 3, *(("height", "width") if free_sides else (height, width))]
    nodes = [
        helper.make_node("ReduceMean", ["picture", "all_axes"], ["score"], keepdims=0),
        helper.make_node("ReduceMean", ["picture", "channel_axis"], ["brightness"], keepdims=1),
    ]
    weights = [
        numpy_helper.from_array(np.array([0, 1, 2, 3] if batch == 1 else [1, 2, 3], np.int64), "all_axes"),
        numpy_helper.from_array(np.array([1], np.int64), "channel_axis"),
    ]
    score = "score"
    if fragile:
        # Element number (first value of the picture) of a list of one: 1 is out of range, and the engine says so.
        nodes = [
            helper.make_node("ReduceMean", ["picture", "all_axes"], ["mean"], keepdims=0),
            nodes[1],
            helper.make_node("Slice", ["picture", "zeros", "ones"], ["corner"]),
            helper.make_node("Cast", ["corner"], ["corner_number"], to=TensorProto.INT64),
            helper.make_node("Reshape", ["corner_number", "one_value"], ["number"]),
            helper.make_node("Gather", ["one_value_list", "number"], ["zero"]),
            helper.make_node("Squeeze", ["zero"], ["zero_scalar"]),
            helper.make_node("Add", ["mean", "zero_scalar"], ["score"]),
        ]
        weights += [
            numpy_helper.from_array(np.zeros(4, np.int64), "zeros"),
            numpy_helper.from_array(np.ones(4, np.int64), "ones"),
            numpy_helper.from_array(np.array([1], np.int64), "one_value"),
            numpy_helper.from_array(np.zeros(1, np.float32), "one_value_list"),
        ]
    if mixed:
        nodes[0].output[0] = "means"
        nodes.append(helper.make_node("ReduceMax", ["picture", "every_axis"], ["brightest"], keepdims=0))
        nodes.append(helper.make_node("Max", ["brightest", "least"], ["most"]))
        nodes.append(helper.make_node("Div", ["means", "most"], ["score"]))
        weights.append(numpy_helper.from_array(np.array([0, 1, 2, 3], np.int64), "every_axis"))
        weights.append(numpy_helper.from_array(np.array(0.01, np.float32), "least"))
    outputs = [helper.make_tensor_value_info(score, TensorProto.FLOAT, [] if batch == 1 else [batch])]
    if segmentation:
        outputs.append(helper.make_tensor_value_info("brightness", TensorProto.FLOAT, [batch, 1, *shape[2:]]))
    graph = helper.make_graph(
        nodes, "echo", [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)], outputs, weights
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


def echo_fields(name: str, width: int, height: int, *, segmentation: bool = True) -> dict[str, Any]:
    """Give the fields of an echo model's manifest; the model sees the picture in its own size."""
    mask = MaskOutput(name="brightness", kind="anomaly_map", pixel_threshold=0.5)
    return {
        "name": name,
        "version": "1.0.0",
        "task": "segmentation" if segmentation else "classification",
        "image": Image(width=width, height=height),
        "input": Input(name="picture", width=width, height=height),
        "outputs": Outputs(score=ScoreOutput(name="score"), mask=mask if segmentation else None),
        "threshold": 0.5,
        "labels": LABELS if segmentation else (),
    }


def write_echo(
    models: Path,
    name: str = "echo",
    width: int = 64,
    height: int = 64,
    *,
    segmentation: bool = True,
    fragile: bool = False,
    batch: int | str = 1,
    mixed: bool = False,
    free_sides: bool = False,
    **changes: Any,
) -> Path:
    """Write an echo component; `changes` replace fields of its manifest."""
    kind: dict[str, Any] = {"fragile": fragile, "batch": batch, "mixed": mixed, "free_sides": free_sides}
    graph = echo_graph(width, height, segmentation=segmentation, **kind)
    fields = echo_fields(name, width, height, segmentation=segmentation) | changes
    return write_component(models, {"model.onnx": graph}, **fields)


def picture(brightness: int, width: int = 64, height: int = 64) -> U8:
    """Draw a picture of one grey."""
    return np.full((height, width, 3), brightness, np.uint8)


def half_bright(width: int = 64, height: int = 64) -> U8:
    """Draw a picture whose left quarter is white and whose rest is black."""
    drawn = picture(0, width, height)
    drawn[:, : width // 4] = 255
    return drawn
