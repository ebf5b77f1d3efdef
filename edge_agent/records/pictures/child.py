"""The daemon's side of kept pictures: a process that it starts and does not talk to; the workers do."""

from __future__ import annotations

import msgspec

from edge_agent.records.child import Child
from edge_agent.records.options import PicturesOptions


def picture_keeper(options: PicturesOptions) -> Child:
    """Make the process that keeps pictures, not yet started."""
    argument = msgspec.json.encode(options).decode()
    return Child("edge_agent.records.pictures.process", "the process that keeps pictures", argument)
