"""The five rpcs: each reads its request, calls one function of the agent, and writes the answer.

The handlers work on bytes and not on messages, because DetectAnomalies' messages may hold a bitmap (rpc/messages.py).
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from edge_agent.agent import Agent, Description
from edge_agent.errors import EdgeAgentError, InvalidRequest
from edge_agent.lifecycle.state import Status
from edge_agent.rpc import edge_agent_pb2 as pb2
from edge_agent.rpc.contract import METHODS, SERVICE
from edge_agent.rpc.messages import decode_request, encode_response
from edge_agent.rpc.status import status_of

_Handler = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]
_M = TypeVar("_M", bound=Message)

_MAX_DETAILS = 1000


class Servicer:
    """The service EdgeAgent over an Agent."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def handlers(self) -> grpc.GenericRpcHandler:
        """Return what grpc.aio.Server.add_generic_rpc_handlers takes: one handler for each rpc of the contract."""
        return grpc.method_handlers_generic_handler(
            SERVICE.full_name,
            {name: grpc.unary_unary_rpc_method_handler(_answering(getattr(self, name))) for name in METHODS},
        )

    async def DetectAnomalies(self, data: bytes, context: grpc.aio.ServicerContext) -> bytes:
        request = decode_request(data, context.time_remaining())
        response: bytes = await self._agent.detect(request, functools.partial(encode_response, request))
        return response

    async def StartModel(self, data: bytes, _: grpc.aio.ServicerContext) -> bytes:
        status = self._agent.start(_parse(pb2.StartModelRequest, data).model_component)
        return pb2.StartModelResponse(status=_status(status)).SerializeToString()

    async def StopModel(self, data: bytes, _: grpc.aio.ServicerContext) -> bytes:
        status = await self._agent.stop(_parse(pb2.StopModelRequest, data).model_component)
        return pb2.StopModelResponse(status=_status(status)).SerializeToString()

    async def ListModels(self, data: bytes, _: grpc.aio.ServicerContext) -> bytes:
        _parse(pb2.ListModelsRequest, data)
        models = [pb2.ModelMetadata(**_fields(description)) for description in self._agent.list_models()]
        return pb2.ListModelsResponse(models=models).SerializeToString()

    async def DescribeModel(self, data: bytes, _: grpc.aio.ServicerContext) -> bytes:
        description = self._agent.describe(_parse(pb2.DescribeModelRequest, data).model_component)
        model = pb2.ModelDescription(**_fields(description))
        return pb2.DescribeModelResponse(model_description=model).SerializeToString()


def _fields(description: Description) -> dict[str, Any]:
    return {
        "model_component": description.name,
        "lookout_vision_model_arn": description.arn,
        "status": _status(description.status),
        # A file name on the device need not be UTF-8, a protobuf string must.
        "status_message": description.message.encode(errors="replace").decode(),
    }


def _status(status: Status) -> pb2.ModelStatus:
    return cast(pb2.ModelStatus, int(status))  # protobuf's enum values are plain integers


def _parse(message: type[_M], data: bytes) -> _M:
    try:
        return message.FromString(data)
    except DecodeError:
        raise InvalidRequest(f"the request's {len(data)} bytes are not a {message.DESCRIPTOR.name}") from None


def _answering(method: _Handler) -> _Handler:
    """Turn the errors of a handler into status codes with one sentence each."""

    async def handler(data: bytes, context: grpc.aio.ServicerContext) -> bytes:
        try:
            return await method(data, context)
        except EdgeAgentError as error:
            # The details travel in a header, whose size HTTP/2 peers limit (8 KiB by default in gRPC).
            await context.abort(status_of(error), str(error)[:_MAX_DETAILS])
            raise AssertionError("abort always raises") from None

    return handler
