"""A client that pulls its segments away, or rewrites them, while the agent is at them, beside a line that goes on."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psutil
import pytest

from edge_agent.component.manifest import Image
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.conftest import Segments
from tests.support.daemon import Daemon, running_daemon, segment_request, suspend, wait_until
from tests.support.fakes import picture, write_echo

SIDE = 2048
DARK, BRIGHT = picture(51, SIDE, SIDE), picture(204, SIDE, SIDE)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("segments")
    # Reading is most of what such a call takes.
    write_echo(folder / "models", "victim", image=Image(width=SIDE, height=SIDE))
    with running_daemon(folder) as running:
        running.stub.start("victim")
        yield running


@pytest.fixture
def shown(daemon: Daemon, segments: Segments) -> Iterator[pb2.DetectAnomaliesRequest]:
    """A request whose segments are good. The worker that took it is there at the end, and serves whoever is next."""
    (worker,) = daemon.workers("victim")
    yield segment_request("victim", SIDE, SIDE, segments.make(DARK), segments.make(bytes(DARK.nbytes)))
    good = segment_request("victim", SIDE, SIDE, segments.make(DARK), segments.make(bytes(DARK.nbytes)))
    assert _score(daemon.stub("DetectAnomalies", good)) == pytest.approx(0.2, abs=1e-3)
    assert daemon.workers("victim") == [worker]


def _score(response: pb2.DetectAnomaliesResponse) -> float:
    return response.detect_anomaly_result.anomaly_score


def _source(request: pb2.DetectAnomaliesRequest) -> Path:
    return Segments.path(request.bitmap.shared_memory_handle.name)


def _mask(request: pb2.DetectAnomaliesRequest) -> Path:
    return Segments.path(request.anomaly_mask_params.shared_memory_handle.name)


def _before(daemon: Daemon, request: pb2.DetectAnomaliesRequest, act: Callable[[], object]) -> grpc.Future:
    """Do something while a worker has a call, and has not opened its segments."""
    (worker,) = daemon.workers("victim")
    suspend(worker)
    call = daemon.stub.later("DetectAnomalies", request)
    daemon.stub.describe("victim")  # sent after it on the same connection: it has arrived
    act()
    worker.resume()
    return call


def _has_open(worker: psutil.Process, path: Path) -> bool:
    for descriptor in Path(f"/proc/{worker.pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            if descriptor.readlink() == path:
                return True
    return False


def _amid(daemon: Daemon, request: pb2.DetectAnomaliesRequest, act: Callable[[], object]) -> grpc.Future | None:
    """Do something while a worker has a call's segments open; None when the call was over before."""
    (worker,) = daemon.workers("victim")
    call = daemon.stub.later("DetectAnomalies", request)
    while not call.done():
        if not _has_open(worker, _mask(request)):
            continue
        suspend(worker)
        caught = _has_open(worker, _mask(request))
        if caught:
            act()
        worker.resume()
        return call if caught else None
    return None


def _refused(call: grpc.Future) -> str:
    assert call.exception().code() is grpc.StatusCode.INVALID_ARGUMENT
    return str(call.details())


def test_truncated(daemon: Daemon, shown: pb2.DetectAnomaliesRequest) -> None:
    refusal = f"has 1000 bytes, expected at least {DARK.nbytes}"
    assert refusal in _refused(_before(daemon, shown, lambda: os.truncate(_source(shown), 1000)))

    def is_caught_in_the_middle() -> bool:
        _source(shown).write_bytes(DARK.tobytes())
        call = _amid(daemon, shown, lambda: os.truncate(_source(shown), 1000))
        if call is not None and call.exception() is None:  # all of it had been read
            assert _score(call.result()) == pytest.approx(0.2, abs=1e-3)
            return False
        return call is not None and refusal in _refused(call)

    wait_until(is_caught_in_the_middle, "a call is caught while it reads")


def test_mask_truncated(daemon: Daemon, shown: pb2.DetectAnomaliesRequest) -> None:
    """The agent does not make it longer again."""
    refusal = f"has 1000 bytes, expected at least {DARK.nbytes}"
    assert refusal in _refused(_before(daemon, shown, lambda: os.truncate(_mask(shown), 1000)))

    def is_caught_in_the_middle() -> bool:
        os.truncate(_mask(shown), DARK.nbytes)
        call = _amid(daemon, shown, lambda: os.truncate(_mask(shown), 1000))
        if call is None:
            return False
        call.exception()
        assert _mask(shown).stat().st_size == 1000
        return call.exception() is not None and refusal in _refused(call)

    wait_until(is_caught_in_the_middle, "a call is caught before it writes")


def test_unlinked(daemon: Daemon, shown: pb2.DetectAnomaliesRequest) -> None:
    assert "does not exist" in _refused(_before(daemon, shown, _source(shown).unlink))


def test_recreated(daemon: Daemon, shown: pb2.DetectAnomaliesRequest, segments: Segments) -> None:
    """The verdict is on what has that name when the call's turn comes."""

    def recreate() -> None:
        _source(shown).unlink()
        segments.make(BRIGHT, name=shown.bitmap.shared_memory_handle.name)

    assert _score(_before(daemon, shown, recreate).result()) == pytest.approx(0.8, abs=1e-3)


def test_rewritten(daemon: Daemon, shown: pb2.DetectAnomaliesRequest) -> None:
    call = _before(daemon, shown, lambda: _source(shown).write_bytes(BRIGHT.tobytes()))
    assert _score(call.result()) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize("is_recreated", [True, False])  # one that stays the same is mapped after a while
def test_everything_at_once_in_the_middle_of_reading(
    daemon: Daemon, shown: pb2.DetectAnomaliesRequest, segments: Segments, is_recreated: bool
) -> None:
    """Each answer is a verdict on some mixture of what was there, or names what was wrong with the segment."""
    source, mask = _source(shown), _mask(shown)
    over = threading.Event()

    def rewrite() -> None:
        with source.open("r+b") as file:
            for row in range(0, SIDE, 64):
                file.seek(row * SIDE * 3)
                file.write(BRIGHT[row : row + 32].tobytes())

    def recreate() -> None:
        source.unlink()
        segments.make(DARK, name=shown.bitmap.shared_memory_handle.name)

    acts: list[Callable[[], object]] = [
        rewrite,
        lambda: os.truncate(source, DARK.nbytes // 2),
        lambda: os.truncate(source, DARK.nbytes),
        lambda: os.truncate(mask, DARK.nbytes // 2),
        lambda: os.truncate(mask, DARK.nbytes),
        *([recreate] if is_recreated else []),
    ]

    def vandal() -> None:
        for act in itertools.cycle(acts):
            if over.is_set():
                return
            act()

    thread = threading.Thread(target=vandal)
    thread.start()
    scores: list[float] = []
    refusals: set[str] = set()
    try:
        while len(scores) < 20 or not refusals:
            try:
                scores.append(_score(daemon.stub("DetectAnomalies", shown)))
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
                refusals.add(error.details())
    finally:
        over.set()
        thread.join()
    # A part that was cut off and grown again is black, which is below either.
    assert all(0 <= score <= 0.8 + 1e-3 for score in scores)
    assert all("expected" in refusal for refusal in refusals)
