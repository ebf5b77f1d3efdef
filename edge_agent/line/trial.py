"""Pictures of a line's source without any output: for a look at decisions, and to be stored for training."""

from __future__ import annotations

import time
from collections.abc import Iterator

from edge_agent.errors import EdgeAgentError
from edge_agent.line.sources.folder import FolderSource, read_part
from edge_agent.line.sources.opening import open_source
from edge_agent.line.sources.source import Part, SourceFailed
from edge_agent.line.tables.whole import Line


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
