"""Every status code of the table in docs/api.md, each reached through the real socket, each with one clear sentence."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import grpc
import pytest

from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from tests.conftest import Segments
from tests.support.daemon import Daemon, Stub, bytes_request, running_daemon, segment_request, suspend, wait_until
from tests.support.fakes import picture, write_echo

SIZE = 64 * 64 * 3
ALL_WITH_A_NAME = ("StartModel", "StopModel", "DescribeModel")


def _named(call: str, name: str) -> object:
    return getattr(pb2, f"{call}Request")(model_component=name)


def _refused(daemon: Daemon, request: pb2.DetectAnomaliesRequest) -> tuple[str, str]:
    return daemon.stub.refusal("DetectAnomalies", request)


# INVALID_ARGUMENT and NOT_FOUND of a name


@pytest.mark.parametrize("call", ALL_WITH_A_NAME)
@pytest.mark.parametrize("name", ["", "a/b", "../echo", "with space", "é", "-x", "x" * 129, "x" * 100_000])
def test_an_ill_formed_name(serving: Daemon, call: str, name: str) -> None:
    code, details = serving.stub.refusal(call, _named(call, name))
    assert code == "INVALID_ARGUMENT"
    assert "expected" in details
    assert len(details) < 400


@pytest.mark.parametrize("call", ALL_WITH_A_NAME)
def test_an_unknown_name(serving: Daemon, call: str) -> None:
    code, details = serving.stub.refusal(call, _named(call, "nothing"))
    assert code == "NOT_FOUND"
    assert details.startswith("there is no model component 'nothing', this device has 'broken', 'echo'")


def test_detect_with_an_ill_formed_or_unknown_name(serving: Daemon) -> None:
    assert _refused(serving, bytes_request("a/b", picture(0)))[0] == "INVALID_ARGUMENT"
    assert _refused(serving, bytes_request("nothing", picture(0)))[0] == "NOT_FOUND"


@pytest.mark.parametrize("call", [*ALL_WITH_A_NAME, "DetectAnomalies", "ListModels"])
def test_bytes_that_are_no_message(serving: Daemon, call: str) -> None:
    code, details = serving.stub.refusal(call, b"\xff\xff\xff not a message")
    assert (code, details) == ("INVALID_ARGUMENT", f"the request's 17 bytes are not a {call}Request")


# DetectAnomalies: INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("width", "height"), [(63, 64), (64, 63), (4097, 64), (64, 4097), (0, 0), (-64, 64), (2**31 - 1, 2**31 - 1)]
)
def test_a_bitmap_that_no_model_takes(serving: Daemon, width: int, height: int) -> None:
    request = bytes_request("echo", picture(0), width=width, height=height)
    expected = f"bitmap is {width}x{height}, expected a width and a height of 64 to 4096 pixels"
    assert _refused(serving, request) == ("INVALID_ARGUMENT", expected)


def test_a_bitmap_of_another_size_than_the_models(serving: Daemon) -> None:
    request = bytes_request("echo", picture(0, 640, 480))
    assert _refused(serving, request) == ("INVALID_ARGUMENT", "bitmap is 640x480, model 'echo' was trained on 64x64")


@pytest.mark.parametrize("count", [0, 1, SIZE - 1, SIZE + 1, 4 * SIZE])
def test_too_few_or_too_many_bytes(serving: Daemon, count: int) -> None:
    request = bytes_request("echo", picture(0), byte_data=bytes(count))
    expected = f"byte_data has {count} bytes, expected {SIZE} (64 x 64 x 3 for packed RGB888)"
    if count == 4 * SIZE:
        expected += "; 12 bytes a pixel are RGB as float32: bring it to 0..255 and convert it to uint8"
    assert _refused(serving, request) == ("INVALID_ARGUMENT", expected)


def test_a_file_instead_of_its_pixels(serving: Daemon) -> None:
    request = bytes_request("echo", picture(0), byte_data=b"\xff\xd8\xff\xe0" + bytes(1000))
    assert _refused(serving, request)[1].endswith("they are a JPEG file: decode it, and send its pixels")


def test_no_pixels_at_all(serving: Daemon) -> None:
    request = pb2.DetectAnomaliesRequest(model_component="echo", bitmap=pb2.Bitmap(width=64, height=64))
    code, details = _refused(serving, request)
    assert code == "INVALID_ARGUMENT"
    assert details == "the bitmap has no pixels, expected byte_data or a shared_memory_handle"
    assert _refused(serving, pb2.DetectAnomaliesRequest(model_component="echo"))[0] == "INVALID_ARGUMENT"


def _handle(name: str, size: int = SIZE, offset: int = 0) -> pb2.SharedMemoryHandle:
    return pb2.SharedMemoryHandle(name=name, size=size, offset=offset)


@pytest.mark.parametrize("what", ["bitmap", "mask"])
@pytest.mark.parametrize("name", ["", "/", "a/b", "/a/b", "//a", "..", "/..", ".", "a\0b", "x" * 256, "a/" * 10_000])
def test_a_segment_name_that_is_not_one_component(serving: Daemon, segments: Segments, what: str, name: str) -> None:
    good = segments.make(bytes(SIZE))
    pair = (_handle(name), good) if what == "bitmap" else (good, _handle(name))
    code, details = _refused(serving, segment_request("echo", 64, 64, *pair))
    assert code == "INVALID_ARGUMENT"
    assert re.search(f"name.* of the {what}|of the {what} has no name", details)
    assert "expected" in details
    assert len(details) < 300


@pytest.mark.parametrize("what", ["bitmap", "mask"])
def test_segments_that_do_not_hold_what_the_request_says(serving: Daemon, segments: Segments, what: str) -> None:
    good, small = segments.make(bytes(SIZE)), segments.make(bytes(SIZE - 1))
    fifo = segments.name()
    os.mkfifo(segments.path(fifo))
    link = segments.name()
    segments.path(link).symlink_to(segments.path(good.name))
    cases = {
        _handle(
            "/no-such-segment-anywhere"
        ).SerializeToString(): "does not exist in the agent's /dev/shm, expected one that the client has",
        _handle(small.name).SerializeToString(): f"has {SIZE - 1} bytes, expected at least {SIZE}",
        _handle(good.name, offset=1).SerializeToString(): f"expected at least {SIZE + 1} (offset 1 + size {SIZE})",
        _handle(good.name, offset=2**64 - 1).SerializeToString(): "expected at least",
        _handle(good.name, size=SIZE - 1).SerializeToString(): f"says {SIZE - 1} bytes, expected {SIZE}",
        _handle(good.name, size=0).SerializeToString(): f"says 0 bytes, expected {SIZE}",
        _handle(good.name, size=2**64 - 1).SerializeToString(): "expected",
        _handle(fifo).SerializeToString(): "is not a shared memory object" if what == "mask" else "",
        _handle(link).SerializeToString(): "can't be opened (Too many levels of symbolic links)",
    }
    for encoded, said in cases.items():
        bad = pb2.SharedMemoryHandle.FromString(encoded)
        pair = (bad, good) if what == "bitmap" else (good, bad)
        code, details = _refused(serving, segment_request("echo", 64, 64, *pair))
        assert code == "INVALID_ARGUMENT", details
        assert said in details
        assert what in details


def test_a_bitmaps_segment_must_be_announced_with_the_bitmaps_size(serving: Daemon, segments: Segments) -> None:
    large = segments.make(bytes(2 * SIZE))
    code, details = _refused(serving, segment_request("echo", 64, 64, large))
    assert code == "INVALID_ARGUMENT"
    assert details.startswith(
        f"the handle of the bitmap (segment '{large.name}') says {2 * SIZE} bytes, expected {SIZE}"
    )


# DetectAnomalies: the others


@pytest.mark.parametrize(("model", "status"), [("resting", "STOPPED"), ("broken", "FAILED")])
def test_detect_on_a_model_that_does_not_run(serving: Daemon, model: str, status: str) -> None:
    code, details = _refused(serving, bytes_request(model, picture(0)))
    assert code == "FAILED_PRECONDITION"
    assert details.startswith(f"model '{model}' is {status}, expected RUNNING")


def test_an_engine_that_fails(serving: Daemon) -> None:
    code, details = _refused(serving, bytes_request("fragile", picture(255)))
    assert code == "INTERNAL"
    assert details.startswith("the engine failed: ")
    assert "Gather" in details
    answer = serving.stub("DetectAnomalies", bytes_request("fragile", picture(51)))
    assert answer.detect_anomaly_result.anomaly_score == pytest.approx(0.2, abs=1e-5), "the next picture is served"


def test_a_full_queue_refuses_at_once_and_keeps_what_it_took(tmp_path: Path) -> None:
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path, "--queue-size", "3") as daemon:
        daemon.stub.start("echo")
        (worker,) = daemon.workers("echo")
        suspend(worker)
        calls = [daemon.stub.later("DetectAnomalies", bytes_request("echo", picture(51))) for _ in range(9)]
        # Two calls are with the worker and three in the queue; the other four are answered although nothing moves.
        wait_until(lambda: sum(call.done() for call in calls) == 4, "four calls are refused")
        refused = [call for call in calls if call.done()]
        assert {call.code() for call in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert "has 3 calls waiting, its queue takes 3" in refused[0].details()
        worker.send_signal(signal.SIGCONT)
        for call in calls:
            if call not in refused:
                assert call.result().detect_anomaly_result.anomaly_score == pytest.approx(0.2, abs=1e-5)


def test_a_queue_bounded_in_bytes(tmp_path: Path) -> None:
    write_echo(tmp_path / "models", width=1024, height=1024)
    with running_daemon(tmp_path, "--queue-size", "100", "--queue-mib", "7") as daemon:
        daemon.stub.start("echo")
        (worker,) = daemon.workers("echo")
        suspend(worker)
        request = bytes_request("echo", picture(51, 1024, 1024))  # 3 MiB
        calls = [daemon.stub.later("DetectAnomalies", request) for _ in range(7)]
        wait_until(lambda: sum(call.done() for call in calls) == 3, "three calls are refused")
        refused = next(call for call in calls if call.done())
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "its queue takes 7340032" in refused.details()
        worker.send_signal(signal.SIGCONT)
        assert sum(call.exception() is None for call in calls) == 4


def test_calls_that_nobody_waits_for_are_not_executed(tmp_path: Path) -> None:
    """Their places in a full queue are free again, without anything having been executed."""
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path, "--queue-size", "2") as daemon:
        daemon.stub.start("echo")
        (worker,) = daemon.workers("echo")
        suspend(worker)
        request = bytes_request("echo", picture(51))
        first = [daemon.stub.later("DetectAnomalies", request) for _ in range(5)]
        wait_until(lambda: sum(call.done() for call in first) == 1, "the queue is full")
        for call in first:
            call.cancel()
        second = [daemon.stub.later("DetectAnomalies", request) for _ in range(3)]
        wait_until(lambda: sum(call.done() for call in second) == 1, "the queue is full again")
        late = daemon.stub.later("DetectAnomalies", request, timeout=0.01)
        assert late.exception().code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)
        worker.send_signal(signal.SIGCONT)
        assert sum(call.exception() is None for call in second) == 2


# StartModel


@pytest.mark.parametrize("model", ["echo", "broken"])
def test_start_of_a_model_that_runs_or_can_not_be_served(serving: Daemon, model: str) -> None:
    code, details = serving.stub.refusal("StartModel", pb2.StartModelRequest(model_component=model))
    assert code == "FAILED_PRECONDITION"
    assert re.search("expected STOPPED or FAILED|can't be started: .*SHA-256", details)


def test_start_without_enough_memory(tmp_path: Path) -> None:
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path, "--memory-reserve-mib", str(1 << 30)) as daemon:
        code, details = daemon.stub.refusal("StartModel", pb2.StartModelRequest(model_component="echo"))
        assert code == "RESOURCE_EXHAUSTED"
        assert re.match(
            r"model 'echo' needs about \d+ MiB and 1073741824 MiB are kept in reserve, but \d+ MiB", details
        )
        assert daemon.stub.status("echo") == "STOPPED"


# StopModel


@pytest.mark.parametrize(("model", "status"), [("resting", "STOPPED"), ("broken", "FAILED")])
def test_stop_of_a_model_that_does_not_run(serving: Daemon, model: str, status: str) -> None:
    code, details = serving.stub.refusal("StopModel", pb2.StopModelRequest(model_component=model))
    assert (code, details) == ("FAILED_PRECONDITION", f"model '{model}' is {status}, expected RUNNING")


def test_stop_of_a_model_that_hangs(tmp_path: Path) -> None:
    write_echo(tmp_path / "models")
    with running_daemon(tmp_path, "--drain-seconds", "0.1") as daemon:
        daemon.stub.start("echo")
        (worker,) = daemon.workers("echo")
        suspend(worker)
        calls = [daemon.stub.later("DetectAnomalies", bytes_request("echo", picture(51))) for _ in range(2)]
        calls.append(daemon.stub.later("DescribeModel", pb2.DescribeModelRequest(model_component="echo")))
        calls[-1].result()  # it was sent after the others on the same connection: they have arrived
        code, details = daemon.stub.refusal("StopModel", pb2.StopModelRequest(model_component="echo"))
        assert code == "INTERNAL"
        assert details == "model 'echo' did not stop within 0.1 s; its worker was killed"
        assert {call.exception().code() for call in calls[:2]} == {grpc.StatusCode.INTERNAL}
        assert daemon.stub.status("echo") == "STOPPED"
        daemon.stub.start("echo")


# DescribeModel and ListModels


def test_describe_and_list_tell_name_arn_status_and_message(serving: Daemon) -> None:
    arn = "arn:aws:lookoutvision:eu-west-1:123456789012:model/echo/1"
    echo = serving.stub.describe("echo")
    assert (echo.model_component, echo.lookout_vision_model_arn, echo.status) == ("echo", arn, pb2.RUNNING)
    # Others here send `echo` black pictures, of which the message speaks; nobody sends `plain` any.
    assert echo.status_message in ("", "the camera gives black pictures")
    assert serving.stub.describe("plain").status_message == ""
    listed = serving.stub.listed()
    assert list(listed) == ["broken", "echo", "fragile", "plain", "resting"]
    assert listed["echo"].lookout_vision_model_arn == arn
    assert listed["resting"].status == pb2.STOPPED
    assert listed["broken"].status == pb2.FAILED
    assert "artifact 'model.onnx' has SHA-256" in listed["broken"].status_message


def test_an_agent_without_models_lists_none(tmp_path: Path) -> None:
    with running_daemon(tmp_path) as daemon:
        assert daemon.stub.listed() == {}
        stub: Stub = daemon.stub
        assert stub.refusal("DescribeModel", pb2.DescribeModelRequest(model_component="x"))[0] == "NOT_FOUND"
