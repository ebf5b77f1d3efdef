"""What calculates where a model looks keeps its precision; a network that it comes from does not."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_agent.building.datasets.reading import read_datasets
from edge_agent.building.training.component import Identity
from edge_agent.building.training.features import input_spec
from edge_agent.building.training.options import Options, Steps
from edge_agent.building.training.registration_graph import POSE
from edge_agent.building.training.trainer import train
from edge_agent.inference.conversion.positions import position_nodes
from edge_agent.inference.conversion.precision import Precision, convert_precision
from edge_agent.inference.conversion.reference import Reference
from edge_agent.inference.conversion.rounding import with_roundings
from edge_agent.inference.imaging.resize import ArrayPixels, make_resizer
from edge_agent.inference.imaging.tensor import Normalizer, Tensor
from tests.inference.conversion.graphs import SIDE, Graph
from tests.support.turned import INPUT, draw_many, write_turned
from tests.support.turned import SIDE as PICTURE


def kinds(model: onnx.ModelProto) -> list[str]:
    return [model.graph.node[number].op_type for number in sorted(position_nodes(model))]


def sampled(graph: Graph, matrix: str) -> onnx.ModelProto:
    """Let a picture be seen where a matrix [1, 2, 3] brings its places."""
    places = graph.weight(np.random.default_rng(0).uniform(-1, 1, (1, SIDE * SIDE, 3)))
    positions = graph.op("MatMul", places, graph.op("Transpose", matrix, perm=[0, 2, 1]))
    grid = graph.op("Reshape", positions, graph.weight([1, SIDE, SIDE, 2], np.int64))
    graph.op("GridSample", "picture", grid, name="seen")
    is_inside = graph.op("Less", graph.op("Abs", grid), graph.weight(0.9))
    graph.op("Cast", is_inside, name="inside", to=TensorProto.FLOAT)
    return graph.model(seen=[1, 3, SIDE, SIDE], inside=[1, SIDE, SIDE, 2])


def test_a_network_that_tells_where_to_look_is_left_out_and_its_last_few_values_are_not() -> None:
    graph = Graph()
    pooled = graph.op("Flatten", graph.op("GlobalAveragePool", graph.conv(graph.conv("picture", 8), 40, before=8)))
    hidden = graph.op("Relu", graph.op("Gemm", pooled, graph.noise(40, 32)))
    told = graph.op("Gemm", hidden, graph.noise(6, 32), transB=1)
    model = sampled(graph, graph.op("Reshape", told, graph.weight([1, 2, 3], np.int64)))
    assert kinds(model) == ["Relu", "Gemm", "Reshape", "Transpose", "MatMul", "Reshape", "Abs", "Less"]


def test_a_convolution_that_compares_the_picture_with_something_counts() -> None:
    graph = Graph()
    graph.conv(graph.conv("picture", 8), 8, before=8)  # a network beside it
    fits = graph.op("ReduceMax", graph.conv("picture", 6), graph.weight([2, 3], np.int64), keepdims=0)
    model = sampled(graph, graph.op("Reshape", fits, graph.weight([1, 2, 3], np.int64)))
    assert kinds(model) == [
        "Conv", "ReduceMax", "Reshape", "Transpose", "MatMul", "Reshape", "Abs", "Less"
    ]  # fmt: skip


def test_a_model_that_looks_nowhere_has_none() -> None:
    graph = Graph()
    graph.op("Abs", graph.conv("picture", 2), name="map")
    assert kinds(graph.model(map=[1, 2, SIDE, SIDE])) == []


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> tuple[onnx.ModelProto, list[Tensor]]:
    """A model that was trained on parts at any angle and tells their poses, and how it sees other ones."""
    folder = tmp_path_factory.mktemp("registered")
    data = write_turned(folder / "data", normal=14, anomaly=4)
    steps = Steps(lambda what: nullcontext(lambda done, total: None), lambda note: None)
    options = Options(task="classification", input_size=INPUT)
    trained = train(read_datasets(data), folder / "models", Identity("turned", "1.0.0"), options, steps)
    model = onnx.load(next(trained.folder.glob("*.onnx")))
    model.graph.output.append(helper.make_tensor_value_info(POSE, TensorProto.FLOAT, [1, 3]))
    height, width = (side.dim_value for side in model.graph.input[0].type.tensor_type.shape.dim[2:])
    resize, normalize = make_resizer((PICTURE, PICTURE), (width, height), "area"), Normalizer(input_spec(width, height))
    unseen = [*draw_many(10, 180, 4, seed=5), *draw_many(6, 180, 4, is_bad=True, seed=6)]
    return model, [normalize(resize(ArrayPixels(picture))).copy() for picture in unseen]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_parts_are_brought_to_lie_as_in_float32(
    registered: tuple[onnx.ModelProto, list[Tensor]], precision: Precision
) -> None:
    model, pictures = registered
    changed = convert_precision(model.SerializeToString(), precision, lambda: iter(pictures[:4]), lambda text: None)
    if precision == "fp16":
        changed = with_roundings(onnx.load_from_string(changed)).SerializeToString()
    exact, found = Reference(model.SerializeToString()), Reference(changed)
    width = pictures[0].shape[3]
    for picture in pictures:
        expected, given = exact.run(picture), found.run(picture)
        apart = given[POSE][0] - expected[POSE][0]
        turned = (apart[0] + np.pi) % (2 * np.pi) - np.pi
        # Poses are in halves of the width; a corner is sqrt(2) of them away from the middle.
        assert abs(turned) * width / np.sqrt(2) + np.hypot(*apart[1:]) * width / 2 < 0.02, "pixels, at a corner"
        if precision == "fp16":
            assert given["score"] == pytest.approx(expected["score"], abs=0.05)
