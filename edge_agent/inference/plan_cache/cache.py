"""Plans that were built on this device, kept for the next start: building one takes minutes.

    <folder>/<component name>/<digest of the key>/model.plan, plan.json, lock

Several processes, and several daemons, may share a folder. A plan is a program for the GPU: whoever may write the
folder decides what runs.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from edge_agent.component.artifacts import digest_file
from edge_agent.component.version import is_name
from edge_agent.errors import ComponentError
from edge_agent.inference.plan_cache.entry import Description, PlanEntry, PlanKey, entries_in
from edge_agent.inference.plan_cache.lock import EntryLock

__all__ = ["PlanCache", "PlanKey", "StoredPlan"]

log = logging.getLogger(__name__)

#: of an OSError of whoever builds: it could not write where it was told to
_CANT_WRITE = {
    errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPERM, errno.EROFS,
}  # fmt: skip


#: what was written and is not what is read, as a card that wears out has it, is built so many times
_ATTEMPTS = 3


class StoredPlan(NamedTuple):
    """A plan in the cache, for listing: it may be damaged, which shows when it is opened."""

    description: Description
    path: Path
    #: seconds since the epoch
    last_used: float


class PlanCache:
    """The plans in one folder, at most `max_bytes` of them beside those that are in use."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    @contextmanager
    def open(self, key: PlanKey, build: Callable[[Path], None]) -> Iterator[Path]:
        """Give the plan for a key, built if it is not there or not whole.

        As long as the context lasts, nobody removes the plan; leave it when the engine has read the file. When several
        ask for a plan that is not there, one builds it, and the others wait. Where it can't be kept, because the disk
        is full or the folder can't be written, there is a plan all the same, and a warning in the log.

        Args:
            key: what the plan is for.
            build: writes the plan to the path that it is given; it may be called a second time with another path.

        Raises:
            ComponentError: `build` wrote nothing. What `build` raises is passed on, and leaves nothing behind.
        """
        with ExitStack() as until_closed:
            yield self._find_or_build(key, build, until_closed)

    def entries(self) -> list[StoredPlan]:
        """List the plans by component, the last used first."""
        found = []
        for entry in entries_in(self._folder):
            description = entry.describe()
            if description is not None:
                found.append(StoredPlan(description, entry.plan, entry.last_used()))
        return sorted(found, key=lambda plan: (plan.description.key.component, -plan.last_used))

    def remove(self, component: str) -> int:
        """Remove the plans of a component, but not those in use; return how many are gone."""
        if not is_name(component):
            return 0
        return sum(entry.remove() for entry in entries_in(self._folder, component))

    def discard(self, key: PlanKey) -> bool:
        """Remove one plan, unless it is in use; tell whether it is gone."""
        entry = PlanEntry(self._folder / key.component / key.digest)
        return entry.describe() is not None and entry.remove()

    def _find_or_build(self, key: PlanKey, build: Callable[[Path], None], until_closed: ExitStack) -> Path:
        entry = PlanEntry(self._folder / key.component / key.digest)
        lock = until_closed.enter_context(EntryLock(entry.folder))
        try:
            for _ in range(_ATTEMPTS):
                if _is_there(entry, key, lock):
                    break
                _build(entry, key, build)
                self._evict(entry.folder)
            else:
                raise _CantKeep(OSError(errno.EIO, os.strerror(errno.EIO)))
        except _CantKeep as problem:
            if problem.is_built:  # it serves this once; until then nobody else has the lock
                until_closed.callback(_clear, entry)
                self._warn(key, problem)
                return entry.plan if entry.plan.exists() else entry.unfinished
            lock.close()
            if entry.is_whole(key):
                return entry.plan  # where everything may only be read
            self._warn(key, problem)
            return _build_in_memory(key, build, until_closed)
        entry.touch()
        return entry.plan

    def _evict(self, kept: Path) -> None:
        """Remove what was left unfinished, and the least recently used plans until the rest fits."""
        found = sorted(entries_in(self._folder), key=PlanEntry.last_used)
        sizes = {entry.folder: entry.size() for entry in found}
        total = sum(sizes.values())
        for entry in found:
            is_left_over = entry.describe() is None
            if entry.folder != kept and (total > self._max_bytes or is_left_over) and entry.remove():
                total -= sizes[entry.folder]

    def _warn(self, key: PlanKey, problem: _CantKeep) -> None:
        log.warning(
            "the plan of '%s' can't be kept in %s (%s), so it is built at each start",
            key.component,
            self._folder,
            problem.error.strerror,
        )


class _CantKeep(Exception):
    """The cache can't be written; what was built may be there all the same, without a name."""

    def __init__(self, error: OSError, *, is_built: bool = False) -> None:
        super().__init__(error)
        self.error = error
        self.is_built = is_built


def _is_there(entry: PlanEntry, key: PlanKey, lock: EntryLock) -> bool:
    """Hold the lock shared and tell that the plan is whole, or hold it exclusively and tell that it is not."""
    try:
        while True:
            if entry.describe() is not None or not lock.take(exclusive=True, wait=False):
                # Shared, so that all who wait for the one who builds go on together.
                if not lock.take(exclusive=False, wait=False):
                    log.info("waiting for the plan of '%s', which another process builds", key.component)
                    lock.take(exclusive=False, wait=True)
                if entry.is_whole(key):
                    return True
                lock.take(exclusive=True, wait=True)
            if not entry.is_whole(key):
                return False
            # Someone has built it meanwhile. It may be removed before the lock is shared, so look again.
    except OSError as error:
        raise _CantKeep(error) from None


def _build(entry: PlanEntry, key: PlanKey, build: Callable[[Path], None]) -> None:
    """Build a plan and publish it; the lock is held exclusively."""
    try:
        entry.clear()  # what is damaged, and what someone left who was killed
    except OSError as error:
        raise _CantKeep(error) from None
    begun = time.monotonic()
    try:
        build(entry.unfinished)
    except BaseException as error:
        _clear(entry)
        if isinstance(error, OSError) and error.errno in _CANT_WRITE:
            raise _CantKeep(error) from None
        raise
    _require_file(entry.unfinished, key)
    try:
        description = Description(
            key=key,
            built=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - begun, 1),
            bytes=entry.unfinished.stat().st_size,
            sha256=digest_file(entry.unfinished),
        )
        entry.publish(description)
    except OSError as error:
        raise _CantKeep(error, is_built=True) from None


def _build_in_memory(key: PlanKey, build: Callable[[Path], None], until_closed: ExitStack) -> Path:
    """Build where no disk is full, and where nothing is left over when this process ends."""
    descriptor = os.memfd_create(f"plan of {key.component}")
    until_closed.callback(os.close, descriptor)
    path = Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    build(path)
    _require_file(path, key)
    return path


def _require_file(path: Path, key: PlanKey) -> None:
    if not path.exists() or path.stat().st_size == 0:
        raise ComponentError(f"building the plan of '{key.component}' wrote nothing")


def _clear(entry: PlanEntry) -> None:
    with suppress(OSError):
        entry.clear()
