"""Every request that can be written, and bytes that are none: the code is the one of docs/api.md, never UNKNOWN."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import grpc
import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.component.version import is_name
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import METHODS
from edge_agent.wire import encode_varint, length_prefix
from tests.conftest import Segments
from tests.support.daemon import Daemon, bytes_request
from tests.support.fakes import half_bright, picture
from tests.support.properties import examples
from tests.support.sentences import check_sentence

SIZE = 64 * 64 * 3
PICTURE, MASK, SHORT = (f"edge-agent-test-{os.getpid()}-{what}" for what in ("picture", "mask", "short"))
RUNNING, RESTING = ("echo", "plain", "fragile"), ("resting", "broken")


@pytest.fixture(scope="module")
def unharmed(serving: Daemon) -> Iterator[Daemon]:
    """The module's daemon with three segments, in which afterwards nothing has died and no traceback been written."""
    segments = Segments()
    for name, size in ((PICTURE, 2 * SIZE), (MASK, 2 * SIZE), (SHORT, SIZE - 1)):
        segments.make((half_bright().tobytes() + bytes(SIZE))[:size], name=name)
    workers = {process.pid for process in serving.workers()}
    try:
        yield serving
    finally:
        for name in (PICTURE, MASK, SHORT):
            segments.path(name).unlink(missing_ok=True)
    assert {process.pid for process in serving.workers()} == workers
    assert not re.search("Traceback|defect|raised exception|Fatal|Warning|WARNING", serving.complaints())


_uint64 = st.sampled_from([0, 1, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 2**31, 2**63 - 1, 2**63, 2**64 - SIZE, 2**64 - 1])
_uint64 |= st.integers(0, 2**64 - 1)
_odd = st.sampled_from(["", "/", "..", ".", "a/b", "../echo", "é", "x" * 129, "x" * 255, "x" * 9000, "a\0b", "\n", "-"])


def _handles(segment: str) -> st.SearchStrategy[pb2.SharedMemoryHandle]:
    return st.builds(
        pb2.SharedMemoryHandle,
        name=st.sampled_from([segment, "/" + segment, SHORT, "/no-such-segment"]) | _odd | st.text(max_size=9),
        size=st.just(SIZE) | _uint64,
        offset=st.just(0) | _uint64,
    )


_models = st.sampled_from([*RUNNING, *RUNNING, *RESTING, "nothing"]) | _odd | st.text(max_size=9)
_sides = st.sampled_from([64, 64, 64, 0, 63, 65, -1, 4096, 4097, 2**31 - 1, -(2**31)])
_pixels = st.sampled_from([picture(51).tobytes(), picture(255).tobytes(), b"", bytes(SIZE - 1), bytes(SIZE + 1)])


@st.composite
def _bitmaps(draw: st.DrawFn) -> pb2.Bitmap:
    """A bitmap, usually of the right size, with one of the two kinds of data, none, or in effect the last of both."""
    bitmap = pb2.Bitmap(width=draw(st.just(64) | _sides), height=draw(st.just(64) | _sides))
    for kind in draw(st.lists(st.booleans(), min_size=1, max_size=2)):
        if kind:
            bitmap.byte_data = draw(_pixels)
        else:
            bitmap.shared_memory_handle.CopyFrom(draw(_handles(PICTURE)))
    return bitmap


_varints = st.integers(0, 2**64 - 1).map(encode_varint)
_numbers = st.integers(1, 20) | st.sampled_from([2**29 - 1, 2**28])
_unknown = st.one_of(
    st.builds(lambda number, value: encode_varint(number << 3) + value, _numbers, _varints),
    st.builds(lambda number, data: length_prefix(number, len(data)) + data, _numbers, st.binary(max_size=20)),
    st.builds(lambda number, data: encode_varint(number << 3 | 5) + data, _numbers, st.binary(min_size=4, max_size=4)),
    st.builds(lambda number: encode_varint(number << 3 | 3) + encode_varint(number << 3 | 4), _numbers),
)


@st.composite
def _requests(draw: st.DrawFn) -> bytes:
    """A DetectAnomaliesRequest as bytes, in pieces that protobuf merges, some of which it does not know."""
    pieces = []
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        request = pb2.DetectAnomaliesRequest(model_component=draw(_models))
        if draw(st.integers(0, 9)):
            request.bitmap.CopyFrom(draw(_bitmaps()))
        pieces.append(request.SerializeToString())
    handle = draw(st.none() | _handles(MASK))
    if handle is not None:
        inner = handle.SerializeToString()
        field = draw(st.sampled_from([2, 3]))  # an older published contract had it at 3
        params = length_prefix(field, len(inner)) + inner
        pieces.append(length_prefix(3, len(params)) + params)
    pieces += draw(st.lists(_unknown, max_size=2))
    data = b"".join(draw(st.permutations(pieces)))
    if draw(st.integers(0, 9)) == 0:
        data = data[: draw(st.integers(0, len(data)))]
    return data


def _allowed(data: bytes) -> set[str]:  # noqa: PLR0911  the table, line by line
    """The codes that docs/api.md has for these bytes, in the order in which a request is looked at."""
    try:
        request = pb2.DetectAnomaliesRequest.FromString(data)
    except DecodeError:
        return {"INVALID_ARGUMENT"}
    name, bitmap = request.model_component, request.bitmap
    if not is_name(name):
        return {"INVALID_ARGUMENT"}
    if name in RESTING:
        return {"FAILED_PRECONDITION"}
    if name not in RUNNING:
        return {"NOT_FOUND"}
    kind = bitmap.WhichOneof("data")
    if (bitmap.width, bitmap.height) != (64, 64) or kind is None:
        return {"INVALID_ARGUMENT"}
    if kind == "byte_data":
        source = bitmap.byte_data
    else:
        handle = bitmap.shared_memory_handle
        if handle.name.removeprefix("/") != PICTURE or handle.size != SIZE or handle.offset > SIZE:
            return {"INVALID_ARGUMENT"}
        source = (half_bright().tobytes() + bytes(SIZE))[handle.offset : handle.offset + SIZE]
    if len(source) != SIZE:
        return {"INVALID_ARGUMENT"}
    if name == "fragile" and source[0] == 255:
        return {"INTERNAL", "INVALID_ARGUMENT"}
    masked = name != "plain" and request.HasField("anomaly_mask_params")
    mean = np.frombuffer(source, np.uint8).mean() / 255
    return {f"OK {mean:.3f}", *(["INVALID_ARGUMENT"] if masked else [])}


def _answer(daemon: Daemon, call: str, data: bytes) -> str:
    try:
        answer = daemon.stub(call, data)
    except grpc.RpcError as error:
        check_sentence(RuntimeError(error.details()))
        code: str = error.code().name
        return code
    return f"OK {answer.detect_anomaly_result.anomaly_score:.3f}" if call == "DetectAnomalies" else "OK"


@examples(250)
@given(data=_requests())
def test_any_picture(unharmed: Daemon, data: bytes) -> None:
    assert _answer(unharmed, "DetectAnomalies", data) in _allowed(data)


_named = st.sampled_from(["nothing", "broken"]) | _odd | st.text(max_size=9)
_BAD = {"INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}


@pytest.mark.parametrize("call", METHODS)
@examples(40)
@given(data=st.data())
def test_any_bytes(unharmed: Daemon, call: str, data: st.DataObject) -> None:
    """Bytes alone, and what is a name with something behind it: never that of a model that could be started."""
    named = _named.map(lambda name: pb2.StartModelRequest(model_component=name).SerializeToString())
    sent = data.draw(st.binary(max_size=40) | st.tuples(named, _unknown | st.binary(max_size=9)).map(b"".join))
    allowed = _BAD | ({"OK"} if call in ("ListModels", "DescribeModel") else set())
    assert _answer(unharmed, call, sent) in allowed


@pytest.mark.parametrize("length", [150_000, 1_000_000])
def test_a_masks_name_that_is_longer_than_a_packet(unharmed: Daemon, length: int) -> None:
    """A classification model ignores it: it must not reach the worker, which it would have killed."""
    request = bytes_request("plain", picture(51))
    request.anomaly_mask_params.shared_memory_handle.name = "x" * length
    assert _answer(unharmed, "DetectAnomalies", request.SerializeToString()) == "OK 0.200"


def test_millions_of_fields(unharmed: Daemon) -> None:
    """In requests, in a bitmap, in a mask's params: walked over in Python they would hold up everybody for a minute."""
    name = pb2.StartModelRequest(model_component="echo").SerializeToString()
    fields = b"\x78\x00" * (31 << 20)
    calls = []
    for inside in (b"", b"", b"\x12", b"\x1a"):
        sent = name + (inside + encode_varint(len(fields)) if inside else b"") + fields
        calls.append(unharmed.stub.later("DetectAnomalies", sent))
    assert {call.code().name for call in calls} == {"INVALID_ARGUMENT"}


def test_many_refusals_at_once(unharmed: Daemon) -> None:
    calls = [unharmed.stub.later("DetectAnomalies", bytes([number % 256]) * 9) for number in range(500)]
    assert {call.code().name for call in calls} == {"INVALID_ARGUMENT"}
