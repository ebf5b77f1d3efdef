"""The processes of a run: servers, and clients that measure when they are told to.

Each stands in a session of its own, so that Ctrl-C reaches the benchmark alone, which then ends them one by one.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc

from benchmarks.peers.environment import CHECKOUT

_PATIENCE = 180.0  # seconds until a server that loads all models answers
_GRACE = 20.0  # seconds that a process has to end


class ProcessEnded(Exception):
    """A server or a client has ended before it was told to."""


def surroundings(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables with which a peer finds this checkout's code."""
    return {**os.environ, "PYTHONPATH": str(CHECKOUT), **(more or {})}


def _end(process: subprocess.Popen[Any]) -> None:
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def serving(
    command: Sequence[str], folder: Path, address: str, variables: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a server of the KServe protocol, with what it says in `folder`/log, from when it is ready.

    Raises:
        ProcessEnded: it ended instead of getting ready, or is not ready in a minute.
    """
    log = folder / "log"
    with (
        log.open("wb") as said,
        subprocess.Popen(
            command,
            cwd=folder,
            env=surroundings(variables),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait_until_ready(process, address, log)
            yield
        finally:
            process.terminate()
            _end(process)


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    with grpc.insecure_channel(address) as channel:
        ready = channel.unary_unary("/inference.GRPCInferenceService/ServerReady")
        while time.monotonic() < end and process.poll() is None:
            with contextlib.suppress(grpc.RpcError):
                if ready(b"", timeout=5.0) == b"\x08\x01":  # field 1, `ready`, is true
                    return
            time.sleep(0.1)
    lines = log.read_text(errors="replace").strip().splitlines()
    state = "is not ready" if process.poll() is None else f"has ended with status {process.returncode}"
    raise ProcessEnded(f"{log.parent.name} {state}; it said: {' | '.join(lines[-5:])}")


#: A client in Python that sends and receives megabytes gets its memory anew from the system for each message unless
#: glibc is told to keep it (mallopt(3)), by chance of what was allocated before: that is 6 ms of a call by bytes at
#: 1280x960, and not the servers' doing.
_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


class Client:
    """A measuring process: a line of JSON in for each turn, a line out."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command,
            env=surroundings(_KEEP_MEMORY),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def begin(self, way: str, seconds: float) -> None:
        """Have it call for so long; with 0 seconds, get warm."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # result() tells
            self._process.stdin.write(json.dumps({"way": way, "seconds": seconds}) + "\n")
            self._process.stdin.flush()

    def result(self) -> tuple[list[float], int]:
        """Return what each answered call took, in seconds, and how many were refused.

        Raises:
            ProcessEnded: a call failed, and the client with it.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ProcessEnded("a measuring client ended early; its message stands above")
        answer = json.loads(line)
        return answer["taken"], answer["refused"]

    def end(self) -> None:
        """Let it go: its segments are unlinked when its orders end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        _end(self._process)
        self._process.stdout.close()


def call_at_once(clients: Sequence[Client], way: str, seconds: float) -> tuple[list[float], int]:
    """Have clients call for so long, all at the same time; return what their calls took, and how many were refused.

    Raises:
        ProcessEnded: a call failed.
    """
    for client in clients:
        client.begin(way, seconds)
    taken: list[float] = []
    refused = 0
    for client in clients:
        times, missed = client.result()
        taken += times
        refused += missed
    return taken, refused


def take_turns(call: Callable[[], object]) -> None:
    """Be such a process: `call` once after the other, as in edge_agent/device/bench/client.py."""
    for line in sys.stdin:
        seconds = json.loads(line)["seconds"]
        for _ in range(3):
            call()
        taken = []
        end = time.monotonic() + seconds
        while (begun := time.monotonic()) < end:
            call()
            taken.append(time.monotonic() - begun)
        sys.stdout.write(json.dumps({"taken": taken, "refused": 0}) + "\n")
        sys.stdout.flush()
