"""The service and its messages, taken from the descriptor that is generated from proto/edge-agent.proto.

No gRPC stub module is generated beside it: protoc would have it import `edge_agent_pb2` from the top level, which is
the name of the module that client applications carry, and the method table below is all that it would add.
"""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf import message_factory
from google.protobuf.message import Message

from edge_agent.serving.rpc import edge_agent_pb2 as pb2

#: bytes of the largest message: a 4096x4096 bitmap is 48 MiB
MAX_MESSAGE_BYTES = 64 << 20

SERVICE = pb2.DESCRIPTOR.services_by_name["EdgeAgent"]


class Method(NamedTuple):
    """One rpc of the service."""

    name: str
    path: str
    request: type[Message]
    response: type[Message]


METHODS = {
    method.name: Method(
        method.name,
        f"/{SERVICE.full_name}/{method.name}",
        message_factory.GetMessageClass(method.input_type),
        message_factory.GetMessageClass(method.output_type),
    )
    for method in SERVICE.methods
}
