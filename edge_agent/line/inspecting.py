"""From a part to what is done with it: steps, the model over the agent's socket, rules."""

from __future__ import annotations

import time
from typing import NamedTuple

from edge_agent.client.client import Client
from edge_agent.client.detection import U8, Detection
from edge_agent.errors import EdgeAgentError
from edge_agent.inference.decision import Decision, decide
from edge_agent.line.sources.source import Part
from edge_agent.line.steps.apply import apply
from edge_agent.line.tables.whole import Line


class Inspected(NamedTuple):
    """A part that was inspected."""

    #: as the model saw it
    picture: U8
    detection: Detection
    decision: Decision
    milliseconds: float


class NotInspected(Exception):
    """There is no verdict for this part; the text says why."""


class Inspector:
    """The model of a line, and its rules."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._client = Client(line.socket, timeout=line.cycle)
        self._asked_to_start = False

    def problem(self) -> str:
        """Say why no part can be inspected now; "" when one can. A model that has been stopped is started once."""
        name = self._line.model.name
        try:
            info = self._client.describe(name)
            if info.status == "STOPPED" and self._line.model.start and not self._asked_to_start:
                self._asked_to_start = True
                info = self._client.start(name, wait=False)
        except EdgeAgentError as error:
            self._asked_to_start = False
            return str(error)
        if info.status == "RUNNING":
            return ""
        return f"model '{name}' is {info.status}" + (f": {info.message}" if info.message else "")

    def ready(self) -> str:
        """Wait until the model runs, if it may be started; say why it does not."""
        if self._line.model.start:
            try:
                self._client.start(self._line.model.name)
            except EdgeAgentError as error:
                return str(error)
        return self.problem()

    def inspect(self, part: Part) -> Inspected:
        """Inspect a part.

        Raises:
            NotInspected: there is no picture, it is black, a step does not fit it, or the agent gave no answer.
        """
        if part.pixels is None:
            raise NotInspected(part.problem)
        if int(part.pixels.max(initial=0)) < self._line.black:
            raise NotInspected(f"the picture is black: no value reaches {self._line.black}")
        begun = time.perf_counter()
        try:
            picture = apply(self._line.step, part.pixels)
            detection = self._client.detect(self._line.model.name, picture)
        except EdgeAgentError as error:
            raise NotInspected(str(error)) from None
        decision = decide(detection, self._line.rule)
        return Inspected(picture, detection, decision, (time.perf_counter() - begun) * 1000)

    def close(self) -> None:
        """Let go of the agent."""
        self._client.close()
