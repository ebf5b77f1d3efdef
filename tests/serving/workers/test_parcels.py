"""Memory for pixels in messages: kept while there is a load, given back when there is none, never lent twice."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.workers.mapped import MappedParcels
from edge_agent.serving.workers.parcels import LARGE, ParcelShelf
from tests.conftest import Segments
from tests.support.daemon import Daemon, bytes_request, running_daemon, segment_request, suspend, wait_until
from tests.support.fakes import picture, write_echo


class _Shelf(ParcelShelf):
    """A shelf whose clock stands until it is moved, and that is trimmed by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(lambda: self.now)
        self.told: list[int] = []
        self.watchers.add(self.told.extend)

    def _trim_later(self) -> None:
        pass


def test_a_parcel_is_lent_again_when_the_last_of_its_holders_has_released_it() -> None:
    shelf = _Shelf()
    parcel = shelf.get(LARGE)
    parcel.hold()
    parcel.release()
    other = shelf.get(LARGE)
    assert other is not parcel
    parcel.release()
    assert shelf.get(LARGE) is parcel
    for each in (parcel, other):
        each.destroy()


def test_the_last_used_is_lent_first_if_it_is_large_enough_and_not_much_too_large() -> None:
    shelf = _Shelf()
    small, large, huge = (shelf.get(size) for size in (LARGE, 3 * LARGE, 100 * LARGE))
    for parcel in (large, small, huge):
        parcel.release()
    assert shelf.get(10) is small
    assert shelf.get(10) is large
    assert shelf.get(10) not in (small, large, huge)
    assert shelf.get(90 * LARGE) is huge
    shelf.close()


def test_a_mask_gets_memory_that_a_normal_picture_s_mask_has_left_white_and_a_picture_other_memory() -> None:
    shelf = _Shelf()
    white, other, painted = (shelf.get_for_mask(LARGE) for _ in range(3))
    white.white = LARGE
    for parcel in (painted, other, white):
        parcel.release()
    picture_s = shelf.get(LARGE)
    assert picture_s is other
    assert shelf.get_for_mask(LARGE) is white
    assert shelf.get_for_mask(LARGE).white == 0, "the next best one, of which nothing is known"
    white.release()
    assert shelf.get(LARGE) is white, "rather than another one is made"
    assert white.white == 0, "a picture is written to it"
    for parcel in (white, other, painted):
        parcel.destroy()


def test_what_nobody_needs_for_long_is_destroyed_and_told() -> None:
    shelf = _Shelf()
    first, second = shelf.get(LARGE), shelf.get(LARGE)
    first.release()
    shelf.now = 25.0
    second.release()
    shelf.now = 31.0
    shelf.trim()
    assert (len(shelf), shelf.told) == (1, [first.number])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first.descriptor)
    shelf.close()
    assert (len(shelf), shelf.told) == (0, [first.number, second.number])


def test_a_parcel_can_not_be_made_smaller_or_larger_by_those_who_have_it() -> None:
    parcel = _Shelf().get(LARGE)
    for size in (0, 2 * LARGE):
        with pytest.raises(PermissionError):
            os.ftruncate(parcel.descriptor, size)
    with pytest.raises(PermissionError):
        fcntl.fcntl(parcel.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    parcel.destroy()


def test_without_a_file_descriptor_nothing_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def ftruncate(descriptor: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "ftruncate", ftruncate)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(OSError, match="No space"):
        _Shelf().get(LARGE)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_worker_sees_what_the_front_writes_until_it_forgets() -> None:
    parcel = _Shelf().get(LARGE)
    mapped = MappedParcels()
    mapped.add(parcel.number, os.dup(parcel.descriptor))
    parcel.memory[:4] = b"abcd"
    assert bytes(mapped[parcel.number].content[:4]) == b"abcd"
    mapped[parcel.number].write([memoryview(b"12"), memoryview(b"3")], 2, white=False)
    assert bytes(parcel.memory[:6]) == b"ab123\0"
    assert _parcels(os.getpid()) == 2
    mapped.forget([parcel.number, 99])
    parcel.destroy()
    assert (len(mapped), _parcels(os.getpid())) == (0, 0)


def test_the_event_loop_trims_a_shelf_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.serving.workers.parcels._KEEP_SECONDS", 0.01)

    async def scenario() -> None:
        shelf = ParcelShelf()
        shelf.get(LARGE).release()
        while len(shelf):  # noqa: ASYNC110  the loop itself is what is waited for
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(scenario(), 60))


def _parcels(pid: int) -> int:
    """Count the parcels that a process has mapped."""
    return len(re.findall("memfd:edge-agent-parcel", Path(f"/proc/{pid}/maps").read_text()))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with a model whose pictures travel in parcels."""
    with running_daemon(tmp_path_factory.mktemp("parcels")) as daemon:
        write_echo(daemon.models, "large", 256, 128)
        wait_until(lambda: "large" in daemon.stub.listed(), "the component is noticed")
        daemon.stub.start("large")
        yield daemon


def test_a_client_after_the_other_needs_no_more_memory_than_one(large: Daemon) -> None:
    front, (worker,) = large.process.pid, large.workers()
    for level in range(0, 250, 5):
        result = large.stub("DetectAnomalies", bytes_request("large", picture(level, 256, 128))).detect_anomaly_result
        assert round(result.anomaly_score * 255) == level
        expected = {255} if level < 127.5 else {0x23, 0xA4, 0x36}
        assert set(np.unique(np.frombuffer(result.anomaly_mask.byte_data, np.uint8))) == expected
    # One for the picture and one for the mask; the next picture may arrive while the last mask is being sent.
    assert (_parcels(front), _parcels(worker.pid)) in ((2, 2), (3, 3))


def test_a_mask_is_right_whatever_its_memory_held_before(large: Daemon) -> None:
    """Normal and anomalous pictures in every order, with masks of other sizes and pictures in the same memory."""
    write_echo(large.models, "small", 200, 120)
    wait_until(lambda: "small" in large.stub.listed(), "the component is noticed")
    large.stub.start("small")
    sizes = {"large": (256, 128), "small": (200, 120)}
    rng = np.random.default_rng(5)
    for _ in range(150):
        model = str(rng.choice(["large", "large", "small"]))
        level = int(rng.choice([10, 20, 30, 250]))
        call = bytes_request(model, picture(level, *sizes[model]))
        mask = large.stub("DetectAnomalies", call).detect_anomaly_result.anomaly_mask.byte_data
        expected = b"\xff\xff\xff" if level < 127.5 else bytes.fromhex("23A436")
        assert mask == expected * (sizes[model][0] * sizes[model][1])
    large.stub("StopModel", pb2.StopModelRequest(model_component="small"))
    large.stub.wait_for("small", "STOPPED")


def test_pictures_of_cancelled_calls_are_not_mixed_up_with_later_ones(large: Daemon) -> None:
    """A worker may still read a picture whose call was given up: its memory must not be lent to another meanwhile."""
    (worker,) = large.workers()
    for _ in range(5):
        suspend(worker)
        given_up = [
            large.stub.later("DetectAnomalies", bytes_request("large", picture(200, 256, 128))) for _ in range(6)
        ]
        wait_until(lambda: worker.status() == psutil.STATUS_STOPPED, "the worker is stopped")
        for call in given_up:
            call.cancel()
        kept = [
            large.stub.later("DetectAnomalies", bytes_request("large", picture(level, 256, 128)))
            for level in (10, 20, 30)
        ]
        worker.resume()
        assert [round(call.result().detect_anomaly_result.anomaly_score * 255) for call in kept] == [10, 20, 30]


def test_a_picture_in_a_segment_with_its_mask_in_the_answer(large: Daemon, segments: Segments) -> None:
    request = segment_request("large", 256, 128, segments.make(picture(255, 256, 128)))
    result = large.stub("DetectAnomalies", request).detect_anomaly_result
    assert len(result.anomaly_mask.byte_data) == 256 * 128 * 3
    assert set(result.anomaly_mask.byte_data) == {0x23, 0xA4, 0x36}
    assert [area.name for area in result.anomalies] == ["background", "bright"]


def test_the_parcels_of_a_killed_worker_are_lent_again(large: Daemon) -> None:
    (worker,) = large.workers()
    suspend(worker)
    lost = [large.stub.later("DetectAnomalies", bytes_request("large", picture(9, 256, 128))) for _ in range(2)]
    wait_until(lambda: _parcels(large.process.pid) >= 4, "both calls have their parcels")
    count = _parcels(large.process.pid)
    worker.kill()
    for call in lost:
        assert call.exception() is not None
    large.stub.wait_for("large", "RUNNING")
    for _ in range(20):
        large.stub("DetectAnomalies", bytes_request("large", picture(51, 256, 128)))
    assert _parcels(large.process.pid) <= count
