"""Lines that this studio runs: a keeper for each, which goes on when the studio ends.

RUNS/NAME/ is what the studio remembers of a line that is to run: keeper.json, and what the keeper writes. The next
studio takes it up, and starts those again that ended with the device.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from edge_agent.children.command import child_command
from edge_agent.children.living import is_alive, process_start
from edge_agent.errors import StudioError
from edge_agent.studio.lines.keeper import FORMER_LOG, KEEPER, LOG, PROBLEM
from edge_agent.studio.store.writing import write_file

log = logging.getLogger(__name__)

#: the keeper gives its line 20 seconds, and makes its pins safe
_END_SECONDS = 30.0
_LOG_BYTES = 20_000


class Keeping:
    """The keepers of one studio. May be used by several threads."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._lock = threading.RLock()
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def wanted(self) -> list[str]:
        """List the lines that are to run."""
        return sorted(path.parent.name for path in self._runs.glob(f"*/{KEEPER}"))

    def process(self, name: str) -> int:
        """Give the process that keeps a line; 0 when there is none."""
        with self._lock:
            if child := self._children.get(name):
                child.poll()  # else one that has ended would stay in the list of processes
        try:
            kept = json.loads((self._runs / name / KEEPER).read_bytes())
            process, started = int(kept["process"]), int(kept["started"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        return process if is_alive(process, started) else 0

    def start(self, name: str, file: Path) -> None:
        """Run a line, unless it runs."""
        with self._lock:
            if self.process(name):
                return
            folder = self._runs / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / PROBLEM).unlink(missing_ok=True)
            command = child_command("edge_agent.studio.lines.keeper", str(file), str(folder))
            with (folder / LOG).open("ab") as said:
                # A session of its own: Ctrl-C in the studio's terminal is not meant for it.
                child = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True, cwd=folder
                )
            self._children[name] = child
            kept = {"process": child.pid, "started": process_start(child.pid)}
            write_file(folder / KEEPER, json.dumps(kept).encode())

    def stop(self, name: str) -> None:
        """End a line, and wait until it has; it is not to run any more.

        Raises:
            StudioError: it does not end.
        """
        process = self.process(name)
        if process:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
            end = time.monotonic() + _END_SECONDS
            while self.process(name):
                if time.monotonic() > end:
                    raise StudioError(f"line '{name}' (process {process}) has not ended within {_END_SECONDS:g} s")
                time.sleep(0.05)
        self.forget(name)

    def forget(self, name: str) -> None:
        """Let a line that has ended not be started again."""
        (self._runs / name / KEEPER).unlink(missing_ok=True)
        (self._runs / name / PROBLEM).unlink(missing_ok=True)

    def revive(self, name: str, file: Path) -> None:
        """Start a line again that is to run and whose keeper ended with the device, or was killed."""
        with self._lock:
            if self.process(name) or name not in self.wanted():
                return
            if not file.is_file():
                self.forget(name)
                return
            log.warning("line '%s' was to run and did not: it is started again", name)
            self.start(name, file)

    def problem(self, name: str) -> str:
        """Say why a line can't be started; "" when it can."""
        try:
            return (self._runs / name / PROBLEM).read_text(errors="replace")
        except OSError:
            return ""

    def log(self, name: str) -> str:
        """Give the end of what a line has said."""
        text = b""
        for part in (FORMER_LOG, LOG):
            with contextlib.suppress(OSError):
                text += (self._runs / name / part).read_bytes()
        return text[-_LOG_BYTES:].decode(errors="replace")

    def close(self) -> None:
        """Watch no more; the lines go on."""
        for child in self._children.values():
            if child.poll() is None:
                child.returncode = 0  # it goes on, of which Popen is not to complain
