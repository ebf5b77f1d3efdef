"""From verdicts to senders: each rule's events go into the outbox, and a thread for each rule sends them."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_agent.records.condition.notice import Notice
from edge_agent.records.events.delivery import Delivery
from edge_agent.records.events.event import payload_of, payload_of_notice
from edge_agent.records.events.line import EventLine
from edge_agent.records.events.outbox import FILE_NAME, Outbox
from edge_agent.records.events.rules import AnyRule
from edge_agent.records.events.sender import sender_of
from edge_agent.records.record import Record
from edge_agent.records.store.damage import is_damage, set_aside

log = logging.getLogger("edge_agent.events")

#: longer than a digital output's longest pulse and pause
_END_SECONDS = 3.0
_RETRY_SECONDS = 30.0
_LOOK_SECONDS = 1.0


class Post:
    """All rules at work."""

    def __init__(self, folder: Path, rules: Sequence[AnyRule], device: str) -> None:
        """Open the outbox and begin to send what it has; later, when that can't be done now."""
        self._folder, self._rules, self._device = folder, rules, device
        self._outbox: Outbox | None = None
        self._open_at = 0.0
        self._ending = threading.Event()
        self._is_dropping = self._is_losing = self._is_away = False
        self._lost: Counter[str] = Counter()  # by rule: the outbox could not take them
        self._look_at = 0.0
        self._lines = tuple(EventLine(rule.name) for rule in self._rules)
        self._deliveries: list[Delivery] = []
        self._open()

    def _open(self) -> None:
        if not self._rules or time.monotonic() < self._open_at:
            return
        try:
            try:
                outbox = self._outbox = Outbox(self._folder, self._rules)
            except sqlite3.Error as error:
                if not self._is_set_aside(error):
                    raise
                outbox = self._outbox = Outbox(self._folder, self._rules)
        except (sqlite3.Error, OSError) as error:
            log.warning("the outbox can't be opened, events are lost: %s", error)
            self._open_at = time.monotonic() + _RETRY_SECONDS
            return
        self._deliveries = [
            Delivery(rule, outbox, sender_of(rule, self._device, self._folder), self._ending.wait)
            for rule in self._rules
        ]

    @property
    def is_used(self) -> bool:
        """Whether anybody is to be told of anything."""
        return bool(self._rules)

    def tell(self, notices: Sequence[Notice]) -> None:
        """Put what is told of cameras and scores into the outbox."""
        payloads: dict[str, list[bytes]] = defaultdict(list)
        for notice in notices:
            for rule in self._rules:
                if rule.wants_notice(notice):
                    payloads[rule.name].append(payload_of_notice(notice, self._device))
        self.put(payloads)

    def take(self, records: Sequence[Record]) -> None:
        """Put what is told of verdicts into the outbox."""
        payloads: dict[str, list[bytes]] = defaultdict(list)
        for record in records:
            payload = b""
            for rule in self._rules:
                if rule.wants(record):
                    payload = payload or payload_of(record, self._device)
                    payloads[rule.name].append(payload)
        self.put(payloads)

    def put(self, payloads: dict[str, list[bytes]]) -> None:
        """Put events into the outbox, by rule; what does not get there is counted."""
        if not payloads:
            return
        if self._outbox is None:
            self._open()
        if self._outbox is None:
            self._lose(payloads)
            return
        self._look()
        try:
            dropped = self._outbox.put(payloads)
        except sqlite3.Error as error:
            if self._is_set_aside(error):
                self._look_at = 0.0  # the next events find a new one
            if not self._is_losing:
                log.warning("events are lost: the outbox can't be written: %s", error)
            self._is_losing = True
            self._lose(payloads)
            return
        if self._is_losing:
            log.warning("the outbox is written again; %d events were lost", self._lost.total())
            self._is_losing = False
        if dropped and not self._is_dropping:
            log.warning("events are dropped: more wait than the rule's `most`")
        self._is_dropping = bool(dropped)

    def _look(self) -> None:
        """See once a second whether the outbox is still where it was, and how its lines stand."""
        if self._outbox is None or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_SECONDS
        try:
            if (taken := self._outbox.renew()) is not None:
                log.warning("outbox.db has gone: a new one is begun, %d events that waited are in it", taken)
        except (sqlite3.Error, OSError) as error:
            if not self._is_away:
                log.warning("outbox.db has gone, and a new one can't be made: %s; events wait in the old one", error)
            self._is_away = True
        else:
            self._is_away = False
        try:
            self._lines = self._outbox.lines(self._lost)
        except sqlite3.Error as error:  # the disk may have gone: then what was seen last
            self._is_set_aside(error)

    def _is_set_aside(self, error: sqlite3.Error) -> bool:
        """Put the outbox's file out of the way when an error says that it is damaged; tell whether it was."""
        path = self._folder / FILE_NAME
        if not is_damage(error) or not path.exists():
            return False
        log.warning("the outbox is damaged, and what waited in it may be lost: %s%s", error, set_aside(path))
        return not path.exists()

    def _lose(self, payloads: Mapping[str, list[bytes]]) -> None:
        for name, told in payloads.items():
            self._lost[name] += len(told)

    def lines(self) -> tuple[EventLine, ...]:
        """Tell how the rules' lines stand; looked at anew every second."""
        if self._outbox is None:
            self._lines = tuple(EventLine(rule.name, dropped=self._lost[rule.name]) for rule in self._rules)
        else:
            self._look()
        return self._lines

    def close(self) -> None:
        """End the threads, after what they are sending; what has not been sent is sent the next time."""
        for delivery in self._deliveries:
            delivery.end()
        self._ending.set()
        if self._outbox is not None:
            self._outbox.wake()
            for delivery in self._deliveries:
                delivery.join(_END_SECONDS)
            self._outbox.close()
