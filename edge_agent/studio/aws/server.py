"""The API as a whole, beside the studio's pages or alone: one port for the service and for the storage."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edge_agent.errors import ServiceRefused, StudioError
from edge_agent.studio.aws.call import Service
from edge_agent.studio.aws.detectors import Detectors
from edge_agent.studio.aws.endpoint import Endpoint, is_service, sent_request
from edge_agent.studio.aws.gate import Gate
from edge_agent.studio.aws.hosting import forget_unfinished
from edge_agent.studio.aws.importing import made_buckets
from edge_agent.studio.aws.keys import AccessKeys
from edge_agent.studio.aws.results import catch_up
from edge_agent.studio.aws.state import State
from edge_agent.studio.aws.storage.authorizing import authorize_by
from edge_agent.studio.aws.storage.buckets import Buckets
from edge_agent.studio.aws.storage.routes import NOBODY, Authorize, Sender, Storage
from edge_agent.studio.aws.trail import ServiceTrail
from edge_agent.studio.device import Device
from edge_agent.studio.jobs.table import Jobs
from edge_agent.studio.store.store import Store

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Options(NamedTuple):
    """Where the API listens, and what buckets stand for."""

    host: str
    port: int
    buckets: dict[str, str]
    certificate: Path | None = None
    key: Path | None = None

    @property
    def is_local(self) -> bool:
        """Tell whether only this machine can reach it."""
        return self.host in _LOOPBACK

    @property
    def address(self) -> str:
        """The address that clients are given."""
        return f"http{'s' if self.key else ''}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class Api:
    """The service's API over a store, with a server of its own."""

    def __init__(self, options: Options, store: Store, jobs: Jobs, device: Device, nudge: Callable[[], None]) -> None:
        """Open what it needs.

        Raises:
            StudioError: others could reach it and there is no access key, or the keys can't be read.
        """
        data = store.layout.root
        keys = AccessKeys(data)
        if not keys.all() and not options.is_local:
            raise StudioError(
                f"others can reach {options.host}, so calls have to be signed and there is no access key yet; make one "
                f"with: edge-agent cloud keys add NAME --data {data}"
            )
        self._options = options
        self._state = State(data)
        self._detectors = Detectors(device.socket)
        self._trail = ServiceTrail(data)
        buckets = Buckets(made_buckets(data), options.buckets)
        self.service = Service(store, jobs, device, buckets, self._state, self._detectors, nudge, dict(options.buckets))
        gate = Gate(keys, local=options.is_local)
        self._endpoint = Endpoint(self.service, gate, self._trail)
        self._storage = Storage(buckets, _authorize(gate), self._trail)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        request = Request(scope, receive)
        response: Response
        if request.method == "GET" and scope["path"] == "/metrics":
            response = await self._endpoint.metrics(request)
        elif is_service(sent_request(request)):
            response = await self._endpoint.answer(request)
        else:
            response = await self._storage.answer(request)
        await response(scope, receive, send)

    async def serve(self) -> None:
        """Serve until a signal comes."""
        try:
            await uvicorn.Server(self._config()).serve()
        finally:
            self.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve while the block runs."""
        server = _Beside(self._config())
        task = asyncio.get_running_loop().create_task(server.serve())
        try:
            yield
        finally:
            server.should_exit = True
            await task
            self.close()

    def _config(self) -> uvicorn.Config:
        options = self._options
        forget_unfinished(self.service)
        catch_up(self.service)
        return uvicorn.Config(
            self, host=options.host, port=options.port, log_level="warning", access_log=False, server_header=False,
            lifespan="off", ssl_certfile=options.certificate, ssl_keyfile=options.key, timeout_graceful_shutdown=5,
        )  # fmt: skip

    def close(self) -> None:
        """Close what was opened."""
        self._detectors.close()
        self._trail.close()
        self._state.close()


class _Beside(uvicorn.Server):
    """A second server in the process: signals are the first one's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def _authorize(gate: Gate) -> Authorize:
    signed = authorize_by(gate.signatures)

    async def authorize(request: Request, name: str, writes: bool) -> Sender:
        if not gate.is_open:
            return await signed(request, name, writes)
        try:
            gate.check_neighbour(sent_request(request))
        except ServiceRefused as error:
            raise ServiceRefused("AccessDenied", str(error)) from None
        return NOBODY

    return authorize
