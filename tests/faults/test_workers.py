"""A worker that is killed, hangs, crashes in native code, or has no memory left, beside a line that goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.faults.models import PLAIN, SCORE, white_corner, write_hungry
from tests.support.daemon import PATIENCE, Daemon, bytes_request, running_daemon, suspend, wait_until
from tests.support.fakes import write_echo

CRASHING = os.pathsep.join(filter(None, (str(Path(__file__).parent / "crashing"), os.environ.get("PYTHONPATH", ""))))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("workers")
    for name in ("victim", "crashing"):
        write_echo(folder / "models", name)
    write_hungry(folder / "models")
    flags = ("--call-seconds", "5", "--first-restart", "0.1", "--longest-restart", "0.2")
    with running_daemon(folder, *flags, wrapper=("env", f"PYTHONPATH={CRASHING}")) as running:
        for name in ("victim", "crashing", "hungry"):
            running.stub.start(name)
        yield running


def _score(daemon: Daemon, model: str) -> float:
    result: pb2.DetectAnomaliesResponse = daemon.stub("DetectAnomalies", bytes_request(model, PLAIN))
    return result.detect_anomaly_result.anomaly_score


def _comes_back(daemon: Daemon, model: str) -> None:
    daemon.stub.wait_for(model, "RUNNING")
    assert _score(daemon, model) == pytest.approx(SCORE, abs=1e-5)


def _lost(call: Any) -> str:
    """Return the cause that a call was told of the loss of its worker."""
    assert call.exception(timeout=PATIENCE).code() is grpc.StatusCode.INTERNAL
    before, _, cause = call.details().partition(" was lost during the call ")
    assert before.startswith("the worker of model ")
    return str(cause)


def test_killed(daemon: Daemon) -> None:
    for _ in range(3):
        (worker,) = daemon.workers("victim")
        suspend(worker)
        calls = [daemon.stub.later("DetectAnomalies", bytes_request("victim", PLAIN)) for _ in range(4)]
        daemon.stub.describe("victim")  # sent after them on the same connection: they have arrived
        worker.kill()
        assert {_lost(call) for call in calls} == {"(killed by SIGKILL)"}
        _comes_back(daemon, "victim")


def test_hanging(daemon: Daemon) -> None:
    suspend(daemon.workers("victim")[0])  # as in a driver that does not return
    calls = [daemon.stub.later("DetectAnomalies", bytes_request("victim", PLAIN)) for _ in range(4)]
    assert {_lost(call) for call in calls} == {"(it hung: a call took longer than 5 s)"}
    _comes_back(daemon, "victim")


def test_crashed_in_native_code(daemon: Daemon) -> None:
    assert _score(daemon, "crashing") == pytest.approx(SCORE, abs=1e-5)
    call = daemon.stub.later("DetectAnomalies", bytes_request("crashing", white_corner()))
    assert _lost(call) == "(killed by SIGSEGV)"
    _comes_back(daemon, "crashing")


def test_out_of_memory_in_a_call(daemon: Daemon) -> None:
    (worker,) = daemon.workers("hungry")
    worker.rlimit(psutil.RLIMIT_AS, (worker.memory_info().vms + (256 << 20), psutil.RLIM_INFINITY))
    code, details = daemon.stub.refusal("DetectAnomalies", bytes_request("hungry", white_corner()))
    assert code == "INTERNAL"
    assert details.startswith("the engine failed: ")
    assert _score(daemon, "hungry") == pytest.approx(SCORE, abs=1e-5)
    assert daemon.workers("hungry") == [worker], "it lost the call and nothing else"


def test_out_of_memory_while_loading(daemon: Daemon) -> None:
    """The model comes back by itself when there is memory again."""
    daemon.stub("StopModel", pb2.StopModelRequest(model_component="victim"))
    front = psutil.Process(daemon.process.pid)
    limits = front.rlimit(psutil.RLIMIT_AS)
    front.rlimit(psutil.RLIMIT_AS, (front.memory_info().vms + (16 << 20), limits[1]))  # a worker inherits it
    try:
        daemon.stub("StartModel", pb2.StartModelRequest(model_component="victim"))
        wait_until(lambda: "it is started again" in daemon.stub.describe("victim").status_message, "it has failed")
    finally:
        front.rlimit(psutil.RLIMIT_AS, limits)
    _comes_back(daemon, "victim")
    wait_until(lambda: len(daemon.workers("victim")) == 1, "what failed to load has gone")


def test_no_memory_in_the_front(daemon: Daemon) -> None:
    """A message that there is no memory for is refused, and the others are served."""
    front = psutil.Process(daemon.process.pid)
    limits = front.rlimit(psutil.RLIMIT_AS)
    front.rlimit(psutil.RLIMIT_AS, (front.memory_info().vms + (16 << 20), limits[1]))
    try:
        large = bytes_request("victim", PLAIN, byte_data=bytes(40 << 20))
        code, details = daemon.stub.refusal("DetectAnomalies", large)
        assert code == "RESOURCE_EXHAUSTED"
        assert details.startswith("no memory for a message of ")
        assert _score(daemon, "victim") == pytest.approx(SCORE, abs=1e-5)
    finally:
        front.rlimit(psutil.RLIMIT_AS, limits)
