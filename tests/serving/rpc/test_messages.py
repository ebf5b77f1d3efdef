"""Requests and answers with pixels inside are what protobuf would make of them, only without the copies."""

from __future__ import annotations

import random
from typing import Any

import pytest

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bitmap import Place
from edge_agent.inference.verdict import Area, Verdict
from edge_agent.serving.contract import DetectRequest
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.exchange import ParcelMessage
from edge_agent.serving.rpc.framing import PREFIX_BYTES
from edge_agent.serving.rpc.messages import decode_request, encode_response
from edge_agent.serving.workers.calls import Enclosed
from edge_agent.serving.workers.parcels import MASK_AT, ParcelShelf

PIXELS = bytes(range(256)) * 100
HANDLE = pb2.SharedMemoryHandle(name="/s", size=9, offset=4)

MASK_PARAMS = pb2.AnomalyMaskParams(shared_memory_handle=HANDLE)


def _request(**fields: Any) -> pb2.DetectAnomaliesRequest:
    return pb2.DetectAnomaliesRequest(model_component="m", **fields)


def _pixels(request: DetectRequest) -> bytes:
    return bytes(request.bitmap.pixels) if isinstance(request.bitmap, Enclosed) else b""


def _decode(data: bytes) -> DetectRequest:
    return decode_request(memoryview(data))


@pytest.mark.parametrize(
    "request_",
    [
        _request(bitmap=pb2.Bitmap(width=3, height=4, byte_data=PIXELS)),
        _request(bitmap=pb2.Bitmap(width=3, height=4, byte_data=b"few")),
        _request(bitmap=pb2.Bitmap(byte_data=PIXELS), anomaly_mask_params=MASK_PARAMS),
        _request(bitmap=pb2.Bitmap(width=3, height=4, shared_memory_handle=HANDLE)),
        _request(bitmap=pb2.Bitmap(width=3, height=4)),
        _request(),
    ],
)
def test_a_request_is_read_as_protobuf_reads_it(request_: pb2.DetectAnomaliesRequest) -> None:
    found = _decode(request_.SerializeToString())
    bitmap = request_.bitmap
    assert (found.model, found.width, found.height) == ("m", bitmap.width, bitmap.height)
    assert _pixels(found) == bitmap.byte_data
    assert (found.bitmap == Place("/s", 9, 4)) == bitmap.HasField("shared_memory_handle")
    assert (found.mask == Place("/s", 9, 4)) == request_.HasField("anomaly_mask_params")


def test_the_pixels_of_a_large_request_are_not_copied() -> None:
    data = _request(bitmap=pb2.Bitmap(width=3, height=4, byte_data=PIXELS)).SerializeToString()
    found = _decode(data)
    assert isinstance(found.bitmap, Enclosed)
    assert found.bitmap.pixels.obj is data
    assert data[found.bitmap.start :].startswith(PIXELS)


@pytest.mark.parametrize("order", [0, 1])
def test_a_message_that_says_it_twice_is_read_as_protobuf_reads_it(order: int) -> None:
    """protobuf merges a message that stands twice, and of a oneof the last counts."""
    parts = [
        _request(bitmap=pb2.Bitmap(width=3, byte_data=PIXELS)).SerializeToString(),
        _request(bitmap=pb2.Bitmap(height=4, shared_memory_handle=HANDLE)).SerializeToString(),
    ]
    data = parts[order] + parts[1 - order]
    theirs = pb2.DetectAnomaliesRequest.FromString(data).bitmap
    ours = _decode(data)
    assert (ours.width, ours.height) == (theirs.width, theirs.height) == (3, 4)
    assert isinstance(ours.bitmap, Enclosed) == (theirs.WhichOneof("data") == "byte_data")
    assert isinstance(ours.bitmap, Place) == (theirs.WhichOneof("data") == "shared_memory_handle")


def test_a_oneof_inside_one_bitmap_is_decided_by_the_last() -> None:
    inner = (
        pb2.Bitmap(byte_data=PIXELS).SerializeToString() + pb2.Bitmap(shared_memory_handle=HANDLE).SerializeToString()
    )
    length = bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7 & 0x7F | 0x80, len(inner) >> 14])
    found = _decode(b"\x12" + length + inner)
    assert found.bitmap == Place("/s", 9, 4)


def test_random_bytes_are_refused_or_read_as_protobuf_reads_them() -> None:
    rng = random.Random(2)
    good = _request(bitmap=pb2.Bitmap(width=3, height=4, byte_data=bytes(5000))).SerializeToString()
    agreed = 0
    for _ in range(500):
        data = bytearray(good)
        for _ in range(rng.randint(1, 3)):
            data[rng.choice((rng.randrange(30), rng.randrange(len(data))))] = rng.randrange(256)
        try:
            theirs = pb2.DetectAnomaliesRequest.FromString(bytes(data))
        except Exception:
            with pytest.raises(InvalidRequest):
                _decode(bytes(data))
            continue
        ours = _decode(bytes(data))
        assert (ours.model, ours.width, ours.height) == (
            theirs.model_component,
            theirs.bitmap.width,
            theirs.bitmap.height,
        )
        assert _pixels(ours) == theirs.bitmap.byte_data
        agreed += 1
    assert agreed > 100


AREAS = (Area("background", "#FFFFFF", 0.75), Area("a", "#FF0000", 0.25))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 6), (160, 104), (64, 64)])
def test_an_answer_with_the_mask_inside_is_what_protobuf_would_write(width: int, height: int) -> None:
    request = DetectRequest("m", width, height, None, None)
    pixels = bytes(i % 251 for i in range(width * height * 3))
    shelf = ParcelShelf()
    parcel = shelf.get(MASK_AT + len(pixels))
    parcel.memory[MASK_AT : MASK_AT + len(pixels)] = pixels
    answer = encode_response(request, Verdict(True, 0.9, 0.9, 0.5, AREAS), parcel)
    assert isinstance(answer, ParcelMessage)
    data = bytes(parcel.memory[answer.start : answer.end])
    result = pb2.DetectAnomaliesResponse.FromString(data).detect_anomaly_result
    assert result.anomaly_mask.byte_data == pixels
    assert (result.anomaly_mask.width, result.anomaly_mask.height) == (width, height)
    assert [anomaly.name for anomaly in result.anomalies] == ["background", "a"]
    assert result.is_anomalous
    # Nothing stands twice: readers that do not merge understand it too.
    assert len(pb2.DetectAnomaliesResponse.FromString(data).SerializeToString()) == len(data)
    parcel.destroy()


def test_the_longest_answer_fits_before_its_mask() -> None:
    """255 labels of 64 characters, four bytes each, and the prefix that gRPC puts in front."""
    areas = tuple(Area("\U0001d4d0" * 64, "#FFFFFF", 1 / (3 + number)) for number in range(255))
    parcel = ParcelShelf().get(MASK_AT + 3)
    answer = encode_response(DetectRequest("m", 1, 1, None, None), Verdict(True, 0.9, 0.9, 0.5, areas), parcel)
    assert isinstance(answer, ParcelMessage)
    assert answer.start > PREFIX_BYTES
    parcel.destroy()


@pytest.mark.parametrize("place", [None, Place("/s", 9, 4), Place("/s", 9, 0)])
@pytest.mark.parametrize("areas", [(), AREAS, AREAS[:1]])
@pytest.mark.parametrize("is_anomalous", [True, False])
def test_an_answer_without_pixels_is_read_as_protobuf_writes_it(
    place: Place | None, areas: tuple[Area, ...], is_anomalous: bool
) -> None:
    expected = pb2.DetectAnomalyResult(
        is_anomalous=is_anomalous,
        confidence=0.25,
        anomaly_score=0.75,
        anomaly_threshold=0.5,
        anomalies=[
            pb2.Anomaly(
                name=area.label,
                pixel_anomaly=pb2.PixelAnomaly(total_percentage_area=area.fraction, hex_color=area.color),
            )
            for area in areas
        ],
    )
    if place is not None and areas:  # a classification has no mask
        expected.anomaly_mask.width, expected.anomaly_mask.height = 3, 1
        handle = pb2.SharedMemoryHandle(name=place.name, size=place.size, offset=place.offset)
        expected.anomaly_mask.shared_memory_handle.CopyFrom(handle)
    for _ in range(2):  # the second is put together of what was kept
        answer = encode_response(
            DetectRequest("m", 3, 1, None, place), Verdict(is_anomalous, 0.25, 0.75, 0.5, areas), None
        )
        assert isinstance(answer, bytes)
        assert pb2.DetectAnomaliesResponse.FromString(answer).detect_anomaly_result == expected
