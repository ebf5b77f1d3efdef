"""A client that goes away in mid-call, sends far too much, connects far too often, or never reads, beside a line."""

from __future__ import annotations

import collections
import contextlib
import gzip
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.memory import MOST_HELD
from edge_agent.serving.rpc.status import Code
from tests.conftest import Segments
from tests.faults.models import PLAIN, SCORE
from tests.faults.raw import RawClient
from tests.support.daemon import Daemon, Stub, bytes_request, running_daemon, segment_request, suspend, wait_until
from tests.support.fakes import picture, write_echo

SIDE = 1024


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("connections")
    write_echo(folder / "models", "victim")
    write_echo(folder / "models", "large", SIDE, SIDE)
    with running_daemon(folder) as running:
        for name in ("victim", "large"):
            running.stub.start(name)
        yield running


@pytest.fixture(scope="module")
def rss(daemon: Daemon) -> int:
    """What the front process takes of memory before all this."""
    return int(psutil.Process(daemon.process.pid).memory_info().rss)


def _sockets(process: psutil.Process) -> int:
    count = 0
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            count += str(descriptor.readlink()).startswith("socket:")
    return count


@pytest.fixture
def front(daemon: Daemon) -> Iterator[psutil.Process]:
    """The front process, which serves as before at the end, with as many connections and the same workers."""
    process = psutil.Process(daemon.process.pid)
    sockets, workers = _sockets(process), {worker.pid for worker in daemon.workers()}
    yield process
    wait_until(lambda: _sockets(process) == sockets, "the connections are closed")
    result = daemon.stub("DetectAnomalies", bytes_request("victim", PLAIN)).detect_anomaly_result
    assert result.anomaly_score == pytest.approx(SCORE, abs=1e-5)
    assert {worker.pid for worker in daemon.workers()} == workers


@pytest.fixture
def masks(segments: Segments) -> tuple[bytes, bytes]:
    """Two requests for a mask of 3 MiB: inside of the answer, and in a segment."""
    source = segments.make(picture(51, SIDE, SIDE))
    target = segments.make(bytes(SIDE * SIDE * 3))
    inside = segment_request("large", SIDE, SIDE, source)
    outside = segment_request("large", SIDE, SIDE, source, target)
    return inside.SerializeToString(), outside.SerializeToString()


@pytest.mark.long
def test_answers_that_are_never_taken(
    daemon: Daemon, front: psutil.Process, rss: int, masks: tuple[bytes, bytes]
) -> None:
    """A client that reads, but opens no window for more (RFC 9113, 5.2): they are kept, up to a limit."""
    with RawClient(daemon.path) as client:
        calls, received = 0, b""
        while b"bytes of answers that it has not taken, expected" not in received:
            client.detect(masks[0])
            calls += 1
            assert calls < 200, "it is never refused"
            daemon.stub("DetectAnomalies", masks[1])  # the worker has done what came before
            received = received[-1000:] + client.received()
        assert calls > 50
        assert front.memory_info().rss - rss < MOST_HELD + (32 << 20)


def test_answers_that_are_never_read(daemon: Daemon, front: psutil.Process, masks: tuple[bytes, bytes]) -> None:
    """Its calls are not read either."""
    before = front.memory_info().rss
    with RawClient(daemon.path, window=1 << 30) as client:
        blocked = 0
        while blocked < 5:
            blocked = 0 if client.can_send(masks[0]) else blocked + 1
            if blocked:
                with contextlib.suppress(grpc.RpcError):  # the queue may be full
                    daemon.stub("DetectAnomalies", masks[1])  # the worker has done what came before
        assert front.memory_info().rss - before < 128 << 20


def test_what_such_clients_held_is_given_back(front: psutil.Process, rss: int) -> None:
    """It is kept for some seconds for the next call, and needs no garbage collection, which may be far away."""
    wait_until(lambda: front.memory_info().rss - rss < 32 << 20, "the memory is free again")


def test_disconnected_in_mid_call(daemon: Daemon, front: psutil.Process) -> None:
    (worker,) = daemon.workers("victim")
    suspend(worker)
    message = bytes_request("victim", PLAIN).SerializeToString()
    before = _sockets(front)
    clients = [RawClient(daemon.path) for _ in range(20)]
    for client in clients:
        client.detect(message, 3)
    wait_until(lambda: _sockets(front) == before + len(clients), "all are connected")
    daemon.stub.describe("victim")
    for client in clients:
        client.close()
    wait_until(lambda: _sockets(front) == before, "the agent has noticed")
    worker.resume()


def test_10000_calls_at_once(daemon: Daemon, front: psutil.Process, segments: Segments) -> None:
    """Each is answered: with a verdict, or at once with RESOURCE_EXHAUSTED."""
    request = segment_request("victim", 64, 64, segments.make(PLAIN)).SerializeToString()
    codes: collections.Counter[int] = collections.Counter()
    with RawClient(daemon.path, window=1 << 30) as client:
        for code, message in client.flood(request, 10_000):
            codes[code] += 1
            if code == Code.OK:
                result = pb2.DetectAnomaliesResponse.FromString(message).detect_anomaly_result
                assert result.anomaly_score == pytest.approx(SCORE, abs=1e-5)
    assert codes[Code.OK] and codes[Code.RESOURCE_EXHAUSTED]
    assert codes[Code.OK] + codes[Code.RESOURCE_EXHAUSTED] == 10_000


def test_500_idle_connections(daemon: Daemon, front: psutil.Process) -> None:
    before = _sockets(front), front.memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(RawClient(daemon.path))
        wait_until(lambda: _sockets(front) == before[0] + 500, "all are connected")
        other = Stub(daemon.socket)
        result = other("DetectAnomalies", bytes_request("victim", PLAIN)).detect_anomaly_result
        other.channel.close()
        assert result.anomaly_score == pytest.approx(SCORE, abs=1e-5)
        assert front.memory_info().rss - before[1] < 32 << 20


def test_messages_that_never_end(daemon: Daemon, front: psutil.Process) -> None:
    """What a client may have under way is bounded."""
    with RawClient(daemon.path) as client:
        received = b""
        for _ in range(5):
            client.announce(60 << 20)
        refusal = b"bytes of messages under way, expected %d at most" % MOST_HELD

        def is_refused() -> bool:
            nonlocal received
            received += client.received()
            return refusal in received

        wait_until(is_refused, "the fifth is refused")
        assert received.count(refusal) == 1


@pytest.mark.long
def test_64_kb_that_become_64_mb(daemon: Daemon, front: psutil.Process) -> None:
    """Calls with gzip are decompressed in turns with the calls of others, and what they become is bounded."""
    before = front.memory_info().rss
    zeros = pb2.Bitmap(width=640, height=480, byte_data=bytes(63 << 20))
    message = pb2.DetectAnomaliesRequest(model_component="victim", bitmap=zeros).SerializeToString()
    others, received = 0, b""
    with RawClient(daemon.path) as client:
        client.detect_compressed(gzip.compress(message, 9), 40)
        while received.count(b"grpc-status") < 40:
            daemon.stub("DetectAnomalies", bytes_request("victim", PLAIN))
            others += 1
            received += client.received()
        assert received.count(b"bitmap is 640x480") > 0
        assert front.memory_info().rss - before < MOST_HELD + (64 << 20)
    assert others > 40, "others are served between the pieces of one message, and not only between the calls"
