"""The preparation's graph gives the tensor that the processor's path gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from edge_agent.component.manifest import Image, Input
from edge_agent.inference.imaging.resize import U8, ArrayPixels, Filter, make_resizer
from edge_agent.inference.imaging.tensor import Normalizer, Tensor
from edge_agent.inference.stages.preparation import preparation_graph
from tests.inference.stages.test_filters import KINDS

Size = tuple[int, int]  # width, height

#: the picture's and the input's
SIZES: list[tuple[Size, Size]] = [
    ((64, 64), (64, 64)),
    ((1280, 960), (288, 384)),
    ((1280, 960), (640, 480)),  # by 2
    ((640, 480), (64, 96)),  # by 10 and 5
    ((640, 480), (213, 96)),  # by 3.005 and 5
    ((333, 517), (77, 100)),
    ((101, 67), (50, 66)),
    ((641, 97), (1, 97)),
    ((64, 96), (128, 288)),  # enlarged by 2 and 3
    ((100, 75), (101, 223)),
    ((100, 300), (150, 100)),  # enlarged and shrunk
    ((128, 300), (128, 100)),
]


def picture_of(size: Size, seed: int = 0) -> U8:
    """Noise over the whole range beside black and white: what a filter can get wrong most."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    hard = rng.integers(0, 2, picture.shape, dtype=np.uint8) * np.uint8(255)
    picture[:, size[0] // 2 :] = hard[:, size[0] // 2 :]
    return picture


def levels(target: Size, kind: Filter, **values: Any) -> Input:
    """An input that shows the grey levels themselves."""
    return Input(name="x", width=target[0], height=target[1], resize=kind, **{"scale": 1.0, **values})


def on_the_processor(spec: Input, picture: U8) -> Tensor:
    resize = make_resizer((picture.shape[1], picture.shape[0]), (spec.width, spec.height), spec.resize)
    return Normalizer(spec)(resize(ArrayPixels(picture)))


def in_the_graph(spec: Input, *pictures: U8) -> Tensor:
    height, width = pictures[0].shape[:2]
    graph = preparation_graph(Image(width=width, height=height), spec)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    tensor: Tensor = session.run(["tensor"], {"pixels": np.stack(pictures)})[0]
    return tensor


def difference(spec: Input, picture: U8) -> int:
    """The worst difference in grey levels, of levels()."""
    found = in_the_graph(spec, picture)
    assert (found == np.rint(found)).all()
    return int(np.abs(found - on_the_processor(spec, picture)).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("source", "target"), SIZES)
def test_every_filter_is_within_one_grey_level(kind: Filter, source: Size, target: Size) -> None:
    found = difference(levels(target, kind), picture_of(source))
    is_whole = source[0] % target[0] == source[1] % target[1] == 0
    assert found <= (0 if kind == "nearest" or source == target or (kind == "area" and is_whole) else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_any_size_is_within_one_grey_level(kind: Filter) -> None:
    rng = np.random.default_rng(5)
    for number in range(20):
        width, height = rng.integers(64, 300, 2).tolist()
        target = tuple(rng.integers(1, 300, 2).tolist())
        found = difference(levels(target, kind), picture_of((width, height), number))
        assert found <= (kind != "nearest"), ((width, height), target)


def test_area_by_any_whole_factors_is_exact() -> None:
    rng = np.random.default_rng(6)
    for number in range(40):
        width, height = rng.integers(8, 40, 2).tolist()
        across, down = rng.integers(1, 9, 2).tolist()
        source = (width * max(across, -(-64 // width)), height * max(down, -(-64 // height)))
        assert difference(levels((width, height), "area"), picture_of(source, number)) == 0, source


def test_the_largest_picture() -> None:
    assert difference(levels((384, 288), "area"), picture_of((4096, 4096))) <= 1


def test_sums_beyond_what_float32_holds_exactly() -> None:
    assert difference(levels((8, 8), "area"), picture_of((4096, 4096))) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_white_stays_white_and_black_black(kind: Filter) -> None:
    for source, target in SIZES:
        for level in (0, 255):
            picture = np.full((source[1], source[0], 3), level, np.uint8)
            assert (in_the_graph(levels(target, kind), picture) == level).all()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    "values",
    [
        {"dtype": "float32", "scale": 1 / 255, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
        {"dtype": "float32", "scale": 1.0, "mean": (127.0, 126.0, 125.0), "std": (128.0, 127.0, -3.0)},
        {"dtype": "float32", "scale": 0.0, "mean": (1.0, 2.0, 3.0), "std": (2.0, 3.0, 7.0)},
        {"dtype": "float16", "scale": 1 / 255, "mean": (0.5, 0.4, 0.3), "std": (0.5, 0.25, 0.3)},
        {"dtype": "uint8", "scale": 1.0},
    ],
)
@pytest.mark.parametrize(("source", "target"), [((96, 64), (96, 64)), ((192, 192), (96, 64))])
def test_layouts_types_and_scaling_agree_to_the_last_bit(
    layout: str, values: dict[str, Any], source: Size, target: Size
) -> None:
    spec = levels(target, "area", layout=layout, **values)
    picture = picture_of(source)
    found, expected = in_the_graph(spec, picture), on_the_processor(spec, picture)
    assert found.dtype == expected.dtype == spec.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_picture_of_a_batch_is_prepared_as_it_is_alone(kind: Filter, layout: str) -> None:
    for source, target in (((128, 192), (64, 96)), ((101, 67), (50, 66)), ((100, 75), (101, 223))):
        spec = levels(target, kind, layout=layout)
        pictures = [picture_of(source, seed) for seed in range(3)]
        together = in_the_graph(spec, *pictures)
        assert len(together) == 3
        for picture, found in zip(pictures, together, strict=True):
            np.testing.assert_array_equal(found, in_the_graph(spec, picture)[0])


@pytest.mark.parametrize(
    ("source", "target", "first"),
    [((100, 1000), (50, 100), "rows"), ((1000, 100), (100, 50), "columns"), ((1000, 1000), (99, 98), "rows")],
)
@pytest.mark.parametrize("kind", ["area", "bicubic"])
def test_the_side_that_shrinks_most_is_filtered_first(kind: Filter, source: Size, target: Size, first: str) -> None:
    model = onnx.load_from_string(preparation_graph(Image(width=source[0], height=source[1]), levels(target, kind)))
    assert next(node.name for node in model.graph.node if node.op_type == "ReduceSum") == first


def test_the_graph_says_what_it_takes_and_gives() -> None:
    for layout, shape in (("NCHW", ["batch", 3, 30, 50]), ("NHWC", ["batch", 30, 50, 3])):
        data = preparation_graph(Image(width=100, height=75), levels((50, 30), "area", layout=layout, dtype="float16"))
        model = onnx.load_from_string(data)
        onnx.checker.check_model(model, full_check=True)
        assert (model.ir_version, model.opset_import[0].version) == (8, 17)
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        (taken,), (given,) = session.get_inputs(), session.get_outputs()
        assert (taken.name, taken.type, taken.shape) == ("pixels", "tensor(uint8)", ["batch", 75, 100, 3])
        assert (given.name, given.type, given.shape) == ("tensor", "tensor(float16)", shape)
