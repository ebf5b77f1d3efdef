"""Routes of the table of operations: a request is read, its operation runs in a thread, its result is answered."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from edge_agent.errors import StudioError
from edge_agent.studio.access.guard import Guard, require
from edge_agent.studio.api.answers import answer, refusal, secured
from edge_agent.studio.api.call import Call, Operation, Parts
from edge_agent.studio.api.operations.pictures import MOST_BYTES
from edge_agent.studio.store.partial import RECEIVING

_MOST_JSON = 4 << 20
_MOST_MASK = 1 << 26  # bytes of a map: 8192 x 8192


def routes(operations: tuple[Operation, ...], parts: Parts, guard: Guard, prefix: str) -> list[Route]:
    """Make a route of each operation."""
    return [
        Route(
            prefix + operation.path, _endpoint(operation, parts, guard), methods=[operation.method], name=operation.name
        )
        for operation in operations
    ]


def _endpoint(operation: Operation, parts: Parts, guard: Guard) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        received: list[Path] = []
        try:
            user = await run_in_threadpool(guard.who, request.method, request.headers, request.cookies)
            user = require(user, operation.role)
            path = {name: str(value) for name, value in request.path_params.items()}
            query = _query(operation, request)
            body = await _body(operation, request, parts.store.layout.root, received)
            call = Call(parts, user, path, query, body)
            return secured(answer(await run_in_threadpool(operation.run, call)))
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:
            return secured(refusal(error))
        finally:
            for file in received:
                file.unlink(missing_ok=True)

    return endpoint


def _query(operation: Operation, request: Request) -> Any:
    if operation.query is None:
        return None
    try:
        return msgspec.convert(dict(request.query_params), operation.query, strict=False)
    except msgspec.ValidationError as error:
        raise StudioError(f"the query can't be used: {error}") from None


async def _body(operation: Operation, request: Request, folder: Path, received: list[Path]) -> Any:
    if operation.body is None:
        return None
    if operation.body is Path:
        return await _receive(request, folder, received)
    content = await _read(request, _MOST_MASK if operation.body is bytes else _MOST_JSON)
    if operation.body is bytes:
        return _inflated(content) if request.headers.get("content-encoding") == "gzip" else content
    try:
        return msgspec.json.decode(content or b"{}", type=operation.body)
    except msgspec.DecodeError as error:
        raise StudioError(f"the request can't be used: {error}") from None


async def _read(request: Request, most: int) -> bytes:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise StudioError(f"the request has more than {most} bytes")
    return bytes(content)


async def _receive(request: Request, folder: Path, received: list[Path]) -> Path:
    """Receive a body into a file, which is removed after the call if it is still there."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=RECEIVING, delete=False) as file:
        received.append(Path(file.name))
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > MOST_BYTES:
                raise StudioError(f"the file has more than {MOST_BYTES >> 20} MiB, which no picture needs")
            file.write(chunk)
    return received[0]


def _inflated(content: bytes) -> bytes:
    inflater = zlib.decompressobj(31)
    try:
        data = inflater.decompress(content, _MOST_MASK)
    except zlib.error as error:
        raise StudioError(f"the mask can't be decompressed: {error}") from None
    if not inflater.eof:
        raise StudioError("the compressed mask is cut off, or too large")
    return data
