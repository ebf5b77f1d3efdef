"""Pictures of a line's source without any output: for a look at decisions, and to be stored for training."""

from __future__ import annotations

import time
from collections.abc import Iterator

from edge_agent.errors import EdgeAgentError
from edge_agent.line.folder import FolderSource, read_part
from edge_agent.line.opening import open_source
from edge_agent.line.source import Part, SourceFailed
from edge_agent.line.tables import Line

_PATIENCE = 10.0


def some_parts(line: Line, count: int) -> Iterator[Part]:
    """Give up to `count` parts; files of a folder stay where they are.

    Raises:
        EdgeAgentError: the source gives none.
    """
    source = open_source(line)
    try:
        if isinstance(source, FolderSource):
            for path in source.waiting()[:count]:
                yield read_part(path)
            return
        end = time.monotonic() + _PATIENCE
        given, problem = 0, "no picture came"
        while given < count and not source.is_over():
            try:
                part = source.next(0.2)
            except SourceFailed as error:
                problem, part = str(error), None
            if part is not None:
                given, end = given + 1, time.monotonic() + _PATIENCE
                yield part
            elif time.monotonic() > end:
                raise EdgeAgentError(f"{problem}; waited {_PATIENCE:g} s")
    finally:
        source.close()
