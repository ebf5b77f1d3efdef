"""A worker's mappings of the segments that clients use again and again.

A mapping spares a copy of the picture and the kernel's work for each page; making one costs more than that, so a
segment is mapped when it has been used a few times, and as long as it goes on to be used. Every call opens its segments
all the same: a mapping is used only for the file that the name leads to now, and that this client may open. One whose
file has been unlinked would keep its memory: it is given up in about a second.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from edge_agent.inference.imaging.bitmap import Place
from edge_agent.inference.imaging.guarded import GuardedMapping
from edge_agent.inference.imaging.segment import OpenSegment, identify, path_of

#: from this use on
_ENOUGH_USES = 3
_KEEP_SECONDS = 2.0  # after the last use
#: between two looks at what is mapped
SWEEP_SECONDS = 1.0
#: mappings at the most, and bytes; a client has two
_MOST, _MOST_BYTES = 256, 1 << 30
_MOST_SEEN = 1024

#: device, inode, offset, size, whether it is written
_Key = tuple[int, int, int, int, bool]


@dataclass(slots=True)
class _Standing:
    mapping: GuardedMapping
    name: str
    used: float


class StandingSegments:
    """Segments that stay mapped. Used by one thread."""

    def __init__(self) -> None:
        self._standing: dict[_Key, _Standing] = {}
        self._seen: dict[_Key, int] = {}
        self._bytes = 0
        self._sweep_at = 0.0

    def __len__(self) -> int:
        return len(self._standing)

    def find(self, segment: OpenSegment, place: Place, *, write: bool) -> GuardedMapping | None:
        """Give the mapping of an open segment's range; None where there is none, or none that is whole."""
        key = (segment.device, segment.inode, place.offset, place.size, write)
        standing = self._standing.get(key)
        if standing is None:
            return self._map(key, segment, place)
        if standing.mapping.is_lost:
            self._drop(key)
            return None
        standing.used = time.monotonic()
        return standing.mapping

    def _map(self, key: _Key, segment: OpenSegment, place: Place) -> GuardedMapping | None:
        uses = self._seen[key] = self._seen.get(key, 0) + 1
        if len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        if uses < _ENOUGH_USES or len(self._standing) >= _MOST or self._bytes + place.size > _MOST_BYTES:
            return None
        try:
            mapping = GuardedMapping(segment.descriptor, place.offset, place.size, write=key[-1])
        except OSError:  # no file descriptor is left, say: it is tried again after as many uses
            self._seen[key] = 0
            return None
        del self._seen[key]
        self._standing[key] = _Standing(mapping, place.name, time.monotonic())
        self._bytes += mapping.size
        return mapping

    def sweep(self) -> None:
        """Give up what is not used, or not there, any more; a look at the clock, most times."""
        now = time.monotonic()
        if not self._standing or now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_SECONDS
        for key, standing in list(self._standing.items()):
            if now - standing.used > _KEEP_SECONDS or standing.mapping.is_lost or not _is_there(key, standing.name):
                self._drop(key)

    def _drop(self, key: _Key) -> None:
        mapping = self._standing.pop(key).mapping
        self._bytes -= mapping.size
        mapping.close()


def _is_there(key: _Key, name: str) -> bool:
    try:
        return identify(os.lstat(path_of(name))) == key[:2]
    except OSError:
        return False
