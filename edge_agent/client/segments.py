"""The two segments of a client's calls, one for the picture and one for its mask, as long as they can be relied on."""

from __future__ import annotations

from edge_agent.client.leftovers import remove_leftovers
from edge_agent.client.segment import OwnedSegment


class CallSegments:
    """Segments that are used again and again; made anew when they were removed, or the agent may still be at them."""

    def __init__(self) -> None:
        self._pair: tuple[OwnedSegment, OwnedSegment] | None = None

    @property
    def are_there(self) -> bool:
        """Whether both are still to be found by their names."""
        return self._pair is not None and all(segment.is_there for segment in self._pair)

    def of_size(self, size: int) -> tuple[OwnedSegment, OwnedSegment]:
        """Give the picture's and the mask's, of `size` bytes at least; NoSharedMemory when there is no room."""
        if not self.are_there:
            self.close()
            remove_leftovers()
            self._pair = OwnedSegment("bitmap"), OwnedSegment("mask")
        assert self._pair is not None
        if size:
            for segment in self._pair:
                segment.buffer(size)
        return self._pair

    def close(self) -> None:
        """Unlink them; the next call gets new ones. Closing twice is harmless."""
        if self._pair is not None:
            for segment in self._pair:
                segment.close()
            self._pair = None
