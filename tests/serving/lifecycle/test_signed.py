"""A device that serves signed models alone: nobody swaps one, neither before nor while it is looked at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.support.daemon import Daemon, bytes_request, running_daemon, wait_until
from tests.support.fakes import picture, write_echo
from tests.support.keys import Signer, edit_manifest, inverted_graph

SIGNATURE, DARK = "manifest.json.sig", 51


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that looks at its models when it starts, and later only when it is asked to list them."""
    folder = tmp_path_factory.mktemp("signed")
    models = folder / "models"
    release, stranger = Signer(folder, "release"), Signer(folder, "stranger")
    names = ("good", "edited", "rewritten", "truncated", "swapped", "replaced", "exchanged", "steady", "newer")
    release.sign(*(write_echo(models, name) for name in names))
    edit_manifest(models / "edited/1.0.0", threshold=0.9)
    (models / "rewritten/1.0.0/model.onnx").write_bytes(inverted_graph())
    os.truncate(models / "truncated/1.0.0" / SIGNATURE, 40)
    stranger.sign(write_echo(models, "foreign"))
    write_echo(models, "bare")
    write_echo(models, "newer", version="1.1.0")
    keys = folder / "keys"
    keys.mkdir()
    shutil.copy(release.public, keys)
    # What comes later, beside the model folder.
    release.sign(write_echo(folder / "later", "exchanged", threshold=0.9))
    write_echo(folder / "later", "replaced", threshold=0.9)
    flags = ("--require-signature", "--trusted-key", str(keys), "--scan-seconds", "3600", "--first-restart", "0.1")
    (folder / "tmp").mkdir()
    with running_daemon(folder, *flags, models=models, wrapper=("env", f"TMPDIR={folder / 'tmp'}")) as running:
        yield running


def _score(device: Daemon, model: str) -> float:
    result = device.stub("DetectAnomalies", bytes_request(model, picture(DARK))).detect_anomaly_result
    score: float = round(result.anomaly_score, 4)
    return score


def _replace(device: Daemon, model: str) -> None:
    """Put what was made later in the place of a component that is there."""
    folder = device.models / model / "1.0.0"
    shutil.rmtree(folder)
    (device.folder / "later" / model / "1.0.0").rename(folder)


def test_a_signed_model_is_served(device: Daemon) -> None:
    assert "signatures: required, by release.pub.pem (" in device.log.read_text()
    device.stub.start("good")
    assert _score(device, "good") == 0.2
    assert list((device.folder / "tmp").glob("edge-agent-checked-*/model.onnx")) == []


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("edited", "manifest.json.sig does not fit: manifest.json has changed since it was signed, or the key is not"),
        ("foreign", "manifest.json.sig does not fit: manifest.json has changed since it was signed, or the key is not"),
        ("rewritten", "artifact 'model.onnx' has SHA-256"),
        ("truncated", "manifest.json.sig has 40 bytes, expected the 64 of an Ed25519 signature"),
        ("bare", "it is not signed, and a signature is required (manifest.json.sig is missing)"),
    ],
)
def test_what_is_not_signed_is_not_served(device: Daemon, model: str, said: str) -> None:
    description = device.stub.describe(model)
    assert pb2.ModelStatus.Name(description.status) == "FAILED"
    assert description.status_message.startswith(f"version 1.0.0: {said}")
    code, details = device.stub.refusal("StartModel", pb2.StartModelRequest(model_component=model))
    assert (code, said in details) == ("FAILED_PRECONDITION", True)


def test_the_newest_that_is_signed_is_served(device: Daemon) -> None:
    device.stub.start("newer")
    assert _score(device, "newer") == 0.2
    message = device.stub.describe("newer").status_message
    assert message.startswith("version 1.1.0: it is not signed")


def test_a_file_that_is_swapped_after_the_look_is_not_served(device: Daemon) -> None:
    """The worker looks again. What was swapped has the same name, and a manifest that is signed."""
    (device.models / "swapped/1.0.0/model.onnx").write_bytes(inverted_graph())
    device.stub("StartModel", pb2.StartModelRequest(model_component="swapped"))
    message = device.stub.wait_for("swapped", "FAILED").status_message
    assert message.startswith("artifact 'model.onnx' has SHA-256")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("replaced", "it is not signed, and a signature is required (manifest.json.sig is missing)"),
        ("exchanged", "manifest.json has changed since the model folders were looked at"),
    ],
)
def test_a_component_that_is_swapped_after_the_look_is_not_served(device: Daemon, model: str, said: str) -> None:
    _replace(device, model)
    device.stub("StartModel", pb2.StartModelRequest(model_component=model))
    assert device.stub.wait_for(model, "FAILED").status_message == said


def test_what_runs_is_left_alone_until_it_is_started_again(device: Daemon) -> None:
    device.stub.start("steady")
    (device.models / "steady/1.0.0/model.onnx").write_bytes(inverted_graph())
    (device.models / "steady/1.0.0" / SIGNATURE).unlink()
    assert "it is not signed" in device.stub.listed()["steady"].status_message
    assert _score(device, "steady") == 0.2
    (worker,) = device.workers("steady")
    worker.kill()
    wait_until(lambda: device.stub.status("steady") == "FAILED", "the loss is noticed")
    expected = "version 1.0.0: it is not signed, and a signature is required"
    wait_until(lambda: expected in device.stub.describe("steady").status_message.partition(";")[0], "it is tried again")
    assert device.stub.status("steady") == "FAILED"
