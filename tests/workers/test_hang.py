"""A worker that hangs in a call is given up; its model comes back and the others never notice."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from tests.daemon import PATIENCE, alive, bytes_request, running_daemon, suspend, wait_until
from tests.fakes import picture, write_echo


def test_a_worker_that_hangs_in_a_call_is_given_up(tmp_path: Path) -> None:
    with running_daemon(tmp_path, "--call-seconds", "0.5", "--first-restart", "0.1") as daemon:
        for name in ("hanging", "bystander"):
            write_echo(daemon.models, name)
        wait_until(lambda: len(daemon.stub.listed()) == 2, "the components are noticed")
        for name in ("hanging", "bystander"):
            daemon.stub.start(name)
        (worker,), (other,) = daemon.workers("hanging"), daemon.workers("bystander")
        suspend(worker)  # as in a driver that does not return
        held = [daemon.stub.later("DetectAnomalies", bytes_request("hanging", picture(51))) for _ in range(4)]
        for call in held:
            assert call.exception(timeout=PATIENCE).code() is grpc.StatusCode.INTERNAL
            assert call.details() == (
                "the worker of model 'hanging' was lost during the call (it hung: a call took longer than 0.5 s)"
            )
        answer = daemon.stub("DetectAnomalies", bytes_request("bystander", picture(51)))
        assert answer.detect_anomaly_result.anomaly_score == pytest.approx(0.2, abs=1e-5)
        daemon.stub.wait_for("hanging", "RUNNING")
        answer = daemon.stub("DetectAnomalies", bytes_request("hanging", picture(51)))
        assert answer.detect_anomaly_result.anomaly_score == pytest.approx(0.2, abs=1e-5)
        assert not alive(worker.pid)
        assert [found.pid for found in daemon.workers("bystander")] == [other.pid]


def test_many_calls_that_each_end_in_time_are_no_hang(tmp_path: Path) -> None:
    """The limit is for one call, and time without calls does not count."""
    with running_daemon(tmp_path, "--call-seconds", "0.4") as daemon:
        write_echo(daemon.models, "busy", 1024, 1024)
        wait_until(lambda: "busy" in daemon.stub.listed(), "the component is noticed")
        daemon.stub.start("busy")
        (worker,) = daemon.workers()
        before = worker.cpu_times().user
        request = bytes_request("busy", picture(51, 1024, 1024))
        while worker.cpu_times().user - before < 1.0:  # longer than the limit, all calls together
            for call in [daemon.stub.later("DetectAnomalies", request) for _ in range(4)]:
                call.result()
        assert [found.pid for found in daemon.workers()] == [worker.pid]
