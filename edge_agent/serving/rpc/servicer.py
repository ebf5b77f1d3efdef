"""The five rpcs: each reads its request, calls one function of the agent, and writes the answer.

The handlers work on bytes and not on messages, because DetectAnomalies' messages may hold a bitmap (messages.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from google.protobuf.message import DecodeError, Message

from edge_agent.access.peer import Peer, program_of
from edge_agent.errors import InvalidRequest, ModelNotFound
from edge_agent.inference.verdict import Verdict
from edge_agent.records.record import Origin
from edge_agent.serving.agent import Agent
from edge_agent.serving.contract import Description, DetectRequest
from edge_agent.serving.lifecycle.state import Status
from edge_agent.serving.rpc import edge_agent_pb2 as pb2
from edge_agent.serving.rpc.contract import METHODS
from edge_agent.serving.rpc.exchange import Exchange, Handler
from edge_agent.serving.rpc.framing import NO_NOTES
from edge_agent.serving.rpc.messages import decode_request, encode_response
from edge_agent.serving.rpc.versions import ASK, with_version
from edge_agent.serving.workers.parcels import Parcel

_M = TypeVar("_M", bound=Message)


def _in_a_task(call: Callable[[Servicer, Exchange], Coroutine[None, None, bytes]]) -> Callable[..., None]:
    """Make a handler of a coroutine function that turns a request into an answer."""

    @functools.wraps(call)
    def handle(servicer: Servicer, exchange: Exchange) -> None:
        exchange.run(call(servicer, exchange))

    return handle


class Servicer:
    """The service EdgeAgent over an Agent, for one client."""

    def __init__(self, agent: Agent, peer: Peer) -> None:
        self._agent, self._peer = agent, peer
        self._origin = Origin(peer.uid, peer.pid, program_of(peer.pid))

    def handlers(self) -> dict[bytes, Handler]:
        """Return the handler of each rpc of the contract, by path."""
        return {method.path.encode(): getattr(self, name) for name, method in METHODS.items()}

    def DetectAnomalies(self, exchange: Exchange) -> None:
        request = decode_request(exchange.message, exchange.parcel)
        exchange.model = request.model
        try:
            self._detect(exchange, request)
        except ModelNotFound:  # it may have been deployed a moment ago
            exchange.run(self._look_and_detect(exchange, request))

    async def _look_and_detect(self, exchange: Exchange, request: DetectRequest) -> None:
        await self._agent.look_for(request.model)
        self._detect(exchange, request)

    def _detect(self, exchange: Exchange, request: DetectRequest) -> None:
        def answer(verdict: Verdict, mask: Parcel | None) -> None:
            exchange.answer(encode_response(request, verdict, mask))

        origin = self._origin
        if exchange.notes is not NO_NOTES:
            part, station, keep = exchange.notes
            origin = origin._replace(part=part, station=station, keep=keep)
        detect = self._agent.detect
        exchange.on_cancel = detect(
            request, self._peer, exchange.deadline, answer, exchange.fail, origin, exchange.took
        )

    @_in_a_task
    async def StartModel(self, exchange: Exchange) -> bytes:
        exchange.model = _parse(pb2.StartModelRequest, exchange.message).model_component
        status = await self._agent.start(exchange.model, self._peer)
        return pb2.StartModelResponse(status=_status(status)).SerializeToString()

    @_in_a_task
    async def StopModel(self, exchange: Exchange) -> bytes:
        exchange.model = _parse(pb2.StopModelRequest, exchange.message).model_component
        status = await self._agent.stop(exchange.model, self._peer)
        return pb2.StopModelResponse(status=_status(status)).SerializeToString()

    @_in_a_task
    async def ListModels(self, exchange: Exchange) -> bytes:
        _parse(pb2.ListModelsRequest, exchange.message)
        asked = exchange.message[-len(ASK) :] == ASK
        found = await self._agent.list_models()
        models = [pb2.ModelMetadata(**_fields(description)) for description in found]
        if asked:
            models = [with_version(model, one.version) for model, one in zip(models, found, strict=True)]
        return pb2.ListModelsResponse(models=models).SerializeToString()

    @_in_a_task
    async def DescribeModel(self, exchange: Exchange) -> bytes:
        exchange.model = _parse(pb2.DescribeModelRequest, exchange.message).model_component
        asked = exchange.message[-len(ASK) :] == ASK
        description = await self._agent.describe(exchange.model)
        model = pb2.ModelDescription(**_fields(description))
        if asked:
            model = with_version(model, description.version)
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


def _parse(message: type[_M], data: memoryview) -> _M:
    try:
        return message.FromString(bytes(data))
    except DecodeError:
        raise InvalidRequest(f"the request's {len(data)} bytes are not a {message.DESCRIPTOR.name}") from None
