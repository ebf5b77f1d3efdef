"""The process that has the pins: it starts the one that inspects, and makes the pins safe when that falls silent.

silent for a cycle while it has a part, or for most of one while it has none, ended, killed, or says that it can't
inspect: safe at once
"""

from __future__ import annotations

import logging
import os
import select
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_agent.children.command import child_command
from edge_agent.line.metrics.counts import Counts
from edge_agent.line.outputs.encoder import Counter
from edge_agent.line.outputs.pins import Pins
from edge_agent.line.outputs.shown import Shown
from edge_agent.line.outputs.telling import line_folder
from edge_agent.line.tables.whole import Line
from edge_agent.line.words import Cause, Word, decode

if TYPE_CHECKING:
    from edge_agent.line.metrics.server import LineMetrics

log = logging.getLogger("edge_agent.line")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
#: after so long without a word the process is killed, and another takes its place
_HUNG_SECONDS = 30.0
_END_SECONDS = 10.0
#: of a cycle: how long a process without a part may be silent, whose words come four times a cycle
_IDLE = 0.75


class Supervisor:
    """One line's pins and its inspecting process."""

    def __init__(self, path: Path, line: Line, parts: int) -> None:
        self._path, self._line, self._parts = path, line, parts
        self._pins = Pins(line.pin)
        self._shown = Shown(self._pins, line_folder(line))
        self._encoder = Counter(line.encoder) if line.encoder is not None else None
        self._counts = Counts()
        #: there is a part that has not been decided
        self._has_part = False
        #: no decision came within the cycle; what comes still is for a part that has gone
        self._is_late = False
        self._hold_until = 0.0
        #: when the part came that is being inspected, seconds of the monotonic clock, and the encoder's position then
        self._part_came, self._part_at = 0.0, 0
        self._process: subprocess.Popen[bytes] | None = None
        self._metrics: LineMetrics | None = None

    def run(self) -> None:
        """Run the line until it ends by itself.

        Raises:
            AddressInUse, SettingsError: its metrics can't be served.
        """
        try:
            if self._line.metrics:
                from edge_agent.line.metrics.server import LineMetrics

                self._metrics = LineMetrics(self._line, self._counts, self._pins.broken)
            self._keep_running()
        finally:
            self._pins.close()
            self._shown.close()
            if self._encoder is not None:
                self._encoder.close()
            self._end()
            if self._metrics is not None:
                self._metrics.close()

    def _keep_running(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            self._pins.safe()
            began = time.monotonic()
            process = self._start()
            self._listen(process)
            self._has_part = False
            self._unable("the inspecting process has ended", "process")
            if (code := process.wait()) == 0:
                return
            if time.monotonic() - began > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            log.error("line '%s': the inspecting process ended with %d and is started again", self._line.name, code)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            self._counts.restarts += 1

    def _start(self) -> subprocess.Popen[bytes]:
        command = child_command("edge_agent.line.process", str(self._path), str(self._parts))
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Follow what the process says, until it closes its output."""
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        kept, last = b"", time.monotonic()
        while True:
            later = self._count()
            self._see_to_pins()
            pulses = self._encoder.files() if self._encoder is not None else []
            silent = time.monotonic() - last
            left = self._patience() - silent
            if left <= 0 and self._counts.is_able:
                self._fall_silent()
                continue
            if left <= 0:
                log.error("line '%s': the inspecting process hangs, and is killed", self._line.name)
                process.kill()
            wait = max(0.0, min(left, later if later is not None else left))
            if descriptor in select.select([descriptor, *pulses], [], [], wait)[0]:
                data = os.read(descriptor, 1 << 16)
                if not data:
                    return
                last = time.monotonic()
                *lines, kept = (kept + data).split(b"\n")
                for text in lines:
                    self._heed(text)

    def _patience(self) -> float:
        """Say how many seconds may go by without a word."""
        if not self._counts.is_able:
            return _HUNG_SECONDS
        return self._line.cycle * (1 if self._has_part else _IDLE)

    def _fall_silent(self) -> None:
        if self._has_part:
            self._unable(f"no decision within the cycle of {self._line.cycle_ms:g} ms", "late")
        else:
            self._unable("the inspecting process says nothing", "process")
        self._is_late = True

    def _count(self) -> float | None:
        """Set the pins that are due by now, in time and in pulses; return in how many seconds the next is."""
        if self._encoder is None:
            return self._pins.turn()
        self._encoder.open()
        later = self._pins.pulses(self._encoder.take())
        if self._encoder.problem and self._counts.is_able:
            self._unable(self._encoder.problem, "encoder")
        return later

    def _position(self, word: Word) -> int:
        """Say where the belt was when the part came."""
        if self._encoder is None:
            return 0
        self._count()
        return self._encoder.at(word.at or time.monotonic())

    def _decided(self, outcome: str) -> None:
        self._able()
        if not self._counts.is_able:  # encoder or pins are not well: all stay safe
            return
        if late := self._pins.outcome(outcome, self._part_at):
            why = f"a part was decided {late} pulses after its place"
            log.error("line '%s': %s", self._line.name, why)
            self._counts.late += 1
            self._fail(why, "late")

    def _fail(self, why: str, cause: Cause) -> None:
        self._unable(why, cause)
        self._hold_until = time.monotonic() + self._line.cycle  # as long as this part may still be here

    def _heed(self, text: bytes) -> None:
        try:
            word: Word = decode(text)
        except msgspec.DecodeError:
            return  # a library has printed something
        if word.what == "begun":
            self._is_late, self._has_part = False, True
            self._part_came, self._part_at = word.at, self._position(word)
        elif word.what == "able":
            if time.monotonic() >= self._hold_until:
                self._able()
        elif word.what == "unable":
            self._unable(word.text, word.cause)
        elif word.what in ("failed", "early"):
            self._counts.parts[word.what] += 1
            if word.what == "failed":
                self._has_part = False
                self._fail(word.text, "part")
            self._pins.mark(word.what, self._position(word))
        else:
            self._has_part = False
            self._counts.decided(word.what, self._part_came)
            if self._is_late:  # it would be given to another part
                self._counts.late += 1
            else:
                self._decided(word.what)

    def _able(self) -> None:
        if self._counts.is_able or (self._encoder is not None and self._encoder.problem):
            return
        if self._pins.broken():
            self._pins.safe()  # can they be set by now?
        if not self._pins.broken():
            self._counts.is_able = True
            self._pins.able()
            self._see_to_pins()

    def _see_to_pins(self) -> None:
        if self._counts.is_able and self._pins.broken():
            self._unable("a pin can't be set, so that nobody would reject what the line rejects", "output")

    def _unable(self, why: str, cause: Cause) -> None:
        was_able, self._counts.is_able = self._counts.is_able, False
        self._pins.safe()
        if was_able:
            self._counts.safe_states[cause] += 1
            log.warning("line '%s' is at its safe state: %s", self._line.name, why)

    def _end(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
