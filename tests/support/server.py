"""A command that serves HTTP on loopback, as a process, until a test has done with it."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.daemon import PATIENCE, wait_until
from tests.support.ports import free_port


@contextmanager
def running_server(
    data: Path,
    *words: str,
    asked: str,
    environment: dict[str, str] | None = None,
    authority: Path | None = None,
) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """Run `edge-agent WORDS --data DATA --port …` until the block ends; gives its process, its port and its log.

    It is there when it answers a request for the path `asked`. `environment` has more variables; `authority` is the
    certificate that is trusted where it serves TLS.
    """
    port = free_port()
    command = [sys.executable, "-m", "edge_agent", *words, "--data", str(data), "--port", str(port)]
    log = data.parent / f"{data.name}.log"
    with log.open("ab") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=os.environ | (environment or {}))
    trusted = ssl.create_default_context(cafile=authority) if authority else None
    address = f"http{'s' if authority else ''}://127.0.0.1:{port}{asked}"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE, context=trusted) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    try:
        wait_until(answers, "the server answers")
        yield process, port, log
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
        end_jobs(data)
    assert "Traceback" not in log.read_text(), log.read_text()


def end_jobs(data: Path) -> int:
    """End the jobs that outlive a studio; return how many processes these were."""
    ended = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(data / "jobs").encode() in path.read_bytes():
                os.kill(int(path.parent.name), signal.SIGKILL)
                ended += 1
        except (OSError, ValueError):
            continue
    return ended
