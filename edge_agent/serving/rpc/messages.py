"""DetectAnomalies' messages, without copying the pixels that may be inside.

protobuf would copy a bitmap's bytes twice on the way in (into its message, and out of it) and twice on the way out. The
message is a byte string anyway, so the pixels are cut out of a request where they stand, and put into an answer
directly; protobuf does everything else.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bitmap import Place, bitmap_bytes
from edge_agent.inference.verdict import Area, Verdict
from edge_agent.serving.contract import DetectRequest
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.exchange import ParcelMessage
from edge_agent.serving.workers.calls import Enclosed
from edge_agent.serving.workers.parcels import MASK_AT, Parcel
from edge_agent.wire import LEN, Field, fields, length_prefix

_REQUEST_BITMAP = pb2.DetectAnomaliesRequest.BITMAP_FIELD_NUMBER
_BYTE_DATA = pb2.Bitmap.BYTE_DATA_FIELD_NUMBER
_RESULT = pb2.DetectAnomaliesResponse.DETECT_ANOMALY_RESULT_FIELD_NUMBER
_RESULT_MASK = pb2.DetectAnomalyResult.ANOMALY_MASK_FIELD_NUMBER

#: below this size a message has no bitmap in it that could be right
_SMALL = 1 << 12
#: where an older published edge-agent.proto had AnomalyMaskParams.shared_memory_handle
_OLD_MASK_HANDLE = 3
#: fields of a message that are walked over in Python; a request has seven
_MOST_FIELDS = 64
#: bytes of anomaly_mask_params: a handle, and what a later contract may add
_MOST_PARAMS = 1 << 12


def decode_request(data: memoryview, parcel: Parcel | None = None) -> DetectRequest:
    """Read a DetectAnomaliesRequest, which lies in `parcel`; pixels in it are not copied, and valid only as long as it.

    Raises:
        InvalidRequest: the bytes are not such a message.
    """
    if len(data) < _SMALL:
        return _decode_small(bytes(data))
    start, end, rest = _cut_out_pixels(data)
    enclosed = Enclosed(data[start:end], parcel, start) if end else None
    return _decode(rest, len(data), enclosed)


# A client that names segments says the same in every call.
@functools.lru_cache(256)
def _decode_small(data: bytes) -> DetectRequest:
    return _decode(data, len(data), None)


def _decode(data: bytes, size: int, enclosed: Enclosed | None) -> DetectRequest:
    try:
        request = pb2.DetectAnomaliesRequest.FromString(data)
    except DecodeError:
        raise InvalidRequest(f"the request's {size} bytes are not a DetectAnomaliesRequest") from None
    bitmap = request.bitmap
    return DetectRequest(
        model=request.model_component,
        width=bitmap.width,
        height=bitmap.height,
        bitmap=enclosed or _pixels(bitmap),
        mask=_mask_place(request),
    )


def _pixels(bitmap: pb2.Bitmap) -> Place | Enclosed | None:
    kind = bitmap.WhichOneof("data")
    if kind == "byte_data":
        return Enclosed(memoryview(bitmap.byte_data))
    return _place(bitmap.shared_memory_handle) if kind == "shared_memory_handle" else None


def _cut_out_pixels(view: memoryview) -> tuple[int, int, bytes]:
    """Split a large message into the bitmap's bytes, from where to where they stand, and a small message of the rest.

    A message in which a bitmap, or pixels in it, stand more than once (protobuf merges them, and no client writes such
    a thing), or with fields without number, is left whole, for protobuf to read.
    """
    try:
        bitmaps = [field for field in _few(fields(view)) if field[0] == _REQUEST_BITMAP]
        if len(bitmaps) != 1 or bitmaps[0][1] != LEN:
            return 0, 0, bytes(view)
        _, _, start, tag, end = bitmaps[0]
        inner = list(_few(fields(view, start, end)))
        found = [field for field in inner if field[0] == _BYTE_DATA]
        # byte_data must be the last of its oneof to be the one that counts
        if len(found) != 1 or found[0][1] != LEN or inner[-1][0] != _BYTE_DATA:
            return 0, 0, bytes(view)
    except ValueError:
        return 0, 0, bytes(view)
    _, _, pixels_start, pixels_tag, pixels_end = found[0]
    small_bitmap = bytes(view[start:pixels_tag]) + bytes(view[pixels_end:end])
    rest = bytes(view[:tag]) + length_prefix(_REQUEST_BITMAP, len(small_bitmap)) + small_bitmap + bytes(view[end:])
    return pixels_start, pixels_end, rest


def _few(found: Iterator[Field]) -> Iterator[Field]:
    """Pass fields on; ValueError when there are more than a client has reason to send."""
    for number, field in enumerate(found):
        if number == _MOST_FIELDS:
            raise ValueError("too many fields")
        yield field


def _place(handle: pb2.SharedMemoryHandle) -> Place:
    return Place(name=handle.name, size=handle.size, offset=handle.offset)


def _mask_place(request: pb2.DetectAnomaliesRequest) -> Place | None:
    if not request.HasField("anomaly_mask_params"):
        return None
    params = request.anomaly_mask_params
    if params.HasField("shared_memory_handle"):
        return _place(params.shared_memory_handle)
    if params.ByteSize() > _MOST_PARAMS:  # a list of millions of fields would be made of it
        raise InvalidRequest(
            f"anomaly_mask_params has {params.ByteSize()} bytes and no shared_memory_handle, expected one of "
            f"{_MOST_PARAMS} bytes at the most"
        )
    for field in UnknownFieldSet(params):  # type: ignore[attr-defined]  # the stub lacks __iter__
        if field.field_number == _OLD_MASK_HANDLE and field.wire_type == LEN:
            try:
                return _place(pb2.SharedMemoryHandle.FromString(field.data))
            except DecodeError:
                raise InvalidRequest("anomaly_mask_params holds no shared_memory_handle that can be read") from None
    return None


def encode_response(request: DetectRequest, verdict: Verdict, mask: Parcel | None) -> bytes | ParcelMessage:
    """Write a DetectAnomaliesResponse.

    Args:
        request: that it answers.
        verdict: what was found.
        mask: holds the mask's pixels (from MASK_AT on) when they do not lie in the client's segment; the answer is then
            written around them.
    """
    head: bytes = pb2.DetectAnomalyResult(
        is_anomalous=verdict.is_anomalous,
        confidence=verdict.confidence,
        anomaly_score=verdict.score,
        anomaly_threshold=verdict.threshold,
    ).SerializeToString()
    if verdict.areas:
        head += _encode_areas(verdict.areas)
        if mask is None and request.mask is not None:
            head += _encode_handle(request.mask, request.width, request.height)
    if not verdict.areas or mask is None:  # no segmentation, or the mask is left out, or lies in the client's segment
        return length_prefix(_RESULT, len(head)) + head
    size = bitmap_bytes(request.width, request.height)
    bitmap = pb2.Bitmap(width=request.width, height=request.height).SerializeToString()
    bitmap += length_prefix(_BYTE_DATA, size)
    bitmap = length_prefix(_RESULT_MASK, len(bitmap) + size) + bitmap
    head = length_prefix(_RESULT, len(head) + len(bitmap) + size) + head + bitmap
    start = MASK_AT - len(head)
    mask.memory[start:MASK_AT] = head
    return ParcelMessage(mask, start, MASK_AT + size)


# Fields of a message may stand in any order, and what repeats from call to call is written once: a normal picture's
# areas, and where a client wants its mask.
@functools.lru_cache(16)
def _encode_areas(areas: tuple[Area, ...]) -> bytes:
    """Write the anomalies of a DetectAnomalyResult."""
    anomalies = [
        pb2.Anomaly(
            name=area.label,
            pixel_anomaly=pb2.PixelAnomaly(total_percentage_area=area.fraction, hex_color=area.color),
        )
        for area in areas
    ]
    encoded: bytes = pb2.DetectAnomalyResult(anomalies=anomalies).SerializeToString()
    return encoded


@functools.lru_cache(256)
def _encode_handle(place: Place, width: int, height: int) -> bytes:
    """Write the mask of a DetectAnomalyResult that lies in a segment."""
    handle = pb2.SharedMemoryHandle(name=place.name, size=place.size, offset=place.offset)
    bitmap = pb2.Bitmap(width=width, height=height, shared_memory_handle=handle)
    encoded: bytes = pb2.DetectAnomalyResult(anomaly_mask=bitmap).SerializeToString()
    return encoded
