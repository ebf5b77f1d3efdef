"""Pictures to the agent, over its socket and shared memory: a few clients, each for one picture at a time."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.client.client import Client
from edge_agent.client.detection import Detection
from edge_agent.errors import AgentUnreachable, InvalidRequest, ServiceRefused
from edge_agent.inference.imaging.picture import read_examined
from edge_agent.inference.imaging.picture_file import examine
from edge_agent.inference.imaging.resize import U8

#: what is in the engine, what is at hand, and what is decoded meanwhile; more would only wait elsewhere
_CLIENTS = 6
MOST_BYTES = 4 << 20
LEAST_SIDE, MOST_SIDE = 64, 4096
_TYPES = {"image/jpeg": "JPEG", "image/png": "PNG"}


class Detectors:
    """Clients of the agent, lent to whoever has a picture."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._free: queue.LifoQueue[Client | None] = queue.LifoQueue()
        for _ in range(_CLIENTS):
            self._free.put(None)

    def detect(self, model: str, content: bytes, media_type: str) -> Detection:
        """Inspect a picture in a file's format.

        Raises:
            ServiceRefused: it is no JPEG or PNG of the service's limits.
            AgentUnreachable, CallFailed: as `Client.detect`.
        """
        picture = decode(content, media_type)
        with self._lent() as client:
            return client.detect(model, picture)

    @contextmanager
    def _lent(self) -> Iterator[Client]:
        client = self._free.get()
        try:
            if client is None:
                client = Client(self._socket)
            yield client
        except AgentUnreachable:
            if client is not None:  # the next picture tries with a new one
                client.close()
            client = None
            raise
        finally:
            self._free.put(client)

    def close(self) -> None:
        """Close the clients."""
        for _ in range(_CLIENTS):
            client = self._free.get()
            if client is not None:
                client.close()


def decode(content: bytes, media_type: str) -> U8:
    """Decode a picture as all commands do, turned as its EXIF orientation says: uint8 [height, width, 3] in RGB.

    Raises:
        ServiceRefused: it is too large or too small, damaged, or not of the type that is said.
    """
    wanted = _TYPES.get(media_type.partition(";")[0].strip().lower())
    if wanted is None:
        raise _invalid(f"content-type must be one of the following. image/jpeg, image/png; it is {media_type[:60]!r}")
    if len(content) > MOST_BYTES:
        raise _invalid(f"the picture has {len(content)} bytes, expected {MOST_BYTES} (4 MB) at most")
    descriptor = os.memfd_create("picture", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        path = Path(f"/proc/self/fd/{descriptor}")
        try:
            found = examine(path)
            if found.format != wanted:
                raise _invalid(f"the picture is {found.format}, content-type says {media_type[:60]}")
            width, height = found.shown
            if min(width, height) < LEAST_SIDE or max(width, height) > MOST_SIDE:
                raise _invalid(
                    f"the picture is {width}x{height} pixels, expected {LEAST_SIDE} to {MOST_SIDE} of width and height"
                )
            return read_examined(found)
        except InvalidRequest as error:
            raise _invalid(str(error).replace(str(path), "the picture")) from None
    finally:
        os.close(descriptor)


def _invalid(text: str) -> ServiceRefused:
    return ServiceRefused("ValidationException", text)
