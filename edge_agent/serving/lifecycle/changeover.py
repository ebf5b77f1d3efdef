"""From one version of a running model to another, without a refused call.

The workers of the new version are started beside those that run. Only when they are ready do calls go to them, and the
old ones end when they have answered what they still hold. When the new version can't be served, the old one runs on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

from edge_agent.component.version import parse_version
from edge_agent.errors import OutOfMemory
from edge_agent.logs import fields
from edge_agent.serving.catalogue.catalogue import AS_DEPLOYED, Component
from edge_agent.serving.lifecycle.backoff import Backoff
from edge_agent.serving.lifecycle.deaths import Deaths
from edge_agent.serving.lifecycle.failure import explain_failed_start
from edge_agent.serving.workers.pool import WorkerPool

log = logging.getLogger(__name__)


def is_successor(served: Component, there: Component, broken: frozenset[str]) -> bool:
    """Tell whether what lies there should be served instead of what is; `broken` are versions that can't be."""
    if served.manifest == there.manifest:
        return False
    # What runs is whole, whatever has become of its files: an older version is no improvement.
    is_older = parse_version(there.manifest.version) < parse_version(served.manifest.version)
    return not (is_older and {served.manifest.version, AS_DEPLOYED} & broken)


class Changeover:
    """Prepares the successor of what a model serves."""

    def __init__(
        self,
        name: str,
        make_pool: Callable[[Component], WorkerPool],
        check_memory: Callable[[Component], None],
        take_over: Callable[[Component, WorkerPool], None],
        backoff: Backoff,
    ) -> None:
        """`take_over` is called with a pool that is ready, and owns it from then on."""
        self._name = name
        self._make_pool, self._check_memory, self._take_over = make_pool, check_memory, take_over
        self._backoff = backoff
        self._task: asyncio.Task[None] | None = None
        self._candidate: Component | None = None
        self._next_try = 0.0
        self._deaths = Deaths()
        #: what is said of it in the model's status message
        self.note = ""

    def consider(self, component: Component | None) -> None:
        """Prepare `component`, unless that is under way, or has failed and would fail again; None: nothing is to do.

        Called whenever the model folders have been looked at.
        """
        if self._task is not None:
            return
        if component is None:
            self._candidate, self.note = None, ""
            return
        if component != self._candidate:
            self._candidate, self._next_try = component, 0.0
            self._deaths.forget()
        if time.monotonic() < self._next_try:
            return
        version = component.manifest.version
        try:
            self._check_memory(component)  # for as long as both are there, both need it
        except OutOfMemory as error:
            self.note = f"{version} can't take over: {error}"
            return
        self.note = f"changing over to {version}"
        self._task = asyncio.get_running_loop().create_task(self._prepare(component))

    async def _prepare(self, component: Component) -> None:
        pool = self._make_pool(component)
        try:
            await pool.start()
            pool.check_alive()
        except asyncio.CancelledError:
            await pool.discard()
            raise
        except Exception as error:
            await pool.discard()
            cause, may_pass = explain_failed_start(error)
            may_pass = may_pass and not self._deaths.add(error, cause)
            wait = self._backoff.wait(0.0) if may_pass else float("inf")
            self._next_try = time.monotonic() + wait
            self.note = f"{component.manifest.version} can't take over: {cause}"
            log.error("model %s: version %s", self._name, self.note, extra=fields(MODEL=self._name))
            return
        finally:
            self._task = None
        self.note = ""
        self._take_over(component, pool)

    def describe(self, served: Component, there: Component) -> str:
        """Say what a person should know of a model that serves one component while another lies there; "" if none."""
        running, lying = served.manifest, there.manifest
        if running.version != lying.version:
            return f"version {running.version} runs, {self.note or f'{lying.version} is there'}"
        return (
            f"version {running.version} has been replaced; {self.note}".removesuffix("; ") if running != lying else ""
        )

    async def cancel(self) -> None:
        """Give up what is being prepared, and end its workers."""
        task = self._task
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._candidate, self.note = None, ""
