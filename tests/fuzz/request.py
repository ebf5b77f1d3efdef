"""Target: any bytes as a DetectAnomaliesRequest. They are read as protobuf reads them, or refused as by it."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from edge_agent.errors import InvalidRequest
from edge_agent.inference.imaging.bitmap import Place
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.messages import decode_request
from edge_agent.serving.workers.calls import Enclosed
from tests.support.sentences import check_sentence

_HANDLE = pb2.SharedMemoryHandle(name="/segment", size=12288, offset=2**64 - 1)
_LARGE = b"\0"  # first byte: the pixels are made large enough to be cut out


def seeds() -> Iterator[bytes]:
    """Requests of each kind."""
    small = pb2.Bitmap(width=64, height=64, byte_data=bytes(12))
    for bitmap in (small, pb2.Bitmap(width=64, height=-1, shared_memory_handle=_HANDLE), pb2.Bitmap()):
        request = pb2.DetectAnomaliesRequest(model_component="echo", bitmap=bitmap)
        yield request.SerializeToString()
        yield _LARGE + request.SerializeToString()
        request.anomaly_mask_params.shared_memory_handle.CopyFrom(_HANDLE)
        yield request.SerializeToString()
    # An older published contract had the mask's handle at field 3 of its message.
    old = _HANDLE.SerializeToString()
    yield b"\x0a\x04echo\x1a" + bytes([len(old) + 2]) + b"\x1a" + bytes([len(old)]) + old


def consume(data: bytes) -> None:
    """Read one request; pixels of a large one are not copied, which is another way through the code."""
    if data[:1] == _LARGE:
        data = data[1:] + b"\x7a\x80\x20" + bytes(4096)  # an unknown field: the whole is larger than 4 KiB
    try:
        theirs = pb2.DetectAnomaliesRequest.FromString(data)
    except DecodeError:
        theirs = None
    try:
        ours = decode_request(memoryview(data))
    except InvalidRequest as error:
        check_sentence(error)
        old = theirs is not None and theirs.HasField("anomaly_mask_params")
        assert theirs is None or old, "protobuf reads it"
        return
    assert theirs is not None, "protobuf does not read it"
    bitmap = theirs.bitmap
    kind = bitmap.WhichOneof("data")
    assert (ours.model, ours.width, ours.height) == (theirs.model_component, bitmap.width, bitmap.height)
    if isinstance(ours.bitmap, Enclosed):
        assert kind == "byte_data"
        assert bytes(ours.bitmap.pixels) == bitmap.byte_data
    else:
        assert kind != "byte_data"
        assert ours.bitmap == (_place(bitmap.shared_memory_handle) if kind else None)
    if theirs.anomaly_mask_params.HasField("shared_memory_handle"):
        assert ours.mask == _place(theirs.anomaly_mask_params.shared_memory_handle)


def _place(handle: pb2.SharedMemoryHandle) -> Place:
    return Place(handle.name, handle.size, handle.offset)
