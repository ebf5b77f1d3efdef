"""One server a data folder: two would run its jobs twice, and write over each other's files."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from edge_agent.access.rights import describe_refusal
from edge_agent.errors import StudioError

FILE = "server.lock"


@contextlib.contextmanager
def sole_server(root: Path) -> Iterator[None]:
    """Keep other servers out of a data folder while the block runs; the kernel lets go when the process ends.

    Raises:
        StudioError: there is one already, or the folder can't be written to.
    """
    try:
        descriptor = os.open(root / FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StudioError(f"{root / FILE} can't be written: {describe_refusal(error)}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            raise StudioError(
                f"another server (process {holder}) has the data folder {root}; end it first, or serve page and API "
                "in one: edge-agent studio --aws-port 8502"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
