"""A worker that hangs in a call is given up; its model comes back and the others never notice."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from edge_agent.component.manifest import Artifact, Image, Input, Manifest, Outputs, ScoreOutput
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.serving.workers.parcels import ParcelShelf
from edge_agent.serving.workers.pool import PoolOptions, WorkerPool
from tests.support.daemon import PATIENCE, alive, bytes_request, running_daemon, suspend, wait_until
from tests.support.fakes import picture, write_echo


def test_a_worker_that_hangs_in_a_call_is_given_up(tmp_path: Path) -> None:
    with running_daemon(tmp_path, "--call-seconds", "4", "--first-restart", "0.1") as daemon:
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
                "the worker of model 'hanging' was lost during the call (it hung: a call took longer than 4 s)"
            )
        answer = daemon.stub("DetectAnomalies", bytes_request("bystander", picture(51)))
        assert answer.detect_anomaly_result.anomaly_score == pytest.approx(0.2, abs=1e-5)
        daemon.stub.wait_for("hanging", "RUNNING")
        answer = daemon.stub("DetectAnomalies", bytes_request("hanging", picture(51)))
        assert answer.detect_anomaly_result.anomaly_score == pytest.approx(0.2, abs=1e-5)
        assert not alive(worker.pid)
        assert [found.pid for found in daemon.workers("bystander")] == [other.pid]


def test_a_batch_may_take_as_long_as_its_pictures_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is for one picture; the watch asks how many there are when it goes off."""
    options = PoolOptions(1, EngineOptions(), 0.0, 1, 1, call_seconds=1.0, start_seconds=1.0, build_seconds=1.0)
    manifest: Any = Manifest(
        format=1, name="m", version="1.0.0", task="classification", image=Image(width=64, height=64),
        input=Input(name="x", width=64, height=64), outputs=Outputs(score=ScoreOutput(name="score")), threshold=0.5,
        artifacts=(Artifact(path="model.onnx", sha256="0" * 64),),
    )  # fmt: skip

    async def limit(calls: int, batch: int) -> float:
        """Give the seconds from a batch's begin after which it is taken for hung."""
        pool = WorkerPool(
            Path(), manifest, options, ParcelShelf(), on_progress=lambda text: None, on_death=lambda cause: None
        )
        now = 1000.0
        seat: Any = type("Seat", (), {"calls": dict.fromkeys(range(calls)), "batch": batch, "begun": now})
        monkeypatch.setattr(time, "monotonic", lambda: now + 0.25)
        waits: list[float] = []
        pool._watch = lambda seat, seconds: waits.append(seconds)  # type: ignore[method-assign]
        pool._look_for_hang(seat)
        monkeypatch.undo()
        return waits[0] + 0.25

    assert asyncio.run(limit(1, 4)) == pytest.approx(1.0)
    assert asyncio.run(limit(4, 4)) == pytest.approx(4.0)
    assert asyncio.run(limit(2, 1)) == pytest.approx(1.0), "the second is not in the engine yet"


@pytest.mark.long
def test_many_calls_that_each_end_in_time_are_no_hang(tmp_path: Path) -> None:
    """The limit is for one call, and time without calls does not count."""
    with running_daemon(tmp_path, "--call-seconds", "4") as daemon:
        write_echo(daemon.models, "busy")
        wait_until(lambda: "busy" in daemon.stub.listed(), "the component is noticed")
        daemon.stub.start("busy")
        (worker,) = daemon.workers()
        begun = time.monotonic()
        while time.monotonic() - begun < 5.0:  # longer than the limit, all calls together
            suspend(worker)
            calls = [daemon.stub.later("DetectAnomalies", bytes_request("busy", picture(51))) for _ in range(4)]
            time.sleep(0.8)  # what an engine takes that is slow
            worker.resume()
            for call in calls:
                call.result()
        assert [found.pid for found in daemon.workers()] == [worker.pid]
