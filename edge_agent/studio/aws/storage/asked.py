"""A request as the calls get it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from starlette.datastructures import Headers

from edge_agent.studio.aws.storage.body import Received
from edge_agent.studio.aws.storage.buckets import Buckets
from edge_agent.studio.aws.storage.objects import Objects


class Asked(NamedTuple):
    """What is asked, of which bucket and object, and what came with it."""

    buckets: Buckets
    bucket: str
    key: str
    query: dict[str, str]
    headers: Headers
    #: HEAD wants headers only
    has_body: bool = True
    #: the content of a call that is not an object's
    document: bytes = b""
    #: the content of an object, received into a file
    file: Path = Path()
    received: Received = Received(0, "", ())

    @property
    def objects(self) -> Objects:
        """The objects of the bucket; ServiceRefused where there is none."""
        return self.buckets.objects(self.bucket)
