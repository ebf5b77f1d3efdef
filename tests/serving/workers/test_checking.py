"""What a worker loads is what was checked, whatever happens to the component's files in between."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_agent.component.manifest import decode_manifest, manifest_digest
from edge_agent.component.trust import Trust
from edge_agent.component.writing import write_component
from edge_agent.errors import ComponentError
from edge_agent.inference import loading
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.inference.imaging.resize import ArrayPixels
from edge_agent.serving.workers.checking import checked_component
from edge_agent.serving.workers.messages import Load
from edge_agent.serving.workers.process import Worker
from tests.support.fakes import echo_fields, echo_graph, picture, write_echo
from tests.support.keys import Signer, edit_manifest, inverted_graph

DARK = 51  # score 0.2 of an echo model, 0.8 of one that has been swapped


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer(tmp_path, "release")


def _digest(folder: Path) -> str:
    return manifest_digest(decode_manifest((folder / "manifest.json").read_bytes(), source="test"))


def _score(folder: Path, trust: Trust, monkeypatch: pytest.MonkeyPatch, swap: Any) -> float:
    """Load a component in a worker, with `swap` done when it has been checked and before the engine opens it."""
    load_pipeline = loading.load_pipeline

    def late(*arguments: Any, **named: Any) -> Any:
        swap()
        return load_pipeline(*arguments, **named)

    monkeypatch.setattr(loading, "load_pipeline", late)
    front, back = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with front, back:
        worker = Worker(back)
        worker._load(Load(str(folder), EngineOptions(), 0.0, _digest(folder), trust))
        score: float = worker._inspector._pipeline.run(ArrayPixels(picture(DARK))).verdict.score
    return score


def _in_place(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(inverted_graph())


def _by_name(folder: Path) -> None:
    (folder / "new").write_bytes(inverted_graph())
    (folder / "new").rename(folder / "model.onnx")


@pytest.mark.parametrize("swap", [_in_place, _by_name])
def test_a_model_that_is_swapped_after_the_check_is_not_loaded(
    tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch, swap: Any
) -> None:
    folder = write_echo(tmp_path / "models")
    signer.sign(folder)
    assert _score(folder, signer.trust(), monkeypatch, lambda: swap(folder)) == pytest.approx(0.2, abs=1e-5)
    with pytest.raises(ComponentError, match=r"^artifact 'model\.onnx' has SHA-256"):
        _score(folder, signer.trust(), monkeypatch, lambda: None)


def test_weights_beside_the_model_are_checked_and_kept_as_well(
    tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = onnx.load_model_from_string(echo_graph(64, 64, segmentation=True))
    model.graph.node[0].output[0] = "mean"
    model.graph.node.append(helper.make_node("Mul", ["mean", "factor"], ["score"]))
    factor = model.graph.initializer.add(name="factor", data_type=TensorProto.FLOAT, dims=[1])
    factor.data_location = TensorProto.EXTERNAL
    factor.external_data.add(key="location", value="weights.bin")
    files = {"model.onnx": model.SerializeToString(), "weights.bin": np.float32(0.5).tobytes()}
    folder = write_component(tmp_path / "models", files, **echo_fields("echo", 64, 64))
    signer.sign(folder)

    def swap() -> None:
        (folder / "weights.bin").write_bytes(np.float32(5.0).tobytes())

    assert _score(folder, signer.trust(), monkeypatch, swap) == pytest.approx(0.1, abs=1e-5)


@pytest.mark.parametrize("required", [True, False])
def test_only_what_the_catalogue_has_read_is_loaded(tmp_path: Path, signer: Signer, required: bool) -> None:
    """Another component that is signed just as well must not take a model's place."""
    folder = write_echo(tmp_path / "models")
    signer.sign(folder)
    digest = _digest(folder)
    edit_manifest(folder, threshold=0.9)
    signer.sign(folder)
    with (
        pytest.raises(ComponentError, match=r"^manifest\.json has changed since the model folders were looked at$"),
        checked_component(folder, digest, signer.trust(required=required)),
    ):
        pass
