"""The daemon is ended in the middle of everything, and started again."""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterator

import grpc
import psutil
import pytest

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.faults.conftest import Line
from tests.faults.models import PLAIN, SCORE
from tests.support.daemon import PATIENCE, Daemon, Stub, alive, bytes_request, running_daemon, suspend, wait_until
from tests.support.fakes import write_echo


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("signals")
    write_echo(folder / "models", "victim")
    with running_daemon(folder) as running:
        running.stub.start("victim")
        yield running


@pytest.fixture(scope="module")
def may_lose() -> tuple[str, ...]:
    """While the daemon is away, and until the bystander runs again."""
    return ("UNAVAILABLE", "FAILED_PRECONDITION")


@pytest.fixture(autouse=True)
def nothing_left(daemon: Daemon, line: Line, bystander: None) -> Iterator[None]:
    """The daemon of before is gone with all that it had, and the next one has started the models that ran."""
    before = psutil.Process(daemon.process.pid)
    yield
    assert not alive(before.pid)
    assert daemon.process.pid != before.pid
    daemon.stub.wait_for(line.client.model, "RUNNING")
    daemon.stub.wait_for("victim", "RUNNING")
    result = daemon.stub("DetectAnomalies", bytes_request("victim", PLAIN)).detect_anomaly_result
    assert result.anomaly_score == pytest.approx(SCORE, abs=1e-5)


def _push(daemon: Daemon, over: threading.Event, codes: collections.Counter[str]) -> None:
    """Call without a pause until it is over."""
    stub = Stub(daemon.socket)
    while not over.is_set():
        try:
            result = stub("DetectAnomalies", bytes_request("victim", PLAIN)).detect_anomaly_result
            codes["right" if abs(result.anomaly_score - SCORE) < 1e-5 else "wrong"] += 1
        except grpc.RpcError as error:
            codes[error.code().name] += 1
    stub.channel.close()


def test_sigterm_under_load(daemon: Daemon) -> None:
    """Every call is answered, or was not taken and is told so."""
    over = threading.Event()
    counts: list[collections.Counter[str]] = [collections.Counter() for _ in range(4)]
    threads = [threading.Thread(target=_push, args=(daemon, over, codes)) for codes in counts]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: all(codes["right"] > 10 for codes in counts), "they are served")
        assert daemon.stop() == 0
    finally:
        over.set()
        for thread in threads:
            thread.join()
    for codes in counts:
        assert codes.keys() <= {"right", "UNAVAILABLE", "FAILED_PRECONDITION"}
    daemon.restart()


def test_sigterm_during_a_start(daemon: Daemon) -> None:
    daemon.stub("StopModel", pb2.StopModelRequest(model_component="victim"))
    daemon.stub("StartModel", pb2.StartModelRequest(model_component="victim"))
    wait_until(lambda: daemon.workers("victim"), "its worker is there")
    assert daemon.stop() == 0
    daemon.restart()


def test_sigterm_during_a_stop(daemon: Daemon) -> None:
    (worker,) = daemon.workers("victim")
    suspend(worker)
    call = daemon.stub.later("DetectAnomalies", bytes_request("victim", PLAIN))
    daemon.stub.describe("victim")  # sent after it on the same connection: it has arrived
    stop = daemon.stub.later("StopModel", pb2.StopModelRequest(model_component="victim"))
    daemon.stub.wait_for("victim", "STOPPING")
    daemon.process.terminate()
    wait_until(lambda: "SIGTERM: finishing" in daemon.log.read_text().rpartition("serving on")[2], "it has arrived")
    worker.resume()
    assert call.result().detect_anomaly_result.anomaly_score == pytest.approx(SCORE, abs=1e-5)
    assert stop.result().status == pb2.STOPPED
    assert daemon.process.wait(PATIENCE) == 0
    daemon.restart()
    assert daemon.stub.status("victim") == "STOPPED", "a stop that was under way is remembered"
    daemon.stub.start("victim")


def test_the_front_killed(daemon: Daemon) -> None:
    (worker,) = daemon.workers("victim")
    suspend(worker)
    calls = [daemon.stub.later("DetectAnomalies", bytes_request("victim", PLAIN)) for _ in range(4)]
    daemon.stub.describe("victim")  # sent after them on the same connection: they have arrived
    workers = daemon.workers()
    daemon.process.kill()
    for call in calls:
        assert call.exception(timeout=PATIENCE).code() is grpc.StatusCode.UNAVAILABLE
    daemon.process.wait(PATIENCE)
    wait_until(lambda: not any(alive(left.pid) for left in workers), "the workers are gone")
    assert daemon.path.exists()
    daemon.restart()
