"""Keeps one line running: `keeper.py LINE.toml FOLDER`, where no systemd does. It goes on when the studio ends.

It does what edge-agent-line@.service says: the line is started again when it ends with an error, and its pins are made
safe by `line safe` after each end. FOLDER has log.txt (and log.1.txt before it), and problem.txt while a start fails.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from edge_agent.children.command import child_command

KEEPER, LOG, FORMER_LOG, PROBLEM = "keeper.json", "log.txt", "log.1.txt", "problem.txt"
_MOST_LOG = 512 << 10
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_END_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Keeper:
    """One line, and what it says."""

    def __init__(self, file: Path, folder: Path) -> None:
        self._file, self._folder = file, folder
        self._child: subprocess.Popen[bytes] | None = None
        self._ending = False

    def end(self, *_: object) -> None:
        """End the line, and then this process."""
        self._ending = True
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            signal.alarm(int(_END_SECONDS))

    def kill(self, *_: object) -> None:
        """End a line that has not ended by itself."""
        if self._child is not None and self._child.poll() is None:
            self._child.kill()

    def run(self) -> None:
        """Run the line until it has ended in order, or is to end."""
        pause = _FIRST_PAUSE
        while not self._ending:
            began = time.monotonic()
            code, last = self._once()
            self._safe()
            if self._ending:
                break
            if code == 0:
                (self._folder / KEEPER).unlink(missing_ok=True)
                break
            (self._folder / PROBLEM).write_text(last or f"it ended with {code}")
            pause = _FIRST_PAUSE if time.monotonic() - began > _LONGEST_PAUSE else min(2 * pause, _LONGEST_PAUSE)
            self._wait(pause)
        (self._folder / PROBLEM).unlink(missing_ok=True)

    def _once(self) -> tuple[int, str]:
        """Run the line once; return its exit code and its last word."""
        command = child_command("edge_agent.cli", "line", "run", str(self._file))
        self._child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  # this process has no thread but this
        )  # fmt: skip
        assert self._child.stderr is not None
        if self._ending:  # the signal came while it was being started
            self._child.terminate()
        last = ""
        with self._child.stderr as said:
            for raw in said:
                text = raw.decode(errors="replace").rstrip()
                self._note(text)
                last = text.removeprefix("edge-agent: ") or last
                (self._folder / PROBLEM).unlink(missing_ok=True)
        return self._child.wait(), last

    def _note(self, text: str) -> None:
        log = self._folder / LOG
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
            size = file.tell()
        if size > _MOST_LOG:
            log.replace(self._folder / FORMER_LOG)

    def _safe(self) -> None:
        """Make the pins safe, also when both processes of the line were killed."""
        command = child_command("edge_agent.cli", "line", "safe", str(self._file))
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._ending and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.25))


def _end_with_parent() -> None:
    """Have the kernel end the line in order when this process is killed: nobody would start it again; prctl(2)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def main() -> None:
    """Entry point of the process."""
    file, folder = map(Path, sys.argv[1:3])
    os.umask(0o027)
    keeper = Keeper(file, folder)
    signal.signal(signal.SIGTERM, keeper.end)
    signal.signal(signal.SIGINT, keeper.end)
    signal.signal(signal.SIGALRM, keeper.kill)
    keeper.run()
