"""Imported by every process of a daemon whose PYTHONPATH begins with this folder: stamps what a call passes through.

The agent knows nothing of it. Stamps are kept in memory and written to a file of the process in the folder that
EDGE_AGENT_TRACE names: by the front at its end, by a worker whenever it has many, since it may be killed. A stamp costs
about 0.2 µs, and the names are those of benchmarks/breakdown.py.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_now = time.monotonic_ns
_stamps: list[tuple[str, int]] = []
_KEPT = 2000


def _write() -> None:
    with (Path(os.environ["EDGE_AGENT_TRACE"]) / str(os.getpid())).open("a") as out:
        out.writelines(f"{name} {stamp}\n" for name, stamp in _stamps)
    _stamps.clear()


def _stamped(owner: Any, name: str, before: str = "", after: str = "") -> None:
    """Replace a function by one that stamps when it is called, and when it returns."""
    original: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(original)
    def stamped(*arguments: Any, **named: Any) -> Any:
        if before:
            _stamps.append((before, _now()))
        result = original(*arguments, **named)
        if after:
            _stamps.append((after, _now()))
        return result

    setattr(owner, name, stamped)


def _trace_front() -> None:
    from edge_agent.serving.http2.outbox import Outbox
    from edge_agent.serving.http2.transport import ClientProtocol
    from edge_agent.serving.rpc.server import Server
    from edge_agent.serving.workers.worker import WorkerLink

    _stamped(ClientProtocol, "buffer_updated", "front reads")
    _stamped(WorkerLink, "send", after="front has sent")
    _stamped(WorkerLink, "_read", "front hears")
    _stamped(Outbox, "write", after="front has answered")
    serve = Server.serve

    async def traced(server: Server) -> Any:
        try:
            return await serve(server)
        finally:
            _write()

    setattr(Server, "serve", traced)  # noqa: B010  mypy can't follow an assignment


def _trace_worker() -> None:
    from edge_agent.inference.host import HostPipeline
    from edge_agent.serving.workers import messages

    _stamped(messages, "decode_to_worker", "worker hears")
    _stamped(HostPipeline, "_take", "worker prepares", "worker has prepared")
    _stamped(HostPipeline, "_execute", after="engine has run")
    encode = messages.encode

    def traced(message: Any) -> bytes:
        if isinstance(message, messages.Answer):
            _stamps.append(("worker answers", _now()))
            if len(_stamps) > _KEPT:
                _write()
        return encode(message)

    messages.encode = traced


if os.environ.get("EDGE_AGENT_TRACE"):
    if "serve" in sys.orig_argv:
        _trace_front()
    elif "edge_agent.serving.workers.process" in sys.orig_argv:
        _trace_worker()
