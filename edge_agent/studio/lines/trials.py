"""Trials of lines, each a process: ten pictures, what would be decided of each, and no output that is moved."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Literal

import msgspec

from edge_agent.access.locked_folder import LockedFolder
from edge_agent.children.command import child_command
from edge_agent.children.said import last_words
from edge_agent.errors import Conflict, NotThere, StudioError
from edge_agent.line.checking import check_text
from edge_agent.studio.lines.trial_process import Row

_PREFIX = "edge-agent-trials-"
_COUNT, _WAIT_SECONDS = 10, 5.0
#: a camera that gives a picture now and then must not keep a trial for ever
_MOST_SECONDS = 90.0
_AT_ONCE, _KEPT = 4, 8


class Trial(msgspec.Struct, frozen=True):
    """A trial, as far as it is."""

    id: int
    state: Literal["running", "done", "failed"]
    rows: list[Row]
    problem: str


class _Run:
    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder, self.process = folder, process
        self.rows: list[Row] = []
        self.problem = ""
        self.is_over = False

    def follow(self) -> None:
        timer = threading.Timer(_MOST_SECONDS, self.process.kill)
        timer.daemon = True
        timer.start()
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with contextlib.suppress(msgspec.DecodeError):  # a library has printed something
                self.rows.append(msgspec.json.decode(line, type=Row))
        code = self.process.wait()
        timer.cancel()
        if code:
            said = (self.folder / "said.txt").read_text(errors="replace")
            given_up = f"no more pictures came within {_MOST_SECONDS:g} s"
            self.problem = given_up if code < 0 else last_words(said) or f"it ended with {code}"
        self.is_over = True


class Trials:
    """The latest trials; they end with the studio."""

    def __init__(self) -> None:
        self._root = LockedFolder(_PREFIX)
        self._lock = threading.Lock()
        self._runs: OrderedDict[int, _Run] = OrderedDict()
        self._last = 0

    def begin(self, text: str) -> int:
        """Try the text of a line's file; return the trial's number.

        Raises:
            StudioError: the text has mistakes.
            Conflict: there are too many trials already.
        """
        if mistakes := check_text(text):
            raise StudioError(f"a file with mistakes can't be tried: {mistakes[0].text}")
        with self._lock:
            if sum(not run.is_over for run in self._runs.values()) >= _AT_ONCE:
                raise Conflict(f"{_AT_ONCE} trials are going on already; wait until one of them is over")
            self._last += 1
            number = self._last
            folder = self._root.path / str(number)
            folder.mkdir()
            (folder / "line.toml").write_text(text, encoding="utf-8")
            module = "edge_agent.studio.lines.trial_process"
            command = child_command(module, str(folder / "line.toml"), str(folder), str(_COUNT), str(_WAIT_SECONDS))
            with (folder / "said.txt").open("wb") as said:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, cwd=folder
                )
            run = self._runs[number] = _Run(folder, process)
            self._forget()
        threading.Thread(target=run.follow, daemon=True).start()
        return number

    def get(self, number: int) -> Trial:
        """Tell how far a trial is; NotThere when it is not known any more."""
        run = self._find(number)
        over, problem, rows = run.is_over, run.problem, list(run.rows)
        return Trial(number, "running" if not over else "failed" if problem else "done", rows, problem)

    def picture(self, number: int, row: int) -> bytes:
        """Give the picture of a row, JPEG; NotThere when there is none."""
        try:
            return (self._find(number).folder / f"{row}.jpg").read_bytes()
        except FileNotFoundError:
            raise NotThere(f"trial {number} has no picture {row}") from None

    def _find(self, number: int) -> _Run:
        with self._lock:
            if number not in self._runs:
                raise NotThere(f"there is no trial {number} any more")
            return self._runs[number]

    def _forget(self) -> None:
        for number in [number for number, run in self._runs.items() if run.is_over][: max(0, len(self._runs) - _KEPT)]:
            shutil.rmtree(self._runs.pop(number).folder, ignore_errors=True)

    def close(self) -> None:
        """End all trials, and remove what they left."""
        with self._lock:
            for run in self._runs.values():
                if not run.is_over:
                    run.process.kill()
                    run.process.wait()
            self._runs.clear()
        self._root.close()
