"""The studio as a whole: store, jobs, API and pages behind one address."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import uvicorn
from starlette.applications import Starlette

from edge_agent.component.manifest import FILE_NAME, Manifest, decode_manifest
from edge_agent.delivery.signing import read_private_key
from edge_agent.errors import ComponentError, EdgeAgentError
from edge_agent.studio.access.guard import Guard
from edge_agent.studio.access.users import Users
from edge_agent.studio.api.call import Parts
from edge_agent.studio.api.routes import routes
from edge_agent.studio.api.session import Session
from edge_agent.studio.api.table import OPERATIONS
from edge_agent.studio.aws.results import finish
from edge_agent.studio.aws.server import Api
from edge_agent.studio.aws.server import Options as ApiOptions
from edge_agent.studio.device import Device
from edge_agent.studio.jobs import kinds
from edge_agent.studio.jobs.runner import Runner
from edge_agent.studio.jobs.table import Jobs
from edge_agent.studio.lines.lines import Lines
from edge_agent.studio.lines.trials import Trials
from edge_agent.studio.pages.pages import Pages
from edge_agent.studio.store.partial import remove_received
from edge_agent.studio.store.sole import sole_server
from edge_agent.studio.store.store import Store
from edge_agent.studio.watching.dashboard import Figures
from edge_agent.studio.watching.feed import Feed
from edge_agent.studio.watching.records import Records

log = logging.getLogger(__name__)

PREFIX = "/api"
#: how long what people say may stand in the index alone
_WRITE_SECONDS = 1.0
#: how often lines are looked after that are to run
_REVIVE_SECONDS = 5.0
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Options(NamedTuple):
    """Where the studio keeps its things, where it listens, and which agent it talks to."""

    data: Path
    host: str
    port: int
    socket: str
    deploy_to: Path
    certificate: Path | None = None
    key: Path | None = None
    #: the service's API beside the pages; None: not served
    api: ApiOptions | None = None
    #: without the pages and their API, the service's is all that is served
    pages: bool = True
    #: addresses of reverse proxies: whom they forward for is believed
    proxies: tuple[str, ...] = ()
    #: the state folder of the agent, in which its records are
    state: Path = Path()
    #: the folder of line files
    lines: Path = Path()
    #: private key with which models are signed that the agent gets; None: they are not
    sign_key: Path | None = None

    @property
    def is_local(self) -> bool:
        """Tell whether only this machine can reach it."""
        return self.host in _LOOPBACK


class Stopping:
    """Tells whether the server has been asked to end: a stream that goes on for ever has to."""

    server: uvicorn.Server | None = None

    def __call__(self) -> bool:
        return self.server is not None and self.server.should_exit


def run(options: Options, tell: Callable[[], None]) -> None:
    """Serve until a signal comes; `tell` is called when nothing stands against it but, perhaps, the address.

    Raises:
        StudioError: the data folder can't be used, another server has it, or others could reach the studio and nobody
            has to sign in.
    """
    with contextlib.ExitStack() as stack:
        store = Store(options.data)
        stack.callback(store.close)
        stack.enter_context(sole_server(store.layout.root))
        remove_received(store.layout.root)
        users = Users(store.database)
        if options.pages and not options.is_local and not users.any():
            raise EdgeAgentError(
                f"others can reach {options.host}, so users have to sign in and there is none yet; make one with: "
                f"edge-agent studio user add NAME --role engineer --data {options.data}"
            )
        if options.pages:
            _serve(options, store, users, tell)
        else:
            asyncio.run(_serve_api(options, store, tell))


def _serve(options: Options, store: Store, users: Users, tell: Callable[[], None]) -> None:
    stopping = Stopping()
    config = uvicorn.Config(
        application(options, store, users, stopping), host=options.host, port=options.port, log_level="warning",
        access_log=False, server_header=False, ssl_certfile=options.certificate, ssl_keyfile=options.key,
        proxy_headers=bool(options.proxies), forwarded_allow_ips=list(options.proxies), timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = uvicorn.Server(config)
    stopping.server = server
    tell()
    server.run()


def application(options: Options, store: Store, users: Users, stopping: Callable[[], bool]) -> Starlette:
    """Put the parts together."""
    works = _Works(options, store)
    guard = Guard(users, open_=options.is_local and not users.any())
    records = Records(options.state)
    figures = Figures(records, functools.partial(_manifest, store, works.device))
    lines, trials = Lines(options.lines, store.layout.runs), Trials()
    feed = Feed(works.device, records, lines, stopping)
    parts = Parts(store, works.jobs, works.device, users, works.runner.nudge, records, figures, feed, lines, trials)
    session = Session(OPERATIONS, parts, guard, PREFIX, stopping)
    pages = Pages(guard)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with works.running(), works.api.running() if works.api else contextlib.nullcontext():
            reviving = asyncio.get_running_loop().create_task(_revive(lines))
            yield
            reviving.cancel()
            trials.close()
            lines.close()

    found = [*routes(OPERATIONS, parts, guard, PREFIX), *session.routes(), *pages.routes()]
    return Starlette(routes=found, lifespan=lifespan)


def _manifest(store: Store, device: Device, name: str, version: str) -> Manifest | None:
    """Give the manifest of a version that was built or deployed here; None for one that came another way."""
    for folder in (store.layout.models / name / version, device.folder / name / version):
        with contextlib.suppress(OSError, ComponentError):
            return decode_manifest((folder / FILE_NAME).read_bytes(), source=FILE_NAME)
    return None


async def _serve_api(options: Options, store: Store, tell: Callable[[], None]) -> None:
    works = _Works(options, store)
    assert works.api is not None
    tell()
    async with works.running():
        await works.api.serve()


class _Works:
    """What goes on behind the pages and behind the service's API."""

    def __init__(self, options: Options, store: Store) -> None:
        self._store = store
        self.jobs = Jobs(store)
        self.runner = Runner(self.jobs, self._finish)
        key = read_private_key(options.sign_key) if options.sign_key else None
        self.device = Device(store, options.socket, options.deploy_to, options.state, key)
        self.api = Api(options.api, store, self.jobs, self.device, self.runner.nudge) if options.api else None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run jobs, and write what people say, while the block runs."""
        self.runner.start()
        writing = asyncio.get_running_loop().create_task(_write_manifests(self._store))
        try:
            yield
        finally:
            writing.cancel()
            await self.runner.close()

    def _finish(self, job: int) -> None:
        kinds.finish(self._store, self.jobs, job)
        if self.api is not None:
            finish(self.api.service, job)


async def _revive(lines: Lines) -> None:
    while True:
        try:
            await asyncio.to_thread(lines.revive)
        except Exception:
            log.exception("lines can't be started again")
        await asyncio.sleep(_REVIVE_SECONDS)


async def _write_manifests(store: Store) -> None:
    while True:
        await asyncio.sleep(_WRITE_SECONDS)
        try:
            await asyncio.to_thread(store.manifests.write_changed)
        except Exception:
            log.exception("the manifests can't be written")
