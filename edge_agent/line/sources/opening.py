"""The source of a line, and its trigger."""

from __future__ import annotations

from edge_agent.line.sources.camera import Camera
from edge_agent.line.sources.inbox import Inbox
from edge_agent.line.sources.source import Source
from edge_agent.line.tables.sources import Folder, Frames, HttpSource, MqttSource, Pipeline, Segment, Video
from edge_agent.line.tables.whole import Line


def open_source(line: Line) -> Source:
    """Open what the line's tables `source` and `trigger` name."""
    table = line.source
    if isinstance(table, Folder):
        from edge_agent.line.sources.folder import FolderSource

        return FolderSource(table)
    if isinstance(table, HttpSource | MqttSource):
        from edge_agent.line.sources.sent import SentSource

        return SentSource(table, line.name)
    from edge_agent.line.sources.frames import FrameSource
    from edge_agent.line.triggers.opening import open_trigger

    inbox = Inbox(table.queue)
    return FrameSource(table, _camera(table), open_trigger(line, inbox), inbox, line.cycle)


def _camera(table: Frames) -> Camera:
    if isinstance(table, Video):
        from edge_agent.line.sources.video import VideoCamera

        return VideoCamera(table)
    if isinstance(table, Pipeline):
        from edge_agent.line.sources.gstreamer import PipelineCamera

        return PipelineCamera(table)
    if isinstance(table, Segment):
        from edge_agent.line.sources.segment import SegmentCamera

        return SegmentCamera(table)
    from edge_agent.line.sources.genicam import GenICamCamera
    from edge_agent.line.tables.sources import GenICam

    assert isinstance(table, GenICam)
    return GenICamCamera(table)
