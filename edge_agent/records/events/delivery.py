"""A thread for each rule, which sends its events in order, and again what was not taken. None waits for another."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from edge_agent.access.rights import describe_refusal
from edge_agent.records.events.event import Event
from edge_agent.records.events.outbox import Outbox
from edge_agent.records.events.rules import Rule
from edge_agent.records.events.sender import Sender, SendFailed

log = logging.getLogger("edge_agent.events")

_IDLE_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 30.0


class Delivery:
    """One rule's thread."""

    def __init__(
        self,
        rule: Rule,
        outbox: Outbox,
        sender: Sender,
        pause: Callable[[float], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`pause` waits for so many seconds, or until the end; `clock` tells how old an event is."""
        self._rule, self._outbox, self._sender = rule, outbox, sender
        self._pause, self._clock = pause, clock
        self._problem: str | None = None  # not known: the outbox may have one of a process before this one
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=rule.name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._ending.is_set():
            try:
                events = self._outbox.next(self._rule.name, self._rule.at_once)
                if events:
                    late = self._late(events)
                    if late < len(events):
                        self._sender.send(events[late:])
                    self._outbox.done(self._rule.name, events, late=late)
                else:
                    self._sender.idle()
                self._tell("")
                pause = _FIRST_PAUSE
                if not events:
                    self._outbox.wait(self._rule.name, _IDLE_SECONDS)
                continue
            except (SendFailed, OSError, sqlite3.Error) as error:
                self._tell(_words(error))
            except Exception as error:  # a defect must not end this rule's sending for the rest of the process's life
                log.exception("event '%s'", self._rule.name)
                self._tell(f"a defect: {type(error).__name__}")
            self._outbox.count_failure(self._rule.name)
            self._sender.close()
            self._pause(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._sender.close()

    def _late(self, events: list[Event]) -> int:
        """Count the first events that are too old to be of use."""
        if not self._rule.late_seconds:
            return 0
        oldest = self._clock() - self._rule.late_seconds
        return next((number for number, event in enumerate(events) if event.at >= oldest), len(events))

    def _tell(self, problem: str) -> None:
        if problem == self._problem:
            return
        if problem:
            log.warning("event '%s' can't be sent: %s; it is tried again", self._rule.name, problem)
        elif self._problem:
            log.warning("event '%s' is sent again", self._rule.name)
        self._problem = problem
        try:
            self._outbox.tell_problem(self._rule.name, problem)
        except sqlite3.Error as error:
            log.warning("the outbox can't be written: %s", error)

    def end(self) -> None:
        """Ask the thread to end, after what it is sending."""
        self._ending.set()

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        self._thread.join(seconds)


def _words(error: Exception) -> str:
    """Say what went wrong, and with which file: in a line for a terminal, whatever the other side has answered."""
    words = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        said = describe_refusal(error)
        words = f"{error.filename}: {said}" if error.filename else said
    return "".join(letter if letter.isprintable() else "?" for letter in words)
