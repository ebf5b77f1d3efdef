"""A running model changes over to another version, and no call is refused or lost."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.component.writing import write_component
from edge_agent.errors import OutOfMemory
from edge_agent.serving.catalogue.catalogue import Catalogue, Component
from edge_agent.serving.lifecycle.backoff import Backoff
from edge_agent.serving.lifecycle.changeover import Changeover
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.conftest import Segments
from tests.support.daemon import Daemon, running_daemon, segment_request, suspend, wait_until
from tests.support.fakes import echo_fields, echo_graph, picture, write_echo


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running_daemon(tmp_path_factory.mktemp("daemon"), "--call-seconds", "300") as running:
        yield running


@pytest.fixture
def daemon(emptied: Daemon) -> Daemon:
    """One for all tests of this file."""
    return emptied


def _threshold(daemon: Daemon, segments: Segments) -> float:
    """Tell by its threshold which version answers."""
    request = segment_request("echo", 64, 64, segments.make(picture(51)))
    result: pb2.DetectAnomalyResult = daemon.stub("DetectAnomalies", request).detect_anomaly_result
    assert result.anomaly_score == pytest.approx(0.2, abs=1e-5)
    return round(result.anomaly_threshold, 4)


def _start(daemon: Daemon) -> None:
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    daemon.stub.start("echo")


def _message(daemon: Daemon) -> str:
    message: str = daemon.stub.describe("echo").status_message
    return message


def _has_taken_over(daemon: Daemon) -> bool:
    """Tell whether a new version's worker serves while the old one's still answers what it holds."""
    # Asked in this order: two workers are there as soon as the change begins, and from before that until its end the
    # message says so. A message read first may be of the time before.
    return len(daemon.workers()) == 2 and _message(daemon) == ""


@contextmanager
def _steady_clients(daemon: Daemon, segments: Segments, count: int) -> Iterator[list[float]]:
    """Clients that call one picture after the other; what they were told, as thresholds in order of arrival."""
    answers: list[float] = []
    refused: list[BaseException] = []
    ended = threading.Event()

    def call() -> None:
        try:
            while not ended.is_set():
                answers.append(_threshold(daemon, segments))
        except BaseException as error:
            refused.append(error)

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not refused, "no call may be refused"


@pytest.mark.parametrize("instances", ["1", pytest.param("2", marks=pytest.mark.long)])
def test_no_call_is_refused_while_a_model_changes_over(tmp_path: Path, segments: Segments, instances: str) -> None:
    with running_daemon(tmp_path, "--instances", instances) as daemon:
        write_echo(daemon.models, threshold=0.5)
        _start(daemon)
        first = {worker.pid for worker in daemon.workers()}
        with _steady_clients(daemon, segments, 3) as answers:
            for version, threshold in (("1.1.0", 0.6), ("1.2.0", 0.7)):
                write_echo(daemon.models, version=version, threshold=threshold)
                wait_until(lambda wanted=threshold: wanted in answers, f"{version} answers")  # type: ignore[misc]
        assert [value for value, _ in itertools.groupby(sorted(answers))] == [0.5, 0.6, 0.7]
        assert _threshold(daemon, segments) == 0.7
        wait_until(lambda: len(daemon.workers()) == int(instances), "the workers of the old versions have ended")
        assert not first & {worker.pid for worker in daemon.workers()}
        assert daemon.stub.describe("echo").status == pb2.RUNNING
        assert _message(daemon) == ""


def test_a_call_that_the_old_version_holds_is_answered_by_it(daemon: Daemon, segments: Segments) -> None:
    write_echo(daemon.models, threshold=0.5)
    _start(daemon)
    (old,) = daemon.workers()
    suspend(old)
    held = daemon.stub.later("DetectAnomalies", segment_request("echo", 64, 64, segments.make(picture(51))))
    daemon.stub.describe("echo")  # sent after it on the same connection: it has arrived
    write_echo(daemon.models, version="2.0.0", threshold=0.9)
    wait_until(lambda: _has_taken_over(daemon), "the new version has taken over")
    assert _threshold(daemon, segments) == 0.9, "while the old one still holds a call"
    old.resume()
    assert held.result().detect_anomaly_result.anomaly_threshold == 0.5
    wait_until(lambda: old.pid not in {worker.pid for worker in daemon.workers()}, "the old worker has ended")


def test_a_version_that_can_not_be_loaded_does_not_take_over(daemon: Daemon, segments: Segments) -> None:
    """The catalogue takes it; only the engine knows that there is no such operator."""
    write_echo(daemon.models, threshold=0.5)
    _start(daemon)
    graph = echo_graph(64, 64, segmentation=True).replace(b"ReduceMean", b"ReduceNone")
    fields = echo_fields("echo", 64, 64) | {"version": "2.0.0"}
    write_component(daemon.models, {"model.onnx": graph}, **fields)
    wait_until(lambda: "can't take over" in _message(daemon), "it was tried")
    assert _message(daemon).startswith(
        "version 1.0.0 runs, 2.0.0 can't take over: model.onnx uses the operator 'ReduceNone'"
    )
    assert _threshold(daemon, segments) == 0.5
    wait_until(lambda: len(daemon.workers()) == 1, "what failed has ended")
    write_echo(daemon.models, version="2.0.1", threshold=0.8)
    wait_until(lambda: _threshold(daemon, segments) == 0.8, "a version that is whole takes over")


def test_damage_on_disk_does_not_bring_an_older_version_back(daemon: Daemon, segments: Segments) -> None:
    write_echo(daemon.models, threshold=0.4)
    newest = write_echo(daemon.models, version="2.0.0", threshold=0.8)
    _start(daemon)
    (newest / "model.onnx").write_bytes(b"damaged")
    wait_until(lambda: "version 2.0.0: artifact" in _message(daemon), "the damage is noticed")
    assert _message(daemon).startswith("version 2.0.0 runs, 1.0.0 is there; version 2.0.0: artifact 'model.onnx' has")
    assert _threshold(daemon, segments) == 0.8, "what is loaded is whole"
    write_echo(daemon.models, version="2.0.1", threshold=0.9)
    wait_until(lambda: _threshold(daemon, segments) == 0.9, "a newer one takes over all the same")


def test_the_same_version_with_other_content_takes_over_and_a_touched_file_does_not(
    daemon: Daemon, segments: Segments
) -> None:
    component = write_echo(daemon.models, threshold=0.5)
    _start(daemon)
    (worker,) = daemon.workers()
    os.utime(component / "model.onnx")
    write_echo(daemon.models, "another")
    wait_until(lambda: "another" in daemon.stub.listed(), "the folders have been looked at")
    assert [found.pid for found in daemon.workers()] == [worker.pid]
    write_echo(daemon.models, threshold=0.6)
    wait_until(lambda: _threshold(daemon, segments) == 0.6, "the other content answers")


class _Pool:
    """Workers that are ready at once."""

    def __init__(self, component: Component) -> None:
        self.component = component

    async def start(self) -> None: ...

    def check_alive(self) -> None: ...


def test_without_memory_for_both_the_old_version_runs_on_until_there_is_some(tmp_path: Path) -> None:
    write_echo(tmp_path, version="2.0.0")
    component = Catalogue([tmp_path], {}).scan()["echo"].component
    memory, taken_over = [False], []
    taken = asyncio.Event()

    def take_over(found: Component, _: Any) -> None:
        taken_over.append(found)
        taken.set()

    def check_memory(_: Component) -> None:
        if not memory[0]:
            raise OutOfMemory("80 MiB are missing")

    async def scenario() -> None:
        pools: Any = _Pool
        changeover = Changeover("echo", pools, check_memory, take_over, Backoff(1.0, 1.0))
        changeover.consider(component)
        assert changeover.note == "2.0.0 can't take over: 80 MiB are missing"
        memory[0] = True
        changeover.consider(component)
        assert changeover.note == "changing over to 2.0.0"
        await taken.wait()
        assert changeover.note == ""

    asyncio.run(scenario())
    assert taken_over == [component]


def test_stopping_in_mid_changeover_leaves_no_worker(daemon: Daemon) -> None:
    write_echo(daemon.models)
    _start(daemon)
    (old,) = daemon.workers()
    write_echo(daemon.models, version="2.0.0")
    wait_until(lambda: {found.pid for found in daemon.workers()} - {old.pid}, "the new version's worker is there")
    assert daemon.stub("StopModel", pb2.StopModelRequest(model_component="echo")).status == pb2.STOPPED
    wait_until(lambda: daemon.workers() == [], "there is none")
    daemon.stub.start("echo")
    assert daemon.stub.describe("echo").status == pb2.RUNNING


def test_a_model_that_failed_for_its_component_starts_by_itself_with_a_better_one(
    daemon: Daemon, segments: Segments
) -> None:
    graph = echo_graph(64, 64, segmentation=True).replace(b"ReduceMean", b"ReduceNone")  # an operator that is not
    write_component(daemon.models, {"model.onnx": graph}, **echo_fields("echo", 64, 64))
    wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
    daemon.stub("StartModel", pb2.StartModelRequest(model_component="echo"))
    daemon.stub.wait_for("echo", "FAILED")
    write_echo(daemon.models, version="1.0.1", threshold=0.7)
    daemon.stub.wait_for("echo", "RUNNING")
    assert _threshold(daemon, segments) == 0.7


def test_a_component_that_was_away_when_its_restart_was_due_is_started_when_it_is_back(tmp_path: Path) -> None:
    flags = ("--first-restart", "0.3", "--scan-seconds", "600")  # nothing is looked at but when a client asks
    with running_daemon(tmp_path, *flags) as daemon:
        write_echo(daemon.models)
        _start(daemon)
        (worker,) = daemon.workers()
        (daemon.models / "echo").rename(tmp_path / "away")
        assert "has been removed" in daemon.stub.listed()["echo"].status_message
        worker.kill()
        # Its time comes while it is away, and it is back before anybody has looked.
        wait_until(lambda: _message(daemon).endswith("started again when its component is back"), "its time has come")
        (tmp_path / "away").rename(daemon.models / "echo")
        daemon.stub.listed()
        daemon.stub.wait_for("echo", "RUNNING")


def test_what_waits_for_the_old_version_is_answered_however_long_that_takes(tmp_path: Path, segments: Segments) -> None:
    """Longer than a stop would wait: it holds nobody up."""
    with running_daemon(tmp_path, "--drain-seconds", "0.1") as daemon:
        write_echo(daemon.models, threshold=0.5)
        _start(daemon)
        (old,) = daemon.workers()
        suspend(old)
        request = segment_request("echo", 64, 64, segments.make(picture(51)))
        held = [daemon.stub.later("DetectAnomalies", request) for _ in range(8)]
        daemon.stub.describe("echo")  # sent after them on the same connection: they have arrived
        write_echo(daemon.models, version="2.0.0", threshold=0.9)
        write_echo(daemon.models, "another")
        wait_until(lambda: _has_taken_over(daemon), "the new version has taken over")
        daemon.stub.start("another")  # takes longer than the old one would have had for a stop
        old.resume()
        assert [call.result().detect_anomaly_result.anomaly_threshold for call in held] == [0.5] * 8
