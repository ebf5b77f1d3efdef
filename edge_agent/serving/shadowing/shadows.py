"""Which models have a shadow: kept across restarts, and each one's process beside the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_agent.access.rights import describe_refusal
from edge_agent.component.manifest import manifest_digest
from edge_agent.errors import EdgeAgentError, InternalError, InvalidRequest, ModelNotFound
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.logs import fields
from edge_agent.records.child import Child
from edge_agent.records.record import PACKET
from edge_agent.records.recorder import Recorder
from edge_agent.records.shadow.passing import Judged, decode_said, socket_name
from edge_agent.records.shadow.wanted import FILE_NAME, Named, read_shadows
from edge_agent.serving.catalogue.catalogue import Component
from edge_agent.serving.observing.readings import ShadowReading
from edge_agent.serving.shadowing.options import ShadowOptions
from edge_agent.serving.workers.pool import PoolOptions

log = logging.getLogger(__name__)

#: in the state folder: where the processes take pictures
_SOCKETS = "shadows"


class First(NamedTuple):
    """What has to be known of a model that has a shadow."""

    is_live: bool
    #: that is served, or that the next start takes
    component: Component | None


#: finds a version of a model, "" standing for the one that is served; None where it is not there
Find = Callable[[str, str], Component | None]


class _Running:
    """The process of one shadow."""

    def __init__(self, child: Child, component: Component) -> None:
        self.child, self.component = child, component
        self.ready, self.problem = False, ""
        self.judged = self.disagreed = 0


class Shadows:
    """All of them. Lives in one event loop."""

    def __init__(self, state_dir: Path, options: PoolOptions, recorder: Recorder, log_level: str) -> None:
        """Read which there should be; none is started yet."""
        self._path, self._sockets = state_dir / FILE_NAME, state_dir / _SOCKETS
        self._options, self._recorder, self._log_level = options, recorder, log_level
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._problems: dict[str, str] = {}
        self._wanted = read_shadows(state_dir)

    @property
    def folder(self) -> Path:
        """Where the processes take pictures."""
        return self._sockets

    def check(self, model: str, other: Named, first: Component | None, find: Find) -> None:
        """See whether a model can have a shadow.

        Raises:
            ModelNotFound: there is no such model, or no such version of it.
            InvalidRequest: it would judge with itself, or takes pictures of another size.
        """
        component = find(other.model, other.version)
        if component is None:
            what = f"version {other.version} of '{other.model}'" if other.version else f"'{other.model}'"
            raise ModelNotFound(f"there is no model component {what} that can be served on this device")
        if problem := self._unfit(model, first, component):
            raise InvalidRequest(problem)

    def _unfit(self, model: str, first: Component | None, other: Component) -> str:
        if first is None:
            return f"model '{model}' has no version that can be served"
        if (model, first.manifest.version) == (other.manifest.name, other.manifest.version):
            version = other.manifest.version
            return f"{model} {version} is served itself: name another version, {model}@VERSION, or another model"
        mine, its = first.manifest.image, other.manifest.image
        if mine != its:
            return (
                f"'{other.manifest.name}' {other.manifest.version} takes pictures of {its.width}x{its.height}, "
                f"'{model}' of {mine.width}x{mine.height}"
            )
        return ""

    async def set(self, model: str, other: Named | None) -> None:
        """Give a model a shadow, or (None) none, and remember it; it takes effect at the next `update`.

        Raises:
            InternalError: it can't be written, and all stays as it was.
        """
        wanted = dict(self._wanted)
        wanted.pop(model, None)
        if other is not None:
            wanted[model] = other
        try:
            await asyncio.to_thread(self._save, wanted)
        except OSError as error:
            raise InternalError(f"{self._path} can't be written: {describe_refusal(error)}") from None
        self._wanted = wanted

    def of(self, model: str) -> Named | None:
        """Return the shadow of a model."""
        return self._wanted.get(model)

    def update(
        self, firsts: Callable[[str], First | None], find: Find, check_memory: Callable[[Component], None]
    ) -> None:
        """Start and end processes, so that those run that should: while the first model does."""
        for model in self._running.keys() - self._wanted.keys():
            self._end(model)
        for model, other in self._wanted.items():
            first, component = firsts(model), find(other.model, other.version)
            running = self._running.get(model)
            problem = f"{other} is not there, or can't be served" if component is None else ""
            if component is not None and first is not None:
                problem = self._unfit(model, first.component, component)
            wanted = component if first is not None and first.is_live and not problem else None
            if running is not None and running.component != wanted:
                self._end(model)
                running = None
            if running is None and wanted is not None:
                try:
                    check_memory(wanted)
                    self._start(model, wanted)
                except (EdgeAgentError, OSError) as error:
                    problem = str(error)
            self._tell(model, problem)

    def _tell(self, model: str, problem: str) -> None:
        if problem and problem != self._problems.get(model):
            log.warning("model %s has no shadow now: %s", model, problem, extra=fields(MODEL=model))
        self._problems[model] = problem

    def _start(self, model: str, component: Component) -> None:
        self._sockets.mkdir(parents=True, exist_ok=True, mode=0o750)
        (self._sockets / socket_name(model)).unlink(missing_ok=True)
        options = ShadowOptions(
            model=model,
            folder=str(component.folder),
            digest=manifest_digest(component.manifest),
            trust=self._options.trust,
            engine=_modest(self._options.engine),
            sockets=str(self._sockets),
            keeping=self._options.keeping,
            log_level=self._log_level,
        )
        argument = msgspec.json.encode(options).decode()
        child = Child("edge_agent.serving.shadowing.process", f"the shadow of model {model}", argument)
        self._running[model] = running = _Running(child, component)
        child.open(lambda: self._read(model, running))

    def _read(self, model: str, running: _Running) -> None:
        try:
            while True:
                said = decode_said(running.child.channel.recv(PACKET))
                if isinstance(said, Judged):
                    running.judged += 1
                    running.disagreed += not said.agrees
                    self._recorder.judged(said)
                    continue
                running.ready, running.problem = said.ready, said.problem
                if said.problem:
                    log.warning("the shadow of model %s: %s", model, said.problem, extra=fields(MODEL=model))
                else:
                    version = running.component.manifest.version
                    log.info("model %s has the shadow %s %s", model, running.component.manifest.name, version)
        except (OSError, msgspec.DecodeError):
            return

    def _end(self, model: str) -> None:
        running = self._running.pop(model)
        with contextlib.suppress(OSError):
            (self._sockets / socket_name(model)).unlink(missing_ok=True)
        task = asyncio.get_running_loop().create_task(running.child.close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def describe(self, model: str) -> str:
        """Say in a sentence what shadow a model has; "" for none."""
        other = self._wanted.get(model)
        if other is None:
            return ""
        running = self._running.get(model)
        if running is None:
            return f"shadow {other}: {self._problems.get(model) or 'it judges while the model runs'}"
        name = f"shadow {running.component.manifest.name}@{running.component.manifest.version}"
        if not running.ready:
            return f"{name}: {running.problem or 'loading'}"
        skipped = self._recorder.shadows_skipped[model]
        return f"{name}: {running.judged} pictures judged, {running.disagreed} otherwise, {skipped} skipped"

    def read(self) -> tuple[ShadowReading, ...]:
        """Tell how all of them are now."""
        return tuple(
            ShadowReading(
                model, running.component.manifest.name, running.component.manifest.version, running.judged,
                running.disagreed, self._recorder.shadows_skipped[model],
            )
            for model, running in sorted(self._running.items())
        )  # fmt: skip

    def _save(self, wanted: dict[str, Named]) -> None:
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_suffix(".new")
            temporary.unlink(missing_ok=True)  # what a killed daemon left, or a link that somebody put there
            with temporary.open("xb") as file:
                file.write(msgspec.json.encode(wanted))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)

    async def close(self) -> None:
        """End all processes; closing twice is harmless."""
        for model in list(self._running):
            self._end(model)
        if self._ending:
            await asyncio.wait(set(self._ending))

    def kill(self) -> None:
        """Let the processes end by themselves, without waiting for anything."""
        for running in self._running.values():
            running.child.let_go()


def _modest(engine: EngineOptions) -> EngineOptions:
    """Give it a quarter of the cores: what is at work when a picture comes has to be stopped first."""
    threads = engine.threads or len(os.sched_getaffinity(0))
    return engine._replace(threads=max(1, threads // 4), batch=1)
