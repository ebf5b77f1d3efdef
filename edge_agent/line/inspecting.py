"""From a part to what is done with it: steps, the models over the agent's socket, rules."""

from __future__ import annotations

import time
from typing import NamedTuple

from edge_agent.client.client import Client
from edge_agent.client.detection import U8, Detection
from edge_agent.errors import EdgeAgentError
from edge_agent.inference.decision import Decision, decide
from edge_agent.line.joining import Seen, join
from edge_agent.line.sources.source import Part
from edge_agent.line.status import CameraState
from edge_agent.line.steps.apply import apply
from edge_agent.line.tables.models import Model
from edge_agent.line.tables.whole import Line
from edge_agent.line.views import View, views


class Inspected(NamedTuple):
    """A part that was inspected."""

    #: as the steps have made it
    picture: U8
    detection: Detection
    #: each model's own, where there are several
    models: tuple[tuple[str, Detection], ...]
    decision: Decision
    milliseconds: float


class NotInspected(Exception):
    """There is no verdict for this part; the text says why."""

    def __init__(self, text: str, camera: CameraState = "well") -> None:
        super().__init__(text)
        self.camera = camera


class Inspector:
    """The models of a line, and its rules."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._client = Client(line.socket, timeout=line.cycle)
        self._asked_to_start: set[str] = set()

    def problem(self) -> str:
        """Say why no part can be inspected now; "" when one can. A model that has been stopped is started once."""
        for model in {model.name: model for model in self._line.model}.values():
            if problem := self._problem(model):
                return problem
        return ""

    def _problem(self, model: Model) -> str:
        name = model.name
        try:
            info = self._client.describe(name)
            if info.status == "STOPPED" and model.start and name not in self._asked_to_start:
                self._asked_to_start.add(name)
                info = self._client.start(name, wait=False)
        except EdgeAgentError as error:
            self._asked_to_start.discard(name)
            return str(error)
        if info.status == "RUNNING":
            return ""
        return f"model '{name}' is {info.status}" + (f": {info.message}" if info.message else "")

    def ready(self) -> str:
        """Wait until the models run, if they may be started; say why they do not."""
        for model in self._line.model:
            if model.start:
                try:
                    self._client.start(model.name)
                except EdgeAgentError as error:
                    return str(error)
        return self.problem()

    def inspect(self, part: Part) -> Inspected:
        """Inspect a part.

        Raises:
            NotInspected: there is no picture, it is black, a step does not fit it, or the agent gave no answer.
        """
        if part.pixels is None:
            raise NotInspected(part.problem, part.camera)
        if int(part.pixels.max(initial=0)) < self._line.black:
            raise NotInspected(f"the picture is black: no value reaches {self._line.black}", "dark")
        begun = time.perf_counter()
        models = self._line.model
        try:
            picture = apply(self._line.step, part.pixels)
            looks = views(models, picture)
            seen = [self._look(view, len(looks), begun) for view in looks]
        except EdgeAgentError as error:
            raise NotInspected(str(error)) from None
        detection, each = join(seen, picture.shape[:2], self._line.join)
        decision = decide(detection, self._line.rule)
        names = tuple((model.name, one) for model, one in zip(models, each, strict=True)) if len(models) > 1 else ()
        return Inspected(picture, detection, names, decision, (time.perf_counter() - begun) * 1000)

    def _look(self, view: View, of: int, begun: float) -> Seen:
        if of > 1 and time.perf_counter() - begun > self._line.cycle:  # each call by itself ends within the cycle
            raise NotInspected(f"the {of} looks at the picture take longer than the cycle, {self._line.cycle_ms:g} ms")
        return Seen(view, self._client.detect(self._line.model[view.model].name, view.pixels))

    def close(self) -> None:
        """Let go of the agent."""
        self._client.close()
