"""The workers of one running model, and which of them does which call."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from edge_agent.component.manifest import Manifest
from edge_agent.engines.options import EngineOptions
from edge_agent.errors import ComponentError, EngineFailed, InternalError, NotReady, WorkerDied
from edge_agent.workers.calls import Call, WaitingLine
from edge_agent.workers.messages import (
    Answer,
    Broken,
    Cancel,
    Detect,
    FromWorker,
    Load,
    Progress,
    Ready,
    Refused,
    SlotLayout,
    revive,
    slots_for,
)
from edge_agent.workers.worker import WorkerLink

log = logging.getLogger(__name__)

#: from this size on a bitmap is copied to the worker by a thread, so that the event loop serves others meanwhile
_COPY_IN_THREAD = 4 << 20

_KILL_AFTER = 2.0  # seconds that an idle worker gets to end by itself


class PoolOptions(NamedTuple):
    """What the settings say about a model's workers."""

    instances: int
    engine: EngineOptions
    batch_seconds: float
    max_calls: int
    max_bytes: int
    call_seconds: float
    start_seconds: float
    build_seconds: float


@dataclass(eq=False, slots=True)
class _Seat:
    """A worker and the calls that it holds, by slot."""

    link: WorkerLink
    ready: asyncio.Future[None]
    free: list[int] = field(default_factory=list)
    #: calls that it inspects at once
    batch: int = 1
    calls: dict[int, tuple[Call, int]] = field(default_factory=dict)
    #: when it began with the oldest of its calls
    begun: float = 0.0
    watch: asyncio.TimerHandle | None = None


class WorkerPool:
    """Workers that all hold the same component. A pool that has lost a worker is closed and replaced as a whole."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        options: PoolOptions,
        *,
        on_progress: Callable[[str], None],
        on_death: Callable[[str], None],
    ) -> None:
        self.folder, self.manifest = folder, manifest
        self._options = options
        self._on_progress, self._on_death = on_progress, on_death
        self._layout = SlotLayout.of(manifest.image, options.engine.most(manifest.image))
        self._line = WaitingLine(manifest.name, options.max_calls, options.max_bytes)
        self._seats: list[_Seat] = []
        self._numbers = itertools.count(1)
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._started = False
        self._lost: WorkerDied | None = None
        self._copies: set[asyncio.Task[None]] = set()
        self._building = False
        #: what a person should know of how the model runs; "" for nothing
        self.note = ""

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [seat.link.pid for seat in self._seats]

    async def start(self) -> None:
        """Start the workers and wait until all are ready.

        Raises:
            ComponentError: the component can't be served on this device.
            WorkerDied: a worker ended while it was loading.
            NotReady: loading took too long.
        """
        loop = asyncio.get_running_loop()
        for number in range(self._options.instances):
            ready: asyncio.Future[None] = loop.create_future()
            link = WorkerLink(
                self.manifest.name,
                self.manifest.version,
                self._layout,
                on_message=functools.partial(self._on_message, number),
                on_exit=functools.partial(self._on_exit, number),
            )
            self._seats.append(_Seat(link, ready))
            link.send(Load(str(self.folder), self._options.engine, self._options.batch_seconds))
        all_ready: asyncio.Future[Any] = asyncio.gather(*(seat.ready for seat in self._seats))
        try:
            await self._wait_until(all_ready)
        except BaseException:
            all_ready.cancel()
            for future in (all_ready, *(seat.ready for seat in self._seats)):
                if future.done() and not future.cancelled():
                    future.exception()  # looked at, so that asyncio does not complain
            raise
        if self._lost is not None:
            raise self._lost
        self._started = True

    async def _wait_until(self, ready: asyncio.Future[Any]) -> None:
        """Wait for the workers: for longer when one of them has said that it builds what will be kept."""
        begun = time.monotonic()
        while not ready.done():
            limit = self._options.build_seconds if self._building else self._options.start_seconds
            left = begun + limit - time.monotonic()
            if left <= 0:
                raise NotReady(f"not ready after {limit:g} s")
            await asyncio.wait([ready], timeout=left)
        ready.result()

    def check_alive(self) -> None:
        """Raise WorkerDied if a worker has been lost, or ended, since the pool was ready."""
        if self._closing:
            raise WorkerDied(f"the worker of model '{self.manifest.name}' has ended")

    async def run(self, call: Call) -> Any:
        """Have one of the workers inspect a picture, and return what the call's `take` makes of the answer.

        Raises:
            Overloaded: see WaitingLine.join.
            InvalidRequest, EngineFailed, CallExpired: what the worker said of it.
            WorkerDied: the worker ended while it had the call.
        """
        self.check_alive()
        free = not len(self._line) and any(seat.free for seat in self._seats)
        self._line.join(call, free=free, workers=len(self._seats), now=time.monotonic())
        self._idle.clear()
        self._dispatch()
        try:
            return await call.future
        except asyncio.CancelledError:
            self._cancel(call)
            raise

    def _dispatch(self) -> None:
        """Give waiting calls to workers with a free slot, the least busy first."""
        while len(self._line):
            seat = max(self._seats, key=lambda candidate: len(candidate.free))
            if not seat.free:
                return
            call = self._line.next(time.monotonic())
            if call is None:
                break
            slot, number = seat.free.pop(), next(self._numbers)
            if not seat.calls:
                seat.begun = time.monotonic()
                if seat.watch is None:
                    self._watch(seat, self._options.call_seconds)
            seat.calls[number] = (call, slot)
            detect = Detect(number, slot, call.bitmap, call.mask, call.deadline)
            if call.pixels is not None and len(call.pixels) >= _COPY_IN_THREAD:
                task = asyncio.get_running_loop().create_task(self._copy_and_send(seat, call, detect))
                self._copies.add(task)
                task.add_done_callback(self._copies.discard)
            else:
                self._hand_over(seat, call, detect)
        self._check_idle()

    async def _copy_and_send(self, seat: _Seat, call: Call, detect: Detect) -> None:
        assert call.pixels is not None
        # The worker may die meanwhile, and its descriptor's number may then mean another file: write to one of our own.
        descriptor = os.dup(seat.link.slots)
        try:
            await asyncio.to_thread(_write_all, descriptor, call.pixels, self._layout.bitmap(detect.slot))
        except OSError as error:
            self._end(seat, detect.call, InternalError(f"the bitmap can't be copied: {os.strerror(error.errno or 0)}"))
            return
        finally:
            os.close(descriptor)
        call.pixels = None
        if call.future.done():  # nobody waits for it any more
            self._end(seat, detect.call, None)
            return
        self._hand_over(seat, call, detect)

    def _hand_over(self, seat: _Seat, call: Call, detect: Detect) -> None:
        try:
            if call.pixels is not None:
                _write_all(seat.link.slots, call.pixels, self._layout.bitmap(detect.slot))
                call.pixels = None
            seat.link.send(detect)
        except OSError as error:
            self._end(seat, detect.call, InternalError(f"the bitmap can't be copied: {os.strerror(error.errno or 0)}"))
        except WorkerDied:
            seat.link.kill()  # if it is not dead, it does not listen; its end fails every call that it has

    def _cancel(self, call: Call) -> None:
        for seat in self._seats:
            for number, (held, _) in seat.calls.items():
                if held is call:
                    try:
                        seat.link.send(Cancel(number))
                    except WorkerDied:
                        return
        self._check_idle()

    def _on_message(self, number: int, message: FromWorker) -> None:
        seat = self._seats[number]
        if isinstance(message, Answer):
            self._line.observe(message.seconds)
            call, slot = seat.calls[message.call]
            mask = None
            if message.verdict.areas and call.mask is None:
                start = self._layout.mask(slot)
                mask = seat.link.memory[start : start + self._layout.bytes_each]
            if not call.future.done():
                call.future.set_result(call.take(message.verdict, mask))
            self._end(seat, message.call, None)
        elif isinstance(message, Refused):
            self._end(seat, message.call, revive(message.error, message.text))
        elif isinstance(message, Progress):
            if message.building:
                self._building = True
            self._on_progress(message.text)
        elif isinstance(message, Ready) and not seat.ready.done():
            seat.batch = message.batch
            seat.free = list(range(slots_for(message.batch)))
            self.note = message.note
            seat.ready.set_result(None)
        elif isinstance(message, Broken) and seat.ready.done():
            seat.link.kill(message.text)  # it ends by itself; this is the cause that is told
        elif isinstance(message, Broken):
            error = revive(message.error, message.text)
            if not isinstance(error, ComponentError | EngineFailed):
                error = ComponentError(f"loading failed: {message.text}")
            seat.ready.set_exception(error)

    def _end(self, seat: _Seat, number: int, error: Exception | None) -> None:
        if number not in seat.calls:  # the worker died and took the call with it
            return
        call, slot = seat.calls.pop(number)
        seat.begun = time.monotonic()
        seat.free.append(slot)
        if error is not None and not call.future.done():
            call.future.set_exception(error)
        self._dispatch()
        self._check_idle()

    def _watch(self, seat: _Seat, seconds: float) -> None:
        seat.watch = asyncio.get_running_loop().call_later(seconds, self._look_for_hang, seat)

    def _look_for_hang(self, seat: _Seat) -> None:
        """Give up a worker that is at one call for too long, without waiting for its end: it may be in the kernel."""
        seat.watch = None
        if not seat.calls or self._closing:
            return
        # Pictures that are inspected together take as long as one after the other.
        limit = self._options.call_seconds * min(seat.batch, len(seat.calls))
        left = seat.begun + limit - time.monotonic()
        if left > 0:
            self._watch(seat, left)
            return
        cause = f"it hung: a call took longer than {limit:g} s"
        seat.link.kill(cause)
        self._lose(seat, cause)

    def _check_idle(self) -> None:
        if not len(self._line) and not any(seat.calls for seat in self._seats):
            self._idle.set()

    def _on_exit(self, number: int, cause: str) -> None:
        self._lose(self._seats[number], cause)

    def _lose(self, seat: _Seat, cause: str) -> None:
        """End the calls of a worker that is gone, and the pool with it."""
        died = WorkerDied(f"the worker of model '{self.manifest.name}' was lost during the call ({cause})")
        for call, _ in seat.calls.values():
            call.fail(died)
        seat.calls.clear()
        seat.free.clear()
        if not self._started:  # with one of them lost, waiting for the others is in vain
            lost = WorkerDied(f"a worker of model '{self.manifest.name}' was lost while loading: {cause}")
            self._closing = True
            for other in self._seats:
                if not other.ready.done():
                    other.ready.set_exception(lost)
            self._lost = lost
        elif not self._closing:
            self._closing = True
            self._line.fail_all(died)
            self._on_death(cause)
        self._check_idle()

    async def drain(self, timeout: float) -> bool:
        """Wait until no call is left, `timeout` seconds at the most; tell whether that is so."""
        try:
            await asyncio.wait_for(self._idle.wait(), timeout)
        except asyncio.TimeoutError:
            return False
        return True

    async def close(self, timeout: float = _KILL_AFTER) -> bool:
        """End the workers, with SIGKILL those that have not ended after `timeout` seconds; tell whether none had to be.

        Closing twice is harmless.
        """
        self._closing = True
        self._line.fail_all(WorkerDied(f"model '{self.manifest.name}' was stopped"))
        for seat in self._seats:
            if not seat.link.exited.done():
                seat.link.close()
        exits = [asyncio.shield(seat.link.exited) for seat in self._seats]
        pending: set[asyncio.Future[str]] = set()
        if exits:
            _, pending = await asyncio.wait(exits, timeout=timeout)
        for seat in self._seats:
            if not seat.link.exited.done():
                seat.link.kill()
        if pending:
            await asyncio.wait(pending)
        return not pending

    async def retire(self, drain_seconds: float) -> bool:
        """Let the calls that it holds finish, end the workers, and tell whether none had to be killed."""
        drained = await self.drain(drain_seconds)
        if not drained:
            self.kill()
        return await self.close() and drained

    async def discard(self) -> None:
        """End the workers without regard to what they do."""
        self.kill()
        await self.close()

    def kill(self) -> None:
        """End the workers at once, without waiting for anything."""
        self._closing = True
        for seat in self._seats:
            seat.link.kill()


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], offset + done)
