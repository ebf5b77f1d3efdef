"""A client of Triton or MLServer: `python -m benchmarks.peers.kserve_client`, in Triton's environment.

As edge_agent/device/bench/client.py, it sends a message that is ready-made and filled with the pixels beforehand,
through a bare stub: tritonclient's own class builds a message anew for every call.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from pathlib import Path

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from benchmarks.peers.processes import take_turns
from edge_agent.client.segment import OwnedSegment

_NO_LIMITS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class KServeClient:
    """One connection with its request ready to be sent.

    `way` is "shared memory", "bytes" (a UINT8 tensor) or "values" (one value of the type BYTES, for MLServer).
    """

    def __init__(self, address: str, model: str, shape: tuple[int, int, int], pixels: bytes, way: str) -> None:
        self._channel = grpc.insecure_channel(address, options=_NO_LIMITS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        self._segments: list[OwnedSegment] = []
        self._size = len(pixels)
        self._request = service_pb2.ModelInferRequest(model_name=model)
        if way == "values":
            bitmap = self._request.inputs.add(name="bitmap", datatype="BYTES", shape=[1])
            self._request.raw_input_contents.append(struct.pack("<I", self._size) + pixels)
        else:
            bitmap = self._request.inputs.add(name="bitmap", datatype="UINT8", shape=shape)
        mask = self._request.outputs.add(name="mask")
        if way == "bytes":
            self._request.raw_input_contents.append(pixels)
        if way == "shared memory":
            for tensor, label in ((bitmap, "in"), (mask, "out")):
                segment = OwnedSegment(f"kserve-{label}")
                segment.buffer(self._size)[:] = pixels
                self._segments.append(segment)
                self._stub.SystemSharedMemoryRegister(
                    service_pb2.SystemSharedMemoryRegisterRequest(
                        name=segment.name, key=f"/{segment.name}", offset=0, byte_size=self._size
                    )
                )
                tensor.parameters["shared_memory_region"].string_param = segment.name
                tensor.parameters["shared_memory_byte_size"].int64_param = self._size

    def __call__(self) -> service_pb2.ModelInferResponse:
        return self._stub.ModelInfer(self._request)

    def mask(self) -> bytes:
        """Make a call and return the mask that it gave."""
        response = self()
        if self._segments:
            return bytes(self._segments[1].buffer(self._size))
        return bytes(response.raw_output_contents[0][-self._size :])  # a value has its length before it

    def close(self) -> None:
        """Unregister and unlink the segments and close the connection."""
        for segment in self._segments:
            self._stub.SystemSharedMemoryUnregister(service_pb2.SystemSharedMemoryUnregisterRequest(name=segment.name))
            segment.close()
        self._channel.close()


def main() -> None:
    """Entry point of the process: ADDRESS MODEL WIDTH HEIGHT FILE-OF-PIXELS WAY DIGEST-OF-THE-MASK."""
    address, model, width, height, pixels, way, digest = sys.argv[1:]
    client = KServeClient(address, model, (int(height), int(width), 3), Path(pixels).read_bytes(), way)
    try:
        if hashlib.sha256(client.mask()).hexdigest() != digest:
            sys.exit(f"{address} gives another mask for {model} by {way} than the agent's pipeline")
        take_turns(client)
    finally:
        client.close()


if __name__ == "__main__":
    main()
