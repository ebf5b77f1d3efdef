"""One model: its status, its workers, and what is done when they die."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from edge_agent.component.manifest import manifest_digest
from edge_agent.component.pixel_options import say_pixel_options
from edge_agent.errors import ComponentError, EngineFailed, OutOfMemory, StopFailed, WrongState
from edge_agent.logs import fields
from edge_agent.serving.catalogue.catalogue import Component, Entry
from edge_agent.serving.lifecycle.backoff import Backoff
from edge_agent.serving.lifecycle.changeover import Changeover, is_successor
from edge_agent.serving.lifecycle.deaths import Deaths, final
from edge_agent.serving.lifecycle.failure import explain_failed_start
from edge_agent.serving.lifecycle.memory import check_memory
from edge_agent.serving.lifecycle.options import ModelOptions
from edge_agent.serving.lifecycle.restart import Restart, cause_alone, when_it_is_back
from edge_agent.serving.lifecycle.retirement import Retirement
from edge_agent.serving.lifecycle.state import Event, Status, next_status
from edge_agent.serving.lifecycle.strain import Strain
from edge_agent.serving.observing.model_watch import ModelWatch
from edge_agent.serving.observing.readings import ModelReading
from edge_agent.serving.workers.calls import Call
from edge_agent.serving.workers.parcels import ParcelShelf
from edge_agent.serving.workers.pool import WorkerPool

log = logging.getLogger(__name__)


class Model:
    """The lifecycle of the model component `name`, driven by calls of clients and by the ends of workers."""

    def __init__(
        self,
        name: str,
        options: ModelOptions,
        shelf: ParcelShelf,
        on_wanted: Callable[[str, bool], None],
        watch: ModelWatch,
    ) -> None:
        """`on_wanted` is told when somebody starts or stops the model, `watch` what happens to it."""
        self.name, self.strain = name, Strain()
        self.status = Status.STOPPED
        #: why the model is FAILED, or what it is doing
        self.message = ""
        #: the version that is served, or that the next start takes; None when only a broken one is there
        self.component: Component | None = None
        #: what is wrong with the component in the catalogue, if anything
        self.problem = ""
        #: it has left the catalogue
        self.removed = False
        self._options, self._shelf = options, shelf
        self._on_wanted, self._watch = on_wanted, watch
        self._fields = fields(MODEL=name)
        self._pool: WorkerPool | None = None
        self._served: Component | None = None
        self._wanted = False  # somebody has started it, and nobody has stopped it since
        self._failed: Component | None = None  # what was served, or tried, when it failed
        self._gave_up = False  # that is not tried again: it would fail again
        self._cause = ""  # of that, until it runs again or somebody starts it
        self._recovers = False  # what is STARTING has been started by itself
        self._broken: frozenset[str] = frozenset()
        self._task: asyncio.Task[None] | None = None
        self._restart = Restart(self._start_again, Backoff(options.first_restart, options.longest_restart))
        self._deaths = Deaths()
        self._ready_at = 0.0
        self._changeover = Changeover(
            name,
            self._make_pool,
            self._check_memory,
            self._take_over,
            Backoff(options.first_restart, options.longest_restart),
        )
        self._retirement = Retirement(options.pool.start_seconds)

    def update(self, entry: Entry | None) -> None:
        """Take note of what the catalogue has for this name; None when it has left the device.

        A running model changes over to another version; one that could not be started is tried with it.
        """
        before = self.component, self.problem
        self.component = entry.component if entry else None
        self.problem = entry.problem if entry else ""
        if (self.component, self.problem) != before:
            self._tell_what_is_there()
        self._broken = entry.broken if entry else frozenset()
        self.removed = entry is None
        self._changeover.consider(self._successor())
        if self.status is Status.FAILED and self._wanted and self.component is not None:
            waits_in_vain = not self._restart.is_planned and not self._gave_up  # it was away when its time came
            if self.component != self._failed:
                self._deaths.forget()
            if self.component != self._failed or waits_in_vain:
                self._restart.soon()

    def _tell_what_is_there(self) -> None:
        there = self.component
        found = (there.manifest.version, manifest_digest(there.manifest), there.signer) if there else ("", "", "")
        self._watch.found(*found, self.problem)

    def _successor(self) -> Component | None:
        """Return what should be served instead of what is; None when that is as it should be."""
        if self.status is not Status.RUNNING or self._served is None or self.component is None:
            return None
        return self.component if is_successor(self._served, self.component, self._broken) else None

    # What a client sees

    def describe(self) -> tuple[str, Status, str]:
        """Return ARN, status and message. STARTING is also what recovers by itself soon: clients give up at FAILED."""
        component = self._served or self.component
        arn = component.manifest.model_arn if component else ""
        if self.component is None and self.status is Status.STOPPED:
            return arn, Status.FAILED, self.problem
        about = say_pixel_options(component and component.manifest)
        notes = [self.message, self._pool.remarks.text if self._pool else "", about]
        if self.status is Status.STARTING and self._cause:
            notes.append(f"it has failed before: {self._cause}")
        running = self._served if self.status is Status.RUNNING else None
        if running is not None and self.removed:
            notes.append("the component has been removed; the model runs until it is stopped")
        elif running is not None and self.component is not None:
            notes.append(self._changeover.describe(running, self.component))
        if self.problem not in self.message:  # a restart that failed because of it has said so
            notes.append(self.problem)
        recovers = self.status is Status.FAILED and self._restart.is_near and self.component is not None
        return arn, Status.STARTING if recovers else self.status, "; ".join(note for note in notes if note)

    @property
    def expected_size(self) -> tuple[int, int]:
        """(width, height) in pixels of the bitmaps that the running model takes."""
        assert self._served is not None
        return self._served.manifest.image.width, self._served.manifest.image.height

    @property
    def task(self) -> str:
        """The running model's task: classification or segmentation."""
        assert self._served is not None
        return self._served.manifest.task

    @property
    def version(self) -> str:
        """The version that is served, or that the next start takes; "" when only a broken one is there."""
        component = self._served or self.component
        return component.manifest.version if component else ""

    @property
    def folder(self) -> Path | None:
        """The only folder that its workers run from; None when there are none, or of two versions."""
        is_settled = self.status is Status.RUNNING and self._retirement.is_over
        return self._served.folder if is_settled and self._served is not None else None

    def read(self) -> ModelReading:
        """Tell how it is now."""
        pool = self._pool
        return ModelReading(
            name=self.name,
            version=self.version,
            status=self.describe()[1].name,
            wanted=self._wanted,
            waiting=pool.waiting if pool else 0,
            pids=tuple(pool.pids) if pool else (),
            exchanged=pool.remarks.exchanged if pool and self.status is Status.RUNNING else None,
        )

    @property
    def is_live(self) -> bool:
        """Whether it has, or soon will have, workers."""
        return self.status in (Status.STARTING, Status.RUNNING, Status.STOPPING) or self._restart.is_planned

    # Starting

    def start(self) -> Status:
        """Begin to start the model and return STARTING at once.

        Raises:
            WrongState: it is neither STOPPED nor FAILED, or its component can't be served.
            OutOfMemory: the device has too little memory left.
        """
        if next_status(self.status, Event.START) is None:
            raise WrongState(f"model '{self.name}' is {self.status.name}, expected STOPPED or FAILED")
        if self.component is None:
            raise WrongState(f"model '{self.name}' can't be started: {self.problem}")
        self._check_memory(self.component)
        self._restart.forget()
        self._deaths.forget()
        self._cause = ""
        self._on_wanted(self.name, True)
        self._begin(self.component, retry=False)
        return self.status

    def resume(self) -> None:
        """Start a model that ran before the daemon was restarted; a failure is tried again like a death."""
        may_start = next_status(self.status, Event.START) is not None and not self._restart.is_planned
        if self.component is not None and may_start:
            self._begin(self.component, retry=True)

    def _check_memory(self, component: Component) -> None:
        check_memory(component, self._options.pool, self._options.memory_reserve)

    def _begin(self, component: Component, *, retry: bool) -> None:
        self._step(Event.START)
        self.message = "starting"
        self._wanted, self._recovers = True, retry
        self._served = component
        self._pool = self._make_pool(component)
        self._task = asyncio.get_running_loop().create_task(self._load(self._pool))

    def _make_pool(self, component: Component) -> WorkerPool:
        pool = WorkerPool(
            component.folder,
            component.manifest,
            self._options.pool,
            self._shelf,
            on_progress=lambda text: self._on_progress(pool, text),
            on_death=lambda cause: self._on_death(pool, cause),
            counts=self._watch.counts_of(component.manifest.version),
        )
        return pool

    async def _load(self, pool: WorkerPool) -> None:
        begun = time.monotonic()
        try:
            await pool.start()
            pool.check_alive()
        except Exception as error:
            await pool.discard()
            cause, may_pass = explain_failed_start(error)
            if not self._wanted:  # somebody has stopped it meanwhile, which is no cause
                self._fail(self._cause or "it was stopped while it was started", False, ran_for=0.0)
                return
            if self._deaths.add(error, cause):
                self._deaths.forget()
                self._fail(final(cause), False, ran_for=0.0)
                return
            self._fail(
                cause, may_pass or (self._recovers and isinstance(error, ComponentError | EngineFailed)), ran_for=0.0
            )
            return
        self._step(Event.READY)
        self._deaths.forget()
        self._cause = ""
        self._watch.serves(pool.manifest.version)
        self.message = pool.note
        self._ready_at = time.monotonic()
        log.info("model %s is RUNNING after %.2f s", self.name, self._ready_at - begun, extra=self._fields)

    def _on_progress(self, pool: WorkerPool, text: str) -> None:
        if self.status is Status.STARTING and pool is self._pool:
            self.message = text

    def _take_over(self, component: Component, pool: WorkerPool) -> None:
        """Send the calls from now on to a pool that holds another version; the old one ends what it has begun."""
        if self._successor() != component or self._pool is None or self._served is None:
            self._retirement.take(pool)  # stopped, lost or replaced meanwhile
            return
        before = self._served.manifest.version
        self._retirement.take(self._pool)
        self._pool, self._served = pool, component
        self.message = pool.note
        self._watch.serves(component.manifest.version, before)
        log.info(
            "model %s has changed over from version %s to %s",
            self.name, before, component.manifest.version, extra=self._fields,
        )  # fmt: skip

    # Failing and coming back

    def _on_death(self, pool: WorkerPool, cause: str) -> None:
        if self.status is Status.RUNNING and pool is self._pool:
            self._task = asyncio.get_running_loop().create_task(pool.discard())
            self._fail(f"the worker was lost: {cause}", True, ran_for=time.monotonic() - self._ready_at)

    def _fail(self, cause: str, retry: bool, *, ran_for: float) -> None:
        self._step(Event.DIED)
        self.message = self._cause = cause
        self._failed, self._gave_up = self._served, not retry
        self._pool = self._served = None
        self._watch.failed(cause)
        log.error("model %s FAILED: %s", self.name, cause, extra=self._fields)
        if retry:
            self.message = self._restart.plan(cause, ran_for)

    def _start_again(self) -> None:
        if self.removed:
            self.message = when_it_is_back(self.message)
            return
        try:
            if self.component is None:
                raise ComponentError(self.problem)
            self._check_memory(self.component)
        except (ComponentError, OutOfMemory) as error:
            self.message = self._restart.plan(str(error), ran_for=0.0)
            return
        self._watch.restarts(self.message)
        self._begin(self.component, retry=True)

    # Serving

    def check_running(self) -> None:
        """Raise WrongState unless the model is RUNNING."""
        if self.status is not Status.RUNNING:
            _, status, message = self.describe()
            raise WrongState(
                f"model '{self.name}' is {status.name}, expected RUNNING" + (f" ({message})" if message else "")
            )

    def submit(self, call: Call) -> None:
        """Inspect one picture; the errors are those of WorkerPool.submit."""
        self.check_running()
        assert self._pool is not None
        self.strain.submit(self._pool, call)

    # Stopping

    async def stop(self) -> Status:
        """Refuse new calls, let those in flight finish, end the workers, and return STOPPED.

        Raises:
            WrongState: it is not RUNNING. A model that fails and is started again, again and again, is then left alone.
            StopFailed: calls in flight or a worker did not end in time and were killed; the model is STOPPED.
        """
        gave_up = self.status is Status.STARTING and self._recovers and await self._give_up()
        if next_status(self.status, Event.STOP) is None:
            given_up = gave_up or (self.status is Status.FAILED and self._wanted)
            self._restart.forget()
            if given_up:
                self._forget_that_it_is_wanted()
                self.message = cause_alone(self.message)
            status = self.describe()[1].name
            ended = "; it will not be started again by itself" if given_up else ""
            raise WrongState(f"model '{self.name}' is {status}, expected RUNNING{ended}")
        self._step(Event.STOP)
        self._forget_that_it_is_wanted()
        assert self._pool is not None
        # Not cancelled with the call: a client that goes away must not leave a model half stopped.
        clean = await asyncio.shield(asyncio.ensure_future(self._end(self._pool, self._options.drain_seconds)))
        if not clean:
            raise StopFailed(
                f"model '{self.name}' did not stop within {self._options.drain_seconds:g} s; its worker was killed"
            )
        return self.status

    def _forget_that_it_is_wanted(self) -> None:
        self._wanted = False
        self._on_wanted(self.name, False)

    async def _give_up(self) -> bool:
        """End a start that the model has made by itself; tell whether it was before the model ran."""
        self._forget_that_it_is_wanted()
        if self._pool is not None and self._task is not None:
            self._pool.kill()
            await asyncio.wait([self._task])
        return self.status is not Status.RUNNING

    async def _end(self, pool: WorkerPool, drain_seconds: float) -> bool:
        self.message = "finishing the calls in flight"
        await self._changeover.cancel()
        clean, _ = await asyncio.gather(pool.retire(drain_seconds), self._retirement.finish(drain_seconds))
        self._step(Event.ENDED)
        self.message = ""
        self._pool = self._served = None
        log.info("model %s is STOPPED", self.name, extra=self._fields)
        return clean

    async def shut_down(self, drain_seconds: float) -> None:
        """End the workers because the daemon ends; what should run is still remembered."""
        self._restart.forget()
        await self._changeover.cancel()
        pool = self._pool
        if pool is not None and self.status is Status.RUNNING:
            self._step(Event.STOP)
            await self._end(pool, drain_seconds)
        elif pool is not None:
            if self.status is Status.STARTING:
                pool.kill()
            await pool.close()
        await self._retirement.finish(drain_seconds)
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self._restart.forget()

    def kill(self) -> None:
        """End the workers without waiting for anything."""
        if self._pool is not None:
            self._pool.kill()
        self._retirement.kill()

    def _step(self, event: Event) -> None:
        status = next_status(self.status, event)
        assert status is not None, f"{event.name} in {self.status.name}"
        self.status = status
        self.strain.on_change()
