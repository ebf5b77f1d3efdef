"""A client process, started by measurement.py.

It does what an application does, and nothing else: a segment that is filled beforehand, or the pixels in the message,
and one call after the other. It reads a line of JSON for each run from its standard input and answers with a line.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Literal

import grpc

from edge_agent.client.connection import MESSAGE_LIMITS
from edge_agent.client.segment import OwnedSegment
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import METHODS

Way = Literal["shared memory", "bytes"]

#: with which every order begins; they are not told of
WARM_UP_CALLS = 3
_SAME_SECONDS = 1.0  # that a picture stays the same to the last bit


class BenchClient:
    """One connection with its requests ready to be sent, by the way that the pixels take; `detect` sends one."""

    def __init__(self, socket: str, model: str, width: int, height: int, pixels: bytes) -> None:
        self.channel = grpc.insecure_channel(socket, options=[*MESSAGE_LIMITS, ("grpc.use_local_subchannel_pool", 1)])
        method = METHODS["DetectAnomalies"]
        self.detect = self.channel.unary_unary(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        self._segments = [OwnedSegment("bench-in"), OwnedSegment("bench-out")]
        for segment in self._segments:
            segment.buffer(len(pixels))[:] = pixels
        bitmap, mask = (pb2.SharedMemoryHandle(name=segment.name, size=len(pixels)) for segment in self._segments)
        by_segment = pb2.DetectAnomaliesRequest(
            model_component=model, bitmap=pb2.Bitmap(width=width, height=height, shared_memory_handle=bitmap)
        )
        by_segment.anomaly_mask_params.shared_memory_handle.CopyFrom(mask)
        by_bytes = pb2.DetectAnomaliesRequest(
            model_component=model, bitmap=pb2.Bitmap(width=width, height=height, byte_data=pixels)
        )
        self.requests: dict[str, pb2.DetectAnomaliesRequest] = {"shared memory": by_segment, "bytes": by_bytes}
        self._pixels, self._row = bytearray(pixels), width * 3
        self._renewed: dict[str, float] = {}

    def renew(self, way: Way) -> None:
        """Change the last bit of every row's first value now and then.

        A picture that stays the same for long is what a frozen camera gives, and the agent would tell people so.
        """
        now = time.monotonic()
        if now - self._renewed.setdefault(way, now) < _SAME_SECONDS:
            return
        self._renewed[way] = now
        column = bytes(value ^ 1 for value in self._pixels[:: self._row])
        self._pixels[:: self._row] = column
        if way == "bytes":
            self.requests[way].bitmap.byte_data = bytes(self._pixels)
        else:
            self._segments[0].buffer(len(self._pixels))[:: self._row] = column

    def run(self, way: Way, seconds: float) -> tuple[list[float], int]:
        """Call for so long; return what each answered call took, in seconds, and how many were refused."""
        request = self.requests[way]
        for _ in range(WARM_UP_CALLS):
            self._call(request)
        taken: list[float] = []
        refused = 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.renew(way)
            begun = time.monotonic()
            if self._call(request):
                taken.append(time.monotonic() - begun)
            else:
                refused += 1
        return taken, refused

    def _call(self, request: pb2.DetectAnomaliesRequest) -> bool:
        try:
            self.detect(request)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:  # the queue was full; a client would try again
                raise
            return False
        return True

    def close(self) -> None:
        """Close the connection and unlink the segments."""
        self.channel.close()
        for segment in self._segments:
            segment.close()


def main() -> None:
    """Entry point of the process: SOCKET MODEL WIDTH HEIGHT FILE-OF-PIXELS."""
    socket, model, width, height, pixels = sys.argv[1:]
    client = BenchClient(socket, model, int(width), int(height), Path(pixels).read_bytes())
    try:
        for line in sys.stdin:
            order = json.loads(line)
            taken, refused = client.run(order["way"], order["seconds"])
            sys.stdout.write(json.dumps({"taken": taken, "refused": refused}) + "\n")
            sys.stdout.flush()
    finally:
        client.close()
