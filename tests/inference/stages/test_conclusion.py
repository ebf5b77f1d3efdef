"""The conclusion's graph says of a model's outputs what the processor's path says."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest

from edge_agent.component.manifest import Artifact, Image, Input, Label, Manifest, MaskOutput, Outputs, ScoreOutput
from edge_agent.errors import ComponentError, EngineFailed
from edge_agent.inference.engines.signature import Signature, TensorSpec
from edge_agent.inference.host import HostPipeline
from edge_agent.inference.imaging.resize import U8, ArrayPixels
from edge_agent.inference.imaging.tensor import Tensor
from edge_agent.inference.stages.conclusion import conclusion_graph, input_name

Shape = tuple[int | None, ...]

LABELS = tuple(
    Label(name=name, color=color)
    for name, color in (
        ("background", "#FFFFFF"),
        ("a", "#ff0000"),
        ("b", "#0A0bFE"),
        ("c", "#000000"),
        ("d", "#808182"),
    )
)


def manifest_of(
    kind: str | None = None,
    *,
    labels: int = 2,
    size: tuple[int, int] = (64, 64),
    threshold: float = 0.5,
    index: int = 0,
) -> Manifest:
    mask = MaskOutput(name="mask", kind=kind, pixel_threshold=threshold) if kind else None  # type: ignore[arg-type]
    return Manifest(
        format=1,
        name="m",
        version="1.0.0",
        task="segmentation" if kind else "classification",
        image=Image(width=size[0], height=size[1]),
        input=Input(name="x", width=size[0], height=size[1]),
        outputs=Outputs(score=ScoreOutput(name="score", index=index), mask=mask),
        threshold=0.5,
        artifacts=(Artifact(path="model.onnx", sha256="0" * 64),),
        labels=LABELS[:labels] if kind else (),
    )


class Conclusion(NamedTuple):
    """Of one picture; counts are those of the areas' pixels."""

    score: float
    mask: U8
    counts: list[int]


class _Answering:
    """An engine that always answers the same."""

    def __init__(self, manifest: Manifest, results: list[Tensor]) -> None:
        shape = (1, 3, manifest.input.height, manifest.input.width)
        names = [manifest.outputs.score.name, *([manifest.outputs.mask.name] if manifest.outputs.mask else [])]
        outputs = tuple(TensorSpec(n, str(r.dtype), None) for n, r in zip(names, results, strict=True))
        self._results, self.signature = results, Signature((TensorSpec("x", "float32", shape),), outputs)

    def run(self, name: str, tensor: Tensor, outputs: list[str]) -> list[Tensor]:
        return self._results


def on_the_processor(manifest: Manifest, score: Tensor, mask: Tensor) -> Conclusion:
    """Conclude from one picture's outputs, [1, …]."""
    height, width = manifest.image.height, manifest.image.width
    pipeline = HostPipeline(manifest, _Answering(manifest, [score, mask]))
    verdict, buffers = pipeline.run(ArrayPixels(np.zeros((height, width, 3), np.uint8)))
    assert buffers is not None
    areas = {area.label: area.fraction * width * height for area in verdict.areas}
    painted = np.frombuffer(b"".join(buffers), np.uint8).reshape(height, width, 3)
    return Conclusion(verdict.score, painted, [round(areas.get(label.name, 0)) for label in manifest.labels])


def run(manifest: Manifest, shapes: list[Shape], *results: Tensor) -> dict[str, Tensor]:
    """Run the graph for outputs that are declared with these shapes; all that it answers, by name."""
    names = [manifest.outputs.score.name, *([manifest.outputs.mask.name] if manifest.outputs.mask else [])]
    specs = [TensorSpec(n, str(r.dtype), shape) for n, shape, r in zip(names, shapes, results, strict=True)]
    data = conclusion_graph(manifest, specs)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    given = [output.name for output in session.get_outputs()]
    fed = {input_name(name): result for name, result in zip(names, results, strict=True)}
    return dict(zip(given, session.run(given, fed), strict=True))


def free(shape: tuple[int, ...]) -> Shape:
    return (None, *shape[1:])


def assert_same(manifest: Manifest, score: Tensor, mask: Tensor, *, declared: Shape | None = None) -> None:
    """Hold a batch's conclusion against the processor's of each of its pictures."""
    shapes = [free(score.shape), declared or free(mask.shape)]
    found = run(manifest, shapes, score, mask)
    count = len(mask)
    assert found["verdict_score"].dtype == np.float32
    assert found["verdict_score"].shape == (count,)
    assert found["verdict_mask"].dtype == np.uint8
    assert found["verdict_counts"].dtype == np.float32
    assert found["verdict_counts"].shape == (count, len(manifest.labels))
    assert found["verdict_mask"].shape == (count, manifest.image.height, manifest.image.width, 3)
    for number in range(count):
        expected = on_the_processor(manifest, score[number : number + 1], mask[number : number + 1])
        assert found["verdict_score"][number] == pytest.approx(expected.score)
        np.testing.assert_array_equal(found["verdict_mask"][number], expected.mask)
        assert found["verdict_counts"][number].tolist() == expected.counts


def scores_of(count: int) -> npt.NDArray[np.float32]:
    return np.linspace(0.1, 0.9, count, dtype=np.float32)[:, None]


#: the picture's width and height, and the map's height and width
SIZES = [
    ((64, 64), (64, 64)),
    ((64, 64), (16, 12)),
    ((640, 480), (72, 96)),
    ((101, 75), (31, 17)),
    ((101, 75), (74, 100)),
    ((64, 65), (150, 200)),  # a map that is larger than the picture
    ((64, 65), (65, 3)),
    ((64, 65), (1, 1)),
]


@pytest.mark.parametrize(("size", "plane"), SIZES)
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_anomaly_maps(size: tuple[int, int], plane: tuple[int, int], count: int, dtype: str) -> None:
    rng = np.random.default_rng(1)
    # Many values are the threshold itself, which is no number of float16 (where it is rounded down) or float32.
    values = rng.choice([0.0, 0.0999, 0.1, 0.101, np.nan, np.inf, -np.inf], (count, *plane)).astype(dtype)
    for mask in (values, values[:, None]):
        assert_same(manifest_of("anomaly_map", size=size, threshold=0.1), scores_of(count), mask)


@pytest.mark.parametrize(("size", "plane"), SIZES)
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_class_ids(size: tuple[int, int], plane: tuple[int, int], count: int, dtype: str) -> None:
    ids = np.random.default_rng(2).integers(0, 4, (count, *plane)).astype(dtype)
    ids[-1].flat[0] = 4
    manifest = manifest_of("class_ids", labels=5, size=size)
    for mask in (ids, ids[:, None]):
        assert_same(manifest, scores_of(count), mask)
    ends = run(manifest, [(None, 1), free(ids.shape)], scores_of(count), ids)["verdict_range"]
    assert ends.tolist() == [[plane.min(), plane.max()] for plane in ids]
    assert ends.dtype == np.float32


@pytest.mark.parametrize(("size", "plane"), SIZES)
@pytest.mark.parametrize(("labels", "count"), [(2, 1), (3, 1), (5, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_class_scores(size: tuple[int, int], plane: tuple[int, int], labels: int, count: int, dtype: str) -> None:
    rng = np.random.default_rng(3)
    manifest = manifest_of("class_scores", labels=labels, size=size)
    assert_same(manifest, scores_of(count), rng.normal(size=(count, labels, *plane)).astype(dtype))
    tied = rng.integers(-1, 2, (count, labels, *plane)).astype(dtype)  # most pixels are ties, and the first wins
    assert_same(manifest, scores_of(count), tied)


@pytest.mark.parametrize("labels", [2, 3, 5])
def test_a_class_score_that_is_not_a_number_wins_or_loses_as_on_the_processor(labels: int) -> None:
    values = np.array(list(itertools.product([0.0, 1.0, np.nan, -np.inf], repeat=labels)), np.float32)
    mask = np.ascontiguousarray(values.T).reshape(1, labels, 4, -1)
    assert_same(manifest_of("class_scores", labels=labels), scores_of(1), mask)


def test_a_float64_output_is_taken_as_float32() -> None:
    mask = np.random.default_rng(4).uniform(size=(2, 16, 16))
    assert_same(manifest_of("anomaly_map"), scores_of(2).astype(np.float64), mask)


@pytest.mark.parametrize("kind", ["anomaly_map", "class_ids", "class_scores"])
@pytest.mark.parametrize("level", [0, 1])
def test_masks_of_nothing_and_of_one_label_alone(kind: str, level: int) -> None:
    mask: Tensor = np.full((1, 8, 8), level, np.int64 if kind == "class_ids" else np.float32)
    if kind == "class_scores":
        mask = np.stack([1 - mask, mask], axis=1)
    assert_same(manifest_of(kind, size=(100, 67)), scores_of(1), mask)


def test_pixels_of_the_largest_picture_are_counted_one_by_one() -> None:
    ids = np.zeros((1, 4096, 3), np.uint8)
    ids[0, 0, 0] = 1
    manifest = manifest_of("class_ids", labels=3, size=(4096, 4096))
    assert_same(manifest, scores_of(1), ids)
    counts = run(manifest, [(1, 1), (1, 4096, 3)], scores_of(1), np.full_like(ids, 2))["verdict_counts"]
    assert counts.tolist() == [[0, 0, 4096 * 4096]]


@pytest.mark.parametrize("ids", [[0, 1, 2, 3], [0, 0, 0, -1], [-(2**40), 2**40, 0, 0]])
def test_ids_without_a_label_can_be_told_by_the_range(ids: list[int]) -> None:
    manifest, mask = manifest_of("class_ids", labels=3), np.array(ids, np.int64).reshape(1, 2, 2)
    found = run(manifest, [(1, 1), (1, 2, 2)], scores_of(1), mask)
    assert found["verdict_range"].tolist() == [[min(ids), max(ids)]]
    nearest = np.clip(mask, 0, 2)
    np.testing.assert_array_equal(found["verdict_mask"][0], on_the_processor(manifest, scores_of(1), nearest).mask)
    with pytest.raises(EngineFailed):
        on_the_processor(manifest, scores_of(1), mask)


@pytest.mark.parametrize(
    ("declared", "shape", "index", "expected"),
    [
        ((), (), 0, [0]),
        ((1,), (1,), 0, [0]),
        ((None,), (3,), 0, [0, 1, 2]),
        ((4,), (4,), 2, [2]),  # of one picture, without a batch
        ((4, 2), (4, 2), 5, [5]),
        ((1, 3), (1, 3), 2, [2]),
        ((None, 3), (2, 3), 2, [2, 5]),
        ((None, 2, 3), (2, 2, 3), 4, [4, 10]),
        ((None, None), (2, 3), 1, [1, 4]),
        ((1, None, None), (1, 2, 2), 3, [3]),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int64", "uint8"])
def test_the_score_is_the_value_that_the_manifest_names(
    declared: Shape, shape: tuple[int, ...], index: int, expected: list[float], dtype: str
) -> None:
    score = np.arange(int(np.prod(shape))).astype(dtype).reshape(shape)
    found = run(manifest_of(index=index), [declared], score)
    assert list(found) == ["verdict_score"]
    assert found["verdict_score"].dtype == np.float32
    assert found["verdict_score"].tolist() == expected


def test_a_score_is_not_touched() -> None:
    values = np.array([-3.5, 1e30, np.nan, np.inf], np.float32)
    np.testing.assert_array_equal(run(manifest_of(), [(None,)], values)["verdict_score"], values)


def _dimensions(values: list[Any]) -> dict[str, list[int | str]]:
    return {value.name: list(value.shape) for value in values}


@pytest.mark.parametrize(("batch", "shown"), [(1, 1), (None, "batch")])
def test_the_graph_says_what_it_takes_and_gives(batch: int | None, shown: int | str) -> None:
    outputs = [TensorSpec("mask", "int64", (batch, 1, 8, 9)), TensorSpec("score", "float32", (batch,))]
    data = conclusion_graph(manifest_of("class_ids", labels=3, size=(70, 80)), [TensorSpec("a", "int8", ()), *outputs])
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert _dimensions(session.get_inputs()) == {"score": [shown], "mask": [shown, 1, 8, 9]}
    assert _dimensions(session.get_outputs()) == {
        "verdict_score": [shown],
        "verdict_mask": [shown, 80, 70, 3],
        "verdict_counts": [shown, 3],
        "verdict_range": [shown, 2],
    }


@pytest.mark.parametrize(
    ("score", "mask"),
    [
        ("verdict_mask", "verdict_score"),
        ("verdict_score", "model.verdict_score"),
        ("verdict_mask.classes", "verdict_counts.rows"),
        ("same", "same"),
    ],
)
def test_outputs_may_be_called_anything(score: str, mask: str) -> None:
    manifest = manifest_of("anomaly_map")
    outputs = Outputs(score=ScoreOutput(name=score, index=3), mask=MaskOutput(name=mask, kind="anomaly_map"))
    values = np.linspace(0, 1, 16, dtype=np.float32).reshape(1, 4, 4)
    named = Manifest(**{**{f: getattr(manifest, f) for f in manifest.__struct_fields__}, "outputs": outputs})
    found, expected = (run(m, [(1, 4, 4), (1, 4, 4)], values, values) for m in (named, manifest))
    assert found["verdict_score"].tolist() == pytest.approx([0.2])
    np.testing.assert_array_equal(found["verdict_mask"], expected["verdict_mask"])
    assert len({input_name(score), input_name(mask)}) == len({score, mask})


@pytest.mark.parametrize(
    ("kind", "outputs", "message"),
    [
        ("class_ids", [("score", "float32", (1,))], "has the outputs 'score', the manifest expects 'mask' among them"),
        (
            None,
            [("score", "bfloat16", (1,))],
            "'score' is bfloat16 .*, expected one of float32, .* and a declared shape",
        ),
        (None, [("score", "float32", None)], "'score' is float32 of no declared shape, expected one of"),
        (
            "anomaly_map",
            [("score", "float32", ()), ("mask", "float32", None)],
            "'mask' is float32 of no declared shape",
        ),
        ("anomaly_map", [("score", "float32", ()), ("mask", "float32", (1, 4, None))], "every size but the batch's"),
        ("class_ids", [("score", "float32", ()), ("mask", "int32", (None, None, 4, 4))], "every size but the batch's"),
        (
            "class_scores",
            [("score", "float32", ()), ("mask", "float32", (1, None, 4, 4))],
            "every size but the batch's",
        ),
        (
            "class_scores",
            [("score", "float32", ()), ("mask", "float32", (1, 3, 4, 4))],
            r"class_scores: float \[1, 2, \?",
        ),
        ("class_ids", [("score", "float32", ()), ("mask", "float32", (1, 4, 4))], "class_ids: integer"),
        ("anomaly_map", [("score", "float32", ()), ("mask", "float32", (2, 4, 4))], r"is float32 \[2, 4, 4\]"),
    ],
)
def test_outputs_that_can_not_be_concluded_from_are_named(
    kind: str | None, outputs: list[tuple[str, str, Shape | None]], message: str
) -> None:
    with pytest.raises(ComponentError, match=message):
        conclusion_graph(manifest_of(kind), [TensorSpec(*output) for output in outputs])


@pytest.mark.parametrize("shape", [(), (1,), (None,), (1, 3), (3,), (None, 3), (1, 3, 1)])
def test_a_score_of_fewer_values_than_the_manifest_counts_is_refused(shape: Shape) -> None:
    with pytest.raises(ComponentError, match=r"(1|3) for each picture, and the manifest takes number 3"):
        conclusion_graph(manifest_of(index=3), [TensorSpec("score", "float32", shape)])
