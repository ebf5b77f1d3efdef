"""The service's API over HTTP: a request finds its operation, is checked, runs in a thread, and is answered."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from edge_agent.errors import ServiceRefused
from edge_agent.studio.aws.answers import answer, as_refused, refusal
from edge_agent.studio.aws.call import DEFAULT_REGION, Answer, Call, Service
from edge_agent.studio.aws.gate import Gate
from edge_agent.studio.aws.handlers import HANDLERS, OWN_TOKENS
from edge_agent.studio.aws.metrics import MEDIA_TYPE, ServiceMetrics
from edge_agent.studio.aws.models import hosted_units
from edge_agent.studio.aws.signature import SentRequest, Signed, read_credential
from edge_agent.studio.aws.table.operations import OPERATIONS, VERSION
from edge_agent.studio.aws.table.shape import Operation
from edge_agent.studio.aws.trail import ServiceTrail
from edge_agent.studio.aws.validation import Values, read_values

#: pictures that are decoded and inspected at once; the others wait without a thread
_AT_ONCE = 8
_MOST_BYTES = {"DetectAnomalies": (4 << 20) + 1, "UpdateDatasetEntries": 15 << 20}
_MOST_OTHER = 1 << 20
#: so long a DescribeModel may wait for the end of a training: some clients sleep ten minutes before the next look
_PATIENCE = 3.0
_LOOK_SECONDS = 0.1


class _Found(NamedTuple):
    operation: Operation
    path: dict[str, str]


class _Turn:
    """What is known of a request as far as it has come."""

    found: _Found | None = None
    signed: Signed | None = None
    values: Values

    def __init__(self) -> None:
        self.values = {}


class Endpoint:
    """Answers the 22 operations."""

    def __init__(self, service: Service, gate: Gate, trail: ServiceTrail) -> None:
        self._service, self._gate, self._trail = service, gate, trail
        self._metrics = ServiceMetrics()
        self._detecting: anyio.CapacityLimiter | None = None
        #: of those that take a token: two of the same must not run at once
        self._turn = threading.Lock()

    async def answer(self, request: Request) -> Response:
        """Answer one request; what goes wrong becomes an answer too."""
        begun, turn = time.monotonic(), _Turn()
        try:
            sent = sent_request(request)
            turn.found = found = _find(sent)
            body = await _body(request, found.operation)
            content = await self._run(found.operation, lambda: self._admit(request, sent, body, turn))
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            refused = as_refused(error)
            self._note(request, turn, refused.code, str(refused))
            self._count(turn, begun, refused)
            return refusal(refused)
        self._note(request, turn, "ok")
        self._count(turn, begun, bool(content.get("DetectAnomalyResult", {}).get("IsAnomalous")))
        return answer(content, found.operation.status)

    async def metrics(self, request: Request) -> Response:
        """Give the metrics to whoever may read; on this machine to whoever asks."""
        try:
            if request.client is None or request.client.host not in ("127.0.0.1", "::1"):
                self._gate.check(sent_request(request), "read", b"")
        except ServiceRefused as error:
            return refusal(error)
        page = await anyio.to_thread.run_sync(lambda: self._metrics.page(hosted_units(self._service)))
        return Response(page, media_type=MEDIA_TYPE)

    def _admit(self, request: Request, sent: SentRequest, body: bytes, turn: _Turn) -> Call:
        """See who asks, and for what; in a thread, for it takes the digest of the body."""
        assert turn.found is not None
        operation, path = turn.found
        turn.signed = self._gate.check(sent, operation.scope, body)
        query = parse_qsl(sent.query, keep_blank_values=True)
        turn.values = read_values(operation, path, query, request.headers.get, body)
        return Call(self._service, turn.values, _region(sent))

    async def _run(self, operation: Operation, admit: Callable[[], Call]) -> Answer:
        handler = HANDLERS[operation.name]
        if operation.name == "DetectAnomalies":
            if self._detecting is None:
                self._detecting = anyio.CapacityLimiter(_AT_ONCE)
            # All in one thread: a picture is in a hurry.
            return await anyio.to_thread.run_sync(lambda: handler(admit()), limiter=self._detecting)
        call = await anyio.to_thread.run_sync(admit)
        if any(member.shape == "ClientToken" for member in operation.members):
            return await anyio.to_thread.run_sync(self._once, operation, call)
        content = await anyio.to_thread.run_sync(handler, call)
        if operation.name == "DescribeModel":
            end = time.monotonic() + _PATIENCE
            while content["ModelDescription"]["Status"] == "TRAINING" and time.monotonic() < end:
                await asyncio.sleep(_LOOK_SECONDS)
                content = await anyio.to_thread.run_sync(handler, call)
        return content

    def _once(self, operation: Operation, call: Call) -> Answer:
        """Run what a client may send again with the same token when it has not heard the answer."""
        token = call.values.get("ClientToken", "")
        state = self._service.state
        with self._turn:
            if token and operation.name not in OWN_TOKENS:
                known = state.remembered(operation.name, token, call.values)
                if known is not None:
                    return known
            content = HANDLERS[operation.name](call)
            state.remember(operation.name, "" if operation.name in OWN_TOKENS else token, call.values, content)
            return content

    def _note(self, request: Request, turn: _Turn, outcome: str, details: str = "") -> None:
        self._trail.note(
            turn.found.operation.name if turn.found else "unknown operation",
            "/".join(str(turn.values[name]) for name in ("ProjectName", "ModelVersion") if name in turn.values),
            str(turn.signed.key) if turn.signed else "",
            request.client.host if request.client else "",
            outcome,
            details,
        )

    def _count(self, turn: _Turn, begun: float, outcome: bool | ServiceRefused) -> None:
        found = turn.found
        if found is not None and found.operation.name == "DetectAnomalies":
            seconds = time.monotonic() - begun
            version = turn.values.get("ModelVersion") or found.path["modelVersion"]
            self._metrics.detected(found.path["projectName"], version, seconds, outcome)


def sent_request(request: Request) -> SentRequest:
    """Give a request as it was sent."""
    path = request.scope["raw_path"].decode("latin-1").partition("?")[0]
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"]]
    return SentRequest(request.method, path, request.scope["query_string"].decode("latin-1"), headers)


def is_service(sent: SentRequest) -> bool:
    """Tell the service's requests from those to the storage: by the scope of their signature, else by their path."""
    try:
        return read_credential(sent).service != "s3"
    except ServiceRefused:
        return sent.path.startswith(f"/{VERSION}/")


def _find(sent: SentRequest) -> _Found:
    """Find the operation of a method and a path, whose segments are split before they are decoded."""
    segments = sent.path.removesuffix("/").split("/")[1:]
    for operation in OPERATIONS:
        pattern = [VERSION, *operation.path.split("/")[1:]]
        if operation.method != sent.method or len(pattern) != len(segments):
            continue
        path = {}
        for wanted, given in zip(pattern, segments, strict=True):
            if wanted.startswith("{"):
                path[wanted.strip("{}")] = unquote(given)
            elif wanted != given:
                break
        else:
            return _Found(operation, path)
    raise ServiceRefused("UnknownOperationException", f"{sent.method} {sent.path[:200]} is no operation of {VERSION}")


async def _body(request: Request, operation: Operation) -> bytes:
    most = _MOST_BYTES.get(operation.name, _MOST_OTHER)
    content = bytearray()
    too_long = False
    async for chunk in request.stream():
        too_long = too_long or len(content) + len(chunk) > most
        if not too_long:
            content += chunk
    if too_long:
        if operation.name == "DetectAnomalies":
            raise ServiceRefused("ValidationException", "the picture has more than 4194304 bytes (4 MB), expected less")
        raise ServiceRefused("RequestEntityTooLargeException", f"the body has more than {most} bytes")
    return bytes(content)


def _region(sent: SentRequest) -> str:
    try:
        return read_credential(sent).region
    except ServiceRefused:
        return DEFAULT_REGION
