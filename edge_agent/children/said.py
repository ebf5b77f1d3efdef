"""What a child process wrote to its standard error."""

from __future__ import annotations

import sys
import threading
from typing import IO

_CHUNK = 1 << 16
_END_SECONDS = 1.0  # a grandchild may hold the stream open for longer


def last_words(text: str) -> str:
    """Return the last line that says something: of a traceback, what went wrong."""
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    return lines[-1].removeprefix("edge-agent: ") if lines else ""


class Said:
    """Reads a child's standard error: kept while the child starts, passed on to our own afterwards."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._kept = bytearray()
        self._passes_on = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while chunk := self._stream.read1(_CHUNK):  # type: ignore[attr-defined]
            with self._lock:
                self._kept += chunk
                if self._passes_on:
                    self._flush()

    def pass_on(self) -> None:
        """Write what was kept, and from now on whatever comes, to this process's standard error."""
        with self._lock:
            self._passes_on = True
            self._flush()

    def _flush(self) -> None:
        text = self._kept.decode(errors="replace")
        self._kept.clear()
        sys.stderr.write(text)
        sys.stderr.flush()

    def close(self) -> str:
        """Read to the end, once the child has ended, and return what was kept."""
        self._thread.join(_END_SECONDS)
        with self._lock:
            return self._kept.decode(errors="replace")
