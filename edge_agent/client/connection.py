"""A client's channel to the agent, and how its errors are told."""

from __future__ import annotations

from pathlib import Path

import grpc
from google.protobuf.message import Message

from edge_agent.client.unreachable import why_unreachable
from edge_agent.errors import AgentUnreachable, CallFailed
from edge_agent.serving.rpc.contract import MAX_MESSAGE_BYTES, METHODS
from edge_agent.serving.rpc.standard import SET_SHADOW, SetShadowRequest, SetShadowResponse

#: gRPC's own limit of 4 MiB is less than many masks
MESSAGE_LIMITS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
]
#: how soon gRPC tries again where nobody listened; its own are 1 s and 120 s, so that it finds an agent late
RECONNECT = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]
# A channel of our own: closing it must not close another client's of the same process, nor share its back-off.
_ALONE = [("grpc.use_local_subchannel_pool", 1)]


class Connection:
    """A channel to the agent on `socket`, an address. Used in the process that made it, by any of its threads."""

    def __init__(self, socket: str, path: Path, timeout: float | None) -> None:
        self._socket, self._path, self._timeout = socket, path, timeout
        self._channel = grpc.insecure_channel(socket, options=[*MESSAGE_LIMITS, *RECONNECT, *_ALONE])
        self._calls = {
            name: self._channel.unary_unary(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            for name, method in METHODS.items()
        }
        self._calls["SetShadow"] = self._channel.unary_unary(
            SET_SHADOW,
            request_serializer=SetShadowRequest.SerializeToString,
            response_deserializer=SetShadowResponse.FromString,
        )

    def wait(self, seconds: float) -> None:
        """Wait until an agent is there; AgentUnreachable when none is after so many seconds."""
        try:
            grpc.channel_ready_future(self._channel).result(timeout=seconds)
        except grpc.FutureTimeoutError:
            raise AgentUnreachable(
                f"no agent answered on {self._socket} within {seconds:g} s; {why_unreachable(self._path)}"
            ) from None

    def call(self, name: str, request: Message) -> Message:
        """Make one of the five calls, or SetShadow.

        Raises:
            AgentUnreachable: nobody answers; the text says why, as far as it can be seen from here.
            CallFailed: the agent answered with an error.
        """
        try:
            response: Message = self._calls[name](request, timeout=self._timeout)
        except grpc.RpcError as error:
            details = error.details() or error.code().name
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise AgentUnreachable(
                    f"no agent answers on {self._socket}; {why_unreachable(self._path, details)}"
                ) from None
            raise CallFailed(error.code().name, details) from None
        except ValueError:  # "Cannot invoke RPC on closed channel!"
            raise AgentUnreachable("the client has been closed") from None
        return response

    def close(self) -> None:
        """End the calls that are under way, and the connection; closing twice is harmless."""
        self._channel.close()
