"""Calls of several clients are inspected together; whoever is alone never waits."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edge_agent.access.peer import own_peer
from edge_agent.errors import EngineFailed
from edge_agent.inference.imaging.bitmap import Place
from edge_agent.inference.verdict import Verdict, decide
from edge_agent.serving.observing.counts import Stages
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.workers.gathering import Gathering
from edge_agent.serving.workers.messages import Answer, Detect, Refused, decode_from_worker, encode
from edge_agent.serving.workers.process import Worker
from tests.support.daemon import bytes_request, running_daemon, wait_until
from tests.support.fakes import picture, write_echo


def test_nobody_waits_before_several_have_called_at_once() -> None:
    assert Gathering(8, 0.5).patience(1, 0.0) == 0.0


@pytest.mark.parametrize(
    ("count", "waiting", "there", "patience"),
    [
        (1, 0, 1, 0.0),  # a client alone
        (1, 1, 1, 0.5),  # another came meanwhile: the first will call again
        (3, 0, 2, 0.5),
        (3, 0, 3, 0.0),  # all that were expected are there
        (8, 4, 7, 0.5),
        (8, 4, 8, 0.0),  # more than the engine takes are not waited for
    ],
)
def test_those_who_were_there_last_time_are_waited_for(count: int, waiting: int, there: int, patience: float) -> None:
    gathering = Gathering(8, 0.5)
    gathering.ended(count, waiting, 10.0)
    assert gathering.patience(there, 10.0) == patience
    assert gathering.patience(there, 11.0) == 0.0, "they call on another clock, if at all"


class _Camera:
    """Sees nothing."""

    opinion = learned = None

    def judge(self) -> None:
        pass


class _Inspector:
    """Answers every call with its number, and remembers how many came at once."""

    def __init__(self, batch: int, failing: int = -1) -> None:
        self.batch, self.camera, self._failing = batch, _Camera(), failing
        self.batches: list[list[int]] = []

    def stages(self, begun: float, before: float, now: float) -> Stages:
        return Stages(begun, 0.0, 0.0, 0.0)

    needs_pixels = blank = False

    def settle(self) -> None:
        pass

    def inspect(self, jobs: Sequence[Detect]) -> Iterator[tuple[Detect, Verdict | Exception]]:
        self.batches.append([job.call for job in jobs])
        for job in jobs:
            yield job, EngineFailed("no") if job.call == self._failing else decide(job.call / 100, 0.5)


class _Driven(Worker):
    """A worker with a stand-in for its model, whose channel is the test's."""

    def __init__(self, inspector: _Inspector, patience: float) -> None:
        self.front, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(self._theirs)
        self._inspector = inspector  # type: ignore[assignment]
        self._gathering = Gathering(inspector.batch, patience)

    def send(self, *calls: int, deadline: float | None = None) -> None:
        for call in calls:
            self.front.send(encode(Detect(call, Place("/s", 1, 0), None, deadline, own_peer())))

    def step(self) -> None:
        self._answer(self._next_batch())

    def close(self) -> None:
        self.front.close()
        self._theirs.close()

    def received(self, count: int) -> list[Answer | Refused]:
        messages = [decode_from_worker(self.front.recv(1 << 17)) for _ in range(count)]
        return [message for message in messages if isinstance(message, Answer | Refused)]


def test_calls_that_wait_are_inspected_together_up_to_the_engines_batch() -> None:
    inspector = _Inspector(4, failing=3)
    with contextlib.closing(_Driven(inspector, 0.0)) as worker:
        worker.send(1, 2, 3, 4, 5)
        worker.step()
        worker.step()
        assert inspector.batches == [[1, 2, 3, 4], [5]]
        answers = worker.received(5)
        assert [(type(answer), answer.call) for answer in answers] == [
            (Answer, 1), (Answer, 2), (Refused, 3), (Answer, 4), (Answer, 5),
        ]  # fmt: skip
        assert isinstance(answers[0], Answer)
        assert answers[0].verdict.score == 0.01


def test_a_call_that_expired_is_answered_and_takes_no_place() -> None:
    inspector = _Inspector(4)
    with contextlib.closing(_Driven(inspector, 0.0)) as worker:
        worker.send(1, deadline=1.0)
        worker.send(2)
        worker.step()
        assert inspector.batches == [[2]]
        assert [type(answer) for answer in worker.received(2)] == [Refused, Answer]


def test_a_worker_waits_for_the_call_of_whoever_was_answered_with_the_last() -> None:
    inspector = _Inspector(4)
    with contextlib.closing(_Driven(inspector, 3600.0)) as worker:
        worker.send(1, 2)
        worker.step()
        worker.send(3)
        with ThreadPoolExecutor(1) as pool:
            step = pool.submit(worker.step)
            assert not step.done(), "it would wait for an hour"
            worker.send(4)
            step.result(timeout=180)
        assert inspector.batches == [[1, 2], [3, 4]]


def test_a_worker_does_not_wait_for_ever() -> None:
    inspector = _Inspector(4)
    with contextlib.closing(_Driven(inspector, 0.01)) as worker:
        worker.send(1, 2)
        worker.step()
        worker.send(3)
        worker.step()
        assert inspector.batches == [[1, 2], [3]]


def test_every_client_gets_the_answer_to_its_own_picture(tmp_path: Path) -> None:
    with running_daemon(tmp_path, "--batch", "4", "--batch-seconds", "0.01") as daemon:
        write_echo(daemon.models, batch="batch")
        wait_until(lambda: "echo" in daemon.stub.listed(), "the component is noticed")
        daemon.stub.start("echo")
        levels = [number % 256 for number in range(0, 600, 7)]
        calls = [daemon.stub.later("DetectAnomalies", bytes_request("echo", picture(level))) for level in levels[:12]]
        for level, call in zip(levels, calls, strict=False):
            result = call.result().detect_anomaly_result
            assert result.anomaly_score == pytest.approx(level / 255, abs=1e-5)
            white = level < 127.5
            assert set(np.unique(np.frombuffer(result.anomaly_mask.byte_data, np.uint8))) == (
                {255} if white else {0x23, 0xA4, 0x36}
            )
        wrong = pb2.DetectAnomaliesRequest(
            model_component="echo",
            bitmap=pb2.Bitmap(
                width=64, height=64, shared_memory_handle=pb2.SharedMemoryHandle(name="not-there", size=64 * 64 * 3)
            ),
        )
        good = [daemon.stub.later("DetectAnomalies", bytes_request("echo", picture(level))) for level in (10, 20)]
        code, _ = daemon.stub.refusal("DetectAnomalies", wrong)
        assert code == "INVALID_ARGUMENT"
        assert [round(call.result().detect_anomaly_result.anomaly_score * 255) for call in good] == [10, 20]
