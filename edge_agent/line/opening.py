"""The source of a line."""

from __future__ import annotations

from edge_agent.line.source import Source
from edge_agent.line.tables import Folder, Line


def open_source(line: Line) -> Source:
    """Open what the line's table `source` names."""
    if isinstance(line.source, Folder):
        from edge_agent.line.folder import FolderSource

        return FolderSource(line.source)
    from edge_agent.line.video import VideoSource

    return VideoSource(line.source)
