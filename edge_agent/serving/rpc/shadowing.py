"""Our own service beside the contract: which model judges the pictures of another one, after it has answered."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from edge_agent.access.peer import Peer
from edge_agent.errors import InvalidRequest
from edge_agent.records.shadow.wanted import Named
from edge_agent.serving.agent import Agent
from edge_agent.serving.rpc.exchange import Exchange, Handler
from edge_agent.serving.rpc.standard import SET_SHADOW, SetShadowRequest, SetShadowResponse


class Shadowing:
    """The service over an Agent, for one client."""

    def __init__(self, agent: Agent, peer: Peer) -> None:
        self._agent, self._peer = agent, peer

    def handlers(self) -> dict[bytes, Handler]:
        """Return what answers its rpc, by path."""
        return {SET_SHADOW.encode(): lambda exchange: exchange.run(self._set(exchange))}

    async def _set(self, exchange: Exchange) -> bytes:
        try:
            request: Any = SetShadowRequest.FromString(bytes(exchange.message))
        except DecodeError:
            size = len(exchange.message)
            raise InvalidRequest(f"the request's {size} bytes are not a SetShadowRequest") from None
        exchange.model = request.model_component
        other = Named(request.shadow_component, request.shadow_version) if request.shadow_component else None
        message = await self._agent.set_shadow(request.model_component, other, self._peer)
        response: bytes = SetShadowResponse(message=message).SerializeToString()
        return response
