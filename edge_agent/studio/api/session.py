"""Signing in and out, who is here, and the stream of what happens: what no operation of the table is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge_agent.errors import EdgeAgentError, StudioError
from edge_agent.studio.access.attempts import Attempts
from edge_agent.studio.access.guard import COOKIE, Guard, require
from edge_agent.studio.access.users import SESSION_SECONDS
from edge_agent.studio.api.answers import answer, refusal, secured
from edge_agent.studio.api.call import Events, Operation, Parts
from edge_agent.studio.api.openapi import openapi
from edge_agent.studio.api.streams import EventStream
from edge_agent.version import __version__

#: how often the list of jobs is looked at for somebody who watches it
_LOOK_SECONDS = 0.5
_KEEP_ALIVE = 30  # looks without news until something is sent, so that a dead connection is noticed


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user's name and password."""

    name: str
    password: str


class Here(msgspec.Struct, frozen=True):
    """Who is here; the name is "" for nobody."""

    version: str
    user: str
    role: str
    open: bool


class Session:
    """The routes that go with a guard."""

    def __init__(
        self, operations: tuple[Operation, ...], parts: Parts, guard: Guard, prefix: str, stopping: Callable[[], bool]
    ) -> None:
        self._stopping = stopping
        self._operations, self._parts, self._guard, self._prefix = operations, parts, guard, prefix
        self._attempts = Attempts()

    def routes(self) -> list[Route]:
        """Give the routes."""
        return [
            Route(f"{self._prefix}/here", self._here),
            Route(f"{self._prefix}/sign-in", self._sign_in, methods=["POST"]),
            Route(f"{self._prefix}/sign-out", self._sign_out, methods=["POST"]),
            Route(f"{self._prefix}/events", self._events),
            Route(f"{self._prefix}/openapi.json", self._openapi),
        ]

    async def _here(self, request: Request) -> Response:
        try:
            user = await run_in_threadpool(self._guard.who, request.method, request.headers, request.cookies)
        except EdgeAgentError as error:
            return secured(refusal(error))
        name, role = (user.name, user.role) if user else ("", "")
        return secured(answer(Here(__version__, name, role, self._guard.open)))

    async def _sign_in(self, request: Request) -> Response:
        try:
            await run_in_threadpool(self._guard.who, request.method, request.headers, {})
            body = msgspec.json.decode(await request.body(), type=SignIn)
            address = request.client.host if request.client else ""
            self._attempts.begin(body.name, address)
            token = await run_in_threadpool(self._parts.users.sign_in, body.name, body.password)
            self._attempts.right(body.name, address)
        except msgspec.DecodeError as error:
            return secured(refusal(StudioError(f"the request can't be used: {error}")))
        except EdgeAgentError as error:
            return secured(refusal(error))
        response = answer({"name": body.name})
        response.set_cookie(
            COOKIE, token, max_age=int(SESSION_SECONDS), httponly=True, samesite="strict",
            secure=request.url.scheme == "https",
        )  # fmt: skip
        return secured(response)

    async def _sign_out(self, request: Request) -> Response:
        try:
            await run_in_threadpool(self._guard.who, request.method, request.headers, {})
        except EdgeAgentError as error:
            return secured(refusal(error))
        token = request.cookies.get(COOKIE)
        if token:
            await run_in_threadpool(self._parts.users.sign_out, token)
        response = answer({})
        response.delete_cookie(COOKIE)
        return secured(response)

    async def _openapi(self, request: Request) -> Response:
        return secured(answer(openapi(self._operations, self._prefix)))

    async def _events(self, request: Request) -> Response:
        """The jobs, whenever they change, as https://html.spec.whatwg.org/multipage/server-sent-events.html."""
        try:
            user = await run_in_threadpool(self._guard.who, request.method, request.headers, request.cookies)
            require(user, "viewer")
        except EdgeAgentError as error:
            return secured(refusal(error))
        return secured(EventStream(Events("jobs", self._stream())))

    async def _stream(self) -> AsyncIterator[bytes]:
        last, silent = b"", 0
        while not self._stopping():
            jobs = msgspec.json.encode(await run_in_threadpool(lambda: self._parts.jobs.all(limit=20)))
            silent += 1
            if jobs != last or silent >= _KEEP_ALIVE:
                last, silent = jobs, 0
                yield jobs
            await asyncio.sleep(_LOOK_SECONDS)
