"""Frames of a camera; the trigger says which are parts. A thread reads: a camera that hangs holds up nothing."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy.typing as npt

from edge_agent.errors import InvalidRequest
from edge_agent.line.sources.camera import Camera
from edge_agent.line.sources.freezing import Freezing
from edge_agent.line.sources.inbox import Inbox
from edge_agent.line.sources.source import Part, SourceFailed
from edge_agent.line.tables.sources import Frames
from edge_agent.line.triggers.choosing import Choosing
from edge_agent.line.trying import Trying

_READ_SECONDS = 0.2


class FrameSource:
    """A file's frames wait for their turn; a camera's that don't fit are too early."""

    def __init__(self, table: Frames, camera: Camera, chosen: Choosing, inbox: Inbox, patience: float) -> None:
        """Begin to read. A part whose trigger gets no frame within `patience` seconds is left out."""
        self._table, self._camera, self._chosen, self._inbox = table, camera, chosen, inbox
        self._patience = patience
        self._freezing = Freezing(table.frozen_frames)
        self._is_frozen = self._has_tried = False
        self._word = time.monotonic()
        self._over = threading.Event()
        self._trying = Trying(self._work, camera.name)
        self._trying.start()

    def _work(self) -> None:
        self._is_frozen = False
        self._freezing.begin_again()
        try:
            self._camera.open()
            self._word = time.monotonic()
            if self._camera.is_asked or not self._table.silent_seconds:
                self._trying.well()  # it may be long until the first picture
            elif not self._has_tried:  # later the reason why it ended says more
                self._trying.problem = f"{self._camera.name} has given no picture yet"
            self._has_tried = True
            while not self._trying.ending.is_set():
                if self._camera.is_asked and not self._chosen.wait(_READ_SECONDS):
                    self._word = time.monotonic()
                    continue
                if (frame := self._camera.read(_READ_SECONDS)) is not None:
                    self._take(frame)
        finally:
            self._camera.close()
            if self._camera.is_file and not self._trying.ending.is_set():
                self._over.set()
                self._trying.ending.set()

    def _take(self, frame: npt.NDArray[Any]) -> None:
        self._word = time.monotonic()
        problem = self._freezing.problem(frame)
        self._is_frozen = bool(problem)
        if problem:
            self._trying.problem = f"{self._camera.name} {problem}"
            return
        self._trying.well()
        if (part := self._chosen.take(self._word)) is None:
            return
        try:
            part = part._replace(pixels=self._camera.to_rgb(frame))
        except InvalidRequest as error:
            part = part._replace(problem=str(error))
        if self._camera.is_file:
            while not self._inbox.put(part, _READ_SECONDS) and not self._trying.ending.is_set():
                pass
        else:
            self._inbox.offer(part)

    def next(self, seconds: float) -> Part | None:
        if (part := self._inbox.get(seconds)) is not None:
            return part
        if self._over.is_set():
            if self._trying.problem.endswith("can't be opened"):
                raise SourceFailed(self._trying.problem)
            return None
        if problem := self._trying.problem or self._chosen.problem:
            raise SourceFailed(problem, "frozen" if self._is_frozen else "gone")
        silent = time.monotonic() - self._word
        if 0 < self._table.silent_seconds < silent:
            raise SourceFailed(f"{self._camera.name} has given nothing for {silent:.0f} s")
        return None

    def left_out(self) -> list[Part]:
        for part in self._chosen.missed(time.monotonic() - self._patience):
            why = self._trying.problem or f"{self._camera.name} gave no picture"
            self._inbox.leave_out(part._replace(problem=f"no picture within the cycle: {why}"))
        return self._inbox.left_out()

    def is_over(self) -> bool:
        return self._over.is_set() and not self._inbox.waiting()

    def done(self, part: Part, outcome: str) -> None:
        """Frames are not kept."""

    def close(self) -> None:
        self._chosen.close()
        self._trying.close()
