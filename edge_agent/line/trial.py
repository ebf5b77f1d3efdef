"""Pictures of a line's source without any output: for a look at decisions, and to be stored for training."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal, NamedTuple

from edge_agent.errors import EdgeAgentError
from edge_agent.inference.decision import Outcome
from edge_agent.line.inspecting import Inspected, Inspector, NotInspected
from edge_agent.line.sources.folder import FolderSource, read_part
from edge_agent.line.sources.opening import open_source
from edge_agent.line.sources.source import Part, SourceFailed
from edge_agent.line.tables.whole import Line


class Tried(NamedTuple):
    """What would have been decided of a part; `seen` is None when it was not inspected."""

    part: str
    outcome: Outcome | Literal["failed"]
    reason: str
    seen: Inspected | None


def try_line(line: Line, count: int, patience: float) -> Iterator[Tried]:
    """Say what would be decided of up to `count` parts, without any output. The models are started if they may be.

    Raises:
        EdgeAgentError: a model does not run, or the source gives no part.
    """
    inspector = Inspector(line)
    try:
        if problem := inspector.ready():
            raise EdgeAgentError(problem)
        for part in some_parts(line, count, patience):
            try:
                seen = inspector.inspect(part)
            except NotInspected as error:
                yield Tried(part.name, "failed", str(error), None)
            else:
                yield Tried(part.name, seen.decision.outcome, seen.decision.reason, seen)
    finally:
        inspector.close()


def some_parts(line: Line, count: int, patience: float) -> Iterator[Part]:
    """Give up to `count` parts; files of a folder stay where they are.

    Between two parts at most `patience` seconds may pass.

    Raises:
        EdgeAgentError: the source gives none.
    """
    source = open_source(line)
    try:
        if isinstance(source, FolderSource):
            for path in source.waiting()[:count]:
                yield read_part(source.table, path)
            return
        end = time.monotonic() + patience
        given, problem = 0, "no picture came"
        while given < count and not source.is_over():
            try:
                part = source.next(0.2)
            except SourceFailed as error:
                problem, part = str(error), None
            if part is not None:
                given, end = given + 1, time.monotonic() + patience
                yield part
            elif time.monotonic() > end:
                raise EdgeAgentError(f"{problem}; waited {patience:g} s")
    finally:
        source.close()
