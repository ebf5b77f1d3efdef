"""Pictures that others send, by HTTP or MQTT: each is a part."""

from __future__ import annotations

import time

from edge_agent.errors import InvalidRequest
from edge_agent.line.listening.http import HttpDoor
from edge_agent.line.listening.mqtt import MqttListener
from edge_agent.line.sources.decoding import decode
from edge_agent.line.sources.freezing import Freezing
from edge_agent.line.sources.inbox import Inbox
from edge_agent.line.sources.source import Answer, Part, SourceFailed, named
from edge_agent.line.tables.sources import HttpSource, MqttSource


class SentSource:
    """A door at which pictures come."""

    def __init__(self, table: HttpSource | MqttSource, line_name: str) -> None:
        self._table = table
        self._inbox = Inbox(table.queue)
        self._freezing = Freezing(table.frozen_frames)
        self._word = time.monotonic()
        self._listener: HttpDoor | MqttListener
        if isinstance(table, HttpSource):
            self._listener = HttpDoor(table, self._posted, table.most_mib << 20)
        else:
            self._listener = MqttListener(table, f"edge-agent-line-{line_name}", self._heard)

    def _posted(self, name: str, body: bytes, answer: Answer | None) -> None:
        part = Part(name or named("picture"), None, answer=answer, at=time.monotonic())
        if self._inbox.waiting() >= self._inbox.most:  # what has no room needs no decoding
            self._inbox.offer(part)
            return
        try:
            part = part._replace(pixels=decode(self._table, body))
        except InvalidRequest as error:
            part = part._replace(problem=str(error))
        self._inbox.offer(part)

    def _heard(self, topic: str, payload: bytes) -> None:
        assert isinstance(self._table, MqttSource)
        is_named = self._table.topic.endswith(("+", "#"))
        self._posted(topic.rpartition("/")[2] if is_named else "", payload, None)

    def next(self, seconds: float) -> Part | None:
        part = self._inbox.get(seconds)
        if part is not None:
            self._word = time.monotonic()
            if part.pixels is not None and (problem := self._freezing.problem(part.pixels)):
                part = part._replace(pixels=None, problem=f"the camera {problem}", camera="frozen")
            return part
        if self._listener.problem:
            raise SourceFailed(self._listener.problem)
        silent = time.monotonic() - self._word
        if 0 < self._table.silent_seconds < silent:
            raise SourceFailed(f"no picture has come for {silent:.0f} s")
        return None

    def left_out(self) -> list[Part]:
        return self._inbox.left_out()

    def is_over(self) -> bool:
        return False

    def done(self, part: Part, outcome: str) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        self._listener.close()
