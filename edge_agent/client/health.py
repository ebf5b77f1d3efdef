"""What the agent's health service says of it and its models."""

from __future__ import annotations

import contextlib

import grpc

from edge_agent.errors import AgentUnreachable, CallFailed
from edge_agent.serving.rpc.standard import HEALTH, MODEL, Serving, message_class


def check_health(socket: str, model: str, timeout: float) -> bool:
    """Tell whether the agent at `socket` serves, or (where one is named) a model of its.

    Raises:
        AgentUnreachable: nobody answers within `timeout` seconds.
        CallFailed: there is no such model.
    """
    request = message_class("grpc.health.v1.HealthCheckRequest")(service=MODEL + model if model else "")
    with contextlib.closing(grpc.insecure_channel(socket)) as channel:
        check = channel.unary_unary(
            f"/{HEALTH}/Check",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_class("grpc.health.v1.HealthCheckResponse").FromString,
        )
        try:
            return bool(check(request, timeout=timeout).status == Serving.SERVING)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise AgentUnreachable(f"no agent answers at {socket} within {timeout:g} s") from None
            raise CallFailed(error.code().name, error.details() or "") from None
