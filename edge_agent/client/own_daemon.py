"""A daemon that lives as long as the command that needs one: `edge-agent demo`, `edge-agent bench`."""

from __future__ import annotations

import os
import shutil
import socket as sockets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edge_agent.children.command import child_command
from edge_agent.children.said import Said, last_words
from edge_agent.errors import AgentUnreachable

_POLL_SECONDS = 0.02
_END_SECONDS = 15.0


@contextmanager
def own_daemon(*flags: str, patience: float, environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run `edge-agent serve` with `flags` on a socket of its own, give its address, and end it.

    Args:
        flags: what it serves; the socket and the state folder are added.
        patience: seconds that it may take until it serves.
        environ: variables besides those of this process.

    Raises:
        AgentUnreachable: it ended before it served, and what it said; or it does not serve in time.
    """
    # The path of a Unix socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="edge-agent-"))
    path = folder / "agent.sock"
    address = f"unix://{path}"
    own = ("--socket", address, "--state-dir", str(folder), "--log-level", "warning")
    process = subprocess.Popen(
        child_command("edge_agent.cli", "serve", *own, *flags),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environ or {})},
    )
    assert process.stderr is not None
    said = Said(process.stderr)
    try:
        _wait_until_it_serves(process, said, path, patience)
        said.pass_on()
        yield address
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        said.close()
        process.stderr.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_it_serves(process: subprocess.Popen[bytes], said: Said, path: Path, patience: float) -> None:
    end = time.monotonic() + patience
    while not _answers(path):
        status = process.poll()
        if status is not None:
            words = last_words(said.close()) or f"it ended with status {status}"
            raise AgentUnreachable(f"the agent that was started for this could not serve: {words}")
        if time.monotonic() > end:
            raise AgentUnreachable(f"the agent that was started for this does not serve after {patience:g} s")
        time.sleep(_POLL_SECONDS)


def _answers(path: Path) -> bool:
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
