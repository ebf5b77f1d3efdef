"""The workers of one running model, and which of them does which call."""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from edge_agent.component.manifest import Manifest, manifest_digest
from edge_agent.component.trust import Trust
from edge_agent.errors import InternalError, LoadingFailed, NotReady, Overloaded, WorkerDied
from edge_agent.inference.engines.options import EngineOptions
from edge_agent.records.pictures.passing import Keeping
from edge_agent.serving.observing.counts import VersionCounts
from edge_agent.serving.workers.calls import Call, WaitingLine
from edge_agent.serving.workers.cameras import Cameras
from edge_agent.serving.workers.lending import Lender
from edge_agent.serving.workers.messages import (
    Answer,
    Broken,
    Cancel,
    Detect,
    FromWorker,
    Learned,
    Load,
    Noticed,
    Progress,
    Ready,
    Refused,
    Settled,
    most_calls,
    revive,
)
from edge_agent.serving.workers.parcels import ParcelShelf
from edge_agent.serving.workers.remarks import Remarks
from edge_agent.serving.workers.seat import Held, Seat
from edge_agent.serving.workers.worker import WorkerLink

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
    trust: Trust = Trust()
    #: which pictures are kept, and where; None: none
    keeping: Keeping | None = None
    #: bytes of the largest mask that travels inside an answer
    inline_mask_bytes: int = 64 << 20
    #: who is told how pictures look
    cameras: Cameras | None = None
    #: where shadow models take pictures; "": nowhere
    shadow_dir: str = ""
    #: the folder in which workers show their newest pictures to who watches; "": nowhere
    live: str = ""


class WorkerPool:
    """Workers that all hold the same component. A pool that has lost a worker is closed and replaced as a whole."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        options: PoolOptions,
        shelf: ParcelShelf,
        *,
        on_progress: Callable[[str], None],
        on_death: Callable[[str], None],
        counts: VersionCounts | None = None,
    ) -> None:
        """`counts` learns what comes of the calls, where anybody counts."""
        self.folder, self.manifest = folder, manifest
        self._options = options
        self._on_progress, self._on_death = on_progress, on_death
        self._shelf = shelf
        self._counts = counts
        self._lender = Lender(shelf, manifest, options.inline_mask_bytes)
        self._line = WaitingLine(manifest.name, options.max_calls, options.max_bytes)
        self._seats: list[Seat] = []
        self._numbers = itertools.count(1)
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._started = False
        self._lost: WorkerDied | None = None
        self._building = False
        #: what a person should know of how the model runs; "" for nothing
        self.note = ""
        #: and of the pictures that it is sent
        self.remarks = Remarks(manifest, options.cameras)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [seat.link.pid for seat in self._seats]

    @property
    def waiting(self) -> int:
        """Calls that no worker has taken yet."""
        return len(self._line)

    async def start(self) -> None:
        """Start the workers and wait until all are ready.

        Raises:
            ComponentError: the component can't be served on this device.
            WorkerDied: a worker ended while it was loading.
            NotReady: loading took too long.
        """
        loop = asyncio.get_running_loop()
        options, digest = self._options, manifest_digest(self.manifest)
        name, version = self.manifest.name, self.manifest.version
        learned = options.cameras.baseline(name, version) if options.cameras is not None else None
        load = Load(
            str(self.folder), options.engine, options.batch_seconds, digest, options.trust, options.keeping, learned,
            options.shadow_dir, options.live,
        )  # fmt: skip
        for number in range(self.manifest.workers(options.instances)):
            ready: asyncio.Future[None] = loop.create_future()
            link = WorkerLink(
                self.manifest.name,
                self.manifest.version,
                self._shelf,
                on_message=functools.partial(self._on_message, number),
                on_exit=functools.partial(self._on_exit, number),
            )
            self._seats.append(Seat(link, ready))
            link.send(load)
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

    def submit(self, call: Call) -> None:
        """Have one of the workers inspect a picture; the call is told what came of it, at once or later.

        Raises:
            WorkerDied: the pool has ended.
            Overloaded: see WaitingLine.join.
        """
        self.check_alive()
        call.on_cancel = self._cancel
        free = not len(self._line) and any(seat.free > 0 for seat in self._seats)
        call.submitted = time.monotonic()
        self._line.join(call, free=free, workers=len(self._seats), now=call.submitted)
        self._idle.clear()
        self._dispatch()

    def _dispatch(self) -> None:
        """Give waiting calls to workers with room for one more, the least busy first."""
        while len(self._line):
            seat = self._seats[0] if len(self._seats) == 1 else max(self._seats, key=lambda other: other.free)
            if seat.free <= 0:
                return
            now = time.monotonic()
            call = self._line.next(now)
            if call is None:
                break
            if not seat.calls:
                seat.begun = now
                if seat.watch is None:
                    self._watch(seat, self._options.call_seconds)
            self._hand_over(seat, call)
        self._check_idle()

    def _hand_over(self, seat: Seat, call: Call) -> None:
        try:
            picture, target, bitmap, mask, white = self._lender.lend(call)
        except OSError as error:
            call.fail(Overloaded(f"no memory can be had for the call's pixels: {os.strerror(error.errno or 0)}"))
            return
        number = next(self._numbers)
        seat.calls[number] = Held(call, bitmap, mask)
        new = seat.link.unknown([parcel for parcel in (bitmap, mask) if parcel is not None])
        numbers = tuple(parcel.number for parcel in new)
        try:
            seat.link.send(Detect(number, picture, target, call.deadline, call.peer, numbers, call.keep, white), new)
        except WorkerDied:
            seat.link.kill()  # if it is not dead, it does not listen; its end fails every call that it has

    def _cancel(self, call: Call) -> None:
        for seat in self._seats:
            number = seat.number_of(call)
            if number is not None:
                try:
                    seat.link.send(Cancel(number))
                except WorkerDied:
                    return
        self._check_idle()

    def _on_message(self, number: int, message: FromWorker) -> None:
        seat = self._seats[number]
        if isinstance(message, Answer):
            self._on_answer(seat, message)
        elif isinstance(message, Settled):
            seat.settle(message.call)
        elif isinstance(message, Refused):
            self._on_refused(seat, message)
        elif isinstance(message, Progress):
            if message.building:
                self._building = True
            self._on_progress(message.text)
        elif isinstance(message, Noticed):
            seat.remark = message
            self.remarks.consider([other.remark for other in self._seats if other.remark is not None])
        elif isinstance(message, Learned):
            self.remarks.learn(message)
        elif isinstance(message, Ready) and not seat.ready.done():
            seat.batch = message.batch
            seat.room = most_calls(message.batch)
            self.note = "; ".join(filter(None, (message.note, self._lender.note)))
            seat.ready.set_result(None)
        elif isinstance(message, Broken) and seat.ready.done():
            seat.link.kill(message.text)  # it ends by itself; this is the cause that is told
        elif isinstance(message, Broken):
            error = revive(message.error, message.text)
            if type(error) is InternalError:  # not of our making: no memory, say, which need not stay so
                error = LoadingFailed(f"loading failed: {message.text}")
            seat.ready.set_exception(error)

    def _on_answer(self, seat: Seat, message: Answer) -> None:
        self._line.observe(message.seconds)
        held = self._end(seat, message.call, needs_pixels=message.needs_pixels)
        if held is not None:
            if held.mask is not None:
                self._lender.answered(held.mask, blank=message.blank)
            if held.call.on_stages is not None:
                held.call.on_stages(held.call.submitted, message.stages)
            held.call.answer(message.verdict, held.mask)
            if self._counts is not None:
                waiting = message.stages.begun - held.call.submitted
                self._counts.inspected(message.verdict, waiting, message.stages)

    def _on_refused(self, seat: Seat, message: Refused) -> None:
        held = self._end(seat, message.call)
        if held is not None:
            if held.mask is not None:
                held.mask.release()
            held.call.fail(revive(message.error, message.text))

    def _end(self, seat: Seat, number: int, *, needs_pixels: bool = False) -> Held | None:
        """Take a call from a worker that has done with it, and give it the next; None when both were lost before.

        With `needs_pixels` the worker will say when it has done with the pixels, too.
        """
        held = seat.calls.pop(number, None)
        if held is None:
            return None
        seat.begun = time.monotonic()
        if held.bitmap is not None:
            if needs_pixels:
                seat.unsettled[number] = held.bitmap
            else:
                held.bitmap.release()
        self._dispatch()  # the worker begins with the next while this one is answered
        return held

    def _watch(self, seat: Seat, seconds: float) -> None:
        seat.watch = asyncio.get_running_loop().call_later(seconds, self._look_for_hang, seat)

    def _look_for_hang(self, seat: Seat) -> None:
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
        seat = self._seats[number]
        self._lose(seat, cause)
        seat.release_stranded()

    def _lose(self, seat: Seat, cause: str) -> None:
        """End the calls of a worker that is gone, and the pool with it."""
        died = WorkerDied(f"the worker of model '{self.manifest.name}' was lost during the call ({cause})")
        for call in seat.empty():
            call.fail(died)
        if not self._started:  # with one of them lost, waiting for the others is in vain
            died = WorkerDied(f"a worker of model '{self.manifest.name}' was lost while loading: {cause}")
            self._closing = True
            for other in self._seats:
                if not other.ready.done():
                    other.ready.set_exception(died)
            self._lost = died
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
