"""A worker process: its arguments are NAME VERSION PARENT SOCKET STDERR; worker.py starts it.

It holds one model and inspects one picture at a time. It never sees gRPC. It ends when its socket closes, which is also
what happens when the front process is killed, and the kernel is asked to kill it then in any case.
"""

from __future__ import annotations

import array
import ctypes
import gc
import logging
import math
import os
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from pathlib import Path

from edge_agent.children.ending import end_at_once
from edge_agent.children.priority import be_as_any_other
from edge_agent.errors import CallExpired, EdgeAgentError, EngineLost
from edge_agent.logs import log_to_stderr
from edge_agent.serving.workers.checking import checked_component
from edge_agent.serving.workers.gathering import Gathering
from edge_agent.serving.workers.mapped import MappedParcels
from edge_agent.serving.workers.messages import (
    PACKET,
    Answer,
    Broken,
    Cancel,
    Detect,
    Forget,
    FromWorker,
    Learned,
    Load,
    Noticed,
    Progress,
    Ready,
    Refused,
    Settled,
    ToWorker,
    decode_to_worker,
    describe,
    encode,
)
from edge_agent.serving.workers.standing import SWEEP_SECONDS
from edge_agent.serving.workers.watch import Opinion

log = logging.getLogger("edge_agent.worker")

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
#: room for the descriptors that come with a message, those of the parcels of a bitmap and of a mask: cmsg(3)
_ANCILLARY_BYTES = socket.CMSG_SPACE(2 * array.array("i").itemsize)
#: struct timeval: after how long the wait for a message ends without one; socket(7)
_WOKEN, _NEVER_WOKEN = struct.pack("@ll", math.ceil(SWEEP_SECONDS), 0), struct.pack("@ll", 0, 0)
_EXIT_LOST = 3  # the engine can't go on; the front process starts another


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it is gone; prctl(2)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was asked
        os._exit(0)


class Worker:
    """The loop of a worker process."""

    def __init__(self, channel: socket.socket, stderr: int | None = None) -> None:
        """`stderr` is where standard error goes as soon as the model is ready; None leaves it where it goes."""
        self._channel = channel
        self._stderr = stderr
        self._parcels = MappedParcels()
        self._packet = memoryview(bytearray(PACKET))
        self._waiting: deque[Detect] = deque()
        self._cancelled: set[int] = set()
        self._lost = ""  # why the engine can't go on
        self._opinion: Opinion | None = None  # what has been said of the pictures
        self._is_woken = False  # after a while without a call

    def run(self) -> None:
        """Load the model, then inspect pictures until the front process closes the socket."""
        load = self._receive(0)
        if not isinstance(load, Load):
            return
        try:
            self._load(load)
        except Exception as error:
            if not isinstance(error, EdgeAgentError):
                log.exception("loading %s failed", load.folder)
            self._send(Broken(*describe(error)))
            return
        gc.collect()
        gc.freeze()  # the model's objects live as long as the process: no collection has to look at them
        while True:
            if jobs := self._next_batch():
                self._answer(jobs)
            self._tidy()

    def _load(self, load: Load) -> None:
        from edge_agent.inference.loading import load_pipeline
        from edge_agent.serving.workers.inspector import Inspector

        self._progress("checking the artifacts")
        with checked_component(Path(load.folder), load.manifest_digest, load.trust) as (folder, manifest):
            loaded = load_pipeline(folder, manifest, load.options, self._progress, helped=True)
        self._inspector = Inspector(
            loaded.pipeline, self._parcels, load.keeping, load.learned, load.shadow_dir, load.live
        )
        self._gathering = Gathering(self._inspector.batch, load.batch_seconds)
        if self._stderr is not None:
            os.dup2(self._stderr, 2)
        self._send(Ready(self._inspector.batch, loaded.note))

    def _progress(self, text: str, *, building: bool = False) -> None:
        self._send(Progress(text, building))

    def _next_batch(self) -> list[Detect]:
        """Wait for calls and return those that are inspected next; none when there is something to tidy up."""
        self._take_messages(wait=not self._waiting)
        if self._inspector.batch > 1:
            self._gather()
        count = min(self._inspector.batch, len(self._waiting))
        return [self._waiting.popleft() for _ in range(count)]

    def _tidy(self) -> None:
        """Give up mappings of segments that are not used any more; be woken for it while there are some."""
        standing = self._inspector.standing
        standing.sweep()
        if bool(standing) != self._is_woken:
            self._is_woken = bool(standing)
            self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _WOKEN if self._is_woken else _NEVER_WOKEN)

    def _gather(self) -> None:
        """Wait a moment for the calls that are expected."""
        now = time.monotonic()
        until = now + self._gathering.patience(len(self._waiting), now)
        while now < until and self._gathering.patience(len(self._waiting), now) > 0:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._channel], [], [], left)[0]:
                break
            self._take_messages(wait=False)

    def _take_messages(self, *, wait: bool) -> None:
        """Take what has arrived; with `wait`, wait for a call if there is none."""
        while message := self._receive(0 if wait and not self._waiting else socket.MSG_DONTWAIT):
            if isinstance(message, Detect):
                self._waiting.append(message)
            elif isinstance(message, Forget):
                self._parcels.forget(message.parcels)
            elif isinstance(message, Cancel) and any(job.call == message.call for job in self._waiting):
                self._cancelled.add(message.call)

    def _receive(self, flags: int) -> ToWorker | None:
        try:
            size, ancillary, _, _ = self._channel.recvmsg_into(
                [self._packet], _ANCILLARY_BYTES, flags | socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return None
        if not size:
            sys.exit(0)
        message: ToWorker = decode_to_worker(self._packet[:size])
        if ancillary and isinstance(message, Detect):
            descriptors = array.array("i", ancillary[0][2])
            for number, descriptor in zip(message.parcels, descriptors, strict=True):
                self._parcels.add(number, descriptor)
        return message

    def _send(self, message: FromWorker) -> None:
        try:
            self._channel.send(encode(message))
        except (BrokenPipeError, ConnectionResetError):
            sys.exit(0)

    def _answer(self, jobs: list[Detect]) -> None:
        """Inspect a batch of calls and answer each as soon as its mask is written."""
        begun = before = time.monotonic()
        wanted = [job for job in jobs if self._is_wanted(job, begun)]
        count = len(wanted)
        try:
            for job, result in self._inspector.inspect(wanted):
                if isinstance(result, Exception):
                    self._send(Refused(job.call, *describe(result)))
                    self._lost = self._lost or (str(result) if isinstance(result, EngineLost) else "")
                else:
                    now = time.monotonic()
                    stages = self._inspector.stages(begun, before, now)
                    needs_pixels = self._inspector.needs_pixels
                    blank = self._inspector.blank
                    self._send(Answer(job.call, result, (now - begun) / count, stages, needs_pixels, blank))
                wanted = [other for other in wanted if other is not job]
                if not isinstance(result, Exception):
                    try:
                        self._inspector.settle()
                    finally:
                        if needs_pixels:
                            self._send(Settled(job.call))
                before = time.monotonic()
        except Exception as error:
            log.exception("calls failed")
            for job in wanted:
                self._send(Refused(job.call, *describe(error)))
        if self._lost:
            log.error("%s; the process ends", self._lost)
            self._send(Broken(EngineLost.__name__, self._lost))
            sys.exit(_EXIT_LOST)
        self._look_back()
        if self._inspector.batch > 1:
            self._take_messages(wait=False)
            self._gathering.ended(count, len(self._waiting), time.monotonic())

    def _look_back(self) -> None:
        """Make up one's mind of the pictures, now that they are answered."""
        camera = self._inspector.camera
        camera.judge()
        if camera.opinion is not None and camera.opinion != self._opinion:
            self._opinion = camera.opinion
            self._send(Noticed(*self._opinion))
        if camera.learned is not None:
            learned, camera.learned = camera.learned, None
            self._send(Learned(learned))

    def _is_wanted(self, job: Detect, now: float) -> bool:
        """Tell whether somebody still waits for a call; answer it otherwise."""
        if job.call in self._cancelled:
            self._cancelled.discard(job.call)
            error = CallExpired("the client went away")
        elif job.deadline is not None and now >= job.deadline:
            error = CallExpired("the deadline passed before the call was executed")
        else:
            return True
        self._send(Refused(job.call, *describe(error)))
        return False


def main() -> None:
    """Entry point of the process."""
    parent, channel = int(sys.argv[3]), int(sys.argv[4])
    die_with_parent(parent)
    be_as_any_other()
    # The front process alone decides when a worker ends: by closing the socket, or with SIGKILL.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # What is logged goes there at once, and what libraries say once the model is ready; until then it is kept.
    stderr = os.fdopen(int(sys.argv[5]), "w", errors="backslashreplace")
    log_to_stderr("warning", f"worker of {sys.argv[1]}: ", stderr, MODEL=sys.argv[1])
    # By a small number: select(2) knows none above 1023, and the front process may have more than that.
    small = os.dup(channel)
    os.close(channel)
    try:
        Worker(socket.socket(fileno=small), stderr=stderr.fileno()).run()
    except SystemExit as ended:
        end_at_once(int(ended.code or 0))
    end_at_once()
