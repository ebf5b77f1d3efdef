"""A small segmentation model: how far is each pixel from what good parts look like there?

From aligned pictures of good parts come the mean and the spread of every pixel. The graph takes a picture's distance
from the mean in units of the spread, smooths it, and gives it as a map of anomalies; its largest value is the score.
Both thresholds come from pictures that the mean was not made from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_agent.component.manifest import Calibration, Image, Input, Label, MaskOutput, Outputs, ScoreOutput
from edge_agent.component.writing import write_component
from edge_agent.demo.pictures import HEIGHT, WIDTH, anomalous_picture, normal_picture
from edge_agent.errors import ComponentError
from edge_agent.imaging.resize import ArrayPixels, make_resizer

NAME, VERSION, LABEL = "flange", "1.0.0", "damage"

_INPUT_WIDTH, _INPUT_HEIGHT = WIDTH // 2, HEIGHT // 2
_LEAST_SPREAD = 3.0  # grey levels: no pixel is known better than the sensor's noise
_SMOOTHING = 5  # pixels: a defect is larger than a grain of noise
_GOOD, _GOOD_HELD_OUT, _BAD_HELD_OUT = 40, 20, 12
_MARGIN = 1.25  # of the map's threshold over the largest value on a good part

_F32 = npt.NDArray[np.float32]


def build_model(models: Path, seed: int) -> Path:
    """Draw pictures, fit the model, write the component, and return its folder.

    Raises:
        ComponentError: the package `onnx`, which writes the graph, is not installed.
    """
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise ComponentError(
            "building a model needs the package 'onnx'; install edge-agent with its extra [demo]"
        ) from None
    rng = np.random.default_rng(seed)
    shrink = make_resizer((WIDTH, HEIGHT), (_INPUT_WIDTH, _INPUT_HEIGHT), "area")

    def draw(kind: Any, count: int) -> _F32:
        return np.stack([shrink(ArrayPixels(kind(rng))).astype(np.float32) for _ in range(count)])

    good = draw(normal_picture, _GOOD)
    mean, spread = good.mean(axis=0), np.maximum(good.std(axis=0), _LEAST_SPREAD)
    graph = _graph(mean, spread)
    normal = _scores(graph, draw(normal_picture, _GOOD_HELD_OUT))
    anomalous = _scores(graph, draw(anomalous_picture, _BAD_HELD_OUT))
    low, high = max(normal), min(anomalous)
    middle = (low + high) / 2
    slope = 2 * math.log(19) / abs(high - low)  # 0.05 for the worst good part, 0.95 for the best bad one
    return write_component(
        models,
        {"model.onnx": graph},
        name=NAME,
        version=VERSION,
        task="segmentation",
        image=Image(width=WIDTH, height=HEIGHT),
        input=Input(name="picture", width=_INPUT_WIDTH, height=_INPUT_HEIGHT, scale=1.0),
        outputs=Outputs(
            score=ScoreOutput(name="distance"),
            mask=MaskOutput(name="anomaly_map", kind="anomaly_map", pixel_threshold=low * _MARGIN),
        ),
        threshold=0.5,
        calibration=Calibration(slope=slope, intercept=-slope * middle),
        labels=(Label(name="background", color="#FFFFFF"), Label(name=LABEL, color="#E8540C")),
        description="Sample: distance from the mean of good flanges, in units of their spread",
        training={"seed": seed, "normal": _GOOD, "held_out_normal": _GOOD_HELD_OUT, "held_out_anomaly": _BAD_HELD_OUT},
    )


def _graph(mean: _F32, spread: _F32) -> bytes:
    """Write the ONNX graph: picture [1, 3, h, w] of 0..255 -> distance [1], anomaly_map [1, 1, h, w]."""
    from onnx import TensorProto, checker, helper, numpy_helper

    size = (_INPUT_HEIGHT, _INPUT_WIDTH)
    planes = [np.ascontiguousarray(values.transpose(2, 0, 1)[None]) for values in (mean, 1 / spread)]
    weights = [
        numpy_helper.from_array(planes[0], "mean"),
        numpy_helper.from_array(planes[1], "per_spread"),
        numpy_helper.from_array(np.array([1], np.int64), "channel_axis"),
        numpy_helper.from_array(np.array([1, 2, 3], np.int64), "all_axes"),
    ]
    around = [_SMOOTHING // 2] * 4
    nodes = [
        helper.make_node("Sub", ["picture", "mean"], ["difference"]),
        helper.make_node("Mul", ["difference", "per_spread"], ["deviation"]),
        helper.make_node("Abs", ["deviation"], ["size"]),
        helper.make_node("ReduceMean", ["size", "channel_axis"], ["gray"], keepdims=1),
        helper.make_node("AveragePool", ["gray"], ["anomaly_map"], kernel_shape=[_SMOOTHING] * 2, pads=around),
        helper.make_node("ReduceMax", ["anomaly_map", "all_axes"], ["distance"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "distance-from-normal",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, *size])],
        [
            helper.make_tensor_value_info("distance", TensorProto.FLOAT, [1]),
            helper.make_tensor_value_info("anomaly_map", TensorProto.FLOAT, [1, 1, *size]),
        ],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8, producer_name="edge-agent"
    )
    checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def _scores(graph: bytes, pictures: Iterable[_F32]) -> list[float]:
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return [
        float(session.run(["distance"], {"picture": picture.transpose(2, 0, 1)[None]})[0][0]) for picture in pictures
    ]
