"""A worker: `python -m edge_agent.workers.process NAME VERSION PARENT SOCKET MEMFD`, started by workers/worker.py.

It holds one model and inspects one picture at a time. It never sees gRPC. It ends when its socket closes, which is also
what happens when the front process is killed, and the kernel is asked to kill it then in any case.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import mmap
import os
import signal
import socket
import sys
import time
from collections import deque
from pathlib import Path

from edge_agent.component.artifacts import check_artifacts
from edge_agent.component.manifest import FILE_NAME, Manifest, decode_manifest
from edge_agent.errors import CallExpired, EdgeAgentError
from edge_agent.hardware.target import check_gpu
from edge_agent.logs import log_to_stderr
from edge_agent.workers.messages import (
    PACKET,
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
    ToWorker,
    decode_to_worker,
    describe,
    encode,
)

log = logging.getLogger("edge_agent.worker")

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it is gone; prctl(2)."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was asked
        os._exit(0)


class Worker:
    """The loop of a worker process."""

    def __init__(self, channel: socket.socket, slots: int) -> None:
        self._channel = channel
        self._slots = slots
        self._waiting: deque[Detect] = deque()
        self._cancelled: set[int] = set()

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
        self._send(Ready())
        gc.collect()
        gc.freeze()  # the model's objects live as long as the process: no collection has to look at them
        while self._take_messages():
            job = self._waiting.popleft()
            self._send(self._answer(job))

    def _load(self, load: Load) -> None:
        from edge_agent.workers.inspector import Inspector

        folder = Path(load.folder)
        manifest: Manifest = decode_manifest((folder / FILE_NAME).read_bytes(), source=FILE_NAME)
        self._send(Progress("checking the artifacts"))
        check_artifacts(folder, manifest)
        check_gpu(manifest, load.engine, cpu_fallback=load.cpu_fallback)
        layout = SlotLayout.of(manifest.image.width, manifest.image.height)
        shared = mmap.mmap(self._slots, layout.total)
        self._send(Progress("loading the engine"))
        self._inspector = Inspector(folder, manifest, load, shared, self._slots, layout)
        self._send(Progress("warming up"))
        self._inspector.check_golden_samples()
        self._inspector.warm_up()

    def _take_messages(self) -> bool:
        """Take what has arrived, waiting for it only when there is nothing to do; False when the front has gone."""
        while message := self._receive(socket.MSG_DONTWAIT if self._waiting else 0):
            if isinstance(message, Detect):
                self._waiting.append(message)
            elif isinstance(message, Cancel) and any(job.call == message.call for job in self._waiting):
                self._cancelled.add(message.call)
        return bool(self._waiting)

    def _receive(self, flags: int) -> ToWorker | None:
        try:
            packet = self._channel.recv(PACKET, flags)
        except BlockingIOError:
            return None
        if not packet:
            sys.exit(0)
        message: ToWorker = decode_to_worker(packet)
        return message

    def _send(self, message: FromWorker) -> None:
        try:
            self._channel.send(encode(message))
        except (BrokenPipeError, ConnectionResetError):
            sys.exit(0)

    def _answer(self, job: Detect) -> Answer | Refused:
        start = time.monotonic()
        try:
            if job.call in self._cancelled:
                self._cancelled.discard(job.call)
                raise CallExpired("the client went away")
            if job.deadline is not None and start >= job.deadline:
                raise CallExpired("the deadline passed before the call was executed")
            verdict = self._inspector.inspect(job)
        except Exception as error:
            if not isinstance(error, EdgeAgentError):
                log.exception("a call failed")
            return Refused(job.call, *describe(error))
        return Answer(job.call, verdict, time.monotonic() - start)


def main() -> None:
    """Entry point of the process."""
    parent, channel, slots = int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
    die_with_parent(parent)
    # The front process alone decides when a worker ends: by closing the socket, or with SIGKILL.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    log_to_stderr("warning", f"worker of {sys.argv[1]}: ")
    Worker(socket.socket(fileno=channel), slots).run()


if __name__ == "__main__":
    main()
