"""grpc.health.v1: the agent is "", and each model "model/NAME", which serves when it runs and has room for calls."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import DecodeError

from edge_agent.errors import InvalidRequest, ModelNotFound
from edge_agent.serving.agent import Agent
from edge_agent.serving.rpc.contract import SERVICE
from edge_agent.serving.rpc.exchange import Exchange, Handler
from edge_agent.serving.rpc.framing import RefusedCall
from edge_agent.serving.rpc.standard import HEALTH, MODEL, Serving, message_class
from edge_agent.serving.rpc.status import Code
from edge_agent.serving.rpc.streamed import StreamedCall, Streaming

_Request = message_class("grpc.health.v1.HealthCheckRequest")
_Response = message_class("grpc.health.v1.HealthCheckResponse")
_List = message_class("grpc.health.v1.HealthListResponse")


class Health:
    """The service over an Agent."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def handlers(self) -> dict[bytes, Handler | Streaming]:
        """Return what answers each rpc, by path."""
        return {
            f"/{HEALTH}/Check".encode(): self._check,
            f"/{HEALTH}/List".encode(): self._list,
            f"/{HEALTH}/Watch".encode(): Streaming(self._watch),
        }

    def status_of(self, service: str) -> Serving:
        """Return how a service is."""
        if service in ("", SERVICE.full_name):
            return Serving.SERVING
        ready = self._agent.is_ready(service.removeprefix(MODEL)) if service.startswith(MODEL) else None
        if ready is None:
            return Serving.SERVICE_UNKNOWN
        return Serving.SERVING if ready else Serving.NOT_SERVING

    def _check(self, exchange: Exchange) -> None:
        service = _service(bytes(exchange.message))
        status = self.status_of(service)
        if status is Serving.SERVICE_UNKNOWN:
            raise ModelNotFound(
                f"there is no service '{service[:200]}', expected '', '{SERVICE.full_name}' or '{MODEL}' and the name "
                "of a model component"
            )
        exchange.answer(_Response(status=status).SerializeToString())

    def _list(self, exchange: Exchange) -> None:
        answer = _List()
        for service in ("", SERVICE.full_name, *(MODEL + name for name in self._agent.model_names())):
            answer.statuses[service].status = self.status_of(service)  # type: ignore[attr-defined]
        exchange.answer(answer.SerializeToString())

    def _watch(self, call: StreamedCall) -> None:
        """Tell a client how a service is, now and when that changes; of changes that come too fast, the last."""
        call.on_message = lambda message: self._begin_watch(call, message)

    def _begin_watch(self, call: StreamedCall, message: bytes) -> None:
        try:
            service = _service(message)
        except InvalidRequest as error:
            call.refuse(RefusedCall(Code.INVALID_ARGUMENT, str(error)))
            return
        told: list[Serving] = []

        def tell() -> None:
            status = self.status_of(service)
            if not call.is_sending and [status] != told:
                told[:] = [status]
                call.send(_Response(status=status).SerializeToString())

        watchers: set[Callable[[], None]] = self._agent.watchers
        watchers.add(tell)
        call.on_taken = tell
        call.on_over = lambda: watchers.discard(tell)
        second = RefusedCall(Code.INTERNAL, "Watch takes one message, expected no other")
        call.on_message = lambda _: call.refuse(second)
        tell()


def _service(message: bytes) -> str:
    try:
        request = _Request.FromString(message)
    except DecodeError:
        raise InvalidRequest(f"the request's {len(message)} bytes are not a HealthCheckRequest") from None
    service: str = request.service  # type: ignore[attr-defined]
    return service
