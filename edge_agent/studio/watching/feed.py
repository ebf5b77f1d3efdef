"""The line now: looked at once, however many watch, and not at all while nobody does."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from itertools import islice

import msgspec
from starlette.concurrency import run_in_threadpool

from edge_agent.errors import EdgeAgentError
from edge_agent.records.events.outbox import line_states
from edge_agent.records.figures.periods import Period
from edge_agent.records.figures.sums import numbers_of, sums_of
from edge_agent.records.span import SECOND
from edge_agent.records.store.conditions import conditions
from edge_agent.records.store.reading import Found, Query, find, model_names
from edge_agent.studio.device import Device
from edge_agent.studio.lines.lines import Lines, LineState
from edge_agent.studio.watching.live import LivePicture, LivePictures
from edge_agent.studio.watching.records import Records

_LOOK_SECONDS = 0.5
#: looks between two questions to the agent, the outbox and the sums
_SELDOM = 3
#: over how long the rate and the times are taken, and records that are read at once
_WINDOW_SECONDS, _MOST = 60.0, 5000


class LiveModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model now. Rates over the last minute; None where there were no pictures."""

    name: str
    version: str
    status: str
    message: str
    #: pictures a minute, the seconds between two, and the milliseconds that one takes from arrival to answer
    rate: float
    interval: float | None
    milliseconds: float | None
    slowest: float | None
    #: the share of the time between two pictures that inspecting takes
    used: float | None
    #: ok, black, dark, bright, blurred, frozen, as docs/records.md says; "" where nothing is known
    camera: str
    camera_text: str
    drift: str
    today: int
    today_anomalous: int
    #: the latest verdict: the record's number, when, and what
    last_record: str
    last_at: float | None
    last_verdict: str
    last_picture: bool
    pictures: list[LivePicture]


class Output(msgspec.Struct, frozen=True):
    """Who is told of verdicts, as `[[event]]` tables say."""

    name: str
    waiting: int
    sent: int
    dropped: int
    problem: str


class Line(msgspec.Struct, frozen=True):
    """All of it. `problem` says why the agent does not answer, `records` why there are no figures."""

    at: float
    offset: int
    reachable: bool
    problem: str
    records: str
    pictures: str
    models: list[LiveModel]
    outputs: list[Output]
    viewers: int
    #: the device's lines, which are clients of the agent
    lines: list[LineState]


class Feed:
    """Looks at the line while somebody watches."""

    def __init__(self, device: Device, records: Records, lines: Lines, stopping: Callable[[], bool]) -> None:
        self._device, self._records, self._lines, self._stopping = device, records, lines, stopping
        self.pictures = LivePictures(records.state)
        self._viewers = 0
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._latest = b""
        self._recent: deque[Found] = deque(maxlen=_MOST)
        self._last_id = 0
        self._turn = 0
        self._served: list[tuple[str, str, str, str]] = []
        self._reachable, self._problem, self._trouble = True, "", ""
        self._outputs: list[Output] = []
        self._today: dict[str, tuple[int, int]] = {}
        self._condition: dict[str, tuple[str, str, str]] = {}
        self._newest: dict[str, Found] = {}

    async def watch(self) -> AsyncIterator[bytes]:
        """Give the line, as JSON, whenever it has been looked at; whoever does not take one gets the next."""
        self._viewers += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            seen = b""
            while not self._stopping():
                news = self._news
                if self._latest and self._latest is not seen:
                    seen = self._latest
                    yield seen
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(news.wait(), _LOOK_SECONDS)
        finally:
            self._viewers -= 1

    async def _run(self) -> None:
        try:
            while self._viewers and not self._stopping():
                line = await run_in_threadpool(self.look)
                self._latest = msgspec.json.encode(line)
                self._news.set()
                self._news = asyncio.Event()
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            self._task, self._latest = None, b""
            self._recent.clear()
            self._last_id = self._turn = 0
            self.pictures.forget()

    def look(self) -> Line:
        """Look at the line, and ask for its pictures for some seconds more."""
        self.pictures.look()
        if self._turn % _SELDOM == 0:
            self._ask_agent()
            self._read_outputs()
        try:
            with self._records.reading() as connection:
                self._read(connection, seldom=self._turn % _SELDOM == 0)
            self._trouble = ""
        except EdgeAgentError as error:
            self._trouble = str(error)
        self._turn += 1
        now = time.time()
        offset = datetime.now().astimezone().utcoffset()
        return Line(
            now, 0 if offset is None else round(offset.total_seconds() / 60), self._reachable, self._problem,
            self._trouble, self.pictures.problem, [self._model(*served, now) for served in self._served],
            self._outputs, self._viewers, self._lines.all(),
        )  # fmt: skip

    def _ask_agent(self) -> None:
        state = self._device.state()
        self._reachable, self._problem = state.reachable, state.problem
        if state.reachable:
            self._served = [(model.name, model.deployed, model.status, model.message) for model in state.models]

    def _read_outputs(self) -> None:
        try:
            self._outputs = [
                Output(line.rule, line.waiting, line.sent, line.dropped, line.problem)
                for line in line_states(self._records.folder)
            ]
        except (sqlite3.Error, OSError) as error:
            self._outputs = [Output("outbox.db", 0, 0, 0, f"it can't be read: {error}")]

    def _read(self, connection: sqlite3.Connection, *, seldom: bool) -> None:
        now = time.time_ns() // 1000
        beyond = self._last_id or now - int(_WINDOW_SECONDS * SECOND)
        for number, record in enumerate(find(connection, Query(beyond=beyond, oldest_first=True, since=beyond))):
            self._recent.append(record)
            self._newest[record.model] = record
            self._last_id = max(self._last_id, record.id)
            if number >= _MOST:
                break
        while self._recent and self._recent[0].at < now - int(_WINDOW_SECONDS * SECOND):
            self._recent.popleft()
        if not seldom:
            return
        midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
        day = [Period(int(midnight.timestamp()) * SECOND, now + 3600 * SECOND)]
        for name in {name for name, _ in model_names(connection).values()}:
            (today,) = sums_of(connection, numbers_of(connection, name), day)
            self._today[name] = today.total, today.anomalous
            if name not in self._newest:
                self._newest.update({record.model: record for record in islice(find(connection, Query(model=name)), 1)})
        for found in conditions(connection):
            camera, drift = found.camera, found.drift
            self._condition[found.model] = (
                camera.state if camera else "", camera.text if camera else "", drift.state if drift else "",
            )  # fmt: skip

    def _model(self, name: str, deployed: str, status: str, message: str, now: float) -> LiveModel:
        recent = [record for record in self._recent if record.model == name]
        newest = self._newest.get(name)
        seconds = [record.milliseconds / 1000 for record in recent]
        interval = (recent[-1].at - recent[0].at) / SECOND / (len(recent) - 1) if len(recent) > 1 else None
        mean = sum(seconds) / len(seconds) if seconds else None
        is_running = status == "RUNNING"
        camera, text, drift = self._condition.get(name, ("", "", "")) if is_running else ("", "", "")
        total, anomalous = self._today.get(name, (0, 0))
        return LiveModel(
            name=name, version=newest.version if newest else deployed, status=status, message=message,
            rate=len(recent) * 60 / _WINDOW_SECONDS, interval=interval, milliseconds=mean and mean * 1000,
            slowest=max(seconds) * 1000 if seconds else None,
            used=min(1.0, mean / interval) if mean and interval else None, camera=camera, camera_text=text, drift=drift,
            today=total, today_anomalous=anomalous, last_record=str(newest.id) if newest else "",
            last_at=newest.at / SECOND if newest else None,
            last_verdict="" if newest is None else "anomaly" if newest.anomalous else "normal",
            last_picture=newest is not None and self._records.has_picture(newest), pictures=self.pictures.of(name),
        )  # fmt: skip
