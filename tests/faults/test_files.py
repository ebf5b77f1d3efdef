"""A model's file is truncated, rewritten, replaced or removed while it runs, beside a line that goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.faults.models import PLAIN, SCORE
from tests.support.daemon import Daemon, bytes_request, running_daemon, wait_until
from tests.support.fakes import echo_graph, write_echo

#: a model that fits the manifest as well, and answers otherwise
OTHER = echo_graph(64, 64, segmentation=True, fragile=True)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("files")
    write_echo(folder / "models", "victim")
    with running_daemon(folder, "--first-restart", "0.1", "--longest-restart", "0.2") as running:
        running.stub.start("victim")
        yield running


def _rename_another_over(path: Path) -> None:
    (path.parent / "other").write_bytes(OTHER)
    (path.parent / "other").rename(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: os.truncate(path, 100), "has SHA-256"),
        (lambda path: path.write_bytes(OTHER), "has SHA-256"),
        (_rename_another_over, "has SHA-256"),
        (Path.unlink, "is missing"),
    ],
    ids=["truncated", "rewritten", "replaced", "removed"],
)
def test_model_file(daemon: Daemon, change: Callable[[Path], object], said: str) -> None:
    """What runs is not touched; what would be started instead is refused until the file is as it was."""
    path = daemon.models / "victim" / "1.0.0" / "model.onnx"
    before = path.read_bytes()
    change(path)
    wait_until(lambda: f"artifact 'model.onnx' {said}" in _message(daemon), "it is noticed")
    _assert_serves(daemon)
    daemon.workers("victim")[0].kill()
    daemon.stub.wait_for("victim", "FAILED")
    wait_until(lambda: _message(daemon).startswith(f"version 1.0.0: artifact 'model.onnx' {said}"), "it says why")
    path.write_bytes(before)
    daemon.stub.wait_for("victim", "RUNNING")
    _assert_serves(daemon)


def _message(daemon: Daemon) -> str:
    return str(daemon.stub.describe("victim").status_message)


def _assert_serves(daemon: Daemon) -> None:
    result: pb2.DetectAnomaliesResponse = daemon.stub("DetectAnomalies", bytes_request("victim", PLAIN))
    assert result.detect_anomaly_result.anomaly_score == pytest.approx(SCORE, abs=1e-5)
