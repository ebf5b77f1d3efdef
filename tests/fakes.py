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


def echo_graph(width: int, height: int, *, segmentation: bool, fragile: bool = False) -> bytes:
    """picture [1, 3, h, w] of 0..1 -> score [1] (its mean), brightness [1, 1, h, w]."""
    shape = [1, 3, height, width]
    nodes = [
        helper.make_node("ReduceMean", ["picture", "all_axes"], ["score"], keepdims=0),
        helper.make_node("ReduceMean", ["picture", "channel_axis"], ["brightness"], keepdims=1),
    ]
    weights = [
        numpy_helper.from_array(np.array([0, 1, 2, 3], np.int64), "all_axes"),
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
    outputs = [helper.make_tensor_value_info(score, TensorProto.FLOAT, [])]
    if segmentation:
        outputs.append(helper.make_tensor_value_info("brightness", TensorProto.FLOAT, [1, 1, height, width]))
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
    **changes: Any,
) -> Path:
    """Write an echo component; `changes` replace fields of its manifest."""
    graph = echo_graph(width, height, segmentation=segmentation, fragile=fragile)
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
