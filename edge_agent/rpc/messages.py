"""DetectAnomalies' messages, without copying the pixels that may be inside.

protobuf would copy a bitmap's bytes twice on the way in (into its message, and out of it) and twice on the way out. The
message is a byte string anyway, so the pixels are cut out of a request where they stand, and put into an answer
directly; protobuf does everything else.
"""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from edge_agent.agent import DetectRequest
from edge_agent.errors import InvalidRequest
from edge_agent.imaging.bitmap import Place
from edge_agent.inference.verdict import Verdict
from edge_agent.rpc import edge_agent_pb2 as pb2
from edge_agent.wire import LEN, fields, length_prefix

_REQUEST_BITMAP = pb2.DetectAnomaliesRequest.BITMAP_FIELD_NUMBER
_BYTE_DATA = pb2.Bitmap.BYTE_DATA_FIELD_NUMBER
_RESULT = pb2.DetectAnomaliesResponse.DETECT_ANOMALY_RESULT_FIELD_NUMBER
_RESULT_MASK = pb2.DetectAnomalyResult.ANOMALY_MASK_FIELD_NUMBER

#: gives memory for a message of so many bytes, valid until the message has been sent
Lend = Callable[[int], memoryview]

#: below this size a message is small enough to be copied
_SMALL = 1 << 12
#: where an older published edge-agent.proto had AnomalyMaskParams.shared_memory_handle
_OLD_MASK_HANDLE = 3


def decode_request(data: memoryview, deadline: float | None) -> DetectRequest:
    """Read a DetectAnomaliesRequest; pixels in it are not copied and valid only as long as `data` is.

    Raises:
        InvalidRequest: the bytes are not such a message.
    """
    pixels, rest = _cut_out_pixels(data)
    try:
        request = pb2.DetectAnomaliesRequest.FromString(rest)
    except DecodeError:
        raise InvalidRequest(f"the request's {len(data)} bytes are not a DetectAnomaliesRequest") from None
    bitmap = request.bitmap
    kind = bitmap.WhichOneof("data")
    if pixels is None and kind == "byte_data":
        pixels = memoryview(bitmap.byte_data)
    return DetectRequest(
        model=request.model_component,
        width=bitmap.width,
        height=bitmap.height,
        pixels=pixels,
        bitmap=_place(bitmap.shared_memory_handle) if pixels is None and kind == "shared_memory_handle" else None,
        mask=_mask_place(request),
        deadline=deadline,
    )


def _cut_out_pixels(view: memoryview) -> tuple[memoryview | None, bytes]:
    """Split a large message into the bitmap's bytes, in place, and a small message of all the rest.

    A message in which a bitmap, or pixels in it, stand more than once (protobuf merges them, and no client writes such
    a thing) is left whole, for protobuf to read.
    """
    if len(view) < _SMALL:
        return None, bytes(view)
    try:
        bitmaps = [field for field in fields(view) if field[0] == _REQUEST_BITMAP]
        if len(bitmaps) != 1 or bitmaps[0][1] != LEN:
            return None, bytes(view)
        _, _, start, tag, end = bitmaps[0]
        inner = list(fields(view, start, end))
        found = [field for field in inner if field[0] == _BYTE_DATA]
        # byte_data must be the last of its oneof to be the one that counts
        if len(found) != 1 or found[0][1] != LEN or inner[-1][0] != _BYTE_DATA:
            return None, bytes(view)
    except ValueError:
        return None, bytes(view)
    _, _, pixels_start, pixels_tag, pixels_end = found[0]
    small_bitmap = bytes(view[start:pixels_tag]) + bytes(view[pixels_end:end])
    rest = bytes(view[:tag]) + length_prefix(_REQUEST_BITMAP, len(small_bitmap)) + small_bitmap + bytes(view[end:])
    return view[pixels_start:pixels_end], rest


def _place(handle: pb2.SharedMemoryHandle) -> Place:
    return Place(name=handle.name, size=handle.size, offset=handle.offset)


def _mask_place(request: pb2.DetectAnomaliesRequest) -> Place | None:
    if not request.HasField("anomaly_mask_params"):
        return None
    params = request.anomaly_mask_params
    if params.HasField("shared_memory_handle"):
        return _place(params.shared_memory_handle)
    for field in UnknownFieldSet(params):  # type: ignore[attr-defined]  # the stub lacks __iter__
        if field.field_number == _OLD_MASK_HANDLE and field.wire_type == LEN:
            try:
                return _place(pb2.SharedMemoryHandle.FromString(field.data))
            except DecodeError:
                raise InvalidRequest("anomaly_mask_params holds no shared_memory_handle that can be read") from None
    return None


def encode_response(
    request: DetectRequest, lend: Lend, verdict: Verdict, mask: memoryview | None
) -> bytes | memoryview:
    """Write a DetectAnomaliesResponse.

    Args:
        request: that it answers.
        lend: gives memory for a message with a mask in it.
        verdict: what was found.
        mask: the mask's pixels when they do not lie in the client's segment.
    """
    result = pb2.DetectAnomalyResult(
        is_anomalous=verdict.is_anomalous,
        confidence=verdict.confidence,
        anomaly_score=verdict.score,
        anomaly_threshold=verdict.threshold,
        anomalies=[
            pb2.Anomaly(
                name=area.label,
                pixel_anomaly=pb2.PixelAnomaly(total_percentage_area=area.fraction, hex_color=area.color),
            )
            for area in verdict.areas
        ],
    )
    if not verdict.areas:
        return pb2.DetectAnomaliesResponse(detect_anomaly_result=result).SerializeToString()
    if mask is None and request.mask is not None:
        place = request.mask
        handle = pb2.SharedMemoryHandle(name=place.name, size=place.size, offset=place.offset)
        result.anomaly_mask.CopyFrom(
            pb2.Bitmap(width=request.width, height=request.height, shared_memory_handle=handle)
        )
        return pb2.DetectAnomaliesResponse(detect_anomaly_result=result).SerializeToString()
    assert mask is not None
    head = result.SerializeToString()
    bitmap = pb2.Bitmap(width=request.width, height=request.height).SerializeToString()
    bitmap += length_prefix(_BYTE_DATA, len(mask))
    bitmap = length_prefix(_RESULT_MASK, len(bitmap) + len(mask)) + bitmap
    head = length_prefix(_RESULT, len(head) + len(bitmap) + len(mask)) + head + bitmap
    message = lend(len(head) + len(mask))
    message[: len(head)] = head
    message[len(head) :] = mask
    return message
