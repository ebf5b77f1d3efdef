"""What a model's outputs mean, for every kind that a manifest knows."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_agent.component.manifest import Artifact, Image, Input, Label, Manifest, MaskOutput, Outputs, ScoreOutput
from edge_agent.errors import ComponentError, EngineFailed
from edge_agent.inference.engines.signature import Signature, TensorSpec
from edge_agent.inference.host import HostPipeline
from edge_agent.inference.imaging.helped import HelpedResizer
from edge_agent.inference.imaging.resize import ArrayPixels
from edge_agent.inference.pipeline import Inspection

LABELS = (Label(name="background", color="#FFFFFF"), Label(name="a", color="#FF0000"), Label(name="b", color="#0000FF"))


class _Fixed:
    """An engine that always answers the same."""

    def __init__(self, mask: Any, score: Any = (0.25,), dtype: str = "float32") -> None:
        self._results = [np.asarray(score, np.float32), np.asarray(mask)]
        shape = (1, 3, 64, 64)
        outputs = (TensorSpec("score", "float32", None), TensorSpec("mask", dtype, None))
        self.signature = Signature((TensorSpec("x", "float32", shape),), outputs)

    def run(self, name: str, tensor: Any, outputs: list[str]) -> list[Any]:
        assert (name, tensor.shape) == ("x", (1, 3, 64, 64))
        return self._results[: len(outputs)]


def _manifest(kind: str, labels: tuple[Label, ...] = LABELS, index: int = 0) -> Manifest:
    return Manifest(
        format=1,
        name="m",
        version="1.0.0",
        task="segmentation",
        image=Image(width=64, height=64),
        input=Input(name="x", width=64, height=64),
        outputs=Outputs(
            score=ScoreOutput(name="score", index=index),
            mask=MaskOutput(name="mask", kind=kind, pixel_threshold=0.5),  # type: ignore[arg-type]
        ),
        threshold=0.5,
        artifacts=(Artifact(path="model.onnx", sha256="0" * 64),),
        labels=labels,
    )


def _inspect(engine: _Fixed, kind: str, labels: tuple[Label, ...] = LABELS, index: int = 0) -> Inspection:
    return HostPipeline(_manifest(kind, labels, index), engine).run(ArrayPixels(np.zeros((64, 64, 3), np.uint8)))


def _areas(inspection: Inspection) -> dict[str, float]:
    return {area.label: area.fraction for area in inspection.verdict.areas}


def test_waiting_for_a_helper_is_not_the_engines_time(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = _manifest("class_ids")
    engine = _Fixed(np.zeros((1, 2, 2), np.int64), dtype="int64")
    pipeline = HostPipeline(
        msgspec.structs.replace(manifest, image=Image(width=1024, height=1024)), engine, helped=True
    )
    finished = []

    def finish(helped: HelpedResizer) -> None:
        finished.append(time.monotonic())

    with monkeypatch.context() as patched:
        patched.setattr(HelpedResizer, "finish", finish)
        pipeline.run(ArrayPixels(np.zeros((1024, 1024, 3), np.uint8)))
        _, done = pipeline.engine_times
        assert [when >= done for when in finished] == [False, True]
        patched.setattr(engine, "run", lambda *_: (_ for _ in ()).throw(EngineFailed("it broke")))
        with pytest.raises(EngineFailed, match="it broke"):
            pipeline.run(ArrayPixels(np.zeros((1024, 1024, 3), np.uint8)))
        assert len(finished) == 4, "also where the engine fails"


def test_class_scores_take_the_highest() -> None:
    scores = np.zeros((1, 3, 2, 2), np.float32)
    scores[0, 0] = 0.4
    scores[0, 2, 0, 0] = 0.9
    assert _areas(_inspect(_Fixed(scores), "class_scores")) == {"background": 0.75, "b": 0.25}


def test_class_scores_of_two_labels_agree_with_argmax_on_ties() -> None:
    scores = np.array([[[[0.5, 0.2], [0.9, 0.3]], [[0.5, 0.8], [0.1, 0.3]]]], np.float32)
    assert _areas(_inspect(_Fixed(scores), "class_scores", LABELS[:2])) == {"background": 0.75, "a": 0.25}


@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 1, 2, 2)])
def test_class_ids(shape: tuple[int, ...]) -> None:
    ids = np.array([0, 1, 2, 2], np.int64).reshape(shape)
    inspection = _inspect(_Fixed(ids, dtype="int64"), "class_ids")
    assert _areas(inspection) == {"background": 0.25, "a": 0.25, "b": 0.5}


@pytest.mark.parametrize("shape", [(1, 2, 2), (1, 1, 2, 2)])
def test_an_anomaly_map_is_cut_at_its_threshold(shape: tuple[int, ...]) -> None:
    values = np.array([0.49, 0.5, 0.51, np.nan], np.float32).reshape(shape)
    assert _areas(_inspect(_Fixed(values), "anomaly_map", LABELS[:2])) == {"background": 0.5, "a": 0.5}


def test_the_score_is_the_value_that_the_manifest_names() -> None:
    engine = _Fixed(np.zeros((1, 3, 2, 2), np.float32), score=[[0.1, 0.8]])
    assert _inspect(engine, "class_scores", index=1).verdict.score == pytest.approx(0.8)
    with pytest.raises(EngineFailed, match="has 2 values, the manifest takes number 2"):
        _inspect(engine, "class_scores", index=2)


@pytest.mark.parametrize("ids", [[0, 1, 2, 3], [0, 0, 0, -1]])
def test_a_class_without_a_label_is_the_engines_failure(ids: list[int]) -> None:
    with pytest.raises(EngineFailed, match=r"has classes .*, but 3 labels"):
        _inspect(_Fixed(np.array(ids, np.int64).reshape(1, 2, 2), dtype="int64"), "class_ids")


def test_class_scores_of_another_number_than_labels() -> None:
    with pytest.raises(EngineFailed, match="has 2 classes, the manifest has 3 labels"):
        _inspect(_Fixed(np.zeros((1, 2, 2, 2), np.float32)), "class_scores")


def test_an_engine_that_does_not_fit_the_manifest_is_refused_when_it_is_loaded() -> None:
    engine = _Fixed(np.zeros((1, 2, 2), np.int64), dtype="int64")
    with pytest.raises(ComponentError, match="output 'mask' is int64 of no declared shape, the manifest expects"):
        _inspect(engine, "class_scores")
