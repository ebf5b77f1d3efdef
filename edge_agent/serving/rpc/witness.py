"""Sees the calls of one client end: counts them, tells of those that are refused, and traces them."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from edge_agent.access.peer import Peer
from edge_agent.logs import fields
from edge_agent.serving.observing.observer import Observer
from edge_agent.serving.rpc.contract import METHODS
from edge_agent.serving.rpc.framing import RefusedCall
from edge_agent.serving.rpc.standard import FILES

if TYPE_CHECKING:
    from edge_agent.serving.rpc.exchange import Exchange, Reply

log = logging.getLogger(__name__)


class Witness:
    """What a client's connection tells of its calls."""

    def __init__(self, observer: Observer, peer: Peer) -> None:
        self._observer, self._counts, self._peer = observer, observer.counts, peer

    def refused(self, path: bytes, refused: RefusedCall) -> None:
        """Take note of a call that was refused before it had arrived whole; `path` names no rpc, or one of ours."""
        if self._counts is not None:
            self._counts.ended(rpc_of(path), "", refused.code.name, 0.0)
        self._tell(refused, rpc_of(path) or path[:80].decode(errors="replace"), "")

    def streamed(self, path: bytes, refused: RefusedCall | None, *, cancelled: bool) -> None:
        """Take note of the end of a call that went on: well, refused, or because the client went away."""
        code = "CANCELLED" if cancelled else refused.code.name if refused else "OK"
        if self._counts is not None:
            self._counts.ended(rpc_of(path), "", code, 0.0)
        if refused is not None:
            self._tell(refused, rpc_of(path), "")

    def untaken(self, size: int) -> None:
        """Take note of a client that did not want an answer, of `size` bytes, any more when it had begun to come."""
        details = f"the client gave up an answer of {size} bytes, as one does whose limit for messages is lower"
        self._note("answer_not_taken", "DetectAnomalies", "", details)

    def ended(self, exchange: Exchange, reply: Reply | None) -> None:
        """Take note of the end of a call, with what it was answered; None when the client had gone."""
        rpc, now = rpc_of(exchange.path), time.monotonic()
        refused = reply if isinstance(reply, RefusedCall) else None
        code = "CANCELLED" if reply is None else "OK" if refused is None else refused.code.name
        if self._counts is not None:
            self._counts.ended(rpc, exchange.model, code, now - exchange.begun)
        if refused is not None:
            self._tell(refused, rpc, exchange.model)
        if self._observer.tracer is not None and rpc in METHODS:
            self._trace(exchange, rpc, code, refused.details if refused else "", now)
        if log.isEnabledFor(logging.DEBUG):
            milliseconds = 1000 * (now - exchange.begun)
            log.debug(
                "%s %s of process %d: %s in %.2f ms", rpc, exchange.model, self._peer.pid, code, milliseconds,
                extra=fields(MODEL=exchange.model, PID=self._peer.pid),
            )  # fmt: skip

    def _trace(self, exchange: Exchange, rpc: str, code: str, details: str, now: float) -> None:
        from edge_agent.serving.observing.tracing import TracedCall

        parent = exchange.traceparent.decode("latin-1")
        call = TracedCall(rpc, exchange.model, code, details, exchange.begun, now, parent, exchange.inspection)
        assert self._observer.tracer is not None
        self._observer.tracer.ended(call)

    def _tell(self, refused: RefusedCall, rpc: str, model: str) -> None:
        self._note(refused.reason, rpc, model, refused.details)

    def _note(self, reason: str, rpc: str, model: str, details: str) -> None:
        self._observer.refused(self._peer, reason, rpc, model, details)


#: by path: the contract's by their own names, those that gRPC has for every server with their service's
_RPCS = {method.path.encode(): name for name, method in METHODS.items()} | {
    f"/{name}".encode(): name
    for name in (
        f"{file.package}.{service.name}/{method.name}"
        for file in FILES
        for service in file.service
        for method in service.method
    )
}


def rpc_of(path: bytes) -> str:
    """Return the name of the rpc that a path leads to; "" where it leads to none of the agent's."""
    return _RPCS.get(path, "")
