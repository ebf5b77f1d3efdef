"""Segments of clients that were killed, which stay in the device's memory until somebody removes them."""

from __future__ import annotations

from collections.abc import Iterator

from edge_agent.client.leftovers import find_leftovers, remove_leftovers
from edge_agent.device.doctor.finding import Finding, Verdict
from edge_agent.inference.imaging.segment import SHM_DIR

_MIB = 1 << 20


def remove_left_segments() -> Iterator[Finding]:
    """Remove those that this user may remove, and say what is left."""
    gone = remove_leftovers()
    if gone:
        size = sum(segment.size for segment in gone) / _MIB
        yield Finding(Verdict.OK, "segments", f"{len(gone)} segments of killed clients ({size:.1f} MiB) are removed")
    left = find_leftovers()
    if left:
        size = sum(segment.size for segment in left) / _MIB
        found = f"{SHM_DIR} has {len(left)} segments ({size:.1f} MiB) of other users' clients that were killed"
        yield Finding(Verdict.NOTE, "segments", found, "sudo edge-agent doctor removes them")
