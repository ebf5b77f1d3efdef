"""Parts that wait for the model, as many as may, and those for which there was no room. For several threads."""

from __future__ import annotations

import queue
import threading

from edge_agent.line.sources.source import Part


class Inbox:
    """A bounded queue that forgets nobody."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._parts: queue.Queue[Part] = queue.Queue(most)
        self._left_out: list[Part] = []
        self._lock = threading.Lock()

    def put(self, part: Part, seconds: float = 0.0) -> bool:
        """Put a part into the queue; wait for room at most so long, and say whether there was some."""
        try:
            self._parts.put(part, timeout=max(seconds, 1e-3))
        except queue.Full:
            return False
        return True

    def offer(self, part: Part) -> None:
        """Put a part into the queue; it is too early where there is no room."""
        try:
            self._parts.put_nowait(part)
        except queue.Full:
            self.leave_out(early(part, self.most))

    def leave_out(self, part: Part) -> None:
        """Keep a part that can't be inspected until somebody asks."""
        with self._lock:
            self._left_out.append(part)

    def get(self, seconds: float) -> Part | None:
        """Wait for the next part, at most so long."""
        try:
            return self._parts.get(timeout=seconds) if seconds > 0 else self._parts.get_nowait()
        except queue.Empty:
            return None

    def left_out(self) -> list[Part]:
        """Take the parts that can't be inspected."""
        with self._lock:
            parts, self._left_out = self._left_out, []
        return parts

    def waiting(self) -> int:
        """Tell how many parts wait."""
        return self._parts.qsize()


def early(part: Part, most: int) -> Part:
    """Say of a part that there was no room for it."""
    waiting = "another was" if most == 1 else f"{most} others were"
    return part._replace(pixels=None, problem=f"it came while {waiting} waiting for the model", is_early=True)
