"""When a model that dies at its start, again and again in the same way, is not started any more."""

from __future__ import annotations

import re

from edge_agent.errors import LoadingFailed, WorkerDied

#: so many in a row are not bad luck
MOST = 5
#: what says that there was no memory, which may be there the next time; "static TLS" is no such shortage
_NO_MEMORY = re.compile(r"bad_alloc|MemoryError|[Oo]ut of memory|failed to map|[Cc]annot allocate memory(?! in static)|"
                        r"Unable to allocate|Failed to allocate memory|killed by SIGKILL")  # fmt: skip
_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+")


class Deaths:
    """Counts the deaths at the start of one component that are alike but for the numbers in what was said."""

    def __init__(self) -> None:
        self._alike, self._count = "", 0

    def add(self, error: Exception, cause: str) -> bool:
        """Note why a start has failed, and tell whether another try would end in the same way."""
        if not isinstance(error, WorkerDied | LoadingFailed) or _NO_MEMORY.search(cause):
            self.forget()
            return False
        alike = _NUMBER.sub("#", cause)
        self._count = self._count + 1 if alike == self._alike else 1
        self._alike = alike
        return self._count >= MOST

    def forget(self) -> None:
        """Begin anew: it has started, or something has changed."""
        self._alike, self._count = "", 0


def final(cause: str) -> str:
    """Say that this was the last of such deaths, and what would start the model again."""
    return f"{cause}; {MOST} starts in a row ended so, and it is not started again until StartModel or another version"
