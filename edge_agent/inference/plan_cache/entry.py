"""One plan on disk: three files in a folder of its own.

model.plan     what the engine loads
plan.json      what it was built for, its size and SHA-256; written last. Its time is when it was last used.
lock           held shared while the plan is used, exclusively while it is built or removed
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_agent.component.artifacts import digest_file
from edge_agent.component.version import check_name
from edge_agent.inference.plan_cache.lock import LOCK, EntryLock

PLAN, DESCRIPTION = "model.plan", "plan.json"
_UNFINISHED = ".unfinished"
#: nothing else is ever removed
_FILES = (DESCRIPTION, PLAN, DESCRIPTION + _UNFINISHED, PLAN + _UNFINISHED)
_DIGEST_LETTERS = 32
_DIGEST = re.compile(f"[0-9a-f]{{{_DIGEST_LETTERS}}}")


class PlanKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a plan depends on. TensorRT promises nothing for a plan on another GPU or another version of itself."""

    component: str
    #: which of the component's models, such as the name of its file
    label: str
    model_sha256: str
    gpu: str
    compute_capability: str
    tensorrt: str
    cuda: str
    driver: str
    precision: str
    #: least, usual and largest shape of the input, or only one
    shapes: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        check_name(self.component)  # it becomes the name of a folder

    @property
    def digest(self) -> str:
        """The name of the plan's folder: the same for the same key, on every device and in every process."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:_DIGEST_LETTERS]


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """plan.json."""

    key: PlanKey
    #: in UTC, as ISO 8601 has it
    built: str
    #: that building took
    seconds: float
    bytes: int
    sha256: str


class PlanEntry:
    """The folder of one plan. Who changes it holds its lock exclusively."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = folder / PLAN
        self._description = folder / DESCRIPTION
        self.unfinished = folder / (PLAN + _UNFINISHED)

    def describe(self) -> Description | None:
        """Read the description; None when there is none that can be read."""
        try:
            return msgspec.json.decode(self._description.read_bytes(), type=Description)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def is_whole(self, key: PlanKey) -> bool:
        """Compare the plan with its description; takes a second for each gigabyte or so."""
        description = self.describe()
        if description is None or description.key != key:
            return False
        try:
            return self.plan.stat().st_size == description.bytes and digest_file(self.plan) == description.sha256
        except OSError:
            return False

    def publish(self, description: Description) -> None:
        """Give what was built its name, and describe it; before that, it is nobody's.

        Raises:
            OSError: the disk is full, or the folder can't be written; what was built stays where it is.
        """
        unfinished = self.folder / (DESCRIPTION + _UNFINISHED)
        unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n")
        for path in (unfinished, self.unfinished, self.folder):
            _to_disk(path)
        self.unfinished.rename(self.plan)
        unfinished.rename(self._description)
        _to_disk(self.folder)

    def touch(self) -> None:
        """Note that the plan is used."""
        with contextlib.suppress(OSError):  # a folder that may only be read serves all the same
            os.utime(self._description)

    def last_used(self) -> float:
        """When the plan was last used, in seconds since the epoch; 0 when there is none."""
        try:
            return self._description.stat().st_mtime
        except OSError:
            return 0.0

    def size(self) -> int:
        """Count the bytes of the entry, those of an unfinished plan among them."""
        total = 0
        for name in _FILES:
            with contextlib.suppress(OSError):
                total += (self.folder / name).stat().st_size
        return total

    def clear(self) -> None:
        """Remove all but the lock.

        Raises:
            OSError: it can't be removed.
        """
        for name in _FILES:
            (self.folder / name).unlink(missing_ok=True)

    def remove(self) -> bool:
        """Remove the entry, unless it is being used or built; tell whether it is gone."""
        try:
            with EntryLock(self.folder) as lock:
                if not lock.take(exclusive=True, wait=False):
                    return False
                self.clear()
                (self.folder / LOCK).unlink()
                self.folder.rmdir()
        except OSError:
            return not self.folder.exists()
        with contextlib.suppress(OSError):
            self.folder.parent.rmdir()  # when it was the component's last
        return True


def entries_in(folder: Path, component: str | None = None) -> Iterator[PlanEntry]:
    """Walk through the entries of a cache, or of one component in it."""
    for name in _names(folder) if component is None else [component]:
        for digest in _names(folder / name):
            if _DIGEST.fullmatch(digest):
                yield PlanEntry(folder / name / digest)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:  # not a folder, or removed in this moment
        return []


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
