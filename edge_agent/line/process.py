"""The process that inspects: `process.py FILE PARTS`. Its output is words for the supervisor, who has the pins.

When the supervisor is killed, its end of our standard input closes: the pins are then made safe here, whatever else was
going on.
"""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from edge_agent.errors import EdgeAgentError
from edge_agent.line.inspecting import Inspected, Inspector, NotInspected
from edge_agent.line.outputs.pins import Pins
from edge_agent.line.outputs.telling import Telling, line_folder
from edge_agent.line.reading import read_line
from edge_agent.line.showing import show
from edge_agent.line.sources.opening import open_source
from edge_agent.line.sources.source import Part, SourceFailed
from edge_agent.line.status import LastPart, Status
from edge_agent.line.tables.whole import Line
from edge_agent.line.words import Word, encode
from edge_agent.logs import log_to_stderr

log = logging.getLogger("edge_agent.line")

_STATUS_SECONDS = 1.0
#: words come this often within a cycle
_WORDS = 4
_LOOK_SECONDS = 0.5
#: the first pause between two reasons in the log, for the same time without inspecting
_LOG_SECONDS = 2.0
#: how often a killed supervisor's pins are asked for, taken back by the kernel or not, and seconds between
_TRIES, _PAUSE = 100, 0.02


class Runner:
    """A line at work."""

    def __init__(self, path: Path, line: Line, parts: int) -> None:
        self._line, self._parts = line, parts
        self._source = open_source(line)
        self._inspector = Inspector(line)
        self._telling = Telling(line)
        self._status, self._folder = Status.of(path, line), line_folder(line)
        self._status.goes_on(self._folder)
        #: what was inspected since the last picture was shown
        self._to_show: Inspected | None = None
        self._write_at = self._look_at = self._log_at = 0.0
        self._log_pause = _LOG_SECONDS
        self._problem: str | None = None
        self._was_able = False
        self._source_problem = ""
        #: what the source gave when it was asked whether it is there
        self._first: Part | None = None
        self._ending = False

    def end(self, *_: object) -> None:
        """Finish the part that is being inspected, and end."""
        self._ending = True

    def run(self) -> None:
        """Inspect until the end, or until so many parts are decided."""
        done = 0
        while not self._ending and not (self._parts and done >= self._parts) and not self._source.is_over():
            self._look()
            part = self._next()
            done += self._leave_out()
            if part is not None:
                self._decide(part)
                done += 1
            self._write_now_and_then()
        self._leave_out()
        if self._source_problem:
            raise EdgeAgentError(self._source_problem)

    @property
    def _pause(self) -> float:
        return min(self._line.cycle / _WORDS, _LOOK_SECONDS)

    def _next(self) -> Part | None:
        """Wait for a part; None also when the source has failed, which is said."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if not self._was_able and not self._source_problem:
            time.sleep(self._pause)  # the model is starting: parts wait where they are
            return None
        return self._ask_source()

    def _ask_source(self) -> Part | None:
        try:
            part = self._source.next(self._pause)
        except SourceFailed as error:
            if not self._source_problem:
                self._status.source_failures += 1
            self._source_problem, self._status.camera = str(error), error.camera
            self._say_state(self._source_problem)
            if not self._source.is_over():
                time.sleep(self._pause)
            return None
        if self._source_problem:
            self._source_problem, self._look_at = "", 0.0
            self._status.source_reconnects += 1
            self._status.camera = "well"
        return part

    def _look(self) -> None:
        """Say whether the line can inspect, at least several times a cycle."""
        now = time.monotonic()
        if not self._source_problem and now >= self._look_at:
            self._look_at = now + self._pause
            problem = self._inspector.problem()
            if not problem and not self._was_able:
                # Nobody has asked the source yet: a part that is announced before it listens would be missed.
                self._first = self._ask_source()
            if not self._source_problem:
                self._say_state(problem)
        elif self._source_problem:
            self._say_state(self._source_problem)

    def _write_now_and_then(self) -> None:
        """Write the status after a part, or when there is none: no part waits for that."""
        if time.monotonic() >= self._write_at:
            self._write_at = time.monotonic() + _STATUS_SECONDS
            self._write()

    def _say_state(self, problem: str) -> None:
        _say(Word("unable", problem, "source" if self._source_problem else "agent") if problem else Word("able"))
        if problem == self._problem:
            return
        if problem:
            self._log_problem(problem)
        # What a model says while it starts changes often; who is told wants to know that it can't inspect.
        if problem and not self._problem:
            self._telling.state(False, problem)
        elif not problem:
            self._was_able, self._log_at, self._log_pause = True, 0.0, _LOG_SECONDS
            log.info("line '%s' can inspect", self._line.name)
            self._telling.state(True, "")
        self._problem = problem
        self._status.able, self._status.problem = not problem, problem
        self._write()

    def _log_problem(self, problem: str) -> None:
        """Say why the line can't inspect, and another reason too, but less and less often until it can."""
        now = time.monotonic()
        if now >= self._log_at:
            self._log_at, self._log_pause = now + self._log_pause, 2 * self._log_pause
            log.warning("line '%s' can't inspect: %s", self._line.name, problem)

    def _decide(self, part: Part) -> None:
        part = part if part.at else part._replace(at=time.monotonic())
        _say(Word("begun", at=part.at))
        try:
            found = self._inspector.inspect(part)
        except NotInspected as error:
            self._status.camera = error.camera
            self._fail(part, str(error))
            outcome = "failed"
        else:
            outcome = found.decision.outcome
            _say(Word(outcome))
            said = self._telling.part(part.name, found)
            _answer(part, said)
            self._count(part, found)
            if not self._problem:  # a verdict says as much as asking the agent would, which takes time from parts
                self._look_at = time.monotonic() + min(self._line.cycle / _WORDS, _LOOK_SECONDS)
        self._source.done(part, outcome)

    def _count(self, part: Part, found: Inspected) -> None:
        decision, detection, status = found.decision, found.detection, self._status
        took = (time.monotonic() - part.at) * 1000
        verdict = "anomalous" if detection.is_anomalous else "normal"
        status.decided(
            LastPart(part.name, decision.outcome, decision.reason, time.time(), took, detection.score, verdict)
        )
        status.camera = "well"
        if self._line.show_picture:
            self._to_show = found

    def _leave_out(self) -> int:
        """Say of each part that can't be inspected why, and count it; return how many failed."""
        failed = 0
        for part in self._source.left_out():
            if not part.is_early:
                self._fail(part, part.problem)
                failed += 1
                continue
            _say(Word("early", at=part.at))
            log.warning("part %s was not inspected: %s", part.name, part.problem)
            _answer(part, self._telling.not_inspected(part.name, "early", part.problem))
            self._not_inspected(part, "early", part.problem)
        return failed

    def _fail(self, part: Part, why: str) -> None:
        _say(Word("failed", why, at=part.at))
        log.warning("part %s was not inspected: %s", part.name, why)
        _answer(part, self._telling.not_inspected(part.name, "failed", why))
        self._not_inspected(part, "failed", why)
        self._look_at = 0.0

    def _not_inspected(self, part: Part, outcome: str, why: str) -> None:
        took = (time.monotonic() - part.at) * 1000 if part.at else 0.0
        self._status.decided(LastPart(part.name, outcome, why, time.time(), took))

    def _write(self) -> None:
        try:
            if self._to_show is not None:
                show(self._to_show, self._folder)
                self._to_show, self._status.picture = None, True
            self._status.write(self._folder)
        except OSError as error:
            log.warning("the status can't be written: %s", error)

    def close(self) -> None:
        """Let go of everything."""
        self._status.able, self._status.problem = False, "not running"
        self._write()
        self._source.close()
        self._inspector.close()
        self._telling.close()


def _answer(part: Part, said: Mapping[str, object]) -> None:
    if part.answer is not None:
        part.answer(said)


class _Deserted(Exception):
    """The supervisor has closed its end of our output, as it does when it is killed."""


def _say(word: Word) -> None:
    try:
        sys.stdout.buffer.write(encode(word) + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise _Deserted from None


def _watch(line: Line) -> None:
    """Make the pins safe when the supervisor has been killed."""
    while os.read(0, 1 << 12):
        pass
    pins = Pins(line.pin)
    for _ in range(_TRIES):
        pins.safe()
        if not pins.broken():
            break
        time.sleep(_PAUSE)
    pins.close()
    if pins.broken():
        log.critical(
            "line '%s': %d of its pins can't be made safe, and its supervisor has ended", line.name, pins.broken()
        )
    else:
        log.error("line '%s' is at its safe state: its supervisor has ended", line.name)
    os._exit(1)


def main() -> None:
    """Entry point of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the supervisor too
    log_to_stderr("info")
    try:
        path = Path(sys.argv[1])
        line = read_line(path)
        watching = threading.Thread(target=_watch, args=(line,), daemon=True)
        watching.start()
        runner = Runner(path, line, int(sys.argv[2]))
        signal.signal(signal.SIGTERM, runner.end)
        try:
            runner.run()
        except _Deserted:
            log.error("line '%s': its supervisor listens no more", line.name)
            watching.join()  # which ends the process, and not before the pins are safe
        finally:
            runner.close()
    except (EdgeAgentError, OSError, sqlite3.Error) as error:
        sys.exit(f"edge-agent: {error}")
